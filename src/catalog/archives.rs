//! Backups whose files PostgreSQL has sent as tar archives (`pg_basebackup --format=tar`): one for the data directory,
//! one for each tablespace, all of them in the directory that holds the files of other backups.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::codec::Compression;
use crate::sys::{Files, fs};

/// What Barman adds to the name of an archive that it has encrypted.
const ENCRYPTED: &str = ".gpg";

/// An archive of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupArchive {
    /// Where it lies.
    pub path: PathBuf,
    /// Whose files it holds.
    pub part: Part,
    /// How it was compressed, as its name tells, before it was encrypted.
    pub compression: Option<Compression>,
    /// Whether it was encrypted then, as its name tells.
    pub is_encrypted: bool,
}

/// A part of a cluster that has an archive of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The data directory.
    Data,
    /// The tablespace with this oid.
    Tablespace(u32),
}

impl Part {
    /// Where its files are in the data directory of a running server; a manifest calls them so.
    pub fn place(self) -> PathBuf {
        match self {
            Self::Data => PathBuf::new(),
            Self::Tablespace(oid) => Path::new("pg_tblspc").join(oid.to_string()),
        }
    }
}

impl BackupArchive {
    /// The archives in `dir`, the data directory of a backup: that of the data directory first, then those of the
    /// tablespaces. Empty when the files of the backup lie there as they are.
    pub fn find_all(files: &Files, dir: &Path) -> Result<Vec<Self>, fs::Error> {
        let mut found = Vec::new();
        files.visit(dir, |name, kind| {
            if kind.is_file() {
                found.extend(Self::parse(dir, &name));
            }
        })?;
        found.sort_by(|a, b| (a.part, &a.path).cmp(&(b.part, &b.path)));
        // A data directory may hold a file of somebody's that is called like the archive of a tablespace.
        let is_of_archives = found.first().is_some_and(|first| first.part == Part::Data);
        Ok(if is_of_archives { found } else { Vec::new() })
    }

    /// Its name.
    pub fn name(&self) -> OsString {
        self.path.file_name().unwrap_or_default().to_owned()
    }

    fn parse(dir: &Path, name: &OsStr) -> Option<Self> {
        let text = name.to_str()?;
        let (encoded, is_encrypted) =
            text.strip_suffix(ENCRYPTED).map_or((text, false), |encoded| (encoded, true));
        let (part, suffix) = encoded.split_once(".tar")?;
        let compression = match suffix {
            "" => None,
            ".gz" => Some(Compression::Gzip),
            ".lz4" => Some(Compression::Lz4),
            ".zst" => Some(Compression::Zstd),
            _ => return None,
        };
        let part = match part {
            "base" => Part::Data,
            oid => Part::Tablespace(oid.parse().ok()?),
        };
        Some(Self { path: dir.join(name), part, compression, is_encrypted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_names_the_data_directory_first() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "16402.tar.zst.gpg",
            "base.tar.gz",
            "16388.tar",
            "16389.tar.lz4",
            "backup_manifest",
            "base.tar.gz.tmp",
            "16388.tarball",
            "other.tar",
            "base.tar.bz2",
        ];
        for name in names {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = BackupArchive::find_all(&Files::default(), dir.path()).unwrap();
        let found: Vec<_> = found.iter().map(|a| (a.part, a.compression, a.is_encrypted)).collect();
        let expected = [
            (Part::Data, Some(Compression::Gzip), false),
            (Part::Tablespace(16388), None, false),
            (Part::Tablespace(16389), Some(Compression::Lz4), false),
            (Part::Tablespace(16402), Some(Compression::Zstd), true),
        ];
        assert_eq!(found, expected);
        assert_eq!(Part::Tablespace(16388).place(), Path::new("pg_tblspc/16388"));

        std::fs::remove_file(dir.path().join("base.tar.gz")).unwrap();
        assert_eq!(BackupArchive::find_all(&Files::default(), dir.path()).unwrap(), []);
    }
}
