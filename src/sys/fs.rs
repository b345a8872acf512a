//! Files and directories; every error names its path.
//!
//! All that changes the disk goes through [`Files`], which asks a [`Probe`] first. In the program there is none;
//! a test's probe counts the steps, makes the k-th one fail, or makes all from the k-th on fail, which is what a
//! crash looks like from the disk's side.

use std::ffi::OsString;
use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::SystemTime;

use nix::unistd::{AccessFlags, access};

pub use std::fs::{File, FileType, Metadata};

/// An operation on a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} '{path}'")]
pub struct Error {
    /// What was tried: "read", "create".
    pub action: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}

impl Error {
    /// Whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Puts action and path on an `io::Error`.
pub trait PathContext<T> {
    /// `action` is a verb, as in "cannot read".
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> PathContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error { action, path: path.to_owned(), source })
    }
}

/// Sees each change of the disk before it happens, and may forbid it.
pub trait Probe: Send + Sync {
    /// `action` is the verb of the error that a failure becomes.
    fn before(&self, action: &'static str, path: &Path) -> io::Result<()>;
}

/// The file system. Cheap to clone.
#[derive(Clone, Default)]
pub struct Files {
    probe: Option<Arc<dyn Probe>>,
}

/// An entry of a directory.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name in the directory.
    pub name: OsString,
    /// Its path.
    pub path: PathBuf,
    /// Its own metadata: of a symbolic link, that of the link.
    pub metadata: Metadata,
}

