//! Recovery targets as people write them, compared with what python-dateutil reads in them.
//!
//! The table is written by `target_time_golden/make.py`, which explains it.

#![allow(clippy::unwrap_used, reason = "a row that cannot be read ends the test")]

use std::env;
use std::process::Command;

use barman::types::{Assumed, parse_target_time, timestamp_text};
use chrono::{Local, Utc};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    zone: String,
    text: String,
    /// In UTC.
    moment: Option<String>,
    assumed: Option<String>,
    /// Why it means no moment.
    refused: Option<String>,
}

fn table() -> Vec<Row> {
    serde_json::from_str(include_str!("target_time_golden/table.json")).unwrap()
}

/// What is wrong with our reading in the time zone of this process.
fn complaint(row: &Row) -> Option<String> {
    let ours = parse_target_time(&row.text, &Local).map(|read| {
        let assumed = match read.assumed {
            Assumed::Nothing => "nothing",
            Assumed::LocalZone => "the zone",
            Assumed::FirstOfTwo => "the first of two",
        };
        (timestamp_text(read.moment.with_timezone(&Utc).fixed_offset()), assumed)
    });
    let expected =
        row.moment.as_ref().map(|moment| (moment.replace(".000000", ""), row.assumed.as_deref().unwrap()));
    (ours.clone().ok() != expected)
        .then(|| format!("{:?}: {ours:?} instead of {expected:?}, {:?}", row.text, row.refused))
}

#[test]
fn every_spelling_means_what_it_means_to_dateutil_or_is_refused_with_a_reason() {
    let table = table();
    assert!(table.len() > 200);
    let mut zones: Vec<&str> = table.iter().map(|row| row.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    for zone in zones {
        // A process has one time zone: each gets a process of its own.
        let run = Command::new(env::current_exe().unwrap())
            .args(["--exact", "in_the_zone_of_this_process", "--include-ignored", "--nocapture"])
            .env("TZ", zone)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{zone}: {said}");
        assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"), "{zone}: the rows were not read");
    }
}

#[test]
#[ignore = "run by the test above, once for each zone"]
fn in_the_zone_of_this_process() {
    let Ok(zone) = env::var("TZ") else { return };
    let complaints: Vec<String> =
        table().iter().filter(|row| row.zone == zone).filter_map(complaint).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
