//! Copying trees of files over rsync and SSH.
mod endpoint;
pub mod filter;
mod lines;
pub mod listing;
pub mod rsync;
pub mod smart_copy;
pub mod ssh;
pub use endpoint::{Endpoint, Location};
pub use smart_copy::{
    CopyItem, CopyReport, CopyStats, Error, ItemKind, Retry, ReuseMode, SmartCopy, StartThrottle,
    SymbolicLink,
};
pub use ssh::SshCommand;
