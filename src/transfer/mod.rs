//! Copying trees of files, by rsync, to and from the host that an SSH command reaches.
//!
//! [`SmartCopy`](smart_copy::SmartCopy) copies a whole cluster for a backup or a restore. It stands on
//! [`rsync::Rsync`], one call of rsync as a value, and on what rsync prints: a [`listing`], or the files it
//! copies and how far it is. [`SshCommand`] is the command of the configuration; it also runs single commands on
//! the other host. Every program is given its arguments as a vector, runs in a process group of its own without
//! standard input of ours, and is ended with the work it belongs to.
//!
//! rsync 3.0.0 and later do on either side. File names are bytes throughout.

mod endpoint;
pub mod filter;
mod lines;
pub mod listing;
pub mod remote;
mod retry;
pub mod rsync;
pub mod smart_copy;
pub mod ssh;
pub mod words;

pub use endpoint::{Endpoint, Location};
pub use filter::Filters;
pub use retry::Retry;
pub use ssh::{ConnectionTest, SshCommand};
