//! What a policy never does, and what it says, compared with a second statement of the rules.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::types::parse_timestamp;

/// A catalogue at a moment.
#[derive(Debug, Clone)]
struct Catalogue {
    backups: Vec<BackupInfo>,
    keeps: BTreeMap<BackupId, Keep>,
    now: Timestamp,
}

type Statuses = BTreeMap<BackupId, RetentionStatus>;

impl Catalogue {
    fn judge(&self, policy: RetentionPolicy, minimum: u32) -> Statuses {
        let backups: Vec<&BackupInfo> = self.backups.iter().collect();
        plan(policy, minimum, &backups, |id| self.keeps.get(id).copied(), self.now)
    }

    fn without_obsolete(&self, statuses: &Statuses) -> Self {
        let mut left = self.clone();
        left.backups.retain(|info| statuses[&info.id] != RetentionStatus::Obsolete);
        left
    }

    /// The complete backups that are no increments, newest first.
    fn roots(&self) -> Vec<&BackupInfo> {
        let counts =
            |info: &&BackupInfo| info.status == BackupStatus::Done && info.parent_backup_id.is_none();
        self.backups.iter().rev().filter(counts).collect()
    }

    fn parent(&self, info: &BackupInfo) -> Option<&BackupInfo> {
        let parent = info.parent_backup_id.as_ref()?;
        self.backups.iter().find(|other| other.id == *parent)
    }

    /// The same rules, stated once more: by the place of a backup among those that count.
    fn naive(&self, policy: RetentionPolicy, minimum: u32) -> Statuses {
        let (roots, minimum) = (self.roots(), minimum as usize);
        let ended_before = |horizon: Option<Timestamp>| {
            let is_before =
                |info: &&BackupInfo| info.end_time.zip(horizon).is_some_and(|(end, start)| end < start);
            roots.iter().position(is_before)
        };
        // How many are needed, and from which one on increments of one kept for itself are not.
        let (needed, beyond) = match policy {
            RetentionPolicy::Redundancy(count) => {
                let needed = minimum.max(count as usize);
                (needed, needed)
            }
            RetentionPolicy::RecoveryWindow(window) => {
                match ended_before(self.now.checked_sub_signed(window.span())) {
                    Some(anchor) => (anchor + 1, anchor),
                    None => (usize::MAX, usize::MAX),
                }
            }
        };
        let by_place = |at: usize| match policy {
            _ if at < needed => RetentionStatus::Valid,
            RetentionPolicy::RecoveryWindow(_) if at < minimum => RetentionStatus::PotentiallyObsolete,
            _ => RetentionStatus::Obsolete,
        };
        let status = |info: &BackupInfo| {
            let mut root = info;
            while let Some(parent) = self.parent(root) {
                root = parent;
            }
            let Some(at) = roots.iter().position(|other| other.id == root.id) else {
                return RetentionStatus::Unjudged;
            };
            match (self.keeps.get(&root.id), root.id == info.id) {
                (None, _) => by_place(at),
                (Some(Keep::Full), true) => RetentionStatus::KeptFull,
                (Some(Keep::Standalone), true) => RetentionStatus::KeptStandalone,
                (Some(Keep::Standalone), false) if at >= beyond => RetentionStatus::Obsolete,
                (Some(_), false) => RetentionStatus::Valid,
            }
        };
        self.backups.iter().map(|info| (info.id.clone(), status(info))).collect()
    }
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let status = prop_oneof![
        8 => Just(BackupStatus::Done),
        1 => Just(BackupStatus::Failed),
        1 => Just(BackupStatus::WaitingForWals),
        1 => Just(BackupStatus::Started),
        1 => Just(BackupStatus::Empty),
        1 => Just(BackupStatus::Syncing),
    ];
    let keep = prop_oneof![5 => Just(None), 1 => Just(Some(Keep::Full)), 1 => Just(Some(Keep::Standalone))];
    // Hours before now at which it ended; in the future, too.
    let backup = (status, keep, proptest::option::of(any::<usize>()), -50..2400_i64, any::<bool>());
    (proptest::collection::vec(backup, 0..14), any::<bool>()).prop_map(|(mut backups, clocks_are_odd)| {
        if !clocks_are_odd {
            backups.sort_by_key(|(_, _, _, hours_ago, _)| -hours_ago);
        }
        let now = parse_timestamp("2026-02-01 12:00:00+00:00", &chrono::Utc).unwrap();
        let mut catalogue = Catalogue { backups: Vec::new(), keeps: BTreeMap::new(), now };
        for ((status, keep, parent, hours_ago, is_known), day) in backups.into_iter().zip(1..) {
            let id: BackupId = format!("202601{day:02}T100000").parse().unwrap();
            let before = catalogue.backups.len();
            let parent = parent.filter(|_| before > 0).map(|at| catalogue.backups[at % before].id.clone());
            if let (BackupStatus::Done, None, Some(keep)) = (status, &parent, keep) {
                catalogue.keeps.insert(id.clone(), keep);
            }
            catalogue.backups.push(BackupInfo {
                status,
                parent_backup_id: parent,
                mode: Some("postgres".into()),
                end_time: (is_known || !clocks_are_odd).then(|| now - TimeDelta::hours(hours_ago)),
                ..BackupInfo::new(id)
            });
        }
        catalogue
    })
}

