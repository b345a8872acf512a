use std::fmt;

use crate::codec::Compression;
use crate::types::BackupId;

/// The name of an exported backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveName {
    /// The server that the backup is of.
    pub server: String,
    /// The backup.
    pub id: BackupId,
    /// When it was exported, in UTC: `20260131T020000`.
    pub time: String,
    /// The first eight digits of the file's SHA-256 checksum.
    pub checksum: String,
    /// How the file is compressed.
    pub compression: Option<Compression>,
}

const PREFIX: &str = "backup-export-";
const FORM: &str = "backup-export-SERVER_NAME-BACKUP_ID-TIMESTAMP-CHECKSUM.tar";
const ENDINGS: [(&str, Option<Compression>); 4] = [
    (".tar", None),
    (".tar.gz", Some(Compression::Gzip)),
    (".tar.bz2", Some(Compression::Bzip2)),
    (".tar.xz", Some(Compression::Xz)),
];

impl ArchiveName {
    /// Takes the name of an exported backup of `server` apart; the error tells what is wrong with it.
    pub fn parse(name: &str, server: &str) -> Result<Self, String> {
        let refused = |detail: &str| {
            format!("Tarball filename does not match the expected export format '{FORM}': '{name}'. {detail}")
        };
        let found =
            ENDINGS.iter().find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, *compression)));
        let (stem, compression) = found.ok_or_else(|| {
            refused("Expected filename to end with '.tar', '.tar.gz', '.tar.bz2' or '.tar.xz'.")
        })?;
        let start = format!("{PREFIX}{server}-");
        let facts = stem
            .strip_prefix(&start)
            .ok_or_else(|| refused(&format!("Expected filename to start with '{start}'.")))?;
        let mut parts = facts.split('-');
        let (id, time, checksum) = (parts.next(), parts.next(), parts.next());
        let is_checksum =
            |text: &&str| text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let id = id.and_then(|id| id.parse().ok());
        // A time has the form of an identifier.
        let time = time.filter(|time| time.parse::<BackupId>().is_ok());
        match (id, time, checksum.filter(is_checksum), parts.next()) {
            (Some(id), Some(time), Some(checksum), None) => Ok(Self {
                server: server.to_owned(),
                id,
                time: time.to_owned(),
                checksum: checksum.to_ascii_lowercase(),
                compression,
            }),
            _ => Err(refused("Expected backup ID, timestamp and checksum after the server name.")),
        }
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, id, time, checksum, compression } = self;
        let ending = ENDINGS.iter().find(|(_, own)| own == compression).map_or(".tar", |(ending, _)| ending);
        write!(f, "{PREFIX}{server}-{id}-{time}-{checksum}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "backup-export-my-shop-20250102T100000-20261125T231636-5b280817.tar";

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for (ending, compression) in ENDINGS {
            let name = NAME.replace(".tar", ending);
            let parsed = ArchiveName::parse(&name, "my-shop").unwrap();
            assert_eq!(parsed.id.as_str(), "20250102T100000");
            assert_eq!((parsed.checksum.as_str(), parsed.compression), ("5b280817", compression));
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused_with_what_was_expected() {
        let refused = |name: &str, server: &str| ArchiveName::parse(name, server).unwrap_err();
        assert!(refused(NAME, "other").contains("start with 'backup-export-other-'"));
        assert!(refused(NAME, "my").contains("after the server name"));
        assert!(refused(&NAME.replace("5b280817", "5b28081"), "my-shop").contains("checksum"));
        assert!(refused(&NAME.replace(".tar", "-1.tar"), "my-shop").contains("checksum"));
        assert!(refused(&NAME.replace(".tar", ".zip"), "my-shop").contains("end with"));
    }
}
