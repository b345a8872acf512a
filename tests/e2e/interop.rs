//! Barman 3.19.1 and we, on the same configuration and the same barman_home, in turn and at the same time.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::{Cluster, Site, Version, World};
use crate::on_every_version;

on_every_version!(each_program_restores_what_the_other_one_backed_up);

fn each_program_restores_what_the_other_one_backed_up(version: Version) {
    let mut world = World::new(version);
    world.site.set("compression", "gzip");
    world.pg.prepare_pgbench();
    // It would change the size of the cluster from one question to the next.
    world.pg.configure("autovacuum = off");
    world.pg.sql("SELECT pg_reload_conf()");
    let ours = world.backup();
    world.note("between the backups");
    // Reuses our files, and must find in our record all that it needs.
    world.site.reference("backup main --immediate-checkpoint --wait").ok();
    let theirs = world.site.backups().remove(0);
    assert_ne!(ours, theirs);
    world.note("between the backups, too");
    // And we reuse theirs.
    let ours_again = world.backup();
    world.note("before the target");
    let time = world.pg.sql("SELECT clock_timestamp()");
    let contents = world.pg.contents();
    thread::sleep(Duration::from_millis(200));
    world.note("after the target");
    world.ship_wal();

    assert_both_say_the_same(&world.site, &[&ours, &theirs, &ours_again]);
    assert_both_diagnose_the_same(&world.site);
    assert_rebuilding_changes_nothing(&world.site);

    let restore = |by_us: bool, id: &str, name: &str| {
        let restored = world.restore_by(name, |site, place| {
            let words = format!("restore main {id} {place} --target-time '{time}' --target-action promote");
            if by_us { site.barman(&words) } else { site.reference(&words) }
        });
        let mut pg = restored.start();
        assert_eq!(pg.contents(), contents, "{name}");
        pg.stop_and_verify_pages();
    };
    restore(false, &ours, "ours-by-them");
    restore(true, &theirs, "theirs-by-us");
    restore(false, &ours_again, "ours-again-by-them");

    // What one deletes is gone for the other, and what is left is whole.
    world.site.reference(&format!("delete main {ours}")).ok();
    assert_eq!(world.site.backups(), [ours_again.clone(), theirs.clone()]);
    world.site.barman(&format!("delete main {theirs}")).ok();
    assert_both_say_the_same(&world.site, &[&ours_again]);
    restore(false, &ours_again, "what-is-left");
}

/// The answers to questions about the catalogue agree to the byte.
#[track_caller]
fn assert_both_say_the_same(site: &Site, backups: &[&String]) {
    let mut questions: Vec<String> = [
        "list-servers",
        "list-servers --minimal",
        "list-backups main",
        "list-backups all --minimal",
        "check main",
        "check main --nagios",
        "status main",
        "show-servers main",
        "replication-status main",
        "list-processes main",
        "show-backup main latest",
        "show-backup main oldest",
        "show-backup main nosuch",
    ]
    .map(str::to_owned)
    .into();
    for id in backups {
        questions.push(format!("show-backup main {id}"));
        for target in ["full", "data", "wal", "standalone"] {
            questions.push(format!("list-files main {id} --target {target}"));
            questions.push(format!("list-files main {id} --target {target} --list-empty-directories"));
        }
    }
    for question in &questions {
        let answers = || {
            let (us, them) = (site.barman(question), site.reference(question));
            [
                (us.code, lines(question, &us.stdout).join("\n")),
                (them.code, lines(question, &them.stdout).join("\n")),
            ]
        };
        assert_agree(answers, question);
    }
    let documented =
        questions.iter().filter(|question| !question.contains("--nagios") && !question.contains("nosuch"));
    for question in documented.map(|question| format!("-f json {question}")) {
        let answers = || {
            let (us, them) = (site.barman(&question), site.reference(&question));
            [(us.code, document(&us.stdout)), (them.code, document(&them.stdout))]
        };
        assert_agree(answers, &question);
    }
}

/// What PostgreSQL does between the two questions is no difference: that one stays when both are asked again.
#[track_caller]
fn assert_agree<A: PartialEq + std::fmt::Debug>(answers: impl Fn() -> [A; 2], question: &str) {
    let mut last = answers();
    for _ in 0..3 {
        if last[0] == last[1] {
            return;
        }
        last = answers();
    }
    let [us, them] = last;
    assert_eq!(us, them, "{question}");
}

