//! A disk that fails, for tests.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fs::Probe;

/// Lets `allowed` steps happen and then none: the disk after a crash at that step.
pub struct CrashAfter {
    allowed: usize,
    seen: AtomicUsize,
}

impl CrashAfter {
    /// A disk on which `allowed` steps succeed.
    pub fn new(allowed: usize) -> Arc<Self> {
        Arc::new(Self { allowed, seen: AtomicUsize::new(0) })
    }

    /// How many steps were tried.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Probe for CrashAfter {
    fn before(&self, _: &'static str, _: &Path) -> io::Result<()> {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        if seen < self.allowed { Ok(()) } else { Err(io::Error::other("crashed")) }
    }
}
