//! Answers as people and programs read them.
//!
//! [`console`] writes a [`view`](crate::view) as a person reads it, in Barman's lines and columns, which scripts
//! parse, and does not know where it comes from; [`json`] writes documents for programs. [`Terminal`] is where text goes: answers to standard output;
//! progress, warnings and errors to standard error.

pub mod console;
pub mod json;
mod progress_line;
mod terminal;

pub use terminal::{Terminal, TerminalOptions};
