//! `check-backup`: is all WAL there that a backup needs?

use super::Error;
use crate::catalog::{BackupInfo, Catalog};
use crate::sys::{Context, Lock, Severity};
use crate::types::{BackupId, BackupStatus, WalSegment};
use crate::wal::Archive;

/// What the archive says of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All of its WAL is there.
    Complete,
    /// Some is still to come.
    Waiting,
    /// This segment is missing though later ones are there: it will not come any more.
    Missing(WalSegment),
    /// The backup has not come to its end yet.
    TooEarly,
}

/// Checks the backup that `text` means and records what is found. A backup that has become FAILED is an error event;
/// one that another process works on is left alone.
pub fn run(context: &Context, catalog: &mut Catalog, archive: &Archive, text: &str) -> Result<(), Error> {
    let id = catalog.resolve(text)?.id.clone();
    let Some(_lock) = Lock::acquire_for_work(&catalog.layout().backup_id_lock(&id))? else {
        let server = &catalog.layout().server;
        context
            .events
            .info(&format!("Another process is holding the lock for backup {id} of server {server}."));
        return Ok(());
    };
    catalog.refresh()?;
    update(context, catalog, archive, &id).map(drop)
}

/// Checks a backup for whoever holds its lock, records what is found and gives the status it has now.
pub fn update(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    id: &BackupId,
) -> Result<BackupStatus, Error> {
    let info = catalog.resolve(id.as_str())?;
    if info.status == BackupStatus::Failed {
        context.events.error("The validity of a failed backup cannot be checked");
        return Ok(info.status);
    }
    let (server, before) = (catalog.layout().server.clone(), info.status);
    context.events.say(Severity::Debug, &format!("Checking backup {id} of server {server}"));
    let (status, error) = match examine(archive, info)? {
        Verdict::Complete => (BackupStatus::Done, None),
        Verdict::Waiting => (BackupStatus::WaitingForWals, None),
        Verdict::TooEarly => (before, None),
        Verdict::Missing(segment) => (
            BackupStatus::Failed,
            Some(format!("At least one WAL file is missing. The first missing WAL file is {segment}")),
        ),
    };
    if status != before {
        let info = info.clone();
        catalog.save(BackupInfo { status, error: error.clone().or(info.error.clone()), ..info })?;
    }
    if let Some(error) = error {
        let reason = "This backup has been marked as FAILED due to the following reason";
        context.events.error(&format!("{reason}: {error}"));
    }
    let change = if status == before {
        format!("remains {status}")
    } else {
        format!("changed from {before} to {status}")
    };
    let text = format!("Check finished: the status of backup {id} of server {server} {change}");
    context.events.say(Severity::Debug, &text);
    Ok(status)
}

/// WAL is archived in ascending order: what is older than the latest segment and not there is lost.
fn examine(archive: &Archive, info: &BackupInfo) -> Result<Verdict, Error> {
    let (Some(begin), Some(end)) = (info.begin_wal, info.end_wal) else { return Ok(Verdict::TooEarly) };
    let latest = archive.open()?.latest_segment(begin.timeline())?;
    let Some(latest) = latest.filter(|latest| *latest >= begin) else { return Ok(Verdict::Waiting) };
    let due = info.required_segments()?.take_while(|segment| *segment <= latest);
    Ok(match archive.find_missing(due)? {
        Some(segment) => Verdict::Missing(segment),
        None if end <= latest => Verdict::Complete,
        None => Verdict::Waiting,
    })
}
