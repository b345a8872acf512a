//! Restoring a backup into a directory of this host or another one, to its end or to a moment after it.
//!
//! The plan decides everything first and says it: backup, timeline, WAL needed and present, room needed and free,
//! tablespaces, recovery settings. Only then is a byte written: directories, data, tablespaces and their links,
//! WAL, configuration, and `pg_control` as the very last. What a backup has in archives is unpacked on its way. A
//! restore that stops half-way leaves a directory that PostgreSQL refuses to start on, and a mark by which the same
//! restore may be repeated.

mod apply;
mod archived;
mod auto;
mod chosen;
mod configuration;
mod configuration_files;
mod delivery;
mod delta;
mod host;
mod names;
mod parallel;
mod places;
mod plan;
mod recovery_conf;
mod request;
mod room;
mod scratch;
mod scripts;
mod separation;
mod settings;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod timelines;
mod wal_check;
mod wal_plan;

use super::hooks::Scripts;
use super::{Error, Server, archive_wal};
use crate::config::HookEvent;
use crate::sys::Lock;
use crate::types::BackupId;
use crate::view::Restored;

pub use request::{RestoreRequest, TypedStaging, TypedTarget, WalOptions};

use chosen::Chosen;
use host::Host;

/// Restores what `request` names; gives what the DBA must know before starting PostgreSQL.
pub fn run(server: &Server<'_>, request: &RestoreRequest) -> Result<Restored, Error> {
    let started = server.context.clock.now();
    let host = host::open(server, request.remote_ssh_command.as_deref(), &request.copy)?;
    let id = chosen::resolve(server, request)?;
    let _lock = keep_from_deletion(server, &id)?;
    let chosen = chosen::choose(server, &*host, request, &id)?;
    // WAL that is still queued may be what the target needs.
    archive_wal::run_before_restore(server)?;
    let places = places::find_fit(server, &*host, &chosen, request.delta)?;
    announce(server, &*host, &chosen);
    let mut plan = plan::plan(server, &*host, chosen, places, request)?;
    room::ensure(server, &*host, &plan)?;
    let backup = plan.chosen.backup.clone();
    let outcome = scripts::around(server, request, &backup, || {
        // A script may have put files there, which are not ours to remove.
        if Scripts::of(server).watch(HookEvent::Recovery) {
            plan.places = places::find_fit(server, &*host, &plan.chosen, request.delta)?;
        }
        apply::apply(server, &*host, &plan, &request.copy)
    })?;
    let settings = plan.recovery.as_ref().map(|recovery| recovery.settings_file.clone());
    Ok(Restored {
        changes: outcome.changes,
        dangers: outcome.dangers,
        missing_files: outcome.missing_files,
        fetches_by: settings.filter(|_| request.wal.get_wal),
        start_time: started,
        elapsed: server.context.clock.now() - started,
    })
}

/// Takes the lock of the backup, which everything that deletes or changes one takes too, the Python Barman included.
/// Other restores may have it with us. Where it cannot be made, on a full disk, the restore must not wait for that.
fn keep_from_deletion(server: &Server<'_>, id: &BackupId) -> Result<Option<Lock>, Error> {
    match Lock::acquire_for_reading(&server.layout().backup_id_lock(id)) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(Error::refused(format!(
            "Another process is holding the lock for backup {id} of server {}: it deletes or checks the backup. Try \
             again when it has ended, or restore another backup",
            server.name()
        ))),
        Err(error) => {
            server.warning(format!(
                "backup {id} of server {} is restored without its lock: do not delete it meanwhile. Reason: {}",
                server.name(),
                Error::from(error).with_causes()
            ));
            Ok(None)
        }
    }
}

fn announce(server: &Server<'_>, host: &dyn Host, chosen: &Chosen) {
    let kind = if host.ssh_command().is_some() { "remote" } else { "local" };
    server.info(format!(
        "Starting {kind} restore for server {} using backup {}",
        server.name(),
        chosen.backup.id
    ));
    server.info(format!("Destination directory: {}", chosen.destination.display()));
    if let Some(command) = host.ssh_command() {
        server.info(format!("Remote command: {command}"));
    }
}
