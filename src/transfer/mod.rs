//! Copying trees of files over rsync and SSH.
//!
//! [`SmartCopy`] is the whole of a copy: what goes where, by how many workers, and what an earlier copy is good for.
//! It plans with [`listing`]s, leaves out what [`filter`] says, and runs [`rsync`] over [`ssh`]. All of these are
//! argument vectors; no shell of this host ever sees them.

mod endpoint;
pub mod filter;
mod lines;
pub mod listing;
pub mod rsync;
mod smart_copy;
pub mod ssh;

pub use endpoint::{Endpoint, Location};
pub use smart_copy::{
    CopyItem, CopyReport, CopyStats, Error, ItemKind, Retry, ReuseMode, SmartCopy, StartThrottle,
    SymbolicLink,
};
pub use ssh::SshCommand;
