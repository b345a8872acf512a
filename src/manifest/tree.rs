use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Error, FILE_NAME};
use crate::sys::fs::Metadata;
use crate::sys::{Cancel, Files};

/// What `pg_verifybackup` leaves out, with all that is below it: PostgreSQL sends the WAL another way, and a recovery
/// writes the others.
const LEFT_OUT: [&str; 5] =
    [FILE_NAME, "pg_wal", "postgresql.auto.conf", "recovery.signal", "standby.signal"];

/// What is in no manifest at all.
const NEVER_LISTED: [&str; 2] = [FILE_NAME, "pg_wal"];

/// The directories beside a data directory that hold the tablespaces, by their paths in it (`pg_tblspc/<oid>`).
pub type Tablespaces = Vec<(PathBuf, PathBuf)>;

/// What lies in a data directory, by its name there.
pub(super) enum Found {
    File(PathBuf),
    /// Neither a file nor a directory, or a link that leads to neither.
    Other(PathBuf),
}

/// The data directory of a backup.
#[derive(Clone)]
pub struct Tree {
    files: Files,
    cancel: Cancel,
    root: PathBuf,
    /// Tablespaces that no link in the data directory leads to any more, as after the backup was moved.
    moved: Tablespaces,
}

impl Tree {
    /// The data directory at `root`. Tablespaces that its own links lead to are part of it; those whose links are gone
    /// or lead nowhere are looked for in `tablespaces`.
    pub fn new(files: &Files, cancel: &Cancel, root: PathBuf, tablespaces: Tablespaces) -> Self {
        let is_moved =
            |(link, dir): &(PathBuf, PathBuf)| !files.is_dir(&root.join(link)) && files.is_dir(dir);
        let moved = tablespaces.into_iter().filter(is_moved).collect();
        Self { files: files.clone(), cancel: cancel.clone(), root, moved }
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The data directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its manifest lies.
    pub fn manifest(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }

    /// Where the file lies that a manifest calls `name`.
    pub(super) fn path_of(&self, name: &Path) -> PathBuf {
        let beside = |(link, dir): &(PathBuf, PathBuf)| Some(dir.join(name.strip_prefix(link).ok()?));
        self.moved.iter().find_map(beside).unwrap_or_else(|| self.root.join(name))
    }

    /// Gives `found` what a manifest of the tree has to list, one by one.
    pub(super) fn list(&self, found: &mut dyn FnMut(Found) -> Result<(), Error>) -> Result<(), Error> {
        let mut walk = Walk { tree: self, skip: &is_never_listed, above: Vec::new() };
        walk.directory(Path::new(""), &self.root, found)
    }

    /// Gives `found` what a verification expects in the manifest, one by one; of the tablespaces, those that
    /// `is_listed`.
    pub(super) fn list_expected(
        &self,
        is_listed: &dyn Fn(&Path) -> bool,
        found: &mut dyn FnMut(Found) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let is_tablespace = |name: &Path| name.parent() == Some(Path::new("pg_tblspc"));
        let skip = |name: &Path| is_left_out(name) || is_tablespace(name) && !is_listed(name);
        let mut walk = Walk { tree: self, skip: &skip, above: Vec::new() };
        walk.directory(Path::new(""), &self.root, found)?;
        for (link, dir) in self.moved.iter().filter(|(link, _)| is_listed(link)) {
            walk.directory(link, dir, found)?;
        }
        Ok(())
    }
}

/// Whether no manifest lists a file.
pub(super) fn is_never_listed(name: &Path) -> bool {
    is_below(name, &NEVER_LISTED)
}

/// Whether a verification passes a file by.
pub(super) fn is_left_out(name: &Path) -> bool {
    is_below(name, &LEFT_OUT)
}

fn is_below(name: &Path, tops: &[&str]) -> bool {
    tops.iter().any(|top| name.starts_with(top))
}

/// A way through the directories of a tree. Symbolic links are followed, as PostgreSQL follows them.
struct Walk<'a> {
    tree: &'a Tree,
    skip: &'a dyn Fn(&Path) -> bool,
    /// The directories that lead here, by device and inode: a link to one of them would never end.
    above: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        name: &Path,
        dir: &Path,
        found: &mut dyn FnMut(Found) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.tree.cancel.check()?;
        let own = identity(&self.tree.files.metadata(dir)?);
        if self.above.contains(&own) {
            return Err(Error::Loop(dir.to_owned()));
        }
        self.above.push(own);
        // A directory may hold millions of files: of each only the name is remembered.
        let (mut names, mut directories) = (Vec::new(), Vec::new());
        self.tree.files.visit(dir, |entry, kind| match kind.is_dir() {
            true => directories.push(entry),
            false => names.push((entry, kind.is_file())),
        })?;
        names.sort_unstable();
        directories.sort_unstable();
        for (entry, is_file) in names {
            self.file(name, dir, entry, is_file, found)?;
        }
        for entry in directories {
            let below = name.join(&entry);
            if !(self.skip)(&below) {
                self.directory(&below, &dir.join(entry), found)?;
            }
        }
        self.above.pop();
        Ok(())
    }

    fn file(
        &mut self,
        name: &Path,
        dir: &Path,
        entry: OsString,
        is_file: bool,
        found: &mut dyn FnMut(Found) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (below, path) = (name.join(&entry), dir.join(entry));
        let is_elsewhere = self.tree.moved.iter().any(|(link, _)| *link == below);
        if is_elsewhere || (self.skip)(&below) {
            return Ok(());
        }
        if is_file {
            return found(Found::File(below));
        }
        match self.tree.files.metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.directory(&below, &path, found),
            Ok(metadata) if metadata.is_file() => found(Found::File(below)),
            Ok(_) => found(Found::Other(below)),
            Err(error) if error.is_not_found() => found(Found::Other(below)),
            Err(error) => Err(error.into()),
        }
    }
}

fn identity(directory: &Metadata) -> (u64, u64) {
    (directory.dev(), directory.ino())
}
