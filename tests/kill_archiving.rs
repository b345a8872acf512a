//! Ours and the Python Barman archive into one directory by turns, and either is killed at random moments.
//!
//! After every kill the other one archives what is left; then every file must be in the archive with its content,
//! and with a line in xlog.db. Wants Barman 3.19.1 in `$BARMAN_TEST_TOOLS/barman-3.19.1` (`tests/run.sh` puts it
//! there) and says so aloud when it is not.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "this is test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use barman::codec::{Codecs, Custom};
use barman::config::MainFile;
use barman::ops::{self, archive_wal};
use barman::sys::fs::Probe;
use barman::sys::{Cancel, Context, Events, Files, Progress, Severity};
use barman::wal::{Archive, ArchivePaths, XlogDbEntry};

/// Tells a run of this very program that it is the archiver, and for which home.
const HOME_OF_ARCHIVER: &str = "BARMAN_TEST_ARCHIVER_HOME";

/// Tells it to take its time.
const SLOW_DISK: &str = "BARMAN_TEST_SLOW_DISK";

/// The reference, when it is installed.
fn reference() -> Option<PathBuf> {
    let tools = std::env::var_os("BARMAN_TEST_TOOLS").map(PathBuf::from);
    let tools = tools.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools"));
    let program = tools.join("barman-3.19.1/bin/barman");
    if !program.exists() {
        eprintln!("SKIPPED: there is no Python Barman at {}; run tests/run.sh", program.display());
        return None;
    }
    Some(program)
}

/// A `barman_home` with one server, `main`.
struct Home {
    dir: tempfile::TempDir,
    python: PathBuf,
}

impl Home {
    fn new(python: PathBuf, compression: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for directory in ["incoming", "errors", "wals", "streaming", "base"] {
            fs::create_dir_all(dir.path().join("main").join(directory)).unwrap();
        }
        let home = dir.path().display();
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
        let config = format!(
            "[barman]\nbarman_user = {user}\nbarman_home = {home}\nlog_file = {home}/log\n\
             compression = {compression}\n[main]\ndescription = x\nconninfo = host=/nonexistent dbname=x user=x\n\
             ssh_command = ssh x\nbackup_method = rsync\narchiver = on\nbackup_options = concurrent_backup\n"
        );
        fs::write(dir.path().join("barman.conf"), config).unwrap();
        Self { dir, python }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join("main").join(relative)
    }

    fn archive(&self) -> Archive {
        archive_of(self.dir.path(), &Context::new(Arc::new(Stdout), Cancel::default()))
    }

    /// The Python Barman, with these words.
    fn python(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(self.dir.path().join("barman.conf")).args(words);
        command
    }

