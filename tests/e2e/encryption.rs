//! WAL encrypted with gpg, by us and by Barman 3.19.1, in one archive; and backups that Barman has encrypted.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::kit::gpg::{KEY, encrypt, tell_passphrase};
use crate::kit::program::PASSWORD;
use crate::kit::world::{Plan, Restored};
use crate::kit::{Keyring, Site, Version, World, eventually, processes_mentioning, tools};
use crate::tar::{archives_by_barman, streaming_world};

/// A site without a database.
fn site() -> (TempDir, Site) {
    tools::become_unprivileged();
    let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
    let site = Site::new(dir.path());
    (dir, site)
}

/// A segment of PostgreSQL 15, full of `byte`.
fn segment(byte: u8) -> Vec<u8> {
    let mut segment = vec![byte; 16 << 20];
    segment[..40].copy_from_slice(
        b"\x10\xd1\x02\0\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\
          \x4d\x0b\x6b\x5a\x1c\x3d\x02\x6b\0\0\0\x01\0\x20\0\0",
    );
    segment
}

/// Puts a segment where `archive_command` would.
fn arrive(site: &Site, name: &str, content: &[u8]) {
    fs::write(site.incoming().join(name), content).unwrap();
}

/// What get-wal of ours gives, and of the other program.
fn fetch(site: &Site, name: &str) -> [Vec<u8>; 2] {
    let place = |who: &str| {
        let place = site.dir().join(who);
        fs::create_dir_all(&place).unwrap();
        place
    };
    let (ours, theirs) = (place("ours"), place("theirs"));
    site.barman(&format!("get-wal -o {} main {name}", ours.display())).ok();
    site.reference(&format!("get-wal -o {} main {name}", theirs.display())).ok();
    [ours, theirs].map(|place| fs::read(place.join(name)).unwrap())
}

/// Compression and encryption of a file, as the list of the archive has them.
fn labels(site: &Site, name: &str) -> String {
    let list = fs::read_to_string(site.xlogdb()).unwrap();
    let line = list.lines().find(|line| line.starts_with(&format!("{name}\t"))).unwrap();
    line.split('\t').skip(3).collect::<Vec<_>>().join(" ")
}

