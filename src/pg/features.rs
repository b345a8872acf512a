//! What differs between the versions of PostgreSQL: this module is the only one that knows.

mod sql;

use crate::types::PgVersion;

pub(super) use sql::{ControlSql, NativeSql, Sql};

/// The oldest server that Barman works with.
pub const OLDEST: PgVersion = PgVersion::new(80_400);

/// The oldest server that Barman is tested on; of older ones only the words are tested, on a scripted server.
pub const OLDEST_TESTED: PgVersion = PgVersion::new(100_000);

/// How a server is told to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryStyle {
    /// Settings in a file `recovery.conf`, whose presence starts recovery (up to 11).
    RecoveryConf,
    /// Ordinary settings, and an empty file `recovery.signal` or `standby.signal` (12 and later).
    SignalFiles,
}

/// Who lets a backup be taken while others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConcurrentBackup {
    /// Nobody: only the exclusive mode is there (before 9.2).
    Unknown,
    /// The extension pgespresso, where it is installed (9.2 to 9.5).
    Extension,
    /// PostgreSQL itself (9.6 and later).
    Native,
}

/// What servers of one version have and how they call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The directory of the WAL inside the data directory.
    pub wal_directory: &'static str,
    /// How recovery is configured.
    pub recovery_style: RecoveryStyle,
    /// Whether recovery by itself follows the newest timeline that it finds; before 12 it stays on that of the backup,
    /// which has no name then.
    pub follows_newest_timeline: bool,
    /// The setting that keeps WAL for standbys; before 13 it counts segments.
    pub wal_keep_setting: &'static str,
    /// Whether a backup can be taken in exclusive mode.
    pub has_exclusive_backup: bool,
    /// Who lets a backup be taken in concurrent mode.
    pub concurrent_backup: ConcurrentBackup,
    /// Whether a position in the WAL can be given a name.
    pub has_restore_points: bool,
    /// Whether WAL can be kept back for a client that is known by name.
    pub has_replication_slots: bool,
    /// Whether WAL summaries can be written, on which incremental backups build.
    pub has_wal_summaries: bool,
    pub(super) sql: Sql,
}

impl Features {
    /// The features of a version; those of an unknown newer one are the newest known.
    pub fn of(version: PgVersion) -> Self {
        let since = |major| version.at_least(major);
        Self {
            wal_directory: if since(10) { "pg_wal" } else { "pg_xlog" },
            recovery_style: if since(12) { RecoveryStyle::SignalFiles } else { RecoveryStyle::RecoveryConf },
            follows_newest_timeline: since(12),
            wal_keep_setting: if since(13) { "wal_keep_size" } else { "wal_keep_segments" },
            has_exclusive_backup: !since(15),
            concurrent_backup: match version.number() {
                ..90_200 => ConcurrentBackup::Unknown,
                90_200..90_600 => ConcurrentBackup::Extension,
                _ => ConcurrentBackup::Native,
            },
            has_restore_points: version >= PgVersion::new(90_100),
            has_replication_slots: version >= PgVersion::new(90_400),
            has_wal_summaries: since(17),
            sql: Sql::of(version),
        }
    }
}

/// The version from what the server calls it: `15.18 (Debian …)`, `18beta1`, `9.6.24`.
pub(super) fn parse_version(text: &str) -> Option<PgVersion> {
    let numeric = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut parts = numeric.split('.').filter(|part| !part.is_empty()).map(|part| part.parse::<u32>().ok());
    let major = parts.next()??.min(9999);
    let (second, third) = (parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0));
    let number = if major < 10 {
        major * 10_000 + second.min(99) * 100 + third.min(99)
    } else {
        major * 10_000 + second.min(9999)
    };
    Some(PgVersion::new(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_read_as_servers_write_them() {
        let cases = [
            ("15.18 (Debian 15.18-0+deb12u1)", Some(150_018)),
            ("18beta1", Some(180_000)),
            ("19devel", Some(190_000)),
            ("9.6.24", Some(90_624)),
            ("8.4.22", Some(80_422)),
            ("10.23", Some(100_023)),
            ("", None),
            ("unknown", None),
        ];
        for (text, number) in cases {
            assert_eq!(parse_version(text).map(PgVersion::number), number, "{text}");
        }
    }

    #[test]
    fn each_version_has_the_names_of_its_time() {
        let of = |number| Features::of(PgVersion::new(number));
        assert_eq!((of(90_624).wal_directory, of(100_000).wal_directory), ("pg_xlog", "pg_wal"));
        assert_eq!(of(110_000).recovery_style, RecoveryStyle::RecoveryConf);
        assert_eq!(of(120_000).recovery_style, RecoveryStyle::SignalFiles);
        assert!(!of(110_022).follows_newest_timeline && of(120_000).follows_newest_timeline);
        assert_eq!(
            (of(120_000).wal_keep_setting, of(130_000).wal_keep_setting),
            ("wal_keep_segments", "wal_keep_size")
        );
        assert!(of(140_000).has_exclusive_backup && !of(150_000).has_exclusive_backup);
        assert!(!of(90_024).has_restore_points && of(90_100).has_restore_points);
        assert!(!of(90_326).has_replication_slots && of(90_400).has_replication_slots);
        assert_eq!(of(90_124).concurrent_backup, ConcurrentBackup::Unknown);
        assert_eq!(of(90_200).concurrent_backup, ConcurrentBackup::Extension);
        assert_eq!(of(90_525).concurrent_backup, ConcurrentBackup::Extension);
        assert_eq!(of(90_600).concurrent_backup, ConcurrentBackup::Native);
        assert!(!of(169_999).has_wal_summaries && of(250_000).has_wal_summaries);
    }

    proptest! {
        #[test]
        fn any_version_text_is_read_or_refused_without_panic(text in "\\PC*|[0-9.]*") {
            let _ = parse_version(&text);
        }
    }
}
