//! Exclusive backups, backups of a standby, and what a backup may be told about its copy.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::world::Plan;
use crate::kit::{Cluster, Running, Version, World, eventually, tools};

/// A backup that has begun to copy, no faster than so many kilobytes a second, and its identifier.
fn slow_backup(world: &mut World, rate: u32) -> (Running, String) {
    world.site.set("bandwidth_limit", &rate.to_string());
    let before = world.site.backups();
    let running = world.site.start_barman("backup main --immediate-checkpoint");
    let mut id = String::new();
    eventually("the backup copies files", || {
        let Some(newest) = world.site.backups().into_iter().find(|id| !before.contains(id)) else {
            return false;
        };
        id = newest;
        world.site.backup_dir(&id).join("data/base").exists()
    });
    world.site.unset("bandwidth_limit");
    (running, id)
}

fn exclusive_world() -> World {
    let plan = Plan { settings: "log_checkpoints = on", ..Plan::default() };
    let mut world = World::planned(Version::V14, &plan);
    world.pg.prepare_pgbench();
    world.site.set("backup_options", "exclusive_backup");
    world
}

#[test]
fn an_exclusive_backup_brings_its_label_along_and_can_be_restored() {
    let mut world = exclusive_world();
    world.site.set("immediate_checkpoint", "true");
    world.site.barman("check main").ok().says("not in recovery: OK").says("exclusive backup supported: OK");
    let load = world.pg.pgbench();
    world.site.barman("backup main --wait").ok().says("Starting backup using rsync-exclusive method");
    drop(load);
    let id = world.site.backups().remove(0);
    let label = fs::read_to_string(world.site.backup_dir(&id).join("data/backup_label")).unwrap();
    assert!(label.contains(&format!("LABEL: Barman backup main {id}")), "{label}");
    for (field, value) in [("status", "DONE"), ("mode", "rsync-exclusive"), ("backup_label", "None")] {
        assert_eq!(world.site.field(&id, field), value);
    }
    assert!(!world.pg.is_in_backup());

    world.note("after the backup");
    world.ship_wal();
    let mut restored = world.restore(&id, "restored", "--target-tli 1 --target-action promote").start();
    assert_eq!(restored.contents(), world.pg.contents());
    restored.stop_and_verify_pages();
    // The file that PostgreSQL writes about the backup is in the archive.
    let begin = world.site.field(&id, "begin_wal");
    let is_label = |name: &String| name.starts_with(&begin) && name.ends_with(".backup");
    assert!(world.site.indexed_wal().iter().any(is_label));

    world.pg.sql("CHECKPOINT");
    world.site.barman("backup main --no-immediate-checkpoint --wait").ok();
    let log = fs::read_to_string(world.pg.log()).unwrap();
    let starts = log.lines().filter(|line| line.contains("checkpoint starting:"));
    let asked: Vec<&str> = starts.filter_map(|line| Some(line.split_once("starting: ")?.1)).collect();
    assert!(asked.contains(&"immediate force wait") && asked.contains(&"force wait"), "{asked:?}");
}

#[test]
fn postgresql_leaves_backup_mode_however_an_exclusive_backup_ends() {
    let mut world = exclusive_world();
    let conninfo = world.pg.conninfo();
    world.site.set("conninfo", &format!("{conninfo} application_name=espresso"));

    let (running, id) = slow_backup(&mut world, 100);
    assert!(world.pg.is_in_backup());
    let names = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE client_addr IS NOT NULL";
    assert_eq!(world.pg.sql(names), "espresso");
    running.signal(Signal::SIGINT);
    running.finish();
    assert!(!world.pg.is_in_backup(), "Ctrl-C");
    assert_eq!(world.site.field(&id, "status"), "FAILED");

    if tools::testing_the_reference() {
        eprintln!("stopped here: Barman 3.19.1 leaves PostgreSQL in backup mode when it is killed");
        return;
    }
    let (running, id) = slow_backup(&mut world, 100);
    running.signal(Signal::SIGKILL);
    running.finish();
    assert!(world.pg.is_in_backup(), "nobody could do anything about it");
    eventually("all programs have ended", || world.programs().is_empty());
    world.site.barman("cron").ok().says(&format!("in the backup mode of backup {id}"));
    assert!(!world.pg.is_in_backup(), "SIGKILL");
    assert_eq!(world.site.field(&id, "status"), "FAILED");

    // Somebody else's backup is theirs.
    world.pg.sql("SELECT pg_start_backup('by hand', true)");
    world
        .site
        .barman("backup main")
        .fails(1, &["in backup mode already, for 'by hand'", "SELECT pg_stop_backup()"]);
    assert!(world.pg.is_in_backup());
    world.pg.sql("SELECT pg_stop_backup()");

    // Exclusive mode is not bound to a session.
    let (running, id) = slow_backup(&mut world, 8000);
    world.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NOT NULL");
    let outcome = running.finish().ok();
    assert_eq!(outcome.stderr, "");
    assert!(!world.pg.is_in_backup());
    eventually("its WAL is archived", || {
        world.site.barman("cron").ok();
        world.site.field(&id, "status") == "DONE"
    });
}

