//! What is done to catalogues: the same by each program on a home of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::home::{Home, sections};
use crate::programs::Answer;
use crate::questions::Question;

/// Commands, one after the other, on the home of a case.
pub struct Change {
    /// The case.
    pub case: &'static str,
    /// The commands; `@HOME@` is the home, and `*` at the end of a path the one file that is there. After `<` comes
    /// what is read.
    pub commands: &'static [&'static str],
}

const fn change(case: &'static str, commands: &'static [&'static str]) -> Change {
    Change { case, commands }
}

/// All that changes a catalogue without PostgreSQL; `tests/e2e/interop.rs` has what takes one.
pub const CHANGES: &[Change] = &[
    change("changes", &["delete main oldest"]),
    change("changes", &["delete main weekly", "delete main latest"]),
    change("changes", &["delete main last-failed", "delete main 20260104T100000"]),
    change(
        "changes",
        &["keep main weekly --target full", "delete main weekly", "keep main weekly --release"],
    ),
    change("changes", &["keep main oldest --target standalone", "delete main oldest", "delete main weekly"]),
    change("changes", &["archive-wal main", "check-backup main 20260104T100000"]),
    change("changes", &["check-backup main 20260104T100000", "check-backup main latest"]),
    change("changes", &["put-wal main < @HOME@/shipment.tar", "archive-wal main"]),
    change("changes", &["rebuild-xlogdb all"]),
    change("changes", &["generate-manifest main oldest", "generate-manifest main oldest"]),
    change("changes", &["config-switch main berlin", "config-switch main berlin"]),
    change("changes", &["config-switch main berlin", "config-switch main --reset"]),
    change(
        "changes",
        &[
            "config-update '[{\"scope\": \"server\", \"server_name\": \"main\", \"parallel_jobs\": \"5\"}]'",
            "config-update '[{\"scope\": \"model\", \"model_name\": \"paris\", \"cluster\": \"main\", \"parallel_jobs\": \"6\"}]'",
            "config-switch main paris",
        ],
    ),
    change("changes", &["archive-wal main", "put-wal main < @HOME@/shipment.tar", "cron"]),
    change(
        "changes",
        &[
            "export-backup main weekly @HOME@/out",
            "delete main weekly",
            "import-backup main @HOME@/out/*",
            "import-backup main @HOME@/out/*",
        ],
    ),
    change("changes", &["restore kept latest @HOME@/restored"]),
    change(
        "changes",
        &["restore kept latest @HOME@/restored --target-immediate --target-tli 1 --target-action promote"],
    ),
    change("changes", &["restore kept latest @HOME@/restored --target-name before_release"]),
    change("changes", &["restore kept 20260103T100000 @HOME@/restored --target-xid 1234 --exclusive"]),
    change("changes", &["lock-directory-cleanup"]),
    change("list", &["keep main 20260103T100000 --target full", "keep main weekly --target standalone"]),
    change("list", &["rebuild-xlogdb main", "delete main last-failed"]),
    change("check-backup", &["check-backup main 20260101T100000", "check-backup main 20260102T100000"]),
    change("delete-children", &["delete main oldest"]),
    change("delete-seed", &["delete main oldest"]),
    change("seed", &["keep main latest --target full", "rebuild-xlogdb main", "delete main last-failed"]),
    change("timelines", &["delete main oldest", "rebuild-xlogdb main"]),
    change("retention-window", &["cron"]),
    change("retention-redundancy", &["cron"]),
];

impl Change {
    /// A home to change; all its files are of one time, and of no other.
    pub fn home(&self, cases: &Path) -> Home {
        let text = fs::read_to_string(cases.join(self.case).with_extension("txt")).unwrap();
        let home = Home::build(&sections(&text));
        fs::create_dir(home.path("out")).unwrap();
        // As `check` makes them.
        for server in home.config.keys() {
            for dir in ["errors", "incoming", "streaming", "base"] {
                fs::create_dir_all(home.path(&format!("{server}/{dir}"))).unwrap();
            }
        }
        fs::write(home.path("shipment.tar"), shipment()).unwrap();
        date(&home.path(""));
        home
    }

    /// What is asked afterwards.
    pub fn questions(&self) -> Vec<Question> {
        let mut lines: Vec<String> =
            ["list-backups all", "check all", "show-backup main latest"].map(str::to_owned).into();
        for id in ["oldest", "20260102T100000"] {
            lines.push(format!("show-backup main {id}"));
            lines.push(format!("list-files main {id} --target full"));
            lines.push(format!("keep main {id} --status"));
        }
        let documents = ["list-backups all", "show-backup main oldest"];
        let documents = documents.iter().map(|line| Question::document(line));
        lines.iter().map(|line| Question::line(line)).chain(documents).collect()
    }
}

/// The words of a command for a home, and what it reads.
pub fn words(command: &str, home: &Home) -> (Vec<String>, PathBuf) {
    let place = home.path("");
    let command = command.replace("@HOME@", place.to_str().unwrap().trim_end_matches('/'));
    let (command, input) = command.split_once(" < ").unwrap_or((&command, "/dev/null"));
    let only = |word: String| match word.strip_suffix('*') {
        None => word,
        Some(dir) => {
            let mut entries = fs::read_dir(dir).unwrap();
            entries.next().map_or(word.clone(), |entry| entry.unwrap().path().to_str().unwrap().to_owned())
        }
    };
    (shell_words::split(command).unwrap().into_iter().map(only).collect(), input.into())
}

/// Waits for what a command has left behind in the background.
pub fn wait_for_background(home: &Home) {
    let place = home.path("").parent().unwrap().join("barman.conf");
    let deadline = Instant::now() + Duration::from_mins(1);
    while is_mentioned(place.to_str().unwrap()) {
        assert!(Instant::now() < deadline, "the background work on {} never ends", place.display());
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_mentioned(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let command = |process: fs::DirEntry| fs::read(process.path().join("cmdline")).unwrap_or_default();
    processes.map(command).any(|command| String::from_utf8_lossy(&command).contains(text))
}

/// What is left: nothing that a program printed, but in the form of it, so that the same differences are explained.
pub fn remains(home: &Home) -> Answer {
    let mut names: Vec<String> = fs::read_dir(home.path(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut text = home.tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let options = fs::read_to_string(home.path(".barman.auto.conf")).unwrap_or_default();
    text += &format!(".barman.auto.conf\n{options}");
    Answer { code: 0, stdout: text, stderr: String::new() }
}

/// Hides times and what is made of them.
pub fn mask(text: &str) -> String {
    let text = hide(text, "(start time: ", ")");
    let text = hide(&text, "(elapsed time: ", ")");
    let text = hide(&text, "backup-export-main-20260102T100000-", ".tar");
    hide(&text, "main/errors/README.", ".unknown")
}

fn hide(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut masked = parts.next().unwrap().to_owned();
    for part in parts {
        let rest = part.find(after).map_or("", |end| &part[end..]);
        masked += &format!("{before}@{rest}");
    }
    masked
}

/// What `barman-wal-archive` sends: a WAL file and its checksum.
fn shipment() -> Vec<u8> {
    let name = "00000001000000000000000C";
    let sum = format!("a60c33702e1bca926b117222d3237d28 *{name}\n");
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [(name, "some WAL\n"), ("MD5SUMS", &sum)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(1_767_400_000);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn date(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => date(&entry.path()),
            false => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_400_000);
                File::open(entry.path()).unwrap().set_modified(time).unwrap();
            }
        }
    }
}