    /// `barman archive-wal`.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barman"));
        command.arg("-c").arg(self.dir.path().join("barman.conf")).args(["archive-wal", "main"]);
        command
    }

    /// Our archiver on a slow disk, as a process of its own that can be killed.
    fn ours(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_archiver", "--ignored", "--nocapture", "--quiet"]);
        command.env(HOME_OF_ARCHIVER, self.dir.path()).env(SLOW_DISK, "yes");
        command
    }

    /// Lets PostgreSQL hand over a file.
    fn arrive(&self, name: &str, content: &[u8]) {
        let path = self.path("incoming").join(name);
        fs::write(&path, content).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        let nanoseconds = 1_767_225_660_123_456_789 + content.len() as u64 * 1_000_000_007;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)).unwrap();
    }

    fn entries(&self) -> Vec<XlogDbEntry> {
        let text = fs::read_to_string(self.path("wals/main-xlog.db")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect()
    }

    fn content(&self, name: &str) -> Option<Vec<u8>> {
        let (archive, name) = (self.archive(), name.parse().unwrap());
        let mut content = Vec::new();
        archive.contains(name).unwrap().then(|| {
            archive.read(name).unwrap().read_to_end(&mut content).unwrap();
            content
        })
    }

    fn waiting(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("incoming")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn archive_of(home: &Path, context: &Context) -> Archive {
    let wals_dir = home.join("main/wals");
    let paths = ArchivePaths {
        server: "main".into(),
        xlogdb: wals_dir.join("main-xlog.db"),
        wals_dir,
        lock_dir: home.into(),
    };
    Archive::new(context, paths, Codecs::new(context, Custom::default()))
}

/// Prints what is said, as the command line does.
struct Stdout;

impl Events for Stdout {
    fn say(&self, severity: Severity, text: &str) {
        if severity == Severity::Info {
            println!("{text}");
        }
    }

    fn progress(&self, _: Progress<'_>) {}
}

/// Takes a millisecond for every change, so that kills meet all of them and not just the long ones.
struct SlowDisk;

impl Probe for SlowDisk {
    fn before(&self, _: &'static str, _: &Path) -> std::io::Result<()> {
        thread::sleep(Duration::from_millis(1));
        Ok(())
    }
}

/// No test: the process that the others start and kill.
#[test]
#[ignore = "started by the other tests"]
fn the_archiver() {
    let Some(home) = std::env::var_os(HOME_OF_ARCHIVER).map(PathBuf::from) else { return };
    let mut context = Context::new(Arc::new(Stdout), Cancel::default());
    if std::env::var_os(SLOW_DISK).is_some() {
        context.files = Files::probed(Arc::new(SlowDisk));
    }
    let main_file = MainFile::load(&home.join("barman.conf"), &Files::default()).unwrap();
    let config = main_file.load_servers(&Files::default()).unwrap();
    archive_wal::run(&ops::Server::new(&context, &config.global, &config.servers["main"])).unwrap();
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout
}

/// The part of our archiver's output that is not the test harness's.
fn run_ours(home: &Home) -> String {
    let output = run(home.ours());
    let begin = output.find("Processing").unwrap();
    let end = output.rfind("\ntest ").or(output.rfind(".\n\ntest")).unwrap_or(output.len());
    output[begin..end].trim_end_matches(['.', '\n']).to_owned() + "\n"
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Bytes that compress to about the half.
    fn content(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll(16) as u8 + b'a').collect()
    }
}

/// The files of a server that goes on writing: segments, and now and then a label or a history.
#[derive(Default)]
struct Server {
    next: u32,
    handed_over: BTreeMap<String, Vec<u8>>,
    /// Files whose content was compared already.
    compared: BTreeSet<String>,
}

impl Server {
    fn hand_over(&mut self, count: u32, home: &Home, dice: &mut Dice) {
        for _ in 0..count {
            let segment = format!("00000001{:08X}{:08X}", self.next / 256, self.next % 256);
            self.next += 1;
            let name = match dice.roll(12) {
                0 => format!("{segment}.00000028.backup"),
                1 => format!("{:08X}.history", self.next + 1),
                _ => segment,
            };
            let len = 1000 + dice.roll(60_000) as usize;
            let content = dice.content(len);
            home.arrive(&name, &content);
            self.handed_over.insert(name, content);
        }
    }

    /// Every file handed over is archived, with its content and at least one line that is right.
    fn assert_complete(&mut self, home: &Home, moment: &str) {
        assert_eq!(home.waiting(), Vec::<String>::new(), "{moment}");
        let mut listed: BTreeMap<String, Vec<XlogDbEntry>> = BTreeMap::new();
        for entry in home.entries() {
            listed.entry(entry.name.clone()).or_default().push(entry);
        }
        for (name, content) in &self.handed_over {
            if self.compared.insert(name.clone()) {
                assert!(home.content(name).as_ref() == Some(content), "{name} is lost or changed {moment}");
            }
            let lines = listed.remove(name).unwrap_or_else(|| panic!("{name} has no line {moment}"));
            let path = home.archive().path_of(name.parse().unwrap());
            let size = fs::metadata(path).unwrap_or_else(|_| panic!("{name} is gone {moment}")).len();
            assert!(lines.iter().any(|line| line.size == size), "no line of {name} is right {moment}");
        }
        assert!(listed.is_empty(), "{listed:?} {moment}");
        assert_eq!(fs::read_dir(home.path("errors")).unwrap().count(), 0, "{moment}");
    }
}

/// Rounds of: files arrive, `victim` is killed while it archives them, `heir` archives what is left.
fn kill_and_continue(rounds: u32, home: &Home, victim: impl Fn() -> Command, heir: impl Fn() -> Command) {
    let (mut server, mut dice) = (Server::default(), Dice(0x9E37_79B9_7F4A_7C15));
    let mut moments = BTreeMap::<&str, u32>::new();
    // For few files and for many, when to kill: later after a kill that came early, and the other way round. So it
    // stays in the middle of the work, however busy the machine is.
    let mut spans = [(30, Duration::from_millis(100)), (200, Duration::from_millis(200))];
    for round in 0..rounds {
        let (files, span) = &mut spans[usize::from(round % 8 == 7)];
        server.hand_over(*files, home, &mut dice);
        run_and_kill(victim(), span.mul_f64(0.75 + dice.roll(500) as f64 / 1000.0));
        let moment = moment_of_death(home, *files as usize);
        *moments.entry(moment).or_default() += 1;
        let is_early = matches!(moment, NOTHING_DONE | TEMPORARY_FILES);
        *span = span.mul_f64(if is_early { 1.2 } else { 0.85 });
        run(heir());
        server.assert_complete(home, &format!("after kill {round}"));
    }
    println!("{rounds} kills: {moments:?}");
    assert!(moments.len() > 1, "all of {rounds} kills came at the same moment: {moments:?}");
}

fn run_and_kill(mut command: Command, span: Duration) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(span);
    child.kill().unwrap();
    child.wait().unwrap();
}

const NOTHING_DONE: &str = "nothing done";
const TEMPORARY_FILES: &str = "temporary files";

/// What the disk tells of the moment at which an archiver was killed.
fn moment_of_death(home: &Home, arrived: usize) -> &'static str {
    let waiting = home.waiting();
    let path = |name: &str| home.archive().path_of(name.parse().unwrap());
    let listed: BTreeSet<String> = home.entries().into_iter().map(|entry| entry.name).collect();
    let is_listed = |name: &String| listed.contains(name);
    let is_there = |name: &String| path(name).exists();
    match () {
        () if waiting.is_empty() => "done",
        () if waiting.iter().any(|name| is_listed(name) && !is_there(name)) => "lines without files",
        () if waiting.iter().any(is_there) => "files with their sources",
        () if waiting.len() < arrived => "between two files",
        () if waiting.iter().any(|name| has_temporary(&path(name))) => TEMPORARY_FILES,
        () => NOTHING_DONE,
    }
}

