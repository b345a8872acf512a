//! Lock files that exclude the Python Barman too: same names, same `flock(2)`, the owner's pid inside.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use fs2::FileExt;

use super::cancel::Cancel;

/// How long a lock that is only looked at may be held: cron takes free ones for a moment, to probe or remove them.
const GLANCE: Duration = Duration::from_millis(200);

/// Why a lock could not be had; that somebody else holds it is not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not ours to open.
    #[error("Permission denied, unable to access '{0}'")]
    Permission(PathBuf),
    /// The file could not be made, locked or written.
    #[error("cannot lock '{path}'")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The wait was broken.
    #[error(transparent)]
    Cancelled(#[from] super::Cancelled),
}

/// A lock that is held until dropped. The file stays: another program may be waiting on it.
#[derive(Debug)]
pub struct Lock {
    /// None when it was handed over.
    file: Option<File>,
    path: PathBuf,
    note: String,
}

impl Lock {
    /// Takes the lock if it is free; `None` when somebody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, Error> {
        Self::try_acquire_by(path, FileExt::try_lock_exclusive)
    }

    fn try_acquire_by(
        path: &Path,
        try_lock: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Option<Self>, Error> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(|source| error(path, source))?;
            if !is_taken(try_lock(&file)).map_err(|source| error(path, source))? {
                return Ok(None);
            }
            // Python Barman's cron unlinks free lock files: between our open and our lock the name may have come
            // to mean another file, on which the next program would take a lock of its own.
            if is_same_file(&file, path) {
                let note = read_note(&file).map_err(|source| error(path, source))?;
                write_pid(&file, "").map_err(|source| error(path, source))?;
                return Ok(Some(Self { file: Some(file), path: path.to_owned(), note }));
            }
        }
    }

    /// Takes the lock; `None` when somebody works under it, not when somebody only looks whether it is free.
    pub fn acquire_for_work(path: &Path) -> Result<Option<Self>, Error> {
        Self::acquire_at_a_glance(|| Self::try_acquire(path))
    }

    /// Takes the lock together with others that only read under it; `None` when somebody works alone under it.
    pub fn acquire_for_reading(path: &Path) -> Result<Option<Self>, Error> {
        Self::acquire_at_a_glance(|| Self::try_acquire_by(path, FileExt::try_lock_shared))
    }

    fn acquire_at_a_glance(
        try_acquire: impl Fn() -> Result<Option<Self>, Error>,
    ) -> Result<Option<Self>, Error> {
        let started = Instant::now();
        loop {
            let lock = try_acquire()?;
            if lock.is_some() || started.elapsed() >= GLANCE {
                return Ok(lock);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes the lock, waiting until it is free.
    pub fn acquire(path: &Path, cancel: &Cancel) -> Result<Self, Error> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            cancel.sleep(pause)?;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// The note of the last holder: what [`Lock::leave_note`] wrote, unless somebody has held the lock since.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Leaves a line for the next holder, behind the pid. Whoever takes the lock wipes it, the Python Barman too:
    /// so a note says at the same time that nobody was there in between.
    pub fn leave_note(&self, note: &str) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        write_pid(file, note).map_err(|source| error(&self.path, source))
    }

    /// Gives the lock to whoever holds the file, a child process for instance: it is free when nobody does any more.
    pub fn hand_over(mut self) -> Option<File> {
        self.file.take()
    }

    /// Removes the file while the lock is held; for locks whose subject is gone, as that of a deleted backup.
    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(|source| error(&self.path, source))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would release it too, but not while a child process still has the descriptor.
        let _ = self.file.as_ref().map(FileExt::unlock);
    }
}

/// Whether a process holds the lock at `path`. Makes no file to find out.
pub fn is_held(path: &Path) -> Result<bool, Error> {
    let is_held = || match open_existing(path)? {
        Some(file) => Ok(!is_taken(file.try_lock_exclusive())?),
        None => Ok(false),
    };
    is_held().map_err(|source| error(path, source))
}

