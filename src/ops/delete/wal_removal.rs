//! Which WAL nobody needs any more when a backup goes.

use std::collections::{BTreeMap, BTreeSet};

use super::Asker;
use crate::catalog::BackupInfo;
use crate::types::{BackupId, Lsn, Timeline, WalName, WalSegment};
use crate::wal::TimelineHistory;

/// The WAL that can be removed from an archive. Histories of timelines never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalRemoval {
    /// What comes before this segment goes, on its own timeline and others; `None` if everything does.
    before: Option<WalSegment>,
    /// Not on these timelines, which other backups are on or lead to.
    timelines: BTreeSet<Timeline>,
    /// Not from the first to the last of these, which backups need that are kept for themselves.
    ranges: Vec<(WalSegment, WalSegment)>,
}

/// What a removal is planned from.
pub(super) struct Situation<'a> {
    /// All backups of the catalogue, oldest first.
    pub backups: &'a [&'a BackupInfo],
    /// Those that are kept for themselves.
    pub standalone: &'a BTreeSet<BackupId>,
    /// The histories of timelines in the archive.
    pub histories: &'a BTreeMap<Timeline, TimelineHistory>,
    /// Whether backups are concurrent.
    pub is_concurrent: bool,
    /// Who wants the backup deleted.
    pub asker: Asker,
}

impl WalRemoval {
    /// What can go when `info` is deleted; `None` when an older backup needs all there is.
    ///
    /// WAL goes with the oldest backup: up to the begin of the next one, or when there is none, up to its own begin,
    /// if backups are concurrent; WAL that arrived later may be all that is left of the server. Where its own begin is
    /// not known, since it failed before that, everything stays. A person who deletes the backup behind one that is
    /// kept for itself may want WAL to stay; the retention policy does not.
    pub(super) fn plan(info: &BackupInfo, situation: &Situation<'_>) -> Option<Self> {
        let Situation { backups, standalone, is_concurrent, asker, .. } = *situation;
        let is_older = |other: &BackupInfo| other.id < info.id && other.is_available();
        let mut ranges = Vec::new();
        for older in backups.iter().rev().filter(|other| is_older(other)) {
            let is_passed = asker == Asker::Policy && standalone.contains(&older.id);
            // Where its WAL begins and ends is not known, nothing can be passed.
            ranges.push(older.begin_wal.zip(older.end_wal).filter(|_| is_passed)?);
        }
        let next = backups.iter().find(|other| other.id > info.id && other.is_available());
        let limit = match next {
            Some(next) => Some(next.begin_wal?),
            None => Some(info.begin_wal?).filter(|_| is_concurrent),
        };
        let others: Vec<&BackupInfo> =
            backups.iter().filter(|other| other.id != info.id && other.status.needs_wal()).copied().collect();
        // The older ones that are left were passed.
        let rolled_forward: Vec<&BackupInfo> =
            others.iter().filter(|other| !is_older(other)).copied().collect();
        let before = limit.map(|limit| lowest_begin(limit, &rolled_forward));
        let occupied = others.iter().filter_map(|other| timeline_of(other));
        let occupied = occupied.filter(|timeline| Some(*timeline) != limit.map(WalSegment::timeline));
        let timelines = occupied.chain(continuations(&rolled_forward, situation.histories)).collect();
        Some(Self { before, timelines, ranges })
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

fn timeline_of(backup: &BackupInfo) -> Option<Timeline> {
    backup.begin_wal.map(WalSegment::timeline).or(backup.timeline)
}

/// The first segment on the timeline of `limit` that one of `backups` needs. It is `limit` itself unless the clock on
/// the wall, which gives backups their identifiers, was set back: then the next one can need later WAL than those
/// after it.
fn lowest_begin(limit: WalSegment, backups: &[&BackupInfo]) -> WalSegment {
    let begins = backups.iter().filter_map(|backup| backup.begin_wal);
    begins.filter(|begin| begin.timeline() == limit.timeline()).fold(limit, WalSegment::min)
}

/// The timelines that go on from one of `backups`, which recovery can follow from it: those that branched off at its
/// end or later. Two servers that archive into one place, or a server that is taken back to an older timeline, make
/// backups of which a later one is on the way to the timeline of an earlier one.
fn continuations<'a>(
    backups: &'a [&BackupInfo],
    histories: &'a BTreeMap<Timeline, TimelineHistory>,
) -> impl Iterator<Item = Timeline> + 'a {
    let leads_to = |backup: &BackupInfo, history: &TimelineHistory| {
        // Of one that is not finished it is not known where it ends.
        let end = backup.end_xlog.or(backup.begin_xlog).unwrap_or(Lsn::new(0));
        timeline_of(backup).is_some_and(|timeline| history.continues(timeline, end).is_some())
    };
    let continued =
        histories.iter().filter(move |(_, history)| backups.iter().any(|backup| leads_to(backup, history)));
    continued.map(|(timeline, _)| *timeline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::BackupStatus;

    const SITUATION: Situation<'static> = Situation {
        backups: &[],
        standalone: &BTreeSet::new(),
        histories: &BTreeMap::new(),
        is_concurrent: true,
        asker: Asker::Person,
    };

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
        let standalone = keeps.iter().map(|at| backups[*at].id.clone()).collect();
        let all: Vec<&BackupInfo> = backups.iter().collect();
        let situation = Situation { backups: &all, standalone: &standalone, asker, ..SITUATION };
        WalRemoval::plan(&backups[at], &situation)
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
        let before = "000000020000000000000005".parse().ok();
        let removal = WalRemoval { before, timelines: BTreeSet::new(), ranges: Vec::new() };
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
        let exclusive =
            WalRemoval::plan(&only, &Situation { backups: &[&only], is_concurrent: false, ..SITUATION });
        assert_eq!(gone(exclusive.as_ref(), 1).len(), 9);
        let blank = BackupInfo { begin_wal: None, ..only };
        for is_concurrent in [true, false] {
            let situation = Situation { backups: &[&blank], is_concurrent, ..SITUATION };
            assert_eq!(WalRemoval::plan(&blank, &situation), None);
        }
    }
}
