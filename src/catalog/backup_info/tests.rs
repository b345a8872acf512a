use std::path::Path;

use proptest::prelude::*;

use super::*;

const SEED: &str = include_str!("../../../tests/compat/backup_info/1.3.3.info");
const SEED_REWRITTEN: &str = include_str!("../../../tests/compat/backup_info/1.3.3-rewritten-by-3.19.info");
const RSYNC: &str = include_str!("../../../tests/compat/backup_info/3.19-rsync.info");
const POSTGRES: &str = include_str!("../../../tests/compat/backup_info/3.19-postgres.info");
const SNAPSHOT: &str = include_str!("../../../tests/compat/backup_info/3.19-snapshot.info");

fn id() -> BackupId {
    "20260102T030405".parse().unwrap()
}

fn parse(text: &str) -> BackupInfo {
    BackupInfo::parse(id(), text.as_bytes()).unwrap()
}

fn refusal(text: impl AsRef<[u8]>) -> (usize, String) {
    let malformed = BackupInfo::parse(id(), text.as_ref()).unwrap_err();
    (malformed.line, malformed.problem.to_string())
}

#[test]
fn records_of_barman_3_19_are_written_back_byte_for_byte() {
    for record in [RSYNC, POSTGRES, SNAPSHOT] {
        assert_eq!(parse(record).to_text(), record);
    }
}

#[test]
fn a_record_of_barman_1_3_3_is_written_back_in_the_form_of_3_19() {
    let zone_known =
        |text: &str| text.replace("end_time=2014-08-21 10:17:45\n", "end_time=2014-08-21 10:17:45+00:00\n");
    assert_eq!(parse(&zone_known(SEED)).to_text(), SEED_REWRITTEN);
    let local = parse(SEED).end_time.unwrap();
    assert_eq!(local.naive_local().to_string(), "2014-08-21 10:17:45");
}

#[test]
fn fields_have_their_types() {
    let info = parse(RSYNC);
    assert_eq!(info.status, BackupStatus::Done);
    assert_eq!(info.begin_wal, "000000010000000000000026".parse().ok());
    assert_eq!(info.begin_xlog, Some(Lsn::new(0x2600_0028)));
    assert_eq!(info.version, Some(PgVersion::new(150_018)));
    assert_eq!(info.included_files.as_deref(), Some(&[PathBuf::from("/srv/pg/postgresql.auto.conf")][..]));
    assert_eq!(info.tablespaces[0].oid, 16386);
    assert_eq!(info.tablespaces[0].location, Path::new("/srv/pg-ts"));
    assert_eq!(info.backup_label.unwrap().lines().count(), 7);
    assert_eq!(info.copy_stats.unwrap().number_of_workers(), Some(2));
    assert_eq!(parse(POSTGRES).children_backup_ids.len(), 2);
}

#[test]
fn children_whose_letters_a_passive_barman_has_taken_apart_are_read() {
    let children = parse(POSTGRES).children_backup_ids;
    let apart = |text: &str| text.chars().map(String::from).collect::<Vec<_>>().join(",");
    let mut text = children.iter().map(BackupId::as_str).collect::<Vec<_>>().join(",");
    // Passive nodes of passive nodes do it again.
    for _ in 0..3 {
        let record = format!("children_backup_ids={text}\n");
        assert_eq!(parse(&record).children_backup_ids, children, "{text}");
        text = apart(&text);
    }
    assert!(BackupInfo::parse(id(), b"children_backup_ids=2,0,2\n").is_err());
}

#[test]
fn kinds_are_told_from_the_mode() {
    let kind = |mode: &str, parent: Option<BackupId>| {
        BackupInfo { mode: Some(mode.into()), parent_backup_id: parent, ..BackupInfo::new(id()) }.kind()
    };
    let cases = [
        ("rsync-concurrent", None, BackupKind::Rsync),
        ("rsync-exclusive", None, BackupKind::Rsync),
        ("postgres", None, BackupKind::Full),
        ("postgres", Some(id()), BackupKind::Incremental),
        ("snapshot-concurrent", None, BackupKind::Snapshot),
        ("default", None, BackupKind::Full),
        ("passive", None, BackupKind::Full),
    ];
    for (mode, parent, expected) in cases {
        assert_eq!(kind(mode, parent), expected, "{mode}");
    }
    assert_eq!(BackupInfo::new(id()).kind(), BackupKind::Full);
}

#[test]
fn comments_blank_lines_and_blanks_around_values_are_passed_over() {
    let info = parse("# written by hand\n\n  status =  DONE \r\n\nsize= 12\nmode=None\n");
    assert_eq!((info.status, info.size, info.mode), (BackupStatus::Done, Some(12), None));
}

