//! Restores of a small backup by the real rsync.

use std::fs as real;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::catalog::{BackupInfo, Tablespace};
use crate::codec::{Encoder, Format, Level};
use crate::config::Config;
use crate::config::tests::kit::{Home, READY};
use crate::ops::CopySettings;
use crate::sys::events::{Events, Progress, Severity, Silent};
use crate::sys::fs::Probe;
use crate::sys::testkit::CrashAfter;
use crate::sys::{
    Cancel, Cancelled, Clock, Command, Context, Files, Finished, Processes, SystemProcesses, process,
};
use crate::types::{BackupStatus, PgVersion, SegmentSize, Timestamp};

mod over_files;
mod stops;
mod wal;

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

    /// The same backup in archives.
    fn archived() -> Self {
        let site = Self::new();
        let base = site.path(&format!("main/base/{ID}"));
        let pack = |dir: &str| {
            let mut archive = tar::Builder::new(Vec::new());
            archive.append_dir_all("", base.join(dir)).unwrap();
            real::remove_dir_all(base.join(dir)).unwrap();
            archive.into_inner().unwrap()
        };
        let (data, tablespace) = (pack("data"), pack("16400"));
        let mut encoder = Encoder::new(Vec::new(), Format::Gzip, Level::Low).unwrap();
        encoder.write_all(&data).unwrap();
        real::create_dir(base.join("data")).unwrap();
        real::write(base.join("data/base.tar.gz"), encoder.finish().unwrap()).unwrap();
        real::write(base.join("data/16400.tar"), tablespace).unwrap();
        site
    }

    /// Compresses the WAL of the backup, and lets a damaged segment follow, whose place it gives.
    fn add_damaged_segment(&self) -> PathBuf {
        let mut encoder = Encoder::new(Vec::new(), Format::Gzip, Level::Low).unwrap();
        encoder.write_all(wal().as_bytes()).unwrap();
        let segment = self.path(&format!("main/wals/0000000100000000/{SEGMENT}"));
        real::write(&segment, encoder.finish().unwrap()).unwrap();
        let next = "000000010000000000000004";
        let damaged = segment.with_file_name(next);
        real::write(&damaged, b"\x1f\x8b\x08\0\0\0\0\0\0\x03damaged").unwrap();
        let list = [SEGMENT, next].map(|name| format!("{name}\t17\t1.5\tgzip\tNone\n")).concat();
        real::write(self.path("main/wals/main-xlog.db"), list).unwrap();
        damaged
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
            staging: TypedStaging { path: Some(self.path("staging")), ..TypedStaging::default() },
            backup: ID.into(),
            destination: self.path(to),
            targets: vec![TypedTarget::Immediate],
            timeline: None,
            exclusive: false,
            action: None,
            tablespaces: tablespaces.iter().map(|rule| (*rule).to_owned()).collect(),
            remote_ssh_command: None,
            standby: false,
            wal: WalOptions::default(),
            settings_file: None,
            delta: false,
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
        assert!(auto.starts_with("work_mem = 1MB\n\nrestore_command = "), "{auto}, {when}");
        assert_eq!(auto.matches("restore_command").count(), 1, "{when}");
    }
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

#[test]
fn a_directory_that_was_made_before_is_closed_to_others() {
    let mode = |path: &Path| real::metadata(path).unwrap().permissions().mode() & 0o777;
    let site = Site::archived();
    real::create_dir(site.path("to")).unwrap();
    real::set_permissions(site.path("to"), real::Permissions::from_mode(0o755)).unwrap();
    site.restore_to("to", Files::default()).unwrap();
    assert_eq!(mode(&site.path("to")), 0o700, "PostgreSQL does not start in any other");
}

#[test]
fn an_archive_that_holds_what_postgresql_does_not_store_is_refused() {
    let archive = |fill: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let site = Site::archived();
        let mut archive = tar::Builder::new(Vec::new());
        fill(&mut archive);
        real::remove_file(site.path(&format!("main/base/{ID}/data/base.tar.gz"))).unwrap();
        let path = site.path(&format!("main/base/{ID}/data/base.tar"));
        real::write(path, archive.into_inner().unwrap()).unwrap();
        let error = site.restore_to("to", Files::default()).unwrap_err();
        assert!(!site.is_startable("to"));
        assert!(real::read_dir(site.path("staging")).unwrap().next().is_none());
        error.with_causes()
    };
    let header = |kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o700);
        header.set_size(0);
        header
    };
    let lacking = archive(&|archive| {
        archive.append_data(&mut header(tar::EntryType::Regular), "PG_VERSION", io::empty()).unwrap();
    });
    assert!(lacking.contains("base.tar' has no 'global/pg_control'"), "{lacking}");
    let leading = archive(&|archive| {
        archive.append_link(&mut header(tar::EntryType::Symlink), "base", "/etc").unwrap();
    });
    assert!(leading.contains("'base' in the archive") && leading.contains("is a link"), "{leading}");
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
fn a_tablespace_does_not_go_where_files_of_the_data_directory_go() {
    let site = Site::new();
    let data = site.path(&format!("main/base/{ID}/data"));
    for dir in ["tablespaces", "conf.d"] {
        real::create_dir(data.join(dir)).unwrap();
    }
    real::write(data.join("conf.d/mine.conf"), "").unwrap();
    std::os::unix::fs::symlink(site.home.path(), site.path("alias")).unwrap();
    real::create_dir(site.path("sub")).unwrap();
    for to in [
        "to/base",
        "to/base/new",
        "to/global",
        "to/conf.d",
        "to/PG_VERSION",
        "to/pg_wal/x",
        "to/pg_tblspc/16400",
        "to/barman_wal",
        "alias/to",
        "alias/to/base",
        "sub/../to",
        "not/there/../../to/base",
    ] {
        let rule = format!("ts:{}", site.path(to).display());
        let error = site.restore_with("to", &[&rule], Files::default()).unwrap_err().to_string();
        assert!(error.contains("choose another one with --tablespace ts:LOCATION"), "{to}: {error}");
        assert!(!site.path("to").exists(), "{to}");
    }
    let rule = format!("ts:{}", site.path("alias/to/tablespaces/ts").display());
    site.restore_with("to", &[&rule], Files::default()).unwrap();
    site.assert_complete("to", "with a tablespace inside, under another name");
    assert!(site.path("to/conf.d/mine.conf").exists());
}