/// A document, but for what changes from one moment to the next.
#[track_caller]
fn document(answer: &str) -> serde_json::Value {
    let mut document: serde_json::Value = serde_json::from_str(answer).unwrap();
    if let Some(server) = document.get_mut("main").and_then(|server| server.as_object_mut()) {
        server.retain(|key, _| !CHANGING.contains(&key.as_str()));
    }
    if let Some(files) = document.get_mut("_INFO").and_then(|files| files.as_array_mut()) {
        files.sort_by_key(ToString::to_string);
    }
    document
}

/// What changes from one moment to the next, as `show-servers`, `status` and `replication-status` call it.
const CHANGING: [&str; 6] = [
    "current_archived_wals_per_second",
    "current_lsn",
    "server_archived_wals_per_hour",
    "server_lsn",
    "Current LSN on master",
    "Server WAL archiving rate",
];

/// The documents agree to the byte, but for what changes from one moment to the next and for who we are.
#[track_caller]
fn assert_both_diagnose_the_same(site: &Site) {
    const OURS: [&str; 3] = ["implementation", "python_executable", "python_ver"];
    // Barman looks for the version of ssh on standard output.
    const CHANGING: [&str; 4] = ["timestamp", "current_lsn", "current_archived_wals_per_second", "ssh_ver"];
    for command in ["diagnose", "diagnose --show-config-source"] {
        let [us, them] = [site.barman(command).ok(), site.reference(command).ok()];
        let of = |outcome: &crate::kit::Outcome| {
            let key = |line: &str| line.trim().trim_start_matches('"').split('"').next().unwrap().to_owned();
            let lines = outcome.stdout.lines().filter(|line| !OURS.contains(&key(line).as_str()));
            let masked = lines
                .map(|line| if CHANGING.contains(&key(line).as_str()) { key(line) } else { line.into() });
            masked.collect::<Vec<String>>()
        };
        assert_eq!(of(&us), of(&them), "{command}");
        let document: serde_json::Value = serde_json::from_str(&us.stdout).unwrap();
        let [here, there] =
            [&document["global"], &document["servers"]["main"]].map(|part| &part["system_info"]);
        for info in [here, there] {
            assert!(info["ssh_ver"].as_str().unwrap().starts_with("OpenSSH"), "{info}");
            assert!(info["rsync_ver"].as_str().unwrap().starts_with("rsync"), "{info}");
        }
        assert!(here["implementation"].as_str().unwrap().starts_with("Barman in Rust"));
        assert!(document["servers"]["main"].get("errors").is_none());
    }
}

/// The list of the archive made anew is the one that both have written, line by line.
#[track_caller]
fn assert_rebuilding_changes_nothing(site: &Site) {
    let mut written: Vec<String> =
        std::fs::read_to_string(site.xlogdb()).unwrap().lines().map(str::to_owned).collect();
    written.sort();
    let said = site.barman("rebuild-xlogdb main").ok().stdout;
    let rebuilt = std::fs::read_to_string(site.xlogdb()).unwrap();
    assert_eq!(rebuilt.lines().collect::<Vec<_>>(), written);
    assert_eq!(site.reference("rebuild-xlogdb main").ok().stdout, said);
    assert_eq!(std::fs::read_to_string(site.xlogdb()).unwrap(), rebuilt);
}

/// The lines of an answer. Barman lists files in the order in which the file system gives directories.
fn lines<'a>(question: &str, answer: &'a str) -> Vec<&'a str> {
    let changes = |line: &&str| CHANGING.iter().any(|name| line.trim_start().starts_with(name));
    let mut lines: Vec<&str> = answer.lines().filter(|line| !changes(line)).collect();
    if question.starts_with("list-files") {
        lines.sort_unstable();
    }
    lines
}

#[test]
fn each_program_respects_a_backup_of_the_other_one_that_runs() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    world.backup();
    world.site.set("bandwidth_limit", "100");
    world.site.set("reuse_backup", "off");
    for ours_first in [true, false] {
        let words = "backup main --immediate-checkpoint";
        let running =
            if ours_first { world.site.start_barman(words) } else { world.site.start_reference(words) };
        crate::kit::eventually("the backup copies files", || !world.programs_called("rsync").is_empty());
        let refused = if ours_first { world.site.reference(words) } else { world.site.barman(words) };
        refused.fails(1, &["another backup process is running"]);
        running.signal(Signal::SIGINT);
        assert_eq!(running.finish().code, 1);
    }
}

