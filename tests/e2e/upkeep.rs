//! What runs every minute, and what monitoring asks all day, for many servers of which some are broken.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::kit::{Outcome, Site, eventually, processes_mentioning, tools};

const SEGMENT: &str = "000000010000000000000001";

/// A record that no restore needs: nobody looks at more of it here.
const RECORD: &str = "\
begin_time=2026-01-02 10:00:00+00:00\nbegin_wal=000000010000000000000001\nbegin_xlog=0/1000028\n\
end_time=2026-01-02 10:01:00+00:00\nend_wal=000000010000000000000001\nend_xlog=0/1000100\nmode=rsync-concurrent\n\
pgdata=/srv/pg\nserver_name=main\nsize=2048\nstatus=DONE\nsystemid=7000000000000000001\ntimeline=1\n\
version=150018\nxlog_segment_size=16777216\n";

/// A backup host with `count` servers, `s01` and so on, and without `main`; no PostgreSQL anywhere.
struct Fleet {
    site: Site,
    names: Vec<String>,
    // The last one, so that it is removed when nothing runs in it any more.
    _dir: TempDir,
}

impl Fleet {
    /// Each server has `settings`, and a segment in its `incoming`.
    fn new(count: usize, settings: &str) -> Self {
        tools::become_unprivileged();
        let dir = tempfile::Builder::new().prefix("barman-e2e-").tempdir_in("/tmp").unwrap();
        let mut site = Site::new(&dir.path().join("site"));
        site.set("active", "false");
        let names: Vec<String> = (1..=count).map(|number| format!("s{number:02}")).collect();
        for name in &names {
            site.add(&format!(
                "\n[{name}]\nconninfo = host={0}/nowhere user=barman\nssh_command = ssh nowhere\narchiver = on\n\
                 backup_options = concurrent_backup\n{settings}",
                site.dir().display()
            ));
        }
        let fleet = Self { site, names, _dir: dir };
        for name in &fleet.names {
            fleet.ship(name, SEGMENT);
        }
        fleet
    }

    /// A segment that came a while ago.
    fn ship(&self, server: &str, segment: &str) {
        let incoming = self.path(server, "incoming");
        fs::create_dir_all(&incoming).unwrap();
        fs::write(incoming.join(segment), "some WAL").unwrap();
        let minutes_ago = std::time::SystemTime::now() - Duration::from_mins(2);
        let file = File::options().write(true).open(incoming.join(segment)).unwrap();
        file.set_modified(minutes_ago).unwrap();
    }

    fn path(&self, server: &str, name: &str) -> PathBuf {
        self.site.home().join(server).join(name)
    }

    /// Gives a server a backup.
    fn add_backup(&self, server: &str, id: &str) {
        let data = self.path(server, &format!("base/{id}/data"));
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        fs::create_dir_all(self.path(server, "meta")).unwrap();
        let record = RECORD.replace("server_name=main", &format!("server_name={server}"));
        fs::write(self.path(server, &format!("meta/{id}-backup.info")), record).unwrap();
    }

    fn is_archived(&self, server: &str) -> bool {
        self.path(server, &format!("wals/0000000100000000/{SEGMENT}")).exists()
            && !self.path(server, &format!("incoming/{SEGMENT}")).exists()
    }

    #[track_caller]
    fn wait_until_archived(&self, servers: &[String]) {
        for server in servers {
            eventually(&format!("the WAL of {server} is archived"), || self.is_archived(server));
        }
    }
}

#[test]
fn a_broken_server_among_thirty_holds_up_no_other() {
    let fleet = Fleet::new(30, "retention_policy = REDUNDANCY 1\n");
    // One that we may not write to, and one whose backups and archive are files.
    let (closed, odd) = (fleet.path("s07", ""), fleet.path("s21", "wals"));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    fs::write(&odd, "").unwrap();
    let said = fleet.site.barman("cron");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let sound: Vec<String> =
        fleet.names.iter().filter(|name| !["s07", "s21"].contains(&name.as_str())).cloned().collect();
    fleet.wait_until_archived(&sound);
    if tools::testing_the_reference() {
        return;
    }
    said.fails(1, &["s07", closed.to_str().unwrap(), "s21", odd.to_str().unwrap()]);
    // Nothing of the children reaches the terminal or holds it open.
    assert!(!fleet.is_archived("s07") && !fleet.is_archived("s21"));

    // Once the one is mended the next run does what was left.
    fleet.site.barman("cron").fails(1, &["s21"]);
    fleet.wait_until_archived(&["s07".to_owned()]);
}

