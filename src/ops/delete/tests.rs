use std::fs as real;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::catalog::{BackupInfo, Keep, Layout};
use crate::codec::{Codecs, Custom};
use crate::config::tests::kit::{Home, READY};
use crate::ops::hooks::Scripts;
use crate::ops::retention;
use crate::sys::events::Silent;
use crate::sys::fs::Probe;
use crate::sys::testkit::CrashAfter;
use crate::sys::{Cancel, Events, Files, Progress, Severity};
use crate::types::{BackupStatus, parse_timestamp};
use crate::wal::ArchivePaths;

/// A server with three backups, a day and three segments apart.
struct Server {
    home: TempDir,
    context: Context,
}

const IDS: [&str; 3] = ["20260101T100000", "20260102T100000", "20260103T100000"];

fn id(at: usize) -> BackupId {
    IDS[at].parse().unwrap()
}

fn segment(number: usize) -> String {
    format!("00000001000000000000000{number}")
}

impl Server {
    fn new() -> Self {
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let server = Self { home: tempfile::tempdir().unwrap(), context };
        let mut catalog = server.catalog();
        for (at, name) in IDS.iter().enumerate() {
            let wal = segment(1 + at * 3).parse().ok();
            server.put(&format!("main/base/{name}/data/PG_VERSION"), "17\n");
            let info = BackupInfo {
                status: BackupStatus::Done,
                mode: Some("rsync-concurrent".into()),
                begin_wal: wal,
                end_wal: wal,
                end_time: parse_timestamp(name, &chrono::Utc).ok(),
                ..BackupInfo::new(id(at))
            };
            catalog.save(info).unwrap();
        }
        let names: Vec<String> = (1..10).map(segment).collect();
        names.iter().for_each(|name| server.put(&format!("main/wals/0000000100000000/{name}"), "wal"));
        let lines: String = names.iter().map(|name| format!("{name}\t3\t1.5\tNone\tNone\n")).collect();
        server.put("main/wals/main-xlog.db", &lines);
        server
    }

    fn with_probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.context.files = Files::probed(probe);
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        real::create_dir_all(path.parent().unwrap()).unwrap();
        real::write(path, content).unwrap();
    }

    fn catalog(&self) -> Catalog {
        let layout = Layout {
            server: "main".into(),
            backup_directory: self.path("main"),
            basebackups_directory: self.path("main/base"),
            lock_directory: self.path(""),
            keeps_old_records: true,
        };
        Catalog::open(&self.context.files, layout).unwrap()
    }

    fn archive(&self) -> Archive {
        let paths = ArchivePaths {
            server: "main".into(),
            wals_dir: self.path("main/wals"),
            xlogdb: self.path("main/wals/main-xlog.db"),
            lock_dir: self.path(""),
        };
        Archive::new(&self.context, paths, Codecs::new(&self.context, Custom::default()))
    }

    fn delete(&self, text: &str) -> Result<(), Error> {
        run(&self.context, &mut self.catalog(), &self.archive(), settings(None), text)
    }

    fn enforce(&self, policy: Option<&str>) -> Result<(), Error> {
        retention::enforce(&self.context, &mut self.catalog(), &self.archive(), settings(policy))
    }

    fn ids(&self) -> Vec<String> {
        self.catalog().ids().map(ToString::to_string).collect()
    }

    /// The numbers of the segments that are there, in the list and as files.
    fn segments(&self) -> (Vec<usize>, Vec<usize>) {
        let list = real::read_to_string(self.path("main/wals/main-xlog.db")).unwrap();
        let is_there =
            |number: &usize| self.path(&format!("main/wals/0000000100000000/{}", segment(*number))).exists();
        let is_listed = |number: &usize| list.contains(&segment(*number));
        ((1..10).filter(is_listed).collect(), (1..10).filter(is_there).collect())
    }
}

fn settings(policy: Option<&str>) -> Settings<'static> {
    let policy = policy.map(|policy| policy.parse().unwrap());
    Settings {
        rules: Rules { policy, minimum_redundancy: 0 },
        is_concurrent: true,
        scripts: Scripts::default(),
    }
}

fn steps_of_a_deletion() -> usize {
    let probe = CrashAfter::new(usize::MAX);
    Server::new().with_probe(probe.clone()).delete(IDS[0]).unwrap();
    probe.seen()
}

