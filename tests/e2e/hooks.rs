//! Hook scripts around what barman does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;

use nix::sys::signal::Signal;

use crate::kit::{Outcome, Site, Version, World, eventually, processes_mentioning, tools};

const EVENTS: [&str; 5] = ["backup", "archive", "delete", "wal_delete", "recovery"];

/// A script for every point that has one; each writes down what it is told.
struct Watch {
    script: PathBuf,
    told: PathBuf,
}

impl Watch {
    fn over(site: &mut Site) -> Self {
        let (script, told) = (site.dir().join("watch.sh"), site.dir().join("told"));
        // The blank line ends a record; BARMAN_CONFIG_FILE is the test's own.
        let text = format!(
            "#!/bin/sh\n{{ echo \"HOOK=$1\"; env | grep ^BARMAN_ | grep -v ^BARMAN_CONFIG_FILE | sort; echo; }} >> {}\n",
            told.display()
        );
        tools::write_program(&script, &text);
        let watch = Self { script, told };
        for option in EVENTS.iter().flat_map(|event| options_around(event)) {
            site.set(option, &watch.command(option));
        }
        watch
    }

    fn command(&self, option: &str) -> String {
        format!("{} {option}", self.script.display())
    }

    /// What the scripts were told since this was last asked, one text for each.
    fn take(&self) -> Vec<String> {
        let told = fs::read_to_string(&self.told).unwrap_or_default();
        fs::write(&self.told, "").unwrap();
        told.split_terminator("\n\n").map(str::to_owned).collect()
    }

    /// The options whose scripts have run since this was last asked.
    fn take_options(&self) -> Vec<String> {
        let option = |told: &String| told.lines().next().unwrap()["HOOK=".len()..].to_owned();
        self.take().iter().map(option).collect()
    }
}

/// The options around an event, in the order in which their scripts run.
fn options_around(event: &str) -> [&'static str; 4] {
    ["pre_#_script", "pre_#_retry_script", "post_#_retry_script", "post_#_script"]
        .map(|option| -> &'static str { option.replace('#', event).leak() })
}

fn variable<'a>(told: &'a str, name: &str) -> &'a str {
    let mut lines = told.lines();
    lines
        .find_map(|line| line.strip_prefix(&format!("BARMAN_{name}=")))
        .unwrap_or_else(|| panic!("no {name} in\n{told}"))
}