/// An open file to which every write goes through the probe.
pub struct Writer<'a> {
    files: &'a Files,
    file: &'a File,
    path: &'a Path,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.files.write_all(self.file, bytes, self.path).map_err(|error| error.source)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files {
    /// A file system whose changes `probe` sees first.
    pub fn probed(probe: Arc<dyn Probe>) -> Self {
        Self { probe: Some(probe) }
    }

    fn step<T>(
        &self,
        action: &'static str,
        path: &Path,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, Error> {
        let allowed = self.probe.as_ref().map_or(Ok(()), |probe| probe.before(action, path));
        allowed.and_then(|()| run()).at(action, path)
    }

    // Reading.

    /// The whole of a small file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        fs::read(path).at("read", path)
    }

    /// The whole of a small file; `None` when there is none.
    pub fn read_if_exists(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        match self.read(path) {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &Path) -> Result<File, Error> {
        File::open(path).at("open", path)
    }

    /// Metadata, of what a symbolic link points to.
    pub fn metadata(&self, path: &Path) -> Result<Metadata, Error> {
        fs::metadata(path).at("examine", path)
    }

    /// Metadata; `None` when nothing is there. A symbolic link is not followed.
    pub fn symlink_metadata(&self, path: &Path) -> Result<Option<Metadata>, Error> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).at("examine", path),
        }
    }

    /// Whether something is there; a broken symbolic link is something.
    pub fn exists(&self, path: &Path) -> Result<bool, Error> {
        Ok(self.symlink_metadata(path)?.is_some())
    }

    /// Whether a directory is there, or a symbolic link to one.
    pub fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    /// The entries of a directory, sorted by name. Entries that vanish meanwhile are left out.
    pub fn list(&self, dir: &Path) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).at("list", dir)? {
            let entry = entry.at("list", dir)?;
            match entry.metadata() {
                Ok(metadata) => entries.push(Entry { name: entry.file_name(), path: entry.path(), metadata }),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(source).at("examine", &entry.path()),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// As `list`; a directory that does not exist has no entries.
    pub fn list_if_exists(&self, dir: &Path) -> Result<Vec<Entry>, Error> {
        match self.list(dir) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => other,
        }
    }

    /// Tells `visit` the name and kind of each entry, in no order: for directories of hundreds of thousands, of
    /// which neither metadata nor a list should be made. A directory that does not exist has no entries.
    pub fn visit(&self, dir: &Path, mut visit: impl FnMut(OsString, FileType)) -> Result<(), Error> {
        let entries = match fs::read_dir(dir) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at("list", dir)?,
        };
        for entry in entries {
            let entry = entry.at("list", dir)?;
            match entry.file_type() {
                Ok(kind) => visit(entry.file_name(), kind),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(source).at("examine", &entry.path()),
            }
        }
        Ok(())
    }

    /// The path with every symbolic link resolved; the part that does not exist stays as it is.
    pub fn real_path(&self, path: &Path) -> PathBuf {
        if let Ok(real) = fs::canonicalize(path) {
            return real;
        }
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if parent != Path::new("") => self.real_path(parent).join(name),
            _ => path.to_owned(),
        }
    }

    /// What a symbolic link says, which may be relative to its directory; `None` when there is no link.
    pub fn read_link(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        match fs::read_link(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                Ok(None)
            }
            other => other.map(Some).at("read link", path),
        }
    }

    /// Fails when we may not make files in the directory, or look into it.
    pub fn ensure_writable(&self, dir: &Path) -> Result<(), Error> {
        let wanted = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
        access(dir, wanted).map_err(io::Error::from).at("write to", dir)
    }

    /// Bytes that can still be written on the file system of `path`.
    pub fn available_space(&self, path: &Path) -> Result<u64, Error> {
        fs2::available_space(path).at("examine", path)
    }

    // Changing.

    /// Makes a directory and those above it.
    pub fn create_dir_all(&self, dir: &Path) -> Result<(), Error> {
        self.step("create directory", dir, || fs::create_dir_all(dir))
    }

    /// Makes a directory that must not exist yet.
    pub fn create_dir(&self, dir: &Path, mode: u32) -> Result<(), Error> {
        self.step("create directory", dir, || fs::DirBuilder::new().mode(mode).create(dir))
    }

    /// Makes a file that must not exist yet.
    pub fn create_new(&self, path: &Path, mode: u32) -> Result<File, Error> {
        self.step("create", path, || {
            OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
        })
    }

    /// Makes a file, emptying the one that is there.
    pub fn create(&self, path: &Path) -> Result<File, Error> {
        self.step("create", path, || File::create(path))
    }

    /// A file without a name, which is gone when it is closed, and the name it had, for errors.
    pub fn scratch(&self) -> Result<(File, PathBuf), Error> {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = std::env::temp_dir().join(format!(".barman-{}-{nanos}.tmp", process::id()));
        let file = self.step("create", &path, || {
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)
        })?;
        self.remove_file(&path)?;
        Ok((file, path))
    }

    /// Opens a file for reading and writing, making it when there is none.
    pub fn open_writable(&self, path: &Path) -> Result<File, Error> {
        self.step("open", path, || {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        })
    }

    /// Writes to an open file, `path` being its name.
    pub fn write_all(&self, mut file: &File, bytes: &[u8], path: &Path) -> Result<(), Error> {
        self.step("write", path, || file.write_all(bytes))
    }

    /// Writes to an open file at `offset`, `path` being its name; its position stays.
    pub fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64, path: &Path) -> Result<(), Error> {
        self.step("write", path, || file.write_all_at(bytes, offset))
    }

    /// An open file as a [`Write`] for encoders, `path` being its name; its errors lack the path.
    pub fn writer<'a>(&'a self, file: &'a File, path: &'a Path) -> Writer<'a> {
        Writer { files: self, file, path }
    }

    /// Appends up to `limit` bytes of an open file to another, `path` being its name; gives how many, 0 at the end.
    ///
    /// The kernel moves them, or has both files share them where the file system can do that.
    pub fn copy_chunk(&self, from: &File, mut to: &File, limit: u64, path: &Path) -> Result<u64, Error> {
        self.step("write", path, || io::copy(&mut from.take(limit), &mut to))
    }

    /// Asks the disk to keep what was written to an open file, `path` being its name.
    pub fn sync(&self, file: &File, path: &Path) -> Result<(), Error> {
        self.step("sync", path, || file.sync_all())
    }

    /// Shortens or lengthens an open file, `path` being its name.
    pub fn set_len(&self, file: &File, len: u64, path: &Path) -> Result<(), Error> {
        self.step("truncate", path, || file.set_len(len))
    }

    /// Asks the disk to keep the names in a directory.
    pub fn sync_dir(&self, dir: &Path) -> Result<(), Error> {
        self.step("sync", dir, || File::open(dir)?.sync_all())
    }

    /// Asks the disk to keep everything on the file system that holds `path`: one request for a whole tree.
    pub fn sync_filesystem(&self, path: &Path) -> Result<(), Error> {
        self.step("sync", path, || nix::unistd::syncfs(&File::open(path)?).map_err(io::Error::from))
    }

    /// Gives a file another name, replacing what has it.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.step("rename", from, || fs::rename(from, to))
    }

    /// Gives a file a second name, which must be free.
    pub fn hard_link(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.step("link", from, || fs::hard_link(from, to))
    }

    /// Makes a symbolic link at `link` that says `target`.
    pub fn symlink(&self, target: &Path, link: &Path) -> Result<(), Error> {
        self.step("link", link, || std::os::unix::fs::symlink(target, link))
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &Path) -> Result<(), Error> {
        self.step("remove", path, || fs::remove_file(path))
    }

    /// Removes a file; that there is none is success.
    pub fn remove_file_if_exists(&self, path: &Path) -> Result<(), Error> {
        match self.remove_file(path) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, dir: &Path) -> Result<(), Error> {
        self.step("remove", dir, || fs::remove_dir(dir))
    }

    /// Removes a directory and all in it; that there is none is success. Symbolic links are not followed.
    pub fn remove_tree(&self, dir: &Path) -> Result<(), Error> {
        match self.step("remove", dir, || fs::remove_dir_all(dir)) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Sets the permission bits.
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<(), Error> {
        self.step("change the mode of", path, || fs::set_permissions(path, Permissions::from_mode(mode)))
    }

    /// Sets the time of the last change on an open file, `path` being its name.
    pub fn set_modified(&self, file: &File, modified: SystemTime, path: &Path) -> Result<(), Error> {
        self.step("set the time of", path, || file.set_times(FileTimes::new().set_modified(modified)))
    }

    /// Puts `content` at `path` so that a reader at any moment, or after a power cut, finds the old file or the
    /// new one: a temporary name beside it, sync, rename, sync of the directory.
    pub fn replace_durably(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        self.replace(path, content, None)
    }

    /// As [`Files::replace_durably`], with the permissions of the file that is replaced; a new one is its owner's alone.
    pub fn replace_durably_alike(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let mode = match self.metadata(path) {
            Ok(metadata) => metadata.permissions().mode() & 0o7777,
            Err(error) if error.is_not_found() => 0o600,
            Err(error) => return Err(error),
        };
        self.replace(path, content, Some(mode))
    }

    fn replace(&self, path: &Path, content: &[u8], mode: Option<u32>) -> Result<(), Error> {
        let temporary = temporary_beside(path);
        let written = self.create(&temporary).and_then(|file| {
            if let Some(mode) = mode {
                self.set_mode(&temporary, mode)?;
            }
            self.write_all(&file, content, &temporary)?;
            self.sync(&file, &temporary)?;
            self.rename(&temporary, path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.sync_dir(parent(path))
    }

    /// Removes a file and makes sure that it stays removed; that there is none is success.
    pub fn remove_durably(&self, path: &Path) -> Result<(), Error> {
        self.remove_file_if_exists(path)?;
        self.sync_dir(parent(path))
    }
}

/// A name beside `path` that no other process of ours uses and that every Barman ignores.
pub fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", process::id()))
}

/// Whether a path that somebody else has written leads below the directory that it is taken from: it names something, and
/// has no root and no dots.
pub fn leads_below(path: &Path) -> bool {
    !path.as_os_str().is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// The directory that holds `path`.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// Gives `take` what `content` has, piece by piece from where it lies: one copy less than `io::copy` makes. Tells how many
/// bytes that was; of an error of reading, `unread` makes what it is here.
pub fn hand_on<E>(
    mut content: impl BufRead,
    unread: impl Fn(io::Error) -> E,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut bytes = 0;
    loop {
        let piece = match content.fill_buf() {
            Ok([]) => return Ok(bytes),
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(error)),
        };
        take(piece)?;
        let count = piece.len();
        bytes += count as u64;
        content.consume(count);
    }
}

/// Reads at most `limit` bytes from the beginning of a file.
pub fn read_head(mut file: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(limit);
    file.by_ref().take(limit as u64).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testkit::CrashAfter;

    #[test]
    fn a_path_leads_below_when_it_names_something_there() {
        for path in ["a", "a/b", "a..b", "..."] {
            assert!(leads_below(Path::new(path)), "{path}");
        }
        for path in ["", "/", "/a", ".", "..", "./a", "../a", "a/..", "a/../b"] {
            assert!(!leads_below(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_replaced_file_is_the_old_or_the_new_one_wherever_it_stops() {
        for allowed in 0..6 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("backup.info");
            Files::default().replace_durably(&path, b"old").unwrap();
            let files = Files::probed(CrashAfter::new(allowed));
            let done = files.replace_durably(&path, b"new").is_ok();
            let content = fs::read(&path).unwrap();
            assert!(content == b"old" && !done || content == b"new", "stopped after {allowed} steps");
        }
    }

    #[test]
    fn only_links_say_where_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let (files, link) = (Files::default(), dir.path().join("link"));
        files.symlink(Path::new("nowhere"), &link).unwrap();
        assert_eq!(files.read_link(&link).unwrap(), Some(PathBuf::from("nowhere")));
        assert_eq!(files.read_link(dir.path()).unwrap(), None);
        assert_eq!(files.read_link(&dir.path().join("absent")).unwrap(), None);
    }

    #[test]
    fn errors_name_the_path() {
        let error = Files::default().read(Path::new("/nowhere/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read '/nowhere/file'");
        assert!(error.is_not_found());
    }
}
