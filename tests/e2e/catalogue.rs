//! Finding, showing and deleting what was taken.

use std::fs;

use crate::kit::{Version, World};

#[test]
fn deleting_the_oldest_backup_takes_its_wal_and_leaves_the_others_whole() {
    let world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let first = world.backup();
    world.note("between the backups");
    world.ship_wal();
    world.site.barman("backup main --immediate-checkpoint --wait --name nightly").ok();
    let second = world.site.backups().remove(0);
    let third = world.backup();
    let contents = world.pg.contents();
    let begin = |id: &str| world.site.field(id, "begin_wal");
    assert!(world.site.indexed_wal().contains(&begin(&first)));

    world.site.barman("show-backup main nightly").ok().says(&second);
    world.site.barman("delete main oldest").ok().says(&format!("Deleted backup {first}"));
    assert_eq!(world.site.backups(), [third.clone(), second.clone()]);
    assert!(!world.site.backup_dir(&first).exists());
    assert_eq!(world.site.indexed_wal()[0], begin(&second), "WAL before the oldest backup is of no use");
    for name in world.site.indexed_wal() {
        assert!(world.site.archived(&name).exists(), "{name}");
    }
    assert!(!world.site.archived("000000010000000000000001").exists());

    // Its files were linked to those of the deleted one.
    let mut pg = world.restore("nightly", "nightly", "").start();
    assert_eq!(pg.contents(), contents);
    pg.stop_and_verify_pages();

    // A backup between others goes alone, without WAL.
    let before = world.site.indexed_wal();
    let fourth = world.backup();
    world.site.barman(&format!("delete main {third}")).ok();
    assert!(world.site.indexed_wal().starts_with(&before));
    assert_eq!(world.site.backups(), [fourth, second]);
}

#[test]
fn minimum_redundancy_forbids_to_delete_the_last_backup() {
    let mut world = World::new(Version::V15);
    let id = world.backup();
    world.site.set("minimum_redundancy", "1");
    let files = || fs::read_dir(world.site.backup_dir(&id).join("data")).unwrap().count();
    let before = files();
    world.site.barman(&format!("delete main {id}")).fails(1, &["minimum redundancy"]);
    assert_eq!((world.site.backups(), files()), (vec![id.clone()], before));
}

#[test]
fn listed_files_are_exactly_those_on_disk() {
    let world = World::new(Version::V15);
    let id = world.backup();
    let listed = world.site.barman(&format!("list-files main {id} --target full")).ok().stdout;
    assert!(listed.contains("/data/global/pg_control\n") && listed.contains("/PG_VERSION\n"));
    for path in listed.lines() {
        assert!(fs::symlink_metadata(path).is_ok(), "{path}");
    }
    // repmgr drops the first line, which it takes for this file.
    assert!(listed.starts_with(world.site.backup_dir(&id).join("backup.info").to_str().unwrap()));
    let wal = world.site.barman(&format!("list-files main {id} --target wal")).ok().stdout;
    let archived = world.site.archived(&world.site.field(&id, "begin_wal"));
    assert!(wal.lines().any(|line| line == archived.to_str().unwrap()), "{wal}");
}
