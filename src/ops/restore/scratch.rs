use std::io;
use std::path::{Path, PathBuf};

use crate::ops::{Error, Server};
use crate::sys::{Files, process};
use crate::types::BackupId;

/// A directory of this host for files that a restore needs for a while. Nobody else may enter it; it is gone in the
/// end, however that comes, but for a crash.
pub struct Scratch {
    root: PathBuf,
    dir: PathBuf,
    files: Files,
}

impl Scratch {
    /// Makes one below `parent`, which others may write to.
    pub fn create(server: &Server<'_>, parent: &Path, id: &BackupId) -> Result<Self, Error> {
        let files = &server.context.files;
        files.create_dir_all(parent)?;
        let name = format!("barman-decompress{}", process::id());
        let roots = std::iter::once(name.clone()).chain((1..10_000).map(|next| format!("{name}-{next}")));
        for root in roots.map(|name| parent.join(name)) {
            match files.create_dir(&root, 0o700) {
                // That of a process of long ago with our number, or a trap.
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    let scratch = Self { dir: root.join(id.as_str()), root, files: files.clone() };
                    files.create_dir_all(&scratch.dir)?;
                    return Ok(scratch);
                }
            }
        }
        Err(Error::refused(format!(
            "no directory can be made in '{}': all names '{name}…' are taken; remove what killed restores have left \
             there",
            parent.display()
        )))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.files.remove_tree(&self.root) {
            tracing::warn!("'{}' is left over: {error}", self.root.display());
        }
    }
}
