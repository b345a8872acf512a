//! What programs read: the documents of commands that change something, beside Barman's, and a program that nobody
//! here has written.

use std::fs;

use serde_json::{Map, Value};

use crate::kit::cluster::set_readable;
use crate::kit::program::Program;
use crate::kit::{Outcome, Version, World, tools};

#[test]
fn both_programs_write_the_same_documents_about_what_they_did() {
    let world = World::new(Version::V15);
    let first = world.backup();
    let both = |words: &str| -> [Map<String, Value>; 2] {
        let words = format!("-f json {words}");
        [world.site.reference(&words), world.site.barman(&words)].map(|outcome| document(&outcome.ok()))
    };
    let assert_same = |words: &str| {
        let [theirs, ours] = both(words).map(|document| messages(&document));
        assert_eq!(ours, theirs, "{words}");
    };

    // A backup: all fields of the record, at the top.
    let [theirs, ours] = both("backup main --immediate-checkpoint --wait --name weekly");
    assert_eq!(shape(&ours.clone().into()), shape(&theirs.clone().into()));
    // What PostgreSQL ships when is its own business.
    let [said, told] = [&ours, &theirs].map(|document| {
        let is_of_wal =
            |message: &str| message.contains("Processing xlog segments") || message.contains('\t');
        messages(document).into_iter().filter(|message| !is_of_wal(message)).collect::<Vec<_>>()
    });
    assert_eq!(said, told);
    for field in
        ["status", "backup_name", "cluster_size", "tablespaces", "version", "systemid", "pgdata", "mode"]
    {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    let id = ours["backup_id"].as_str().unwrap();
    assert_eq!(ours["begin_wal"].as_str().unwrap(), world.site.field(id, "begin_wal"));
    // A moment is in the form of ctime.
    assert_eq!(mask(ours["end_time"].as_str().unwrap()), mask(theirs["end_time"].as_str().unwrap()));

    world.ship_wal();
    for words in [
        "switch-wal main --force --archive",
        "archive-wal main",
        "check-backup main latest",
        "keep main latest --target full",
        "keep main latest --release",
        "rebuild-xlogdb main",
        "cron",
        "check main",
    ] {
        assert_same(words);
    }
    // Each deletes the oldest one, of which there are four.
    world.site.barman("backup main --immediate-checkpoint --wait").ok();
    assert_same("delete main oldest");
    assert!(!world.site.backups().contains(&first));

    // A backup that fails says why, and is in the document all the same.
    let broken = world.pg.data().join("base/1/odd");
    fs::write(&broken, "x").unwrap();
    set_readable(&broken, false);
    let words = "-f json backup main --immediate-checkpoint";
    let [theirs, ours] = [world.site.reference(words), world.site.barman(words)].map(|outcome| {
        assert_eq!(outcome.code, 1);
        document(&outcome)
    });
    set_readable(&broken, true);
    let without_messages = |mut document: Map<String, Value>| {
        document.retain(|name, _| !name.starts_with('_') && name != "end_offset");
        shape(&document.into())
    };
    assert_eq!(ours["status"], "FAILED");
    assert!(ours["error"].as_str().unwrap().starts_with("failure copying files (data transfer failure"));
    assert!(ours["_ERROR"][0].as_str().unwrap().starts_with("Backup failed copying files.\nDETAILS: "));
    let (ours, theirs) = (without_messages(ours), without_messages(theirs));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
}

/// The exporter for Prometheus that PyPI has: it runs `barman`, whichever comes first in `PATH`.
#[test]
fn an_exporter_for_prometheus_gets_the_same_numbers_from_both() {
    let world = World::new(Version::V15);
    world.backup();
    world.site.reference("backup main --immediate-checkpoint --wait").ok();
    world.ship_wal();
    let scrape = |barman: &std::path::Path| {
        let bin = world.path("exporter-bin");
        fs::create_dir_all(&bin).unwrap();
        let _ = fs::remove_file(bin.join("barman"));
        std::os::unix::fs::symlink(barman, bin.join("barman")).unwrap();
        let exporter = Program::new(&tools::exporter(), world.site.dir())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("BARMAN_CONFIG_FILE", world.site.dir().join("barman.conf"))
            .args(["--debug"])
            .run()
            .ok();
        let lines = exporter.stdout.lines().filter(|line| !line.starts_with("barman_metrics_update{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (ours, theirs) = (scrape(&tools::barman()), scrape(&tools::reference_barman()));
    assert_eq!(ours, theirs);
    assert!(ours.contains(&"barman_backups_total{server=\"main\"} 2.0".to_owned()), "{ours:?}");
    assert!(ours.contains(&"barman_up{check=\"archiver_errors\",server=\"main\"} 1.0".to_owned()));
}

#[track_caller]
fn document(outcome: &Outcome) -> Map<String, Value> {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// What was said, with a `#` for everything that is another each time.
fn messages(document: &Map<String, Value>) -> Vec<String> {
    let kinds = document.iter().filter(|(kind, _)| kind.starts_with('_'));
    let mut lines: Vec<String> = kinds
        .flat_map(|(kind, lines)| {
            let lines = lines.as_array().unwrap().iter();
            lines.map(move |line| format!("{kind} {}", mask(line.as_str().unwrap())))
        })
        .collect();
    // Of WAL there is sometimes more and sometimes less.
    lines.dedup();
    lines
}

/// Puts a `#` for each word with a digit, and for the time that something took.
fn mask(line: &str) -> String {
    let mut masked = String::new();
    for word in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let (word, end) = match word.char_indices().last() {
            Some((at, last)) if !last.is_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        masked.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
        masked.push_str(end);
    }
    let parts: Vec<&str> = masked.split("time: ").collect();
    let took = |part: &&str| part.split_once(')').map_or("", |(_, rest)| rest).to_owned();
    let rest: Vec<String> = parts[1..].iter().map(took).collect();
    format!("{}{}", parts[0], rest.join(""))
}

/// The keys, and of what kind their values are.
fn shape(value: &Value) -> Map<String, Value> {
    let kind = |value: &Value| match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "truth".into(),
        Value::Number(number) if number.is_f64() => "fraction".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(_) => "list".into(),
        Value::Object(_) => Value::Object(shape(value)),
    };
    value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), kind(value))).collect()
}
