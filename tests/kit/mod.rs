//! What the end-to-end tests stand on: a real PostgreSQL, a real sshd, and a barman between them.
//!
//! A [`World`] is one story's own: its directory, ports, servers and users' homes are shared with nobody and gone
//! when it is dropped, also when the test panics. Programs that outlive a killed test are ended by the kernel.
//!
//! Everything runs unprivileged. Started as root, the process first becomes `postgres` (see [`tools`]).

#![allow(dead_code, reason = "each test binary uses the part of the kit that it needs")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code")]

pub mod cluster;
pub mod database_host;
pub mod gpg;
pub mod program;
pub mod scripted;
pub mod site;
pub mod sshd;
pub mod tools;
pub mod world;

use std::thread;
use std::time::{Duration, Instant};

pub use cluster::Cluster;
pub use database_host::{Clients, DatabaseHost};
pub use gpg::Keyring;
pub use program::{Outcome, Running};
pub use site::Site;
pub use sshd::Sshd;
pub use tools::Version;
pub use world::World;

/// How long a condition may take to come true; generous, since the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds, and fails the test when it does not.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes, other than our own, whose command line mentions `text`.
pub fn processes_mentioning(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if pid != std::process::id() && command.contains(text) {
            found.push(format!("{pid} {}", command.trim_end()));
        }
    }
    found
}
