//! The write-ahead log of a server: how it comes in, how it is kept, how it is found.

mod archive;
mod archive_lock;
mod attendant;
mod catalogue;
mod content;
mod error;
mod history;
mod incoming;
mod index;
mod intake;
mod names;
mod open_archive;
mod outlet;
mod rebuild;
mod shipment;
mod store;
#[cfg(test)]
mod testkit;
mod totals;
mod xlogdb;

pub use archive::{Archive, ArchivePaths, SYNC_RECORD, StoredAs};
pub use attendant::{Attendant, Outcome, PassingFile};
pub use catalogue::Entries;
pub use content::Content;
pub use error::Error;
pub use history::{Ancestor, TimelineHistory};
pub use intake::{IncomingSettings, IntakeReport, Step, archive_incoming, is_idle};
pub use names::temporary_of;
pub use open_archive::{Addition, Extent, OpenArchive, PageStart, Present, Removal};
pub use outlet::{Form, Found, Outlet};
pub use rebuild::{Rebuilt, Strangers};
pub use shipment::{Arrival, Digest, Received, Reception, ShipmentError, Shipper};
pub use totals::{Tally, Totals};
pub use xlogdb::XlogDbEntry;