/// Keeps what is said.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Events for Said {
    fn say(&self, severity: Severity, text: &str) {
        self.0.lock().unwrap().push(format!("{severity:?}: {text}"));
    }

    fn progress(&self, _: Progress<'_>) {}
}

impl Said {
    fn has(&self, severity: Severity, words: &str) -> bool {
        let start = format!("{severity:?}: ");
        self.0.lock().unwrap().iter().any(|line| line.starts_with(&start) && line.contains(words))
    }
}

#[test]
fn what_a_script_puts_into_the_destination_is_not_removed() {
    let mut site = Site::new();
    let script = site.path("script");
    let text = "#!/bin/sh\nmkdir -p \"$BARMAN_DESTINATION_DIRECTORY/.kept\"\n\
                [ -z \"$FILE\" ] || echo mine > \"$BARMAN_DESTINATION_DIRECTORY/mine\"\n";
    for (to, file, is_refused) in [("hidden", "", false), ("visible", "FILE=1 ", true)] {
        real::write(&script, text).unwrap();
        let configuration = real::read_to_string(site.path("barman.conf")).unwrap();
        let hooked = format!("{configuration}pre_recovery_script = {file}/bin/sh {}\n", script.display());
        real::write(site.path("hooked.conf"), hooked).unwrap();
        site.config = site.home.load("hooked.conf").unwrap();
        let restored = site.restore_to(to, Files::default());
        assert!(site.path(to).join(".kept").exists(), "{to}");
        match restored {
            Ok(_) => assert!(!is_refused),
            Err(error) => assert!(is_refused && error.to_string().contains("is not empty"), "{error}"),
        }
    }
    assert_eq!(site.read("visible/mine").as_deref(), Some("mine\n"));
}

#[test]
fn what_postgresql_could_not_be_told_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let site = Site::new();
    let location = format!("ts:{}", site.path("to-ts").display());
    let restore = |request| run(&site.server(Files::default()), &request).map_err(|error| error.to_string());
    let named = |bytes| RestoreRequest {
        targets: vec![TypedTarget::Name("x".repeat(bytes))],
        ..site.request(&format!("to-{bytes}"), &[&location])
    };
    assert!(restore(named(64)).unwrap_err().contains("names of up to 63"));
    assert!(!site.path("to-64").exists());
    let destination = site.home.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let steered = RestoreRequest { destination: destination.clone(), ..site.request("to", &[&location]) };
    assert!(restore(steered.clone()).unwrap_err().contains("is not in UTF-8"));
    assert!(!destination.exists());
    restore(RestoreRequest { targets: Vec::new(), ..steered }).unwrap();
    assert!(destination.join("global/pg_control").exists());
    assert!(restore(RestoreRequest { tablespaces: vec![format!("{location}-63")], ..named(63) }).is_ok());
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
fn a_backup_cannot_be_deleted_while_it_is_restored_but_restored_twice_at_a_time() {
    let site = Site::new();
    let path = site.server(Files::default()).layout().backup_id_lock(&ID.parse().unwrap());
    let deletion = Lock::try_acquire(&path).unwrap();
    let error = site.restore_to("to", Files::default()).unwrap_err().to_string();
    assert!(error.contains("is holding the lock for backup") && !site.path("to").exists(), "{error}");
    drop(deletion);
    let other_restore = Lock::acquire_for_reading(&path).unwrap().unwrap();
    assert!(Lock::try_acquire(&path).unwrap().is_none());
    site.restore_to("to", Files::default()).unwrap();
    assert!(Lock::try_acquire(&path).unwrap().is_none(), "the other restore still has it");
    drop(other_restore);
    assert!(Lock::try_acquire(&path).unwrap().is_some());
}

/// Loses a file of the backup as soon as the trees are listed.
struct Vandal(PathBuf);

impl Processes for Vandal {
    fn stream(
        &self,
        command: &Command,
        out: &mut dyn Write,
        stop: &Cancel,
    ) -> Result<Finished, process::Error> {
        SystemProcesses.stream(command, out, stop)
    }

    fn exchange(
        &self,
        command: &Command,
        stdin: &[u8],
        out: &mut dyn Write,
        stop: &Cancel,
    ) -> Result<Finished, process::Error> {
        real::remove_file(&self.0).ok();
        SystemProcesses.exchange(command, stdin, out, stop)
    }

    fn feed(&self, command: &Command, stdin: &[u8], stop: &Cancel) -> Result<Finished, process::Error> {
        SystemProcesses.feed(command, stdin, stop)
    }

    fn spawn_detached(&self, _: &Command, _: bool) -> Result<(), process::Error> {
        Ok(())
    }
}

#[test]
fn a_restore_whose_source_vanishes_fails() {
    let site = Site::new();
    let mut server = site.server(Files::default());
    server.context.processes = Arc::new(Vandal(site.path(&format!("main/base/{ID}/data/base/1/1259"))));
    let request = site.request("to", &[&format!("ts:{}", site.path("to-ts").display())]);
    let error = run(&server, &request).unwrap_err().description();
    assert!(error.contains("vanished"), "{error}");
    assert!(!site.is_startable("to"));
}
