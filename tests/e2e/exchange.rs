//! Backups that are kept, verified and carried from one Barman to another, by both programs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::program::Program;
use crate::kit::world::word;
use crate::kit::{Outcome, Site, Version, World, gpg, tools};

#[test]
fn both_programs_verify_what_either_listed_and_find_the_same_damage() {
    let mut world = World::new(Version::V15);
    world.site.set("autogenerate_manifest", "true");
    world.site.set("path_prefix", "/usr/lib/postgresql/15/bin");
    let ours = world.backup();
    let data = world.site.backup_dir(&ours).join("data");
    let site = &world.site;
    assert_all_agree(site, &ours, true);
    site.barman(&format!("generate-manifest main {ours}")).fails(1, &["already exists"]);

    site.reference("backup main --immediate-checkpoint --wait").ok();
    let theirs = site.backups().remove(0);
    assert_all_agree(site, &theirs, true);
    site.barman("backup main --immediate-checkpoint --wait --no-manifest").ok();
    let without = site.backups().remove(0);
    site.barman(&format!("verify-backup main {without}")).fails(1, &["generate-manifest"]);
    site.barman(&format!("generate-manifest main {without}")).ok();
    assert_all_agree(site, &without, true);

    // A page of a table, without any change of size or time.
    let table = world.pg.sql("SELECT pg_relation_filepath('pg_class')");
    flip_a_byte(&data.join(table.trim()));
    fs::remove_file(data.join("PG_VERSION")).unwrap();
    fs::write(data.join("base/stray"), "x").unwrap();
    let verdict = assert_all_agree(site, &ours, false);
    for words in
        ["\"PG_VERSION\" is present in the manifest but not on disk", "\"base/stray\" is present on disk"]
    {
        verdict.clone().says(words);
    }
    verdict.says("checksum mismatch for file");
}

/// Ours, Barman's and PostgreSQL's own verdict.
#[track_caller]
fn assert_all_agree(site: &Site, id: &str, is_sound: bool) -> Outcome {
    let data = site.backup_dir(id).join("data");
    let judge = Program::new(&tools::client_program("pg_verifybackup"), site.dir());
    let judged = judge.args(["-n", data.to_str().unwrap()]).run();
    let (us, them) =
        (site.barman(&format!("verify main {id}")), site.reference(&format!("verify main {id}")));
    let code = i32::from(!is_sound);
    assert_eq!([judged.code, us.code, them.code], [code; 3], "{judged}{us}{them}");
    let problems = |outcome: &Outcome, prefix: &str| {
        let lines =
            outcome.stderr.lines().filter(|line| !line.contains("WARNING") && !line.contains("failure on"));
        let mut lines: Vec<_> =
            lines.map(|line| line.replace(prefix, "")).filter(|line| !line.is_empty()).collect();
        lines.sort();
        lines
    };
    assert_eq!(problems(&us, "ERROR: "), problems(&judged, "pg_verifybackup: error: "));
    us
}

fn flip_a_byte(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let times = fs::metadata(path).unwrap().modified().unwrap();
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(times).unwrap();
}

#[test]
fn a_backup_travels_between_the_programs_and_is_restored_at_its_end() {
    let mut world = World::new(Version::V15);
    world.site.set("compression", "gzip");
    world.site.set("autogenerate_manifest", "true");
    world.pg.prepare_pgbench();
    let id = world.backup();
    let contents = world.pg.contents();
    world.note("after the backup");
    world.ship_wal();

    let keep =
        |by_us: bool, words: &str| run(&world.site, by_us, &format!("keep main {id} {words}")).ok().stdout;
    for by_us in [true, false] {
        keep(by_us, "--target full");
        assert_eq!(keep(!by_us, "--status"), "Server main:\n\tKeep: full\n");
        keep(!by_us, "--release");
        assert_eq!(keep(by_us, "--status"), "Server main:\n\tKeep: nokeep\n");
    }
    for words in [
        "check-wal-archive main",
        "check-wal-archive main --timeline 1",
        "check-wal-archive main --timeline 2",
    ] {
        let (us, them) = (world.site.barman(words), world.site.reference(words));
        assert_eq!((us.code, us.stdout, us.stderr), (them.code, them.stdout, them.stderr), "{words}");
    }

    for (name, by_us, options) in [
        ("xz-by-us", true, "--compression xz --compression-level 1"),
        ("gzip-by-us", true, "--compression gzip --compression-level 1"),
        ("bzip2-by-them", false, "--compression bzip2"),
        ("plain-by-them", false, ""),
    ] {
        let out = world.path(name);
        fs::create_dir(&out).unwrap();
        run(&world.site, by_us, &format!("export-backup main {id} {} {options}", word(&out))).ok();
        let archive = only_file(&out);
        let other = elsewhere(&world, name);
        let words = format!("import-backup main {}", word(&archive));
        run(&other, !by_us, &words).ok().says(&format!("Successfully imported backup '{id}'"));
        assert_imported(&world, &other, &id, &words);
    }

    // And what was carried by ours, taken in by ours, starts.
    let other = elsewhere(&world, "restored");
    let archive = only_file(&world.path("gzip-by-us"));
    other.barman(&format!("import-backup main {}", word(&archive))).ok();
    let restored = world.restore_by("copy", |_, place| other.barman(&format!("restore main {id} {place}")));
    let mut pg = restored.start();
    assert_eq!(pg.contents(), contents);
    pg.stop_and_verify_pages();
}

