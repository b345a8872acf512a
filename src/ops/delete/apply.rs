//! Deletes one backup, in the order that a crash may interrupt anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::wal_removal::{Situation, WalRemoval};
use super::{Asker, Settings};
use crate::catalog::{BackupInfo, BackupKind, Catalog, Keep, Loaded};
use crate::ops::hooks::{self, Scripts};
use crate::ops::{Error, disk_use, tell};
use crate::sys::{Context, fs};
use crate::types::{BackupStatus, HumanDuration, Timeline, WalName, ctime_text};
use crate::wal::{self, Archive, OpenArchive, Removal, TimelineHistory};

/// What the record says while the backup is being deleted, and afterwards if that is interrupted.
const BEGUN: &str = "deletion has begun and is not finished";

/// Deletes the backup `info` and the WAL that only it needed.
///
/// Whatever fails before the record is changed leaves the backup as it was, and so does a script that wants the very
/// first WAL file kept.
pub(super) fn delete(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    settings: Settings<'_>,
    info: &BackupInfo,
    asker: Asker,
) -> Result<(), Error> {
    let (server, id, started) = (catalog.layout().server.clone(), &info.id, context.clock.now());
    let removal = plan_wal_removal(context, catalog, archive, settings, info, asker)?;
    let open = removal.as_ref().map(|_| open_archive(archive)).transpose()?;
    let was_begun = catalog.begun_deletions()?.contains(id);
    catalog.mark_deletion(id)?;
    context.events.info(&format!("Deleting backup {id} for server {server}"));
    catalog.save(BackupInfo {
        status: BackupStatus::Failed,
        error: Some(info.error.clone().unwrap_or_else(|| BEGUN.to_owned())),
        ..info.clone()
    })?;
    if let Some((removal, open)) = removal.zip(open) {
        let mut is_untouched = !was_begun;
        let removed = remove_wal(context, &server, settings.scripts, open, &removal, &mut is_untouched);
        if let (Err(wal::Error::Stopped { .. }), true) = (&removed, is_untouched) {
            // The mark goes last: as long as it is there, the deletion may have gone further.
            catalog.save(info.clone())?;
            catalog.unmark_deletion(id)?;
        }
        removed?;
    }
    remove_files(context, &catalog.layout().base_dir(id))?;
    catalog.remove_record(id)?;
    catalog.unmark_deletion(id)?;
    let took = HumanDuration::from(context.clock.now() - started);
    context
        .events
        .info(&format!("Deleted backup {id} (start time: {}, elapsed time: {took})", ctime_text(started)));
    Ok(())
}

fn plan_wal_removal(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    settings: Settings<'_>,
    info: &BackupInfo,
    asker: Asker,
) -> Result<Option<WalRemoval>, Error> {
    let Loaded { backups, errors } = catalog.load();
    let mut standalone = BTreeSet::new();
    for other in &backups {
        if catalog.keep(&other.id)? == Some(Keep::Standalone) {
            standalone.insert(other.id.clone());
        }
    }
    let mut obstacles: Vec<Error> = errors.into_iter().map(Error::from).collect();
    let histories = load_histories(archive, &backups).or_else(|error| match error {
        // On a host without the private key, which archives all the same.
        Error::Wal(closed) if closed.is_closed() => {
            obstacles.push(closed.into());
            Ok(BTreeMap::new())
        }
        other => Err(other),
    })?;
    let situation = Situation {
        backups: &backups,
        standalone: &standalone,
        histories: &histories,
        is_concurrent: settings.is_concurrent,
        asker,
    };
    let removal = WalRemoval::plan(info, &situation);
    if obstacles.is_empty() || removal.is_none() {
        return Ok(removal);
    }
    for error in &obstacles {
        tell(context, error);
    }
    context.events.warning(&format!(
        "No WAL file of server {} is removed: a backup that cannot be read, or one on the way to a timeline whose \
         history cannot be read, may need it",
        catalog.layout().server
    ));
    Ok(None)
}

