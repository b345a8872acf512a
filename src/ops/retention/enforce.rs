use std::collections::BTreeSet;

use super::judge;
use crate::catalog::{Catalog, Loaded};
use crate::ops::delete::{self, Asker, Settings};
use crate::ops::{Error, tell};
use crate::sys::Context;
use crate::types::{BackupId, RetentionStatus};
use crate::wal::Archive;

/// Deletes the backups that the policy of a server does not need, oldest first, and finishes deletions that were
/// interrupted, with or without a policy.
///
/// Nothing is deleted as long as a record cannot be read: what the catalogue really holds is not known then.
pub fn enforce(
    context: &Context,
    catalog: &mut Catalog,
    archive: &Archive,
    settings: Settings<'_>,
) -> Result<(), Error> {
    let begun = catalog.begun_deletions()?;
    let Loaded { backups, errors } = catalog.load();
    if !errors.is_empty() {
        for error in errors {
            tell(context, &error.into());
        }
        context.events.warning(&format!(
            "The retention policy of server {} is not applied while a backup cannot be read",
            catalog.layout().server
        ));
        return Ok(());
    }
    // What is half deleted, or has a record and no files, restores nothing: it must not take the place of a backup
    // that does.
    let (mut condemned, mut whole) = (Vec::new(), Vec::new());
    for info in backups {
        if begun.contains(&info.id) {
            condemned.push(info.id.clone());
        } else if catalog.is_orphan(info)? {
            // Without a policy no backup's place is at stake, and Barman says nothing.
            if settings.rules.policy.is_some() {
                warn_of_orphan(context, catalog, &info.id);
            }
        } else {
            whole.push(info);
        }
    }
    let known: BTreeSet<BackupId> = condemned.iter().cloned().collect();
    let statuses = judge(settings.rules, catalog, &whole, context.clock.now())?.unwrap_or_default();
    let obsolete = statuses.into_iter().filter(|(_, status)| *status == RetentionStatus::Obsolete);
    condemned.extend(obsolete.map(|(id, _)| id));
    condemned.sort();
    for id in begun.iter().filter(|id| !known.contains(id)) {
        catalog.unmark_deletion(id)?;
    }
    for id in condemned {
        context.cancel.check()?;
        // It may have gone as an increment of one before.
        if catalog.find(&id)?.is_some() {
            let server = &catalog.layout().server;
            context
                .events
                .info(&format!("Enforcing retention policy: removing backup {id} for server {server}"));
            delete::delete_tree(context, catalog, archive, settings, &id, Asker::Policy)?;
        }
    }
    Ok(())
}

fn warn_of_orphan(context: &Context, catalog: &Catalog, id: &BackupId) {
    let layout = catalog.layout();
    context.events.warning(&format!(
        "Backup '{id}' is an orphan backup, this is possibly the result of an incomplete delete operation. Please \
         manually delete the following files or directories if present:\n* {} \n* {} \n'barman delete {} {id}' does it.",
        layout.base_dir(id).display(),
        layout.record(id).display(),
        layout.server,
    ));
}
