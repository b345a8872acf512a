use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use sha2::Digest;
use tempfile::TempDir;

use super::*;
use crate::codec::hex;
use crate::sys::events::Silent;
use crate::sys::{Cancel, Files};

/// A data directory with a tablespace beside it.
struct Backup(TempDir);

impl Backup {
    fn new() -> Self {
        let backup = Self(tempfile::tempdir().unwrap());
        for (name, content) in [
            ("data/PG_VERSION", "16\n"),
            ("data/base/1/112", "pages"),
            ("data/base/1/113", ""),
            ("data/pg_wal/archive_status/x", "not ours"),
            ("16387/PG_16/1", "more pages"),
        ] {
            backup.write(name, content);
        }
        fs::create_dir(backup.path("data/pg_tblspc")).unwrap();
        backup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn tree(&self) -> Tree {
        let tablespaces = vec![("pg_tblspc/16387".into(), self.path("16387"))];
        Tree::new(&Files::default(), &Cancel::default(), self.path("data"), tablespaces)
    }

    fn generate(&self) -> Result<u64, Error> {
        generate(&self.tree(), None, &self.path("temporary"), &Silent)
    }

    /// Replaces the manifest by one whose list of files is `files`.
    fn replace_manifest(&self, files: &str) {
        let head = format!("{{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n{files}\n],\n");
        let sum = hex(&sha2::Sha256::digest(head.as_bytes()));
        self.write("data/backup_manifest", &format!("{head}\"Manifest-Checksum\": \"{sum}\"}}\n"));
    }

    fn problems(&self) -> Vec<String> {
        let verdict = verify(&self.tree(), &Silent).unwrap();
        verdict.problems.iter().map(ToString::to_string).collect()
    }

    fn refusal(&self) -> String {
        verify(&self.tree(), &Silent).map(drop).unwrap_err().to_string()
    }
}

#[test]
fn files_that_nobody_touched_are_as_the_manifest_lists_them() {
    let backup = Backup::new();
    assert_eq!(backup.generate().unwrap(), 3);
    assert!(!backup.path("temporary").exists());
    // What a recovery writes is nobody's mistake.
    for name in
        ["postgresql.auto.conf", "recovery.signal", "standby.signal", "pg_wal/000000010000000000000001"]
    {
        backup.write(&format!("data/{name}"), "x");
    }
    assert_eq!(backup.problems(), [""; 0]);
}

#[test]
fn every_kind_of_change_is_found() {
    let backup = Backup::new();
    backup.generate().unwrap();
    backup.write("data/PG_VERSION", "17\n");
    backup.write("data/base/1/112", "many pages");
    fs::remove_file(backup.path("data/base/1/113")).unwrap();
    backup.write("data/base/2/1", "new");
    symlink("nowhere", backup.path("data/link")).unwrap();
    assert_eq!(
        backup.problems(),
        [
            "\"base/1/113\" is present in the manifest but not on disk",
            "\"base/2/1\" is present on disk but not in the manifest",
            "\"link\" is not a file or directory",
            "\"base/1/112\" has size 10 on disk but size 5 in the manifest",
            "checksum mismatch for file \"PG_VERSION\"",
        ]
    );
}

#[test]
fn names_of_any_bytes_are_listed() {
    let backup = Backup::new();
    let name = std::ffi::OsString::from_vec(b"\xff \"\\\n".to_vec());
    fs::write(backup.path("data").join(name), "x").unwrap();
    assert_eq!(backup.generate().unwrap(), 4);
    assert_eq!(backup.problems(), [""; 0]);
}

#[test]
fn a_tablespace_is_found_through_its_link_and_beside_the_data_when_the_link_is_gone() {
    let backup = Backup::new();
    let link = backup.path("data/pg_tblspc/16387");
    symlink(backup.path("16387"), &link).unwrap();
    assert_eq!(backup.generate().unwrap(), 4);
    assert_eq!(backup.problems(), [""; 0]);
    fs::remove_file(&link).unwrap();
    assert_eq!(backup.problems(), [""; 0]);
    symlink("/nowhere", &link).unwrap();
    backup.write("16387/PG_16/1", "lost pages");
    backup.write("16387/PG_16/2", "");
    assert_eq!(
        backup.problems(),
        [
            "\"pg_tblspc/16387/PG_16/2\" is present on disk but not in the manifest",
            "checksum mismatch for file \"pg_tblspc/16387/PG_16/1\"",
        ]
    );
}

#[test]
fn a_tablespace_of_which_nothing_is_listed_is_passed_by_and_told() {
    let backup = Backup::new();
    backup.generate().unwrap();
    symlink(backup.path("16387"), backup.path("data/pg_tblspc/16387")).unwrap();
    let verdict = verify(&backup.tree(), &Silent).unwrap();
    assert!(verdict.problems.is_empty() && verdict.tablespaces.is_empty());
}

#[test]
fn what_cannot_be_listed_ends_the_work_and_leaves_nothing() {
    let backup = Backup::new();
    symlink("nowhere", backup.path("data/link")).unwrap();
    assert!(backup.generate().unwrap_err().to_string().contains("/data/link' is neither a file"));
    fs::remove_file(backup.path("data/link")).unwrap();
    symlink("..", backup.path("data/base/up")).unwrap();
    assert!(backup.generate().unwrap_err().to_string().contains("leads back"));
    assert!(!backup.path("temporary").exists() && !backup.path("data/backup_manifest").exists());
}

#[test]
fn a_manifest_that_was_changed_is_not_believed() {
    let backup = Backup::new();
    backup.generate().unwrap();
    let path = backup.path("data/backup_manifest");
    let text = fs::read_to_string(&path).unwrap();
    let changed = |text: &str| {
        fs::write(&path, text).unwrap();
        backup.refusal()
    };
    assert!(changed(&text.replace("\"Size\": 3", "\"Size\": 4")).contains("does not have the checksum"));
    assert!(changed(text.trim_end()).contains("cut off"));
    assert!(changed("garbage\n").contains("no \"Manifest-Checksum\""));
    assert!(changed("").contains("cut off"));
}

#[test]
fn a_manifest_cannot_lead_out_of_the_backup_nor_name_a_file_twice() {
    let backup = Backup::new();
    let refused = |files: &str| {
        backup.replace_manifest(files);
        backup.refusal()
    };
    let entry = |path: &str| format!("{{ \"Path\": \"{path}\", \"Size\": 3 }}");
    for path in ["../16387/PG_16/1", "/etc/passwd", "base/../../x", ""] {
        assert!(refused(&entry(path)).contains("is no path in a data directory"), "{path}");
    }
    assert!(refused("{ \"Encoded-Path\": \"2e2e\", \"Size\": 3 }").contains("is no path"));
    assert!(refused("{ \"Encoded-Path\": \"zz\", \"Size\": 3 }").contains("no encoded path"));
    let twice = [entry("PG_VERSION"), entry("PG_VERSION")].join(",\n");
    assert!(refused(&twice).contains("lists a file twice"));
    assert!(refused("{ \"Path\": \"a\", \"Size\": 3, \"Checksum\": \"00\" }").contains("without algorithm"));
}

#[test]
fn checksums_of_postgresql_itself_are_understood() {
    let backup = Backup::new();
    fs::remove_dir_all(backup.path("data/base")).unwrap();
    let with = |sum: &str| {
        backup.replace_manifest(&format!(
            "{{ \"Path\": \"PG_VERSION\", \"Size\": 3, \"Last-Modified\": \"2026-01-01 00:00:00 GMT\", \
             \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{sum}\" }}"
        ));
        backup.problems()
    };
    assert_eq!(with("13dca016"), [""; 0]);
    assert_eq!(with("16a0dc13"), ["checksum mismatch for file \"PG_VERSION\""]);
}
