//! What a backup takes, and what it takes along.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::kit::world::Plan;
use crate::kit::{Version, World, tools};

/// The inode and the number of names of the file that holds `table`.
fn file_of(world: &World, id: &str, table: &str) -> (u64, u64) {
    let path = world.pg.sql(&format!("SELECT pg_relation_filepath('{table}')"));
    let metadata = fs::metadata(world.site.backup_dir(id).join("data").join(path)).unwrap();
    (metadata.ino(), metadata.nlink())
}

#[test]
fn unchanged_files_are_links_to_the_previous_backup_and_both_can_be_restored() {
    let world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let first = world.backup();
    let then = world.pg.contents();
    world.note("changes one table");
    world.pg.sql("CHECKPOINT");
    let second = world.backup();
    let now = world.pg.contents();

    let unchanged = file_of(&world, &first, "pgbench_accounts");
    assert_eq!(unchanged, file_of(&world, &second, "pgbench_accounts"));
    assert_eq!(unchanged.1, 2);
    assert_ne!(file_of(&world, &first, "ledger"), file_of(&world, &second, "ledger"));
    assert_ne!(world.site.field(&second, "deduplicated_size"), world.site.field(&second, "size"));

    // A restore must not be a link: writing to it would damage both backups.
    for (name, id, contents) in [("first", &first, &then), ("second", &second, &now)] {
        let mut pg = world.restore(id, name, "--target-immediate --target-action promote").start();
        assert_eq!(&pg.contents(), contents, "{name}");
        pg.sql("UPDATE pgbench_accounts SET abalance = 1");
        pg.stop_and_verify_pages();
    }
    let mut again =
        world.restore(&first, "first-again", "--target-immediate --target-action promote").start();
    assert_eq!(again.contents(), then);
    again.stop_and_verify_pages();
}

#[test]
fn reuse_by_copy_and_no_reuse_at_all_give_files_of_their_own() {
    let world = World::new(Version::V15);
    world.backup();
    for reuse in ["copy", "off"] {
        let words = format!("backup main --immediate-checkpoint --wait --reuse-backup={reuse}");
        world.site.barman(&words).ok();
        let id = world.site.backups().remove(0);
        assert_eq!(file_of(&world, &id, "ledger").1, 1, "{reuse}");
        let pg = world.restore(&id, reuse, "").start();
        assert_eq!(pg.contents(), world.pg.contents(), "{reuse}");
    }
}

#[test]
fn a_role_with_only_the_granted_functions_can_back_up() {
    let mut world = World::new(Version::V15);
    world.pg.sql(&format!("CREATE ROLE helper LOGIN PASSWORD '{}'", crate::kit::program::PASSWORD));
    for grant in [
        "EXECUTE ON FUNCTION pg_backup_start(text, boolean)",
        "EXECUTE ON FUNCTION pg_backup_stop(boolean)",
        "EXECUTE ON FUNCTION pg_switch_wal()",
        "EXECUTE ON FUNCTION pg_create_restore_point(text)",
        "pg_read_all_settings",
        "pg_read_all_stats",
        "pg_checkpoint",
    ] {
        world.pg.sql(&format!("GRANT {grant} TO helper"));
    }
    fs::write(world.site.dir().join(".pgpass"), format!("*:*:*:helper:{}\n", crate::kit::program::PASSWORD))
        .unwrap();
    let conninfo = world.pg.conninfo().replace("user=barman", "user=helper");
    world.site.set("conninfo", &conninfo);
    world.site.barman("check main").ok().says("superuser or standard user with backup privileges: OK");
    let id = world.backup();
    assert_eq!(world.restore(&id, "restored", "").start().contents(), world.pg.contents());
}

#[test]
fn wal_on_another_disk_and_odd_names_come_back_whole() {
    if tools::testing_the_reference() {
        eprintln!("skipped: Barman 3.19.1 does not quote all the paths that it hands to a shell");
        return;
    }
    tools::become_unprivileged();
    let disk = tempfile::Builder::new().prefix("barman-e2e-wal-").tempdir_in("/tmp").unwrap();
    let wal = disk.path().join("wal");
    let initdb = ["--waldir", wal.to_str().unwrap()];
    let world = World::planned(Version::V15, &Plan { initdb: &initdb, odd_names: true, ..Plan::default() });
    let id = world.backup();
    world.note("after the backup");
    world.ship_wal();
    for (name, options) in [("it's $HOME", ""), ("`back` \\ again", "--target-tli 1 --target-action promote")]
    {
        let restored = world.restore(&id, name, options);
        let wal = fs::symlink_metadata(restored.pg.data().join("pg_wal")).unwrap();
        assert!(wal.is_dir(), "the restored server has its WAL in a place of its own");
        let mut pg = restored.start();
        assert_eq!(pg.contents(), world.pg.contents());
        pg.stop_and_verify_pages();
    }
}

/// Debian's way: postgresql.conf and its companions are under /etc.
#[test]
fn configuration_files_outside_the_data_directory_come_along() {
    let mut world = World::new(Version::V15);
    let (data, etc) = (world.pg.data().to_owned(), world.path("etc"));
    fs::create_dir(&etc).unwrap();
    world.pg.stop();
    world.pg.configure(&settings_naming(&data, &etc).join("\n"));
    for name in CONFIGURATION {
        fs::rename(data.join(name), etc.join(name)).unwrap();
    }
    world.pg.options = vec!["-c".into(), format!("config_file={}/postgresql.conf", etc.display())];
    world.pg.start();
    world.point_site_at_database();

    let id = world.backup();
    let mut restored = world.restore(&id, "restored", "");
    for name in CONFIGURATION {
        assert!(restored.pg.data().join(name).is_file(), "{name}");
    }
    assert!(
        restored.outcome.said("data_directory = "),
        "a warning names what still points to the old server"
    );
    let overrides = settings_naming(restored.pg.data(), restored.pg.data());
    restored.pg.options =
        overrides.iter().flat_map(|setting| ["-c".into(), setting.replace(['\'', ' '], "")]).collect();
    assert_eq!(restored.start().contents(), world.pg.contents());
}

const CONFIGURATION: [&str; 3] = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"];

/// Settings of a server whose data is in `data` and whose configuration is in `etc`.
fn settings_naming(data: &Path, etc: &Path) -> [String; 3] {
    [
        format!("data_directory = '{}'", data.display()),
        format!("hba_file = '{}/pg_hba.conf'", etc.display()),
        format!("ident_file = '{}/pg_ident.conf'", etc.display()),
    ]
}