/// A backup that waits for the checkpoint of its start, which takes long, and its identifier.
fn backup_in_checkpoint(world: &World) -> (Running, String) {
    world.pg.sql("UPDATE pgbench_accounts SET abalance = abalance + 1");
    let before = world.site.backups();
    let running = world.site.start_barman("backup main --no-immediate-checkpoint");
    eventually("PostgreSQL writes the checkpoint", || starts(world) != "0");
    let newest = world.site.backups().into_iter().find(|id| !before.contains(id)).unwrap();
    (running, newest)
}

/// How many sessions are starting a backup.
fn starts(world: &World) -> String {
    world.pg.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL AND state = 'active' \
         AND query LIKE '%pg_start_backup($%'",
    )
}

#[test]
fn an_exclusive_backup_that_dies_while_it_starts_leaves_no_backup_mode_behind() {
    let mut world = exclusive_world();
    world.site.set("retention_policy", "REDUNDANCY 1");
    let (running, id) = backup_in_checkpoint(&world);
    // A backup that starts is no leftover of a deletion.
    let said = world.site.barman("cron").ok();
    assert!(!said.stderr.contains("orphan"), "{said}");
    running.signal(Signal::SIGKILL);
    running.finish();
    assert_eq!(starts(&world), "1", "PostgreSQL has not noticed");
    world.site.barman("cron").ok().says(&format!("in the backup mode of backup {id}"));
    assert_eq!((starts(&world).as_str(), world.pg.is_in_backup()), ("0", false), "SIGKILL");
    assert_eq!(world.site.field(&id, "status"), "FAILED");

    let (running, id) = backup_in_checkpoint(&world);
    world.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NOT NULL");
    running.finish().fails(1, &["Backup failed issuing start backup command"]);
    assert_eq!((starts(&world).as_str(), world.pg.is_in_backup()), ("0", false), "connection lost");

    // However it came to be: cron ends the backup mode of the newest backup that failed, and `backup` that of any.
    let enter = format!("SELECT pg_start_backup('Barman backup main {id}', true)");
    world.pg.sql(&enter);
    world.site.barman("cron").ok().says(&format!("in the backup mode of backup {id}"));
    assert!(!world.pg.is_in_backup(), "cron looks again");
    world.pg.sql(&enter);
    let backup = world.site.barman("backup main --immediate-checkpoint --wait").ok();
    backup.says(&format!("in the backup mode of backup {id}"));

    // One of the same name that we know nothing of is that of another host.
    world.pg.sql("SELECT pg_start_backup('Barman backup main 20200101T000000', true)");
    let words = ["in backup mode already, for 'Barman backup main 20200101T000000'"];
    world.site.barman("backup main").fails(1, &words);
    assert!(world.pg.is_in_backup());
}

/// A standby of the world's database, which has what the primary has.
fn standby(world: &World) -> Cluster {
    let mut standby = Cluster::standby_of(&world.pg, &world.path("standby"));
    standby.start();
    standby.wait_until_caught_up_with(&world.pg);
    standby
}

