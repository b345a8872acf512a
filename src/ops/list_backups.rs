//! `list-backups`.

use std::collections::BTreeMap;

use super::{Error, retention, tell, wal_use};
use crate::catalog::{BackupInfo, Catalog, Loaded};
use crate::sys::Context;
use crate::types::{BackupId, ByteSize};
use crate::view::{AvailableRow, BackupList, BackupRow, WalUse};
use crate::wal::{self, Archive};

/// The backups of a server with their sizes, newest first. A record that cannot be read is an error event, and
/// hides no other.
pub fn run(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    rules: retention::Rules,
) -> Result<BackupList, Error> {
    let Loaded { backups, errors } = catalog.load();
    for error in errors {
        tell(context, &error.into());
    }
    let retention = retention::judge(rules, catalog, &backups, context.clock.now())?;
    let mut wal = load_wal(archive, &backups)?;
    let row = |info: &&BackupInfo| {
        let available = wal.remove(&info.id).map(|wal| AvailableRow {
            end_time: info.end_time,
            size: ByteSize::from(info.size.unwrap_or(0).saturating_add_signed(wal.required_size.0)),
            wal_size: wal.following_size,
            retention: retention.as_ref().and_then(|statuses| statuses.get(&info.id).copied()),
        });
        BackupRow {
            server: info.server_name.clone().unwrap_or_else(|| catalog.layout().server.clone()),
            id: info.id.clone(),
            name: info.backup_name.clone(),
            kind: info.kind(),
            status: info.status,
            available,
        }
    };
    Ok(BackupList {
        server: catalog.layout().server.clone(),
        backups: backups.iter().rev().map(row).collect(),
    })
}

/// The names of all backups of a server, newest first (`--minimal`). No record is read for them.
pub fn ids(catalog: &Catalog) -> Vec<BackupId> {
    catalog.ids().rev().cloned().collect()
}

/// The WAL of each available backup. The archive is not opened for none: a server that has never been used has
/// no archive yet.
fn load_wal(archive: &Archive, backups: &[&BackupInfo]) -> Result<BTreeMap<BackupId, WalUse>, wal::Error> {
    let available: Vec<&&BackupInfo> = backups.iter().filter(|info| info.is_available()).collect();
    if available.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut open = archive.open()?;
    let with_next = available.iter().enumerate().map(|(at, info)| (info, available.get(at + 1)));
    with_next
        .map(|(info, next)| Ok((info.id.clone(), wal_use::sum(&mut open, info, next.map(|next| **next))?)))
        .collect()
}
