//! What is asked about a catalogue.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use crate::home::Home;

/// A command line, without the configuration.
pub struct Question {
    words: Vec<String>,
    json: bool,
    /// Only how it ends is of interest.
    code_only: bool,
}

impl Question {
    /// Asked for text.
    pub fn line(line: &str) -> Self {
        Self { words: line.split(' ').map(str::to_owned).collect(), json: false, code_only: false }
    }

    /// Asked for a document.
    pub fn document(line: &str) -> Self {
        Self { json: true, ..Self::line(line) }
    }

    /// The words behind the configuration.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let format = if self.json { &["-f", "json"][..] } else { &[] };
        format.iter().copied().chain(self.words.iter().map(String::as_str))
    }

    /// The command.
    pub fn command(&self) -> &str {
        &self.words[0]
    }

    /// Whether only the exit codes are compared.
    pub fn is_code_only(&self) -> bool {
        self.code_only
    }

    /// Whether a document is asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

/// Asked about one catalogue: the answers do not depend on what is in it.
const ONCE: [&str; 70] = [
    "list-servers",
    "list-servers --minimal",
    "list-server",
    "list-backups all --minimal",
    "list-backup main --minimal",
    "list-backups nosuch",
    "list-backups main nosuch other",
    "show-backup main nosuch",
    "show-backup nosuch latest",
    "show-backups main oldest",
    "list-files main nosuch",
    "list-files nosuch latest",
    "list-files main latest --target standalone",
    "list-files main last --list-empty-directories",
    "keep main nosuch --status",
    "keep nosuch latest --status",
    "keep main 20260104T100000 --target full",
    "keep main 20260105T100000 --target full",
    "verify-backup main nosuch",
    "verify-backup nosuch latest",
    "verify main latest",
    "check-backup main nosuch",
    "check-backup nosuch latest",
    "check-wal-archive main",
    "check-wal-archive main --timeline 2",
    "check-wal-archive nosuch",
    "generate-manifest main nosuch",
    "generate-manifest nosuch latest",
    "delete main nosuch",
    "delete nosuch latest",
    "restore main nosuch /nowhere",
    "restore nosuch latest /nowhere",
    "export-backup main nosuch /tmp",
    "export-backup main latest /nowhere",
    "import-backup main /nowhere",
    "show-servers all",
    "show-servers nosuch main",
    "status all nosuch",
    "status nosuch",
    "check nosuch",
    "check main nosuch",
    "replication-status main",
    "replication-status nosuch",
    "list-processes main",
    "list-process nosuch",
    "terminate-process main backup",
    "terminate-process main nosuch",
    "config-switch main nosuch",
    "config-switch nosuch x",
    "config-update nonsense",
    "switch-wal main",
    "lock-directory-cleanup",
    "get-wal main 000000010000000000000002",
    "get-wal main 0000000100000000000000FF",
    "get-wal main nosuch",
    "get-wal main 000000010000000000000002 --peek 3",
    "get-wal main 0000000100000000000000FF --peek 2",
    "get-wal main 000000010000000000000002 --test",
    "get-wal nosuch 000000010000000000000002",
    "get-wal main 00000002.history",
    "get-wal main 000000010000000000000002 --partial",
    "show-server main",
    "recover main nosuch /nowhere",
    "switch-xlog main",
    "sync-backup main latest",
    "sync-wals main",
    "check-backup main latest",
    "put-wal nosuch",
    "archive-wal nosuch",
    "rebuild-xlogdb nosuch",
];

/// The case that it is asked about.
const CASE: &str = "list";

/// Wrong words: the programs end alike, and say it in their own words.
const WRONG: [&str; 28] = [
    "nosuch",
    "--nosuch list-servers",
    "list-servers main",
    "list-backups",
    "show-backup main",
    "show-backup main latest main",
    "list-files main",
    "list-files main latest --target nosuch",
    "show-servers",
    "status",
    "check",
    "check main --nosuch",
    "keep main latest",
    "keep main latest --target nosuch",
    "keep main latest --status --release",
    "verify-backup main",
    "check-backup main",
    "check-wal-archive",
    "check-wal-archive main --timeline x",
    "list-processes",
    "replication-status",
    "replication-status main --target nosuch",
    "lock-directory-cleanup main",
    "diagnose main",
    "cron main",
    "get-wal main",
    "get-wal main 000000010000000000000002 --peek x",
    "put-wal",
];

