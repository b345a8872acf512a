//! The use cases. Each decides, acts, tells events as it goes and returns its answer; none prints.
//!
//! Here the subjects come together: a backup needs the catalogue, the archive, PostgreSQL and the copy; none of
//! these knows the others. Use cases that reach out to a server take a [`Server`]; those on its backups take only
//! what they need of it.

pub mod archive_wal;
pub mod backup;
pub mod backup_archives;
pub mod check;
pub mod check_backup;
pub mod check_wal_archive;
mod compression;
pub mod config_switch;
pub mod config_update;
pub mod cron;
pub mod delete;
pub mod diagnose;
mod disk_use;
mod encryption;
mod error;
pub mod exchange;
pub mod generate_manifest;
pub mod get_wal;
pub mod hooks;
pub mod keep;
pub mod list_backups;
pub mod list_files;
pub mod live_status;
pub mod lock_directory;
mod primary;
pub mod processes;
pub mod put_wal;
pub mod rebuild_xlogdb;
pub mod replication_status;
pub mod restore;
pub mod restore_command;
pub mod retention;
mod server;
mod several;
pub mod show_backup;
pub mod show_server;
pub mod status;
mod strategy;
pub mod switch_wal;
pub mod sync;
mod time_limit;
pub mod verify_backup;
pub mod wal_client;
mod wal_use;

pub use error::Error;
pub use server::{CopySettings, Server, reuse_mode};

use crate::sys::Context;

/// Tells of an error that does not end the use case.
fn tell(context: &Context, error: &Error) {
    context.events.error(&error.description());
}

/// A truth value as Barman shows it.
fn python_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
