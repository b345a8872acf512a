//! How much room a backup takes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Error;
use crate::catalog::{Layout, copy_of_record};
use crate::sys::Context;
use crate::sys::fs::Metadata;
use crate::types::BackupId;

/// The room that the files of a directory take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of those that have no second name: what would become free.
    pub own_bytes: u64,
}

impl DiskUse {
    /// Adds a file; one that has vanished takes no room.
    fn add(&mut self, file: Option<&Metadata>) {
        let Some(file) = file else { return };
        self.bytes += file.len();
        if file.nlink() == 1 {
            self.own_bytes += file.len();
        }
    }
}

/// Adds up the files of a backup, without the copy of its record that older programs look for.
pub fn measure_backup(context: &Context, layout: &Layout, id: &BackupId) -> Result<DiskUse, Error> {
    let mut total = measure(context, &layout.base_dir(id))?;
    if let Some(copy) = copy_of_record(&context.files, layout, id)?
        && let Some(copy) = context.files.symlink_metadata(&copy)?
    {
        total.bytes = total.bytes.saturating_sub(copy.len());
        total.own_bytes = total.own_bytes.saturating_sub(copy.len());
    }
    Ok(total)
}

/// Adds up the files below `dir`, links as what they are themselves.
pub fn measure(context: &Context, dir: &Path) -> Result<DiskUse, Error> {
    let (mut total, mut directories) = (DiskUse::default(), vec![dir.to_owned()]);
    while let Some(dir) = directories.pop() {
        context.cancel.check()?;
        let mut failure = None;
        // A directory may hold millions of files: their names are not collected.
        context.files.visit(&dir, |name, kind| {
            let path = dir.join(name);
            if kind.is_dir() {
                directories.push(path);
                return;
            }
            match context.files.symlink_metadata(&path) {
                Ok(metadata) => total.add(metadata.as_ref()),
                Err(error) => failure = Some(error),
            }
        })?;
        if let Some(error) = failure {
            return Err(error.into());
        }
    }
    Ok(total)
}
