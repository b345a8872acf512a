//! Restores on another host, over ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::kit::tools::{self, SmallDisk};
use crate::kit::world::{Plan, word};
use crate::kit::{Cluster, Outcome, Version, World, eventually};
use crate::on_every_version;

on_every_version!(another_host_gets_the_end_and_a_moment);

fn another_host_gets_the_end_and_a_moment(version: Version) {
    let mut world = World::planned(version, &Plan { odd_names: true, ..Plan::default() });
    world.site.set("compression", "gzip");
    let id = world.backup();
    world.note("before the target");
    let time = world.pg.sql("SELECT clock_timestamp()");
    let at_target = world.pg.contents();
    std::thread::sleep(std::time::Duration::from_millis(200));
    world.note("after the target");
    world.ship_wal();

    let end = world.restore_remotely(&id, "it's \"the\" énd", "-j 2 --network-compression");
    let said = end.outcome.stdout.clone();
    let mut pg = end.start();
    assert_eq!((pg.contents(), pg.timeline()), (world.pg.contents(), 1));
    assert_tablespace_in(&pg, &world.path("it's \"the\" énd-fast"));
    pg.stop_and_verify_pages();

    // Barman does not quote the paths in `restore_command`.
    let name = if tools::testing_the_reference() { "moment" } else { "a $moment" };
    let options = format!("--target-time '{time}' --target-action promote");
    let moment = world.restore_remotely(&id, name, &options);
    let mut pg = moment.start();
    assert_eq!((pg.contents(), pg.timeline()), (at_target, 2));
    assert_tablespace_in(&pg, &world.path(&format!("{name}-fast")));
    pg.stop_and_verify_pages();

    if version != Version::V15 {
        return;
    }
    let theirs = world.restore_by("theirs", |site, place| {
        site.reference(&format!("restore main {id} {place} {}", world.remote()))
    });
    assert_eq!(shape(&said, &world), shape(&theirs.outcome.stdout, &world));
}

fn assert_tablespace_in(pg: &Cluster, place: &Path) {
    let location = pg.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'");
    assert_eq!(location, place.to_str().unwrap());
}

/// The lines without what differs from one restore to the next; and without their numbers, which Barman counts from 0.
fn shape(said: &str, world: &World) -> Vec<String> {
    let place = world.path("").display().to_string();
    let cut = |line: &str| {
        let line = line.split(&place).next().unwrap_or_default();
        let line = line.split(" line ").next().unwrap_or_default();
        line.split("(start time").next().unwrap_or_default().to_owned()
    };
    said.lines().map(cut).collect()
}

/// A world whose backup takes a while to restore, and its identifier.
fn world_to_restore_slowly() -> (World, String) {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let id = world.backup();
    world.note("after the backup");
    world.ship_wal();
    world.site.set("bandwidth_limit", "8000");
    world.site.set("basebackup_retry_sleep", "1");
    (world, id)
}

fn words(world: &World, id: &str, name: &str) -> String {
    let (data, tablespace) = (world.path(name), world.path(&format!("{name}-fast")));
    format!("restore main {id} {} --tablespace fast:{} {}", word(&data), word(&tablespace), world.remote())
}

#[test]
fn a_lost_connection_is_made_anew_and_a_killed_restore_repeated() {
    let (mut world, id) = world_to_restore_slowly();
    world.site.set("basebackup_retry_times", "2");
    let running = world.site.start_barman(&words(&world, &id, "retried"));
    cut_connections_while_copying(&world, "retried");
    if tools::testing_the_reference() {
        return;
    }
    let outcome = running.finish().ok();
    assert!(outcome.stderr.contains("Retrying in 1 seconds"), "{outcome}");
    assert_same_contents(&world, "retried");

    let given_up = world.site.start_barman(&format!("{} --no-retry", words(&world, &id, "given-up")));
    cut_connections_while_copying(&world, "given-up");
    given_up.finish().fails(1, &["connection"]);
    eventually("all programs have ended", || world.programs().is_empty());

    let killed = world.site.start_barman(&words(&world, &id, "killed"));
    eventually("files are copied", || copies(&world, "killed"));
    killed.signal(Signal::SIGKILL);
    killed.finish();
    eventually("all programs have ended", || world.programs().is_empty());
    world.site.unset("bandwidth_limit");
    for name in ["given-up", "killed"] {
        assert!(!world.path(name).join("global/pg_control").exists(), "{name}");
        assert!(Cluster::on(Version::V15, &world.path(name), &world.path("half-run")).try_start().is_err());
        world.site.barman(&words(&world, &id, name)).ok();
        assert_same_contents(&world, name);
    }
}

