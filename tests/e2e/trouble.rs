//! What goes wrong at three in the morning: each time one clear error, the right exit code, and nothing lost.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::kit::program::PASSWORD;
use crate::kit::tools::{self, SmallDisk};
use crate::kit::{Version, World};

/// A world with a backup and something to recover after it.
fn world_with_backup() -> (World, String) {
    let world = World::new(Version::V15);
    let id = world.backup();
    world.note("after the backup");
    world.ship_wal();
    (world, id)
}

fn contents_of_restored(world: &World, id: &str, name: &str, options: &str) -> String {
    world.restore(id, name, options).start().contents()
}

#[test]
fn unknown_servers_and_backups_are_named() {
    let (world, _) = world_with_backup();
    for command in ["check", "status", "backup", "list-backups", "archive-wal", "switch-wal", "show-servers"]
    {
        world.site.barman(&format!("{command} nosuch")).fails(1, &["unknown server", "nosuch"]);
    }
    let place = world.path("never");
    let place = place.to_str().unwrap();
    for command in ["show-backup main 20010101T000000", "list-files main nosuch", "delete main nosuch"] {
        world.site.barman(command).fails(1, &["unknown backup", "main"]);
    }
    world.site.barman(&format!("restore main nosuch {place}")).fails(1, &["nosuch", "main"]);
    world.site.barman(&format!("restore nosuch latest {place}")).fails(1, &["unknown server", "nosuch"]);
    assert!(!world.path("never").exists());
}

#[test]
fn postgresql_is_down() {
    let (mut world, id) = world_with_backup();
    let contents = world.pg.contents();
    world.pg.stop();
    world.site.barman("check main").fails(1, &["PostgreSQL: FAILED"]);
    world.site.barman("check main --nagios").fails(2, &["CRITICAL", "PostgreSQL"]);
    world.site.barman("status main").ok().says("PostgreSQL version: FAILED");
    world.site.barman("backup main").fails(1, &["main"]);
    world.site.barman("switch-wal main").fails(1, &["main"]);
    assert_eq!(
        world.site.backups(),
        std::slice::from_ref(&id),
        "a backup that could not begin leaves no record"
    );
    world.site.barman("archive-wal main").ok();
    world.site.barman("cron").ok();
    world.site.barman(&format!("show-backup main {id}")).ok();
    assert_eq!(
        contents_of_restored(&world, &id, "restored", "--target-tli 1 --target-action promote"),
        contents
    );
    if !tools::testing_the_reference() {
        world.restore(&id, "immediate", "--target-immediate");
    }
}

#[test]
fn ssh_is_down() {
    let (mut world, id) = world_with_backup();
    world.sshd.stop();
    world.site.barman("check main").fails(1, &["ssh: FAILED"]);
    world.site.barman("backup main").fails(1, &["main"]);
    assert_eq!(world.site.backups(), [id]);
    world.sshd.restart("");
    world.backup();
}

#[test]
fn the_password_is_wrong() {
    let (mut world, _) = world_with_backup();
    let passfile = world.site.dir().join(".pgpass");
    fs::write(&passfile, "*:*:*:barman:not-the-password\n").unwrap();
    world.site.barman("check main").fails(1, &["PostgreSQL: FAILED"]);
    world.site.barman("backup main").fails(1, &["main"]);
    assert!(world.site.log().contains("password authentication failed"));
    fs::remove_file(&passfile).unwrap();
    world.site.barman("backup main").fails(1, &["main"]);

    // The kit looks for the password in all output.
    let conninfo = format!("{} password={PASSWORD}", world.pg.conninfo());
    world.site.set("conninfo", &conninfo);
    world.backup();
    for command in ["check main", "status main", "show-servers main", "show-backup main latest"] {
        world.site.barman(command).ok();
    }
    world.pg.stop();
    world.site.barman("backup main").fails(1, &["main"]);
    world.site.barman("switch-wal main").fails(1, &["main"]);
    assert!(!world.site.log().contains(PASSWORD));
}

#[test]
fn rsync_is_missing_on_the_database_host() {
    let (mut world, _) = world_with_backup();
    world.sshd.restart("SetEnv PATH=/nowhere");
    world.site.barman("backup main --immediate-checkpoint").fails(1, &["rsync"]);
    assert_eq!(world.pg.foreign_sessions(), 0);
    world.sshd.restart("");
    world.backup();
}

