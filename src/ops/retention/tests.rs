use chrono::TimeDelta;

use super::*;
use crate::types::parse_timestamp;

const NOW: &str = "2026-02-01 12:00:00+00:00";

fn now() -> Timestamp {
    parse_timestamp(NOW, &chrono::Utc).unwrap()
}

/// A backup in one word: the day of January 2026 on which it was taken, then letters. `f` failed, `w` waiting for
/// WAL, `F` and `S` kept in full and standalone, `<3` increment of the backup of the third.
struct Case(Vec<(BackupInfo, Option<Keep>)>);

impl Case {
    fn new(words: &str) -> Self {
        Self(words.split_whitespace().map(Self::backup).collect())
    }

    fn id(day: &str) -> BackupId {
        format!("202601{day:0>2}T100000").parse().unwrap()
    }

    fn backup(word: &str) -> (BackupInfo, Option<Keep>) {
        let (word, parent) =
            word.split_once('<').map_or((word, None), |(word, day)| (word, Some(Self::id(day))));
        let day = word.trim_end_matches(char::is_alphabetic);
        let status = match word.trim_start_matches(char::is_numeric) {
            "f" => BackupStatus::Failed,
            "w" => BackupStatus::WaitingForWals,
            _ => BackupStatus::Done,
        };
        let keep = match word.trim_start_matches(char::is_numeric) {
            "F" => Some(Keep::Full),
            "S" => Some(Keep::Standalone),
            _ => None,
        };
        let end_time = parse_timestamp(&format!("2026-01-{day:0>2} 11:00:00+00:00"), &chrono::Utc).unwrap();
        let info = BackupInfo {
            status,
            parent_backup_id: parent,
            mode: Some("postgres".into()),
            end_time: Some(end_time),
            ..BackupInfo::new(Self::id(day))
        };
        (info, keep)
    }

    fn statuses(&self, policy: &str, minimum_redundancy: u32) -> Vec<RetentionStatus> {
        let backups: Vec<&BackupInfo> = self.0.iter().map(|(info, _)| info).collect();
        let keep = |id: &BackupId| self.0.iter().find(|(info, _)| info.id == *id).and_then(|(_, keep)| *keep);
        plan(policy.parse().unwrap(), minimum_redundancy, &backups, keep, now()).into_values().collect()
    }

    fn words(&self, policy: &str, minimum_redundancy: u32) -> String {
        let words = self.statuses(policy, minimum_redundancy);
        words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn redundancy_keeps_the_newest_complete_backups() {
    let cases = [
        ("1 2 3", 2, 0, "OBSOLETE VALID VALID"),
        ("1 2 3", 5, 0, "VALID VALID VALID"),
        ("1 2 3", 0, 0, "OBSOLETE OBSOLETE OBSOLETE"),
        ("1 2 3", 1, 2, "OBSOLETE VALID VALID"),
        ("1 2f 3 4w", 1, 0, "OBSOLETE - VALID -"),
        ("1F 2S 3", 1, 0, "KEEP:FULL KEEP:STANDALONE VALID"),
        // A kept backup takes a place: the second is not needed any more.
        ("1 2 3F", 1, 0, "OBSOLETE OBSOLETE KEEP:FULL"),
    ];
    for (backups, count, minimum, expected) in cases {
        let policy = format!("REDUNDANCY {count}");
        assert_eq!(
            Case::new(backups).words(&policy, minimum),
            expected,
            "{backups}, {policy}, minimum {minimum}"
        );
    }
}

#[test]
fn a_recovery_window_keeps_what_it_takes_to_go_back_to_its_beginning() {
    let cases = [
        // The window begins on the 18th: the backup of the 10th is the one to roll forward from.
        ("1 10 20 30", 0, "OBSOLETE VALID VALID VALID"),
        ("20 30", 0, "VALID VALID"),
        ("1 2 3", 0, "OBSOLETE OBSOLETE VALID"),
        ("1 2 3", 2, "OBSOLETE OBSOLETE* VALID"),
        ("1 2 3", 9, "OBSOLETE* OBSOLETE* VALID"),
        ("1 10f 20w", 0, "VALID - -"),
        ("1S 2F 3 4", 3, "KEEP:STANDALONE KEEP:FULL OBSOLETE* VALID"),
        ("1 2F 3 4", 3, "OBSOLETE KEEP:FULL OBSOLETE* VALID"),
    ];
    for (backups, minimum, expected) in cases {
        let words = Case::new(backups).words("RECOVERY WINDOW OF 2 WEEKS", minimum);
        assert_eq!(words, expected, "{backups}, minimum {minimum}");
    }
}

#[test]
fn a_backup_that_ends_when_the_window_begins_lies_in_it() {
    let mut case = Case::new("1 2");
    case.0[1].0.end_time = Some(now() - TimeDelta::days(7));
    assert_eq!(case.words("RECOVERY WINDOW OF 7 DAYS", 0), "VALID VALID");
    case.0[1].0.end_time = Some(now() - TimeDelta::days(7) - TimeDelta::microseconds(1));
    assert_eq!(case.words("RECOVERY WINDOW OF 7 DAYS", 0), "OBSOLETE VALID");
}

#[test]
fn increments_share_the_fate_of_their_root() {
    let (redundancy, window) = ("REDUNDANCY 1", "RECOVERY WINDOW OF 2 WEEKS");
    let cases = [
        ("1 2<1 3<2 4", redundancy, "OBSOLETE OBSOLETE OBSOLETE VALID"),
        ("1 2<1 3<2", redundancy, "VALID VALID VALID"),
        ("1f 2<1 4", redundancy, "- - VALID"),
        ("1F 2<1 4", redundancy, "KEEP:FULL VALID VALID"),
        ("1S 2<1", redundancy, "KEEP:STANDALONE VALID"),
        ("1S 2<1 4", redundancy, "KEEP:STANDALONE OBSOLETE VALID"),
        ("20S 21<20", window, "KEEP:STANDALONE VALID"),
        ("1S 2<1", window, "KEEP:STANDALONE OBSOLETE"),
        // An increment whose root is gone is nothing that a policy could decide on.
        ("2<1 4", redundancy, "- VALID"),
    ];
    for (backups, policy, expected) in cases {
        assert_eq!(Case::new(backups).words(policy, 0), expected, "{backups}, {policy}");
    }
}
