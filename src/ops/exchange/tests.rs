use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::catalog::{BackupInfo, Identity, Keep};
use crate::codec::hex;
use crate::config::Config;
use crate::config::tests::kit::Home;
use crate::ops::{Error, Server};
use crate::sys::events::Silent;
use crate::sys::testkit::CrashAfter;
use crate::sys::{Cancel, Context, Files};
use crate::types::BackupStatus;

const ID: &str = "20260101T100000";
const WALS: [&str; 2] = ["000000010000000000000003", "000000010000000000000004"];

/// A Barman that knows the server `main`.
struct Site {
    home: Home,
    config: Config,
}

impl Site {
    fn new() -> Self {
        let home = Home::with(&[(
            "barman.conf",
            "[barman]\nbarman_home = @HOME@\nbarman_user =\n[main]\nconninfo = host=@HOME@\nssh_command = ssh x\n\
             backup_options = concurrent_backup\narchiver = on\n",
        )]);
        let config = home.load("barman.conf").unwrap();
        let site = Self { home, config };
        site.server().ensure_directories().unwrap();
        site.server().catalog().unwrap().save_identity(&identity("7000")).unwrap();
        site
    }

    /// A site with a backup and its WAL.
    fn with_backup() -> Self {
        let site = Self::new();
        let server = site.server();
        for (name, content) in
            [("data/PG_VERSION", "16\n"), ("data/base/1/112", "pages"), ("16387/1", "more")]
        {
            site.write(&format!("main/base/{ID}/{name}"), content);
        }
        fs::create_dir_all(site.path(&format!("main/base/{ID}/data/pg_tblspc"))).unwrap();
        symlink("/elsewhere", site.path(&format!("main/base/{ID}/data/pg_tblspc/16387"))).unwrap();
        for wal in WALS {
            site.write(&format!("main/wals/0000000100000000/{wal}"), wal);
        }
        let line = |wal: &str| format!("{wal}\t24\t1767225660.0\tNone\tNone\n");
        site.write("main/wals/main-xlog.db", &WALS.map(line).concat());
        server.catalog().unwrap().save(record(BackupStatus::Done)).unwrap();
        site
    }

    fn server(&self) -> Server<'_> {
        self.server_on(Files::default())
    }

    fn server_on(&self, files: Files) -> Server<'_> {
        let context = Context { files, ..Context::new(Arc::new(Silent), Cancel::default()) };
        Server::new(&context, &self.config.global, &self.config.servers["main"])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn export(&self) -> Result<PathBuf, Error> {
        let out = self.path("out");
        fs::create_dir_all(&out).unwrap();
        let options = ExportOptions { directory: out.clone(), packing: None };
        export(&self.server(), ID, &options, || Ok(json!({"barman_ver": "3.19.1"})))?;
        Ok(fs::read_dir(out).unwrap().next().unwrap().unwrap().path())
    }

    fn refusal(&self, archive: &Path) -> String {
        let error = import(&self.server(), archive).unwrap_err().with_causes();
        assert!(!self.path(&format!("main/base/{ID}")).exists(), "{error}");
        assert_eq!(self.hidden(), [""; 0], "{error}");
        error
    }

    /// What lies about where imports are made.
    fn hidden(&self) -> Vec<String> {
        let names = |dir| {
            fs::read_dir(self.path(dir)).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap())
        };
        let all = names("main/base").chain(names("main/wals"));
        all.filter(|name| name.starts_with(".import")).collect()
    }

    #[track_caller]
    fn assert_has_backup(&self) {
        let (server, id) = (self.server(), ID.parse().unwrap());
        let catalog = server.catalog().unwrap();
        assert_eq!(catalog.find(&id).unwrap().unwrap().status, BackupStatus::Done);
        assert_eq!(catalog.keep(&id).unwrap(), Some(Keep::Standalone));
        let base = self.path(&format!("main/base/{ID}"));
        assert_eq!(fs::read(base.join("data/base/1/112")).unwrap(), b"pages");
        assert_eq!(fs::read_link(base.join("data/pg_tblspc/16387")).unwrap(), base.join("16387"));
        let archive = server.archive();
        let mut open = archive.open().unwrap();
        for wal in WALS {
            assert!(
                open.find(wal.parse().unwrap()).unwrap().is_some_and(|line| line.time == 1_767_225_660.0)
            );
            assert!(archive.contains(wal.parse().unwrap()).unwrap());
        }
        assert_eq!(self.hidden(), [""; 0]);
    }
}

