//! `sync-backup`: copying one backup of the primary.

use super::primary_info::PrimaryInfo;
use super::wals::has_its_wal;
use super::{PASSIVE, ensure_passive, wals};
use crate::catalog::{BackupInfo, Catalog, Chains, DirectoryForm};
use crate::ops::delete::{self, Settings};
use crate::ops::retention::{self, Rules};
use crate::ops::{CopySettings, Error, Server, reuse_mode};
use crate::transfer::smart_copy::{CopyItem, ReuseMode, SmartCopy};
use crate::transfer::{Endpoint, Filters};
use crate::types::{BackupId, BackupStatus, RetentionStatus};

/// Copies the backup `text` from the primary, or goes on where a copy was cut off; removes what is left of one that the
/// primary has not any more.
pub fn run(server: &Server<'_>, text: &str) -> Result<(), Error> {
    ensure_passive(server)?;
    let primary = PrimaryInfo::load(server)?;
    let name = server.name();
    let absent = || Error::refused(format!("Backup {text} is absent on {name} server"));
    let id: BackupId = text.parse().map_err(|_| absent())?;
    server.ensure_directories()?;
    let layout = server.layout();
    let lock = server.lock_for_work(&layout.sync_backup_lock(&id))?.ok_or_else(|| {
        Error::refused(format!(
            "Another synchronisation process for backup {id} of server {name} is already running."
        ))
    })?;
    let mut catalog = server.catalog()?;
    let local = catalog.find(&id)?;
    let Some(theirs) = primary.backups.get(&id) else {
        return match local {
            None => Err(absent()),
            Some(local) if is_remnant(local) => {
                server.warning(format!(
                    "Backup {id} is absent on {name} server and is incomplete locally, purging local backup"
                ));
                delete::run(
                    &server.context,
                    &mut catalog,
                    &server.archive(),
                    Settings::of(server),
                    id.as_str(),
                )?;
                Ok(lock.remove()?)
            }
            Some(_) => {
                server.info(format!(
                    "Backup {id} is absent on {name} server, but present locally (local copy only)"
                ));
                Ok(())
            }
        };
    };
    if local.is_some_and(BackupInfo::is_available) {
        server.info(format!("Backup {id} is already synced with {name} server"));
    } else if is_obsolete(server, &catalog, &primary, &id)? {
        server.info(format!("Remote backup {name}/{id} is obsolete for local retention policies."));
    } else {
        copy(server, &mut catalog, &primary, theirs)?;
    }
    Ok(())
}

/// Whether this is what a copy has left that did not come to its end.
pub fn is_remnant(local: &BackupInfo) -> bool {
    local.mode.as_deref() == Some(PASSIVE) && !local.is_available()
}

/// Whether the retention policy of this node would delete the backup at once. With an increment come those that it is
/// based on.
pub fn is_obsolete(
    server: &Server<'_>,
    catalog: &Catalog,
    primary: &PrimaryInfo,
    id: &BackupId,
) -> Result<bool, Error> {
    let remote: Vec<&BackupInfo> = primary.backups.values().collect();
    let wanted: Vec<&BackupId> = Chains::of(&remote)
        .ancestors(id)
        .chain([id])
        .filter(|id| primary.backups.contains_key(*id))
        .collect();
    let local = catalog.load().backups;
    let is_here = |id: &BackupId| local.iter().any(|backup| backup.id == *id && backup.is_available());
    let copied: Vec<BackupInfo> = wanted
        .into_iter()
        .filter(|id| !is_here(id))
        .filter_map(|id| primary.backups.get(id))
        .map(|backup| BackupInfo { status: BackupStatus::Done, ..backup.clone() })
        .collect();
    let others = local.iter().copied().filter(|here| copied.iter().all(|copied| copied.id != here.id));
    let mut backups: Vec<&BackupInfo> = others.chain(&copied).collect();
    backups.sort_by_key(|backup| &backup.id);
    let statuses = retention::judge(Rules::of(server.config), catalog, &backups, server.context.clock.now())?;
    Ok(statuses.is_some_and(|statuses| statuses.get(id) == Some(&RetentionStatus::Obsolete)))
}

