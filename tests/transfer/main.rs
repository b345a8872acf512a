//! Copies by real rsyncs through a real sshd.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod backup;
mod change;
mod hosts;
mod kit;
mod remote;
mod restore;
mod trouble;