fn identity(systemid: &str) -> Identity {
    Identity { systemid: systemid.into(), version: "16".into() }
}

fn record(status: BackupStatus) -> BackupInfo {
    BackupInfo {
        status,
        mode: Some("rsync-concurrent".into()),
        begin_wal: WALS[0].parse().ok(),
        end_wal: WALS[1].parse().ok(),
        ..BackupInfo::new(ID.parse().unwrap())
    }
}

/// A member of an archive that somebody has made.
struct Made<'a> {
    name: &'a str,
    kind: EntryType,
    content: &'a [u8],
}

fn file<'a>(name: &'a str, content: &'a (impl AsRef<[u8]> + ?Sized)) -> Made<'a> {
    Made { name, kind: EntryType::Regular, content: content.as_ref() }
}

/// Makes an archive that has the right name.
fn archive_of(site: &Site, members: &[Made<'_>]) -> PathBuf {
    let mut tar = Builder::new(Vec::new());
    for member in members {
        let mut header = Header::new_gnu();
        // Not by way of the builder, which refuses what is to be refused here.
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.set_entry_type(member.kind);
        header.set_mode(0o644);
        header.set_size(member.content.len() as u64);
        header.set_cksum();
        tar.append(&header, member.content).unwrap();
    }
    let bytes = tar.into_inner().unwrap();
    let sum = hex(&Sha256::digest(&bytes));
    let path = site.path(&format!("backup-export-main-{ID}-20260102T000000-{}.tar", &sum[..8]));
    fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    path
}

#[test]
fn the_copy_of_the_record_does_not_travel() {
    let site = Site::with_backup();
    assert!(site.path(&format!("main/base/{ID}/backup.info")).exists());
    let mut archive = tar::Archive::new(fs::File::open(site.export().unwrap()).unwrap());
    let path = |entry: tar::Entry<'_, fs::File>| entry.path().unwrap().to_str().unwrap().to_owned();
    let names: Vec<String> = archive.entries().unwrap().map(|entry| path(entry.unwrap())).collect();
    let records: Vec<&String> = names.iter().filter(|name| name.ends_with("backup.info")).collect();
    assert_eq!(records, ["backup.info"], "{names:?}");
    assert!(names.contains(&"backup/data/PG_VERSION".to_owned()));
}

#[test]
fn an_exported_backup_is_taken_in_once_and_kept() {
    let (from, to) = (Site::with_backup(), Site::new());
    let archive = from.export().unwrap();
    import(&to.server(), &archive).unwrap();
    to.assert_has_backup();
    let again = import(&to.server(), &archive).unwrap_err().to_string();
    assert!(again.contains("already exists in the catalog"), "{again}");
    to.assert_has_backup();
}

#[test]
fn an_import_that_crashed_anywhere_can_be_repeated() {
    let from = Site::with_backup();
    let archive = from.export().unwrap();
    for step in 0.. {
        let to = Site::new();
        let done = import(&to.server_on(Files::probed(CrashAfter::new(step))), &archive).is_ok();
        if to.server().catalog().unwrap().ids().next().is_none() {
            import(&to.server(), &archive)
                .unwrap_or_else(|error| panic!("step {step}: {}", error.with_causes()));
        }
        // What else a crash after the record leaves, the next import of whatever backup removes.
        let _ = import(&to.server(), &archive);
        to.assert_has_backup();
        if done {
            return;
        }
    }
}

#[test]
fn an_export_that_crashed_leaves_no_archive() {
    let site = Site::with_backup();
    let out = site.path("out");
    for step in 0.. {
        fs::create_dir_all(&out).unwrap();
        let options = ExportOptions { directory: out.clone(), packing: None };
        let server = site.server_on(Files::probed(CrashAfter::new(step)));
        let done = export(&server, ID, &options, || Ok(json!({}))).is_ok();
        let named = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
        let archives: Vec<PathBuf> =
            named.filter(|path| path.extension().is_some_and(|it| it == "tar")).collect();
        for archive in archives {
            import(&Site::new().server(), &archive).unwrap();
        }
        fs::remove_dir_all(&out).unwrap();
        if done {
            return;
        }
    }
}

#[test]
fn what_is_not_whole_is_not_exported() {
    let site = Site::with_backup();
    let refused = || site.export().unwrap_err().to_string();
    fs::remove_file(site.path(&format!("main/wals/0000000100000000/{}", WALS[1]))).unwrap();
    assert!(refused().contains(&format!("not found for backup '{ID}': {}", WALS[1])));
    site.write("main/wals/main-xlog.db", "");
    assert!(refused().contains("not found in xlog.db"));
    site.server().catalog().unwrap().save(record(BackupStatus::WaitingForWals)).unwrap();
    assert!(refused().contains("backup status is 'WAITING_FOR_WALS', expected 'DONE'"));
    let increment = BackupInfo {
        mode: Some("postgres".into()),
        parent_backup_id: "20251231T100000".parse().ok(),
        ..record(BackupStatus::Done)
    };
    site.server().catalog().unwrap().save(increment).unwrap();
    assert!(refused().contains("incremental backup"));
}

#[test]
fn a_backup_of_another_cluster_or_with_other_wal_is_refused() {
    let archive = Site::with_backup();
    let archive = archive.export().map(|path| (archive, path)).unwrap();
    let to = Site::new();
    to.write(&format!("main/wals/0000000100000000/{}", WALS[1]), "other WAL");
    assert!(to.refusal(&archive.1).contains(&format!("conflicting content: {}", WALS[1])));
    let other = Site::new();
    other.server().catalog().unwrap().save_identity(&identity("7001")).unwrap();
    assert!(other.refusal(&archive.1).contains("systemid '7000' but target server has systemid '7001'"));
    let new = Site::new();
    fs::remove_file(new.path("main/identity.json")).unwrap();
    assert!(new.refusal(&archive.1).contains("No identity file"));
    let moved = archive.1.with_file_name(format!("backup-export-main-{ID}-20260102T000000-00000000.tar"));
    fs::rename(&archive.1, &moved).unwrap();
    assert!(to.refusal(&moved).contains("'00000000' but actual checksum is"));
}

#[test]
fn archives_that_somebody_has_made_cannot_write_elsewhere() {
    let site = Site::new();
    let (identity, info) = (identity("7000").to_json(), record(BackupStatus::Done).to_text());
    let refused = |member: Made<'_>| {
        let members = [
            file("identity.json", &identity),
            file("backup.info", &info),
            file("backup/data/a", "x"),
            member,
        ];
        site.refusal(&archive_of(&site, &members))
    };
    // The directory is made by its own member, in archives of Barman.
    let with_dirs = |member: Made<'_>| {
        let dir = |name| Made { name, kind: EntryType::Directory, content: b"" };
        let dirs = [dir("backup/"), dir("backup/data/")];
        let members: Vec<Made<'_>> = [file("identity.json", &identity), file("backup.info", &info)]
            .into_iter()
            .chain(dirs)
            .chain([member])
            .collect();
        site.refusal(&archive_of(&site, &members))
    };
    assert!(with_dirs(file("backup/../../x", "x")).contains("unsafe path: 'backup/../../x'"));
    assert!(with_dirs(file("/tmp/x", "x")).contains("unsafe path: '/tmp/x'"));
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char] {
        let made = Made { name: "backup/data/x", kind, content: b"" };
        assert!(with_dirs(made).contains("unsafe member type: 'backup/data/x'"));
    }
    assert!(with_dirs(file("xlog.db", "garbage\n")).contains("'xlog.db' in"));
    assert!(with_dirs(file("backup/data/a", "x")).contains("WAL file required for backup consistency"));
    assert!(refused(file("backup/data/a", "x")).contains("backup/data/a"));
    let early = archive_of(&site, &[file("backup/data/a", "x"), file("identity.json", &identity)]);
    assert!(site.refusal(&early).contains("before the files of it"));
    let empty = archive_of(&site, &[file("identity.json", &identity), file("backup.info", &info)]);
    assert!(site.refusal(&empty).contains("holds no backup"));
    let garbage = site.path(&format!("backup-export-main-{ID}-20260102T000000-00000000.tar"));
    fs::write(&garbage, "no archive").unwrap();
    assert!(site.refusal(&garbage).contains("is not a valid tar file"));
}

#[test]
fn nobody_works_on_the_backups_of_a_server_at_the_same_time() {
    let site = Site::with_backup();
    let server = site.server();
    let lock = server.lock_for_work(&server.layout().backup_id_lock(&ID.parse().unwrap())).unwrap();
    assert!(site.export().unwrap_err().to_string().contains("already running on backup"));
    drop(lock);
    let archive = site.export().unwrap();
    let to = Site::new();
    let server = to.server();
    let _lock = server.lock_for_work(&server.layout().backup_lock()).unwrap();
    assert!(to.refusal(&archive).contains("already running on server 'main'"));
}