fn copy(
    server: &Server<'_>,
    catalog: &mut Catalog,
    primary: &PrimaryInfo,
    theirs: &BackupInfo,
) -> Result<(), Error> {
    let (name, id) = (server.name(), &theirs.id);
    let busy =
        || Error::refused(format!("Another process is holding the lock for backup {id} of server {name}."));
    // Nobody deletes it meanwhile.
    let id_lock = server.lock_for_work(&catalog.layout().backup_id_lock(id))?.ok_or_else(busy)?;
    let mut backup =
        BackupInfo { mode: Some(PASSIVE.into()), status: BackupStatus::Syncing, ..theirs.clone() };
    catalog.save(backup.clone())?;
    tracing::info!("server '{name}': copying the files of backup {id} from the primary");
    if let Err(error) = copy_files(server, catalog, primary, theirs) {
        let reason = error.with_causes();
        let failure = format!("failure syncing server {name} backup {id}: ");
        backup.status = BackupStatus::Failed;
        backup.error = Some(failure.clone() + reason.lines().next().unwrap_or_default());
        let saved = catalog.save(backup);
        server.context.cancel.check()?;
        if let Err(unsaved) = saved {
            // What fails the copy may keep its record from being written, too, as a full disk does.
            server.error(Error::from(unsaved).description());
        }
        return Err(Error::refused(failure + &reason));
    }
    let is_complete = has_its_wal(&server.archive(), &backup);
    backup.status = if is_complete { BackupStatus::Done } else { BackupStatus::WaitingForWals };
    catalog.save(backup)?;
    drop(id_lock);
    if !is_complete {
        // The primary may keep it no longer than it keeps the backup.
        wals::run(server)?;
    }
    Ok(())
}

/// Copies the directory of the backup and has the disk keep it.
fn copy_files(
    server: &Server<'_>,
    catalog: &Catalog,
    primary: &PrimaryInfo,
    theirs: &BackupInfo,
) -> Result<(), Error> {
    let (layout, files) = (catalog.layout(), &server.context.files);
    let base_dir = layout.base_dir(&theirs.id);
    let reuse = reuse_mode(server.config.reuse_backup());
    let like = match catalog.next_available(&theirs.id)? {
        Some(next) => Some(next),
        None => catalog.previous_available(&theirs.id)?,
    };
    let like = like.filter(|_| reuse != ReuseMode::Off);
    let settings = CopySettings::configured(server.config);
    let source = primary.places.basebackups_directory.join(theirs.id.as_str());
    let item = CopyItem {
        reuse: like.map(|like| layout.base_dir(&like.id)),
        filters: filters(theirs),
        bandwidth_limit: settings.bandwidth_limit,
        ..CopyItem::tree("basebackup", source, &base_dir)
    };
    let horizon = like.and_then(|like| like.begin_time.min(theirs.begin_time));
    let copy = SmartCopy {
        items: vec![item],
        reuse,
        safe_horizon: horizon,
        is_source_still: true,
        ..settings.copy(Endpoint::Ssh(server.primary_ssh()?), Endpoint::Local, server.config)
    };
    copy.run(&server.context)?;
    link_tablespaces(server, catalog, theirs)?;
    Ok(files.sync_filesystem(&base_dir)?)
}

/// What is not copied: the record, of which each node has its own, and the links to tablespaces, which lead to places on
/// the other node.
fn filters(backup: &BackupInfo) -> Filters {
    let links = backup.tablespaces.iter().map(|it| format!("data/pg_tblspc/{}", it.oid));
    let own = ["backup.info", ".backup.lock"].map(str::to_owned);
    own.into_iter().chain(links).fold(Filters::default(), Filters::protecting)
}

/// Makes the links that `pg_basebackup` leaves, and that PostgreSQL's own programs follow, lead to the copies here.
fn link_tablespaces(server: &Server<'_>, catalog: &Catalog, theirs: &BackupInfo) -> Result<(), Error> {
    let (layout, files) = (catalog.layout(), &server.context.files);
    let form = DirectoryForm::Data;
    let links = layout.data_dir(&theirs.id, form).join("pg_tblspc");
    if theirs.mode.as_deref() != Some("postgres") || !files.is_dir(&links) {
        return Ok(());
    }
    for tablespace in &theirs.tablespaces {
        let (copy, link) =
            (layout.tablespace_dir(&theirs.id, tablespace.oid, form), links.join(tablespace.oid.to_string()));
        if files.is_dir(&copy) && !files.exists(&link)? {
            files.symlink(&copy, &link)?;
        }
    }
    Ok(())
}
