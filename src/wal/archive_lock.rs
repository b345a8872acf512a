use std::path::Path;

use crate::sys::lock::Error;
use crate::sys::{Cancel, Lock};

/// The note of a holder that knows: every file of the archive has its line.
const COMPLETE: &str = "complete";

/// The lock of xlog.db, held until dropped.
///
/// The Python Barman takes it too, for each file that it archives, and when it is killed at the wrong moment the file
/// has no line. The lock tells whether that can have happened: who has not held it has archived nothing.
pub(super) struct ArchiveLock {
    lock: Lock,
    /// Whether every file of the archive has its line. The holder sets it; it is known to the next one if no other
    /// program takes the lock in between, and this process lives to let go of it.
    pub is_complete: bool,
}

impl ArchiveLock {
    pub fn acquire(path: &Path, cancel: &Cancel) -> Result<Self, Error> {
        let lock = Lock::acquire(path, cancel)?;
        let is_complete = lock.note() == COMPLETE;
        Ok(Self { lock, is_complete })
    }
}

impl Drop for ArchiveLock {
    fn drop(&mut self) {
        if self.is_complete {
            // Without the note the next holder only has more to look at.
            let _ = self.lock.leave_note(COMPLETE);
        }
    }
}
