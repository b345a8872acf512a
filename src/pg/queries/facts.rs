use super::super::client::Client;
use super::super::error::Error;
use super::super::session::Request;
use super::{ArchiverStats, ServerSettings, WalPosition};
use crate::types::{PgVersion, SegmentLayout, SegmentSize, Timestamp};

/// What `check`, `status`, `show-servers` and `backup` want to know, in one round trip.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFacts {
    /// The version as a number.
    pub version: PgVersion,
    /// The version in the server's words: `15.18`, `18beta1`.
    pub version_text: String,
    /// The identifier that all copies of one cluster share; servers before 9.6 do not tell it.
    pub system_id: Option<String>,
    /// Whether the server is a standby, or still recovering.
    pub is_in_recovery: bool,
    /// Whether our user is a superuser.
    pub is_superuser: bool,
    /// Whether our user may take backups.
    pub has_backup_privileges: bool,
    /// Whether our user may see all settings and statistics.
    pub has_monitoring_privileges: bool,
    /// Whether our user may run CHECKPOINT.
    pub has_checkpoint_privilege: bool,
    /// The size of a WAL segment.
    pub segment_size: SegmentSize,
    /// The settings.
    pub settings: ServerSettings,
    /// The archiver; servers before 9.4 do not tell how it is doing.
    pub archiver: Option<ArchiverStats>,
    /// How far the WAL is; `None` on a standby that has replayed nothing yet.
    pub wal: Option<WalPosition>,
}

impl Client {
    /// Asks for everything that costs the server little; see [`Client::current_size`] for what does not.
    pub fn server_facts(&self) -> Result<ServerFacts, Error> {
        const PURPOSE: &str = "read the state of the server";
        self.ensure_supported()?;
        let features = self.features();
        let requests = [
            self.identity_request(),
            ServerSettings::request(features),
            ArchiverStats::request(features),
            WalPosition::request(features),
        ];
        let [identity, settings, archiver, wal] = self.batch(PURPOSE, requests)?;
        let identity = self.single(PURPOSE, identity)?;
        let segment_bytes = identity.get::<i64>("segment_bytes")?.unsigned_abs();
        let segment_size =
            SegmentSize::new(segment_bytes).map_err(|error| identity.unexpected(error.to_string()))?;
        let roles: Vec<String> = identity.get("roles")?;
        let has = |role: &str| roles.iter().any(|name| name == role);
        let is_superuser: bool = identity.get("is_superuser")?;
        let has_monitoring_privileges =
            is_superuser || has("pg_monitor") || has("pg_read_all_settings") && has("pg_read_all_stats");
        let may_execute: bool = identity.get("may_execute")?;
        Ok(ServerFacts {
            version: self.version(),
            version_text: self.version_text().to_owned(),
            system_id: identity.get("system_id")?,
            is_in_recovery: identity.get("is_in_recovery")?,
            is_superuser,
            has_backup_privileges: is_superuser || has_monitoring_privileges && may_execute,
            has_monitoring_privileges,
            has_checkpoint_privilege: is_superuser || has("pg_checkpoint"),
            wal: WalPosition::of(
                &self.single(PURPOSE, wal)?,
                SegmentLayout::of(self.version(), segment_size),
            )?,
            segment_size,
            settings: ServerSettings::of(&settings, features)?,
            archiver: archiver.first().map(ArchiverStats::of).transpose()?,
        })
    }

    fn identity_request(&self) -> Request {
        let allowed = |function: &&str| {
            format!("pg_catalog.has_function_privilege('pg_catalog.{function}', 'EXECUTE')")
        };
        let sql = &self.features().sql;
        let may_execute = match sql.backup_functions {
            Some(functions) => functions.iter().map(allowed).collect::<Vec<_>>().join(" AND "),
            None => "false".into(),
        };
        Request::plain(format!(
            "SELECT {}::pg_catalog.text AS system_id, {} AS segment_bytes, {} AS is_in_recovery, \
             pg_catalog.current_setting('is_superuser') = 'on' AS is_superuser, \
             ARRAY(SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles \
             WHERE rolname ~ '^pg_' AND pg_catalog.pg_has_role(oid, 'USAGE')) AS roles, \
             {may_execute} AS may_execute",
            sql.control.map_or("NULL", |control| control.system_id),
            sql.segment_bytes,
            sql.is_in_recovery,
        ))
    }

    /// Whether the server is a standby, or still recovering.
    pub fn is_in_recovery(&self) -> Result<bool, Error> {
        let sql = format!("SELECT {} AS yes", self.features().sql.is_in_recovery);
        self.row("find out what the server is", Request::plain(sql))?.get("yes")
    }

    /// The server's clock, in the session's time zone.
    pub fn current_time(&self) -> Result<Timestamp, Error> {
        let sql = format!("SELECT {} AS time", self.features().sql.moment("pg_catalog.clock_timestamp()"));
        let record = self.row("read the server's clock", Request::plain(sql))?;
        record.required("time", record.moment("time")?)
    }
}
