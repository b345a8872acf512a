use tokio_postgres::error::SqlState;

use super::super::client::{Client, Record};
use super::super::error::Error;
use super::super::session::Request;
use crate::types::Lsn;

/// A tablespace outside the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    /// Its name.
    pub name: String,
    /// Its number, the name of its link in `pg_tblspc`.
    pub oid: u32,
    /// Its directory on the server.
    pub location: String,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationSlot {
    /// Its name.
    pub name: String,
    /// Whether it is physical, for WAL as such, and not for logical decoding.
    pub is_physical: bool,
    /// Whether somebody is streaming from it now.
    pub is_active: bool,
    /// The oldest position that it keeps; `None` before its first use.
    pub restart_lsn: Option<Lsn>,
}

impl Client {
    /// The tablespaces other than `pg_default` and `pg_global`, by name.
    pub fn tablespaces(&self) -> Result<Vec<Tablespace>, Error> {
        let location = self.features().sql.tablespace_location;
        let sql = format!(
            "SELECT spcname::pg_catalog.text AS name, oid, {location}::pg_catalog.text AS location \
             FROM pg_catalog.pg_tablespace WHERE {location} <> '' ORDER BY spcname"
        );
        let rows = self.rows("list tablespaces", Request::plain(sql))?;
        let tablespace = |row: Record<'_>| {
            Ok(Tablespace { name: row.get("name")?, oid: row.get("oid")?, location: row.get("location")? })
        };
        rows.into_iter().map(tablespace).collect()
    }

    /// The bytes of all tablespaces together; `None` when the user may not know.
    ///
    /// The server looks at every file of the cluster for it.
    pub fn current_size(&self) -> Result<Option<u64>, Error> {
        let sql = "SELECT pg_catalog.sum(pg_catalog.pg_tablespace_size(oid))::pg_catalog.int8 AS bytes \
                   FROM pg_catalog.pg_tablespace";
        match self.row("measure the cluster", Request::plain(sql)) {
            Err(error) if error.has_code(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
            answer => Ok(answer?.get::<Option<i64>>("bytes")?.and_then(|bytes| bytes.try_into().ok())),
        }
    }

    /// The replication slot of this name; there are none before 9.4.
    pub fn find_replication_slot(&self, name: &str) -> Result<Option<ReplicationSlot>, Error> {
        if !self.features().sql.has_replication_slots {
            return Ok(None);
        }
        let sql = "SELECT slot_name::pg_catalog.text AS name, slot_type = 'physical' AS is_physical, active, \
                   restart_lsn::pg_catalog.text AS restart_lsn \
                   FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";
        let rows = self.rows("look for a replication slot", Request::with(sql, &[name]))?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(ReplicationSlot {
            name: row.get("name")?,
            is_physical: row.get("is_physical")?,
            is_active: row.get("active")?,
            restart_lsn: row.parse("restart_lsn")?,
        }))
    }
}
