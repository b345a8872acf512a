use std::path::Path;

use crate::sys::lock::Error;
use crate::sys::{Cancel, Lock, boot, lock};

/// The note of a holder that knows: every file of the archive has its line. The word of the machine's start follows.
///
/// Nobody has the disk keep the lock file: after a power cut it may be an old one, that was there before another program
/// held the lock. So a note counts until the machine stops.
const COMPLETE: &str = "complete";

/// The lock of xlog.db, held until dropped.
///
/// The Python Barman takes it too, for each file that it archives, and when it is killed at the wrong moment the file
/// has no line. The lock tells whether that can have happened: who has not held it has archived nothing.
pub(super) struct ArchiveLock {
    lock: Lock,
    /// What is left behind when the archive is complete; `None` where a note could outlive the truth.
    note: Option<String>,
    /// Whether the last holder left the archive complete, and nobody held the lock since.
    pub was_complete: bool,
    /// Whether every file of the archive has its line. The holder sets it when it knows; it is known to the next one if
    /// no other program takes the lock in between, and this process lives to let go of it.
    pub is_complete: bool,
}

impl ArchiveLock {
    pub fn acquire(path: &Path, cancel: &Cancel) -> Result<Self, Error> {
        let lock = Lock::acquire(path, cancel)?;
        let note = current_note();
        let was_complete = note.as_ref().is_some_and(|note| lock.note() == note);
        Ok(Self { lock, note, was_complete, is_complete: false })
    }

    /// Whether the last holder left the archive complete, and nobody has taken the lock since.
    pub fn tells_complete(path: &Path) -> bool {
        current_note().is_some_and(|note| lock::note_at(path).is_ok_and(|left| left == note))
    }
}

/// The note that counts until the machine stops.
fn current_note() -> Option<String> {
    boot::boot_id().map(|boot| format!("{COMPLETE} {boot}"))
}

impl Drop for ArchiveLock {
    fn drop(&mut self) {
        // Without the note the next holder only has more to look at.
        if let Some(note) = self.note.as_ref().filter(|_| self.is_complete) {
            let _ = self.lock.leave_note(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_until_the_machine_stops() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-xlogdb.lock");
        let take = || ArchiveLock::acquire(&path, &Cancel::default()).unwrap();
        assert!(!ArchiveLock::tells_complete(&path));
        take().is_complete = true;
        assert!(ArchiveLock::tells_complete(&path));
        let holder = take();
        assert!(holder.was_complete && !ArchiveLock::tells_complete(&path));
        drop(holder);
        assert!(!take().was_complete, "the holder before did not know");
        for note in ["complete", "complete 3f0c7d3e-0000-4000-8000-000000000000"] {
            std::fs::write(&path, format!("4711\n{note}")).unwrap();
            assert!(!ArchiveLock::tells_complete(&path) && !take().was_complete, "{note}");
        }
    }
}
