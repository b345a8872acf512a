//! Answers as text.
//!
//! A [`view`] is the answer of one command: plain values, exact. [`console`] writes it as a person reads it, in
//! Barman's lines and columns, which scripts parse. Neither knows where an answer comes from.

pub mod console;
pub mod view;
