//! Answers as people and programs read them.
//!
//! A [`view`] is the answer of one command: plain values, exact. [`console`] writes it as a person reads it, in
//! Barman's lines and columns, which scripts parse. Neither knows where an answer comes from. [`Terminal`] is where
//! text goes: answers to standard output; progress, warnings and errors to standard error.

pub mod console;
mod progress_line;
mod terminal;
pub mod view;

pub use terminal::{Terminal, TerminalOptions};
