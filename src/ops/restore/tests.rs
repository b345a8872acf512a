//! Restores of a small backup by the real rsync.

use std::fs as real;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::*;
use crate::catalog::{BackupInfo, Tablespace};
use crate::config::Config;
use crate::config::tests::kit::{Home, READY};
use crate::ops::CopySettings;
use crate::sys::events::Silent;
use crate::sys::testkit::CrashAfter;
use crate::sys::{Cancel, Command, Context, Files, Finished, Processes, SystemProcesses, process};
use crate::types::{BackupStatus, PgVersion, SegmentSize};

const ID: &str = "20260101T100000";
const LIMITS: &str = "bandwidth_limit = 500000\ntablespace_bandwidth_limit = ts:700000\n";
const SEGMENT: &str = "000000010000000000000003";

/// A server with one backup that has a tablespace.
struct Site {
    home: Home,
    config: Config,
}

/// The smallest segment that there can be.
fn wal() -> String {
    "w".repeat(1 << 20)
}

impl Site {
    fn new() -> Self {
        let base = format!("main/base/{ID}");
        let home = Home::with(&[
            (
                "barman.conf",
                &format!("[barman]\nbarman_home = @HOME@\nbarman_user =\n[main]\n{READY}\n{LIMITS}"),
            ),
            (&format!("{base}/data/PG_VERSION"), "15\n"),
            (&format!("{base}/data/global/pg_control"), "control"),
            (&format!("{base}/data/global/1262"), "databases"),
            (&format!("{base}/data/base/1/1259"), "classes"),
            (&format!("{base}/data/backup_label"), "START WAL LOCATION"),
            (&format!("{base}/data/postgresql.conf"), "archive_command = 'cp'\n"),
            (&format!("{base}/data/postgresql.auto.conf"), "work_mem = 1MB\n"),
            (&format!("{base}/16400/PG_15_1/1/16401"), "table"),
            (&format!("main/wals/0000000100000000/{SEGMENT}"), &wal()),
            ("main/wals/main-xlog.db", &format!("{SEGMENT}\t1048576\t1.5\tNone\tNone\n")),
        ]);
        let config = home.load("barman.conf").unwrap();
        let site = Self { home, config };
        let moment = "2026-01-01T10:00:00Z".parse().ok();
        let backup = BackupInfo {
            status: BackupStatus::Done,
            version: Some(PgVersion::new(150_000)),
            xlog_segment_size: SegmentSize::new(1 << 20).unwrap(),
            begin_wal: SEGMENT.parse().ok(),
            end_wal: SEGMENT.parse().ok(),
            begin_xlog: "0/3000028".parse().ok(),
            end_xlog: "0/3000100".parse().ok(),
            begin_time: moment,
            end_time: moment,
            tablespaces: vec![Tablespace { name: "ts".into(), oid: 16400, location: "/old/ts".into() }],
            ..BackupInfo::new(ID.parse().unwrap())
        };
        site.server(Files::default()).catalog().unwrap().save(backup).unwrap();
        site
    }

    fn server(&self, files: Files) -> Server<'_> {
        let context = Context { files, ..Context::new(Arc::new(Silent), Cancel::default()) };
        Server::new(&context, &self.config.global, &self.config.servers["main"])
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    fn restore_to(&self, to: &str, files: Files) -> Result<Restored, Error> {
        let location = self.path(&format!("{to}-ts"));
        self.restore_with(to, &[&format!("ts:{}", location.display())], files)
    }

    fn restore_with(&self, to: &str, tablespaces: &[&str], files: Files) -> Result<Restored, Error> {
        run(&self.server(files), &self.request(to, tablespaces))
    }

    fn request(&self, to: &str, tablespaces: &[&str]) -> RestoreRequest {
        RestoreRequest {
            backup: ID.into(),
            destination: self.path(to),
            targets: vec![TypedTarget::Immediate],
            timeline: None,
            exclusive: false,
            action: None,
            tablespaces: tablespaces.iter().map(|rule| (*rule).to_owned()).collect(),
            remote_ssh_command: None,
            copy: CopySettings::configured(&self.config.servers["main"]),
        }
    }

