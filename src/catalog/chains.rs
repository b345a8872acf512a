use std::collections::BTreeMap;

use super::BackupInfo;
use crate::types::BackupId;

/// Which backup is an increment of which.
///
/// The parents that increments name are believed, not the lists of children that parents have: those may name
/// backups that are gone.
pub struct Chains<'a> {
    parents: BTreeMap<&'a BackupId, &'a BackupId>,
}

impl<'a> Chains<'a> {
    /// The chains among `backups`.
    pub fn of(backups: &[&'a BackupInfo]) -> Self {
        // A parent is older than its child. A record that says otherwise is damaged, and could lead in a circle.
        let parent = |info: &&'a BackupInfo| {
            info.parent_backup_id
                .as_ref()
                .filter(|parent| **parent < info.id)
                .map(|parent| (&info.id, parent))
        };
        Self { parents: backups.iter().filter_map(parent).collect() }
    }

    /// The backups that `id` is based on: its parent first, the root of the chain last.
    pub fn ancestors(&self, id: &'a BackupId) -> impl Iterator<Item = &'a BackupId> {
        std::iter::successors(self.parents.get(id), |id| self.parents.get(*id)).copied()
    }

    /// The backups that cannot be restored without `id`, each behind those that it is needed for: the order in
    /// which they can be deleted.
    pub fn descendants(&self, id: &BackupId) -> Vec<&'a BackupId> {
        let children = self.parents.iter().filter(|(_, parent)| **parent == id).map(|(child, _)| *child);
        children.flat_map(|child| self.descendants(child).into_iter().chain([child])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(id: &str, parent: Option<&str>) -> BackupInfo {
        let parent_backup_id = parent.map(|parent| parent.parse().unwrap());
        BackupInfo { parent_backup_id, ..BackupInfo::new(id.parse().unwrap()) }
    }

    const A: &str = "20250101T000000";
    const B: &str = "20250102T000000";
    const C: &str = "20250103T000000";
    const D: &str = "20250104T000000";

    #[test]
    fn chains_are_followed_both_ways() {
        let backups = [backup(A, None), backup(B, Some(A)), backup(C, Some(B)), backup(D, Some(A))];
        let chains = Chains::of(&backups.iter().collect::<Vec<_>>());
        let names = |ids: Vec<&BackupId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(chains.ancestors(&backups[2].id).collect()), [B, A]);
        assert_eq!(names(chains.ancestors(&backups[0].id).collect()), [""; 0]);
        assert_eq!(names(chains.descendants(&backups[0].id)), [C, B, D]);
        assert_eq!(names(chains.descendants(&backups[1].id)), [C]);
    }

    #[test]
    fn parents_that_make_a_circle_end_the_chain() {
        let backups = [backup(A, Some(B)), backup(B, Some(A)), backup(C, Some(C))];
        let chains = Chains::of(&backups.iter().collect::<Vec<_>>());
        assert_eq!(chains.ancestors(&backups[1].id).count(), 1);
        assert_eq!(chains.ancestors(&backups[2].id).count(), 0);
        assert_eq!(chains.descendants(&backups[2].id).len(), 0);
    }
}
