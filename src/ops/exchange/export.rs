use std::path::{Path, PathBuf};

use serde_json::Value;

use super::archive_name::ArchiveName;
use super::pack::{Contents, pack};
use crate::catalog::{BackupInfo, Catalog, Identity, copy_of_record};
use crate::codec::{Compression, Format};
use crate::ops::{Error, Server};
use crate::sys::fs::Metadata;
use crate::types::{BackupStatus, WalName};
use crate::wal::{Archive, XlogDbEntry};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// By which identifier.
    pub compression: Compression,
    /// The format that it means.
    pub format: Format,
    /// How hard; `None` for the middle.
    pub level: Option<i64>,
}

/// What the person asks for.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The directory that the archive is put in, as it was typed.
    pub directory: PathBuf,
    /// How it is compressed; `None` when it is not.
    pub packing: Option<Packing>,
}

/// Writes the backup that `text` means, with the WAL that it needs, into one archive. `barman` is the description of this
/// host. A crash leaves a file that ends in `.tmp`, and no archive.
pub fn export(
    server: &Server<'_>,
    text: &str,
    options: &ExportOptions,
    barman: impl FnOnce() -> Result<Value, Error>,
) -> Result<(), Error> {
    let mut catalog = server.catalog()?;
    let id = catalog.resolve(text)?.id.clone();
    refuse_object_stores(server, "export")?;
    let lock = server.lock_for_work(&catalog.layout().backup_id_lock(&id))?;
    let _lock = lock.ok_or_else(|| {
        Error::refused(format!(
            "Another backup operation is already running on backup '{id}' for server '{}'",
            server.name()
        ))
    })?;
    catalog.refresh()?;
    let info = catalog.resolve(id.as_str())?;
    ensure_exportable(server, info, text)?;
    ensure_directory(server, &options.directory)?;
    let identity = require_identity(&catalog)?;
    let directory = options.directory.display();
    server.info(format!("Exporting backup '{text}' from server '{}' to '{directory}'", server.name()));
    let archive = server.archive();
    let contents = Contents {
        identity: &identity,
        info,
        barman: barman()?,
        base_dir: catalog.layout().base_dir(&id),
        left_out: copy_of_record(&server.context.files, catalog.layout(), &id)?,
        wal: find_required_wal(&archive, info)?,
        archive: &archive,
    };
    let time = server.context.clock.now().to_utc().format("%Y%m%dT%H%M%S").to_string();
    let mut name = ArchiveName {
        server: server.name().to_owned(),
        id,
        time,
        checksum: "0".repeat(8),
        compression: options.packing.map(|packing| packing.compression),
    };
    let path = publish(server, &options.directory, &mut name, &contents, options.packing)?;
    server.info(format!("Export completed successfully: {}", path.display()));
    Ok(())
}

pub(super) fn refuse_object_stores(server: &Server<'_>, action: &str) -> Result<(), Error> {
    match server.config.object_stores().next() {
        Some(_) => Err(Error::refused(format!("Backup {action} is not supported for cloud storage"))),
        None => Ok(()),
    }
}

/// Writes the archive under a name of its own, and gives it its real one when its checksum is known.
fn publish(
    server: &Server<'_>,
    directory: &Path,
    name: &mut ArchiveName,
    contents: &Contents<'_>,
    packing: Option<Packing>,
) -> Result<PathBuf, Error> {
    let files = &server.context.files;
    let temporary = directory.join(format!("{name}.tmp"));
    let file = files.create_new(&temporary, 0o600)?;
    let written = pack(&server.context, &file, &temporary, contents, packing).and_then(|checksum| {
        name.checksum = checksum[..8].to_owned();
        let path = directory.join(name.to_string());
        files.sync(&file, &temporary)?;
        files.rename(&temporary, &path)?;
        files.sync_dir(directory)?;
        Ok(path)
    });
    if written.is_err() {
        let _ = files.remove_file_if_exists(&temporary);
    }
    written
}

fn ensure_directory(server: &Server<'_>, directory: &Path) -> Result<(), Error> {
    let (files, shown) = (&server.context.files, directory.display());
    let reason = match files.metadata(directory) {
        Err(error) if error.is_not_found() => "does not exist",
        Err(error) => return Err(error.into()),
        Ok(metadata) if !Metadata::is_dir(&metadata) => "is not a directory",
        Ok(_) if files.ensure_writable(directory).is_err() => {
            "does not have the required write and execute permissions"
        }
        Ok(_) => return Ok(()),
    };
    Err(Error::refused(format!("Output directory '{shown}' {reason}")))
}

fn ensure_exportable(server: &Server<'_>, info: &BackupInfo, text: &str) -> Result<(), Error> {
    let (id, server) = (&info.id, server.name());
    if info.is_incremental() {
        return Err(Error::refused(format!(
            "Cannot export backup {id} from server {server}: it is an incremental backup.\n\
             Only full backups are eligible for exporting."
        )));
    }
    if info.status != BackupStatus::Done {
        return Err(Error::refused(format!(
            "Cannot export backup '{text}' from server '{server}': backup status is '{}', expected 'DONE'",
            info.status
        )));
    }
    if info.snapshots_info.is_some() {
        return Err(Error::refused(format!(
            "Cannot export backup {id} from server {server}: its files are in snapshots of a cloud provider"
        )));
    }
    Ok(())
}

pub(super) fn require_identity(catalog: &Catalog) -> Result<Identity, Error> {
    catalog.identity()?.ok_or_else(|| {
        Error::refused(format!(
            "No identity file found for server '{}'. The identity file is required to validate the backup during \
             import.\nHINT: The next backup of the server writes it, to '{}'.",
            catalog.layout().server,
            catalog.layout().identity().display()
        ))
    })
}

/// The lines of the WAL that the backup cannot do without; all of it is there.
fn find_required_wal(archive: &Archive, info: &BackupInfo) -> Result<Vec<XlogDbEntry>, Error> {
    let missing = |place: &str, segment| {
        Error::refused(format!(
            "WAL file required for backup consistency not found{place} for backup '{}': {segment}",
            info.id
        ))
    };
    let mut open = archive.open()?;
    let mut wal = Vec::new();
    for segment in info.required_segments()? {
        let name = WalName::Segment(segment);
        let entry = open.find(name)?.ok_or_else(|| missing(" in xlog.db", segment))?;
        if !archive.contains(name)? {
            return Err(missing("", segment));
        }
        wal.push(entry);
    }
    Ok(wal)
}
