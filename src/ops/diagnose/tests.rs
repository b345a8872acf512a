use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::tests::kit::Home;
use crate::sys::Cancel;
use crate::sys::events::Silent;

fn diagnose(home: &Home, options: Options<'_>) -> Value {
    let context = Context::new(Arc::new(Silent), Cancel::default());
    run(&context, &home.load("barman.conf").unwrap(), options).unwrap()
}

const PLAIN: Options<'_> = Options { config_source: false, barman_version: "3.19.1", implementation: "ours" };

#[test]
fn servers_that_never_answer_take_their_time_limit_and_no_more() {
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut conf = "[barman]\nbarman_home = @HOME@\nbarman_user =\ncheck_timeout = 1\n".to_owned();
    for number in 0..6 {
        conf += &format!(
            "[slow{number}]\nconninfo = host=127.0.0.1 port={port} user=u password=hunter2\n\
             ssh_command = ssh u@nowhere.invalid\nbackup_options = concurrent_backup\narchiver = on\n"
        );
        conf += &format!(
            "[deaf{number}]\nconninfo = host=@HOME@\nssh_command = @HOME@/hangs u@h\n\
             backup_options = concurrent_backup\narchiver = on\n"
        );
    }
    let home = Home::with(&[
        ("barman.conf", &conf),
        ("hangs", "#!/bin/sh\ntrap '' TERM\nsleep 600 & wait\nsleep 600\n"),
    ]);
    let program = home.path().join("hangs");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let begun = Instant::now();
    let document = diagnose(&home, PLAIN);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    for (name, server) in document["servers"].as_object().unwrap() {
        assert_eq!(server["errors"], json!(["no answer within 1 second (check_timeout)"]), "{name}");
        assert_eq!(server["config"]["check_timeout"], json!(1));
        assert_eq!(server["status"].get("connection_error").is_some(), name.starts_with("deaf"));
    }
    assert_eq!(document["servers"].as_object().unwrap().len(), 12);
}

#[test]
fn what_is_broken_is_part_of_the_answer_and_passwords_are_not() {
    let server = "conninfo = host=@HOME@ password=hunter2\nbackup_method = local-rsync\n\
                  backup_options = concurrent_backup\narchiver = on\n";
    let conf = format!(
        "[barman]\nbarman_home = @HOME@\nbarman_user =\n[main]\ncluster = c\n{server}\
         description = see postgres://u:hunter2@h\n[other]\nbackup_directory = @HOME@/main\n{server}\
         [model]\nmodel = true\ncluster = c\nconninfo = host=h password='hunter2 x'\n[bare]\narchiver = on\n"
    );
    let record =
        "status=FAILED\nerror=cannot use host=h password=hunter2\nbegin_time=2025-01-02 10:00:00+00:00\n";
    let home = Home::with(&[
        ("barman.conf", &conf),
        ("main/meta/20250102T100000-backup.info", record),
        ("main/meta/20250103T100000-backup.info", "rubbish\n"),
        ("main/wals/main-xlog.db", "rubbish\n"),
        ("main/wals/0000000100000000/000000010000000000000005", ""),
        ("main/wals/0000000100000000/000000010000000000000006.00000028.backup", ""),
        ("main/wals/0000000200000001/000000020000000100000007", "\u{1f}"),
        ("main/wals/lost+found/x", ""),
    ]);
    let document = diagnose(&home, PLAIN);
    let text = document.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    let main = &document["servers"]["main"];
    assert!(document["global"]["config"]["errors_list"][0].as_str().unwrap().starts_with("Conflicting path"));
    assert_eq!(main["backups"]["20250102T100000"]["error"], json!("cannot use host=h password=*REDACTED*"));
    assert!(main["errors"][0].as_str().unwrap().contains("20250103T100000-backup.info"), "{main}");
    assert!(main["status"]["connection_error"].is_string());
    let wal = &main["wals"]["last_archived_wal_per_timeline"];
    assert_eq!(
        [&wal["00000001"]["name"], &wal["00000002"]["name"]],
        ["000000010000000000000005", "000000020000000100000007"]
    );
    assert_eq!(document["servers"]["bare"]["msg_list"].as_array().unwrap().len(), 2);
    assert_eq!(document["global"]["system_info"]["barman_ver"], "3.19.1");

    let document = diagnose(&home, Options { config_source: true, ..PLAIN });
    let conninfo = &document["models"]["model"]["config"]["conninfo"];
    assert_eq!(conninfo["value"], "host=h password=*REDACTED*");
    assert!(conninfo["source"].as_str().unwrap().ends_with("barman.conf"));
    assert_eq!(
        document["servers"]["main"]["config"]["parallel_jobs"],
        json!({"value": 1, "source": "default"})
    );
}
