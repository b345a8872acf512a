//! Backups whose process was killed.

use super::last_word;
use crate::catalog::{BackupInfo, Catalog};
use crate::ops::strategy::Strategy;
use crate::ops::{Error, Server};
use crate::types::BackupStatus;

/// Whether [`close_abandoned`] may have something to do.
pub fn may_be_abandoned(catalog: &Catalog) -> bool {
    let backups = catalog.load().backups;
    backups.iter().any(|backup| is_open(backup)) || backups.last().is_some_and(|newest| is_in_doubt(newest))
}

/// Marks FAILED what a killed process left EMPTY or STARTED, and has PostgreSQL leave backup mode. The caller holds the
/// backup lock, so nobody is still working on them. Gives the catalogue as it is then.
pub fn close_abandoned(server: &Server<'_>) -> Result<Catalog, Error> {
    let mut catalog = server.catalog()?;
    let backups = catalog.load().backups;
    if let Some(newest) = backups.last().filter(|newest| is_in_doubt(newest)) {
        last_word::look_again(server, &newest.id);
    }
    let open = backups.into_iter().filter(|backup| is_open(backup));
    for mut backup in open.cloned().collect::<Vec<_>>() {
        if Strategy::Exclusive.is_of(&backup) {
            last_word::leave_if_of(server, &backup.id);
        }
        backup.error = Some(format!("the backup was interrupted while it was {}", backup.status));
        backup.status = BackupStatus::Failed;
        let (id, name) = (backup.id.clone(), server.name());
        catalog.save(backup)?;
        server.warning(format!(
            "backup {id} of server '{name}' was interrupted by the end of its process and is now marked FAILED; \
             remove it with 'barman delete {name} {id}'"
        ));
    }
    Ok(catalog)
}

fn is_open(backup: &BackupInfo) -> bool {
    matches!(backup.status, BackupStatus::Empty | BackupStatus::Started)
}

/// PostgreSQL may not have answered when an exclusive backup failed, or begun it only after that. As long as there is
/// no newer one it may still be in the backup mode of that.
fn is_in_doubt(newest: &BackupInfo) -> bool {
    newest.status == BackupStatus::Failed && newest.end_xlog.is_none() && Strategy::Exclusive.is_of(newest)
}
