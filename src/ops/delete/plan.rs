//! Whether a backup may be deleted, and what goes with it.

use crate::catalog::{BackupInfo, BackupKind, Chains, Keep};
use crate::types::{BackupId, BackupStatus};

/// Why a backup stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody wants it kept.
    Kept,
    /// There would be too few complete backups.
    Redundancy { minimum: u32, current: usize },
    /// Its files are with a cloud provider.
    Snapshots,
}

impl Refusal {
    pub fn text(self, server: &str, id: &BackupId) -> String {
        let skipping = format!("Skipping delete of backup {id} for server {server}");
        match self {
            Self::Kept => format!(
                "{skipping} as it has a current keep request. If you really want to delete this backup please remove \
                 the keep and try again."
            ),
            Self::Redundancy { minimum, current } => format!(
                "{skipping} due to minimum redundancy requirements (minimum redundancy = {minimum}, current \
                 redundancy = {current})"
            ),
            Self::Snapshots => format!(
                "{skipping} as it is made of snapshots, which this version cannot remove from the cloud provider."
            ),
        }
    }
}

/// The backups to delete with `info`, in order, itself last. With `minimum_redundancy` of 0 the number of backups
/// does not count.
pub(super) fn plan(
    info: &BackupInfo,
    backups: &[&BackupInfo],
    keep: Option<Keep>,
    minimum_redundancy: u32,
) -> Result<Vec<BackupId>, Refusal> {
    if keep.is_some() {
        return Err(Refusal::Kept);
    }
    let counts = |info: &BackupInfo| info.status == BackupStatus::Done && !info.is_incremental();
    let current = backups.iter().filter(|info| counts(info)).count();
    if counts(info) && minimum_redundancy as usize >= current {
        return Err(Refusal::Redundancy { minimum: minimum_redundancy, current });
    }
    if info.kind() == BackupKind::Snapshot {
        return Err(Refusal::Snapshots);
    }
    let increments = Chains::of(backups).descendants(&info.id);
    Ok(increments.into_iter().chain([&info.id]).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(day: u32, status: BackupStatus, parent: Option<u32>) -> BackupInfo {
        let id = |day: u32| format!("202601{day:02}T100000").parse().unwrap();
        BackupInfo { status, parent_backup_id: parent.map(id), ..BackupInfo::new(id(day)) }
    }

    #[test]
    fn minimum_redundancy_counts_complete_backups_that_are_no_increments() {
        let backups = [
            backup(1, BackupStatus::Done, None),
            backup(2, BackupStatus::Done, Some(1)),
            backup(3, BackupStatus::WaitingForWals, None),
            backup(4, BackupStatus::Done, None),
            backup(5, BackupStatus::Failed, None),
        ];
        let all: Vec<&BackupInfo> = backups.iter().collect();
        let refused = |at: usize, minimum| plan(&backups[at], &all, None, minimum).err();
        assert_eq!(refused(0, 2), Some(Refusal::Redundancy { minimum: 2, current: 2 }));
        assert_eq!(refused(0, 1), None);
        assert_eq!(refused(1, 2), None);
        assert_eq!(refused(2, 2), None);
        assert_eq!(refused(4, 9), None);
        assert_eq!(plan(&backups[0], &all, Some(Keep::Standalone), 0), Err(Refusal::Kept));
    }

    #[test]
    fn increments_go_first() {
        let backups = [
            backup(1, BackupStatus::Done, None),
            backup(2, BackupStatus::Done, Some(1)),
            backup(3, BackupStatus::Failed, Some(2)),
            backup(4, BackupStatus::Done, None),
        ];
        let all: Vec<&BackupInfo> = backups.iter().collect();
        let order = |at: usize| plan(&backups[at], &all, None, 0).unwrap();
        assert_eq!(order(0), [backups[2].id.clone(), backups[1].id.clone(), backups[0].id.clone()]);
        assert_eq!(order(3), [backups[3].id.clone()]);
    }
}
