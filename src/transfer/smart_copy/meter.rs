use std::sync::Mutex;

use super::pool::lock;
use crate::sys::{Events, Progress};

/// Adds up how far several workers are, and tells it.
pub(super) struct Meter<'a> {
    events: &'a dyn Events,
    phase: &'static str,
    total_bytes: Option<u64>,
    bytes: Mutex<u64>,
}

impl<'a> Meter<'a> {
    pub fn new(events: &'a dyn Events, phase: &'static str, total_bytes: Option<u64>) -> Self {
        events.progress(Progress { phase, bytes: 0, total_bytes });
        Self { events, phase, total_bytes, bytes: Mutex::new(0) }
    }

    /// The share of one worker, which begins at nothing.
    pub fn share(&self) -> Share<'_> {
        Share { meter: self, bytes: 0 }
    }
}

/// How far one worker is.
pub(super) struct Share<'a> {
    meter: &'a Meter<'a>,
    bytes: u64,
}

impl Share<'_> {
    /// So much of the share is done; less than before when something has to be done again.
    pub fn set(&mut self, bytes: u64) {
        if bytes == self.bytes {
            return;
        }
        // The lock is kept while it is told, so that the numbers do not overtake one another.
        let mut all = lock(&self.meter.bytes);
        *all = all.saturating_sub(self.bytes).saturating_add(bytes);
        self.bytes = bytes;
        let Meter { phase, total_bytes, .. } = *self.meter;
        self.meter.events.progress(Progress { phase, bytes: *all, total_bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Severity;

    #[derive(Default)]
    struct Told(Mutex<Vec<u64>>);

    impl Events for Told {
        fn say(&self, _: Severity, _: &str) {}

        fn progress(&self, progress: Progress<'_>) {
            lock(&self.0).push(progress.bytes);
        }
    }

    #[test]
    fn shares_add_up_and_may_begin_anew() {
        let told = Told::default();
        let meter = Meter::new(&told, "copying", Some(30));
        let (mut one, mut two) = (meter.share(), meter.share());
        one.set(10);
        two.set(5);
        two.set(5);
        one.set(0);
        one.set(20);
        assert_eq!(lock(&told.0)[..], [0, 10, 15, 5, 25]);
    }
}
