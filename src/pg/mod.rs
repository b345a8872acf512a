//! Talking to PostgreSQL.
//!
//! * [`conninfo`]: which server, read as libpq reads it; [`redact`] takes passwords out of any text.
//! * `connect`, `socket`, `tls`: from the settings to a [`Stream`] on which a protocol can begin.
//! * [`Client`]: a SQL session on such a stream; `queries` asks by purpose and answers with types.
//! * [`Features`]: what differs between versions, 8.4 to 18.
//!
//! Everything is synchronous. A connection that is made never changes its server: what was begun on a session,
//! a backup above all, ends on it or not at all.

mod auth;
mod client;
mod connect;
pub mod conninfo;
mod error;
mod features;
mod queries;
mod session;
mod socket;
mod startup;
mod stream;
mod tls;
mod wire;

pub use client::Client;
pub use conninfo::{Conninfo, redact};
pub use error::{Attempt, Error};
pub use features::{ConcurrentBackup, Features, OLDEST, OLDEST_TESTED, RecoveryStyle};
pub use queries::{
    ArchiverStats, BackupEnd, BackupMode, BackupStart, Espresso, Leaving, ReplicationClients,
    ReplicationSlot, ServerFacts, ServerSettings, Tablespace, WalPosition, WalSwitch,
};
pub use stream::Stream;