    fn read(&self, relative: &str) -> Option<String> {
        real::read_to_string(self.path(relative)).ok()
    }

    fn is_startable(&self, to: &str) -> bool {
        self.path(&format!("{to}/global/pg_control")).exists()
    }

    fn assert_complete(&self, to: &str, when: &str) {
        let expected = [
            ("PG_VERSION", "15\n"),
            ("global/pg_control", "control"),
            ("global/1262", "databases"),
            ("base/1/1259", "classes"),
            ("backup_label", "START WAL LOCATION"),
            ("postgresql.conf", "#BARMAN#archive_command = 'cp'\narchive_command = false\n"),
            ("recovery.signal", ""),
            ("pg_tblspc/16400/PG_15_1/1/16401", "table"),
            (&format!("barman_wal/{SEGMENT}"), &wal()),
        ];
        for (name, text) in expected {
            assert_eq!(self.read(&format!("{to}/{name}")).as_deref(), Some(text), "{name}, {when}");
        }
        let auto = self.read(&format!("{to}/postgresql.auto.conf")).unwrap_or_default();
        assert!(auto.starts_with("work_mem = 1MB\nrestore_command = "), "{auto}, {when}");
        assert_eq!(auto.matches("restore_command").count(), 1, "{when}");
    }
}

/// The steps of every restore but the first, which also makes the index of the WAL.
fn steps_of_a_restore(site: &Site) -> usize {
    site.restore_to("first", Files::default()).unwrap();
    let probe = CrashAfter::new(usize::MAX);
    site.restore_to("whole", Files::probed(probe.clone())).unwrap();
    site.assert_complete("whole", "undisturbed");
    probe.seen()
}

#[test]
fn a_restore_that_stops_anywhere_leaves_nothing_startable_but_the_whole_and_can_be_repeated() {
    let site = Site::new();
    let steps = steps_of_a_restore(&site);
    assert!(steps > 20, "{steps}");
    for allowed in 0..steps {
        let (to, when) = (format!("to-{allowed}"), format!("stopped after {allowed} of {steps} steps"));
        assert!(site.restore_to(&to, Files::probed(CrashAfter::new(allowed))).is_err(), "{when}");
        if site.is_startable(&to) {
            site.assert_complete(&to, &when);
        }
        let is_marked = site.path(&format!("{to}/.barman-restore-incomplete")).exists();
        if is_marked || !site.is_startable(&to) {
            site.restore_to(&to, Files::default()).unwrap_or_else(|error| panic!("{when}: {error}"));
        }
        site.assert_complete(&to, &when);
    }
}

#[test]
fn a_repetition_that_stops_anywhere_does_not_leave_the_control_file_of_the_attempt_before() {
    let site = Site::new();
    let steps = steps_of_a_restore(&site);
    for allowed in (0..steps).step_by(3) {
        let (to, when) = (format!("to-{allowed}"), format!("stopped after {allowed} of {steps} steps"));
        site.restore_to(&to, Files::probed(CrashAfter::new(steps - 2))).unwrap_err();
        assert!(site.is_startable(&to));
        // What tells a whole data directory from one that is being written anew.
        real::write(site.path(&format!("{to}/base/1/1259")), "half").unwrap();
        let _ = site.restore_to(&to, Files::probed(CrashAfter::new(allowed)));
        let is_old = site.read(&format!("{to}/base/1/1259")).as_deref() == Some("half");
        if site.is_startable(&to) && !is_old {
            site.assert_complete(&to, &when);
        }
    }
}

#[test]
fn what_was_started_since_is_not_taken_for_an_unfinished_restore() {
    let site = Site::new();
    let steps = steps_of_a_restore(&site);
    site.restore_to("to", Files::probed(CrashAfter::new(steps - 2))).unwrap_err();
    real::write(site.path("to/global/pg_control"), "in production").unwrap();
    let error = site.restore_to("to", Files::default()).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(site.read("to/global/pg_control").as_deref(), Some("in production"));
}

