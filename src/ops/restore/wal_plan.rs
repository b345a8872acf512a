//! Which WAL files a restore needs, and whether the archive has them all.

use std::collections::BTreeMap;

use crate::types::{Lsn, SegmentLayout, SegmentSize, Timeline, WalName, WalSegment};

/// The timelines that lead to the one recovery follows, oldest first, each with the position where it was left.
#[derive(Debug, Clone)]
pub struct Ancestry {
    parents: Vec<(Timeline, Lsn)>,
    target: Timeline,
}

impl Ancestry {
    /// The way to `target` over its `parents`, as its history file lists them.
    pub fn new(parents: Vec<(Timeline, Lsn)>, target: Timeline) -> Self {
        Self { parents, target }
    }

    /// The timeline that recovery follows.
    pub fn target(&self) -> Timeline {
        self.target
    }

    /// Where `timeline` was left: `Some(None)` for the target, which goes on, `None` when it is not on the way.
    fn left_at(&self, timeline: Timeline) -> Option<Option<Lsn>> {
        if timeline == self.target {
            return Some(None);
        }
        self.parents.iter().find(|(parent, _)| *parent == timeline).map(|(_, lsn)| Some(*lsn))
    }

    /// Whether recovery on this way passes `lsn` of `timeline`.
    pub fn passes(&self, timeline: Timeline, lsn: Lsn) -> bool {
        self.left_at(timeline).is_some_and(|left| left.is_none_or(|left| lsn <= left))
    }

    /// Whether some byte of `segment` is on the way.
    fn needs(&self, segment: WalSegment, size: SegmentSize) -> bool {
        self.left_at(segment.timeline())
            .is_some_and(|left| left.is_none_or(|left| segment.start(size) < left))
    }
}

/// Where the WAL that recovery reads ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalEnd {
    /// Where the archive ends: targets by time, transaction and name can only be found by reading.
    OfArchive,
    /// With the last segment of the backup.
    OfBackup,
    /// With the segment that holds a position.
    At(Lsn),
}

/// What is known when WAL is planned.
#[derive(Debug)]
pub struct WalFacts {
    /// The first segment of the backup.
    pub begin: WalSegment,
    /// The last segment of the backup.
    pub end: WalSegment,
    /// Which segments there are.
    pub layout: SegmentLayout,
    /// The way over timelines.
    pub ancestry: Ancestry,
    /// Where to stop.
    pub stop: WalEnd,
    /// Segments that are there and have not the length of one, with the bytes that they hold: PostgreSQL does not read
    /// them.
    pub cut_off: BTreeMap<WalSegment, u64>,
}

impl WalFacts {
    /// Whether the segment that begins at `start` does not lie behind the end.
    fn may_read(&self, start: Lsn) -> bool {
        let backup_end = self.end.start(self.layout.size());
        match self.stop {
            WalEnd::OfArchive => true,
            WalEnd::OfBackup => start <= backup_end,
            WalEnd::At(lsn) => start <= lsn.max(backup_end),
        }
    }
}

/// The WAL of a restore.
#[derive(Debug, PartialEq, Eq)]
pub struct WalPlan {
    /// The files to provide, in the order of the archive.
    pub files: Vec<WalName>,
    /// The first segment that the archive lacks although it has later ones, or although it is needed.
    pub gap: Option<Gap>,
    /// The segment that comes after the files, if recovery may read it.
    pub next: Option<WalSegment>,
}

/// A segment that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The segment, on the timeline that it is expected on.
    pub segment: WalSegment,
    /// Whether the backup itself cannot be made consistent without it.
    pub in_backup: bool,
}

