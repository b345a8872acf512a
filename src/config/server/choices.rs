//! The words that some options choose from, as types.

use crate::config::value::Value;

/// Defines an enum whose variants are words of the configuration.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum $name { $($(#[$variant_doc])* $variant,)* }

            impl $name {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$variant,)*];

                /// The word of the configuration.
                pub const fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $word,)* }
                }

                /// The one that a value names.
                #[allow(dead_code, reason = "some are part of an option's name, not its value")]
                pub(super) fn named_by(value: &Value) -> Option<Self> {
                    let word = value.as_text()?;
                    Self::ALL.iter().copied().find(|one| one.as_str() == word)
                }
            }
        )*
    };
}

words! {
    /// How base backups are taken.
    BackupMethod {
        /// rsync over SSH.
        Rsync = "rsync",
        /// `pg_basebackup`.
        Postgres = "postgres",
        /// rsync on this host.
        LocalRsync = "local-rsync",
        /// Snapshots of the disks.
        Snapshot = "snapshot",
        /// Files of this host into an object store.
        LocalToCloud = "local-to-cloud",
    }

    /// What happens to files that have not changed since the last backup.
    ReuseBackup {
        /// They are copied from the last backup.
        Copy = "copy",
        /// They are shared with the last backup.
        Link = "link",
        /// They are fetched anew.
        Off = "off",
    }

    /// How WAL files are compressed.
    Compression {
        /// gzip.
        Gzip = "gzip",
        /// bzip2.
        Bzip2 = "bzip2",
        /// gzip, which Barman makes within Python.
        PyGzip = "pygzip",
        /// bzip2, which Barman makes within Python.
        PyBzip2 = "pybzip2",
        /// gzip, made by several threads.
        Pigz = "pigz",
        /// xz.
        Xz = "xz",
        /// zstd.
        Zstd = "zstd",
        /// lz4.
        Lz4 = "lz4",
        /// snappy.
        Snappy = "snappy",
        /// A filter of the user's own.
        Custom = "custom",
    }

    /// Where `staging_path` is.
    StagingLocation {
        /// On this host.
        Local = "local",
        /// On the host that is restored to.
        Remote = "remote",
    }

    /// What hook scripts run for.
    HookEvent {
        /// A WAL file is archived.
        Archive = "archive",
        /// A backup is taken.
        Backup = "backup",
        /// A backup is deleted.
        Delete = "delete",
        /// A backup is restored.
        Recovery = "recovery",
        /// A WAL file is deleted.
        WalDelete = "wal_delete",
    }

    /// When hook scripts run.
    HookPhase {
        /// Before.
        Pre = "pre",
        /// After.
        Post = "post",
    }
}

/// How hard WAL files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompressionLevel {
    /// Fast.
    Low,
    /// In between.
    Medium,
    /// Small.
    High,
    /// A level of the algorithm, to be brought into its range.
    Number(i64),
}

impl CompressionLevel {
    /// The level that a value names; without one it is medium.
    pub(super) fn named_by(value: &Value) -> Self {
        match value {
            Value::Int(level) => Self::Number(*level),
            Value::Text(word) if word == "low" => Self::Low,
            Value::Text(word) if word == "high" => Self::High,
            _ => Self::Medium,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::{BACKUP_METHOD, COMPRESSION, REUSE_BACKUP, STAGING_LOCATION};

    #[test]
    fn every_word_that_an_option_takes_is_a_choice() {
        let words = |all: &[&'static str]| all.to_vec();
        assert_eq!(
            words(BACKUP_METHOD.words),
            BackupMethod::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>()
        );
        assert_eq!(
            words(REUSE_BACKUP.words),
            ReuseBackup::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>()
        );
        assert_eq!(words(COMPRESSION.words), Compression::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>());
        assert_eq!(
            words(STAGING_LOCATION.words),
            StagingLocation::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>()
        );
    }
}