#[test]
fn a_deletion_that_crashes_anywhere_leaves_no_half_backup_that_calls_itself_complete() {
    let steps = steps_of_a_deletion();
    assert!(steps > 10);
    for allowed in 0..steps {
        let mut server = Server::new().with_probe(CrashAfter::new(allowed));
        let _ = server.delete(IDS[0]);
        server.context.files = Files::default();
        let catalog = server.catalog();
        let is_whole = server.path(&format!("main/base/{}/data/PG_VERSION", IDS[0])).exists()
            && server.segments() == ((1..10).collect(), (1..10).collect());
        let record = catalog.find(&id(0)).unwrap();
        let claims_to_be_whole = record.is_some_and(|info| info.status == BackupStatus::Done);
        assert!(is_whole || !claims_to_be_whole, "after {allowed} of {steps} steps");
        assert!(
            is_whole || record.is_none() || catalog.begun_deletions().unwrap() == [id(0)],
            "after {allowed}"
        );
        // What the backups that stay need is there, listed and as files.
        let (listed, there) = server.segments();
        assert!(
            listed.ends_with(&[4, 5, 6, 7, 8, 9]) && there.ends_with(&[4, 5, 6, 7, 8, 9]),
            "after {allowed}"
        );
    }
}

#[test]
fn the_next_run_finishes_what_a_crash_interrupted() {
    let steps = steps_of_a_deletion();
    for allowed in 0..steps {
        for by_person in [true, false] {
            let mut server = Server::new().with_probe(CrashAfter::new(allowed));
            let _ = server.delete(IDS[0]);
            server.context.files = Files::default();
            if by_person && server.ids().len() == 3 {
                server.delete(IDS[0]).unwrap();
            }
            server.enforce(None).unwrap();
            if by_person || server.ids().len() < 3 {
                assert_eq!(server.ids(), IDS[1..], "after {allowed} of {steps} steps");
                assert!(!server.path(&format!("main/base/{}", IDS[0])).exists(), "after {allowed}");
                let left: Vec<usize> = (4..10).collect();
                assert_eq!(server.segments(), (left.clone(), left), "after {allowed}");
            }
            assert_eq!(server.catalog().begun_deletions().unwrap(), []);
        }
    }
}

#[test]
fn a_failure_before_anything_is_changed_leaves_the_backup_as_it_was() {
    let server = Server::new();
    server.put("main/wals/main-xlog.db", "damaged\n");
    assert!(matches!(server.delete(IDS[0]), Err(Error::NotDeleted { .. })));
    assert_eq!(server.catalog().find(&id(0)).unwrap().unwrap().status, BackupStatus::Done);
    assert_eq!(server.catalog().begun_deletions().unwrap(), []);
}

#[test]
fn a_history_that_cannot_be_decrypted_here_keeps_wal_and_not_backups() {
    let server = Server::new();
    let mut catalog = server.catalog();
    let last = catalog.find(&id(2)).unwrap().unwrap().clone();
    catalog.save(BackupInfo { begin_wal: "000000020000000000000007".parse().ok(), ..last }).unwrap();
    real::write(server.path("main/wals/00000002.history"), b"\x85\x01\x0c\x03 a message of gpg").unwrap();
    server.delete(IDS[0]).unwrap();
    assert_eq!(server.ids(), IDS[1..]);
    assert_eq!(server.segments(), ((1..10).collect(), (1..10).collect()));
}

#[test]
fn a_script_that_keeps_the_first_wal_file_leaves_the_backup_as_it_was() {
    let server = Server::new();
    for (script, status, begun) in [
        ("exit 63", BackupStatus::Done, vec![]),
        ("case $BARMAN_SEGMENT in *1) ;; *) exit 63;; esac", BackupStatus::Failed, vec![id(0)]),
        ("exit 63", BackupStatus::Failed, vec![id(0)]),
    ] {
        let text = format!(
            "[barman]\nbarman_home = @HOME@\nbarman_user =\n[main]\npre_wal_delete_retry_script = {script}\n{READY}"
        );
        let home = Home::with(&[("barman.conf", &text)]);
        let config = home.load("barman.conf").unwrap();
        let configured = crate::ops::Server::new(&server.context, &config.global, &config.servers["main"]);
        let settings = Settings { scripts: Scripts::of(&configured), ..settings(None) };
        let deleted = run(&server.context, &mut server.catalog(), &server.archive(), settings, IDS[0]);
        assert!(matches!(deleted, Err(Error::NotDeleted { .. })));
        assert_eq!(server.catalog().find(&id(0)).unwrap().unwrap().status, status, "{script}");
        assert_eq!(server.catalog().begun_deletions().unwrap(), begun, "{script}");
    }
    assert_eq!(server.segments().1, (2..10).collect::<Vec<_>>());
}

#[test]
fn no_wal_is_removed_while_a_record_cannot_be_read() {
    let server = Server::new();
    server.put(&format!("main/meta/{}-backup.info", IDS[1]), "damaged\n");
    server.delete(IDS[0]).unwrap();
    assert_eq!(server.ids(), IDS[1..]);
    assert_eq!(server.segments().0, (1..10).collect::<Vec<_>>());
    server.enforce(Some("REDUNDANCY 0")).unwrap();
    assert_eq!(server.ids(), IDS[1..]);
}

