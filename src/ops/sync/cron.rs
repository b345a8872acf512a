//! What `cron` does for a passive node.

use std::collections::BTreeSet;

use super::backup::{is_obsolete, is_remnant};
use super::last_synced::LastSynced;
use super::primary;
use super::primary_info::PrimaryInfo;
use super::wals::{first_missing, settle};
use crate::catalog::{BackupInfo, Catalog};
use crate::ops::{Error, Server};
use crate::types::{BackupId, BackupStatus, WalName};

/// Asks the primary what there is, and has `start` begin what follows, each in a process of its own. The caller holds
/// the lock of cron.
pub fn run(server: &Server<'_>, start: &dyn Fn(&[&str]) -> Result<(), Error>) -> Result<(), Error> {
    let catalog = server.catalog()?;
    let since = where_to_go_on(server, &catalog)?;
    let info = match primary::refresh(server, since) {
        Ok(info) => info,
        Err(error) => {
            server.context.cancel.check()?;
            server.error(format!("Failed to retrieve the primary node status: {}", error.description()));
            return Ok(());
        }
    };
    start_backup(server, &catalog, &info, start)?;
    start_wals(server, &info, start)
}

/// What was copied last; nothing when a backup here lacks WAL from before: then the primary is asked for all of it.
fn where_to_go_on(server: &Server<'_>, catalog: &Catalog) -> Result<Option<LastSynced>, Error> {
    let Some(since) = LastSynced::load(server)? else { return Ok(None) };
    let archive = server.archive();
    let loaded = catalog.load();
    let mut waiting = loaded.backups.iter().filter(|it| it.status == BackupStatus::WaitingForWals);
    let lacks = |backup: &&BackupInfo| {
        let missing = first_missing(&archive, backup).ok().flatten();
        missing.is_some_and(|missing| WalName::Segment(missing) <= since.name)
    };
    Ok((!waiting.any(lacks)).then_some(since))
}

/// Starts the copy of the oldest backup that is not here. One that has failed before comes after the others, so that it
/// does not stand in their way.
fn start_backup(
    server: &Server<'_>,
    catalog: &Catalog,
    info: &PrimaryInfo,
    start: &dyn Fn(&[&str]) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = server.name();
    if info.backups.is_empty() {
        server.info(format!("No backup synchronisation required for server {name}"));
    }
    for id in due(catalog, info)? {
        if info.backups.contains_key(&id) && is_obsolete(server, catalog, info, &id)? {
            continue;
        }
        if server.is_locked(&catalog.layout().sync_backup_lock(&id))? {
            server.info(format!(
                "A synchronisation process for backup {id} on server {name} is already in progress"
            ));
            return Ok(());
        }
        server.info(format!("Starting copy of backup {id} for server {name}"));
        return start(&["sync-backup", name, id.as_str()]);
    }
    Ok(())
}

/// The backups that are not here as a whole: those of the primary, and what is left of those that it had; but none whose
/// deletion here has begun, which is finished first.
fn due(catalog: &Catalog, info: &PrimaryInfo) -> Result<Vec<BackupId>, Error> {
    let condemned = catalog.begun_deletions()?;
    let local = catalog.load().backups;
    let here: BTreeSet<&BackupId> = local.iter().filter(|it| it.is_available()).map(|it| &it.id).collect();
    let failed: BTreeSet<&BackupId> =
        local.iter().filter(|it| it.status == BackupStatus::Failed).map(|it| &it.id).collect();
    let remnants = local.iter().filter(|it| is_remnant(it)).map(|it| &it.id);
    let known: BTreeSet<&BackupId> = info.backups.keys().chain(remnants).collect();
    let is_due = |id: &&BackupId| !here.contains(id) && !condemned.contains(id);
    let mut due: Vec<BackupId> = known.into_iter().filter(is_due).cloned().collect();
    due.sort_by_key(|id| (failed.contains(id), id.clone()));
    Ok(due)
}

fn start_wals(
    server: &Server<'_>,
    info: &PrimaryInfo,
    start: &dyn Fn(&[&str]) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = server.name();
    if !info.has_wal {
        server.info(format!("No WAL synchronisation required for server {name}"));
        // A copy that was killed at its end may have left backups waiting whose WAL is here.
        return settle(server);
    }
    if server.is_locked(&server.task_lock("sync-wal"))? {
        server.info(format!("WAL synchronisation already running for server {name}"));
        return Ok(());
    }
    server.info(format!("Started copy of WAL files for server {name}"));
    start(&["sync-wals", name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Layout;
    use crate::ops::sync::PASSIVE;
    use crate::sys::Files;

    fn backup(day: u32, status: BackupStatus, mode: &str) -> BackupInfo {
        let id = format!("202601{day:02}T100000").parse().unwrap();
        BackupInfo { status, mode: Some(mode.into()), ..BackupInfo::new(id) }
    }

    #[test]
    fn what_is_not_here_as_a_whole_is_due_oldest_first_and_what_failed_last() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            server: "main".into(),
            backup_directory: dir.path().into(),
            basebackups_directory: dir.path().join("base"),
            lock_directory: dir.path().into(),
            keeps_old_records: true,
        };
        let mut catalog = Catalog::open(&Files::default(), layout).unwrap();
        let local = [
            backup(1, BackupStatus::Failed, PASSIVE),
            backup(2, BackupStatus::Done, PASSIVE),
            backup(3, BackupStatus::Syncing, PASSIVE),
            backup(4, BackupStatus::WaitingForWals, PASSIVE),
            // Taken here, while this node was not passive.
            backup(6, BackupStatus::Failed, "rsync-concurrent"),
            // The primary has these no more.
            backup(7, BackupStatus::Syncing, PASSIVE),
            backup(8, BackupStatus::Done, PASSIVE),
            // Its deletion was cut off.
            backup(9, BackupStatus::Failed, PASSIVE),
        ];
        local.into_iter().for_each(|backup| catalog.save(backup).unwrap());
        catalog.mark_deletion(&backup(9, BackupStatus::Failed, PASSIVE).id).unwrap();
        let theirs = [1, 2, 3, 4, 5, 9].map(|day| backup(day, BackupStatus::Done, "rsync-concurrent"));
        let info = PrimaryInfo {
            backups: theirs.into_iter().map(|backup| (backup.id.clone(), backup)).collect(),
            ..PrimaryInfo::default()
        };
        let due = due(&catalog, &info).unwrap();
        let days: Vec<&str> = due.iter().map(|id| &id.as_str()[6..8]).collect();
        assert_eq!(days, ["03", "05", "07", "01"]);
    }
}
