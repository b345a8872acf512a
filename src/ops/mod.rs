//! The use cases: each answers with a value or sends events, none prints.

pub mod archive_wal;
pub mod check_backup;
pub mod delete;
mod disk_use;
mod error;
pub mod list_backups;
pub mod list_files;
pub mod retention;
pub mod show_backup;
mod wal_use;

pub use error::Error;

use crate::sys::Context;

/// Tells of an error that does not end the use case.
fn tell(context: &Context, error: &Error) {
    context.events.error(&describe(error));
}

/// An error with its causes behind it, and what can be done about it below.
fn describe(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{}\nHINT: {hint}", with_causes(error)),
        None => with_causes(error),
    }
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
