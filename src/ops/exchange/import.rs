use std::path::Path;

use super::archive_name::ArchiveName;
use super::export::{refuse_object_stores, require_identity};
use super::pack::checksum_of;
use super::staging::{Staging, remove_leftovers};
use super::unpack::{self, Unpacked};
use crate::catalog::{BackupInfo, Catalog, Identity, Keep};
use crate::ops::{Error, Server};
use crate::sys::fs;
use crate::types::{BackupId, BackupStatus, WalName};
use crate::wal::{Addition, Archive, Present};

/// How many names of WAL files an error tells.
const NAMES_TOLD: usize = 5;

/// Takes the backup in the archive at `path` into the catalogue of `server`, and its WAL into the archive. It is kept
/// standalone: the WAL after it is not there.
///
/// The order: files are unpacked beside their places and synced; the WAL is added; the keep annotation is written, the
/// directory gets its name, the record is written. A failure leaves nothing but WAL; what a crash leaves, the next
/// import removes.
pub fn import(server: &Server<'_>, path: &Path) -> Result<(), Error> {
    ensure_archive(server, path)?;
    refuse_object_stores(server, "import")?;
    server.info(format!("Importing backup from '{}' to server '{}'", path.display(), server.name()));
    let name = verify_name(server, path)?;
    server.ensure_directories()?;
    let mut catalog = server.catalog()?;
    let identity = require_identity(&catalog)?;
    let busy = || {
        let server = server.name();
        Error::refused(format!("Another backup operation is already running on server '{server}'"))
    };
    let _lock = server.lock_for_work(&catalog.layout().backup_lock())?.ok_or_else(busy)?;
    let _id_lock = server.lock_for_work(&catalog.layout().backup_id_lock(&name.id))?.ok_or_else(busy)?;
    catalog.refresh()?;
    remove_leftovers(server, &catalog)?;
    ensure_free(server, &catalog, &name.id)?;
    let staging = Staging::create(server, &name.id)?;
    let imported = take_in(server, &mut catalog, path, &name.id, &identity, &staging);
    let removed = staging.remove(server);
    imported?;
    server.info(format!("Successfully imported backup '{}' into server '{}'", name.id, server.name()));
    removed
}

/// Fails unless `path` is a file that begins as an archive does.
fn ensure_archive(server: &Server<'_>, path: &Path) -> Result<(), Error> {
    let (files, shown) = (&server.context.files, path.display());
    let metadata = match files.metadata(path) {
        Err(error) if error.is_not_found() => {
            return Err(Error::refused(format!("Tarball file '{shown}' does not exist")));
        }
        other => other?,
    };
    if !metadata.is_file() {
        return Err(Error::refused(format!("Tarball path '{shown}' is not a file")));
    }
    if let Err(error) = files.open(path) {
        return Err(Error::refused(format!("Tarball file '{shown}' is not readable: {}", error.source)));
    }
    let mut archive = unpack::open(&server.context, path)?;
    let begins = archive.entries().is_ok_and(|mut entries| entries.next().is_some_and(|entry| entry.is_ok()));
    if begins { Ok(()) } else { Err(Error::refused(format!("File '{shown}' is not a valid tar file"))) }
}

/// The name must be one that an export of this server gets, and tell the checksum that the file has.
fn verify_name(server: &Server<'_>, path: &Path) -> Result<ArchiveName, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = ArchiveName::parse(&name, server.name()).map_err(Error::Refused)?;
    let (said, actual) = (&name.checksum, checksum_of(&server.context, path)?);
    let actual = &actual[..8];
    if said != actual {
        return Err(Error::refused(format!(
            "Tarball checksum mismatch: filename contains '{said}' but actual checksum is '{actual}'. The file may have \
             been modified or corrupted."
        )));
    }
    Ok(name)
}

fn ensure_free(server: &Server<'_>, catalog: &Catalog, id: &BackupId) -> Result<(), Error> {
    if catalog.ids().any(|known| known == id) {
        let server = server.name();
        return Err(Error::refused(format!(
            "Backup '{id}' already exists in the catalog for server '{server}'"
        )));
    }
    let base_dir = catalog.layout().base_dir(id);
    if server.context.files.exists(&base_dir)? {
        return Err(Error::refused(format!(
            "server '{}' has a directory '{}' without a record of backup {id}\nHINT: Move it out of the way if nobody \
             needs it.",
            server.name(),
            base_dir.display()
        )));
    }
    Ok(())
}

