//! Time, and waiting for it to pass.

use std::time::Duration;

use chrono::Local;

use super::cancel::{Cancel, Cancelled};
use crate::types::Timestamp;

/// Tells the time and waits; tests have one that moves when told.
pub trait Clock: Send + Sync {
    /// The moment in local time.
    fn now(&self) -> Timestamp;

    /// Waits for `span`, or shorter when `cancel` is set meanwhile.
    fn sleep(&self, span: Duration, cancel: &Cancel) -> Result<(), Cancelled>;
}

/// The clock of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Local::now().fixed_offset()
    }

    fn sleep(&self, span: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        cancel.sleep(span)
    }
}
