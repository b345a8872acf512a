//! What follows a backup: the WAL it needs is awaited, and what it makes useless is dropped.

use std::time::Duration;

use super::BackupOptions;
use super::nudge::Nudges;
use crate::catalog::{BackupInfo, Loaded};
use crate::config::HookEvent;
use crate::ops::delete::tell_removal;
use crate::ops::hooks::{self, BackupFacts, Scripts, Subject};
use crate::ops::{Error, Server, archive_wal, check_backup};
use crate::sys::Lock;
use crate::types::{BackupStatus, WalName, WalSegment};
use crate::wal;

/// How long a backup without `--wait` stays to see its last WAL file arrive: an archiver in good health needs less,
/// and `cron` completes the backup when it needs more.
const PATIENCE: Duration = Duration::from_secs(10);

/// Archives what has arrived until the backup has all its WAL, as long as that was asked for; its status is then the
/// one that is recorded.
pub fn settle(server: &Server<'_>, backup: &mut BackupInfo, options: &BackupOptions) -> Result<(), Error> {
    // Scripts get what was asked for: with `--wait` the backup with all its WAL, otherwise the files.
    if !options.wait {
        run_scripts_after(server, backup);
    }
    let completed = complete(server, backup, options);
    if options.wait {
        run_scripts_after(server, backup);
    }
    backup.status = completed?;
    if server.catalog()?.previous_available(&backup.id)?.is_none() {
        drop_wal_before(server, backup)?;
    }
    if backup.status == BackupStatus::WaitingForWals {
        server.warning(
            "IMPORTANT: this backup is classified as WAITING_FOR_WALS, meaning that Barman has not received yet all \
             the required WAL files for the backup consistency.\n\
             This is a common behaviour in concurrent backup scenarios, and Barman automatically set the backup as \
             DONE once all the required WAL files have been archived.\n\
             Hint: execute the backup command with '--wait'",
        );
        if backup.is_of_standby() && server.config.primary_conninfo().is_none() {
            server.info(
                "The backup was taken from a standby: its last WAL file comes when the primary closes it. With \
                 'primary_conninfo' Barman asks the primary for that.",
            );
        }
    }
    Ok(())
}

/// Runs the scripts that come after a backup, which get it as it is recorded now.
pub fn run_scripts_after(server: &Server<'_>, backup: &BackupInfo) {
    let Ok(catalog) = server.catalog() else {
        tracing::error!("no script runs after backup {}: the catalogue cannot be read", backup.id);
        return;
    };
    // What could not be recorded, on a full disk, is told all the same.
    let recorded = catalog.find(&backup.id).ok().flatten();
    let now = recorded.filter(|_| backup.status != BackupStatus::Failed).unwrap_or(backup);
    let facts = BackupFacts::of(&catalog, now);
    Scripts::of(server).after(&server.context, HookEvent::Backup, &Subject::Backup(&facts));
}

/// Waits for the WAL of the backup as long as that was asked for, and records whether it is there.
fn complete(
    server: &Server<'_>,
    backup: &BackupInfo,
    options: &BackupOptions,
) -> Result<BackupStatus, Error> {
    if let Some(end_wal) = backup.end_wal {
        await_wal(server, backup, end_wal, options)?;
    }
    verify(server, backup)
}

/// Records whether all WAL of the backup is there; what another process is about to record is waited for.
fn verify(server: &Server<'_>, backup: &BackupInfo) -> Result<BackupStatus, Error> {
    let lock = server.layout().backup_id_lock(&backup.id);
    let _lock = Lock::acquire(&lock, &server.context.cancel)?;
    check_backup::update(&server.context, &mut server.catalog()?, &server.archive(), &backup.id)
}

fn await_wal(
    server: &Server<'_>,
    backup: &BackupInfo,
    end_wal: WalSegment,
    options: &BackupOptions,
) -> Result<(), Error> {
    let limit = if options.wait { options.wait_timeout } else { Some(PATIENCE) };
    if options.wait {
        let bound = limit.map(|limit| format!(" (max: {} seconds)", limit.as_secs())).unwrap_or_default();
        server.info(format!("Waiting for the WAL file {end_wal} from server '{}'{bound}", server.name()));
    }
    let mut nudges = Nudges::for_backup(server, backup);
    let archive = server.archive();
    let archived = archive_wal::await_condition(server, backup.xlog_segment_size, limit, || {
        nudges.give(server);
        Ok(archive.contains(WalName::Segment(end_wal))?)
    })?;
    if let (false, true, Some(limit)) = (archived, options.wait, limit) {
        server.error(format!("The WAL file {end_wal} has not been received in {} seconds", limit.as_secs()));
    }
    Ok(())
}

/// Whether another backup may need WAL from before `backup`: one that is there, and one that cannot be read. Those
/// of later names count too, since names do not follow one another in time when clocks are set back.
fn needs_older_wal(catalog: &Loaded<'_>, backup: &BackupInfo) -> bool {
    let mut others = catalog.backups.iter().filter(|other| other.id != backup.id);
    !catalog.errors.is_empty() || others.any(|other| other.is_available())
}

/// Removes the WAL before the begin of `backup` if it is the first of its server: nothing can be restored from it,
/// it only takes room. Histories stay.
pub fn drop_wal_before(server: &Server<'_>, backup: &BackupInfo) -> Result<(), Error> {
    if needs_older_wal(&server.catalog()?.load(), backup) {
        return Ok(());
    }
    let Some(begin) = backup.begin_wal.map(WalName::Segment) else { return Ok(()) };
    let archive = server.archive();
    let mut open = archive.open()?;
    let is_useless = |name: WalName| name < begin && !matches!(name, WalName::History(_));
    if !open.entries(..begin)?.any(|entry| entry.is_ok_and(|entry| entry.wal_name().is_some_and(is_useless)))
    {
        return Ok(());
    }
    server.info("WAL segments preceding the current backup have been found:");
    if server.config.worm_mode() {
        server.info("'worm_mode' is enabled, skip purging of unused WAL files.");
        return Ok(());
    }
    let line = |name: WalName| format!("\t{name} from server {} has been removed", server.name());
    let tell = |what| tell_removal(&server.context, server.name(), what, line);
    match hooks::remove_wal(&server.context, Scripts::of(server), open, is_useless, tell)? {
        // It only takes room: no reason for a backup to fail.
        Some(wal::Error::Stopped { reason, .. }) => {
            server.warning(format!("The rest of this WAL of server {} stays: {reason}", server.name()));
            Ok(())
        }
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(id: &str, status: BackupStatus) -> BackupInfo {
        BackupInfo { status, ..BackupInfo::new(id.parse().unwrap()) }
    }

    #[test]
    fn wal_before_the_first_backup_is_useless_only_when_no_other_backup_is_there_whatever_its_name() {
        let new = backup("20261025T021000", BackupStatus::Started);
        let failed = backup("20261024T021000", BackupStatus::Failed);
        // Taken an hour before, when the clocks still showed summer time.
        let older = backup("20261025T023000", BackupStatus::Done);
        let alone = Loaded { backups: vec![&failed, &new], errors: vec![] };
        let with_older = Loaded { backups: vec![&failed, &new, &older], errors: vec![] };
        assert!(!needs_older_wal(&alone, &new));
        assert!(needs_older_wal(&with_older, &new));
    }
}