/// Chooses from the names of the archive, in ascending order, those that recovery may read. What lies behind a gap
/// it cannot reach; a server that started without archive recovery would even come across it again, when it has
/// written its own WAL up to there.
pub fn plan(names: impl IntoIterator<Item = WalName>, facts: &WalFacts) -> WalPlan {
    let is_cut_off =
        |name: &WalName| name.segment().is_some_and(|segment| facts.cut_off.contains_key(&segment));
    let needed = names.into_iter().filter(|name| is_needed(*name, facts));
    let (cut_off, mut files): (Vec<_>, Vec<_>) = needed.partition(is_cut_off);
    let mut present = BTreeMap::new();
    for segment in files.iter().filter_map(|name| name.segment()) {
        let newest = present.entry(segment.start(facts.layout.size())).or_insert(segment.timeline());
        *newest = segment.timeline().max(*newest);
    }
    let last = cut_off.iter().chain(&files).filter_map(|name| position(*name, facts)).max();
    let (gap, next) = find_end(&present, last, facts);
    if let Some(gap) = gap {
        let end = gap.segment.start(facts.layout.size());
        files.retain(|name| position(*name, facts).is_none_or(|start| start < end));
    }
    WalPlan { files, gap, next }
}

/// Where the segment begins that a name is of; a history is of none.
fn position(name: WalName, facts: &WalFacts) -> Option<Lsn> {
    match name {
        WalName::History(_) => None,
        WalName::Segment(segment) | WalName::Partial(segment) | WalName::BackupLabel { segment, .. } => {
            Some(segment.start(facts.layout.size()))
        }
    }
}

fn is_needed(name: WalName, facts: &WalFacts) -> bool {
    let segment = match name {
        WalName::History(_) => return true,
        WalName::Partial(_) => return false,
        WalName::Segment(segment) | WalName::BackupLabel { segment, .. } => segment,
    };
    let start = segment.start(facts.layout.size());
    facts.may_read(start)
        && start >= facts.begin.start(facts.layout.size())
        && facts.ancestry.needs(segment, facts.layout.size())
}

/// Walks from the first segment of the backup to the `last` one that the archive knows of, and at least to the end of
/// the backup.
///
/// `present` has the newest timeline that each position is there on. Gives the first segment that is not there, if that
/// is a gap, and the one behind those that are.
fn find_end(
    present: &BTreeMap<Lsn, Timeline>,
    last: Option<Lsn>,
    facts: &WalFacts,
) -> (Option<Gap>, Option<WalSegment>) {
    let step = u64::from(facts.layout.size().bytes());
    let backup_end = facts.end.start(facts.layout.size());
    let must_reach = match facts.stop {
        WalEnd::OfArchive | WalEnd::OfBackup => backup_end,
        WalEnd::At(lsn) => Lsn::new(lsn.bytes() / step * step).max(backup_end),
    };
    let last = last.map_or(must_reach, |last| last.max(must_reach));
    let mut expected = facts.begin.start(facts.layout.size());
    loop {
        let timeline = timeline_at(expected, facts);
        let segment = WalSegment::containing(expected, timeline, facts.layout.size());
        if facts.layout.has(segment) && present.get(&expected).is_none_or(|newest| *newest < timeline) {
            let gap = (expected <= last).then_some(Gap { segment, in_backup: expected <= backup_end });
            return (gap, Some(segment).filter(|_| facts.may_read(expected)));
        }
        let Some(behind) = expected.bytes().checked_add(step) else { return (None, None) };
        expected = Lsn::new(behind);
    }
}

