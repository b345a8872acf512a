//! How long the functions take that everything else waits for.
//!
//! `cargo bench` runs all in about a minute, `cargo bench codec` those of one subject. What whole commands take, and how
//! that grows, `benches/peers.sh` tells.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to tell")]

mod archive;
mod catalog;
mod codec;
mod config;
mod manifest;
mod names;

use std::sync::Arc;
use std::time::Duration;

use barman::sys::events::Silent;
use barman::sys::{Cancel, Context};

fn main() {
    divan::Divan::default().max_time(Duration::from_secs(1)).config_with_args().main();
}

/// The real world, in which nobody listens.
fn context() -> Context {
    Context::new(Arc::new(Silent), Cancel::default())
}
