//! The state of the backups that are there.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Rows, encryption};
use crate::catalog::BackupInfo;
use crate::ops::{Error, Server, compression, wal_use};
use crate::types::{BackupStatus, ByteSize, HumanDuration, WalName};

/// Whether the directories are there; those that are not are made.
pub fn check_directories(server: &Server<'_>, rows: &mut Rows) {
    if server.config.is_disabled() {
        return;
    }
    match server.ensure_directories() {
        Ok(()) => rows.ok("directories", ""),
        Err(error) => rows.fail("directories", format!("{}: {}", error.path.display(), error.source)),
    }
}

/// The checks on backups and the WAL that follows them.
pub fn check_backups(server: &Server<'_>, rows: &mut Rows) -> Result<(), Error> {
    if server.config.retention_fault().is_none() {
        rows.ok("retention policy settings", "");
    } else {
        rows.fail("retention policy settings", "see log");
    }
    let catalog = server.catalog()?;
    let loaded = catalog.load();
    for error in &loaded.errors {
        tracing::error!("{error}");
    }
    let latest = loaded.backups.iter().rev().find(|backup| backup.is_available()).copied();
    check_age(server, latest, rows);
    check_size(server, latest, rows);
    encryption::check(server, rows);
    if let Err(error) = check_wal_after(server, latest, rows) {
        rows.fail("wal size", error.with_causes());
    }
    match compression::fault(server) {
        None => rows.ok("compression settings", compression::remark(server.config).unwrap_or_default()),
        Some(fault) => rows.fail("compression settings", fault),
    }
    let failed = loaded.backups.iter().filter(|backup| backup.status == BackupStatus::Failed).count();
    rows.add("failed backups", failed == 0, format!("there are {failed} failed backups"));
    let complete =
        loaded.backups.iter().filter(|b| b.status == BackupStatus::Done && !b.is_incremental()).count();
    let required = server.config.minimum_redundancy() as usize;
    rows.add(
        "minimum redundancy requirements",
        complete >= required,
        format!("have {complete} non-incremental backups, expected at least {required}"),
    );
    if let Some(error) = loaded.errors.first() {
        rows.fail("backup records", error.to_string());
    }
    Ok(())
}

fn check_age(server: &Server<'_>, latest: Option<&BackupInfo>, rows: &mut Rows) {
    let label = "backup maximum age";
    let Some(limit) = server.config.last_backup_maximum_age() else {
        rows.ok(label, "no last_backup_maximum_age provided");
        return;
    };
    let age: Option<TimeDelta> =
        latest.and_then(|backup| backup.end_time).map(|end| server.context.clock.now() - end);
    let shown = age.map_or("No available backups".to_owned(), |age| HumanDuration::from(age).to_string());
    let young = age.is_some_and(|age| age < to_delta(limit));
    rows.add(
        label,
        young,
        format!("interval provided: {}, latest backup age: {shown}", HumanDuration::from(limit)),
    );
}

fn check_size(server: &Server<'_>, latest: Option<&BackupInfo>, rows: &mut Rows) {
    let label = "backup minimum size";
    let bytes = latest.and_then(|backup| backup.size).unwrap_or(0);
    rows.last_backup_bytes = bytes;
    let size = ByteSize::from(bytes);
    match server.config.last_backup_minimum_size() {
        None => rows.ok(label, size.to_string()),
        Some(minimum) => {
            let (enough, sign) = if bytes >= minimum { (true, '>') } else { (false, '<') };
            rows.add(
                label,
                enough,
                format!("last backup size {size} {sign} {} minimum", ByteSize::from(minimum)),
            );
        }
    }
}

fn check_wal_after(server: &Server<'_>, latest: Option<&BackupInfo>, rows: &mut Rows) -> Result<(), Error> {
    let archive = server.archive();
    let (following_size, last) = match latest.and_then(|backup| backup.begin_wal.zip(Some(backup))) {
        Some((begin, backup)) => {
            let mut open = archive.open()?;
            let wal = wal_use::sum(&mut open, backup, None)?;
            (wal.following_size, open.last_segment(WalName::Segment(begin)..)?)
        }
        None => (ByteSize::default(), None),
    };
    match server.config.last_wal_maximum_age() {
        None => rows.ok("wal maximum age", "no last_wal_maximum_age provided"),
        Some(limit) => {
            let now = server.context.clock.now().timestamp_millis();
            let age = last.map(|entry| TimeDelta::milliseconds(now - (entry.time * 1000.0) as i64));
            match age {
                None => rows.fail("wal maximum age", "No WAL files archived for last backup"),
                Some(age) => rows.add(
                    "wal maximum age",
                    age < to_delta(limit),
                    format!(
                        "interval provided: {}, latest wal age: {}",
                        HumanDuration::from(limit),
                        HumanDuration::from(age)
                    ),
                ),
            }
        }
    }
    rows.wal_bytes = u64::try_from(following_size.0).unwrap_or(0);
    rows.ok("wal size", following_size.to_string());
    Ok(())
}

fn to_delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

/// What the configuration asks for and cannot have.
pub fn check_configuration(server: &Server<'_>, rows: &mut Rows) {
    let details: Vec<String> =
        server.config.problems().iter().cloned().chain(server.config.unsupported()).collect();
    if details.is_empty() {
        return;
    }
    rows.fail("configuration", "");
    if let Some(row) = rows.checks.last_mut() {
        row.details = details;
    }
}