/// The timeline on which recovery leaves the segment that begins at `start`.
///
/// A timeline begins inside a segment with a copy of what its parent had written there. The parent's own segment
/// does not do in its place: PostgreSQL would take it and go on with what the parent wrote after the fork.
fn timeline_at(start: Lsn, facts: &WalFacts) -> Timeline {
    let segment_end = start.bytes() + u64::from(facts.layout.size().bytes());
    let read_to = match facts.stop {
        WalEnd::OfBackup if start == facts.end.start(facts.layout.size()) => return facts.end.timeline(),
        WalEnd::At(lsn) if lsn >= start => segment_end.min(lsn.bytes() + 1),
        WalEnd::OfArchive | WalEnd::OfBackup | WalEnd::At(_) => segment_end,
    };
    let mut parents = facts.ancestry.parents.iter();
    let followed =
        parents.find(|(timeline, left)| *timeline >= facts.begin.timeline() && read_to <= left.bytes());
    followed.map_or(facts.ancestry.target, |(timeline, _)| *timeline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PgVersion;

    fn name(text: &str) -> WalName {
        text.parse().unwrap()
    }

    fn segment(text: &str) -> WalSegment {
        text.parse().unwrap()
    }

    fn timeline(number: u32) -> Timeline {
        Timeline::new(number).unwrap()
    }

    #[test]
    fn a_segment_that_was_cut_off_is_a_gap_even_as_the_last_one() {
        let names =
            ["000000010000000000000003", "000000010000000000000004", "000000010000000000000005"].map(name);
        let cut_off = BTreeMap::from([(segment("000000010000000000000005"), 5_000_000)]);
        let found = plan(names, &WalFacts { cut_off, ..facts(WalEnd::OfArchive) });
        assert_eq!(found.files, names[..2]);
        assert_eq!(found.gap, Some(Gap { segment: segment("000000010000000000000005"), in_backup: false }));
    }

    fn facts(stop: WalEnd) -> WalFacts {
        WalFacts {
            begin: segment("000000010000000000000003"),
            end: segment("000000010000000000000004"),
            layout: SegmentLayout::of(PgVersion::new(150_000), SegmentSize::DEFAULT),
            ancestry: Ancestry::new(vec![], Timeline::FIRST),
            stop,
            cut_off: BTreeMap::new(),
        }
    }

    fn archive(names: &[&str]) -> Vec<WalName> {
        names.iter().map(|text| name(text)).collect()
    }

    const ONE_TIMELINE: [&str; 6] = [
        "000000010000000000000002",
        "000000010000000000000003",
        "000000010000000000000003.00000028.backup",
        "000000010000000000000004",
        "000000010000000000000005",
        "000000010000000000000006",
    ];

    #[test]
    fn the_segment_that_old_servers_leave_out_is_no_gap() {
        let old = WalFacts {
            begin: segment("0000000100000000000000FE"),
            end: segment("000000010000000100000000"),
            layout: SegmentLayout::of(PgVersion::new(90_224), SegmentSize::DEFAULT),
            ..facts(WalEnd::OfArchive)
        };
        let names = archive(&["0000000100000000000000FE", "000000010000000100000000"]);
        let planned = plan(names.clone(), &old);
        assert_eq!((planned.files, planned.gap), (names.clone(), None));
        let new = WalFacts { layout: SegmentLayout::of(PgVersion::new(90_300), SegmentSize::DEFAULT), ..old };
        assert_eq!(plan(names, &new).gap.map(|gap| gap.segment), Some(segment("0000000100000000000000FF")));
    }

    #[test]
    fn wal_from_the_begin_of_the_backup_to_the_end_of_the_archive_is_provided() {
        let plan = plan(archive(&ONE_TIMELINE), &facts(WalEnd::OfArchive));
        let next = Some(segment("000000010000000000000007"));
        assert_eq!(plan, WalPlan { files: archive(&ONE_TIMELINE[1..]), gap: None, next });
    }

    #[test]
    fn an_immediate_target_needs_the_segments_of_the_backup_only() {
        let plan = plan(archive(&ONE_TIMELINE), &facts(WalEnd::OfBackup));
        assert_eq!((plan.files, plan.next), (archive(&ONE_TIMELINE[1..4]), None));
    }

    #[test]
    fn a_position_needs_its_own_segment_and_none_after() {
        let plan = plan(archive(&ONE_TIMELINE), &facts(WalEnd::At("0/5000000".parse().unwrap())));
        assert_eq!((plan.files, plan.gap), (archive(&ONE_TIMELINE[1..5]), None));
    }

    #[test]
    fn a_missing_segment_is_named_and_told_apart_by_what_it_spoils() {
        let gap = |names: &[&str], stop| plan(archive(names), &facts(stop)).gap;
        let without_5 = [ONE_TIMELINE[1], ONE_TIMELINE[3], ONE_TIMELINE[5]];
        let expected = Gap { segment: segment("000000010000000000000005"), in_backup: false };
        assert_eq!(gap(&without_5, WalEnd::OfArchive), Some(expected));
        assert_eq!(gap(&without_5, WalEnd::OfBackup), None);
        let expected = Gap { segment: segment("000000010000000000000004"), in_backup: true };
        assert_eq!(gap(&ONE_TIMELINE[..3], WalEnd::OfArchive), Some(expected));
        let expected = Gap { segment: segment("000000010000000000000007"), in_backup: false };
        assert_eq!(gap(&ONE_TIMELINE, WalEnd::At("0/8000000".parse().unwrap())), Some(expected));
    }

    #[test]
    fn a_way_over_timelines_takes_each_only_as_far_as_it_was_followed() {
        let names = archive(&[
            "000000010000000000000003",
            "000000010000000000000004",
            "000000010000000000000005",
            "000000010000000000000006",
            "00000002.history",
            "000000020000000000000005",
            "000000020000000000000006",
            "00000003.history",
            "000000030000000000000006",
        ]);
        let facts = WalFacts {
            ancestry: Ancestry::new(vec![(Timeline::FIRST, "0/5000100".parse().unwrap())], timeline(2)),
            ..facts(WalEnd::OfArchive)
        };
        let plan = plan(names.clone(), &facts);
        let expected: Vec<WalName> = [0, 1, 2, 4, 5, 6, 7].iter().map(|at| names[*at]).collect();
        assert_eq!((plan.files, plan.gap), (expected, None));
    }

    #[test]
    fn the_last_segment_of_a_left_timeline_may_be_there_on_the_new_one_only() {
        let names = archive(&[
            "000000010000000000000003",
            "000000010000000000000004",
            "00000002.history",
            "000000020000000000000005",
            "000000020000000000000006",
        ]);
        let facts = WalFacts {
            ancestry: Ancestry::new(vec![(Timeline::FIRST, "0/5000100".parse().unwrap())], timeline(2)),
            ..facts(WalEnd::OfArchive)
        };
        assert_eq!(plan(names, &facts).gap, None);
    }

    #[test]
    fn the_segment_of_a_fork_must_be_there_on_the_new_timeline() {
        let names = archive(&[
            "000000010000000000000003",
            "000000010000000000000004",
            "000000010000000000000005",
            "00000002.history",
            "000000020000000000000006",
        ]);
        let ancestry = Ancestry::new(vec![(Timeline::FIRST, "0/5000100".parse().unwrap())], timeline(2));
        let plan = |stop| plan(names.clone(), &WalFacts { ancestry: ancestry.clone(), ..facts(stop) });
        let gap = Some(Gap { segment: segment("000000020000000000000005"), in_backup: false });
        assert_eq!(plan(WalEnd::OfArchive).gap, gap);
        assert_eq!(plan(WalEnd::At("0/5000100".parse().unwrap())).gap, gap);
        assert_eq!(plan(WalEnd::At("0/50000FF".parse().unwrap())).gap, None);
        assert_eq!(plan(WalEnd::OfBackup).gap, None);
    }

    #[test]
    fn what_lies_behind_a_gap_is_not_provided() {
        let names = archive(&[
            "000000010000000000000003",
            "000000010000000000000004",
            "000000010000000000000006",
            "000000010000000000000006.00000028.backup",
            "00000002.history",
        ]);
        let plan = plan(names.clone(), &facts(WalEnd::OfArchive));
        assert_eq!(plan.files, [names[0], names[1], names[4]]);
    }

    #[test]
    fn a_backup_after_the_fork_is_not_on_the_way() {
        let ancestry = Ancestry::new(vec![(Timeline::FIRST, "0/5000100".parse().unwrap())], timeline(2));
        assert!(ancestry.passes(Timeline::FIRST, "0/5000100".parse().unwrap()));
        assert!(!ancestry.passes(Timeline::FIRST, "0/5000101".parse().unwrap()));
        assert!(!ancestry.passes(timeline(3), Lsn::new(1)));
    }
}