/// Removes the file at `path` unless a process holds the lock.
pub fn remove_if_free(path: &Path) -> Result<(), Error> {
    let remove = || match open_existing(path)? {
        // By the name there may be another file by now.
        Some(file) if is_taken(file.try_lock_exclusive())? && is_same_file(&file, path) => {
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    };
    remove().map_err(|source| error(path, source))
}

/// The process that holds the lock at `path`, if one does and has written its number.
pub fn holder(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    match FileExt::try_lock_shared(&file) {
        Ok(()) => None,
        Err(_) => std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok(),
    }
}

/// The note that whoever takes the lock at `path` next will find.
pub fn note_at(path: &Path) -> io::Result<String> {
    read_note(&File::open(path)?)
}

fn open_existing(path: &Path) -> io::Result<Option<File>> {
    // Network file systems give an exclusive lock only on a file that is open for writing.
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Whether an attempt took the lock; `false` when somebody holds it.
fn is_taken(attempt: io::Result<()>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(other) => Err(other),
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// The second line of the file: the first is the pid of the last holder.
fn read_note(file: &File) -> io::Result<String> {
    let mut head = Vec::new();
    file.take(256).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).lines().nth(1).unwrap_or_default().to_owned())
}

fn write_pid(mut file: &File, note: &str) -> io::Result<()> {
    let text = format!("{}\n{note}", process::id());
    // Shortened first: no crash in between can make the old note look like the new holder's.
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

fn error(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
        _ => Error::Io { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_refuses_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-backup.lock");
        let lock = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        assert_eq!(holder(&path), Some(process::id()));
        drop(lock);
        assert_eq!(holder(&path), None);
        assert!(Lock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn asking_and_tidying_leave_no_file_and_take_none_that_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-cron.lock");
        assert!(!is_held(&path).unwrap() && !path.exists());
        let lock = Lock::try_acquire(&path).unwrap().unwrap();
        remove_if_free(&path).unwrap();
        assert!(is_held(&path).unwrap() && path.exists());
        drop(lock);
        assert!(!is_held(&path).unwrap() && path.exists());
        remove_if_free(&path).unwrap();
        assert!(!path.exists());
        remove_if_free(&path).unwrap();
    }

    #[test]
    fn a_lock_that_was_handed_over_is_free_when_nobody_holds_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main@backup.lock");
        let take = || Lock::try_acquire(&path).unwrap();
        let held = take().unwrap().hand_over().unwrap();
        assert!(take().is_none());
        drop(held);
        assert!(take().is_some());
    }

    #[test]
    fn a_note_is_there_for_the_next_holder_and_gone_for_the_one_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-xlogdb.lock");
        let take = || Lock::try_acquire(&path).unwrap().unwrap();
        take().leave_note("all is well").unwrap();
        assert_eq!([(); 2].map(|()| take().note().to_owned()), ["all is well", ""]);
        // As the Python Barman writes.
        take().leave_note("all is well").unwrap();
        std::fs::write(&path, "4711\n").unwrap();
        assert_eq!(take().note(), "");
    }

    #[test]
    fn who_only_looks_at_a_lock_keeps_nobody_from_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-archive-wal.lock");
        let glance = Lock::try_acquire(&path).unwrap().unwrap();
        thread::scope(|scope| {
            let worker = scope.spawn(|| Lock::acquire_for_work(&path).unwrap().is_some());
            thread::sleep(Duration::from_millis(20));
            glance.remove().unwrap();
            assert!(worker.join().unwrap());
        });
        let _worker = Lock::acquire_for_work(&path).unwrap().unwrap();
        assert!(Lock::acquire_for_work(&path).unwrap().is_none());
    }

    #[test]
    fn a_lock_file_unlinked_meanwhile_is_not_taken_for_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-xlogdb.lock");
        let first = Lock::try_acquire(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_same_file(first.file.as_ref().unwrap(), &path));
        let second = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(is_same_file(second.file.as_ref().unwrap(), &path));
    }
}