#[test]
fn fields_of_a_newer_barman_survive() {
    let record = RSYNC.replace("status=DONE\n", "status=DONE\nstatus_of_moon=a=b\n");
    assert_eq!(parse(&record).to_text(), record);
}

#[test]
fn a_refusal_names_line_field_and_value() {
    let cases: [(&str, usize, &str); 9] = [
        ("status=DONE\nnonsense\n", 2, "it is not 'name=value'"),
        ("status=DONE\nstatus=LOST\n", 2, "'status': 'LOST' is not a valid backup status"),
        ("size=-1", 1, "'size': '-1' is not a valid number"),
        ("begin_xlog=4000028", 1, "'begin_xlog': '4000028' is not a valid LSN"),
        ("begin_time=yesterday", 1, "'begin_time': 'yesterday' is not a valid date"),
        ("tablespaces=[('a', 1)]", 1, "'tablespaces': '[('a', 1)]' is not a valid list of tablespaces"),
        ("timeline=0", 1, "'timeline': '0' is not a valid timeline"),
        ("xlog_segment_size=5", 1, "'xlog_segment_size': '5' is not a valid WAL segment size"),
        ("copy_stats={'a'", 1, "'copy_stats': not a Python literal: a colon expected at character 5"),
    ];
    for (text, line, problem) in cases {
        assert_eq!(refusal(text), (line, problem.to_owned()));
    }
    assert_eq!(refusal(b"mode=\xff"), (1, "it is not UTF-8 text".to_owned()));
}

#[test]
fn a_line_break_in_a_value_does_not_break_the_record() {
    let info = BackupInfo { error: Some("failure\nstatus=DONE".into()), ..BackupInfo::new(id()) };
    let back = parse(&info.to_text());
    assert_eq!((back.error.as_deref(), back.status), (Some("failure status=DONE"), BackupStatus::Empty));
}

proptest! {
    #[test]
    fn what_was_read_is_read_again_from_what_is_written(
        label in proptest::option::of("(\\PC|\n){0,40}"),
        name in proptest::option::of("[a-zA-Z0-9 '\"=]{1,10}"),
        size in proptest::option::of(any::<u64>()),
        tablespaces in proptest::collection::vec(("\\PC{1,8}", any::<u32>(), "/\\PC{0,8}"), 0..3),
        stats in proptest::option::of((0.0..1e9_f64).prop_map(std::time::Duration::from_secs_f64)),
    ) {
        let tablespace = |(name, oid, location): (String, u32, String)| {
            Tablespace { name, oid, location: location.into() }
        };
        let info = BackupInfo {
            backup_label: label,
            backup_name: name.map(|name| name.trim().to_owned()).filter(|name| name != "None"),
            size,
            tablespaces: tablespaces.into_iter().map(tablespace).collect(),
            copy_stats: stats.map(CopyStats::of_duration),
            ..BackupInfo::new(id())
        };
        prop_assert_eq!(parse(&info.to_text()), info);
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(content: Vec<u8>) {
        let _ = BackupInfo::parse(id(), &content);
    }

    #[test]
    fn a_damaged_record_is_read_or_refused_without_panic(at in 0..RSYNC.len(), byte: u8) {
        let mut content = RSYNC.as_bytes().to_vec();
        content[at] = byte;
        if let Ok(info) = BackupInfo::parse(id(), &content) {
            // A carriage return in a value is written as a blank: Python would end the line there.
            let written = info.to_text();
            prop_assert_eq!(parse(&written).to_text(), written);
        }
    }
}

#[test]
fn a_node_reads_the_record_that_another_one_tells() {
    for record in [SEED_REWRITTEN, RSYNC, POSTGRES, SNAPSHOT] {
        let info = parse(record);
        let told = serde_json::to_string(&info.to_peer_json()).unwrap();
        let read = BackupInfo::from_peer_json(id(), &serde_json::from_str(&told).unwrap()).unwrap();
        assert_eq!(read.to_text(), record);
        assert_eq!(read, info);
    }
}

#[test]
fn a_record_that_a_node_tells_is_read_by_the_rules_of_the_file() {
    let refused = |told: &str| {
        BackupInfo::from_peer_json(id(), &serde_json::from_str(told).unwrap()).unwrap_err().to_string()
    };
    for told in [
        r#"{"tablespaces": [["fast", "../../etc", "/srv"]]}"#,
        r#"{"begin_wal": "../0000000100000000000001"}"#,
        r#"{"size": "many"}"#,
        r#"{"parent_backup_id": "../20260101T100000"}"#,
        r#"{"begin_time": {"at": 1}}"#,
    ] {
        let field = told.split('"').nth(1).unwrap();
        assert!(refused(told).starts_with(&format!("'{field}': ")), "{}", refused(told));
    }
}