#[test]
fn hidden_files_of_others_in_the_destination_stay() {
    let site = Site::new();
    for dir in ["to/.ssh", "to-ts/.snapshot"] {
        real::create_dir_all(site.path(dir)).unwrap();
        real::write(site.path(dir).join("kept"), "mine").unwrap();
    }
    site.restore_to("to", Files::default()).unwrap();
    site.assert_complete("to", "beside hidden files");
    assert_eq!(site.read("to/.ssh/kept").as_deref(), Some("mine"));
    assert_eq!(site.read("to-ts/.snapshot/kept").as_deref(), Some("mine"));
}

/// Runs programs and remembers them.
#[derive(Default)]
struct Recorder(Mutex<Vec<Command>>);

impl Processes for Recorder {
    fn stream(
        &self,
        command: &Command,
        out: &mut dyn Write,
        stop: &Cancel,
    ) -> Result<Finished, process::Error> {
        self.0.lock().unwrap().push(command.clone());
        SystemProcesses.stream(command, out, stop)
    }

    fn feed(&self, command: &Command, stdin: &[u8], stop: &Cancel) -> Result<Finished, process::Error> {
        self.0.lock().unwrap().push(command.clone());
        SystemProcesses.feed(command, stdin, stop)
    }

    fn spawn_detached(&self, _: &Command, _: bool) -> Result<(), process::Error> {
        Ok(())
    }
}

#[test]
fn a_tablespace_is_copied_at_the_rate_that_is_set_for_it() {
    let (site, recorder) = (Site::new(), Arc::new(Recorder::default()));
    let mut server = site.server(Files::default());
    server.context.processes = recorder.clone();
    let request = site.request("to", &[&format!("ts:{}", site.path("to-ts").display())]);
    run(&server, &request).unwrap();
    let commands = recorder.0.lock().unwrap();
    let limit_to = |place: &str| {
        let place = format!("{}/", site.path(place).display());
        let copies = commands.iter().filter(|command| command.args.last() == Some(&place.clone().into()));
        let mut limits = copies.flat_map(|command| &command.args).filter_map(|argument| argument.to_str());
        limits.find_map(|argument| argument.strip_prefix("--bwlimit=")).map(str::to_owned)
    };
    assert_eq!((limit_to("to").unwrap(), limit_to("to-ts").unwrap()), ("500000".into(), "700000".into()));
}

#[test]
fn a_tablespace_may_lie_in_the_data_directory_but_not_around_it() {
    let site = Site::new();
    let rule = |to: &str| format!("ts:{}", site.path(to).display());
    let error = site.restore_with("to/data", &[&rule("to")], Files::default()).unwrap_err().to_string();
    assert!(error.contains("where other files of this restore go"), "{error}");
    assert!(!site.path("to").exists());
    site.restore_with("to", &[&rule("to/inside")], Files::default()).unwrap();
    site.assert_complete("to", "with a tablespace inside");
    assert_eq!(site.read("to/inside/PG_15_1/1/16401").as_deref(), Some("table"));
}

#[test]
fn what_steered_the_recovery_of_the_original_does_not_come_along() {
    let site = Site::new();
    let data = site.path(&format!("main/base/{ID}/data"));
    for name in ["standby.signal", "recovery.signal", "recovery.conf", "tablespace_map"] {
        real::write(data.join(name), "").unwrap();
    }
    let location = format!("ts:{}", site.path("plain-ts").display());
    let plain = RestoreRequest { targets: Vec::new(), ..site.request("plain", &[&location]) };
    run(&site.server(Files::default()), &plain).unwrap();
    site.restore_to("steered", Files::default()).unwrap();
    for to in ["plain", "steered"] {
        for name in ["standby.signal", "recovery.conf", "tablespace_map"] {
            assert!(!site.path(to).join(name).exists(), "{name} in {to}");
        }
    }
    assert!(!site.path("plain/recovery.signal").exists() && site.path("steered/recovery.signal").exists());
}

#[test]
fn a_segment_that_was_cut_off_is_never_restored_short() {
    let site = Site::new();
    std::fs::write(site.path(&format!("main/wals/0000000100000000/{SEGMENT}")), "w".repeat(1000)).unwrap();
    let refused = site.restore_to("new", Files::default()).unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains(SEGMENT) && said.ends_with("holds 1000 bytes, and a segment has 1048576"),
        "{said}"
    );
    assert!(!site.path("new/global/pg_control").exists());
}