/// Whether gpg takes a file for a message.
fn is_message(path: &Path) -> bool {
    matches!(fs::read(path).unwrap()[..], [0x84 | 0x85 | 0xc1, ..])
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn both_programs_restore_from_an_archive_that_both_have_encrypted() {
    let mut world = World::new(Version::V15);
    let id = world.backup();
    let keyring = encrypt(&mut world.site);
    let mut encrypted = Vec::new();
    for compression in ["zstd", ""] {
        match compression {
            "" => world.site.unset("compression"),
            some => world.site.set("compression", some),
        }
        for by_us in [true, false] {
            world.note(&format!("{compression} by us: {by_us}"));
            let name = world.pg.sql("SELECT pg_walfile_name(pg_switch_wal())");
            eventually("the segment has arrived", || world.site.incoming().join(&name).exists());
            let done = if by_us {
                world.site.barman("archive-wal main")
            } else {
                world.site.reference("archive-wal main")
            };
            done.ok();
            let compression = if compression.is_empty() { "None" } else { compression };
            assert_eq!(labels(&world.site, &name), format!("{compression} gpg"));
            assert!(is_message(&world.site.archived(&name)), "{name}");
            encrypted.push(name);
        }
    }
    let time = world.pg.sql("SELECT clock_timestamp()");
    let contents = world.pg.contents();
    world.note("after the target");
    world.ship_wal();
    for name in &encrypted {
        let [ours, theirs] = fetch(&world.site, name);
        assert_eq!(ours.len(), 16 << 20, "{name}");
        assert!(ours == theirs, "{name}");
    }

    // Nothing but the list tells how a file is compressed inside its encryption.
    let list = fs::read_to_string(world.site.xlogdb()).unwrap();
    world.site.barman("rebuild-xlogdb main").ok();
    assert_eq!(fs::read_to_string(world.site.xlogdb()).unwrap(), list);
    fs::remove_file(world.site.xlogdb()).unwrap();
    world.site.barman("rebuild-xlogdb main").ok();
    for name in &encrypted {
        assert_eq!(labels(&world.site, name), "None gpg");
    }

    keyring.forget_passphrases();
    let target = format!("--target-time '{time}' --target-action promote");
    let place = world.path("nowhere");
    tell_passphrase(&mut world.site, "wrong");
    let words =
        format!("restore main {id} {} --tablespace fast:{}-fast {target}", place.display(), place.display());
    world.site.barman(&words).fails(1, &["main", "does not open the private key", "hint:"]);
    assert!(!place.join("global/pg_control").exists(), "PostgreSQL starts on it");
    tell_passphrase(&mut world.site, PASSWORD);
    let remote = world.restore_remotely(&id, "remote", &target);
    let segment =
        |restored: &Restored| fs::read(restored.pg.data().join("barman_wal").join(&encrypted[0])).unwrap();
    let ours = world.restore(&id, "ours", &target);
    assert!(segment(&remote) == segment(&ours));
    let theirs = world
        .restore_by("theirs", |site, place| site.reference(&format!("restore main {id} {place} {target}")));
    for restored in [ours, theirs] {
        let mut pg = restored.start();
        assert_eq!(pg.contents(), contents);
        pg.stop_and_verify_pages();
    }
}

#[test]
fn what_comes_again_is_the_same_file_encrypted_or_not() {
    let (_dir, mut site) = site();
    let keyring = encrypt(&mut site);
    site.set("compression", "gzip");
    let [one, two, three] =
        ["0000000100000000000000A1", "0000000100000000000000A2", "0000000100000000000000A3"];
    arrive(&site, one, &segment(1));
    site.barman("archive-wal main").ok();
    // As a sender does that encrypts by itself.
    arrive(&site, "plain", &segment(2));
    let (plain, sent) = (site.incoming().join("plain"), site.incoming().join(two));
    keyring.gpg(&format!("--output {} --recipient {KEY} --encrypt {}", sent.display(), plain.display())).ok();
    fs::remove_file(plain).unwrap();
    let message = fs::read(&sent).unwrap();
    eventually("it is old enough", || {
        site.barman("archive-wal main").ok();
        site.archived(two).exists()
    });
    assert!(fs::read(site.archived(two)).unwrap() == message);
    assert_eq!(labels(&site, two), "None gpg");
    for (name, byte) in [(one, 1), (two, 2)] {
        for fetched in fetch(&site, name) {
            assert!(fetched == segment(byte), "{name}");
        }
    }

    // The same again, plain: neither an alarm nor another line.
    let lines = site.indexed_wal();
    arrive(&site, one, &segment(1));
    arrive(&site, two, &segment(2));
    site.barman("archive-wal main").ok();
    let errors = site.server_dir().join("errors");
    assert!(!errors.exists() || files_below(&errors).is_empty());
    assert!(files_below(&site.incoming()).is_empty());
    assert_eq!(site.indexed_wal(), lines);

    // Other content, and content that cannot be compared, is kept.
    arrive(&site, one, &segment(9));
    site.barman("archive-wal main").ok().says(&format!("Error: {one} is already present in server main"));
    site.unset("encryption_passphrase_command");
    arrive(&site, two, &segment(2));
    site.barman("archive-wal main").ok().says("cannot be told").says("encryption_passphrase_command");
    assert_eq!(files_below(&errors).len(), 2);

    // What the archive has plain, from before, is the same when it comes encrypted.
    site.unset("encryption");
    tell_passphrase(&mut site, PASSWORD);
    arrive(&site, three, &segment(3));
    site.barman("archive-wal main").ok();
    assert_eq!(labels(&site, three), "gzip None");
    let (plain, sent) = (site.dir().join("plain"), site.incoming().join(three));
    fs::write(&plain, segment(3)).unwrap();
    keyring.gpg(&format!("--output {} --recipient {KEY} --encrypt {}", sent.display(), plain.display())).ok();
    eventually("it is old enough", || {
        site.barman("archive-wal main").ok();
        !sent.exists()
    });
    assert_eq!(files_below(&errors).len(), 2);
}

#[test]
fn the_compression_inside_can_be_kept() {
    let (_dir, mut site) = site();
    let _keyring = encrypt(&mut site);
    site.set("compression", "gzip");
    let name = "0000000100000000000000A1";
    arrive(&site, name, &segment(1));
    site.barman("archive-wal main").ok();
    for option in ["--keep-compression", "-z"] {
        let place = site.dir().join("kept");
        fs::create_dir_all(&place).unwrap();
        site.barman(&format!("get-wal {option} -o {} main {name}", place.display())).ok();
        assert!(fs::read(place.join(name)).unwrap().starts_with(b"\x1f\x8b"), "{option}");
    }
}

#[test]
fn a_host_without_the_private_key_archives_and_another_one_restores() {
    let (dir, mut site) = site();
    let elsewhere = Keyring::new(&dir.path().join("elsewhere"));
    elsewhere.generate_elliptic(KEY);
    let here = Keyring::new(site.dir());
    site.set("encryption", "gpg");
    site.set("encryption_key_id", KEY);
    let name = "0000000100000000000000A1";
    arrive(&site, name, &segment(1));
    site.barman("archive-wal main")
        .fails(1, &["main", name, KEY, "no such public key", "hint:", "gpg --import"]);
    assert!(fs::read(site.incoming().join(name)).unwrap() == segment(1));
    assert!(
        files_below(&site.server_dir().join("wals"))
            .iter()
            .all(|path| path == &site.xlogdb() || path.to_string_lossy().contains("xlog.db"))
    );
    elsewhere.send_public_key(KEY, &here);
    site.barman("archive-wal main").ok();

    let get = format!("get-wal main {name}");
    site.barman(&get)
        .fails(254, &["main", name, "no 'encryption_passphrase_command' is configured", "hint:"]);
    site.set("encryption_passphrase_command", "echo whatever");
    site.barman(&get)
        .fails(254, &["main", name, "private key is not in the keyring", "hint:", "--export-secret-keys"]);
    let key = dir.path().join("secret.key");
    elsewhere.gpg(&format!("--output {} --export-secret-keys {KEY}", key.display())).ok();
    here.gpg(&format!("--import {}", key.display())).ok();
    // To read what was encrypted it need not be on.
    site.unset("encryption");
    site.barman(&format!("get-wal -o {} main {name}", dir.path().display())).ok();
    assert!(fs::read(dir.path().join(name)).unwrap() == segment(1));
}

#[test]
fn whatever_is_wrong_with_gpg_is_said_with_its_remedy_and_nothing_is_lost() {
    let (_dir, mut site) = site();
    let keyring = encrypt(&mut site);
    keyring.generate("old@example.com", false, "20250201T000000");
    let name = "0000000100000000000000A1";
    arrive(&site, name, &segment(1));
    let archive = "archive-wal main";

    site.unset("encryption_key_id");
    site.barman(archive).fails(1, &["main", "encryption_key_id is not set"]);
    site.set("encryption_key_id", "old@example.com");
    site.barman(archive)
        .fails(1, &["main", name, "old@example.com", "expired", "hint:", "--quick-set-expire"]);
    site.set("encryption_key_id", KEY);
    assert!(fs::read(site.incoming().join(name)).unwrap() == segment(1));
    site.barman(archive).ok();

    let get = format!("get-wal main {name}");
    keyring.forget_passphrases();
    tell_passphrase(&mut site, "wrong-and-never-shown");
    let told = site.barman(&get).fails(254, &["main", name, "does not open the private key", "hint:"]);
    assert!(!told.said("wrong-and-never-shown"));
    site.set("encryption_passphrase_command", "echo not-shown-either; exit 3");
    let told =
        site.barman(&get).fails(254, &["'encryption_passphrase_command' ended with exit code 3", "hint:"]);
    assert!(!told.said("not-shown-either"));
    // Somebody has taken the option for the passphrase.
    site.set("encryption_passphrase_command", PASSWORD);
    site.barman(&get).fails(254, &["exit code 127"]);
    tell_passphrase(&mut site, PASSWORD);
    let message = fs::read(site.archived(name)).unwrap();
    fs::write(site.archived(name), &message[..message.len() / 2]).unwrap();
    site.barman(&get).fails(254, &["main", name, "damaged"]);
    fs::write(site.archived(name), &message).unwrap();
    assert!(!site.log().contains(PASSWORD) && !site.log().contains("never-shown"));

    site.hide_all_programs_but(&["sh", "cat"]);
    site.barman(&get).fails(254, &["program 'gpg' not found", "hint:", "install"]);
    arrive(&site, "0000000100000000000000A2", &segment(2));
    site.barman(archive).fails(1, &["0000000100000000000000A2", "program 'gpg' not found", "hint:"]);
    assert!(site.incoming().join("0000000100000000000000A2").exists());
}

#[test]
fn check_and_backup_tell_what_the_settings_of_encryption_lack() {
    let (_dir, mut site) = site();
    let keyring = encrypt(&mut site);
    let row = |site: &Site| {
        let rows = |text: String| text.lines().find(|line| line.contains("encryption:")).map(str::to_owned);
        let (ours, theirs) =
            (rows(site.barman("check main").stdout), rows(site.reference("check main").stdout));
        assert_eq!(ours, theirs);
        ours.unwrap()
    };
    assert!(row(&site).ends_with("FAILED (Encryption is set as gpg, but backup_method != postgres)"));
    site.barman("backup main").fails(1, &["Impossible to start the backup", "backup_method != postgres"]);
    site.set("backup_method", "postgres");
    for setting in ["reuse_backup", "backup_options"] {
        site.unset(setting);
    }
    site.set("streaming_conninfo", "host=127.0.0.1 port=1 user=barman");
    assert!(row(&site).ends_with("but backup_compression is unset)"));
    site.set("backup_compression", "gzip");
    assert!(row(&site).ends_with("but backup_compression_format != tar)"));
    site.set("backup_compression_format", "tar");
    assert!(row(&site).ends_with("OK (encryption test succeeded)"));
    site.set("encryption_key_id", "nobody@example.com");
    assert!(row(&site).ends_with("FAILED (encryption test failed. Check the log file for more details)"));
    assert!(site.log().contains("gpg cannot encrypt for 'nobody@example.com'"));
    site.unset("encryption_key_id");
    assert!(row(&site).ends_with("but encryption_key_id is unset)"));

    // Of this one the other program would tell in the middle of a restore.
    site.set("encryption_key_id", KEY);
    keyring.forget_passphrases();
    tell_passphrase(&mut site, "wrong");
    site.barman("check main").fails(1, &["\tdecryption: FAILED (", "does not open the private key"]);
}

#[test]
fn archiving_that_is_killed_while_gpg_works_loses_nothing_and_leaves_no_plain_text() {
    let (_dir, mut site) = site();
    let _keyring = encrypt(&mut site);
    let slow = site.dir().join("bin/gpg");
    tools::write_program(&slow, "#!/bin/sh\ncat > /dev/null &\nexec sleep 1000\n");
    let names = ["0000000100000000000000A1", "0000000100000000000000A2"];
    for (name, byte) in names.into_iter().zip(1..) {
        arrive(&site, name, &segment(byte));
    }
    let running = site.start_barman("archive-wal main");
    let asleep = || processes_mentioning("sleep 1000").len();
    eventually("gpg works", || asleep() > 0);
    running.signal(Signal::SIGKILL);
    running.finish();
    eventually("gpg has ended", || asleep() == 0);
    for (name, byte) in names.into_iter().zip(1..) {
        assert!(fs::read(site.incoming().join(name)).unwrap() == segment(byte));
        assert!(!site.archived(name).exists());
    }
    for path in files_below(&site.server_dir().join("wals")) {
        assert!(fs::metadata(&path).unwrap().len() < 4096, "{}", path.display());
    }

    fs::remove_file(slow).unwrap();
    site.barman("archive-wal main").ok();
    assert_eq!(site.indexed_wal(), names);
    for (name, byte) in names.into_iter().zip(1..) {
        for fetched in fetch(&site, name) {
            assert!(fetched == segment(byte), "{name}");
        }
    }
    let left = files_below(site.archived(names[0]).parent().unwrap());
    assert_eq!(left.len(), names.len(), "{left:?}");
}

#[test]
fn a_backup_that_barman_has_encrypted_is_verified_carried_and_restored() {
    let mut world = streaming_world(Version::V15, &Plan::default());
    let keyring = encrypt(&mut world.site);
    world.site.set("compression", "gzip");
    world.site.set("backup_compression_format", "tar");
    let id = archives_by_barman(&mut world, "gzip");
    let data = world.site.backup_dir(&id).join("data");
    let archives = files_below(&data).into_iter().filter(|path| path.to_string_lossy().contains(".tar"));
    let archives: Vec<PathBuf> = archives.collect();
    assert!(
        archives.len() == 2 && archives.iter().all(|path| path.to_string_lossy().ends_with(".tar.gz.gpg"))
    );
    let site = &world.site;
    assert_eq!(site.field(&id, "encryption"), "gpg");
    for question in ["show-backup", "list-files", "-f json show-backup"] {
        let words = format!("{question} main {id}");
        let (ours, theirs) = (site.barman(&words).ok().stdout, site.reference(&words).ok().stdout);
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert!(
            ours == theirs || parsed(&ours).is_some_and(|it| Some(it) == parsed(&theirs)),
            "{ours}{theirs}"
        );
    }

    let exports = world.path("exports");
    fs::create_dir(&exports).unwrap();
    site.barman(&format!("keep main {id} --target full")).ok();
    site.barman(&format!("keep main {id} --release")).ok();
    site.barman(&format!("export-backup main {id} {}", exports.display())).ok();
    site.barman(&format!("delete main {id}")).ok();
    let export = files_below(&exports).remove(0);
    site.barman(&format!("import-backup main {}", export.display())).ok();
    site.barman(&format!("verify-backup main {id}")).ok().says("backup successfully verified");

    // What cannot be opened is refused before anything is written.
    keyring.forget_passphrases();
    tell_passphrase(&mut world.site, "wrong");
    let place = world.path("nowhere");
    let tablespace = |place: &Path| format!("--tablespace fast:{}-fast", place.display());
    let words = format!("restore main {id} {} {}", place.display(), tablespace(&place));
    for words in [&words, &format!("verify-backup main {id}")] {
        world.site.barman(words).fails(1, &["base.tar.gz.gpg", "does not open the private key", "hint:"]);
    }
    world.site.unset("encryption_passphrase_command");
    world.site.barman(&words).fails(1, &["base.tar.gz.gpg", "'encryption_passphrase_command' is", "hint:"]);
    assert!(!place.exists());
    tell_passphrase(&mut world.site, PASSWORD);

    let contents = world.pg.contents();
    let remote = world.restore_remotely(&id, "remote", "");
    let theirs =
        world.restore_by("theirs", |site, place| site.reference(&format!("restore main {id} {place}")));
    for restored in [remote, world.restore(&id, "ours", ""), theirs] {
        let mut pg = restored.start();
        assert_eq!(pg.contents(), contents);
        pg.stop_and_verify_pages();
    }

    // Damage inside is told of the one archive, when the others have been looked at, too.
    let sound = world.path("sound.gpg");
    fs::rename(&archives[0], &sound).unwrap();
    let packed = world.path("packed");
    let open = format!("--pinentry-mode loopback --passphrase {PASSWORD} --output {}", packed.display());
    keyring.gpg(&format!("{open} --decrypt {}", sound.display())).ok();
    let mut content = fs::read(&packed).unwrap();
    let checksum = content.len() - 8;
    content[checksum] ^= 1;
    fs::write(&packed, content).unwrap();
    let close = format!("--output {} --recipient {KEY}", archives[0].display());
    keyring.gpg(&format!("{close} --encrypt {}", packed.display())).ok();
    let name = archives[0].file_name().unwrap().to_str().unwrap();
    let told = format!("could not read file \"{name}\"");
    world.site.barman(&format!("verify-backup main {id}")).fails(1, &[&told]);
    fs::rename(&sound, &archives[0]).unwrap();

    // An archive that was cut is damage, not an end.
    let archive = fs::read(&archives[0]).unwrap();
    fs::write(&archives[0], &archive[..archive.len() / 2]).unwrap();
    world.site.barman(&format!("verify-backup main {id}")).fails(1, &["could not read file", ".tar.gz.gpg"]);
    world.site.barman(&words).fails(1, &["cannot read", ".tar.gz.gpg"]);
    assert!(!place.join("global/pg_control").exists());
}