#[test]
fn wal_that_is_encrypted_stays_so_on_its_way() {
    let mut world = World::new(Version::V15);
    world.site.set("autogenerate_manifest", "true");
    let id = world.backup();
    let keyring = gpg::encrypt(&mut world.site);
    world.site.set("compression", "gzip");
    // What the archive has plain comes once more, and is encrypted.
    let begin = world.site.field(&id, "begin_wal");
    fs::rename(world.site.archived(&begin), world.site.incoming().join(&begin)).unwrap();
    world.site.barman("archive-wal main").ok();
    world.site.barman("rebuild-xlogdb main").ok();
    let list = fs::read_to_string(world.site.xlogdb()).unwrap();
    assert!(list.lines().any(|line| line.starts_with(&begin) && line.ends_with("\tgzip\tgpg")), "{list}");
    for by_us in [true, false] {
        let out = world.path(&format!("by-us-{by_us}"));
        fs::create_dir(&out).unwrap();
        run(&world.site, by_us, &format!("export-backup main {id} {}", word(&out))).ok();
        let other = elsewhere(&world, &format!("from-us-{by_us}"));
        let words = format!("import-backup main {}", word(&only_file(&out)));
        run(&other, !by_us, &words).ok();
        assert_imported(&world, &other, &id, &words);
    }
    drop(keyring);
}

fn run(site: &Site, by_us: bool, words: &str) -> Outcome {
    if by_us { site.barman(words) } else { site.reference(words) }
}

fn only_file(dir: &Path) -> PathBuf {
    let mut entries = fs::read_dir(dir).unwrap();
    let only = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "there is one file in {}", dir.display());
    only
}

/// Another backup host that has known the server of `world`.
fn elsewhere(world: &World, name: &str) -> Site {
    let site = Site::new(&world.path(&format!("site-{name}")));
    fs::copy(world.site.server_dir().join("identity.json"), site.server_dir().join("identity.json")).unwrap();
    site
}

/// All is there that was carried, both programs say the same of it, and it is not taken in twice.
fn assert_imported(world: &World, site: &Site, id: &str, import: &str) {
    for by_us in [true, false] {
        let kept = run(site, by_us, &format!("keep main {id} --status")).ok();
        assert_eq!(kept.stdout, "Server main:\n\tKeep: standalone\n");
        run(site, by_us, import).fails(1, &["already exists in the catalog"]);
    }
    let question = format!("show-backup main {id}");
    assert_eq!(site.barman(&question).ok().stdout, site.reference(&question).ok().stdout);
    site.barman(&format!("verify main {id}")).ok();
    let begin = world.site.field(id, "begin_wal");
    assert_eq!(fs::read(site.archived(&begin)).unwrap(), fs::read(world.site.archived(&begin)).unwrap());
    let line = |site: &Site| {
        let list = fs::read_to_string(site.xlogdb()).unwrap();
        list.lines().find(|line| line.starts_with(&begin)).unwrap().to_owned()
    };
    assert_eq!(line(site), line(&world.site));
    let left_over = fs::read_dir(site.server_dir().join("base")).unwrap().flatten();
    let left_over = left_over.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
    assert_eq!(left_over.count(), 0, "nothing of the import is left");
}
