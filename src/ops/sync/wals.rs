//! `sync-wals`: copying the WAL of the primary.

use std::io;
use std::path::PathBuf;

use super::ensure_passive;
use super::last_synced::LastSynced;
use super::primary_info::PrimaryInfo;
use crate::catalog::BackupInfo;
use crate::config::Compression;
use crate::ops::{CopySettings, Error, Server};
use crate::sys::Lock;
use crate::transfer::rsync::{self, Rsync};
use crate::transfer::{Endpoint, Location};
use crate::types::{BackupStatus, WalName, WalSegment, with_causes};
use crate::wal::{Addition, Archive, XlogDbEntry};

/// What one run of rsync brings at most.
const BATCH_FILES: usize = 512;
const BATCH_BYTES: u64 = 4 << 30;

/// Copies the WAL that the last cron was told of and that is not here yet; then settles the backups that waited for it.
pub fn run(server: &Server<'_>) -> Result<(), Error> {
    ensure_passive(server)?;
    let _lock = Lock::acquire(&server.task_lock("sync-wal"), &server.context.cancel)?;
    PrimaryInfo::load(server).and_then(|info| copy(server, &info)).map_err(|error| match error {
        error if server.context.cancel.is_cancelled() => error,
        error => Error::refused(format!(
            "WAL synchronisation for server {} failed with: {}",
            server.name(),
            error.description()
        )),
    })
}

fn copy(server: &Server<'_>, info: &PrimaryInfo) -> Result<(), Error> {
    let word = |compression: Option<&str>| compression.unwrap_or("None").to_owned();
    let theirs = word(info.places.compression.as_deref());
    let ours = word(server.config.compression().map(Compression::as_str));
    if theirs != ours {
        return Err(Error::refused(format!(
            "Compression method on server {} ({theirs}) does not match local compression method ({ours}) \nHINT: Set \
             'compression' to the same value on both nodes.",
            server.name()
        )));
    }
    server.ensure_directories()?;
    let Some(begin) = oldest_wal(server)? else {
        server.warning(format!("No base backup for server {}", server.name()));
        return Ok(());
    };
    let mut copier = Copier::new(server, info, begin)?;
    PrimaryInfo::visit_wal(server, &mut |name, entry| copier.take(name, entry))?;
    copier.flush()?;
    server.context.files.remove_tree(&copier.staging)?;
    if let (Some(first), false) = (copier.first_before, copier.has_needed) {
        server.warning(format!(
            "Skipping WAL synchronisation for server {}: no available local backup for {first}",
            server.name()
        ));
        return Ok(());
    }
    if let Ok(name) = info.last_name.parse() {
        LastSynced { name, position: info.last_position }.save(server)?;
    }
    settle(server)
}

/// The first segment that a backup here needs. One whose files are still on their way counts: its WAL would be gone from
/// the primary when they are all here.
fn oldest_wal(server: &Server<'_>) -> Result<Option<WalSegment>, Error> {
    let catalog = server.catalog()?;
    let backups = catalog.load().backups;
    Ok(backups.iter().filter(|it| it.status.needs_wal()).filter_map(|it| it.begin_wal).min())
}

/// WAL on its way: some files at a time come into a directory beside the archive, are synced, and go into the archive
/// with their lines, ascending. Whenever this stops, the archive holds whole files that are listed.
struct Copier<'a> {
    server: &'a Server<'a>,
    archive: Archive,
    rsync: Rsync,
    settings: CopySettings,
    /// Where files arrive. What a killed run has left there is not sent again.
    staging: PathBuf,
    /// Nothing here needs a segment before this one.
    begin: WalName,
    batch: Vec<(WalName, XlogDbEntry)>,
    batch_bytes: u64,
    /// The first segment told of that nothing here needs.
    first_before: Option<WalName>,
    /// Whether the primary has told of any that is needed.
    has_needed: bool,
}

impl<'a> Copier<'a> {
    fn new(server: &'a Server<'a>, info: &PrimaryInfo, begin: WalSegment) -> Result<Self, Error> {
        let (staging, settings) =
            (server.config.wals_directory().join(".sync-wals"), CopySettings::configured(server.config));
        server.context.files.create_dir_all(&staging)?;
        let limit = settings.bandwidth_limit;
        let primary = Endpoint::Ssh(server.primary_ssh()?);
        let rsync = Rsync::new()
            .path_prefix(server.config.path_prefix())
            .options(["-Lpt", "--inplace"])
            .option_if(settings.network_compression, "-z")
            .value("--bwlimit", (limit > 0).then(|| limit.to_string()))
            .files_from_input()
            .location(Location::inside(&primary, &info.places.wals_directory))
            .location(Location::inside(&Endpoint::Local, &staging));
        Ok(Self {
            server,
            archive: server.archive(),
            rsync,
            settings,
            staging,
            begin: WalName::Segment(begin),
            batch: Vec::new(),
            batch_bytes: 0,
            first_before: None,
            has_needed: false,
        })
    }

