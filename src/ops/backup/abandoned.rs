//! Backups whose process was killed.

use super::last_word;
use crate::catalog::{BackupInfo, Catalog};
use crate::ops::strategy::Strategy;
use crate::ops::{Error, Server};
use crate::types::BackupStatus;

/// Marks FAILED what a killed process left EMPTY or STARTED, and has PostgreSQL leave backup mode. The caller holds the
/// backup lock, so nobody is still working on them. Gives the catalogue as it is then.
pub fn close_abandoned(server: &Server<'_>) -> Result<Catalog, Error> {
    let mut catalog = server.catalog()?;
    look_again_at_newest(server, &catalog.load().backups);
    let is_open =
        |backup: &&&BackupInfo| matches!(backup.status, BackupStatus::Empty | BackupStatus::Started);
    let open: Vec<BackupInfo> =
        catalog.load().backups.iter().filter(is_open).map(|found| (*found).clone()).collect();
    for mut backup in open {
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

/// PostgreSQL may not have answered when an exclusive backup failed, or begun it only after that. As long as there is
/// no newer one it may still be in the backup mode of that.
fn look_again_at_newest(server: &Server<'_>, backups: &[&BackupInfo]) {
    let Some(newest) = backups.last() else { return };
    let has_ended = newest.end_xlog.is_some();
    if newest.status == BackupStatus::Failed && !has_ended && Strategy::Exclusive.is_of(newest) {
        last_word::look_again(server, &newest.id);
    }
}
