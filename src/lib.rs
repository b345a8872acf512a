//! Backup and recovery of PostgreSQL, on the files that Barman reads and writes.
//!
//! The modules are layers; imports point downward, or sideways to `types`:
//!
//! * [`cli`]: the command line, one file per command; turns errors into exit codes.
//! * [`output`]: answers as console text; [`ops`]: the use cases (backup, restore, check, cron).
//! * [`view`]: what the use cases answer and `output` renders.
//! * [`catalog`], [`wal`], [`pg`], [`transfer`], [`manifest`], [`codec`]: what we know how to do, one subject each.
//! * [`config`]: the settings of a server; [`sys`]: clock, files, processes, locks.
//! * [`types`]: pure values.

pub mod catalog;
pub mod cli;
pub mod codec;
pub mod config;
#[cfg(test)]
mod documents;
pub mod manifest;
pub mod ops;
pub mod output;
pub mod pg;
pub mod sys;
pub mod transfer;
pub mod types;
pub mod view;
pub mod wal;
