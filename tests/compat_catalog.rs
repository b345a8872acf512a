//! Our answers about catalogues, compared with what Barman 3.19.1 printed about the same ones.
//!
//! The cases in `compat/catalog/` are written and recorded by `compat/record.py`, which explains them.

#![allow(clippy::unwrap_used, reason = "what is wrong with a case ends its test")]

#[path = "compat/home.rs"]
mod home;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use barman::catalog::{Catalog, Layout};
use barman::codec::{Codecs, Custom};
use barman::ops::{self, check_backup, delete, hooks, list_backups, list_files, retention, show_backup};
use barman::output::console;
use barman::sys::{Cancel, Context, Events, Files, Progress, Severity};
use barman::types::{Timestamp, ctime_text, parse_timestamp};
use barman::wal::{Archive, ArchivePaths};

use home::{Home, Section, sections};

impl Home {
    fn setting(&self, server: &str, name: &str) -> Option<&str> {
        let lines = self.config[server].lines().filter_map(|line| line.split_once(" = "));
        lines.filter(|(option, _)| *option == name).map(|(_, value)| value).next_back()
    }

    fn rules(&self, server: &str) -> retention::Rules {
        retention::Rules {
            policy: self.setting(server, "retention_policy").map(|policy| policy.parse().unwrap()),
            minimum_redundancy: self
                .setting(server, "minimum_redundancy")
                .map_or(0, |number| number.parse().unwrap()),
        }
    }

    fn catalog(&self, server: &str) -> Catalog {
        let layout = Layout {
            server: server.into(),
            backup_directory: self.path(server),
            basebackups_directory: self.path(server).join("base"),
            lock_directory: self.path(""),
            // Barman keeps none, and what is left on the disk is compared.
            keeps_old_records: false,
        };
        Catalog::open(&Files::default(), layout).unwrap()
    }

    fn archive(&self, context: &Context, server: &str) -> Archive {
        let paths = ArchivePaths {
            server: server.into(),
            wals_dir: self.path(server).join("wals"),
            xlogdb: self.path(server).join(format!("wals/{server}-xlog.db")),
            lock_dir: self.path(""),
        };
        Archive::new(context, paths, Codecs::new(context, Custom::default()))
    }
}

/// What a command printed.
#[derive(Default)]
struct Printed {
    stdout: String,
    stderr: String,
    failed: bool,
}

#[derive(Default)]
struct Console(Mutex<Printed>);

impl Events for Console {
    fn say(&self, severity: Severity, text: &str) {
        let mut printed = self.0.lock().unwrap();
        let _ = match severity {
            Severity::Debug => Ok(()),
            Severity::Info => writeln!(printed.stdout, "{text}"),
            Severity::Warning => writeln!(printed.stderr, "WARNING: {text}"),
            Severity::Error => {
                printed.failed = true;
                writeln!(printed.stderr, "ERROR: {text}")
            }
        };
    }

    fn progress(&self, _: Progress<'_>) {}
}

struct StoppedClock(Timestamp);

impl barman::sys::Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: std::time::Duration, _: &Cancel) -> Result<(), barman::sys::Cancelled> {
        Ok(())
    }
}

/// Runs a command line on a home as the program would.
fn run(home: &Home, command: &str, now: Timestamp) -> Printed {
    let console = Arc::new(Console::default());
    let mut context = Context::new(console.clone(), Cancel::default());
    context.clock = Arc::new(StoppedClock(now));
    let words: Vec<&str> = command.split(' ').collect();
    let known = |server: &&str| {
        let known = *server == "all" || home.config.contains_key(*server);
        if !known {
            context.events.error(&format!("Unknown server '{server}'"));
        }
        known
    };
    if let Err(error) = known(&words[1]).then(|| dispatch(home, &context, &words)).transpose() {
        context.events.error(&error.to_string());
    }
    drop(context);
    Arc::into_inner(console).unwrap().0.into_inner().unwrap()
}

