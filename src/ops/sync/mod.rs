//! Geographical redundancy: a passive node copies the backups and the WAL of another node, its primary.
//!
//! ```text
//! primary   sync-info    tells of its backups, and of its WAL from where the other left off
//! passive   cron         asks, keeps the answer in primary.info, and starts what follows in the background
//!           sync-backup  copies one backup:  record SYNCING -> files -> record DONE, or WAITING_FOR_WALS
//!           sync-wals    copies WAL:  .sync-wals -> line -> file, then sync-wals.info: so far we are
//! ```
//!
//! Either node may be the Python Barman. What the primary says is input: names are read as what they are, and lead
//! nowhere else.

mod backup;
pub mod cron;
mod info;
mod last_synced;
mod primary;
mod primary_info;
mod wals;

pub use backup::run as sync_backup;
pub use info::{Request, answer};
pub use primary::relay;
pub use wals::run as sync_wals;

use super::{Error, Server};

/// The mode of the records of copied backups.
const PASSIVE: &str = "passive";

fn ensure_passive(server: &Server<'_>) -> Result<(), Error> {
    match server.config.is_passive() {
        true => Ok(()),
        false => Err(Error::refused(format!("server {} is not passive", server.name()))),
    }
}
