use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::sys::fs;
use crate::types::WalName;

/// What a member of an exported backup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// `identity.json`.
    Identity,
    /// `backup.info`.
    Record,
    /// `barman.json`.
    Barman,
    /// `xlog.db`.
    WalList,
    /// A directory of the backup, by its path in it; the backup itself by the empty path.
    Directory(PathBuf),
    /// A file of the backup.
    File(PathBuf),
    /// The link to a tablespace, which is made anew.
    TablespaceLink(PathBuf),
    /// A WAL file.
    Wal(WalName),
    /// A directory of WAL files.
    WalDirectory,
}

impl Member {
    /// What the member is; the error tells why there must be none like it.
    pub fn parse(path: &Path, kind: EntryType) -> Result<Self, String> {
        let shown = path.display();
        let unsafe_path = || format!("Tarball contains unsafe path: '{shown}'");
        let unsafe_type = || format!("Tarball contains unsafe member type: '{shown}'");
        if !fs::leads_below(path) {
            return Err(unsafe_path());
        }
        if let Ok(below) = path.strip_prefix("backup") {
            return match kind {
                EntryType::Directory => Ok(Self::Directory(below.to_owned())),
                EntryType::Regular | EntryType::Continuous if below != Path::new("") => {
                    Ok(Self::File(below.to_owned()))
                }
                EntryType::Symlink if is_tablespace_link(below) => Ok(Self::TablespaceLink(below.to_owned())),
                _ => Err(unsafe_type()),
            };
        }
        if let Ok(below) = path.strip_prefix("wals") {
            let name = below.file_name().and_then(|name| name.to_str()?.parse().ok());
            return match (kind, name) {
                (EntryType::Directory, _) => Ok(Self::WalDirectory),
                (EntryType::Regular, Some(name)) if WalName::relative_path(name) == below => {
                    Ok(Self::Wal(name))
                }
                (EntryType::Regular, _) => Err(unsafe_path()),
                _ => Err(unsafe_type()),
            };
        }
        match path.to_str() {
            _ if kind != EntryType::Regular => Err(unsafe_type()),
            Some("identity.json") => Ok(Self::Identity),
            Some("backup.info") => Ok(Self::Record),
            Some("barman.json") => Ok(Self::Barman),
            Some("xlog.db") => Ok(Self::WalList),
            _ => Err(unsafe_path()),
        }
    }
}

fn is_tablespace_link(below: &Path) -> bool {
    let is_oid = |name: &str| !name.is_empty() && name.bytes().all(|digit| digit.is_ascii_digit());
    below.parent() == Some(Path::new("data/pg_tblspc"))
        && below.file_name().and_then(|name| name.to_str()).is_some_and(is_oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, kind: EntryType) -> Result<Member, String> {
        Member::parse(Path::new(path), kind)
    }

    #[test]
    fn members_are_known_by_their_place() {
        let file = EntryType::Regular;
        assert_eq!(parse("backup.info", file), Ok(Member::Record));
        assert_eq!(parse("backup/", EntryType::Directory), Ok(Member::Directory(PathBuf::new())));
        assert_eq!(parse("backup/data/PG_VERSION", file), Ok(Member::File("data/PG_VERSION".into())));
        let link = parse("backup/data/pg_tblspc/16387", EntryType::Symlink);
        assert_eq!(link, Ok(Member::TablespaceLink("data/pg_tblspc/16387".into())));
        let wal = "000000010000000000000003";
        assert_eq!(
            parse(&format!("wals/0000000100000000/{wal}"), file),
            Ok(Member::Wal(wal.parse().unwrap()))
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let (file, link, hard) = (EntryType::Regular, EntryType::Symlink, EntryType::Link);
        for path in ["/etc/passwd", "../x", "backup/../x", "backup/../../x", "other", "wals/x", "wals", ""] {
            assert!(parse(path, file).unwrap_err().contains("unsafe path"), "{path}");
        }
        let wrong_place = "wals/0000000200000000/000000010000000000000003";
        assert!(parse(wrong_place, file).unwrap_err().contains("unsafe path"));
        for (path, kind) in [
            ("backup", file),
            ("backup/data/link", link),
            ("backup/data/pg_tblspc/x", link),
            ("backup/data/pg_tblspc/1/2", link),
            ("backup/pg_tblspc/1", link),
            ("backup/data/hard", hard),
            ("backup/data/fifo", EntryType::Fifo),
            ("backup/data/disk", EntryType::Block),
            ("backup.info", link),
            ("wals/0000000100000000/000000010000000000000003", link),
        ] {
            assert!(parse(path, kind).unwrap_err().contains("unsafe member type"), "{path}");
        }
    }
}
