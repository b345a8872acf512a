//! Restores over the files that a destination has.

use super::*;

impl Site {
    fn over_files(&self, to: &str, files: Files) -> Result<Restored, Error> {
        let location = format!("ts:{}", self.path(&format!("{to}-ts")).display());
        let request = RestoreRequest { delta: true, ..self.request(to, &[&location]) };
        run(&self.server(files), &request)
    }

    #[track_caller]
    fn refuses(&self, to: &str, words: &[&str]) {
        let location = self.path(&format!("{to}-ts"));
        self.refuses_with(to, &format!("ts:{}", location.display()), words);
    }

    #[track_caller]
    fn refuses_with(&self, to: &str, tablespace: &str, words: &[&str]) {
        let request = RestoreRequest { delta: true, ..self.request(to, &[tablespace]) };
        let error = run(&self.server(Files::default()), &request).unwrap_err().to_string();
        for words in words {
            assert!(error.contains(words), "{error}");
        }
    }

    /// Writes other bytes into a file so that neither its size nor its time tells.
    fn tamper(&self, file: &str) {
        let path = self.path(file);
        let modified = real::metadata(&path).unwrap().modified().unwrap();
        let text = real::read_to_string(&path).unwrap().to_uppercase();
        real::write(&path, text).unwrap();
        real::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }
}

/// What PostgreSQL and people leave in a directory after a restore.
fn live_in(site: &Site, to: &str) {
    for (file, text) in [
        ("base/1/1259", "changed and longer"),
        ("base/99/1", "of a database that the backup does not have"),
        ("pg_wal/000000010000000000000004", "old WAL"),
        ("barman_wal/000000010000000000000009", "older WAL"),
        ("standby.signal", ""),
        ("postmaster.pid", "4194305\n"),
        ("log/postgresql.log", "what happened"),
        ("global/pg_control", "control of later"),
    ] {
        let path = site.path(&format!("{to}/{file}"));
        real::create_dir_all(path.parent().unwrap()).unwrap();
        real::write(path, text).unwrap();
    }
    real::write(site.path(&format!("{to}-ts/PG_15_1/1/16402")), "of a table that was made later").unwrap();
}

fn assert_as_restored(site: &Site, to: &str, when: &str) {
    site.assert_complete(to, when);
    for file in ["base/99/1", "pg_wal/000000010000000000000004", "standby.signal", "postmaster.pid"] {
        assert_eq!(site.read(&format!("{to}/{file}")), None, "{file}, {when}");
    }
    let wal = site.path(&format!("{to}/barman_wal/000000010000000000000009"));
    assert!(!wal.exists() && !site.path(&format!("{to}-ts/PG_15_1/1/16402")).exists(), "{when}");
}

