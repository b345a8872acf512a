//! The backup that was asked for, and the places that its files go to.

use std::path::{Path, PathBuf};

use super::auto;
use super::host::Host;
use super::request::RestoreRequest;
use super::source::Source;
use crate::catalog::{BackupInfo, Chains};
use crate::ops::{Error, Server};
use crate::types::BackupId;

/// A backup, and the places that its files go to.
#[derive(Debug)]
pub struct Chosen {
    /// The backup.
    pub backup: BackupInfo,
    /// The new data directory, absolute.
    pub destination: PathBuf,
    /// The new place of each tablespace, in the order of the backup's list.
    pub tablespace_locations: Vec<PathBuf>,
    /// Where the files come from.
    pub source: Source,
    /// The directory for WAL that was asked for, absolute.
    pub wal_directory: Option<PathBuf>,
}

impl Chosen {
    /// All places that files go to: the data directory, the tablespaces, and the directory for WAL if it has one of its
    /// own.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        let trees = std::iter::once(&self.destination).chain(&self.tablespace_locations);
        trees.chain(&self.wal_directory).map(PathBuf::as_path)
    }

    /// What the mark of an unfinished restore says: the same backup into the same places may be repeated.
    pub fn mark(&self) -> String {
        let locations: Vec<String> = self.places().skip(1).map(|path| path.display().to_string()).collect();
        let server = self.backup.server_name.as_deref().unwrap_or_default();
        format!("{server} {} {}\n", self.backup.id, locations.join(" "))
    }
}

/// Finds the backup that is meant.
pub fn resolve(server: &Server<'_>, request: &RestoreRequest) -> Result<BackupId, Error> {
    if request.targets.len() > 1 {
        return Err(Error::refused("You cannot specify multiple targets for the recovery operation"));
    }
    let catalog = server.catalog()?;
    match request.backup.as_str() {
        auto::WORD => auto::find(&catalog, request),
        text => Ok(catalog.resolve(text)?.id.clone()),
    }
}

/// Reads the record of the backup `id` and refuses what cannot be restored.
pub fn choose(
    server: &Server<'_>,
    host: &dyn Host,
    request: &RestoreRequest,
    id: &BackupId,
) -> Result<Chosen, Error> {
    let backup = server.catalog()?.resolve(id.as_str())?.clone();
    request.staging.ensure_sound(request.remote_ssh_command.is_some())?;
    refuse_unrestorable(server, request, &backup)?;
    let source = Source::find(server, host, request, &backup)?;
    if request.delta {
        source.ensure_comparable(host)?;
    }
    if request.destination.to_string_lossy().contains(':') {
        return Err(Error::refused(
            "The destination directory parameter cannot contain the ':' character\n\
             HINT: If you want to do a remote recovery you have to use the --remote-ssh-command option",
        ));
    }
    let relocated = relocate(&backup, &request.tablespaces)?;
    let destination = absolute(host, &request.destination)?;
    let tablespace_locations =
        relocated.iter().map(|location| absolute(host, location)).collect::<Result<Vec<_>, _>>()?;
    let asked = request.wal.staging_directory.as_deref();
    let wal_directory = asked.filter(|_| request.is_pitr() && !request.wal.get_wal);
    let wal_directory = wal_directory.map(|path| absolute(host, path)).transpose()?;
    Ok(Chosen { backup, destination, tablespace_locations, source, wal_directory })
}

fn refuse_unrestorable(
    server: &Server<'_>,
    request: &RestoreRequest,
    backup: &BackupInfo,
) -> Result<(), Error> {
    let refusal = |why: &str| {
        format!("Cannot restore from backup '{}' of server '{}': {why}", request.backup, server.name())
    };
    if !backup.is_available() {
        return Err(Error::refused(refusal("backup status is not DONE")));
    }
    if backup.is_incremental() {
        return Err(Error::refused(refusal(&advice_on_incremental(server, backup)?)));
    }
    if backup.snapshots_info.is_some() {
        return Err(Error::refused(refusal(
            "it is a set of disk snapshots, which this version does not restore yet; use the Python Barman for it",
        )));
    }
    Ok(())
}

/// What can be done about a backup that holds only what changed since another one.
fn advice_on_incremental(server: &Server<'_>, backup: &BackupInfo) -> Result<String, Error> {
    let catalog = server.catalog()?;
    let loaded = catalog.load();
    let root = Chains::of(&loaded.backups).ancestors(&backup.id).last();
    let instead = root.filter(|root| loaded.backups.iter().any(|known| known.id == **root));
    let instead = instead.map_or_else(
        || "restore a full backup".to_owned(),
        |root| format!("restore the full backup {root} that it is based on, which reaches every moment after its end by WAL"),
    );
    Ok(format!(
        "it is an incremental backup, which this version does not put together yet; {instead}, or use the Python Barman"
    ))
}

/// The place of each tablespace: where it was, unless a rule says otherwise.
fn relocate(backup: &BackupInfo, rules: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut locations: Vec<PathBuf> = backup.tablespaces.iter().map(|known| known.location.clone()).collect();
    for rule in rules {
        let (name, location) = rule
            .split_once(':')
            .filter(|(name, to)| !name.is_empty() && !to.is_empty())
            .ok_or_else(|| {
            Error::refused(format!(
                "Invalid tablespace relocation rule '{rule}'\n\
                 HINT: The valid syntax for a relocation rule is NAME:LOCATION"
            ))
        })?;
        let at = backup.tablespaces.iter().position(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = backup.tablespaces.iter().map(|known| known.name.as_str()).collect();
            Error::refused(format!(
                "Invalid tablespace name '{name}'\nHINT: Please use any of the following tablespaces: {}",
                names.join(", ")
            ))
        })?;
        locations[at] = location.into();
    }
    Ok(locations)
}

/// PostgreSQL runs elsewhere than we do: a path it is to keep must not depend on where we stand. Components drop `.`
/// and a slash at the end.
fn absolute(host: &dyn Host, path: &Path) -> Result<PathBuf, Error> {
    Ok(host.absolute(path)?.components().collect())
}