/// Whether files arrive, and not directories only.
fn copies(world: &World, name: &str) -> bool {
    let mut arrived = fs::read_dir(world.path(name).join("base/1")).into_iter().flatten();
    arrived.next().is_some() && !world.programs_called("--server").is_empty()
}

#[track_caller]
fn cut_connections_while_copying(world: &World, name: &str) {
    eventually("a connection is cut", || copies(world, name) && world.sshd.cut_connections() > 0);
}

#[track_caller]
fn assert_same_contents(world: &World, name: &str) {
    let mut pg = Cluster::on(Version::V15, &world.path(name), &world.path(&format!("{name}-run")));
    pg.options.extend(["-c", "archive_mode=off"].map(Into::into));
    pg.start();
    assert_eq!(pg.contents(), world.pg.contents(), "{name}");
    pg.stop_and_verify_pages();
}

#[test]
fn what_the_other_host_is_not_fit_for_is_said_before_a_byte_is_written() {
    let mut world = World::new(Version::V15);
    let id = world.backup();
    let restore = |world: &World, place: &Path, tablespace: &Path| -> Outcome {
        let (place, tablespace, remote) = (word(place), word(tablespace), world.remote());
        world.site.barman(&format!("restore main {id} {place} --tablespace fast:{tablespace} {remote}"))
    };
    let (data, fast) = (world.path("data"), world.path("data-fast"));

    let full = world.path("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("precious"), "data").unwrap();
    restore(&world, &full, &fast).fails(1, &["not empty", full.to_str().unwrap()]);
    restore(&world, &data, &full).fails(1, &["not empty", "'fast'", full.to_str().unwrap()]);
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    let unknown = format!("restore main {id} {} --tablespace slow:/x {}", word(&data), world.remote());
    world.site.barman(&unknown).fails(1, &["Invalid tablespace name 'slow'", "fast"]);

    if !tools::testing_the_reference() {
        let closed = world.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let (user, closed_text) = (format!("user '{}'", tools::user()), closed.to_str().unwrap());
        for (place, tablespace) in [(&closed.join("d"), &fast), (&data, &closed.join("t")), (&closed, &fast)]
        {
            restore(&world, place, tablespace).fails(1, &[&user, closed_text, &world.sshd.command()]);
        }
        restore(&world, &full.join("precious/d"), &fast).fails(1, &["is not a directory"]);
        if let Some(disk) = SmallDisk::wait_for() {
            world.pg.prepare_pgbench();
            let large = world.backup();
            let place = disk.path("d");
            let words = format!(
                "restore main {large} {} --tablespace fast:{} {}",
                word(&place),
                word(&fast),
                world.remote()
            );
            world.site.barman(&words).fails(1, &["not enough space", &world.sshd.command()]);
            assert!(!place.exists());
        }
        let bin = world.path("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink("/usr/bin/tar", bin.join("tar")).unwrap();
        world.sshd.restart(&format!("SetEnv PATH={}", bin.display()));
        restore(&world, &data, &fast).fails(1, &["'rsync' not found", &world.sshd.command()]);
    }
    world.sshd.stop();
    let command = format!("using the command '{}'", world.sshd.command());
    restore(&world, &data, &fast).fails(1, &["Unable to connect to the target host", &command]);
    assert!(!data.exists() && !fast.exists());

    let local = format!("restore main {id} {} --network-compression", word(&data));
    world.site.barman(&local).fails(1, &["Network compression can only be used with remote recovery."]);
}
