//! The copy engine on real rsync and a real sshd.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, reason = "this is test code")]

mod backup;
mod kit;
mod remote;
mod restore;
mod trouble;