/// The histories of the timelines up to the last that a backup is on: those after it have no WAL that could go.
fn load_histories(
    archive: &Archive,
    backups: &[&BackupInfo],
) -> Result<BTreeMap<Timeline, TimelineHistory>, Error> {
    let last = backups.iter().filter_map(|info| info.begin_wal).map(|wal| wal.timeline().number()).max();
    let mut histories = BTreeMap::new();
    for timeline in (2..=last.unwrap_or(0)).filter_map(Timeline::new) {
        histories.extend(archive.load_history(timeline)?.map(|history| (timeline, history)));
    }
    Ok(histories)
}

/// Opens the archive and makes sure that its list can be read, as long as nothing is changed yet.
fn open_archive(archive: &Archive) -> Result<OpenArchive<'_>, Error> {
    let mut open = archive.open()?;
    open.totals(..)?;
    Ok(open)
}

/// Removes WAL; what is gone makes `is_untouched` false.
fn remove_wal(
    context: &Context,
    server: &str,
    scripts: Scripts<'_>,
    archive: OpenArchive<'_>,
    removal: &WalRemoval,
    is_untouched: &mut bool,
) -> Result<(), wal::Error> {
    context.events.info("Delete associated WAL segments:");
    let tell = |what| {
        *is_untouched &= !matches!(what, Removal::Gone(_));
        tell_removal(context, server, what, |name| format!("\t{name}"));
    };
    let stopped = hooks::remove_wal(context, scripts, archive, |name| removal.condemns(name), tell)?;
    stopped.map_or(Ok(()), Err)
}

/// Tells what became of a file that was to go, with the `line` of one that is gone.
pub(in crate::ops) fn tell_removal(
    context: &Context,
    server: &str,
    removal: Removal,
    line: impl Fn(WalName) -> String,
) {
    match removal {
        Removal::Gone(name) => context.events.info(&line(name)),
        Removal::Failed(name, error) => context.events.warning(&format!(
            "Ignoring deletion of WAL file {name} for server {server}: {error}: {}",
            error.source
        )),
        Removal::Invalid(name) => context.events.warning(&format!(
            "server {server}: '{name}' in the list of archived WAL is no WAL file; the list forgets it, the file stays"
        )),
    }
}

/// Removes the directory of a backup, which may be a link to where there is more room.
fn remove_files(context: &Context, base: &Path) -> Result<(), Error> {
    let files = &context.files;
    let is_link = files.symlink_metadata(base)?.is_some_and(|metadata| metadata.is_symlink());
    let place = if is_link { files.real_path(base) } else { base.to_owned() };
    for entry in files.list_if_exists(&place)? {
        context.cancel.check()?;
        match entry.metadata.is_dir() {
            true => files.remove_tree(&entry.path)?,
            false => files.remove_file_if_exists(&entry.path)?,
        }
    }
    files.remove_tree(&place)?;
    if is_link {
        files.remove_file_if_exists(base)?;
    }
    // The record must not go before the directory does.
    match files.sync_dir(fs::parent(base)) {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

/// Tells the backups around one that is gone.
pub(super) fn settle(context: &Context, catalog: &mut Catalog, gone: &BackupInfo) -> Result<(), Error> {
    // The files may have taken hours to go.
    catalog.refresh()?;
    if let Some(parent) = &gone.parent_backup_id
        && let Some(mut parent) = catalog.find(parent)?.cloned()
    {
        parent.children_backup_ids.retain(|child| *child != gone.id);
        catalog.save(parent)?;
    }
    // Files that both had are now its own.
    let later = catalog.load().backups.into_iter().find(|info| info.id > gone.id && info.is_available());
    if gone.kind() == BackupKind::Rsync
        && let Some(mut next) = later.filter(|next| next.kind() == BackupKind::Rsync).cloned()
    {
        let disk_use = disk_use::measure_backup(context, catalog.layout(), &next.id)?;
        next.size = Some(disk_use.bytes);
        next.deduplicated_size = Some(disk_use.own_bytes);
        catalog.save(next)?;
    }
    Ok(())
}
