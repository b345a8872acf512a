//! Answers as people and programs read them.
//!
//! An [`Answer`] is a [`view`](crate::view) that knows its two forms: [`console`] writes it as a person reads it, in
//! Barman's lines and columns, which scripts parse; [`json`] makes a part of a document of it. Neither knows where
//! it comes from. [`Terminal`] is where it goes: answers to standard output; progress, warnings and errors to
//! standard error, or all together into the one JSON document.

mod answer;
pub mod console;
pub mod json;
mod progress_line;
mod terminal;

pub use answer::{Answer, BackupIds, Diagnosis, Servers, TakenBackup};
pub use terminal::{Format, RawOutput, Terminal, TerminalOptions};

/// Writes a share of one as `12.34%`.
fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
