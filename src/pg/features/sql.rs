//! The SQL of each version: a table in which each row names what changed with it.

use crate::types::PgVersion;

/// The SQL of one version. Functions are called with their schema; `start.lsn` and `stop.lsn` are what a backup's
/// functions gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) struct Sql {
    /// Whether the server is a standby.
    pub(in crate::pg) is_in_recovery: &'static str,
    /// What tells of `pg_control`; `None` before 9.6.
    pub(in crate::pg) control: Option<ControlSql>,
    /// The bytes of a WAL segment, as int8.
    pub(in crate::pg) segment_bytes: &'static str,
    /// Gives the start LSN in exclusive mode; `$1` is the label, `$2` whether to checkpoint at once.
    pub(in crate::pg) start_exclusive: Option<&'static str>,
    /// Gives the end LSN as its first column.
    pub(in crate::pg) stop_exclusive: Option<&'static str>,
    /// The functions of the concurrent mode.
    pub(in crate::pg) concurrent: Option<NativeSql>,
    /// The functions that a user who takes backups must be allowed to execute; `None`: only superusers can,
    /// as in 9.6: it can grant the functions, but not the sight of `data_directory`.
    pub(in crate::pg) backup_functions: Option<&'static [&'static str]>,
    pub(in crate::pg) switch_wal: &'static str,
    pub(in crate::pg) walfile_name: &'static str,
    pub(in crate::pg) current_lsn: &'static str,
    pub(in crate::pg) current_insert_lsn: &'static str,
    /// How far a standby has replayed; NULL where it cannot tell its timeline.
    pub(in crate::pg) last_replay_lsn: &'static str,
    /// Switches off the settings that would end a session or a statement that takes long.
    pub(in crate::pg) no_timeouts: &'static str,
    /// The directory of a tablespace of `pg_tablespace`.
    pub(in crate::pg) tablespace_location: &'static str,
    /// The offset of a time zone, for a time that stands in place of `{}`.
    pub(in crate::pg) zone_offset: &'static str,
    /// The columns of `pg_stat_activity` that have the process of a session and its last request.
    pub(in crate::pg) activity: (&'static str, &'static str),
    /// Whether there is a view `pg_stat_archiver`.
    pub(in crate::pg) has_archiver_stats: bool,
    /// Whether there are replication slots.
    pub(in crate::pg) has_replication_slots: bool,
    /// The columns of `pg_stat_replication`; `None` before 9.1.
    pub(in crate::pg) replication: Option<ReplicationSql>,
}

/// The columns of `pg_stat_replication`, here `r`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) struct ReplicationSql {
    pub(in crate::pg) pid: &'static str,
    /// What the names of positions end in.
    pub(in crate::pg) position: &'static str,
    pub(in crate::pg) xmin: &'static str,
    /// The slot that the client uses.
    pub(in crate::pg) slot: &'static str,
}

/// What tells of `pg_control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) struct ControlSql {
    pub(in crate::pg) system_id: &'static str,
    /// The timeline of the last checkpoint.
    pub(in crate::pg) checkpoint_timeline: &'static str,
    /// The timeline that a standby has replayed to.
    pub(in crate::pg) recovery_timeline: &'static str,
}

/// The functions of a backup in concurrent mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) struct NativeSql {
    /// Gives the start LSN; `$1` is the label, `$2` whether to checkpoint at once.
    pub(in crate::pg) start: &'static str,
    /// Gives lsn, labelfile and spcmapfile, from 10 on without waiting for the archiver.
    pub(in crate::pg) stop: &'static str,
}

const SQL_8_4: Sql = Sql {
    is_in_recovery: "false",
    control: None,
    // Counted in blocks.
    segment_bytes: "(SELECT setting::pg_catalog.int8 FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') \
                    * pg_catalog.current_setting('wal_block_size')::pg_catalog.int8",
    start_exclusive: Some("pg_catalog.pg_start_backup($1, $2::pg_catalog.bool)"),
    stop_exclusive: Some("pg_catalog.pg_stop_backup()"),
    concurrent: None,
    backup_functions: None,
    switch_wal: "pg_catalog.pg_switch_xlog()",
    walfile_name: "pg_catalog.pg_xlogfile_name",
    current_lsn: "pg_catalog.pg_current_xlog_location()",
    current_insert_lsn: "pg_catalog.pg_current_xlog_insert_location()",
    last_replay_lsn: "NULL",
    no_timeouts: "SELECT pg_catalog.set_config('statement_timeout', '0', false)",
    tablespace_location: "spclocation",
    zone_offset: "pg_catalog.to_char(EXTRACT(timezone_hour FROM {}), 'SG00') || ':' || \
                  pg_catalog.to_char(pg_catalog.abs(EXTRACT(timezone_minute FROM {})), 'FM00')",
    activity: ("procpid", "current_query"),
    has_archiver_stats: false,
    has_replication_slots: false,
    replication: None,
};

const SQL_9_0: Sql = Sql { is_in_recovery: "pg_catalog.pg_is_in_recovery()", ..SQL_8_4 };

const REPLICATION_9_1: ReplicationSql =
    ReplicationSql { pid: "r.procpid", position: "location", xmin: "NULL", slot: "NULL" };

const SQL_9_1: Sql = Sql { replication: Some(REPLICATION_9_1), ..SQL_9_0 };

const REPLICATION_9_2: ReplicationSql = ReplicationSql { pid: "r.pid", ..REPLICATION_9_1 };