#[test]
fn scripts_are_told_what_barman_tells_them() {
    let [ours, theirs] = thread::scope(|scope| {
        let programs = [Site::barman, Site::reference];
        let seen = programs.map(|program| scope.spawn(move || everything_that_scripts_see(program)));
        seen.map(|seen| seen.join().unwrap())
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.0, theirs.0);
        assert_eq!(ours.1, theirs.1, "{}", ours.0);
        assert_eq!(ours.2, theirs.2, "{}", ours.0);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// An operation, what scripts were told in it in order, and what those of WAL files were told, of which there may be
/// more or fewer.
type Told = (String, Vec<String>, BTreeSet<String>);

fn everything_that_scripts_see(barman: fn(&Site, &str) -> Outcome) -> Vec<Told> {
    let mut world = World::new(Version::V15);
    let also = world.path("also");
    fs::create_dir(&also).unwrap();
    world.pg.sql(&format!("CREATE TABLESPACE also LOCATION '{}'", also.display()));
    world.site.set("path_prefix", "/opt/nothing");
    let watch = Watch::over(&mut world.site);
    let (mut all, mut ids) = (Vec::new(), BTreeSet::new());
    let mut run = |world: &World, words: &str, code: i32| {
        let outcome = barman(&world.site, words);
        assert_eq!(outcome.code, code, "{outcome}");
        let place = world.path("").to_str().unwrap().to_owned();
        ids.extend(world.site.backups());
        // Whether the label of a backup arrives with its last segment is chance.
        let told = watch.take().into_iter().filter(|told| !told.contains(".backup\n"));
        let told = told.map(|told| without_chance(&told, &place, &ids));
        let (wal, others) = told.partition(|told| told.contains("BARMAN_SEGMENT="));
        all.push((without_chance(words, &place, &ids), others, BTreeSet::from_iter::<Vec<String>>(wal)));
    };
    run(&world, "backup main --immediate-checkpoint --wait", 0);
    run(&world, "backup main --immediate-checkpoint --wait", 0);
    let ids = world.site.backups();
    for (number, options) in [
        "",
        "--target-xid 900 --exclusive --target-tli 1",
        "--target-name café --target-tli latest --target-action promote",
    ]
    .iter()
    .enumerate()
    {
        let [data, fast, also] =
            ["data", "fast", "also"].map(|name| world.path(&format!("r{number}/{name}")));
        let places = format!("--tablespace fast:{} --tablespace also:{}", fast.display(), also.display());
        run(&world, &format!("restore main {} {}/ {places} {options}", ids[0], data.display()), 0);
    }
    world.site.set("pre_recovery_retry_script", "exit 63");
    run(&world, &format!("restore main {} {}", ids[0], world.path("r9").display()), 1);
    world.site.set("pre_delete_retry_script", "exit 63");
    run(&world, &format!("delete main {}", ids[1]), 1);
    world.site.set("pre_delete_retry_script", &watch.command("pre_delete_retry_script"));
    run(&world, &format!("delete main {}", ids[1]), 0);
    world.site.set("pre_backup_retry_script", "exit 63");
    run(&world, "backup main --immediate-checkpoint", 1);
    all
}

/// Text without what differs from one run to the next: places, identifiers, segments, moments.
fn without_chance(told: &str, place: &str, ids: &BTreeSet<String>) -> String {
    let mut told = told.replace(place, "/");
    for (number, id) in ids.iter().enumerate() {
        told = told.replace(id, &format!("<backup {number}>"));
    }
    let lines = told.lines().map(|line| match line.split_once('=') {
        Some(("BARMAN_TIMESTAMP", time)) => {
            assert!(time.parse::<f64>().is_ok() && time.contains('.'), "{time}");
            "BARMAN_TIMESTAMP=<time>".to_owned()
        }
        _ => line.to_owned(),
    });
    let mut told = lines.collect::<Vec<_>>().join("\n");
    while let Some(at) = told.find("0000000100000000000000") {
        told.replace_range(at..at + 24, "<segment>");
    }
    told
}

const FIRST: &str = "0000000100000000000000A1";
const SECOND: &str = "0000000100000000000000A2";
const THIRD: &str = "0000000100000000000000A3";

/// A site without PostgreSQL, in a directory that lives as long as the second value, with three segments to archive.
fn site_with_wal() -> (Site, tempfile::TempDir) {
    tools::become_unprivileged();
    let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
    let site = Site::new(dir.path());
    for name in [FIRST, SECOND, THIRD] {
        fs::write(site.incoming().join(name), vec![1; 16 << 20]).unwrap();
    }
    (site, dir)
}

#[test]
fn a_script_that_stops_archiving_keeps_the_rest_for_the_next_run_and_may_call_barman() {
    let (mut site, _dir) = site_with_wal();
    let watch = Watch::over(&mut site);
    let (gate, program) = (site.dir().join("gate"), tools::barman());
    fs::write(&gate, "exit 63").unwrap();
    // What calls barman would stand still if the list of WAL were locked meanwhile.
    site.set(
        "pre_archive_retry_script",
        &format!(
            "case $BARMAN_SEGMENT in *A2) . {};; esac; {} list-backups main",
            gate.display(),
            program.display()
        ),
    );
    let post = format!("{} archive-wal main && {} && exit 5", program.display(), watch.command("post"));
    site.set("post_archive_script", &post);
    site.barman("archive-wal main").ok().says("aborted by pre_archive_retry_script");
    assert_eq!(site.indexed_wal(), [FIRST]);
    assert!(site.incoming().join(SECOND).exists() && site.incoming().join(THIRD).exists());
    let told = watch.take();
    let [before, after, last] = [0, 1, 2].map(|at| told[at].as_str());
    assert_eq!(variable(before, "FILE"), site.incoming().join(FIRST).to_str().unwrap());
    assert_eq!(variable(after, "FILE"), site.archived(FIRST).to_str().unwrap());
    assert_eq!([before, after, last].map(|told| variable(told, "ERROR")), ["", "", ""]);
    assert!(variable(told.last().unwrap(), "ERROR").contains("exit code: 63"), "{told:#?}");
    assert!(site.log().contains("returned 5"));

    fs::write(&gate, "true").unwrap();
    site.barman("archive-wal main").ok();
    assert_eq!(site.indexed_wal(), [FIRST, SECOND, THIRD]);
    assert_eq!(watch.take_options(), ["pre_archive_script", "post_archive_retry_script", "post"].repeat(2));
}

#[test]
fn a_script_that_hangs_ends_with_barman_and_the_one_after_it_still_runs() {
    let (mut site, _dir) = site_with_wal();
    let watch = Watch::over(&mut site);
    let mark = format!("{}/never-ends", site.dir().display());
    site.set("pre_archive_script", &format!("sh -c 'sleep 600; true' {mark}; true"));
    let running = site.start_barman("archive-wal main");
    eventually("the script runs", || {
        processes_mentioning(&mark).iter().any(|line| line.contains("sleep 600"))
    });
    running.signal(Signal::SIGINT);
    running.finish().fails(1, &["interrupted"]);
    eventually("the script is gone", || processes_mentioning(&mark).is_empty());
    assert!(site.indexed_wal().is_empty() && site.incoming().join(FIRST).exists());
    let told = watch.take();
    assert_eq!(told.iter().map(|told| variable(told, "ERROR")).collect::<Vec<_>>(), ["interrupted"; 2]);

    site.set("pre_archive_script", "/no/such/program");
    site.barman("archive-wal main").ok();
    assert_eq!(site.indexed_wal(), [FIRST, SECOND, THIRD]);
    assert!(site.log().contains("/no/such/program returned 127"));
}

#[test]
fn what_scripts_refuse_is_not_done_and_what_fails_is_told_to_those_after_it() {
    let mut world = World::new(Version::V15);
    let (first, second) = (world.backup(), world.backup());
    let watch = Watch::over(&mut world.site);

    world.site.set("pre_backup_retry_script", "exit 63");
    world
        .site
        .barman("backup main")
        .fails(1, &["Abort 'pre_backup_retry_script' retry hook script (exit 63, exit code: 63)"]);
    let stopped = world.site.backups().remove(0);
    assert_eq!(world.site.field(&stopped, "status"), "FAILED");
    assert!(world.site.field(&stopped, "error").contains("pre_backup_retry_script"));
    assert_eq!(watch.take_options(), ["pre_backup_script", "post_backup_retry_script", "post_backup_script"]);
    world.site.unset("pre_backup_retry_script");

    world.site.set("bandwidth_limit", "100");
    world.site.set("reuse_backup", "off");
    let running = world.site.start_barman("backup main --immediate-checkpoint");
    eventually("the backup copies files", || !world.programs_called("rsync").is_empty());
    running.signal(Signal::SIGINT);
    running.finish().fails(1, &["interrupted"]);
    let told = watch.take();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!(variable(&told[0], "STATUS"), "EMPTY");
    assert_eq!(variable(&told[2], "STATUS"), "FAILED");
    assert!(variable(&told[2], "ERROR").contains("interrupted"), "{told:#?}");

    // From here on nothing comes in.
    world.ship_wal();
    let wal = world.site.indexed_wal();
    watch.take();
    world.site.set("pre_recovery_retry_script", "exit 63");
    let place = world.path("refused");
    let rule = format!("--tablespace fast:{}", world.path("refused-fast").display());
    let restore = format!("restore main {first} {} {rule}", place.display());
    world.site.barman(&restore).fails(1, &["pre_recovery_retry_script"]);
    assert_eq!((place.exists(), watch.take_options()), (false, vec!["pre_recovery_script".to_owned()]));

    world.site.set("pre_delete_retry_script", "exit 63");
    world.site.barman(&format!("delete main {first}")).fails(1, &["pre_delete_retry_script", &first]);
    world.site.barman("cron").ok();
    assert_eq!(world.site.field(&first, "status"), "DONE");
    world.site.unset("pre_delete_retry_script");

    let guarded = "case $BARMAN_SEGMENT in *.backup) exit 63;; esac";
    world.site.set("pre_wal_delete_retry_script", guarded);
    world.site.barman(&format!("delete main {first}")).fails(1, &["pre_wal_delete_retry_script", &first]);
    // What was allowed before is gone, and nothing else.
    assert_eq!(world.site.indexed_wal(), wal[1..]);
    assert!(!world.site.archived(&wal[0]).exists() && world.site.archived(&wal[1]).exists());
    world.site.unset("pre_wal_delete_retry_script");
    watch.take();
    world.site.barman("cron").ok();
    let begin = world.site.field(&second, "begin_wal");
    let options = watch.take_options();
    assert_eq!(options.first().unwrap(), "pre_delete_script");
    assert_eq!(options.last().unwrap(), "post_delete_script");
    assert_eq!(
        options.iter().filter(|option| *option == "post_wal_delete_script").count() + 1,
        wal.len() - world.site.indexed_wal().len()
    );
    assert!(world.site.indexed_wal().iter().all(|name| *name >= begin));
    assert!(!world.site.backups().contains(&first));
}
