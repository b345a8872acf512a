//! What differs between the versions of PostgreSQL: this module is the only one that knows.

use crate::types::PgVersion;

/// The oldest server that Barman works with.
pub const OLDEST: PgVersion = PgVersion::new(90_600);

/// How a server is told to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryStyle {
    /// Settings in a file `recovery.conf`, whose presence starts recovery (up to 11).
    RecoveryConf,
    /// Ordinary settings, and an empty file `recovery.signal` or `standby.signal` (12 and later).
    SignalFiles,
}

/// What servers of one version have and how they call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The directory of the WAL inside the data directory.
    pub wal_directory: &'static str,
    /// How recovery is configured.
    pub recovery_style: RecoveryStyle,
    /// The setting that keeps WAL for standbys; before 13 it counts segments.
    pub wal_keep_setting: &'static str,
    /// Whether a backup can be taken in exclusive mode.
    pub has_exclusive_backup: bool,
    /// Whether WAL summaries can be written, on which incremental backups build.
    pub has_wal_summaries: bool,
    pub(super) sql: Sql,
}

/// The SQL of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sql {
    /// Gives the start LSN; `$1` is the label, `$2` whether to checkpoint at once.
    pub(super) start_backup: &'static str,
    /// Gives lsn, labelfile and spcmapfile, without waiting for the archiver.
    pub(super) stop_backup: &'static str,
    /// The functions that a user who takes backups must be allowed to execute; `None`: only superusers can.
    pub(super) backup_functions: Option<&'static [&'static str]>,
    pub(super) switch_wal: &'static str,
    pub(super) walfile_name: &'static str,
    pub(super) current_lsn: &'static str,
    pub(super) current_insert_lsn: &'static str,
    pub(super) last_replay_lsn: &'static str,
    /// Switches off the settings that would end a session or a statement that takes long.
    pub(super) no_timeouts: &'static str,
}

const SQL_9_6: Sql = Sql {
    start_backup: "pg_catalog.pg_start_backup($1, $2::pg_catalog.bool, false)",
    stop_backup: "pg_catalog.pg_stop_backup(false)",
    backup_functions: None,
    switch_wal: "pg_catalog.pg_switch_xlog()",
    walfile_name: "pg_catalog.pg_xlogfile_name",
    current_lsn: "pg_catalog.pg_current_xlog_location()",
    current_insert_lsn: "pg_catalog.pg_current_xlog_insert_location()",
    last_replay_lsn: "pg_catalog.pg_last_xlog_replay_location()",
    no_timeouts: "SELECT pg_catalog.set_config('statement_timeout', '0', false)",
};

const SQL_10: Sql = Sql {
    stop_backup: "pg_catalog.pg_stop_backup(false, false)",
    backup_functions: Some(&[
        "pg_start_backup(text,bool,bool)",
        "pg_stop_backup(bool,bool)",
        "pg_switch_wal()",
        "pg_create_restore_point(text)",
    ]),
    switch_wal: "pg_catalog.pg_switch_wal()",
    walfile_name: "pg_catalog.pg_walfile_name",
    current_lsn: "pg_catalog.pg_current_wal_lsn()",
    current_insert_lsn: "pg_catalog.pg_current_wal_insert_lsn()",
    last_replay_lsn: "pg_catalog.pg_last_wal_replay_lsn()",
    ..SQL_9_6
};

const SQL_14: Sql = Sql {
    no_timeouts: "SELECT pg_catalog.set_config('statement_timeout', '0', false), \
                  pg_catalog.set_config('idle_session_timeout', '0', false)",
    ..SQL_10
};

const SQL_15: Sql = Sql {
    start_backup: "pg_catalog.pg_backup_start($1, $2::pg_catalog.bool)",
    stop_backup: "pg_catalog.pg_backup_stop(false)",
    backup_functions: Some(&[
        "pg_backup_start(text,bool)",
        "pg_backup_stop(bool)",
        "pg_switch_wal()",
        "pg_create_restore_point(text)",
    ]),
    ..SQL_14
};

const SQL_17: Sql = Sql {
    no_timeouts: "SELECT pg_catalog.set_config('statement_timeout', '0', false), \
                  pg_catalog.set_config('idle_session_timeout', '0', false), \
                  pg_catalog.set_config('transaction_timeout', '0', false)",
    ..SQL_15
};

impl Features {
    /// The features of a version; those of an unknown newer one are the newest known.
    pub fn of(version: PgVersion) -> Self {
        let since = |major| version.at_least(major);
        let sql = match version {
            _ if since(17) => SQL_17,
            _ if since(15) => SQL_15,
            _ if since(14) => SQL_14,
            _ if since(10) => SQL_10,
            _ => SQL_9_6,
        };
        Self {
            wal_directory: if since(10) { "pg_wal" } else { "pg_xlog" },
            recovery_style: if since(12) { RecoveryStyle::SignalFiles } else { RecoveryStyle::RecoveryConf },
            wal_keep_setting: if since(13) { "wal_keep_size" } else { "wal_keep_segments" },
            has_exclusive_backup: !since(15),
            has_wal_summaries: since(17),
            sql,
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
        assert_eq!(
            (of(120_000).wal_keep_setting, of(130_000).wal_keep_setting),
            ("wal_keep_segments", "wal_keep_size")
        );
        assert!(of(140_000).has_exclusive_backup && !of(150_000).has_exclusive_backup);
        assert!(of(149_999).sql.start_backup.contains("pg_start_backup"));
        assert!(of(150_000).sql.start_backup.contains("pg_backup_start"));
        assert!(!of(169_999).has_wal_summaries && of(250_000).has_wal_summaries);
    }

    proptest! {
        #[test]
        fn any_version_text_is_read_or_refused_without_panic(text in "\\PC*|[0-9.]*") {
            let _ = parse_version(&text);
        }
    }
}
