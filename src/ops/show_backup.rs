//! `show-backup`.

use super::{Error, retention, wal_use};
use crate::catalog::{BackupInfo, Catalog, Chains, Loaded};
use crate::sys::Context;
use crate::types::Timeline;
use crate::view::{AvailableDetails, BackupDetails, Chain};
use crate::wal::{self, Archive};

/// All that is known of the backup that `text` means. What cannot be read beside it and could have changed the
/// answer is a warning.
pub fn run(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    rules: retention::Rules,
    text: &str,
) -> Result<BackupDetails, Error> {
    let info = catalog.resolve(text)?;
    let available = match info.is_available() {
        true => Some(load_details(context, catalog, archive, rules, info)?),
        false => None,
    };
    Ok(BackupDetails { server: catalog.layout().server.clone(), info: info.clone(), available })
}

fn load_details(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    rules: retention::Rules,
    info: &BackupInfo,
) -> Result<AvailableDetails, Error> {
    let Loaded { backups, errors } = catalog.load();
    for error in errors {
        context.events.warning(&Error::from(error).description());
    }
    let retention = retention::judge(rules, catalog, &backups, context.clock.now())?;
    let mut older = backups.iter().filter(|other| other.id < info.id && other.is_available());
    let next = backups.iter().find(|other| other.id > info.id && other.is_available()).copied();
    let reachable = find_reachable_timelines(archive, info).unwrap_or_else(|error| {
        context.events.warning(&Error::from(error).description());
        Vec::new()
    });
    Ok(AvailableDetails {
        wal: wal_use::measure(&mut archive.open()?, info, next)?,
        retention: retention.and_then(|statuses| statuses.get(&info.id).copied()),
        previous: older.next_back().map(|previous| previous.id.clone()),
        next: next.map(|next| next.id.clone()),
        reachable_timelines: reachable,
        chain: chain_of(info, &backups),
    })
}

/// The timelines that a restore of the backup can be rolled forward to, besides its own.
fn find_reachable_timelines(archive: &Archive, info: &BackupInfo) -> Result<Vec<Timeline>, wal::Error> {
    let Some((begin, end)) = info.begin_wal.zip(info.end_xlog) else { return Ok(Vec::new()) };
    let reachable = archive.reachable_timelines(begin.timeline(), end)?;
    Ok(reachable.into_iter().map(|(timeline, _)| timeline).collect())
}

fn chain_of(info: &BackupInfo, backups: &[&BackupInfo]) -> Option<Chain> {
    let parent = info.parent_backup_id.clone().filter(|_| info.is_incremental())?;
    let chains = Chains::of(backups);
    let ancestors: Vec<_> = chains.ancestors(&info.id).collect();
    let root = ancestors.last().map_or_else(|| parent.clone(), |root| (*root).clone());
    Some(Chain { root, parent, len: ancestors.len() + 1 })
}
