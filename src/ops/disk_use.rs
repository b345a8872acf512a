//! How much room a backup takes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Error;
use crate::sys::Context;

/// The room that the files of a directory take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of those that have no second name: what would become free.
    pub own_bytes: u64,
}

/// Adds up the files below `dir`, links as what they are themselves.
pub fn measure(context: &Context, dir: &Path) -> Result<DiskUse, Error> {
    let (mut total, mut directories) = (DiskUse::default(), vec![dir.to_owned()]);
    while let Some(dir) = directories.pop() {
        context.cancel.check()?;
        let mut files = Vec::new();
        context.files.visit(&dir, |name, kind| {
            let place = if kind.is_dir() { &mut directories } else { &mut files };
            place.push(dir.join(name));
        })?;
        for file in files {
            let Some(metadata) = context.files.symlink_metadata(&file)? else { continue };
            total.bytes += metadata.len();
            if metadata.nlink() == 1 {
                total.own_bytes += metadata.len();
            }
        }
    }
    Ok(total)
}
