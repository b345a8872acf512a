//! Restored servers that fetch their WAL from Barman, that follow a primary, and that take the place of old files.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kit::world::{Restored, word};
use crate::kit::{Cluster, DatabaseHost, Site, Version, World, eventually};

/// Gives a cluster the environment in which its `restore_command` finds what it runs.
fn let_it_fetch(pg: &mut Cluster, world: &World, search_path: String) {
    let config = world.site.dir().join("barman.conf").display().to_string();
    pg.env.extend([("PATH", search_path), ("BARMAN_CONFIG_FILE", config)]);
    pg.options.extend(["-c", "archive_mode=off"].map(Into::into));
}

#[test]
fn a_restored_server_fetches_its_wal_from_barman_on_this_host_and_from_another() {
    let mut world = World::new(Version::V15);
    world.site.set("compression", "gzip");
    let host = DatabaseHost::new(&world.path("host"), &mut world.sshd, &world.site);
    world.point_site_at_database();
    let id = world.backup();
    world.note("after the backup");
    let contents = world.pg.contents();
    world.ship_wal();
    let barman = format!("{}:/usr/bin:/bin", world.path("host/there").display());

    let mut local = world.restore(&id, "local", "--get-wal --target-tli latest").pg;
    assert!(!local.data().join("barman_wal").exists());
    let_it_fetch(&mut local, &world, barman);
    local.start();
    local.wait_until_promoted();
    assert_eq!((local.contents(), local.timeline()), (contents.clone(), 2));
    local.stop_and_verify_pages();

    world.site.set("recovery_options", "get-wal");
    let mut remote = world.restore_remotely(&id, "remote", "").pg;
    let_it_fetch(&mut remote, &world, host.search_path());
    remote.start();
    remote.wait_until_promoted();
    assert_eq!(remote.contents(), contents);
    let log = fs::read_to_string(remote.log()).unwrap();
    assert!(log.contains("restored log file"), "{log}");
    remote.stop_and_verify_pages();
}

fn a_standby_follows_the_primary_that_it_was_restored_from(version: Version) {
    let mut world = World::new(version);
    let id = world.backup();
    world.note("after the backup");
    world.ship_wal();
    let host = DatabaseHost::new(&world.path("host"), &mut world.sshd, &world.site);
    world.point_site_at_database();

    let Restored { pg: mut streaming, .. } = world.restore(&id, "streaming", "--standby-mode");
    follow(&streaming, &world.pg);
    streaming.options.extend(["-c", "archive_mode=off"].map(Into::into));
    streaming.start();
    world.note("only in the stream");
    streaming.wait_until_caught_up_with(&world.pg);
    assert_eq!((streaming.contents(), streaming.sql("SELECT pg_is_in_recovery()")), state_of(&world.pg));
    streaming.stop();

    let Restored { pg: mut fetching, .. } = world.restore(&id, "fetching", "--standby-mode --get-wal");
    let_it_fetch(&mut fetching, &world, barman_first(&host, &world));
    fetching.start();
    world.ship_wal();
    eventually("the standby has replayed what was archived", || fetching.contents() == world.pg.contents());
    assert_eq!(fetching.sql("SELECT pg_is_in_recovery()"), "t");
    fetching.stop();
}

mod a_standby_follows_the_primary_that_it_was_restored_from {
    use crate::kit::Version;

    #[test]
    fn told_by_recovery_conf() {
        super::a_standby_follows_the_primary_that_it_was_restored_from(Version::V10);
    }

    #[test]
    fn told_by_standby_signal() {
        super::a_standby_follows_the_primary_that_it_was_restored_from(Version::V15);
    }
}

fn barman_first(host: &DatabaseHost, world: &World) -> String {
    format!("{}:{}", world.path("host/there").display(), host.search_path())
}

fn state_of(primary: &Cluster) -> (String, String) {
    (primary.contents(), "t".into())
}