/// Makes a file that takes for ever to read, as from a file server that does not answer.
fn make_endless(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn a_server_that_hangs_holds_up_no_other_for_longer_than_to_the_next_cron() {
    let fleet = Fleet::new(6, "");
    fs::create_dir_all(fleet.path("s03", "meta")).unwrap();
    make_endless(&fleet.path("s03", "meta/20260102T100000-backup.info"));
    let stuck = fleet.site.start_barman("cron");
    fleet.wait_until_archived(&fleet.names[..2]);
    eventually("cron has come to the server that hangs", || {
        File::open(fleet.site.home().join(".s03-cron.lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
    });
    let begun = Instant::now();
    let said = fleet.site.barman("cron").ok();
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(
        said.stdout
            .contains("Another cron process is already running on server s03. Skipping to the next server")
    );
    fleet.wait_until_archived(&fleet.names[3..]);
    drop(stuck);
    end_background_work(&fleet.site, "-q archive-wal s03");
}

#[test]
fn the_archive_of_a_server_that_hangs_is_not_looked_at_by_the_next_cron() {
    let fleet = Fleet::new(4, "");
    fleet.site.barman("archive-wal s03").ok();
    let xlogdb = fleet.path("s03", "wals/s03-xlog.db");
    fs::remove_file(&xlogdb).unwrap();
    make_endless(&xlogdb);
    let stuck = File::create(fleet.site.home().join(".s03-cron.lock")).unwrap();
    stuck.lock().unwrap();
    let cron = fleet.site.start_barman("cron");
    fleet.wait_until_archived(&fleet.names[3..]);
    cron.finish().ok();
}

#[test]
fn wal_is_archived_while_a_hook_script_holds_up_a_deletion() {
    let fleet = Fleet::new(1, "retention_policy = REDUNDANCY 1\npre_delete_retry_script = false\n");
    for id in ["20260101T100000", "20260102T100000"] {
        fleet.add_backup("s01", id);
    }
    let stuck = fleet.site.start_barman("cron");
    fleet.wait_until_archived(&fleet.names);
    eventually("the script is run", || fleet.site.log().contains("pre_delete_retry_script"));
    let next = "000000010000000000000002";
    eventually("archiving has ended", || {
        let lock = File::open(fleet.site.home().join(".s01-archive-wal.lock"));
        lock.is_ok_and(|lock| lock.try_lock_shared().is_ok())
    });
    fleet.ship("s01", next);
    fleet.site.barman("cron").ok().says("Another cron process is already running on server s01");
    let archived = fleet.path("s01", &format!("wals/0000000100000000/{next}"));
    eventually("the next segment is archived", || archived.exists());
    drop(stuck);
}

#[test]
fn a_backup_of_a_server_that_does_not_answer_says_why_not() {
    let fleet = Fleet::new(1, "");
    let why = ["PostgreSQL: FAILED (", "/nowhere/.s.PGSQL", "No such file or directory"];
    fleet.site.barman("backup s01").fails(1, &why);
    // A backup that failed so has no files; where nothing is deleted that concerns nobody.
    fleet.add_backup("s01", "20260101T100000");
    fs::remove_dir_all(fleet.path("s01", "base/20260101T100000")).unwrap();
    let said = fleet.site.barman("cron").ok();
    assert!(!said.said("orphan"), "{said}");
    // Monitoring knows the row without a hint.
    assert!(fleet.site.barman("check s01").stdout.contains("\tPostgreSQL: FAILED\n"));
}

/// Ends the background work of a server that hangs, having seen that it was detached as it should be: in a session
/// of its own, and holding nothing open of the terminal, or of the mail, that cron writes to.
#[track_caller]
fn end_background_work(site: &Site, words: &str) {
    let words = format!("-c {} {words}", site.dir().join("barman.conf").display());
    let found = processes_mentioning(&words);
    assert!(!found.is_empty(), "'{words}' runs");
    for pid in found.iter().map(|line| line.split(' ').next().unwrap()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap().to_owned();
        assert_eq!((session.as_str(), found.len()), (pid, 1), "{found:?}");
        for descriptor in 0..3 {
            let open = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
            assert_eq!(open, Path::new("/dev/null"));
        }
        let pid = pid.parse().unwrap();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

#[test]
fn cron_finishes_deletions_reports_orphans_applies_the_policy_and_cleans_up() {
    let fleet = Fleet::new(2, "retention_policy = REDUNDANCY 2\n");
    for id in ["20260101T100000", "20260102T100000", "20260103T100000", "20260104T100000", "20260105T100000"]
    {
        fleet.add_backup("s01", id);
    }
    let base = |id: &str| fleet.path("s01", &format!("base/{id}"));
    // The second deletion was interrupted, the third backup has lost its files.
    fs::write(fleet.path("s01", "meta/20260102T100000-delete_this"), "").unwrap();
    fs::remove_dir_all(base("20260103T100000")).unwrap();
    fs::write(fleet.site.home().join(".s02-backup.lock"), "4711\n").unwrap();
    let held = File::create(fleet.site.home().join(".s02-20260101T100000.lock")).unwrap();
    held.lock().unwrap();

    let said = fleet.site.barman("cron").ok();
    assert!(said.stderr.contains("WARNING: Backup '20260103T100000' is an orphan backup"), "{said}");
    assert!(said.stderr.contains("'barman delete s01 20260103T100000' does it"), "{said}");
    let removing = |id: &str| format!("Enforcing retention policy: removing backup {id} for server s01");
    let removed: Vec<&str> = said.stdout.lines().filter(|line| line.starts_with("Enforcing")).collect();
    assert_eq!(removed, [removing("20260101T100000"), removing("20260102T100000")], "{said}");
    for (id, is_there) in [("20260101T100000", false), ("20260102T100000", false), ("20260104T100000", true)]
    {
        assert_eq!(base(id).exists(), is_there, "{id}");
    }
    assert!(!fleet.path("s01", "meta/20260102T100000-delete_this").exists());
    let locks = || -> Vec<String> {
        let names = fs::read_dir(fleet.site.home()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".lock")).collect()
    };
    eventually("only locks that somebody holds are left", || {
        fleet.site.barman("cron").ok();
        let left =
            locks().into_iter().filter(|name| !name.contains("xlogdb") && !name.contains("archive-wal"));
        left.collect::<Vec<_>>() == [".s02-20260101T100000.lock"]
    });
}

/// What a Nagios plugin makes of a check: the words of the first line, and the figures behind the bar.
fn plugin(outcome: &Outcome) -> (String, String, Vec<(String, u64)>) {
    let line = outcome.stdout.lines().next().unwrap();
    let (text, figures) = line.split_once('|').unwrap_or((line, ""));
    let (state, text) = text.strip_prefix("BARMAN ").unwrap().split_once(" - ").unwrap();
    let figure = |figure: &str| {
        let (name, value) = figure.split_once('=').unwrap();
        (name.to_owned(), value.strip_suffix('B').unwrap().parse().unwrap())
    };
    (state.to_owned(), text.to_owned(), figures.split_whitespace().map(figure).collect())
}

#[test]
fn monitoring_reads_what_it_has_always_read() {
    let mut fleet = Fleet::new(
        3,
        "last_backup_maximum_age = 1 DAYS\nlast_backup_minimum_size = 1 Ki\ncheck_timeout = 20\n",
    );
    fleet.add_backup("s02", "20260102T100000");
    // Directories that are missing are made by a check.
    fleet.site.barman("check s03").fails(1, &["directories: OK"]);
    for name in ["base", "wals", "incoming", "streaming", "errors", "meta"] {
        assert!(fleet.path("s03", name).is_dir(), "{name}");
    }
    fleet.site.barman("cron").ok();
    fleet.wait_until_archived(&fleet.names);

    let all = fleet.site.barman("check all --nagios");
    assert_eq!(all.code, 2, "{all}");
    let (state, text, figures) = plugin(&all);
    assert_eq!(state, "CRITICAL");
    assert!(text.starts_with("4 server out of 4 have issues * main FAILED: "), "{text}");
    assert_eq!(figures.len(), 8);
    assert!(figures.contains(&("s02".to_owned(), 2048)), "{figures:?}");
    // One line for each failed check under it.
    for line in all.stdout.lines().skip(1) {
        let (server, check) = line.split_once('.').unwrap();
        assert!(["main", "s01", "s02", "s03"].contains(&server), "{line}");
        assert!(
            check.split_once(": FAILED").is_some_and(|(_, hint)| hint.is_empty() || hint.starts_with(" ("))
        );
    }
    assert_same(&fleet.site, "check all --nagios");
    assert_same(&fleet.site, "check s01 s02 --nagios");
    assert_same(&fleet.site, "check nowhere --nagios");
    assert_same(&fleet.site, "check nowhere s02 --nagios");
    assert_same(&fleet.site, "check main --nagios");
    assert_same(&fleet.site, "check main s01 --nagios");
    assert_same(&fleet.site, "check all");
    assert_same(&fleet.site, "list-backups all --minimal");
    assert_same(&fleet.site, "check s02 s01 s02");
    assert_same(&fleet.site, "list-backup all");

    // The limits of a check, each side of them.
    for (settings, label, ok) in [
        ("last_backup_maximum_age = 100000 DAYS", "backup maximum age", true),
        ("last_backup_maximum_age = 1 DAYS", "backup maximum age", false),
        ("last_backup_minimum_size = 2 Ki", "backup minimum size", true),
        ("last_backup_minimum_size = 3 Ki", "backup minimum size", false),
        ("last_wal_maximum_age = 1 HOURS", "wal maximum age", true),
        ("last_wal_maximum_age = 0 HOURS", "wal maximum age", false),
        ("minimum_redundancy = 1", "minimum redundancy requirements", true),
        ("minimum_redundancy = 2", "minimum redundancy requirements", false),
    ] {
        fleet.site.add(&format!("\n[s02]\n{settings}\n"));
        let said = fleet.site.barman("check s02");
        let verdict = if ok { "OK" } else { "FAILED" };
        assert!(
            said.stdout.contains(&format!("\t{label}: {verdict} ("))
                || said.stdout.contains(&format!("\t{label}: {verdict}\n")),
            "{said}"
        );
        assert_same(&fleet.site, "check s02");
    }
    // What a plugin asks besides.
    let listed = fleet.site.barman("list-backup s02").ok().stdout;
    let fields: Vec<&str> = listed.trim_end().split(" - ").collect();
    assert_eq!(fields[0], "s02 20260102T100000");
    let shown = fleet.site.barman("show-server s02").ok().stdout;
    let setting = |name: &str| {
        shown.lines().find_map(|line| line.strip_prefix(&format!("\t{name}: "))).unwrap().to_owned()
    };
    assert_eq!(setting("backup_directory"), fleet.path("s02", "").to_str().unwrap().trim_end_matches('/'));
    assert_eq!(setting("active"), "True");
    assert!(Path::new(&setting("basebackups_directory")).join("20260102T100000").is_dir());
}

/// Both programs print the same and end with the same code. How old something is, changes while we look.
#[track_caller]
fn assert_same(site: &Site, command: &str) {
    let of = |outcome: Outcome| {
        let lines = outcome.stdout.lines().map(|line| line.split(" age: ").next().unwrap().to_owned());
        (lines.collect::<Vec<_>>(), outcome.code)
    };
    assert_eq!(of(site.barman(command)), of(site.reference(command)), "{command}");
}

#[test]
fn names_of_servers_and_backups_mean_what_they_mean_to_barman() {
    let mut fleet = Fleet::new(3, "");
    fleet.site.barman("cron").ok();
    fleet.wait_until_archived(&fleet.names);
    for (id, changes) in [
        ("20260101T100000", ""),
        ("20260102T100000", "backup_name=weekly\n"),
        ("20260103T100000", "status=FAILED\nbackup_name=broken\n"),
        ("20260104T100000", "mode=postgres\nbackup_name=weekly\n"),
        ("20260105T100000", "mode=postgres\nparent_backup_id=20260104T100000\nbackup_name=nightly\n"),
        ("20260106T100000", "status=FAILED\n"),
        ("20260107T100000", "status=STARTED\n"),
    ] {
        fleet.add_backup("s02", id);
        let record = fleet.path("s02", &format!("meta/{id}-backup.info"));
        fs::write(record, RECORD.to_owned() + changes).unwrap();
    }
    fleet.site.add("\n[s03]\nactive = false\n[disabled]\narchiver = on\n");

    let words = [
        "latest",
        "last",
        "oldest",
        "first",
        "last-failed",
        "latest-full",
        "last-full",
        "weekly",
        "nightly",
        "broken",
        "auto",
        "20260103T100000",
        "20260109T100000",
        "LATEST",
    ];
    for word in words {
        assert_same(&fleet.site, &format!("show-backup s02 {word}"));
    }
    for command in
        ["show-backup s01 latest", "list-files --target data s02 last-full", "list-files s02 last-failed"]
    {
        assert_same(&fleet.site, command);
    }
    let one = ["show-backup", "list-files", "check-backup", "delete"]
        .map(|command| format!("{command} @ 20260109T100000"));
    for command in one.iter().map(String::as_str).chain(["archive-wal @", "restore @ latest /nowhere/at/all"])
    {
        for server in ["all", "nowhere", "s03", "disabled"] {
            assert_same(&fleet.site, &command.replace('@', server));
        }
    }
    for command in [
        "check",
        "list-backups",
        "list-backups --minimal",
        "show-servers",
        "rebuild-xlogdb",
        "switch-wal",
        "backup",
    ] {
        for servers in ["s02 s01 nowhere s02", "all s01", "s03 disabled"] {
            let command = format!("{command} {servers}");
            let stated = |outcome: &Outcome| {
                (servers_in(&outcome.stdout), selection_errors(outcome).join("\n"), outcome.code)
            };
            let (us, them) = (fleet.site.barman(&command), fleet.site.reference(&command));
            assert_eq!(stated(&us), stated(&them), "{us}{them}");
        }
    }
}

/// The servers that an answer names at the beginning of its lines or in quotes, in its order.
fn servers_in(answer: &str) -> Vec<String> {
    const NAMES: [&str; 5] = ["disabled", "main", "s01", "s02", "s03"];
    let words = |line: &str| line.split([' ', ':', '\'']).map(str::to_owned).collect::<Vec<_>>();
    let lines = answer.lines().filter(|line| !line.starts_with('\t'));
    lines.flat_map(words).filter(|word| NAMES.contains(&word.as_str())).collect()
}

/// What was wrong with the names.
fn selection_errors(outcome: &Outcome) -> Vec<&str> {
    let about_names = |line: &&str| line.contains("Unknown server") || line.contains("You cannot use");
    outcome.stderr.lines().filter(about_names).collect()
}

#[test]
fn a_check_ends_in_time_whatever_hangs() {
    let mut fleet = Fleet::new(3, "check_timeout = 2\n");
    fleet.site.barman("cron").ok();
    fleet.wait_until_archived(&fleet.names);
    // Takes connections and never says a word; an ssh that never ends, not even when it is asked to.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let deaf = fleet.site.dir().join("bin/deaf");
    tools::write_program(&deaf, "#!/bin/sh\ntrap '' TERM\nsleep 600\nsleep 600\n");
    fleet.site.add(&format!("\n[s01]\nconninfo = host=127.0.0.1 port={port} user=barman\n"));
    fleet.site.add(&format!("\n[s02]\nssh_command = {} u@h\n", deaf.display()));
    for server in ["s01", "s02"] {
        let begun = Instant::now();
        let said = fleet.site.barman(&format!("check {server}"));
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        said.fails(1, &["check timeout: FAILED (barman check command timed out)"]);
        let nagios = fleet.site.barman(&format!("check {server} --nagios"));
        assert!(nagios.stdout.contains(&format!("{server}.check timeout: FAILED")), "{nagios}");
        assert_eq!(nagios.code, 2);
    }
    // The next one is not touched by it.
    let all = fleet.site.barman("check all --check-timeout 1");
    assert!(all.stdout.contains("Server s03:\n\tPostgreSQL: FAILED\n\tdirectories: OK\n"), "{all}");
}
