//! Backups that do not reach their end: afterwards PostgreSQL is left alone, nothing goes on writing, the
//! catalogue tells the truth, and the next backup works.

use std::fs;

use nix::sys::signal::Signal;

use crate::kit::{Running, Version, World, eventually, tools};

/// A backup that has begun to copy and will take a while, and its identifier.
fn slow_backup(world: &mut World) -> (Running, String) {
    world.pg.prepare_pgbench();
    world.site.set("bandwidth_limit", "100");
    let running = world.site.start_barman("backup main --immediate-checkpoint --wait");
    let base = world.site.server_dir().join("base");
    let mut id = String::new();
    eventually("the backup copies files", || {
        let Some(entry) = fs::read_dir(&base).into_iter().flatten().flatten().next() else { return false };
        id = entry.file_name().into_string().unwrap();
        entry.path().join("data/base").exists()
    });
    assert!(world.pg.foreign_sessions() > 0);
    assert!(!world.programs().is_empty());
    (running, id)
}

fn assert_nothing_goes_on(world: &World) {
    eventually("PostgreSQL is out of backup mode", || world.pg.foreign_sessions() == 0);
    eventually("all programs have ended", || world.programs().is_empty());
}

fn assert_recorded_as_failed(world: &World, id: &str) {
    assert_eq!(world.site.field(id, "status"), "FAILED");
    assert_ne!(world.site.field(id, "error"), "None");
    world.site.barman("list-backups main").ok().says(&format!("{id} - R - FAILED"));
    world.site.barman(&format!("restore main {id} {}", world.path("never").display())).fails(1, &[id]);
}

fn assert_the_next_backup_works(world: &mut World) {
    world.site.unset("bandwidth_limit");
    let id = world.backup();
    let mut pg = world.restore(&id, "restored", "").start();
    assert_eq!(pg.contents(), world.pg.contents());
    pg.stop_and_verify_pages();
}

fn a_signal_is_obeyed(signal: Signal) {
    let mut world = World::new(Version::V15);
    let (running, id) = slow_backup(&mut world);
    running.signal(signal);
    let outcome = running.finish();
    assert_ne!(outcome.code, 0, "{outcome}");
    assert_nothing_goes_on(&world);
    assert_recorded_as_failed(&world, &id);
    assert_the_next_backup_works(&mut world);
}

#[test]
fn ctrl_c_ends_a_backup_in_order() {
    a_signal_is_obeyed(Signal::SIGINT);
}

#[test]
fn sigterm_ends_a_backup_in_order() {
    if tools::testing_the_reference() {
        eprintln!("skipped: SIGTERM leaves a backup of Barman 3.19.1 STARTED");
        return;
    }
    a_signal_is_obeyed(Signal::SIGTERM);
}

#[test]
fn a_backup_killed_outright_takes_its_programs_along_and_is_found_failed() {
    let mut world = World::new(Version::V15);
    let (running, id) = slow_backup(&mut world);
    running.signal(Signal::SIGKILL);
    running.finish();
    if tools::testing_the_reference() {
        eprintln!("stopped here: what Barman 3.19.1 leaves behind goes on writing and stays STARTED");
        return;
    }
    assert_nothing_goes_on(&world);
    world.site.barman("cron").ok();
    assert_recorded_as_failed(&world, &id);
    assert_the_next_backup_works(&mut world);
}

#[test]
fn a_lost_connection_fails_the_backup() {
    if tools::testing_the_reference() {
        eprintln!("skipped: Barman 3.19.1 notices a lost connection only when all files are copied");
        return;
    }
    let mut world = World::new(Version::V15);
    let (running, id) = slow_backup(&mut world);
    world.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NOT NULL");
    // Long before the copy would have ended.
    running.finish().fails(1, &["connection"]);
    assert_nothing_goes_on(&world);
    assert_recorded_as_failed(&world, &id);
    assert_the_next_backup_works(&mut world);
}

/// Without a backup before it, WAL before its begin is of no use: but where it begins, it never came to know.
#[test]
fn a_first_backup_that_fails_before_it_begins_takes_no_wal() {
    let mut world = World::new(Version::V15);
    let archived = world.site.indexed_wal();
    assert!(!archived.is_empty());
    world.pg.prepare_pgbench();
    // The checkpoint that it begins with takes minutes when it is not asked to hurry.
    let running = world.site.start_barman("backup main");
    // The checks before it ask whether we may call the function, and are done in no time.
    let waiting = "FROM pg_stat_activity WHERE query LIKE '%pg_backup_start%' AND pid <> pg_backend_pid() \
                   AND state = 'active' AND now() - query_start > interval '1 second'";
    eventually("the backup waits to begin", || world.pg.sql(&format!("SELECT count(*) {waiting}")) == "1");
    world.pg.sql(&format!("SELECT pg_terminate_backend(pid) {waiting}"));
    assert_ne!(running.finish().code, 0);
    let id = world.site.backups().remove(0);
    assert_recorded_as_failed(&world, &id);
    assert_eq!(world.site.field(&id, "begin_wal"), "None");
    assert!(world.site.indexed_wal().starts_with(&archived));
    for name in &archived {
        assert!(world.site.archived(name).exists(), "{name}");
    }
    assert_nothing_goes_on(&world);
    assert_the_next_backup_works(&mut world);
}

#[test]
fn a_crash_of_postgresql_fails_the_backup() {
    if tools::testing_the_reference() {
        eprintln!("skipped: Barman 3.19.1 notices a lost connection only when all files are copied");
        return;
    }
    let mut world = World::new(Version::V15);
    let (running, id) = slow_backup(&mut world);
    world.pg.crash();
    running.finish().fails(1, &["connection"]);
    world.pg.start();
    world.point_site_at_database();
    assert_nothing_goes_on(&world);
    assert_recorded_as_failed(&world, &id);
    assert_the_next_backup_works(&mut world);
}

#[test]
fn a_second_backup_of_the_same_server_is_refused_while_one_runs() {
    let mut world = World::new(Version::V15);
    let (running, id) = slow_backup(&mut world);
    world.site.barman("backup main").fails(1, &["another backup"]);
    assert_eq!(world.site.backups(), std::slice::from_ref(&id));
    world.site.barman(&format!("delete main {id}")).fails(1, &["main"]);
    running.signal(Signal::SIGTERM);
    running.finish();
}