fn dispatch(home: &Home, context: &Context, words: &[&str]) -> Result<(), ops::Error> {
    let say = |text: String| {
        if !text.is_empty() {
            context.events.info(text.trim_end_matches('\n'));
        }
    };
    match *words {
        ["list-backups", "all"] => {
            for server in home.config.keys() {
                dispatch(home, context, &["list-backups", server])?;
            }
        }
        ["list-backups", server, "--minimal"] => {
            say(console::backup_ids(&list_backups::ids(&home.catalog(server))));
        }
        ["list-backups", server] => {
            let archive = home.archive(context, server);
            let list = list_backups::run(context, &home.catalog(server), &archive, home.rules(server))?;
            say(console::backup_list(&list));
        }
        ["show-backup", server, backup] => {
            let archive = home.archive(context, server);
            let rules = home.rules(server);
            let details = show_backup::run(context, &home.catalog(server), &archive, rules, backup)?;
            let text = console::backup_details(&details);
            context.events.info(text.strip_suffix('\n').unwrap());
        }
        ["list-files", server, backup, ref options @ ..] => {
            let target = options.iter().position(|option| *option == "--target").map(|at| options[at + 1]);
            let options = list_files::Options {
                target: target.map_or(list_files::Target::Standalone, |target| target.parse().unwrap()),
                empty_directories: options.contains(&"--list-empty-directories"),
            };
            let (catalog, archive) = (home.catalog(server), home.archive(context, server));
            let mut out = |path: &Path| {
                context.events.info(&path.display().to_string());
                Ok(())
            };
            list_files::run(context, &catalog, &archive, backup, options, &mut out)?;
        }
        ["delete", server, backup] => {
            let archive = home.archive(context, server);
            let settings = delete::Settings {
                rules: home.rules(server),
                is_concurrent: home.setting(server, "backup_options") != Some("exclusive_backup"),
                scripts: hooks::Scripts::default(),
            };
            delete::run(context, &mut home.catalog(server), &archive, settings, backup)?;
        }
        ["check-backup", server, backup] => {
            let archive = home.archive(context, server);
            check_backup::run(context, &mut home.catalog(server), &archive, backup)?;
        }
        _ => panic!("unknown command {words:?}"),
    }
    Ok(())
}

/// Goes through a case and compares each command's output.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/compat/catalog/{name}.txt"));
    let text = fs::read_to_string(path).unwrap();
    let sections = sections(&text);
    let home = Home::build(&sections);
    let now = sections.iter().find_map(|section| section.heading.strip_prefix("now ")).unwrap();
    let now = parse_timestamp(now, &chrono::Utc).unwrap();
    let mut at = sections.iter().peekable();
    while let Some(section) = at.next() {
        let Some(command) = section.heading.strip_prefix("$ ") else { continue };
        let mut answers: BTreeMap<&str, &Section<'_>> = BTreeMap::new();
        while let Some(next) = at.next_if(|next| {
            ["stderr", "exit", "ours"].contains(&next.heading.split(' ').next().unwrap_or_default())
        }) {
            answers.insert(next.heading.split(' ').next().unwrap(), next);
        }
        let (stdout, exit) = match answers.get("ours") {
            Some(ours) => (ours.body, ours.heading.split(' ').nth(1).unwrap()),
            None => (section.body, &answers["exit"].heading[5..]),
        };
        let printed = run(&home, command, now);
        let start = format!("(start time: {}, elapsed", ctime_text(now));
        let clean = |text: &str| {
            let text = text.replace(&home.path("").display().to_string(), "@HOME@/");
            let text = text.replace(&start, "(start time: @TIME@, elapsed");
            // Python lists directories in the order of the file system.
            if command.starts_with("list-files") { sorted(&text) } else { text }
        };
        let context = format!("{name}: {command}\nstderr: {}", printed.stderr);
        assert_eq!(clean(&printed.stdout), clean(stdout), "{context}");
        assert_eq!(if printed.failed { "1" } else { "0" }, exit, "{context}");
        if let Some(stderr) = answers.get("stderr").filter(|_| !answers.contains_key("ours")) {
            assert_eq!(without_dump(&clean(&printed.stderr)), without_dump(stderr.body), "{context}");
        }
    }
    let servers: Vec<&str> = home.config.keys().map(String::as_str).collect();
    if let Some(tree) = sections.iter().find(|section| section.heading == "tree") {
        assert_eq!(home.tree(&servers), tree.body, "{name}");
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Barman names a backup that it cannot delete by all that its record says.
fn without_dump(text: &str) -> String {
    let is_dump = |line: &&str| line.starts_with("ERROR: Cannot delete backup (");
    text.lines().map(|line| if is_dump(&line) { "ERROR: Cannot delete backup" } else { line }).collect()
}

macro_rules! cases {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*
    };
}

cases! {
    backups_of_every_status_are_listed_and_shown: "list",
    records_that_say_more_or_less_are_shown: "show",
    snapshots_are_shown: "snapshot",
    timelines_are_told_apart: "timelines",
    redundancy_is_judged: "retention-redundancy",
    a_recovery_window_is_judged: "retention-window",
    policies_over_generated_catalogues_are_judged: "retention-generated",
    a_catalogue_of_barman_1_3_3_is_read: "seed",
    files_are_listed_by_target: "list-files",
    wal_goes_with_the_oldest_backup: "delete-in-order",
    wal_goes_with_the_last_backup_in_concurrent_mode: "delete-last",
    all_wal_goes_with_the_last_backup_in_exclusive_mode: "delete-exclusive",
    backups_are_found_by_words_and_names: "names",
    a_damaged_record_hides_no_other: "damaged",
    deletions_are_refused: "delete-refused",
    increments_are_deleted_first: "delete-children",
    wal_of_other_timelines_stays: "delete-timelines",
    wal_of_a_backup_kept_for_itself_stays: "delete-standalone",
    wal_that_is_listed_only_is_forgotten: "delete-missing",
    backups_are_checked_for_their_wal: "check-backup",
    backups_of_barman_1_3_3_are_deleted: "delete-seed",
}