    fn take(&mut self, name: WalName, entry: XlogDbEntry) -> Result<(), Error> {
        let is_history = matches!(name, WalName::History(_));
        if name < self.begin && !is_history {
            self.first_before.get_or_insert(name);
            return Ok(());
        }
        self.has_needed |= !is_history;
        self.batch_bytes = self.batch_bytes.saturating_add(entry.size);
        self.batch.push((name, entry));
        match self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Brings the files of the batch that are not here into the archive, up to the first that did not come.
    fn flush(&mut self) -> Result<(), Error> {
        self.server.context.cancel.check()?;
        let mut batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        batch.sort_by_key(|(name, _)| *name);
        batch.dedup_by_key(|(name, _)| *name);
        let wanted = self.archive.open()?.absent(batch)?;
        if wanted.is_empty() {
            return Ok(());
        }
        self.fetch(&wanted)?;
        self.server.context.files.sync_filesystem(&self.staging)?;
        let mut additions = Vec::new();
        let mut result = Ok(());
        for (name, entry) in wanted {
            match self.arrived(name, entry) {
                Ok(addition) => additions.push(addition),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.archive.open()?.take_over(&additions)?;
        tracing::info!(
            "server '{}': {} WAL files copied from the primary",
            self.server.name(),
            additions.len()
        );
        result
    }

    fn fetch(&self, wanted: &[(WalName, XlogDbEntry)]) -> Result<(), Error> {
        let names: String =
            wanted.iter().map(|(name, _)| format!("{}\0", name.relative_path().display())).collect();
        let context = &self.server.context;
        let attempt = || {
            self.rsync.run(names.as_bytes(), &mut io::sink(), &*context.processes, &context.cancel).map(drop)
        };
        let fetched = self.settings.retry().run(
            "rsync on WAL",
            (context, &context.cancel),
            rsync::Error::is_retryable,
            attempt,
        );
        fetched.map_err(|error| {
            Error::refused(format!(
                "cannot copy WAL from the primary node with '{}': {}",
                self.server.config.primary_ssh_command().unwrap_or_default(),
                with_causes(&error)
            ))
        })
    }

    fn arrived(&self, name: WalName, entry: XlogDbEntry) -> Result<Addition, Error> {
        let file = self.staging.join(name.relative_path());
        let bytes = self.server.context.files.symlink_metadata(&file)?.map(|found| found.len());
        match bytes {
            Some(bytes) if bytes == entry.size => self.harmless(Addition { name, file, entry }),
            found => Err(Error::refused(format!(
                "the primary node lists WAL file {name} with {} bytes, and has {}. Nothing from it on is copied\nHINT: If \
                 the file is lost there, 'barman rebuild-xlogdb {}' on the primary node takes it off the list.",
                entry.size,
                found.map_or_else(|| "no such file".to_owned(), |bytes| format!("one of {bytes} bytes")),
                self.server.name(),
            ))),
        }
    }
}

impl Copier<'_> {
    /// The file, unless another one here would be lost for it.
    fn harmless(&self, came: Addition) -> Result<Addition, Error> {
        if self.archive.can_take(&came)? {
            return Ok(came);
        }
        let (name, here) = (came.name, self.archive.path_of(came.name));
        Err(Error::refused(format!(
            "WAL file {name} is here, and is not the one that the primary node has. Nothing from it on is copied\nHINT: \
             Were both nodes written to by a PostgreSQL? Compare '{}' with '{}'; if the one here is wrong, move it away.",
            here.display(),
            came.file.display(),
        )))
    }
}

/// Marks the backups DONE whose WAL has all come.
pub fn settle(server: &Server<'_>) -> Result<(), Error> {
    let mut catalog = server.catalog()?;
    let archive = server.archive();
    let is_waiting = |backup: &&&BackupInfo| backup.status == BackupStatus::WaitingForWals;
    let waiting: Vec<_> = catalog.load().backups.iter().filter(is_waiting).map(|it| it.id.clone()).collect();
    for id in waiting {
        let Some(_lock) = server.lock_for_work(&catalog.layout().backup_id_lock(&id))? else { continue };
        catalog.refresh()?;
        let backup = catalog.find(&id)?.filter(|backup| is_waiting(&backup)).cloned();
        if let Some(backup) = backup.filter(|backup| has_its_wal(&archive, backup)) {
            catalog.save(BackupInfo { status: BackupStatus::Done, ..backup })?;
        }
    }
    Ok(())
}

/// Whether all WAL that the backup needs is here. A record that does not tell what that is, as when a standby came to
/// another timeline meanwhile, is as whole as it gets.
pub fn has_its_wal(archive: &Archive, backup: &BackupInfo) -> bool {
    backup.required_segments().is_err()
        || first_missing(archive, backup).is_ok_and(|missing| missing.is_none())
}

/// The first segment that the backup needs and that is not here.
pub fn first_missing(archive: &Archive, backup: &BackupInfo) -> Result<Option<WalSegment>, Error> {
    Ok(archive.find_missing(backup.required_segments()?)?)
}
