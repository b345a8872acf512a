//! Whether what is to be restored fits where it is to go, asked before the first byte is written.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::plan::RestorePlan;
use crate::catalog::DirectoryForm;
use crate::ops::{Error, Server, disk_use};
use crate::sys::Files;
use crate::types::ByteSize;

/// What one file system has to take.
struct Need {
    bytes: u64,
    somewhere: PathBuf,
}

/// Refuses a restore for which a file system has too little room.
pub fn ensure(server: &Server<'_>, plan: &RestorePlan) -> Result<(), Error> {
    let (files, layout) = (&server.context.files, server.layout());
    let backup = &plan.chosen.backup;
    let form = server.catalog()?.directory_form(&backup.id);
    let segment_bytes = u64::from(backup.xlog_segment_size.bytes());
    let wal_bytes = plan.wal.files.iter().filter_map(|name| name.segment()).count() as u64 * segment_bytes;
    let data_bytes = size_of(server, &layout.data_dir(&backup.id, form))?;
    let mut needs = BTreeMap::new();
    add(files, &mut needs, &plan.chosen.destination, data_bytes + wal_bytes)?;
    for (tablespace, location) in backup.tablespaces.iter().zip(&plan.chosen.tablespace_locations) {
        // In the old form tablespaces lie below the data directory and are counted with it.
        if form == DirectoryForm::Data {
            add(
                files,
                &mut needs,
                location,
                size_of(server, &layout.tablespace_dir(&backup.id, tablespace.oid, form))?,
            )?;
        }
    }
    for need in needs.values() {
        let free = files.available_space(&need.somewhere)?;
        if free < need.bytes {
            return Err(Error::refused(format!(
                "not enough space for the restore of backup {}: {} needs {}, and {} are free; make room or choose \
                 another destination",
                backup.id,
                need.somewhere.display(),
                ByteSize::from(need.bytes),
                ByteSize::from(free)
            )));
        }
    }
    Ok(())
}

fn size_of(server: &Server<'_>, dir: &Path) -> Result<u64, Error> {
    Ok(disk_use::measure(&server.context, dir)?.bytes)
}

/// Adds `bytes` to what the file system of `path` needs; of a path that does not exist, that of the nearest above.
fn add(files: &Files, needs: &mut BTreeMap<u64, Need>, path: &Path, bytes: u64) -> Result<(), Error> {
    let existing = path.ancestors().find(|above| files.is_dir(above)).unwrap_or(Path::new("/"));
    let device = files.metadata(existing)?.dev();
    needs.entry(device).or_insert_with(|| Need { bytes: 0, somewhere: existing.to_owned() }).bytes += bytes;
    Ok(())
}