#[test]
fn a_backup_behind_a_link_is_removed_with_what_the_link_leads_to() {
    let server = Server::new();
    let (base, elsewhere) = (server.path(&format!("main/base/{}", IDS[0])), server.path("elsewhere"));
    real::rename(&base, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &base).unwrap();
    server.delete(IDS[0]).unwrap();
    assert!(!elsewhere.exists() && base.symlink_metadata().is_err());
}

#[test]
fn links_in_a_backup_are_not_followed() {
    let server = Server::new();
    server.put("precious/data", "x");
    let link = server.path(&format!("main/base/{}/data/pg_tblspc", IDS[0]));
    std::os::unix::fs::symlink(server.path("precious"), link).unwrap();
    server.delete(IDS[0]).unwrap();
    assert!(server.path("precious/data").exists());
}

#[test]
fn somebody_elses_lock_holds_the_deletion_back() {
    let server = Server::new();
    for path in [server.catalog().layout().backup_lock(), server.catalog().layout().backup_id_lock(&id(0))] {
        let lock = Lock::try_acquire(&path).unwrap();
        assert!(matches!(server.delete(IDS[0]), Err(Error::NotDeleted { .. })));
        drop(lock);
        assert_eq!(server.ids(), IDS);
    }
    server.delete(IDS[0]).unwrap();
    assert!(!server.catalog().layout().backup_id_lock(&id(0)).exists());
}

#[test]
fn a_stop_is_obeyed_between_parts_of_a_backup_and_remembered() {
    let server = Server::new();
    server.context.cancel.cancel();
    assert!(matches!(server.delete(IDS[1]), Err(Error::Cancelled(_))));
    assert_eq!(server.catalog().begun_deletions().unwrap(), [id(1)]);
}

#[test]
fn the_next_backup_owns_the_files_that_it_shared() {
    let server = Server::new();
    let file = |at: usize| server.path(&format!("main/base/{}/data/shared", IDS[at]));
    real::write(file(0), "12345").unwrap();
    real::hard_link(file(0), file(1)).unwrap();
    server.delete(IDS[0]).unwrap();
    let next = server.catalog().find(&id(1)).unwrap().unwrap().clone();
    assert_eq!((next.size, next.deduplicated_size), (Some(8), Some(8)));
}

#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Events for Said {
    fn say(&self, severity: Severity, text: &str) {
        self.0.lock().unwrap().push(format!("{severity:?}: {text}"));
    }

    fn progress(&self, _: Progress<'_>) {}
}

#[test]
fn the_policy_deletes_what_it_does_not_need_and_leaves_orphans_to_people() {
    let mut server = Server::new();
    let said = Arc::new(Said::default());
    server.context.events = said.clone();
    real::remove_dir_all(server.path(&format!("main/base/{}", IDS[1]))).unwrap();
    server.put(&format!("main/meta/{}-delete_this", "20250101T000000"), "delete");
    server.enforce(Some("REDUNDANCY 1")).unwrap();
    assert_eq!(server.ids(), IDS[1..]);
    assert_eq!(server.catalog().begun_deletions().unwrap(), []);
    let said = said.0.lock().unwrap();
    assert!(said[0].starts_with(&format!("Warning: Backup '{}' is an orphan backup", IDS[1])), "{said:?}");
    let removing = format!("Info: Enforcing retention policy: removing backup {} for server main", IDS[0]);
    assert_eq!(said[1], removing);
}

#[test]
fn the_policy_leaves_a_backup_that_somebody_works_on_for_the_next_time() {
    let mut server = Server::new();
    let said = Arc::new(Said::default());
    server.context.events = said.clone();
    let _lock = Lock::try_acquire(&server.catalog().layout().backup_id_lock(&id(0))).unwrap();
    server.enforce(Some("REDUNDANCY 1")).unwrap();
    assert_eq!(server.ids(), [IDS[0], IDS[2]]);
    let skipped = "Warning: Another action is in progress for the backup 20260101T100000 of server main";
    assert!(said.0.lock().unwrap()[1].starts_with(skipped));
}

#[test]
fn a_keep_set_meanwhile_counts() {
    let server = Server::new();
    let mut catalog = server.catalog();
    server.catalog().set_keep(&id(0), Keep::Full).unwrap();
    let deleted = run(&server.context, &mut catalog, &server.archive(), settings(None), IDS[0]);
    assert!(matches!(deleted, Err(Error::NotDeleted { .. })));
    assert_eq!(server.ids(), IDS);
}

#[test]
fn the_policy_passes_backups_that_are_kept_for_themselves() {
    let server = Server::new();
    server.catalog().set_keep(&id(0), Keep::Standalone).unwrap();
    server.enforce(Some("REDUNDANCY 1")).unwrap();
    assert_eq!(server.ids(), [IDS[0], IDS[2]]);
    assert_eq!(server.segments().0, [1, 7, 8, 9]);
}