fn take_in(
    server: &Server<'_>,
    catalog: &mut Catalog,
    path: &Path,
    id: &BackupId,
    identity: &Identity,
    staging: &Staging,
) -> Result<(), Error> {
    let context = &server.context;
    let mut accept = |theirs: &Identity, info: &BackupInfo| ensure_ours(server, identity, theirs, info);
    let unpacked = unpack::unpack(context, path, id, staging, &mut accept)?;
    let archive = server.archive();
    let additions = plan_wal(&archive, staging, &unpacked)?;
    link_tablespaces(server, catalog, id, staging, &unpacked)?;
    for dir in [&staging.backup, &staging.wal] {
        context.files.sync_filesystem(dir)?;
    }
    archive.open()?.add(&additions)?;
    let base_dir = catalog.layout().base_dir(id);
    catalog.set_keep(id, Keep::Standalone)?;
    let recorded = context
        .files
        .rename(&staging.base_dir(), &base_dir)
        .and_then(|()| context.files.sync_dir(fs::parent(&base_dir)))
        .map_err(Error::from)
        .and_then(|()| Ok(catalog.save(unpacked.info)?));
    if recorded.is_err() {
        let _ = context.files.remove_tree(&base_dir);
        let _ = catalog.release_keep(id);
    }
    recorded
}

fn ensure_ours(
    server: &Server<'_>,
    ours: &Identity,
    theirs: &Identity,
    info: &BackupInfo,
) -> Result<(), Error> {
    if theirs.systemid != ours.systemid {
        return Err(Error::refused(format!(
            "Server identity mismatch: exported backup has systemid '{}' but target server has systemid '{}'",
            theirs.systemid, ours.systemid
        )));
    }
    if theirs.version != ours.version {
        server.warning(format!(
            "PostgreSQL version mismatch: exported backup has version '{}' but target server has version '{}'",
            theirs.version, ours.version
        ));
    }
    if info.status != BackupStatus::Done || info.is_incremental() {
        return Err(Error::refused(format!(
            "the archive holds backup {} as {} and {}; only full backups that are DONE can be imported",
            info.id,
            info.status,
            info.kind()
        )));
    }
    Ok(())
}

/// The WAL files that the archive does not have yet, ascending.
fn plan_wal(archive: &Archive, staging: &Staging, unpacked: &Unpacked) -> Result<Vec<Addition>, Error> {
    let id = &unpacked.info.id;
    let (mut additions, mut conflicts) = (Vec::new(), Vec::new());
    for segment in unpacked.info.required_segments()? {
        let name = WalName::Segment(segment);
        let (Some(bytes), Some(entry)) = (unpacked.wal.get(&name), unpacked.lines.get(&name)) else {
            return Err(Error::refused(format!(
                "WAL file required for backup consistency not found in the archive of backup '{id}': {segment}"
            )));
        };
        if entry.size != *bytes {
            return Err(Error::refused(format!(
                "WAL file {segment} of backup '{id}' has {bytes} bytes in the archive, and its line tells {}",
                entry.size
            )));
        }
        let addition = Addition { name, file: staging.wal.join(name.to_string()), entry: entry.clone() };
        match archive.compare(&addition)? {
            Present::Absent => additions.push(addition),
            Present::Same => {}
            Present::Different => conflicts.push(segment.to_string()),
        }
    }
    if conflicts.is_empty() {
        return Ok(additions);
    }
    let more = match conflicts.len().saturating_sub(NAMES_TOLD) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    conflicts.truncate(NAMES_TOLD);
    Err(Error::refused(format!(
        "WAL file(s) already exist in target server with conflicting content: {}{more}",
        conflicts.join(", ")
    )))
}

/// Makes the links to tablespaces lead to their directories here. One whose directory did not come along is left out: a
/// restore makes it anew.
fn link_tablespaces(
    server: &Server<'_>,
    catalog: &Catalog,
    id: &BackupId,
    staging: &Staging,
    unpacked: &Unpacked,
) -> Result<(), Error> {
    let (files, base_dir) = (&server.context.files, catalog.layout().base_dir(id));
    for link in &unpacked.tablespace_links {
        let oid = link.file_name().unwrap_or_default();
        if files.is_dir(&staging.base_dir().join(oid)) {
            files.symlink(&base_dir.join(oid), &staging.base_dir().join(link))?;
        }
    }
    Ok(())
}