const SQL_9_2: Sql = Sql {
    tablespace_location: "pg_catalog.pg_tablespace_location(pg_tablespace.oid)",
    activity: ("pid", "query"),
    replication: Some(REPLICATION_9_2),
    ..SQL_9_1
};

const REPLICATION_9_4: ReplicationSql = ReplicationSql { xmin: "r.backend_xmin", ..REPLICATION_9_2 };

const SQL_9_4: Sql = Sql {
    zone_offset: "pg_catalog.to_char({}, 'OF')",
    has_archiver_stats: true,
    has_replication_slots: true,
    replication: Some(REPLICATION_9_4),
    ..SQL_9_2
};

const REPLICATION_9_5: ReplicationSql = ReplicationSql {
    slot: "(SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE active_pid = r.pid LIMIT 1)",
    ..REPLICATION_9_4
};

const SQL_9_5: Sql = Sql { replication: Some(REPLICATION_9_5), ..SQL_9_4 };

const SQL_9_6: Sql = Sql {
    control: Some(ControlSql {
        system_id: "(pg_catalog.pg_control_system()).system_identifier",
        checkpoint_timeline: "(pg_catalog.pg_control_checkpoint()).timeline_id",
        recovery_timeline: "(pg_catalog.pg_control_recovery()).min_recovery_end_timeline",
    }),
    segment_bytes: "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))",
    start_exclusive: Some("pg_catalog.pg_start_backup($1, $2::pg_catalog.bool, true)"),
    concurrent: Some(NativeSql {
        start: "pg_catalog.pg_start_backup($1, $2::pg_catalog.bool, false)",
        stop: "pg_catalog.pg_stop_backup(false)",
    }),
    last_replay_lsn: "pg_catalog.pg_last_xlog_replay_location()",
    ..SQL_9_5
};

const SQL_10: Sql = Sql {
    stop_exclusive: Some("pg_catalog.pg_stop_backup(true, false)"),
    concurrent: Some(NativeSql {
        start: "pg_catalog.pg_start_backup($1, $2::pg_catalog.bool, false)",
        stop: "pg_catalog.pg_stop_backup(false, false)",
    }),
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
    replication: Some(ReplicationSql { position: "lsn", ..REPLICATION_9_5 }),
    ..SQL_9_6
};

const SQL_14: Sql = Sql {
    no_timeouts: "SELECT pg_catalog.set_config('statement_timeout', '0', false), \
                  pg_catalog.set_config('idle_session_timeout', '0', false)",
    ..SQL_10
};

const SQL_15: Sql = Sql {
    start_exclusive: None,
    stop_exclusive: None,
    concurrent: Some(NativeSql {
        start: "pg_catalog.pg_backup_start($1, $2::pg_catalog.bool)",
        stop: "pg_catalog.pg_backup_stop(false)",
    }),
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

impl Sql {
    /// The SQL of a version; that of an unknown newer one is the newest known.
    pub(super) fn of(version: PgVersion) -> Self {
        match version.number() {
            ..90_000 => SQL_8_4,
            90_000..90_100 => SQL_9_0,
            90_100..90_200 => SQL_9_1,
            90_200..90_400 => SQL_9_2,
            90_400..90_500 => SQL_9_4,
            90_500..90_600 => SQL_9_5,
            90_600..100_000 => SQL_9_6,
            100_000..140_000 => SQL_10,
            140_000..150_000 => SQL_14,
            150_000..170_000 => SQL_15,
            170_000.. => SQL_17,
        }
    }

    /// SQL that gives a `timestamptz` as text in the session's time zone, whatever its date style.
    pub(in crate::pg) fn moment(&self, expression: &str) -> String {
        let zone = self.zone_offset.replace("{}", expression);
        format!("pg_catalog.to_char({expression}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || {zone}")
    }

    /// SQL that gives the first eight digits of the name of the WAL file at a position: its timeline. Only a
    /// primary answers.
    pub(in crate::pg) fn timeline_at(&self, lsn: &str) -> String {
        format!("pg_catalog.substr({}({lsn}), 1, 8)", self.walfile_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_starts_and_stops_backups_with_the_functions_of_its_time() {
        let of = |number| Sql::of(PgVersion::new(number));
        assert_eq!(of(80_422).start_exclusive, Some("pg_catalog.pg_start_backup($1, $2::pg_catalog.bool)"));
        assert_eq!((of(90_525).concurrent, of(150_000).start_exclusive), (None, None));
        let start = |number| of(number).concurrent.map(|native| native.start);
        assert!(start(90_600).is_some_and(|start| start.contains("pg_start_backup")));
        assert!(start(149_999).is_some_and(|start| start.contains("pg_start_backup")));
        assert!(start(150_000).is_some_and(|start| start.contains("pg_backup_start")));
        assert_eq!(of(250_000), SQL_17);
    }

    #[test]
    fn clients_are_looked_up_in_the_columns_of_each_time() {
        let of = |number| Sql::of(PgVersion::new(number)).replication;
        assert_eq!((of(90_024), of(90_124).map(|it| it.pid)), (None, Some("r.procpid")));
        assert_eq!(of(90_224).map(|it| (it.pid, it.xmin)), Some(("r.pid", "NULL")));
        assert_eq!(of(90_426).map(|it| (it.xmin, it.slot)), Some(("r.backend_xmin", "NULL")));
        assert!(of(90_525).is_some_and(|it| it.slot.contains("active_pid")));
        assert_eq!(
            (of(90_624).map(|it| it.position), of(100_000).map(|it| it.position)),
            (Some("location"), Some("lsn"))
        );
    }
}
