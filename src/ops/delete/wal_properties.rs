//! Whatever is deleted in whatever order: the WAL of the backups that stay is there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::Asker;
use super::wal_removal::{Situation, WalRemoval};
use crate::catalog::{BackupInfo, Keep};
use crate::ops::retention;
use crate::types::{
    BackupId, BackupStatus, Lsn, RetentionStatus, SegmentSize, Timeline, WalName, WalSegment, parse_timestamp,
};
use crate::wal::{Ancestor, TimelineHistory};

/// The last segment of each timeline.
const LAST: u64 = 15;

/// An archive of up to four timelines, and backups on them.
#[derive(Debug, Clone)]
struct World {
    /// Of each timeline after the first: the timeline it branched off from, and in which segment.
    branches: Vec<(u32, u64)>,
    backups: Vec<BackupInfo>,
    keeps: BTreeMap<BackupId, Keep>,
}

fn timeline(number: u32) -> Timeline {
    Timeline::new(number).unwrap()
}

fn segment(timeline_number: u32, number: u64) -> WalSegment {
    WalSegment::containing(lsn(number), timeline(timeline_number), SegmentSize::DEFAULT)
}

fn lsn(segment: u64) -> Lsn {
    Lsn::new(segment * u64::from(SegmentSize::DEFAULT.bytes()))
}

fn number_of(segment: WalSegment) -> u64 {
    segment.start(SegmentSize::DEFAULT).bytes() / u64::from(SegmentSize::DEFAULT.bytes())
}

impl World {
    fn first_of(&self, number: u32) -> u64 {
        if number == 1 { 1 } else { self.branches[number as usize - 2].1 }
    }

    fn timelines(&self) -> impl Iterator<Item = u32> {
        1..=self.branches.len() as u32 + 1
    }

    /// The way to a timeline, as its history file tells it: the oldest first.
    fn way_to(&self, number: u32) -> Vec<(u32, u64)> {
        if number == 1 {
            return Vec::new();
        }
        let (parent, at) = self.branches[number as usize - 2];
        // What an ancestor wrote after its own child had left it is not on the way.
        let before = self.way_to(parent).into_iter();
        before.chain([(parent, at)]).collect()
    }

    fn histories(&self) -> BTreeMap<Timeline, TimelineHistory> {
        let ancestor = |(number, at): (u32, u64)| Ancestor {
            timeline: timeline(number),
            switch_point: lsn(at),
            reason: String::new(),
        };
        let history = |number: u32| TimelineHistory {
            ancestors: self.way_to(number).into_iter().map(ancestor).collect(),
        };
        self.timelines().skip(1).map(|number| (timeline(number), history(number))).collect()
    }

    fn archive(&self) -> BTreeSet<WalSegment> {
        let of = |number: u32| (self.first_of(number)..=LAST).map(move |at| segment(number, at));
        self.timelines().flat_map(of).collect()
    }

    /// The segments that recovery from a backup can come to read, on every timeline that goes on from it.
    fn needed_by(&self, backup: &BackupInfo) -> BTreeSet<WalSegment> {
        let (Some(begin), Some(end)) = (backup.begin_wal, backup.end_wal) else { return BTreeSet::new() };
        let (own, first, last) = (begin.timeline().number(), number_of(begin), number_of(end));
        if self.keeps.get(&backup.id) == Some(&Keep::Standalone) {
            return (first..=last).map(|at| segment(own, at)).collect();
        }
        let mut needed: BTreeSet<WalSegment> = (first..=LAST).map(|at| segment(own, at)).collect();
        for number in self.timelines() {
            let way = self.way_to(number);
            let Some(joined) = way.iter().position(|(ancestor, left)| *ancestor == own && *left > last)
            else {
                continue;
            };
            needed.extend((self.first_of(number)..=LAST).map(|at| segment(number, at)));
            for (between, left) in &way[joined + 1..] {
                needed.extend((self.first_of(*between)..=*left).map(|at| segment(*between, at)));
            }
        }
        needed
    }

    /// Deletes a backup as the program would: from the catalogue and from the archive.
    fn delete(
        &mut self,
        archive: &mut BTreeSet<WalSegment>,
        id: &BackupId,
        asker: Asker,
        is_concurrent: bool,
    ) {
        let backups: Vec<&BackupInfo> = self.backups.iter().collect();
        let Some(info) = backups.iter().find(|info| info.id == *id) else { return };
        let standalone = self.keeps.iter().filter(|(_, keep)| **keep == Keep::Standalone);
        let standalone = standalone.map(|(id, _)| id.clone()).collect();
        let histories = self.histories();
        let situation = Situation {
            backups: &backups,
            standalone: &standalone,
            histories: &histories,
            is_concurrent,
            asker,
        };
        if let Some(removal) = WalRemoval::plan(info, &situation) {
            archive.retain(|segment| !removal.condemns(WalName::Segment(*segment)));
        }
        self.backups.retain(|info| info.id != *id);
    }