fn has_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!(".{name}.tmp")).exists() || path.with_added_extension("compressed").exists()
}

#[test]
fn python_goes_on_after_ours_was_killed() {
    let Some(python) = reference() else { return };
    for (compression, rounds) in [("gzip", 60), ("none", 50)] {
        let home = Home::new(python.clone(), compression);
        kill_and_continue(rounds, &home, || home.ours(), || home.python(&["archive-wal", "main"]));
    }
}

#[test]
fn python_goes_on_after_the_command_was_killed() {
    let Some(python) = reference() else { return };
    let home = Home::new(python, "gzip");
    kill_and_continue(40, &home, || home.command(), || home.python(&["archive-wal", "main"]));
}

#[test]
fn ours_goes_on_after_python_was_killed() {
    let Some(python) = reference() else { return };
    let home = Home::new(python, "gzip");
    kill_and_continue(40, &home, || home.python(&["archive-wal", "main"]), || home.ours());
}

#[test]
fn both_say_and_list_the_same_and_read_each_others_files() {
    let Some(python) = reference() else { return };
    let names = [
        "000000010000000000000001",
        "000000010000000000000002",
        "000000010000000000000002.00000028.backup",
        "000000010000000000000003.partial",
        "00000002.history",
    ];
    let homes = [Home::new(python.clone(), "gzip"), Home::new(python, "gzip")];
    let archive: [&dyn Fn() -> String; 2] =
        [&|| run_ours(&homes[0]), &|| run(homes[1].python(&["archive-wal", "main"]))];
    let mut content = BTreeMap::new();
    for name in names {
        content.insert(name, Dice(1 + name.len() as u64).content(3 << 20));
    }
    for home in &homes {
        for (name, content) in &content {
            home.arrive(name, content);
        }
    }
    let same = |moment: &str| {
        let said = archive.map(|archive| archive());
        assert_eq!(said[0], said[1], "{moment}");
        let listed = homes.each_ref().map(|home| {
            let entries = home.entries().into_iter();
            entries
                .map(|entry| (entry.name, entry.time, entry.compression, entry.encryption))
                .collect::<Vec<_>>()
        });
        assert_eq!(listed[0], listed[1], "{moment}");
    };
    same("with files");
    same("with none");
    for home in &homes {
        home.arrive(names[0], &content[names[0]]);
        home.arrive(names[1], b"another");
        home.arrive("stranger", b"");
        home.arrive("on-its-way.tmp", b"");
        home.arrive("000000010000000000000004", b"BZh9 compressed by archive_command");
    }
    same("with duplicates and strangers");
    for home in &homes {
        home.arrive("another stranger", b"");
    }
    same("with nothing but a stranger");
    for (name, content) in content.iter().filter(|(name, _)| !name.ends_with(".partial")) {
        assert!(homes[1].content(name).as_ref() == Some(content), "ours reads Python's {name}");
        let output = homes[0].python(&["get-wal", "main", name]).output().unwrap();
        assert!(output.status.success() && output.stdout == *content, "Python reads our {name}");
    }
}