#[test]
fn rsync_is_missing_on_the_backup_host() {
    let (mut world, _) = world_with_backup();
    world.site.hide_all_programs_but(&["ssh"]);
    world.site.barman("backup main --immediate-checkpoint").fails(1, &["rsync"]);
    assert_eq!(world.pg.foreign_sessions(), 0);
    world.site.barman("list-backups main").ok();
}

#[test]
fn the_destination_is_not_fit() {
    let (world, id) = world_with_backup();
    let place = |name: &str| {
        let path = world.path(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let restore = |place: &std::path::Path, tablespace: &std::path::Path| {
        let (place, tablespace) = (place.display(), tablespace.display());
        world.site.barman(&format!("restore main {id} {place} --tablespace fast:{tablespace}"))
    };

    let full = place("full");
    fs::write(full.join("precious"), "data").unwrap();
    restore(&full, &world.path("t1")).fails(1, &["not empty", full.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(full.join("precious")).unwrap(), "data");
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    restore(&world.path("d2"), &full).fails(1, &["not empty", "fast"]);
    assert!(!world.path("d2").join("PG_VERSION").exists());

    let closed = place("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    restore(&closed.join("d3"), &world.path("t3")).fails(1, &[]);
    restore(&closed, &world.path("t4")).fails(1, &[]);
    if !tools::testing_the_reference() {
        restore(&closed.join("d3"), &world.path("t3")).fails(1, &[closed.to_str().unwrap()]);
        restore(&world.path("d5"), &closed.join("t5")).fails(1, &[closed.to_str().unwrap()]);
    }
}

#[test]
fn barman_home_is_missing() {
    let (world, _) = world_with_backup();
    let hidden = world.path("hidden");
    fs::rename(world.site.home(), &hidden).unwrap();
    if !tools::testing_the_reference() {
        for command in ["check main", "backup main", "archive-wal main"] {
            world.site.barman(command).fails(1, &[world.site.home().to_str().unwrap()]);
        }
    }
    let _ = fs::remove_dir_all(world.site.home());
    fs::rename(&hidden, world.site.home()).unwrap();
    world.site.barman("check main").ok();
}

#[test]
fn a_damaged_record_hides_no_other_backup() {
    let (world, first) = world_with_backup();
    let contents = world.pg.contents();
    let second = world.backup();
    let record = world.site.record(&second);
    let sound = fs::read_to_string(&record).unwrap();
    for damage in
        [sound.replace("\nstatus=", "\nstatus\u{0}"), sound.replace("=DONE", "=DUNNO"), String::new()]
    {
        fs::write(&record, damage).unwrap();
        if tools::testing_the_reference() {
            return;
        }
        let record = record.to_str().unwrap();
        let listed = world.site.barman("list-backups main").says(record);
        assert!(listed.stdout.contains(&first), "{listed}");
        world.site.barman(&format!("show-backup main {second}")).fails(1, &[record]);
        let place = world.path("never").display().to_string();
        world.site.barman(&format!("restore main {second} {place}")).fails(1, &[record]);
    }
    assert_eq!(
        contents_of_restored(&world, &first, "restored", "--target-tli 1 --target-action promote"),
        contents
    );
    fs::write(&record, sound).unwrap();
    world.site.barman(&format!("show-backup main {second}")).ok();
}

#[test]
fn a_damaged_line_in_the_index_of_the_archive_is_named() {
    let (world, id) = world_with_backup();
    let index = world.site.xlogdb();
    let sound = fs::read_to_string(&index).unwrap();
    fs::write(&index, sound.replacen('\n', "\nnot a line\n", 1)).unwrap();
    if tools::testing_the_reference() {
        return;
    }
    let (place, tablespace) = (world.path("never"), world.path("never-fast"));
    let place = format!("{} --tablespace fast:{}", place.display(), tablespace.display());
    world.site.barman(&format!("restore main {id} {place}")).fails(1, &["main", index.to_str().unwrap()]);
    world.site.barman("check main").says("main");
    fs::write(&index, sound).unwrap();
    assert_eq!(contents_of_restored(&world, &id, "restored", ""), world.pg.contents());
}

#[test]
fn a_gap_in_the_archive_before_the_target_is_found_before_anything_is_written() {
    let (world, id) = world_with_backup();
    let contents = world.pg.contents();
    let missing = world.pg.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    for entry in ["in the missing segment", "in the one after it"] {
        world.note(entry);
        world.ship_wal();
    }
    let time = world.pg.sql("SELECT clock_timestamp()");
    world.note("behind the target");
    world.ship_wal();
    if tools::testing_the_reference() {
        return;
    }
    let index = fs::read_to_string(world.site.xlogdb()).unwrap();
    let lines = index.lines().filter(|line| !line.starts_with(&missing)).map(|line| format!("{line}\n"));
    fs::remove_file(world.site.archived(&missing)).unwrap();
    for index in [index.clone(), lines.collect()] {
        fs::write(world.site.xlogdb(), index).unwrap();
        let (place, tablespace) = (world.path("never"), world.path("never-fast"));
        let place = format!("{} --tablespace fast:{}", place.display(), tablespace.display());
        let words = format!("restore main {id} {place} --target-time '{time}'");
        world.site.barman(&words).fails(1, &["main", &missing]);
        assert!(!world.path("never").exists());
    }
    // What lies before the gap can still be had.
    let lsn = format!(
        "--target-lsn {} --target-action promote",
        world.site.field(&id, "end_xlog").trim_matches('\'')
    );
    assert_ne!(contents_of_restored(&world, &id, "restored", &lsn), contents);
}

#[test]
fn incoming_files_that_cannot_be_read_stop_archiving_until_they_can() {
    let (mut world, _) = world_with_backup();
    world.pg.stop();
    // Shipped by another user with mode 0600.
    let names = ["0000000100000000000000A1", "0000000100000000000000A2", "0000000100000000000000A3"];
    for name in names {
        fs::write(world.site.incoming().join(name), vec![name.as_bytes()[23]; 16 << 20]).unwrap();
    }
    let closed = world.site.incoming().join(names[1]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let archived = |name: &str| world.site.indexed_wal().iter().any(|indexed| indexed == name);
    if !tools::testing_the_reference() {
        world.site.barman("archive-wal main").fails(1, &["main", closed.to_str().unwrap()]);
        assert_eq!(names.map(archived), [true, false, false]);
        assert!(world.site.incoming().join(names[2]).exists());
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    world.site.barman("archive-wal main").ok();
    assert_eq!(names.map(archived), [true, true, true]);
    assert_eq!(fs::read_dir(world.site.incoming()).unwrap().count(), 0);
}

#[test]
fn the_disk_is_full() {
    let Some(disk) = SmallDisk::wait_for() else { return };
    let (mut world, id) = world_with_backup();
    let path = |name: &str| disk.path(name).display().to_string();

    // The cluster is larger than the disk.
    world.pg.prepare_pgbench();
    world.site.set("basebackups_directory", &path("base"));
    world.site.barman("backup main --immediate-checkpoint").fails(1, &["space"]);
    assert_eq!(world.pg.foreign_sessions(), 0);
    world.site.unset("basebackups_directory");
    let large = world.backup();

    let words = format!("restore main {large} {} --tablespace fast:{}", path("d"), path("t"));
    world.site.barman(&words).fails(1, &["space"]);
    assert_eq!(contents_of_restored(&world, &large, "restored", ""), world.pg.contents());
    assert_eq!(world.site.field(&id, "status"), "DONE");
}

#[test]
fn a_full_archive_disk_loses_no_wal() {
    let Some(disk) = SmallDisk::wait_for() else { return };
    let (mut world, _) = world_with_backup();
    world.pg.stop();
    world.site.set("wals_directory", disk.path("wals").to_str().unwrap());
    let mut filler = fs::File::create(disk.path("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    drop(filler);
    let names: Vec<_> = (0..3).map(|n| format!("0000000100000000000000A{n}")).collect();
    for name in &names {
        // Not of a segment's size, and old enough not to be taken for one that is still arriving.
        let file = fs::File::create(world.site.incoming().join(name)).unwrap();
        (&file).write_all(&vec![7; 1 << 20]).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }
    if !tools::testing_the_reference() {
        world.site.barman("archive-wal main").fails(1, &["main", "space"]);
    }
    for name in &names {
        assert!(world.site.incoming().join(name).exists(), "{name} stays where it came in");
    }
    fs::remove_file(disk.path("filler")).unwrap();
    world.site.barman("archive-wal main").ok();
    let index = fs::read_to_string(disk.path("wals/main-xlog.db")).unwrap();
    for name in &names {
        let archived = disk.path("wals/0000000100000000").join(name);
        assert_eq!(fs::read(archived).unwrap(), vec![7; 1 << 20]);
        assert_eq!(index.matches(name.as_str()).count(), 1);
    }
}
