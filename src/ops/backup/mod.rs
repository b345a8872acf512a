//! Taking a base backup of a running server.
//!
//! plan → record EMPTY → start → record STARTED → copy → stop → record WAITING_FOR_WALS → required WAL present →
//! record DONE. Whatever fails, PostgreSQL leaves backup mode and the record says FAILED and why: the record is
//! always truer than the directory. What a SIGKILL leaves EMPTY or STARTED, the next process that gets the backup
//! lock marks FAILED.

mod abandoned;
mod copying;
mod items;
mod last_word;
mod nudge;
mod online;
mod run;
mod settle;

use std::time::Duration;

use super::{CopySettings, Error, Server, backup_archives, check, generate_manifest};
use crate::catalog::{BackupInfo, DirectoryForm};
use crate::config::ReuseBackup;
use crate::types::BackupStatus;
use run::BackupRun;

pub use abandoned::{close_abandoned, may_be_abandoned};

/// How a backup is taken: the configuration, and over it what was typed.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Ask PostgreSQL for an immediate checkpoint.
    pub immediate_checkpoint: bool,
    /// What is done with files that the previous backup has too.
    pub reuse: ReuseBackup,
    /// A name for the backup.
    pub name: Option<String>,
    /// Wait until the backup's WAL is archived.
    pub wait: bool,
    /// The limit of that wait.
    pub wait_timeout: Option<Duration>,
    /// The pause between signs of life on the connection.
    pub keepalive: Option<Duration>,
    /// The limit of the checks before the backup.
    pub check_timeout: Option<Duration>,
    /// Write a manifest when the files are copied.
    pub manifest: bool,
    /// How files are copied.
    pub copy: CopySettings,
}

/// A backup that was begun.
pub struct Taken {
    /// Its record as it is now, also when it failed.
    pub record: BackupInfo,
    /// What went wrong besides, such as that the record could not be written or that somebody asked us to stop.
    pub outcome: Result<(), Error>,
}

/// Takes a backup of `server`.
///
/// # Errors
/// When the backup could not be begun. A backup that began and failed is in the catalogue with its reason, and its
/// failure is told.
pub fn run(server: &Server<'_>, options: &BackupOptions) -> Result<Taken, Error> {
    server.refuse_unsupported()?;
    ensure_ready(server, options)?;
    server.ensure_directories()?;
    let layout = server.layout();
    let lock = server
        .lock_for_work(&layout.backup_lock())?
        .ok_or_else(|| Error::refused("Another backup process is running"))?;
    close_abandoned(server)?;
    let (mut record, recorded) = BackupRun::begin(server, options)?.run();
    if options.manifest && record.status != BackupStatus::Failed {
        make_manifest(server, &record);
    }
    drop(lock);
    let outcome = if record.status == BackupStatus::Failed {
        settle::run_scripts_after(server, &record);
        recorded.and_then(|()| Ok(server.context.cancel.check()?))
    } else {
        settle::settle(server, &mut record, options)
    };
    Ok(Taken { record, outcome })
}

/// Lists the files of a backup that has come to its end. Without the list it is a backup all the same.
fn make_manifest(server: &Server<'_>, backup: &BackupInfo) {
    let form = DirectoryForm::Data;
    match generate_manifest::make(&server.context, &server.layout(), &backup_archives::codecs(server), backup, form) {
        Ok(()) => server.info(generate_manifest::made(backup.id.as_str(), server.name())),
        Err(error) => server.error(format!(
            "backup {} of server '{}' is whole, but has no manifest: {}\nMake it with: barman generate-manifest {} {}",
            backup.id,
            server.name(),
            error.with_causes(),
            server.name(),
            backup.id
        )),
    }
}

/// Runs the checks that matter for a backup, quietly.
fn ensure_ready(server: &Server<'_>, options: &BackupOptions) -> Result<(), Error> {
    let report = check::run(server, options.check_timeout)?;
    let blocking = report.checks.iter().filter(|check| !check.ok && !check.tolerated_by_backup);
    let failures: Vec<String> = blocking
        .map(|check| (check.label, check.reason.as_ref().unwrap_or(&check.hint)))
        .map(|(label, reason)| format!("\n\t{label}: FAILED ({reason})"))
        .collect();
    for failure in &failures {
        tracing::error!("check of server '{}' {}", server.name(), failure.trim());
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "Impossible to start the backup. Check the log for more details, or run 'barman check {}'{}",
        server.name(),
        failures.concat().replace(" ()", "")
    )))
}