/// What the DBA does before a restored standby is started.
fn follow(standby: &Cluster, primary: &Cluster) {
    let setting = format!("primary_conninfo = '{}'\n", primary.local_conninfo());
    if standby.version() == Version::V10 {
        let path = standby.data().join("recovery.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + &setting).unwrap();
    } else {
        standby.configure(&setting);
    }
}

#[test]
fn the_newest_backup_that_reaches_the_target_is_chosen() {
    let world = World::new(Version::V15);
    let first = world.backup();
    let lsn = world.pg.sql("SELECT pg_current_wal_insert_lsn()");
    let time = world.pg.sql("SELECT clock_timestamp()");
    let contents = world.pg.contents();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.note("between the backups");
    let second = world.backup();
    let choose = |name: &str, options: &str| {
        let restored = world.restore("auto", name, options);
        let id = if restored.outcome.said(&format!("using backup {first}")) { &first } else { &second };
        restored.outcome.clone().says(&format!("using backup {id}"));
        (id.clone(), restored)
    };
    assert_eq!(choose("newest", "").0, second);
    assert_eq!(choose("latest", "--target-tli latest").0, second);
    assert_eq!(choose("first", "--target-tli 1").0, second);
    assert_eq!(choose("lsn", &format!("--target-lsn {lsn}")).0, first);
    let (id, restored) = choose("time", &format!("--target-time '{time}' --target-action promote"));
    assert_eq!(id, first);
    let mut pg = restored.start();
    assert_eq!(pg.contents(), contents);
    pg.stop();
    let refused = [
        ("--target-tli 7", "Cannot find any candidate backup for recovery."),
        ("--target-time '2001-01-01 00:00:00+00:00'", "Cannot find any candidate backup for recovery."),
        ("--target-tli current", "'current' is not a valid timeline keyword"),
        ("--target-xid 5", "'target_xid' recovery target is not allowed without a backup_id"),
        ("--target-immediate", "'target_immediate' recovery target is not allowed without a backup_id"),
    ];
    for (options, words) in refused {
        world.site.barman(&format!("restore main auto /nowhere {options}")).fails(1, &[words]);
        world.site.reference(&format!("restore main auto /nowhere {options}")).fails(1, &[words]);
    }
}

#[test]
fn the_unfinished_segment_brings_the_last_words_of_the_primary() {
    let mut world = World::new(Version::V15);
    let id = world.backup();
    world.note("archived");
    world.ship_wal();
    world.note("in the last segment");
    let (last, contents) =
        (world.pg.sql("SELECT pg_walfile_name(pg_current_wal_lsn())"), world.pg.contents());
    let lsn = world.pg.sql("SELECT pg_current_wal_lsn()");
    world.note("after the target");
    let streaming = world.site.server_dir().join("streaming");
    fs::create_dir_all(&streaming).unwrap();
    fs::copy(world.pg.data().join("pg_wal").join(&last), streaming.join(format!("{last}.partial"))).unwrap();
    let all = world.pg.contents();
    world.pg.crash();
    let place = word(&world.path("without"));
    let words = format!("restore main {id} {place} --tablespace fast:{place}-fast --target-lsn {lsn}");
    world.site.barman(&words).fails(1, &[&last, "before the recovery target"]);
    for (name, options, expected) in [
        ("lsn", format!("--target-lsn {lsn} --target-action promote"), &contents),
        ("end", String::new(), &all),
        ("on", "--target-tli latest".to_owned(), &all),
    ] {
        let restored = world.restore(&id, name, &format!("--partial-wal {options}"));
        restored.outcome.clone().says("Copying .partial WAL files.");
        let mut pg = restored.start();
        assert_eq!(&pg.contents(), expected, "{name}");
        pg.stop_and_verify_pages();
    }
}

/// What a restore has told PostgreSQL: the lines behind those of the backup, and the files that are signs.
fn recovery_settings(data: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(data.join(file)).unwrap_or_default();
    let original = fs::read_to_string(data.join(format!("{file}.origin"))).unwrap_or_default();
    let own = text.strip_prefix(&original).unwrap_or(&text);
    let mut lines: Vec<String> = own.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    for sign in ["recovery.signal", "standby.signal", "recovery.conf"] {
        lines.extend(data.join(sign).exists().then(|| format!("+ {sign}")));
    }
    lines
}

/// Restores by both programs into the same places, so that settings are the same.
fn assert_set_up_alike(world: &World, id: &str, name: &str, (file, options): (&str, &str)) {
    let options = options.replace('@', world.path(name).to_str().unwrap());
    let set_up = |ours: bool| {
        let restored = world.restore_by(name, |site, place| {
            let words = format!("restore main {id} {place} {options}");
            if ours { site.barman(&words) } else { site.reference(&words) }
        });
        let settings = recovery_settings(restored.pg.data(), file);
        for place in ["", "-fast", "-wal", "-run"] {
            let _ = fs::remove_dir_all(world.path(&format!("{name}{place}")));
        }
        settings
    };
    let (theirs, ours) = (set_up(false), set_up(true));
    let plain = |line: &String| {
        // Two blanks in a row, and the name that an address of this host has.
        let line = line.replace("get-wal  main", "get-wal main");
        line.replace(&format!(" {} main", host_name()), " localhost main")
    };
    let [theirs, ours] = [theirs, ours].map(|lines| lines.iter().map(plain).collect::<Vec<_>>());
    assert_eq!(ours, theirs, "{options}");
}

#[test]
fn an_old_server_is_told_how_to_recover_as_barman_tells_it() {
    let world = World::new(Version::V10);
    let id = world.backup();
    let standby = format!("--get-wal --standby-mode --target-tli latest {}", world.remote());
    assert_set_up_alike(&world, &id, "standby", ("recovery.conf", &standby));
    let target = "--target-immediate --target-action shutdown --staging-wal-directory @-wal";
    assert_set_up_alike(&world, &id, "target", ("recovery.conf", target));
}

#[test]
fn a_server_is_told_how_to_recover_as_barman_tells_it() {
    let world = World::new(Version::V15);
    let id = world.backup();
    let time = world.pg.sql("SELECT clock_timestamp()");
    let (remote, auto) = (world.remote(), "postgresql.auto.conf");
    let custom = r#"--get-wal --restore-command "fetch 'it' %f '%p'""#;
    let sets = [
        (auto, "--get-wal".to_owned()),
        (auto, format!("--get-wal -j 3 --recovery-option-port 2222 {remote}")),
        (auto, "--standby-mode".to_owned()),
        (auto, format!("--target-time '{time}' --exclusive --target-action promote {custom}")),
        ("set.conf", "--target-name point --target-tli 1 --recovery-conf-filename set.conf".to_owned()),
    ];
    for (number, (file, options)) in sets.iter().enumerate() {
        assert_set_up_alike(&world, &id, &format!("set-{number}"), (file, options));
    }
    let theirs = restored_as_json(&world.site, &world, false);
    assert_eq!(restored_as_json(&world.site, &world, true), theirs);
}

fn host_name() -> String {
    let asked = std::process::Command::new("hostname").arg("-f").output().unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

/// A restore as JSON, without what differs from one to the next.
fn restored_as_json(site: &Site, world: &World, ours: bool) -> Value {
    let options = "--get-wal --target-tli latest";
    let restored = world.restore_by("json", |_, place| {
        let words = format!("-f json restore main latest {place} {options}");
        if ours { site.barman(&words) } else { site.reference(&words) }
    });
    for place in ["json", "json-fast", "json-run"] {
        fs::remove_dir_all(world.path(place)).unwrap();
    }
    let mut document: Value = serde_json::from_str(&restored.outcome.stdout).unwrap();
    let seconds = &mut document["recovery_elapsed_time_seconds"];
    assert!(seconds.is_f64(), "{seconds}");
    *seconds = 0.into();
    assert!(document["recovery_start_time_timestamp"].is_string());
    for name in ["recovery_elapsed_time", "recovery_start_time", "recovery_start_time_timestamp"] {
        document[name] = "".into();
    }
    // Barman counts lines from 0, and names the line that it has commented out, not the one in its place.
    for (list, difference) in [("changes", 2), ("warnings", 1)] {
        for line in document[list].as_array_mut().unwrap() {
            line[1] = (line[1].as_i64().unwrap() + i64::from(!ours) * difference).into();
        }
    }
    document
}

/// A server that has changed a lot since the backup that was restored into `data`, where another one has lived a life
/// of its own since.
fn diverged() -> (World, Cluster) {
    let world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    let first = world.backup();
    let copy = world.restore(&first, "data", "").start();
    copy.sql("DROP TABLE parts; CREATE TABLE own AS SELECT generate_series(1, 50000) AS n");
    copy.sql("UPDATE pgbench_accounts SET abalance = 7");
    copy.sql("CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT");
    world.pg.sql("CREATE TABLE later AS SELECT generate_series(1, 1000) AS n; DROP TABLE ledger");
    world.pg.sql("CREATE TABLE ledger (id serial PRIMARY KEY, entry text) TABLESPACE fast");
    world.note("in the second backup");
    world.backup();
    world.note("after the second backup");
    world.ship_wal();
    (world, copy)
}

#[test]
fn a_destination_becomes_the_backup_again_on_this_host_and_on_another() {
    let (mut world, mut copy) = diverged();
    let data = world.path("data");
    let place = format!("{} --tablespace fast:{}", word(&data), word(&world.path("data-fast")));
    let words = format!("restore main latest {place}");
    let remote = world.remote();
    world.site.barman(&words).fails(1, &["is not empty"]);
    for options in ["", &remote] {
        let refused = world.site.barman(&format!("{words} --delta-restore {options}"));
        refused.fails(1, &["a PostgreSQL server runs in", data.to_str().unwrap()]);
    }
    assert_eq!(copy.sql("SELECT count(*) FROM own"), "50000", "the server in the destination goes on");
    copy.stop();
    put_wal_on_a_disk_of_its_own(&world);

    // PostgreSQL writes into few of these files.
    let unchanged = data.join("base/1/2600");
    let inode = |path: &Path| (fs::metadata(path).unwrap().ino(), fs::metadata(path).unwrap().mtime());
    let before = inode(&unchanged);
    world.site.set("recovery_options", "delta-restore");
    for (name, options) in [("here", ""), ("there", remote.as_str())] {
        let outcome = world.site.barman(&format!("{words} -j 2 {options}")).ok();
        outcome.says("Using safe horizon time for smart rsync copy: ");
        assert_eq!(inode(&unchanged), before, "{name}");
        assert!(!data.join("pg_tblspc/99999").exists() && world.path("precious/file").exists());
        copy.options = ["-c", "archive_mode=off"].map(Into::into).into();
        copy.start();
        assert_eq!(copy.contents(), world.pg.contents(), "{name}");
        copy.sql("DROP TABLE later; CREATE TABLE own AS SELECT generate_series(1, 50000) AS n");
        copy.stop_and_verify_pages();
    }
    world.site.barman(&format!("{words} --no-delta-restore")).fails(1, &["is not empty"]);

    world.site.set("bandwidth_limit", "1000");
    let killed = world.site.start_barman(&format!("{words} {remote}"));
    eventually("the restore has begun", || !data.join("global/pg_control").exists());
    killed.signal(Signal::SIGKILL);
    killed.finish();
    eventually("all programs have ended", || world.programs().is_empty());
    assert!(copy.try_start().is_err(), "PostgreSQL starts on half a restore");
    world.site.unset("bandwidth_limit");
    let repeated = world.site.barman(&words).ok();
    assert!(!repeated.said("safe horizon"), "what is left of an unfinished restore is compared: {repeated}");
    // Barman takes over such a directory, too, but for the link.
    fs::remove_file(data.join("pg_wal")).unwrap();
    fs::rename(world.path("wal-disk"), data.join("pg_wal")).unwrap();
    world.site.reference(&words).ok();
    copy.start();
    assert_eq!(copy.contents(), world.pg.contents());
}

/// `pg_wal` is a link, and somebody's tablespace is linked from the directory that no backup knows.
fn put_wal_on_a_disk_of_its_own(world: &World) {
    let (data, disk) = (world.path("data"), world.path("wal-disk"));
    fs::rename(data.join("pg_wal"), &disk).unwrap();
    symlink(&disk, data.join("pg_wal")).unwrap();
    fs::create_dir(world.path("precious")).unwrap();
    fs::write(world.path("precious/file"), "data").unwrap();
    symlink(world.path("precious"), data.join("pg_tblspc/99999")).unwrap();
}

#[test]
fn a_server_on_the_backup_host_is_copied_without_ssh() {
    let mut world = World::new(Version::V15);
    world.site.set("backup_method", "local-rsync");
    world.site.unset("ssh_command");
    world.sshd.stop();
    let check = |site: &Site| {
        let [ours, theirs] = [site.barman("check main"), site.reference("check main")];
        assert_eq!((ours.code, &ours.stdout), (theirs.code, &theirs.stdout));
        assert!(ours.said("local PGDATA: OK (Access to local PGDATA)") && !ours.said("ssh"), "{ours}");
    };
    check(&world.site);
    let ours = world.backup();
    world.site.reference("backup main --immediate-checkpoint --wait").ok();
    let theirs = world.site.backups().remove(0);
    world.note("between the backups");
    let reusing = world.site.barman("backup main --immediate-checkpoint --wait").ok();
    reusing.says("Starting backup copy via local rsync for ");
    let again = world.site.backups().remove(0);
    check(&world.site);
    assert_eq!(world.site.field(&again, "mode"), world.site.field(&theirs, "mode"));
    let shared = fs::metadata(world.site.backup_dir(&again).join("data/PG_VERSION")).unwrap();
    assert!(shared.nlink() > 1, "unchanged files are shared with the backup before");
    world.note("after the backups");
    world.ship_wal();
    for (name, id) in [("ours", &ours), ("theirs", &theirs), ("again", &again)] {
        let mut pg = world.restore(id, name, "--target-tli latest").start();
        assert_eq!(pg.contents(), world.pg.contents(), "{name}");
        pg.stop_and_verify_pages();
    }
}
