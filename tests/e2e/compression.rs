//! WAL compressed in every way, by us, by Barman 3.19.1 and by the sender, in one archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kit::{Site, Version, World, tools};

const COMPRESSIONS: [&str; 10] =
    ["gzip", "pigz", "pygzip", "bzip2", "pybzip2", "xz", "zstd", "lz4", "snappy", "custom"];

/// Sets a compression of the user's own whose files say `barman-test!` first.
fn set_custom_filters(site: &mut Site) {
    site.set("custom_compression_filter", "(printf barman-test!; gzip -c)");
    site.set("custom_decompression_filter", "(tail -c +13 | gzip -dc)");
    site.set("custom_compression_magic", "0x6261726d616e2d7465737421");
}

#[test]
fn both_programs_restore_from_an_archive_that_has_seen_every_compression() {
    let mut world = World::new(Version::V15);
    set_custom_filters(&mut world.site);
    let id = world.backup();
    let mut expected = BTreeMap::new();
    for compression in COMPRESSIONS {
        world.site.set("compression", compression);
        world.note(compression);
        expected.insert(archive_one(&world, |site| site.reference("archive-wal main").ok()), compression);
        world.note(compression);
        expected.insert(archive_one(&world, |site| site.barman("archive-wal main").ok()), compression);
    }
    world.site.set("compression", "zstd");
    for (sender, compression) in
        [("gzip -c", "gzip"), ("bzip2 -c", "bzip2"), ("(printf barman-test!; gzip -c)", "custom")]
    {
        let target = world.site.incoming().display().to_string();
        world.pg.sql(&format!(
            "ALTER SYSTEM SET archive_command = '{sender} < %p > {target}/%f.tmp && mv {target}/%f.tmp {target}/%f'"
        ));
        world.pg.sql("SELECT pg_reload_conf()");
        world.site.set("compression", if compression == "custom" { "custom" } else { "zstd" });
        world.note(sender);
        expected.insert(archive_one(&world, |site| site.barman("archive-wal main").ok()), compression);
    }
    world.site.set("compression", "custom");

    let labels = labels(&world.site);
    for (name, compression) in &expected {
        assert_eq!(labels[name], *compression, "{name}");
    }
    let contents = world.pg.contents();
    let ours = world.restore(&id, "ours", "");
    let theirs =
        world.restore_by("theirs", |site, place| site.reference(&format!("restore main {id} {place}")));
    for name in expected.keys() {
        let [ours, theirs] =
            [&ours, &theirs].map(|it| fs::read(it.pg.data().join("pg_wal").join(name)).unwrap());
        assert_eq!(ours.len(), 16 << 20, "{name}");
        assert!(ours == theirs, "{name}, {}", expected[name]);
    }
    let mut pg = ours.start();
    assert_eq!(pg.contents(), contents);
    pg.stop_and_verify_pages();
}

#[test]
fn wal_takes_as_much_room_as_with_the_gzip_of_barman() {
    let mut world = World::new(Version::V15);
    world.site.set("compression", "gzip");
    let archived_plain = world.site.indexed_wal().len();
    let rows =
        "SELECT n AS id, md5(n::text) AS word, clock_timestamp() AS at FROM generate_series(1, 200000) n";
    world.pg.sql(&format!("CREATE TABLE large AS {rows}"));
    world.pg.sql("ALTER TABLE large ADD PRIMARY KEY (id)");
    // Whole pages come into the WAL.
    world.pg.sql("CHECKPOINT");
    world.pg.sql("UPDATE large SET word = md5(word), at = clock_timestamp() WHERE id % 7 = 0");
    world.ship_wal();
    let (names, directory) = (world.site.indexed_wal().split_off(archived_plain), world.path("plain"));
    fs::create_dir_all(&directory).unwrap();
    let (mut ours, mut theirs) = (0, 0);
    for name in &names {
        world.site.barman(&format!("get-wal main {name} -o {}", directory.display())).ok();
        // Python's gzip and this one are both zlib's, at the same level.
        let packed = Command::new("gzip").arg("-c").arg(directory.join(name)).output().unwrap();
        theirs += packed.stdout.len() as u64;
        ours += fs::metadata(world.site.archived(name)).unwrap().len();
    }
    assert!(names.len() > 3 && ours * 100 <= theirs * 103, "{ours} and {theirs} bytes for {names:?}");
}

/// Closes a segment, has `archive` bring it in, and gives its name.
fn archive_one<T>(world: &World, archive: impl Fn(&Site) -> T) -> String {
    let name = world.pg.sql("SELECT pg_walfile_name(pg_switch_wal())");
    crate::kit::eventually("the segment has arrived", || world.site.incoming().join(&name).exists());
    // A file that is shorter than a segment is left alone for two seconds.
    crate::kit::eventually("the segment is archived", || {
        archive(&world.site);
        world.site.archived(&name).exists()
    });
    name
}

/// The compression of each file, as the list of the archive has it.
fn labels(site: &Site) -> BTreeMap<String, String> {
    let list = fs::read_to_string(site.xlogdb()).unwrap();
    let fields = list.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    fields.map(|fields| (fields[0].clone(), fields[3].clone())).collect()
}

#[test]
fn the_other_program_reads_the_lowest_and_the_highest_level_of_each_format() {
    tools::become_unprivileged();
    let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
    let mut site = Site::new(dir.path());
    let fetched = dir.path().join("fetched");
    fs::create_dir(&fetched).unwrap();
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let mut number = 0;
    for compression in ["gzip", "bzip2", "xz", "zstd", "lz4"] {
        for level in ["-99", "99"] {
            number += 1;
            let name = format!("0000000100000000{number:08X}");
            site.set("compression", compression);
            site.set("compression_level", level);
            let mut content = text.repeat(20);
            content.resize(16 << 20, number);
            fs::write(site.incoming().join(&name), &content).unwrap();
            site.barman("archive-wal main").ok();
            assert!(fs::metadata(site.archived(&name)).unwrap().len() < 4 << 20, "{compression} {level}");
            site.reference(&format!("get-wal -o {} main {name}", fetched.display())).ok();
            assert!(fs::read(fetched.join(&name)).unwrap() == content, "{compression} {level}");
        }
    }
}

#[test]
fn settings_that_cannot_work_are_failures_of_check_and_of_archiving() {
    tools::become_unprivileged();
    let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
    let mut site = Site::new(dir.path());
    site.set("compression", "custom");
    site.set("custom_compression_filter", "gzip -c");
    let row = "compression settings: FAILED (compression 'custom' needs 'custom_decompression_filter'";
    site.barman("check main").fails(1, &[row]);
    let name = "0000000100000000000000A1";
    fs::write(site.incoming().join(name), vec![1; 16 << 20]).unwrap();
    site.barman("archive-wal main").fails(1, &["main", "custom_decompression_filter", "hint:"]);

    site.set("custom_decompression_filter", "gzip -dc");
    site.set("custom_compression_magic", "0x1f8");
    site.barman("check main").fails(1, &["compression settings: FAILED (custom_compression_magic '0x1f8'"]);

    // Which was no reason not to archive what had come.
    assert!(site.archived(name).exists());

    site.unset("custom_compression_magic");
    site.set("custom_compression_filter", "nosuchprogram");
    let name = "0000000100000000000000A2";
    fs::write(site.incoming().join(name), vec![1; 16 << 20]).unwrap();
    site.barman("archive-wal main").fails(1, &["main", name, "nosuchprogram", "not found", "127"]);
    assert!(site.incoming().join(name).exists());
}
