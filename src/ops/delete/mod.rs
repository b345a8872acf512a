//! `delete`: a backup, the increments based on it, and the WAL that nobody needs any more.
//!
//! A deletion that a crash interrupts is finished by whoever comes next. The mark `<id>-delete_this` is the first
//! thing written and the last one removed; in between the record says FAILED, so that no program takes a part of a
//! backup for a backup. WAL goes before the files of the backup: what is left of a half-deleted backup is at
//! least visible in the catalogue. The record goes last, because without it the directory would be invisible.

use super::hooks::{BackupFacts, Scripts, Subject};
use super::retention::Rules;
use super::{Error, Server};
use crate::catalog::{Catalog, Loaded};
use crate::config::HookEvent;
use crate::sys::{Context, Lock};
use crate::types::BackupId;
use crate::wal::Archive;

mod apply;
mod plan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wal_properties;
mod wal_removal;

pub(super) use apply::tell_removal;

/// What the configuration of a server says on deletions.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// How many backups it wants.
    pub rules: Rules,
    /// Whether backups are concurrent (`backup_options`): then WAL that arrived since the only backup began is kept
    /// when it goes.
    pub is_concurrent: bool,
    /// The scripts that run around the deletion of a backup and of each WAL file.
    pub scripts: Scripts<'a>,
}

impl<'a> Settings<'a> {
    /// The settings of a server.
    pub fn of(server: &Server<'a>) -> Self {
        Self {
            rules: Rules::of(server.config),
            is_concurrent: server.config.backup_options().concurrent,
            scripts: Scripts::of(server),
        }
    }
}

/// Who wants a backup deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A person, who is held back from deleting the last backups.
    Person,
    /// The retention policy, which has thought of that.
    Policy,
}

/// Deletes the backup that `text` means, its increments first.
///
/// # Errors
/// `NotDeleted` after an event that says what stands in the way.
pub fn run(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    settings: Settings<'_>,
    text: &str,
) -> Result<(), Error> {
    let id = catalog.resolve(text)?.id.clone();
    let server = catalog.layout().server.clone();
    let not_deleted = || Error::NotDeleted { server: server.clone(), id: id.clone() };
    let Some(_lock) = Lock::acquire_for_work(&catalog.layout().backup_lock())? else {
        context.events.error(&format!(
            "Another process in running on server {server}. Impossible to delete the backup."
        ));
        return Err(not_deleted());
    };
    match delete_tree(context, catalog, archive, settings, &id, Asker::Person)? {
        true => Ok(()),
        false => Err(not_deleted()),
    }
}

/// Deletes a backup and the increments based on it. False when something stands in the way, or something failed;
/// an event has said what.
pub fn delete_tree(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    settings: Settings<'_>,
    id: &BackupId,
    asker: Asker,
) -> Result<bool, Error> {
    catalog.refresh()?;
    let server = catalog.layout().server.clone();
    let info = catalog.resolve(id.as_str())?;
    let keep = catalog.keep(id)?;
    let Loaded { backups, .. } = catalog.load();
    let minimum_redundancy = match asker {
        Asker::Person => settings.rules.minimum_redundancy,
        Asker::Policy => 0,
    };
    let order = match plan::plan(info, &backups, keep, minimum_redundancy) {
        Ok(order) => order,
        Err(refusal) => {
            context.events.warning(&refusal.text(&server, id));
            return Ok(false);
        }
    };
    if order.len() > 1 && asker == Asker::Person {
        context.events.warning(&format!(
            "Backup {id} has incremental backups which depend on it. Deleting all backups in the tree"
        ));
    }
    for backup in &order {
        if !delete_locked(context, catalog, archive, settings, backup, asker)? {
            if backup != id {
                context.events.error(
                    "Failed to delete one of its incremental backups. Make sure all its dependent backups are \
                     deletable and try again.",
                );
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// Deletes one backup under its lock.
fn delete_locked(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    settings: Settings<'_>,
    id: &BackupId,
    asker: Asker,
) -> Result<bool, Error> {
    let server = catalog.layout().server.clone();
    let Some(lock) = Lock::acquire_for_work(&catalog.layout().backup_id_lock(id))? else {
        let held = format!("Another process is holding the lock for backup {id} of server {server}.");
        match asker {
            Asker::Person => context.events.error(&held),
            Asker::Policy => context.events.warning(&format!(
                "Another action is in progress for the backup {id} of server {server}, skipping retention policy \
                 application"
            )),
        }
        return Ok(false);
    };
    // The increments before it may have taken hours to go.
    catalog.refresh()?;
    let Some(info) = catalog.find(id)?.cloned() else { return Ok(true) };
    let facts = BackupFacts::of(catalog, &info);
    let subject = Subject::Backup(&facts);
    // Before the deletion is announced: a script that does not want it is not to be asked again by cron.
    let allowed = settings.scripts.before(context, HookEvent::Delete, &subject).map_err(Error::from);
    match allowed.and_then(|()| apply::delete(context, catalog, archive, settings, &info, asker)) {
        Ok(()) => {
            lock.remove()?;
            context.files.remove_file_if_exists(&catalog.layout().sync_backup_lock(id))?;
            apply::settle(context, catalog, &info)?;
            settings.scripts.after(context, HookEvent::Delete, &subject);
            Ok(true)
        }
        Err(error) if context.cancel.is_cancelled() => Err(error),
        Err(error) => {
            let reason = error.description();
            context.events.error(&format!("Failure deleting backup {id} for server {server}.\n{reason}"));
            Ok(false)
        }
    }
}
