//! Whether what is to be restored fits where it is to go, asked before the first byte is written.

use std::collections::BTreeMap;
use std::path::Path;

use super::delivery::Delivery;
use super::host::{Host, Place, of_host};
use super::places::Start;
use super::plan::RestorePlan;
use super::source::Source;
use crate::catalog::Part;
use crate::ops::{Error, Server, backup_archives, disk_use};
use crate::types::ByteSize;

/// What one file system has to take.
struct Need<'a> {
    bytes: u64,
    free_bytes: u64,
    somewhere: &'a Path,
}

/// Refuses a restore for which a file system has too little room.
pub fn ensure(server: &Server<'_>, host: &dyn Host, plan: &RestorePlan) -> Result<(), Error> {
    let (mut needs, sizes) = (BTreeMap::new(), sizes(server, plan)?);
    ensure_staging(server, plan, sizes.iter().sum())?;
    for (place, bytes) in plan.places.all.iter().zip(sizes) {
        // What is there is written over.
        let there = if plan.places.start != Start::Nothing && place.existing == place.path {
            host.used_bytes(&place.path)?
        } else {
            0
        };
        add(&mut needs, place, bytes.saturating_sub(there));
        if place.room.is_none() {
            server.warning(format!(
                "cannot find out how much room is left for '{}'{}; {} are needed",
                place.path.display(),
                of_host(host),
                ByteSize::from(bytes)
            ));
        }
    }
    match needs.values().find(|need| need.free_bytes < need.bytes) {
        Some(need) => Err(Error::refused(format!(
            "not enough space for the restore of backup {}: '{}'{} needs {}, and {} are free; make room or choose \
             another destination",
            plan.chosen.backup.id,
            need.somewhere.display(),
            of_host(host),
            ByteSize::from(need.bytes),
            ByteSize::from(need.free_bytes)
        ))),
        None => Ok(()),
    }
}

/// Refuses a restore whose files do not fit where they are unpacked first.
fn ensure_staging(server: &Server<'_>, plan: &RestorePlan, bytes: u64) -> Result<(), Error> {
    let Source::Archives { staging_path: path, is_staged: true, .. } = &plan.chosen.source else {
        return Ok(());
    };
    let files = &server.context.files;
    let existing = path.ancestors().find(|above| files.is_dir(above));
    let free_bytes = files.available_space(existing.unwrap_or(Path::new("/")))?;
    if bytes <= free_bytes {
        return Ok(());
    }
    Err(Error::refused(format!(
        "not enough space to unpack backup {}: the staging path '{}' needs {}, and {} are free; make room, choose another \
         one with --staging-path, or give --staging-location remote, with which the files go to the other host unpacked \
         on their way",
        plan.chosen.backup.id,
        path.display(),
        ByteSize::from(bytes),
        ByteSize::from(free_bytes)
    )))
}

/// What goes to each of the places, in their order.
fn sizes(server: &Server<'_>, plan: &RestorePlan) -> Result<Vec<u64>, Error> {
    let backup = &plan.chosen.backup;
    let segment_bytes = u64::from(backup.xlog_segment_size.bytes());
    let segments = plan.wal.files.iter().filter_map(|name| name.segment()).chain(plan.partial).count();
    let wal_bytes = match plan.delivery {
        Delivery::Fetched(_) => 0,
        Delivery::InPlace(_) | Delivery::Aside(_) => segments as u64 * segment_bytes,
    };
    let mut sizes = sizes_of_parts(server, plan)?;
    match plan.chosen.wal_directory {
        Some(_) => sizes.push(wal_bytes),
        None => sizes[0] += wal_bytes,
    }
    Ok(sizes)
}

/// The sizes of the data directory and of the tablespaces.
fn sizes_of_parts(server: &Server<'_>, plan: &RestorePlan) -> Result<Vec<u64>, Error> {
    match &plan.chosen.source {
        Source::Trees(trees) => {
            let mut sizes = vec![size_of(server, &trees.data)?];
            for dir in &trees.tablespaces {
                // In the old form tablespaces lie below the data directory and are counted with it.
                sizes.push(if dir.starts_with(&trees.data) { 0 } else { size_of(server, dir)? });
            }
            Ok(sizes)
        }
        Source::Archives { archives, .. } => {
            let sizes = backup_archives::sizes(&server.context, archives)?;
            let oids = plan.chosen.backup.tablespaces.iter().map(|known| Part::Tablespace(known.oid));
            let parts = std::iter::once(Part::Data).chain(oids);
            Ok(parts.map(|part| sizes.get(&part).copied().unwrap_or(0)).collect())
        }
    }
}

fn size_of(server: &Server<'_>, dir: &Path) -> Result<u64, Error> {
    Ok(disk_use::measure(&server.context, dir)?.bytes)
}

/// Adds `bytes` to what the file system of the place needs.
fn add<'a>(needs: &mut BTreeMap<&'a str, Need<'a>>, place: &'a Place, bytes: u64) {
    let Some(room) = &place.room else { return };
    let first = Need { bytes: 0, free_bytes: room.free_bytes, somewhere: &place.existing };
    needs.entry(&room.file_system).or_insert(first).bytes += bytes;
}
