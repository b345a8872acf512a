//! WAL on its way into the archive.

use std::fs;

use crate::kit::world::Plan;
use crate::kit::{Site, Version, World, eventually, tools};

fn names_in(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A site without PostgreSQL, in a directory that lives as long as the second value.
fn site() -> (Site, tempfile::TempDir) {
    tools::become_unprivileged();
    let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
    let site = Site::new(dir.path());
    fs::create_dir_all(site.server_dir().join("errors")).unwrap();
    (site, dir)
}

const FIRST: &str = "0000000100000000000000A1";
const SECOND: &str = "0000000100000000000000A2";

fn ship(site: &Site, name: &str, byte: u8) {
    fs::write(site.incoming().join(name), vec![byte; 16 << 20]).unwrap();
}

#[test]
fn cron_archives_in_the_background() {
    let (site, _dir) = site();
    ship(&site, FIRST, 1);
    site.barman("cron").ok().says("Starting WAL archiving for server main");
    eventually("the segment is archived", || {
        site.indexed_wal() == [FIRST] && names_in(&site.incoming()).is_empty()
    });
    assert_eq!(fs::read(site.archived(FIRST)).unwrap(), vec![1; 16 << 20]);
}

#[test]
fn cron_starts_no_process_where_nothing_waits_and_one_where_another_program_was_killed() {
    let (site, _dir) = site();
    ship(&site, FIRST, 1);
    site.barman("archive-wal main").ok();
    site.barman("cron").ok().says("Starting WAL archiving for server main");
    assert!(site.log().contains("No WAL file waits to be archived for server main"), "{}", site.log());
    assert_eq!(site.log().matches("Processing xlog segments").count(), 1, "{}", site.log());
    // A script may run for long after the last file.
    let busy = fs::File::create(site.server_dir().with_file_name(".main-archive-wal.lock")).unwrap();
    busy.lock().unwrap();
    site.barman("cron").ok().says("Another archive-wal process is already running on server main");
    drop(busy);
    // What the Python program leaves when it is killed between a file and its line.
    fs::write(site.server_dir().with_file_name(".main-xlogdb.lock"), "4711\n").unwrap();
    fs::copy(site.archived(FIRST), site.archived(SECOND)).unwrap();
    site.barman("cron").ok();
    eventually("the second segment is listed", || site.indexed_wal() == [FIRST, SECOND]);
}

#[test]
fn the_same_segment_may_come_twice_but_another_one_of_its_name_never_replaces_it() {
    let (mut site, _dir) = site();
    for compression in ["", "gzip"] {
        site.set("compression", compression);
        ship(&site, FIRST, 1);
        site.barman("archive-wal main").ok();
        let archived = fs::read(site.archived(FIRST)).unwrap();
        ship(&site, FIRST, 1);
        site.barman("archive-wal main").ok();
        ship(&site, FIRST, 2);
        ship(&site, SECOND, 2);
        site.barman("archive-wal main").ok().says("moved to errors directory");
        assert_eq!(fs::read(site.archived(FIRST)).unwrap(), archived);
        assert!(names_in(&site.incoming()).is_empty());
        assert_eq!(site.indexed_wal(), [FIRST, SECOND]);
    }
    let refused = names_in(&site.server_dir().join("errors"));
    assert!(refused[0].starts_with(FIRST) && refused[0].ends_with(".duplicate"), "{refused:?}");
}

#[test]
fn a_segment_that_was_broken_off_on_its_way_stays_out_until_it_is_whole() {
    let (site, _dir) = site();
    let mut whole = vec![7; 16 << 20];
    // The first page of a segment of PostgreSQL 15, up to the sizes of segment and page.
    whole[..8].copy_from_slice(b"\x10\xd1\x07\0\x01\0\0\0");
    whole[32..40].copy_from_slice(b"\0\0\0\x01\0\x20\0\0");
    let path = site.incoming().join(FIRST);
    fs::write(&path, &whole[..5_000_000]).unwrap();
    site.barman("archive-wal main").ok();
    assert!(site.indexed_wal().is_empty() && path.exists());
    let minute_ago = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(minute_ago).unwrap();
    site.barman("archive-wal main").fails(1, &[FIRST, "broken off", "5000000 bytes", "pg_wal"]);
    assert!(site.indexed_wal().is_empty() && path.exists());
    fs::write(&path, &whole).unwrap();
    site.barman("archive-wal main").ok().says(FIRST);
    assert!(fs::read(site.archived(FIRST)).unwrap() == whole);
}

#[test]
fn what_is_not_wal_is_put_aside_and_what_is_still_arriving_is_left_alone() {
    let (site, _dir) = site();
    for name in ["readme.txt", FIRST, &format!(".{SECOND}.x4Fg1a"), &format!("{SECOND}.tmp")] {
        ship(&site, name, 1);
    }
    site.barman("archive-wal main").ok().says("readme.txt");
    assert_eq!(site.indexed_wal(), [FIRST]);
    assert_eq!(names_in(&site.incoming()), [format!(".{SECOND}.x4Fg1a"), format!("{SECOND}.tmp")]);
    let refused = names_in(&site.server_dir().join("errors"));
    assert!(refused[0].starts_with("readme.txt.") && refused[0].ends_with(".unknown"), "{refused:?}");
}

#[test]
fn the_smallest_segments_are_archived_compressed_and_come_back() {
    segments_of_another_size_come_back(Version::V18, 1);
}

#[test]
fn large_segments_are_archived_compressed_and_come_back() {
    segments_of_another_size_come_back(Version::V15, 64);
}

fn segments_of_another_size_come_back(version: Version, mebibytes: u32) {
    let option = format!("--wal-segsize={mebibytes}");
    let settings = "min_wal_size = 128MB\nmax_wal_size = 256MB";
    let mut world = World::planned(version, &Plan { initdb: &[&option], settings, ..Plan::default() });
    world.site.set("compression", "gzip");
    let id = world.backup();
    assert_eq!(world.site.field(&id, "xlog_segment_size"), (mebibytes << 20).to_string());
    world.pg.prepare_pgbench();
    world.ship_wal();
    let newest = world.site.indexed_wal().pop().unwrap();
    assert_eq!(fs::read(world.site.archived(&newest)).unwrap()[..2], [0x1f, 0x8b]);
    for (name, options) in [("end", ""), ("timeline", "--target-tli 1 --target-action promote")] {
        let mut pg = world.restore(&id, name, options).start();
        assert_eq!(pg.contents(), world.pg.contents());
        pg.stop_and_verify_pages();
    }
}
