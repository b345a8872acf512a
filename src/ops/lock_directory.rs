//! The directory of the lock files.

use super::Error;
use crate::config::Global;
use crate::sys::{Context, lock};

/// Removes lock files that nobody holds. The one of xlog.db stays: others wait on it, and a name that changes its
/// meaning while they do would let two in.
pub fn clean(context: &Context, global: &Global) -> Result<(), Error> {
    for entry in context.files.list_if_exists(&global.lock_directory)? {
        let name = entry.name.to_string_lossy();
        let is_lock = name.starts_with('.') && name.ends_with(".lock") && !name.ends_with("-xlogdb.lock");
        if is_lock {
            lock::remove_if_free(&entry.path)?;
        }
    }
    Ok(())
}
