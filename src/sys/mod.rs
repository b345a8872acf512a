//! The world outside: clock, files, processes, locks, the user, the words we say.
//!
//! Nothing above this module touches `std::fs`, `std::process`, `std::env` or the system clock, nor, but for `pg`, a
//! socket; each use case is given a [`Context`], in which tests put a clock that moves when told, a process runner that
//! plays a script, and a probe that makes the k-th step on files fail.

pub mod boot;
pub mod cancel;
pub mod clock;
pub mod env;
pub mod events;
pub mod fs;
pub mod lock;
pub mod log_file;
pub mod other_process;
pub mod process;
#[cfg(test)]
pub mod testkit;
pub mod user;

use std::sync::Arc;

pub use cancel::{Cancel, Cancelled};
pub use clock::{Clock, SystemClock};
pub use events::{Events, Progress, Severity};
pub use fs::Files;
pub use lock::Lock;
pub use process::{Command, Feeder, Finished, Processes, SystemProcesses};

/// All that a use case needs of the world. Cheap to clone and to hand to threads.
#[derive(Clone)]
pub struct Context {
    /// Files and directories.
    pub files: Files,
    /// Time, and waiting.
    pub clock: Arc<dyn Clock>,
    /// Other programs: ssh, rsync, hook scripts.
    pub processes: Arc<dyn Processes>,
    /// What we tell the person and the log.
    pub events: Arc<dyn Events>,
    /// Set when the person or the system asks us to stop.
    pub cancel: Cancel,
}

impl Context {
    /// The real world, telling `events` what happens.
    pub fn new(events: Arc<dyn Events>, cancel: Cancel) -> Self {
        Self {
            files: Files::default(),
            clock: Arc::new(SystemClock),
            processes: Arc::new(SystemProcesses),
            events,
            cancel,
        }
    }
}
