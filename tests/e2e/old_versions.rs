//! PostgreSQL 8.4 to 9.6, which cannot be installed any more: what is said to it, on a scripted server.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::kit::scripted::{ScriptedServer, version_name};
use crate::kit::{Site, eventually, tools};

/// A server of an old version on the backup host itself, and its site.
struct OldWorld {
    pg: ScriptedServer,
    site: Site,
    dir: TempDir,
}

impl OldWorld {
    fn new(version: u32) -> Self {
        tools::become_unprivileged();
        let dir = tempfile::Builder::new().prefix("barman-e2e-old-").tempdir_in("/tmp").unwrap();
        let mut site = Site::new(&dir.path().join("site"));
        let pg = ScriptedServer::start(version, &dir.path().join("pg"), &site.incoming());
        site.set("conninfo", &pg.conninfo());
        site.set("backup_method", "local-rsync");
        site.unset("ssh_command");
        Self { pg, site, dir }
    }

    /// Takes a backup and gives its identifier.
    #[track_caller]
    fn backup(&self) -> String {
        self.site.barman("backup main --immediate-checkpoint --wait --wait-timeout 20").ok();
        let id = self.site.backups().remove(0);
        assert_eq!(self.site.field(&id, "status"), "DONE");
        id
    }

    #[track_caller]
    fn assert_fields(&self, id: &str, fields: &[(&str, &str)]) {
        for (field, value) in fields {
            assert_eq!(self.site.field(id, field), *value, "{field}");
        }
    }

    /// Restores a backup to a moment far ahead, and gives the destination.
    fn restore(&self, id: &str) -> std::path::PathBuf {
        let to = self.dir.path().join("restored");
        let rule = format!("fast:{}", self.dir.path().join("restored-fast").display());
        let words = format!("restore main {id} {} --tablespace '{rule}' --target-tli 1", to.display());
        self.site.barman(&words).ok();
        to
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn each_old_version_is_backed_up_in_exclusive_mode_with_the_words_that_it_knows() {
    for version in [80_422, 90_023, 90_124, 90_224, 90_325, 90_426, 90_525, 90_624] {
        let name = version_name(version);
        eprintln!("PostgreSQL {name}");
        let mut world = OldWorld::new(version);
        if version < 90_600 {
            world.site.barman("check main").fails(1, &["pgespresso extension: FAILED", "exclusive_backup"]);
        }
        world.site.set("backup_options", "exclusive_backup");
        let checked = world.site.barman("check main").ok();
        let checked = checked.says(&format!("PostgreSQL: OK (PostgreSQL {name} can be backed up"));
        assert_eq!(checked.said("wal_level: OK"), version >= 90_000, "{checked}");
        world.site.barman("show-servers main").ok().says(&format!("server_txt_version: {name}"));
        world.site.barman("status main").ok().says(&format!("PostgreSQL version: {name}"));
        world.site.barman("switch-wal --force --archive main").ok().says("has been closed");

        let id = world.backup();
        // Before 9.3 the last segment of a log, FF, was left out.
        let end = match version {
            ..90_300 => "000000010000000100000000",
            _ => "0000000100000000000000FF",
        };
        let version_field = version.to_string();
        world.assert_fields(
            &id,
            &[("version", &version_field), ("mode", "rsync-exclusive"), ("end_wal", end)],
        );
        let copy = world.site.backup_dir(&id);
        let label = fs::read_to_string(copy.join("data/backup_label")).unwrap();
        assert!(label.contains(&format!("LABEL: Barman backup main {id}")), "{label}");
        let table =
            if version < 90_000 { "1/16500".into() } else { format!("PG_{}_2012/1/16500", &name[..3]) };
        assert_eq!(fs::read_to_string(copy.join("16400").join(&table)).unwrap(), "rows");

        let restored = world.restore(&id);
        let settings = fs::read_to_string(restored.join("recovery.conf")).unwrap();
        assert!(settings.contains("restore_command = 'cp "), "{settings}");
        assert!(!restored.join("recovery.signal").exists() && !restored.join("backup_label.old").exists());
        let wal = names_in(&restored.join("barman_wal"));
        assert!(wal.contains(&end.to_owned()), "{wal:?}");
        assert_eq!(names_in(&restored.join("pg_xlog")), [""; 0]);
        assert_eq!(fs::read_to_string(world.dir.path().join("restored-fast").join(table)).unwrap(), "rows");
    }
}

#[test]
fn pgespresso_takes_concurrent_backups_of_9_2_and_its_backup_is_given_up_when_the_copy_fails() {
    let mut world = OldWorld::new(90_224);
    world.pg.with(|server| server.espresso = Some("our tools".into()));
    world.site.barman("check main").ok().says("pgespresso extension: OK");
    world.site.barman("switch-wal --archive main").ok();
    let id = world.backup();
    world.assert_fields(
        &id,
        &[
            ("mode", "rsync-concurrent"),
            ("begin_wal", "0000000100000000000000FE"),
            ("begin_xlog", "0/FE000028"),
            ("end_wal", "000000010000000100000000"),
            ("end_xlog", "1/1000000"),
            ("end_offset", "0"),
        ],
    );
    let label = fs::read_to_string(world.site.backup_dir(&id).join("data/backup_label")).unwrap();
    assert!(label.starts_with("START WAL LOCATION: 0/FE000028 (file 0000000100000000000000FE)\n"), "{label}");
    assert!(!world.pg.data().join("backup_label").exists());
    assert!(names_in(&world.restore(&id).join("barman_wal")).contains(&"000000010000000100000000".into()));

    world.site.set("bandwidth_limit", "10");
    let running = world.site.start_barman("backup main --reuse-backup=off");
    eventually("the backup copies files", || {
        let newest = world.site.backups().remove(0);
        newest != id && world.site.backup_dir(&newest).join("data/base/1").exists()
    });
    assert_eq!(world.pg.with(|server| server.counted), 1);
    running.signal(Signal::SIGINT);
    running.finish();
    assert_eq!(world.pg.with(|server| server.counted), 0);
}

#[test]
fn a_server_that_is_older_still_is_refused_by_its_version() {
    let mut world = OldWorld::new(80_323);
    world.site.set("backup_options", "exclusive_backup");
    let row = "PostgreSQL: FAILED (unsupported version: PostgreSQL server is too old (8.3.23 < 8.4))";
    world.site.barman("check main").fails(1, &[row]);
    world.site.barman("backup main").fails(1, &["Impossible to start the backup", "too old"]);
}

#[test]
fn from_9_6_on_concurrent_backups_need_no_extension() {
    let world = OldWorld::new(90_624);
    let outcome = world.site.barman("check main").ok();
    assert!(!outcome.said("pgespresso"), "{outcome}");
    let id = world.backup();
    world.assert_fields(&id, &[("mode", "rsync-concurrent"), ("systemid", "7000000000000000001")]);
}
