//! Lock files that exclude the Python Barman too: same names, same `flock(2)`, the owner's pid inside.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use fs2::FileExt;

use super::cancel::Cancel;

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
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock if it is free; `None` when somebody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, Error> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(|source| error(path, source))?;
            match FileExt::try_lock_exclusive(&file) {
                Ok(()) => {}
                Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(source) => return Err(error(path, source)),
            }
            // Python Barman's cron unlinks free lock files: between our open and our lock the name may have come
            // to mean another file, on which the next program would take a lock of its own.
            if is_same_file(&file, path) {
                write_pid(&file).map_err(|source| error(path, source))?;
                return Ok(Some(Self { file, path: path.to_owned() }));
            }
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

    /// Removes the file while the lock is held; for locks whose subject is gone, as that of a deleted backup.
    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(|source| error(&self.path, source))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would release it too, but not while a child process still has the descriptor.
        let _ = FileExt::unlock(&self.file);
    }
}

/// The process that holds the lock at `path`, if one does and has written its number.
pub fn holder(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    match FileExt::try_lock_shared(&file) {
        Ok(()) => None,
        Err(_) => std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok(),
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn write_pid(mut file: &File) -> io::Result<()> {
    let line = format!("{}\n", process::id());
    file.rewind()?;
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
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
    fn a_lock_file_unlinked_meanwhile_is_not_taken_for_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".main-xlogdb.lock");
        let first = Lock::try_acquire(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_same_file(&first.file, &path));
        let second = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(is_same_file(&second.file, &path));
    }
}