    fn assert_nothing_lacks(&self, archive: &BTreeSet<WalSegment>, after: &str) -> Result<(), TestCaseError> {
        let whole = self.archive();
        for backup in self.backups.iter().filter(|backup| backup.status.needs_wal()) {
            let lacking =
                self.needed_by(backup).into_iter().filter(|it| whole.contains(it) && !archive.contains(it));
            let lacking: Vec<String> = lacking.map(|segment| segment.to_string()).collect();
            prop_assert!(lacking.is_empty(), "backup {} lacks {:?} after {}", backup.id, lacking, after);
        }
        Ok(())
    }
}

fn world() -> impl Strategy<Value = World> {
    let branches = proptest::collection::vec((any::<u32>(), 2..LAST), 0..4);
    let status = prop_oneof![
        6 => Just(BackupStatus::Done),
        1 => Just(BackupStatus::WaitingForWals),
        1 => Just(BackupStatus::Started),
        1 => Just(BackupStatus::Failed),
    ];
    let keep = prop_oneof![4 => Just(None), 1 => Just(Some(Keep::Full)), 2 => Just(Some(Keep::Standalone))];
    let backup = (any::<u32>(), 0..LAST, 0..2_u64, status, keep);
    let backups = proptest::collection::vec(backup, 1..8);
    // Identifiers mostly follow the WAL, unless clocks are set back and servers share an archive.
    (branches, backups, any::<bool>()).prop_map(|(branches, mut backups, clocks_are_odd)| {
        let branches: Vec<(u32, u64)> =
            branches.into_iter().zip(1..).map(|((parent, at), before)| (parent % before + 1, at)).collect();
        let mut world = World { branches, backups: Vec::new(), keeps: BTreeMap::new() };
        if !clocks_are_odd {
            backups.sort_by_key(|(number, begin, ..)| (number % (world.branches.len() as u32 + 1), *begin));
        }
        for ((number, begin, length, status, keep), day) in backups.into_iter().zip(1..) {
            let number = number % (world.branches.len() as u32 + 1) + 1;
            let begin = begin.clamp(world.first_of(number), LAST - 1);
            let end = (begin + length).min(LAST - 1);
            let id: BackupId = format!("202601{day:02}T100000").parse().unwrap();
            if let (BackupStatus::Done, Some(keep)) = (status, keep) {
                world.keeps.insert(id.clone(), keep);
            }
            let is_finished = status != BackupStatus::Started;
            world.backups.push(BackupInfo {
                status,
                begin_wal: Some(segment(number, begin)),
                end_wal: is_finished.then(|| segment(number, end)),
                begin_xlog: Some(Lsn::new(lsn(begin).bytes() + 40)),
                end_xlog: is_finished.then(|| Lsn::new(lsn(end).bytes() + 80)),
                end_time: is_finished
                    .then(|| parse_timestamp(&format!("2026-01-{day:02} 11:00Z"), &chrono::Utc).unwrap()),
                ..BackupInfo::new(id)
            });
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A person deletes backups one after the other; those that are kept are refused before WAL is thought of.
    #[test]
    fn backups_deleted_by_a_person_take_no_wal_of_others(
        world in world(), order in proptest::collection::vec(0..8_usize, 1..6), is_concurrent: bool,
    ) {
        let (mut world, mut archive) = (world.clone(), world.archive());
        for at in order {
            let Some(id) = world.backups.get(at % world.backups.len().max(1)).map(|info| info.id.clone()) else { break };
            if !world.keeps.contains_key(&id) {
                world.delete(&mut archive, &id, Asker::Person, is_concurrent);
                world.assert_nothing_lacks(&archive, &format!("deleting {id}"))?;
            }
        }
    }

    /// The retention policy goes through the catalogue, again and again as the window moves on.
    #[test]
    fn backups_deleted_by_the_policy_take_no_wal_of_others(
        world in world(), count in 0..4_u32, minimum in 0..3_u32, by_window: bool, is_concurrent: bool,
    ) {
        let (mut world, mut archive) = (world.clone(), world.archive());
        let policy = if by_window { format!("RECOVERY WINDOW OF {count} DAYS") } else { format!("REDUNDANCY {count}") };
        for day in 1..12 {
            let now = parse_timestamp(&format!("2026-01-{day:02} 12:00Z"), &chrono::Utc).unwrap();
            let backups: Vec<&BackupInfo> = world.backups.iter().collect();
            let statuses = retention::plan(
                policy.parse().unwrap(), minimum, &backups, |id| world.keeps.get(id).copied(), now,
            );
            for (id, status) in statuses {
                if status == RetentionStatus::Obsolete {
                    world.delete(&mut archive, &id, Asker::Policy, is_concurrent);
                    world.assert_nothing_lacks(&archive, &format!("{policy} deleting {id}"))?;
                }
            }
        }
    }
}
