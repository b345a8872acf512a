//! Backups of `backup_method = postgres`, made by Barman 3.19.1 as archives and plain: this program keeps, verifies and
//! restores them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::kit::program::Program;
use crate::kit::world::{Plan, word};
use crate::kit::{Cluster, Outcome, Site, Version, World, eventually};

/// A world whose backups Barman makes by streaming, with the programs of PostgreSQL `version`.
pub fn streaming_world(version: Version, plan: &Plan<'_>) -> World {
    let mut world = World::planned(version, plan);
    let programs = version.server_program("pg_basebackup");
    world.site.set("backup_method", "postgres");
    // Before release 15 libpq does not look at HOME.
    let passfile = world.site.dir().join(".pgpass");
    world.site.set("streaming_conninfo", &format!("{} passfile={}", world.pg.conninfo(), passfile.display()));
    world.site.set("path_prefix", programs.parent().unwrap().to_str().unwrap());
    world.site.unset("reuse_backup");
    world
}

/// Has Barman make a backup, and gives its identifier.
#[track_caller]
pub fn backup_by_barman(site: &Site, options: &str) -> String {
    let before = site.backups();
    // Two backups cannot begin in one second.
    eventually("a backup begins", || {
        site.reference(&format!("backup main --immediate-checkpoint --wait {options}")).ok();
        site.backups() != before
    });
    let id = site.backups().remove(0);
    assert_eq!(site.field(&id, "status"), "DONE");
    id
}

/// As before, in archives that are compressed so.
#[track_caller]
pub fn archives_by_barman(world: &mut World, compression: &str) -> String {
    world.site.set("backup_compression", compression);
    backup_by_barman(&world.site, "")
}

/// Everything below a directory: kinds, modes and names; of files also sizes and times.
fn listing(dir: &Path) -> BTreeSet<String> {
    let find = |kind: &[&str], format: &str| {
        let found = Command::new("find").arg(dir).args(kind).args(["-printf", format]).output().unwrap();
        String::from_utf8(found.stdout).unwrap()
    };
    let text = find(&["-type", "f"], "%P %m %s %T@\n") + &find(&["!", "-type", "f"], "%P %y %m\n");
    text.lines().map(str::to_owned).collect()
}

/// Fails the test when two restores of one backup differ in more than what is written at their end, and the log of the
/// original, which we leave out.
#[track_caller]
fn assert_alike(one: &Path, other: &Path) {
    let written =
        ["postgresql.", "conf.d/own.conf", ".barman-recover.info", "pg_wal/", "log/", "global/pg_control "];
    let [one, other] = [one, other].map(listing);
    let differs = |line: &&String| !written.iter().any(|name| line.starts_with(name));
    let differences: Vec<_> = one.symmetric_difference(&other).filter(differs).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

#[track_caller]
fn assert_whole(mut pg: Cluster, world: &World, what: &str) {
    assert_eq!(pg.contents(), world.pg.contents(), "{what}");
    let location = "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'";
    assert_ne!(pg.sql(location), world.pg.sql(location), "{what}");
    pg.stop_and_verify_pages();
}

#[test]
fn every_kind_of_archive_is_restored_here_and_on_another_host() {
    let settings = "logging_collector = on\nlog_directory = log\ninclude_if_exists = 'conf.d/own.conf'";
    let mut world = streaming_world(Version::V15, &Plan { settings, odd_names: true, ..Plan::default() });
    fs::create_dir(world.pg.data().join("conf.d")).unwrap();
    fs::write(world.pg.data().join("conf.d/own.conf"), "archive_command = 'false'\n").unwrap();
    for compression in ["none", "lz4", "zstd", "gzip"] {
        let id = archives_by_barman(&mut world, compression);
        let name = |place: &str| format!("{compression} {place}");
        let on_disk = listing(&world.site.backup_dir(&id));

        let here = world.restore(&id, &name("here"), "-j 2");
        let included = fs::read_to_string(here.pg.data().join("conf.d/own.conf")).unwrap();
        assert_eq!(included, "#BARMAN#archive_command = 'false'\narchive_command = false\n");
        let there = ["gzip", "zstd"].contains(&compression).then(|| {
            // Staged on this host, as the configuration says, or not at all.
            let staging = world.path("stag ing");
            let location = if compression == "gzip" { "remote" } else { "local --network-compression" };
            let options = format!("--staging-path {} --staging-location {location}", word(&staging));
            let there = world.restore_remotely(&id, &name("there"), &options);
            assert_alike(here.pg.data(), there.pg.data());
            assert_alike(&here.tablespace, &there.tablespace);
            let left: Vec<_> = fs::read_dir(&staging).into_iter().flatten().collect();
            assert!(left.is_empty(), "{left:?}");
            there
        });
        if compression == "gzip" {
            let theirs = world
                .restore_by("theirs", |site, place| site.reference(&format!("restore main {id} {place}")));
            assert_alike(here.pg.data(), theirs.pg.data());
            assert_alike(&here.tablespace, &theirs.tablespace);
        }
        assert_whole(here.start(), &world, &name("here"));
        if let Some(there) = there {
            assert_whole(there.start(), &world, &name("there"));
        }
        // A restore changes nothing of a backup.
        assert_eq!(listing(&world.site.backup_dir(&id)), on_disk);
    }
    let leftovers =
        fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path().join(&world.site.backups()[0]));
    assert_eq!(leftovers.filter(|path| path.exists()).count(), 0);
}