#[test]
fn both_see_the_same_standbys() {
    let world = World::new(Version::V15);
    let mut standby = Cluster::standby_of(&world.pg, &world.path("standby"));
    standby.start();
    standby.wait_until_caught_up_with(&world.pg);
    for target in ["all", "hot-standby", "wal-streamer"] {
        for options in ["", " --minimal", " --source wal-host"] {
            let question = format!("replication-status main --target {target}{options}");
            let has_standby = world.site.barman(&question).ok().said("walreceiver");
            assert_eq!(has_standby, target != "wal-streamer");
            for question in [question.clone(), format!("-f json {question}")] {
                // PostgreSQL writes a little WAL now and then.
                crate::kit::eventually(&format!("both answer '{question}' alike"), || {
                    let [us, them] =
                        [world.site.barman(&question).ok(), world.site.reference(&question).ok()];
                    us.stdout.trim_end() == them.stdout.trim_end()
                });
            }
        }
    }
}

#[test]
fn a_backup_of_either_program_is_listed_and_stopped_by_the_other_one() {
    let mut world = World::new(Version::V15);
    world.pg.prepare_pgbench();
    world.site.set("bandwidth_limit", "100");
    world.site.set("reuse_backup", "off");
    for ours in [true, false] {
        let words = "backup main --immediate-checkpoint";
        let running = if ours { world.site.start_barman(words) } else { world.site.start_reference(words) };
        crate::kit::eventually("the backup copies files", || !world.programs_called("rsync").is_empty());
        let [us, them] =
            [world.site.barman("list-processes main"), world.site.reference("list-processes main")];
        assert_eq!(us.ok().stdout, them.ok().says(" backup").stdout);
        let words = "terminate-process main backup";
        let stopping = if ours { world.site.start_reference(words) } else { world.site.start_barman(words) };
        // Waited for meanwhile: a process that nobody has waited for is still there.
        assert_eq!(running.finish().code, 1);
        stopping.finish().ok().says("Stopped process backup(");
        world.site.barman(words).fails(1, &["Termination of backup failed: no such process for server main"]);
    }
}

#[test]
fn both_lay_models_over_a_server_and_change_options() {
    let dir = tempfile::tempdir().unwrap();
    let mut site = Site::new(dir.path());
    site.add("[berlin]\nmodel = on\ncluster = main\nparallel_jobs = 4\n[other]\nmodel = on\ncluster = x\n");
    let both = |words: &str| {
        let them = site.reference(words);
        let state = || {
            let read = |path: &str| std::fs::read_to_string(site.home().join(path)).unwrap_or_default();
            (read("main/.active-model.auto"), read(".barman.auto.conf"), read("cfg_changes.queue"))
        };
        let theirs = state();
        (them, theirs, site.barman(words), state())
    };
    std::fs::create_dir_all(site.server_dir()).unwrap();
    // Each does it in turn; the second one finds it done.
    let (them, _, us, _) = both("config-switch main berlin");
    them.ok().says("'parallel_jobs' for server 'main' from '2' to '4' through the model 'berlin'");
    us.ok().says("Model 'berlin' is already active for server 'main', skipping...");
    let (them, _, us, _) = both("config-switch main --reset");
    assert_eq!(them.ok().stdout, us.ok().stdout);
    for wrong in ["config-switch main", "config-switch main nosuch", "config-switch main other"] {
        let (them, _, us, _) = both(wrong);
        assert_eq!((us.code, us.stderr), (them.code, them.stderr), "{wrong}");
    }
    let change = r#"config-update '[{"scope": "server", "server_name": "main", "compression": "gzip"}]'"#;
    let (them, theirs, us, ours) = both(change);
    them.ok().says("'compression' for section 'main' from 'None' to 'gzip' through config-update.");
    us.ok().says("'compression' for section 'main' from 'gzip' to 'gzip' through config-update.");
    assert_eq!(ours, theirs);
    site.barman("show-servers main").ok().says("compression: gzip");
}
