//! The maintenance that is due, every minute: WAL is archived, waiting backups are completed, interrupted ones are
//! closed, and backups that the retention policy no longer needs are deleted. A passive node copies what its primary has
//! instead of archiving.
//!
//! Archiving and the verification of a backup may take long; they run in the background, in processes of their
//! own, so that one slow server never holds up the others. One broken server does not either. Where nothing waits to be
//! archived, as at most servers in most minutes, no process is started. Deletions go on here; the cron of the next minute
//! leaves that server's to us, starts its archiving and gets on with the other servers.

use std::collections::BTreeSet;

use crate::catalog::{BackupInfo, Catalog};
use crate::sys::env;
use crate::sys::fs::PathContext;
use crate::sys::{Command, Lock};
use crate::types::{BackupStatus, WalSegment};

use super::{Error, Server, archive_wal, backup, delete, lock_directory, retention, sync};

/// Does what is due for all `servers`; each server's trouble is told and left behind.
pub fn run<'a>(servers: impl Iterator<Item = Server<'a>>, keep_descriptors: bool) -> Result<(), Error> {
    let mut last = None;
    for server in servers {
        let outcome = maintain(&server, keep_descriptors);
        server.context.cancel.check()?;
        if let Err(error) = outcome {
            server.error(format!(
                "Unable to run cron on server '{}', please look in the barman log file for more details.\n{}",
                server.name(),
                error.with_causes()
            ));
        }
        last = Some(server);
    }
    match last.filter(|server| server.global.lock_directory_cleanup) {
        Some(server) => lock_directory::clean(&server.context, server.global),
        None => Ok(()),
    }
}

fn maintain(server: &Server<'_>, keep_descriptors: bool) -> Result<(), Error> {
    let name = server.name();
    if !server.config.is_active() {
        server.info(format!("Skipping inactive server '{name}'"));
        return Ok(());
    }
    if server.config.is_disabled() {
        server.info(format!("Skipping temporarily disabled server '{name}'"));
        return Ok(());
    }
    server.refuse_unsupported()?;
    // Before anything of the server is touched: should its file system hang, the cron of the next minute steps aside
    // here and gets on with the other servers.
    let Some(_lock) = server.lock_for_work(&server.task_lock("cron"))? else {
        // It may wait for a hook script or delete for hours; WAL must not. The process that archives touches the server
        // only under a lock of its own. We do not look first: should its file system hang, we would hang as well.
        if !server.config.is_passive() {
            start_archiving(server, keep_descriptors, |_| true)?;
        }
        server.info(format!(
            "Another cron process is already running on server {name}. Skipping to the next server"
        ));
        return Ok(());
    };
    server.ensure_directories()?;
    let mut catalog = if server.config.is_passive() {
        sync::cron::run(server, &|words| start(server, words, keep_descriptors))?;
        server.catalog()?
    } else {
        // Of most servers the look is all there is to do in most minutes, and costs a tenth of a process.
        start_archiving(server, keep_descriptors, |server| !archive_wal::is_idle(server))?;
        let catalog = close_abandoned(server)?;
        start_check_of_waiting(server, &catalog, keep_descriptors)?;
        catalog
    };
    // Of records that others may have written since then, only those are read of which the copy is older.
    server.catalog()?.update_old_records()?;
    // By what was read of the records once: they are as many as there are backups, every minute.
    let settings = delete::Settings::of(server);
    retention::enforce(&server.context, &mut catalog, &server.archive(), settings)
}

/// Starts archiving, if `is_due` tells that there is something to do.
fn start_archiving(
    server: &Server<'_>,
    keep_descriptors: bool,
    is_due: impl FnOnce(&Server<'_>) -> bool,
) -> Result<(), Error> {
    let name = server.name();
    // The process that we start takes it, and steps aside should another be quicker.
    if server.is_locked(&server.task_lock("archive-wal"))? {
        server.info(format!(
            "Another archive-wal process is already running on server {name}. Skipping to the next server"
        ));
        return Ok(());
    }
    server.info(format!("Starting WAL archiving for server {name}"));
    if is_due(server) {
        return start(server, &["archive-wal", name], keep_descriptors);
    }
    tracing::info!("No WAL file waits to be archived for server {name}");
    Ok(())
}

/// Only when nobody is taking a backup can an unfinished one be known to be abandoned.
fn close_abandoned(server: &Server<'_>) -> Result<Catalog, Error> {
    let catalog = server.catalog()?;
    if !backup::may_be_abandoned(&catalog) {
        return Ok(catalog);
    }
    match Lock::try_acquire(&server.layout().backup_lock())? {
        Some(_lock) => backup::close_abandoned(server),
        None => Ok(catalog),
    }
}

fn start_check_of_waiting(
    server: &Server<'_>,
    catalog: &Catalog,
    keep_descriptors: bool,
) -> Result<(), Error> {
    for backup in due_for_check(&catalog.load().backups) {
        if !server.is_locked(&server.layout().backup_id_lock(&backup.id))? {
            let name = server.name();
            server.info(format!("Starting check-backup for backup {} of server {name}", backup.id));
            start(server, &["check-backup", name, backup.id.as_str()], keep_descriptors)?;
        }
    }
    Ok(())
}

/// The oldest waiting backup of each timeline: those after it need its WAL or later. One whose WAL got lost with its
/// timeline, as that of a primary which died, must not keep those of the next timeline waiting.
fn due_for_check<'a>(backups: &[&'a BackupInfo]) -> Vec<&'a BackupInfo> {
    let mut timelines = BTreeSet::new();
    let waiting = backups.iter().filter(|backup| backup.status == BackupStatus::WaitingForWals);
    waiting.filter(|backup| timelines.insert(backup.begin_wal.map(WalSegment::timeline))).copied().collect()
}

/// Starts ourselves in the background.
fn start(server: &Server<'_>, words: &[&str], keep_descriptors: bool) -> Result<(), Error> {
    let program = env::current_exe().at("find", "the running program".as_ref())?;
    let command = Command::new(program).arg("-c").arg(&server.global.config_file).arg("-q").args(words);
    Ok(server.context.processes.spawn_detached(&command, keep_descriptors)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_waits_on_a_lost_timeline_does_not_hold_up_those_of_the_next() {
        let backup = |id: &str, status, begin: &str| BackupInfo {
            status,
            begin_wal: begin.parse().ok(),
            ..BackupInfo::new(id.parse().unwrap())
        };
        let backups = [
            backup("20260101T100000", BackupStatus::Done, "000000010000000000000001"),
            backup("20260102T100000", BackupStatus::WaitingForWals, "000000010000000000000003"),
            backup("20260103T100000", BackupStatus::WaitingForWals, "000000020000000000000005"),
            backup("20260104T100000", BackupStatus::WaitingForWals, "000000020000000000000007"),
        ];
        let due = due_for_check(&backups.iter().collect::<Vec<_>>());
        let days: Vec<&str> = due.iter().map(|backup| &backup.id.as_str()[6..8]).collect();
        assert_eq!(days, ["02", "03"]);
    }
}