#[test]
fn archives_are_listed_kept_exported_imported_and_deleted_like_any_backup() {
    // Here it is pg_basebackup that compresses, and ends the archives.
    let mut world = streaming_world(Version::V14, &Plan::default());
    let id = archives_by_barman(&mut world, "gzip");
    world.note("after the backup");
    world.ship_wal();
    let site = &world.site;
    let lines = |outcome: Outcome| {
        let mut lines: Vec<_> = outcome.ok().stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for question in
        ["list-backups main", "show-backup main", "list-files main", "list-files --target full main"]
    {
        let words = if question.starts_with("list-backups") {
            question.to_owned()
        } else {
            format!("{question} {id}")
        };
        assert_eq!(lines(site.barman(&words)), lines(site.reference(&words)), "{words}");
    }
    site.barman(&format!("keep main {id} --target standalone")).ok();
    assert_eq!(
        site.reference(&format!("keep main {id} --status")).ok().stdout,
        "Server main:\n\tKeep: standalone\n"
    );
    site.barman(&format!("keep main {id} --release")).ok();

    let exports = world.path("exports");
    fs::create_dir(&exports).unwrap();
    site.barman(&format!("export-backup main {id} {}", word(&exports))).ok();
    site.barman(&format!("delete main {id}")).ok();
    assert!(!site.backup_dir(&id).exists() && site.backups().is_empty());
    let export = fs::read_dir(&exports).unwrap().next().unwrap().unwrap().path();
    site.barman(&format!("import-backup main {}", word(&export))).ok();
    site.barman(&format!("verify-backup main {id}")).ok().says("backup successfully verified");
    let immediate = world.restore(&id, "imported", "--target-immediate --target-action promote");
    let pg = immediate.start();
    assert_eq!(pg.sql("SELECT count(*) FROM parts"), "10000");
}

#[test]
fn archives_are_verified_where_they_are_and_postgresql_says_the_same() {
    let mut world = streaming_world(Version::V15, &Plan::default());
    let backups = ["gzip", "none"].map(|compression| archives_by_barman(&mut world, compression));
    let site = &world.site;
    for id in &backups {
        assert_agreed(site, id, true);
        let manifest = site.backup_dir(id).join("data/backup_manifest");
        site.barman(&format!("generate-manifest main {id}")).fails(1, &["backup_manifest already exists."]);

        // Barman lists the archives themselves.
        let original = fs::read(&manifest).unwrap();
        fs::remove_file(&manifest).unwrap();
        site.barman(&format!("verify-backup main {id}")).fails(1, &["generate-manifest"]);
        site.reference(&format!("generate-manifest main {id}")).ok();
        site.barman(&format!("verify-backup main {id}")).ok().says("backup successfully verified");
        fs::remove_file(&manifest).unwrap();
        site.barman(&format!("generate-manifest main {id}")).ok();
        assert_agreed(site, id, true);
        let names = |text: &[u8]| {
            let document: serde_json::Value = serde_json::from_slice(text).unwrap();
            let files = document["Files"].as_array().unwrap().clone();
            files.iter().map(|file| file["Path"].to_string()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&fs::read(&manifest).unwrap()), names(&original));
    }
    let [compressed, plain] = backups;

    // A page in the archive of the tablespace, without any change of size.
    let data = site.backup_dir(&plain).join("data");
    let oid = world.pg.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
    let fast = data.join(format!("{oid}.tar"));
    let mut content = fs::read(&fast).unwrap();
    let at = content.len() / 2;
    content[at] ^= 1;
    fs::write(&fast, &content).unwrap();
    assert_agreed(site, &plain, false)
        .says(&format!("checksum mismatch for file \"pg_tblspc/{oid}/"))
        .says(&format!("in archive \"{oid}.tar\""));

    // An archive that ends early: nothing is said of the files that may be missing.
    let base = site.backup_dir(&compressed).join("data/base.tar.gz");
    let content = fs::read(&base).unwrap();
    fs::write(&base, &content[..content.len() / 2]).unwrap();
    let verdict = assert_agreed(site, &compressed, false);
    assert!(!verdict.said("not on disk"), "{verdict}");
    verdict.says("could not read file \"base.tar.gz\"");
    let destination = world.path("damaged");
    site.barman(&format!(
        "restore main {compressed} {} --tablespace fast:{}-fast",
        word(&destination),
        word(&destination)
    ))
    .fails(1, &["cannot read", "base.tar.gz"]);
    assert!(!destination.join("global/pg_control").exists());

    fs::remove_file(&fast).unwrap();
    site.barman(&format!("verify-backup main {plain}")).fails(1, &["has no archive of tablespace 'fast'"]);
}

/// Our verdict, after it was found to be that of PostgreSQL 18, which looks into archives.
#[track_caller]
fn assert_agreed(site: &Site, id: &str, is_sound: bool) -> Outcome {
    let data = site.backup_dir(id).join("data");
    let judge = Program::new(&Version::V18.server_program("pg_verifybackup"), site.dir());
    let judged = judge.args(["-n", data.to_str().unwrap()]).run();
    let ours = site.barman(&format!("verify-backup main {id}"));
    assert_eq!([judged.code, ours.code], [i32::from(!is_sound); 2], "{judged}{ours}");
    ours
}

fn remote_words(world: &World, id: &str, name: &str) -> String {
    let place = world.path(name);
    let remote = world.remote();
    format!("restore main {id} {} --tablespace fast:{}-fast {remote}", word(&place), word(&place))
}

/// Whether files arrive, and not directories only.
fn arrives(world: &World, name: &str) -> bool {
    fs::read_dir(world.path(name).join("base/1")).into_iter().flatten().next().is_some()
}

#[test]
fn a_restore_of_archives_survives_a_lost_connection_and_can_be_repeated() {
    let mut world = streaming_world(Version::V15, &Plan::default());
    let id = archives_by_barman(&mut world, "gzip");
    world.site.set("bandwidth_limit", "8000");
    world.site.set("basebackup_retry_sleep", "1");
    world.site.set("basebackup_retry_times", "2");
    let running = world.site.start_barman(&remote_words(&world, &id, "retried"));
    eventually("a connection is cut", || arrives(&world, "retried") && world.sshd.cut_connections() > 0);
    let outcome = running.finish().ok();
    assert!(outcome.stderr.contains("Retrying in 1 seconds"), "{outcome}");

    let killed = world.site.start_barman(&remote_words(&world, &id, "killed"));
    eventually("files arrive", || arrives(&world, "killed"));
    killed.signal(Signal::SIGKILL);
    killed.finish();
    eventually("all programs have ended", || world.programs().is_empty());
    assert!(!world.path("killed/global/pg_control").exists());
    assert!(Cluster::on(Version::V15, &world.path("killed"), &world.path("half-run")).try_start().is_err());
    world.site.unset("bandwidth_limit");
    world.site.barman(&remote_words(&world, &id, "killed")).ok();
    for name in ["retried", "killed"] {
        let mut pg = Cluster::on(Version::V15, &world.path(name), &world.path(&format!("{name}-run")));
        pg.options.extend(["-c", "archive_mode=off"].map(Into::into));
        pg.start();
        pg.wait_until_promoted();
        assert_whole(pg, &world, name);
    }
    remove_scratch(&id);
}

/// What a killed restore of this backup has left.
fn remove_scratch(id: &str) {
    for entry in fs::read_dir("/tmp").unwrap().flatten() {
        if entry.path().join(id).exists()
            && entry.file_name().to_string_lossy().starts_with("barman-decompress")
        {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

#[test]
fn plain_backups_are_restored_and_incremental_ones_refused_with_what_to_do() {
    let plan = Plan { settings: "summarize_wal = on", ..Plan::default() };
    let mut world = streaming_world(Version::V18, &plan);
    let full = backup_by_barman(&world.site, "");
    world.note("between the backups");
    let increment = backup_by_barman(&world.site, &format!("--incremental {full}"));
    world.note("after both");
    world.ship_wal();
    world.site.barman(&format!("verify-backup main {full}")).ok().says("backup successfully verified");

    let restored = world.restore(&full, "full", "");
    assert!(restored.pg.data().join(format!("backup_manifest.{full}")).exists());
    assert_whole(restored.start(), &world, "full");
    let place = world.path("increment");
    world.site.barman(&format!("restore main {increment} {}", word(&place))).fails(
        1,
        &["it is an incremental backup", &format!("restore the full backup {full}"), "Python Barman"],
    );
    assert!(!place.exists());

    let id = archives_by_barman(&mut world, "zstd");
    assert_agreed(&world.site, &id, true);
    assert_whole(world.restore(&id, "archives", "").start(), &world, "archives");
}

#[test]
fn what_is_said_about_staging_is_checked_as_barman_does() {
    let mut world = streaming_world(Version::V15, &Plan::default());
    let id = archives_by_barman(&mut world, "gzip");
    let place = world.path("restored");
    let words = |options: &str| {
        format!("restore main {id} {} --tablespace fast:{}-fast {options}", word(&place), word(&place))
    };
    for options in [
        "--staging-path here",
        "--staging-location remote",
        "--recovery-staging-path here",
        "--local-staging-path here",
    ] {
        let [us, them] = [world.site.barman(&words(options)), world.site.reference(&words(options))];
        assert_eq!((us.code, us.stderr), (1, them.stderr), "{options}");
    }
    world.site.barman(&words("--staging-location elsewhere")).fails(2, &["local", "remote"]);
    for (options, reason) in [
        (String::from("--delta-restore"), "locally with delta mode when the backup is not plain"),
        (
            format!("--delta-restore {}", world.remote()),
            "remotely with delta mode when 'staging_location=remote'",
        ),
    ] {
        world.site.barman(&words(&options)).fails(1, &[reason]);
    }
    assert!(!place.exists());

    world.site.set("recovery_staging_path", world.path("old").to_str().unwrap());
    world
        .site
        .barman(&words(""))
        .ok()
        .says("recovery_staging_path and local_staging_path")
        .says("deprecated");
    assert_eq!(fs::read_dir(world.path("old")).unwrap().count(), 0);
}
