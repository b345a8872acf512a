//! From a backup of a busy server back to any moment.

use std::os::unix::fs::PermissionsExt;

use crate::kit::{Cluster, Version, World};
use crate::on_every_version;

on_every_version!(every_kind_of_target_is_reached, a_promoted_server_goes_on_in_the_same_archive);

/// A moment to come back to: the options that name it, and what the database held then.
struct Moment {
    name: &'static str,
    options: String,
    contents: String,
}

impl Moment {
    fn now(world: &World, name: &'static str, options: String) -> Self {
        Self { name, options, contents: world.pg.contents() }
    }
}

fn every_kind_of_target_is_reached(version: Version) {
    let world = World::new(version);
    world.pg.prepare_pgbench();
    archive_by_an_included_file_too(&world);
    let load = world.pg.pgbench();
    let id = world.backup();
    drop(load);
    let moments = live_through_moments(&world);
    for moment in moments {
        let restored =
            world.restore(&id, moment.name, &format!("{} --target-action promote", moment.options));
        let mut pg = restored.start();
        assert_eq!(pg.contents(), moment.contents, "restored to {}", moment.name);
        assert_eq!(pg.timeline(), 2, "restored to {}", moment.name);
        assert_tablespace_moved(&pg, &world, moment.name);
        pg.stop_and_verify_pages();
    }
    restore_to_the_end(&world, &id);
    restore_to_the_first_consistent_moment(&world, &id);
}

/// What stands in a file that the last line of `postgresql.conf` includes goes before all that stands above.
fn archive_by_an_included_file_too(world: &World) {
    let included = world.pg.data().join("conf.d");
    std::fs::create_dir(&included).unwrap();
    let file = included.join("archive.conf");
    std::fs::write(&file, "ARCHIVE_COMMAND 'cp %p /over/the/original/%f'\n").unwrap();
    // Somebody saw to it that it is not changed by mistake.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    world.pg.configure("include_dir = 'conf.d'");
}

/// Writes on after a backup and remembers the content at each kind of target; ends with a disaster.
fn live_through_moments(world: &World) -> Vec<Moment> {
    let mut moments = Vec::new();

    world.note("before the time");
    let time = world.pg.sql("SELECT clock_timestamp()");
    moments.push(Moment::now(world, "time", format!("--target-time '{time}'")));
    std::thread::sleep(std::time::Duration::from_millis(200));

    world.note("before the excluded transaction");
    let before = world.pg.contents();
    let xid = "BEGIN; INSERT INTO ledger (entry) VALUES ('the transaction'); SELECT txid_current(); COMMIT";
    let xid = world.pg.sql(xid);
    moments.push(Moment::now(world, "xid", format!("--target-xid {xid}")));
    moments.push(Moment {
        name: "xid-exclusive",
        options: format!("--target-xid {xid} --exclusive"),
        contents: before,
    });

    world.note("before the named point");
    world.pg.sql("SELECT pg_create_restore_point('before the upgrade')");
    moments.push(Moment::now(world, "name", "--target-name 'before the upgrade'".into()));

    world.note("before the position");
    let lsn = world.pg.sql("SELECT pg_current_wal_insert_lsn()");
    moments.push(Moment::now(world, "lsn", format!("--target-lsn {lsn}")));

    world.note("lost with the table");
    world.pg.sql("DROP TABLE ledger");
    world.ship_wal();
    moments
}

/// Without a target all WAL is replayed, the disaster too, and no new timeline begins.
fn restore_to_the_end(world: &World, id: &str) {
    let restored = world.restore(id, "end", "");
    restored
        .outcome
        .clone()
        .says("conf.d/archive.conf line 2: archive_command = false")
        .says("include_dir = 'conf.d'");
    let mut pg = restored.start();
    assert_eq!(pg.contents(), world.pg.contents());
    assert_eq!(pg.timeline(), 1);
    let archiving =
        "SELECT setting FROM pg_file_settings WHERE name = 'archive_command' ORDER BY seqno DESC LIMIT 1";
    assert_eq!(pg.sql(archiving), "false", "the restored server archives into the archive of the original");
    assert_tablespace_moved(&pg, world, "end");
    pg.stop_and_verify_pages();
}

/// pgbench was at work then, so nobody knows the rows; but its books balance after each transaction.
fn restore_to_the_first_consistent_moment(world: &World, id: &str) {
    let mut pg = world.restore(id, "immediate", "--target-immediate --target-action promote").start();
    assert_eq!(pg.sql("SELECT count(*) FROM ledger"), "0");
    let books = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)
                    AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches)
                    AND (SELECT sum(delta) FROM pgbench_history) = (SELECT sum(bbalance) FROM pgbench_branches)";
    assert_eq!(pg.sql(books), "t");
    pg.stop_and_verify_pages();
}

fn assert_tablespace_moved(pg: &Cluster, world: &World, name: &str) {
    let location = pg.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'");
    assert_eq!(location, world.path(&format!("{name}-fast")).to_str().unwrap());
}

fn a_promoted_server_goes_on_in_the_same_archive(version: Version) {
    let mut world = World::new(version);
    let first = world.backup();
    world.note("on the first timeline");
    let time = world.pg.sql("SELECT clock_timestamp()");
    let on_first = world.pg.contents();
    std::thread::sleep(std::time::Duration::from_millis(200));
    world.note("forgotten by the second timeline");
    let end_of_first = world.pg.contents();
    world.ship_wal();

    // The old server is gone; the restored one takes its place, archive included.
    world.pg.stop();
    let options = format!("--target-time '{time}' --target-action promote");
    world.pg = world.restore(&first, "successor", &options).pg;
    world.archive_into_site();
    world.pg.start();
    world.pg.wait_until_promoted();
    world.point_site_at_database();
    assert_eq!((world.pg.timeline(), world.pg.contents()), (2, on_first));
    world.note("on the second timeline");
    let early_on_second = world.pg.contents();
    world.ship_wal();
    let second = world.backup();
    assert_eq!(world.site.field(&second, "timeline"), "2");
    world.note("after the second backup");
    let end_of_second = world.pg.contents();
    world.ship_wal();
    assert_ne!(early_on_second, end_of_second);

    let restored = [
        ("first-to-its-end", &first, "", &end_of_first),
        ("first-on-1", &first, "--target-tli 1 --target-action promote", &end_of_first),
        ("first-on-its-own", &first, "--target-tli current --target-action promote", &end_of_first),
        ("first-across", &first, "--target-tli 2 --target-action promote", &end_of_second),
        ("first-to-latest", &first, "--target-tli latest --target-action promote", &end_of_second),
        ("second-on-2", &second, "--target-tli 2 --target-action promote", &end_of_second),
        ("second-to-its-end", &second, "", &end_of_second),
    ];
    for (name, id, options, contents) in restored {
        let mut pg = world.restore(id, name, options).start();
        assert_eq!(&pg.contents(), contents, "{name}");
        pg.stop_and_verify_pages();
    }
}
