//! Records of backups, and what the retention policy says of them.

use std::collections::BTreeMap;

use barman::catalog::BackupInfo;
use barman::ops::retention;
use barman::types::{BackupId, BackupStatus, RetentionStatus, Timestamp, parse_timestamp};
use chrono::{TimeDelta, Utc};
use divan::{Bencher, black_box};

const RECORD: &[u8] = include_bytes!("../../tests/compat/backup_info/3.19-rsync.info");

fn record() -> BackupInfo {
    BackupInfo::parse(BackupId::at(newest()), RECORD).unwrap()
}

fn newest() -> Timestamp {
    parse_timestamp("2026-01-01 00:00:00+00:00", &Utc).unwrap()
}

#[divan::bench]
fn parse_backup_info() -> BackupInfo {
    BackupInfo::parse(BackupId::at(newest()), black_box(RECORD)).unwrap()
}

#[divan::bench]
fn format_backup_info(bencher: Bencher<'_, '_>) {
    let record = record();
    bencher.bench(|| black_box(&record).to_text());
}

/// A catalogue of 500 backups, one every six hours.
#[divan::bench(args = ["REDUNDANCY 30", "RECOVERY WINDOW OF 4 WEEKS"])]
fn plan_retention(bencher: Bencher<'_, '_>, policy: &str) {
    let policy = policy.parse().unwrap();
    let taken = |number: i32| {
        let at = newest() - TimeDelta::hours(6) * number;
        BackupInfo { id: BackupId::at(at), status: BackupStatus::Done, end_time: Some(at), ..record() }
    };
    let backups: Vec<BackupInfo> = (0..500).rev().map(taken).collect();
    let backups: Vec<&BackupInfo> = backups.iter().collect();
    bencher.bench(|| -> BTreeMap<BackupId, RetentionStatus> {
        retention::plan(policy, 3, black_box(&backups), |_| None, newest())
    });
}