#[test]
fn a_standby_is_backed_up_and_its_primary_closes_the_last_wal_file() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let standby = standby(&world);
    let primary = world.pg.conninfo();
    world.site.set("conninfo", &standby.conninfo());
    world.site.set("primary_conninfo", &primary);
    world
        .site
        .barman("check main")
        .ok()
        .says("PostgreSQL server is standby: OK")
        .says("Primary server is not a standby: OK")
        .says("Primary and standby have same system ID: OK");
    world.note("for a file to close");
    world.site.barman("switch-wal --archive main").ok().says("has been closed on server 'main'");

    let load = world.pg.pgbench();
    let id = world.backup();
    drop(load);
    assert!(world.site.field(&id, "backup_label").contains("BACKUP FROM: standby"));
    world.note("after the backup");
    world.site.barman("switch-wal --archive main").ok();
    let mut restored = world.restore(&id, "restored", "--target-tli 1 --target-action promote").start();
    assert_eq!(restored.contents(), world.pg.contents());
    restored.stop_and_verify_pages();

    // On an idle primary, too.
    world.backup();

    world.site.set("backup_options", "exclusive_backup");
    let words = [
        "not in recovery: FAILED (cannot perform exclusive backup on a standby)",
        "exclusive backup supported: FAILED (exclusive backups not supported on PostgreSQL 15)",
    ];
    world.site.barman("check main").fails(1, &words);
    world.site.barman("backup main").fails(1, &["Impossible to start the backup"]);
    world.site.set("backup_options", "concurrent_backup");

    if tools::testing_the_reference() {
        eprintln!("stopped here: without a primary Barman 3.19.1 waits for it inside of pg_backup_stop");
        return;
    }
    world.site.set("primary_conninfo", "host=127.0.0.1 port=1 connect_timeout=2");
    world.site.barman("check main").fails(1, &["Primary server is not a standby: FAILED", "port 1"]);
    world.site.unset("primary_conninfo");
    world.note("something for the last file");
    standby.wait_until_caught_up_with(&world.pg);
    let outcome = world.site.barman("backup main --immediate-checkpoint").ok();
    let outcome = outcome.says("WAITING_FOR_WALS").says("taken from a standby").says("primary_conninfo");
    let id = world.site.backups().remove(0);
    assert_eq!(world.site.field(&id, "status"), "WAITING_FOR_WALS", "{outcome}");
    world.pg.sql("SELECT pg_switch_wal()");
    eventually("cron completes it", || {
        world.site.barman("cron").ok();
        world.site.field(&id, "status") == "DONE"
    });

    world.site.set("conninfo", &primary);
    world.site.set("primary_conninfo", &primary);
    let hint = "FAILED (conninfo should point to a standby server if primary_conninfo is set)";
    world.site.barman("check main").fails(1, &[hint]);
    world.site.barman("backup main --immediate-checkpoint --wait").ok().says("Ignoring 'primary_conninfo'");
}

#[test]
fn what_is_said_about_the_copy_reaches_rsync_and_a_connection_that_breaks_is_made_again() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let log = world.path("rsync.log");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\nexec /usr/bin/rsync \"$@\"\n", log.display());
    let stand_in = world.site.dir().join("bin/rsync");
    tools::write_program(&stand_in, &script);
    world.site.set("bandwidth_limit", "4000");
    world.site.set("tablespace_bandwidth_limit", "fast:2000");
    world.site.set("network_compression", "true");
    world.site.set("basebackup_retry_times", "3");
    world.site.set("basebackup_retry_sleep", "1");

    let break_once = |world: &World| {
        eventually("a file of pgbench is copied", || {
            !world.programs_called("rsync --server --sender").is_empty()
                && world.site.backups().iter().any(|id| {
                    world.site.backup_dir(id).join("data/base").exists()
                        && world.site.field(id, "status") == "STARTED"
                })
        });
        let connections = world.programs_called("ssh -F");
        for line in &connections {
            let pid = line.split(' ').next().unwrap().parse().unwrap();
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        assert!(!connections.is_empty());
    };
    let running = world.site.start_barman("backup main --immediate-checkpoint --wait");
    break_once(&world);
    running.finish().ok();
    let told = world.site.log();
    assert!(told.contains("Failure executing rsync on") && told.contains("Retrying in 1 seconds"), "{told}");
    let id = world.site.backups().remove(0);
    assert_eq!(world.site.field(&id, "status"), "DONE");
    let said = fs::read_to_string(&log).unwrap();
    let copies = |path: &str, option: &str| {
        said.lines().any(|line| line.contains("--files-from") && line.contains(path) && line.contains(option))
    };
    assert!(copies("/data", "--bwlimit=4000") && copies("/tablespace", "--bwlimit=2000"), "{said}");
    assert!(copies("/data", "--compress"), "{said}");
    assert_eq!(world.restore(&id, "restored", "").start().contents(), world.pg.contents());

    let running = world.site.start_barman("backup main --immediate-checkpoint --reuse-backup=off --no-retry");
    break_once(&world);
    running.finish().fails(1, &["Backup failed copying files"]);
    let running = world.site.start_barman(
        "backup main --immediate-checkpoint --reuse-backup=off --retry-times 1 --retry-sleep 2",
    );
    break_once(&world);
    running.finish().ok();
    assert!(world.site.log().contains("Retrying in 2 seconds"));
}
