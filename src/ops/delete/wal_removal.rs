//! Which WAL nobody needs any more when a backup goes.

use std::collections::BTreeSet;

use super::Asker;
use crate::catalog::{BackupInfo, Keep};
use crate::types::{BackupId, Timeline, WalName, WalSegment};

/// The WAL that can be removed from an archive. Histories of timelines never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalRemoval {
    /// What comes before this segment goes, on its own timeline and others; `None` if everything does.
    before: Option<WalSegment>,
    /// Not on these timelines, which other backups are on.
    timelines: BTreeSet<Timeline>,
    /// Not from the first to the last of these, which backups need that are kept for themselves.
    ranges: Vec<(WalSegment, WalSegment)>,
}

impl WalRemoval {
    /// All that comes before `segment`: what the first backup of a server does not need.
    pub fn before(segment: WalSegment) -> Self {
        Self { before: Some(segment), timelines: BTreeSet::new(), ranges: Vec::new() }
    }

    /// What can go when `info` is deleted; `None` when an older backup needs all there is.
    ///
    /// `backups` are all of the catalogue, oldest first. WAL goes with the oldest of them: up to the begin of the
    /// next one, or when there is none, up to its own begin, if backups are concurrent; WAL that arrived later may be
    /// all that is left of the server. A person who deletes the backup behind one that is kept for itself may want
    /// WAL to stay; the retention policy does not.
    pub(super) fn plan(
        info: &BackupInfo,
        backups: &[&BackupInfo],
        keep: impl Fn(&BackupId) -> Option<Keep>,
        is_concurrent: bool,
        asker: Asker,
    ) -> Option<Self> {
        let mut ranges = Vec::new();
        for older in backups.iter().rev().filter(|other| other.id < info.id && other.is_available()) {
            let is_passed = asker == Asker::Policy && keep(&older.id) == Some(Keep::Standalone);
            // Where its WAL begins and ends is not known, nothing can be passed.
            ranges.push(older.begin_wal.zip(older.end_wal).filter(|_| is_passed)?);
        }
        let next = backups.iter().find(|other| other.id > info.id && other.is_available());
        let limit = match next {
            Some(next) => Some(next.begin_wal?),
            None if is_concurrent => Some(info.begin_wal?),
            None => None,
        };
        let others = backups.iter().filter(|other| other.id != info.id && other.status.needs_wal());
        let timelines =
            others.filter_map(|other| other.begin_wal.map(WalSegment::timeline).or(other.timeline));
        let limits_timeline = limit.map(WalSegment::timeline);
        Some(Self {
            before: limit,
            timelines: timelines.filter(|timeline| Some(*timeline) != limits_timeline).collect(),
            ranges,
        })
    }