#[test]
fn what_the_backup_does_not_have_disappears_and_what_is_its_own_stays() {
    let site = Site::new();
    real::create_dir(site.path(&format!("main/base/{ID}/data/pg_wal"))).unwrap();
    site.restore_to("to", Files::default()).unwrap();
    let elsewhere = site.path("wal-disk");
    real::rename(site.path("to/pg_wal"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, site.path("to/pg_wal")).unwrap();
    live_in(&site, "to");
    std::os::unix::fs::symlink(site.path("main"), site.path("to/pg_tblspc/77")).unwrap();
    let error = site.restore_to("to", Files::default()).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    real::create_dir(site.path("to-ts/PG_14_1")).unwrap();
    real::write(site.path("to-ts/PG_14_1/1"), "of a cluster of another version").unwrap();
    let kept = site.path("to/global/1262");
    let before = real::metadata(&kept).unwrap().modified().unwrap();
    site.over_files("to", Files::default()).unwrap();
    assert_as_restored(&site, "to", "over files");
    assert_eq!(site.read("to/log/postgresql.log").as_deref(), Some("what happened"));
    assert!(site.path("to-ts/PG_14_1/1").exists());
    assert!(!site.path("to/pg_tblspc/77").exists() && site.path("main/base").exists());
    assert!(site.path("to/pg_wal").is_symlink() && !elsewhere.join("000000010000000000000004").exists());
    assert_eq!(real::metadata(&kept).unwrap().modified().unwrap(), before);
    assert!(site.over_files("new", Files::default()).is_ok(), "an empty destination will do, too");
}

#[test]
fn size_and_time_are_not_believed_of_what_was_changed_since_a_copy_began() {
    let site = Site::new();
    site.restore_to("to", Files::default()).unwrap();
    // Both are younger than the backup, which is of 1 January.
    site.tamper("to/base/1/1259");
    site.tamper("to-ts/PG_15_1/1/16401");
    site.over_files("to", Files::default()).unwrap();
    assert_as_restored(&site, "to", "tampered with");
}

#[test]
fn without_a_record_in_the_destination_every_file_is_read() {
    let site = Site::new();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let original = site.path(&format!("main/base/{ID}/data/base/1/1259"));
    real::File::options().write(true).open(original).unwrap().set_modified(old).unwrap();
    site.restore_to("to", Files::default()).unwrap();
    site.tamper("to/base/1/1259");
    real::remove_file(site.path("to/.barman-recover.info")).unwrap();
    site.over_files("to", Files::default()).unwrap();
    assert_as_restored(&site, "to", "without a record");
    // With one, a file of long before both copies is not: nobody wrote into it without changing its time.
    site.tamper("to/base/1/1259");
    site.over_files("to", Files::default()).unwrap();
    assert_eq!(site.read("to/base/1/1259").as_deref(), Some("CLASSES"));
}

#[test]
fn a_restore_over_files_that_stops_anywhere_leaves_nothing_startable_but_the_old_or_the_new() {
    let site = Site::new();
    site.restore_to("probe", Files::default()).unwrap();
    live_in(&site, "probe");
    let probe = CrashAfter::new(usize::MAX);
    site.over_files("probe", Files::probed(probe.clone())).unwrap();
    for allowed in (0..probe.seen()).step_by(3) {
        let (to, when) =
            (format!("to-{allowed}"), format!("stopped after {allowed} of {} steps", probe.seen()));
        site.restore_to(&to, Files::default()).unwrap();
        live_in(&site, &to);
        assert!(site.over_files(&to, Files::probed(CrashAfter::new(allowed))).is_err(), "{when}");
        match site.read(&format!("{to}/global/pg_control")).as_deref() {
            Some("control of later") => {
                let old = site.read(&format!("{to}/base/1/1259"));
                assert_eq!(old.as_deref(), Some("changed and longer"), "{when}");
            }
            Some(_) => assert_as_restored(&site, &to, &when),
            None => {}
        }
        site.over_files(&to, Files::default()).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_as_restored(&site, &to, &when);
    }
}

#[test]
fn a_directory_that_a_server_uses_is_refused() {
    let site = Site::new();
    site.restore_to("to", Files::default()).unwrap();
    let mut process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let running = process.id().to_string();
    // A server alone with its one session, and one in a container, where it may have number 1.
    for number in [running.clone(), format!("-{running}"), "1".into(), String::new()] {
        real::write(site.path("to/postmaster.pid"), format!("{number}\n/srv/pg\n")).unwrap();
        site.refuses("to", &["a PostgreSQL server runs in", &format!("names process {number}"), "Stop it"]);
        assert!(site.is_startable("to") && site.path("to/postmaster.pid").exists());
    }
    process.kill().unwrap();
    process.wait().unwrap();
    real::write(site.path("to/postmaster.pid"), format!("{running}\n")).unwrap();
    site.over_files("to", Files::default()).unwrap();
    assert_as_restored(&site, "to", "after a crash of the server");
}

#[test]
fn what_is_not_the_directory_of_the_cluster_is_refused() {
    let site = Site::new();
    real::create_dir(site.path("home")).unwrap();
    real::write(site.path("home/thesis"), "precious").unwrap();
    site.refuses("home", &["no data directory of PostgreSQL", "would remove them"]);
    real::create_dir(site.path("to-ts")).unwrap();
    real::write(site.path("to-ts/thesis"), "precious").unwrap();
    site.refuses("to", &["no tablespace of PostgreSQL"]);
    assert!(
        site.path("home/thesis").exists() && site.path("to-ts/thesis").exists() && !site.path("to").exists()
    );
    real::remove_dir_all(site.path("to-ts")).unwrap();

    let mut catalog = site.server(Files::default()).catalog().unwrap();
    let backup = catalog.find(&ID.parse().unwrap()).unwrap().unwrap().clone();
    let identifier = u64::from_ne_bytes(*b"control.");
    catalog.save(BackupInfo { systemid: Some(identifier.to_string()), ..backup }).unwrap();
    site.restore_to("to", Files::default()).unwrap();
    real::write(site.path("to/global/pg_control"), "control.").unwrap();
    site.over_files("to", Files::default()).unwrap();
    real::write(site.path("to/global/pg_control"), "of other").unwrap();
    site.refuses("to", &["another PostgreSQL cluster", &identifier.to_string()]);
}

#[test]
fn a_backup_is_no_place_to_restore_to() {
    let site = Site::new();
    let base = format!("main/base/{ID}");
    real::create_dir_all(site.path("links")).unwrap();
    std::os::unix::fs::symlink(site.path(&base), site.path("links/backup")).unwrap();
    for to in [&format!("{base}/data"), &format!("{base}/data/new"), "links/backup/data"] {
        let words = ["holds the files of backup 20260101T100000", "would destroy"];
        site.refuses_with(to, &format!("ts:{}", site.path("ts").display()), &words);
    }
    // The record of programs that keep it in one place only.
    real::remove_file(site.path(&format!("{base}/backup.info"))).unwrap();
    let into_tablespace = format!("ts:{}", site.path(&format!("{base}/16400")).display());
    site.refuses_with("to", &into_tablespace, &["holds the files of backup"]);
    site.restore_to("to", Files::default()).unwrap();
    site.assert_complete("to", "of a backup that nobody touched");
    // What is only called like one is none.
    let to = format!("elsewhere/{ID}/data");
    site.restore_to(&to, Files::default()).unwrap();
    site.assert_complete(&to, "into a directory with the name of a backup");
}

#[test]
fn the_directory_for_wal_is_one_that_postgresql_may_remove() {
    let site = Site::new();
    let location = format!("ts:{}", site.path("to-ts").display());
    let restore = |wal: &str| {
        let wal = WalOptions { staging_directory: Some(site.path(wal)), ..WalOptions::default() };
        let request = RestoreRequest { wal, ..site.request("to", &[&location]) };
        run(&site.server(Files::default()), &request).map_err(|error| error.to_string())
    };
    real::create_dir_all(site.path("used/.snapshot")).unwrap();
    for (wal, why) in [
        ("used", "is not empty, and PostgreSQL removes it"),
        ("", "where other files of this restore go"),
        ("to", "where other files of this restore go"),
        ("to/base/wal", "where files of the data directory go"),
        ("to/pg_wal", "where files of the data directory go"),
        ("to-ts/wal", "where other files of this restore go"),
    ] {
        let error = restore(wal).unwrap_err();
        assert!(error.contains(why), "{wal}: {error}");
        assert!(!site.path("to").exists(), "{wal}");
    }
    restore("wal").unwrap();
    assert_eq!(site.read(&format!("wal/{SEGMENT}")), Some(wal()));
    assert!(!site.path("to/barman_wal").exists());
    let settings = site.read("to/postgresql.auto.conf").unwrap();
    assert!(settings.contains(&format!("'cp {}/%f %p'", site.path("wal").display())), "{settings}");
}