/// Asked about servers that are not in ordinary service.
const OF_SERVERS: [&str; 40] = [
    "list-servers",
    "list-servers --minimal",
    "list-backups all",
    "list-backups idle broken",
    "show-backup idle latest",
    "show-backup broken latest",
    "list-files idle latest",
    "list-files broken latest",
    "keep idle latest --status",
    "keep broken latest --status",
    "keep idle latest --release",
    "verify-backup broken latest",
    "check-backup idle latest",
    "check-backup broken latest",
    "check-wal-archive idle",
    "check-wal-archive broken",
    "check all",
    "check idle",
    "check idle --nagios",
    "check broken --nagios",
    "check misled --nagios",
    "check nosuch main --nagios",
    "status idle",
    "status broken",
    "show-servers idle",
    "show-servers broken",
    "list-processes idle",
    "list-processes broken",
    "replication-status all",
    "archive-wal idle",
    "archive-wal broken",
    "backup idle",
    "backup broken",
    "switch-wal idle broken",
    "rebuild-xlogdb idle broken",
    "put-wal idle",
    "put-wal broken",
    "generate-manifest broken latest",
    "terminate-process idle backup",
    "delete broken latest",
];

/// The case that they are in.
const SERVERS: &str = "servers";

/// Asked about every catalogue; checks last, since making directories is part of them.
const ALWAYS: [&str; 7] = [
    "show-backup main last-failed",
    "show-backup main latest-full",
    "show-backup main first",
    "list-backups main --minimal",
    "status main",
    "check all",
    "check all --nagios",
];

/// The most servers that are looked at one by one; what has more is about the list.
const FEW: usize = 10;

/// In which form the files of a backup are asked for, in turn.
const FILES: [&str; 4] = ["", " --target full", " --target wal", " --target data --list-empty-directories"];

/// The questions about the catalogue of a case, nearly all for text and for a document.
pub fn questions(case: &str, home: &Home) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut ask = |line: &str, json: bool| {
        let words = line.split(' ').map(str::to_owned).collect();
        questions.push(Question { words, json, code_only: WRONG.contains(&line) });
    };
    let both = [false, true];
    if case == CASE {
        in_turn(&ONCE, &mut ask);
        WRONG.iter().for_each(|line| ask(line, false));
    }
    if case == SERVERS {
        in_turn(&OF_SERVERS, &mut ask);
        return questions;
    }
    both.iter().for_each(|json| ask("list-backups all", *json));
    if home.config.len() > FEW {
        return questions;
    }
    for server in home.config.keys() {
        for (index, id) in backups(home, server).into_iter().enumerate() {
            both.iter().for_each(|json| ask(&format!("show-backup {server} {id}"), *json));
            ask(&format!("list-files {server} {id}{}", FILES[index % FILES.len()]), index % 3 == 0);
            ask(&format!("keep {server} {id} --status"), index % 2 == 0);
        }
        synchronisation(home, server).iter().for_each(|line| ask(line, false));
    }
    ALWAYS.iter().for_each(|line| both.iter().for_each(|json| ask(line, *json)));
    questions
}

/// What a passive node asks: for everything, and for what comes after a file that it was told of, with and without the
/// place of its line, which may be wrong.
fn synchronisation(home: &Home, server: &str) -> Vec<String> {
    let mut lines = vec![
        format!("sync-info {server}"),
        format!("sync-info {server} 000000010000000000000000"),
        format!("sync-info {server} FFFFFFFF0000000000000000 1"),
    ];
    let list = fs::read_to_string(home.path(&format!("{server}/wals/{server}-xlog.db"))).unwrap_or_default();
    let middle = list.lines().nth(list.lines().count() / 2).and_then(|line| line.split('\t').next());
    if let Some((name, position)) = middle.and_then(|name| Some((name, list.find(&format!("{name}\t"))?))) {
        lines.push(format!("sync-info {server} {name}"));
        lines.extend([position, position + 1].map(|at| format!("sync-info {server} {name} {}", at.max(1))));
    }
    lines
}

/// All as text, and every second one as a document too: Python takes its time.
fn in_turn(lines: &[&str], ask: &mut impl FnMut(&str, bool)) {
    for (index, line) in lines.iter().enumerate() {
        ask(line, false);
        if index % 2 == 0 {
            ask(line, true);
        }
    }
}

/// The identifiers of all records of a server, where 3.19 has them and where older releases had.
fn backups(home: &Home, server: &str) -> BTreeSet<String> {
    let names = |dir: &str| {
        let entries = fs::read_dir(home.path(&format!("{server}/{dir}"))).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let new =
        names("meta").into_iter().filter_map(|name| Some(name.strip_suffix("-backup.info")?.to_owned()));
    let old =
        names("base").into_iter().filter(|id| home.path(&format!("{server}/base/{id}/backup.info")).exists());
    new.chain(old).collect()
}