    /// Whether the file can go.
    pub fn condemns(&self, name: WalName) -> bool {
        let segment = match name {
            WalName::History(_) => return false,
            WalName::Segment(segment) | WalName::Partial(segment) | WalName::BackupLabel { segment, .. } => {
                segment
            }
        };
        let is_needed = |(first, last): &(WalSegment, WalSegment)| (*first..=*last).contains(&segment);
        !self.timelines.contains(&segment.timeline())
            && !self.ranges.iter().any(is_needed)
            && self.before.is_none_or(|limit| name < WalName::Segment(limit))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::BackupStatus;

    /// A backup of a day that needs one segment of a timeline.
    fn backup(day: u32, timeline: u32, segment: u32) -> BackupInfo {
        let wal = format!("{timeline:08X}00000000{segment:08X}").parse().ok();
        BackupInfo {
            status: BackupStatus::Done,
            begin_wal: wal,
            end_wal: wal,
            ..BackupInfo::new(format!("202601{day:02}T100000").parse().unwrap())
        }
    }

    /// The names of segments 1 to 9 of a timeline that go.
    fn gone(removal: Option<&WalRemoval>, timeline: u32) -> Vec<u32> {
        let name = |segment: u32| format!("{timeline:08X}00000000{segment:08X}").parse().unwrap();
        removal.map_or(Vec::new(), |it| (1..10).filter(|segment| it.condemns(name(*segment))).collect())
    }

    fn removal(backups: &[BackupInfo], at: usize, keeps: &[usize], asker: Asker) -> Option<WalRemoval> {
        let all: Vec<&BackupInfo> = backups.iter().collect();
        let keep = |id: &BackupId| keeps.iter().any(|at| backups[*at].id == *id).then_some(Keep::Standalone);
        WalRemoval::plan(&backups[at], &all, keep, true, asker)
    }

    #[test]
    fn wal_goes_with_the_oldest_backup_up_to_the_next() {
        let backups = [backup(1, 1, 2), backup(2, 1, 5), backup(3, 1, 7)];
        assert_eq!(gone(removal(&backups, 0, &[], Asker::Person).as_ref(), 1), [1, 2, 3, 4]);
        assert_eq!(removal(&backups, 1, &[], Asker::Policy), None);
        assert_eq!(gone(removal(&backups[2..], 0, &[], Asker::Person).as_ref(), 1), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn labels_and_partial_files_go_with_their_segment_and_histories_stay() {
        let removal = WalRemoval::before("000000020000000000000005".parse().unwrap());
        let condemned = |name: &str| removal.condemns(name.parse().unwrap());
        assert!(condemned("000000020000000000000004.00000028.backup"));
        assert!(condemned("000000020000000000000004.partial"));
        assert!(!condemned("000000020000000000000005.00000028.backup"));
        assert!(!condemned("00000001.history"));
        assert!(condemned("0000000100000000000000FF"));
    }

    #[test]
    fn backups_that_are_kept_for_themselves_keep_their_wal_only() {
        let backups = [backup(1, 1, 2), backup(2, 1, 5), backup(3, 1, 7)];
        assert_eq!(removal(&backups, 1, &[0], Asker::Person), None);
        assert_eq!(gone(removal(&backups, 1, &[0], Asker::Policy).as_ref(), 1), [1, 3, 4, 5, 6]);
        let unknown = [BackupInfo { end_wal: None, ..backups[0].clone() }, backups[1].clone()];
        assert_eq!(removal(&unknown, 1, &[0], Asker::Policy), None);
    }

    #[test]
    fn timelines_of_other_backups_are_left_alone() {
        let started = BackupInfo { status: BackupStatus::Started, ..backup(4, 1, 9) };
        let failed = BackupInfo { status: BackupStatus::Failed, ..backup(5, 4, 1) };
        let backups = [backup(1, 1, 2), backup(2, 2, 5), backup(3, 3, 7), started, failed];
        let removal = removal(&backups, 0, &[], Asker::Person).unwrap();
        assert_eq!(gone(Some(&removal), 1), [0; 0]);
        assert_eq!(gone(Some(&removal), 2), [1, 2, 3, 4]);
        assert_eq!(gone(Some(&removal), 3), [0; 0]);
        assert_eq!(gone(Some(&WalRemoval { timelines: BTreeSet::new(), ..removal }), 1).len(), 9);
    }

    #[test]
    fn without_a_limit_nothing_is_left_and_with_an_unknown_one_everything() {
        let only = backup(1, 1, 5);
        let exclusive = WalRemoval::plan(&only, &[&only], |_| None, false, Asker::Person);
        assert_eq!(gone(exclusive.as_ref(), 1).len(), 9);
        let blank = BackupInfo { begin_wal: None, ..only };
        assert_eq!(WalRemoval::plan(&blank, &[&blank], |_| None, true, Asker::Person), None);
    }

    proptest! {
        /// Whatever goes, what a complete backup needs itself and to roll forward from it stays.
        #[test]
        fn wal_of_a_backup_that_stays_is_never_condemned(
            segments in proptest::collection::vec((1..4_u32, 1..10_u32), 1..6),
            at in 0..6_usize, keeps in proptest::collection::vec(0..6_usize, 0..3), by_policy: bool,
        ) {
            let mut segments = segments;
            segments.sort_unstable();
            let backups: Vec<BackupInfo> = segments.iter().zip(1..)
                .map(|((timeline, segment), day)| backup(day, *timeline, *segment)).collect();
            let at = at % backups.len();
            let keeps: Vec<usize> = keeps.into_iter().filter(|keep| *keep < backups.len() && *keep != at).collect();
            let asker = if by_policy { Asker::Policy } else { Asker::Person };
            let Some(removal) = removal(&backups, at, &keeps, asker) else { return Ok(()) };
            for (other, (timeline, segment)) in segments.iter().enumerate().filter(|(other, _)| *other != at) {
                let last = if keeps.contains(&other) && by_policy { *segment } else { 9 };
                for needed in *segment..=last {
                    let name = format!("{timeline:08X}00000000{needed:08X}").parse().unwrap();
                    prop_assert!(!removal.condemns(name), "{name:?} of backup {other}, deleting {at}");
                }
            }
        }
    }
}
