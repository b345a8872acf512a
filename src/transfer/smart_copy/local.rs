use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::file_list::{FileList, ROOT};
use super::runner::Runner;
use crate::sys::fs::{self, Metadata, PathContext, parent};

/// So much is copied between two looks whether to stop. What file systems share is whole blocks, of any size that
/// divides this.
const CHUNK_BYTES: u64 = 16 << 20;

/// What was copied.
#[derive(Default)]
pub(super) struct Done {
    pub files: u64,
    pub bytes: u64,
}

/// Copies files of the directory `source` of this host, which nobody changes, into another that has none of them,
/// with their modes and times. Links are followed. `tell` sees how many bytes are there.
///
/// The kernel moves the bytes; where the file system can do that, both files share them.
pub(super) fn copy(
    runner: &Runner,
    (source, destination): (&Path, &Path),
    list: &FileList,
    tell: impl FnMut(u64),
) -> Result<Done, Error> {
    let (made, directories) = (destination.to_owned(), BTreeMap::new());
    let mut copying = Copying { runner, source, destination, made, directories, done: Done::default(), tell };
    if list.names.starts_with(ROOT) {
        copying.take(Path::new(""))?;
    }
    let names = list.names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.map(|name| Path::new(OsStr::from_bytes(name))).try_for_each(|name| copying.take(name))?;
    copying.finish_directories()?;
    Ok(copying.done)
}

struct Copying<'a, F> {
    runner: &'a Runner<'a>,
    source: &'a Path,
    destination: &'a Path,
    /// The directory that was written to last: it is there.
    made: PathBuf,
    /// Those that were made, with what they were made after.
    directories: BTreeMap<PathBuf, Metadata>,
    done: Done,
    tell: F,
}

impl<F: FnMut(u64)> Copying<'_, F> {
    fn take(&mut self, name: &Path) -> Result<(), Error> {
        let (source, target) = (self.source.join(name), self.destination.join(name));
        let metadata = self.runner.context.files.metadata(&source)?;
        if !metadata.is_dir() {
            return self.copy_file(&source, &target, &metadata);
        }
        self.runner.context.files.create_dir_all(&target)?;
        self.directories.insert(target, metadata);
        Ok(())
    }

    fn copy_file(&mut self, source: &Path, target: &Path, metadata: &Metadata) -> Result<(), Error> {
        let files = &self.runner.context.files;
        if self.made != parent(target) {
            parent(target).clone_into(&mut self.made);
            files.create_dir_all(&self.made)?;
        }
        let (from, to) = (files.open(source)?, files.create_new(target, 0o600)?);
        loop {
            self.runner.stop.check()?;
            // The kernel does not tell which of the two it was.
            let copied = files.copy_chunk(&from, &to, CHUNK_BYTES, target).map_err(|error| {
                let text = format!("while '{}' was copied: {}", source.display(), error.source);
                fs::Error { source: io::Error::new(error.source.kind(), text), ..error }
            });
            match copied? {
                0 => break,
                count => self.done.bytes += count,
            }
            (self.tell)(self.done.bytes);
        }
        self.done.files += 1;
        files.set_mode(target, metadata.mode() & 0o7777)?;
        Ok(files.set_modified(&to, metadata.modified().at("examine", source)?, target)?)
    }

    /// Only now: files in a directory change its time, and some modes would keep them out.
    fn finish_directories(&self) -> Result<(), Error> {
        let files = &self.runner.context.files;
        for (path, metadata) in self.directories.iter().rev() {
            let modified = metadata.modified().at("examine", path)?;
            files.set_modified(&files.open(path)?, modified, path)?;
            files.set_mode(path, metadata.mode() & 0o7777)?;
        }
        Ok(())
    }
}
