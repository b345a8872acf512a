//! What we ask a server, by purpose.

mod archiver;
mod backup;
mod facts;
mod replication;
mod settings;
mod storage;
mod wal;

pub use archiver::ArchiverStats;
pub use backup::{BackupEnd, BackupMode, BackupStart, Espresso, Leaving};
pub use facts::ServerFacts;
pub use replication::ReplicationClients;
pub use settings::ServerSettings;
pub use storage::{ReplicationSlot, Tablespace};
pub use wal::{WalPosition, WalSwitch};

use chrono::DateTime;

use super::client::Record;
use super::error::Error;
#[cfg(doc)]
use super::features::Sql;
use crate::types::{Lsn, Timeline, Timestamp};

/// SQL that gives a timeline number as file names have it.
fn timeline_name(expression: &str) -> String {
    format!("pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex({expression})), 8, '0')")
}

impl Record<'_> {
    /// The value of a column that [`Sql::moment`] made.
    fn moment(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.get::<Option<&str>>(column)? else { return Ok(None) };
        let parsed = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z");
        parsed.map(Some).map_err(|_| self.unexpected(format!("'{text}' is not a time")))
    }

    /// A value that cannot be missing.
    fn required<T>(&self, column: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.unexpected(format!("column {column} is empty")))
    }

    /// The columns `lsn` and `timeline`, neither of them missing.
    fn position(&self) -> Result<(Lsn, Timeline), Error> {
        Ok((self.required("lsn", self.parse("lsn")?)?, self.required("timeline", self.parse("timeline")?)?))
    }
}