fn policy() -> impl Strategy<Value = RetentionPolicy> {
    prop_oneof![
        (0..8_u32).prop_map(|count| format!("REDUNDANCY {count}")),
        (0..100_u32).prop_map(|count| format!("RECOVERY WINDOW OF {count} DAYS")),
        (0..14_u32).prop_map(|count| format!("RECOVERY WINDOW OF {count} WEEKS")),
        (0..4_u32).prop_map(|count| format!("RECOVERY WINDOW OF {count} MONTHS")),
        Just(format!("RECOVERY WINDOW OF {} MONTHS", u32::MAX)),
    ]
    .prop_map(|text| text.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_second_statement_of_the_rules_says_the_same(catalogue in catalogue(), policy in policy(), minimum in 0..6_u32) {
        prop_assert_eq!(catalogue.judge(policy, minimum), catalogue.naive(policy, minimum));
    }

    #[test]
    fn what_goes_leaves_the_minimum_redundancy(catalogue in catalogue(), policy in policy(), minimum in 0..6_u32) {
        let left = catalogue.without_obsolete(&catalogue.judge(policy, minimum));
        prop_assert!(left.roots().len() >= catalogue.roots().len().min(minimum as usize));
        if let RetentionPolicy::Redundancy(count) = policy {
            prop_assert!(left.roots().len() >= catalogue.roots().len().min(count as usize));
        }
    }

    #[test]
    fn what_is_kept_and_what_is_not_complete_stays(catalogue in catalogue(), policy in policy(), minimum in 0..6_u32) {
        let statuses = catalogue.judge(policy, minimum);
        for info in &catalogue.backups {
            let is_root = info.parent_backup_id.is_none();
            let stays = catalogue.keeps.contains_key(&info.id) || is_root && info.status != BackupStatus::Done;
            prop_assert!(!stays || statuses[&info.id] != RetentionStatus::Obsolete, "{}", info.id);
        }
    }

    /// An increment is nothing without the backups that it is based on.
    #[test]
    fn no_backup_goes_that_another_is_based_on(catalogue in catalogue(), policy in policy(), minimum in 0..6_u32) {
        let left = catalogue.without_obsolete(&catalogue.judge(policy, minimum));
        for info in left.backups.iter().filter(|info| info.parent_backup_id.is_some()) {
            prop_assert_eq!(left.parent(info).is_some(), catalogue.parent(info).is_some(), "{}", &info.id);
        }
    }

    /// Every moment of the window that could be restored before can be restored afterwards.
    #[test]
    fn the_window_stays_restorable(catalogue in catalogue(), days in 0..100_u32, minimum in 0..6_u32) {
        let window = format!("RECOVERY WINDOW OF {days} DAYS").parse().unwrap();
        let left = catalogue.without_obsolete(&catalogue.judge(window, minimum));
        let start = catalogue.now - TimeDelta::days(i64::from(days));
        let ends = catalogue.roots().into_iter().filter_map(|info| info.end_time);
        for moment in ends.chain([start, catalogue.now]).filter(|moment| *moment >= start) {
            let can_restore = |catalogue: &Catalogue| {
                catalogue.roots().iter().any(|info| info.end_time.is_some_and(|end| end <= moment))
            };
            prop_assert!(can_restore(&left) || !can_restore(&catalogue), "{moment}");
        }
    }

    #[test]
    fn a_second_time_nothing_goes(catalogue in catalogue(), policy in policy(), minimum in 0..6_u32) {
        let left = catalogue.without_obsolete(&catalogue.judge(policy, minimum));
        let again = left.judge(policy, minimum);
        prop_assert!(again.values().all(|status| *status != RetentionStatus::Obsolete), "{again:?}");
    }
}
