//! What is asked about a catalogue.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use crate::home::Home;

/// A command line, without the configuration.
pub struct Question {
    words: Vec<String>,
    json: bool,
}

impl Question {
    /// The words behind the configuration.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let format = if self.json { &["-f", "json"][..] } else { &[] };
        format.iter().copied().chain(self.words.iter().map(String::as_str))
    }

    /// The command.
    pub fn command(&self) -> &str {
        &self.words[0]
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
const ONCE: [&str; 12] = [
    "list-servers",
    "list-servers --minimal",
    "list-backups all --minimal",
    "list-backups nosuch",
    "show-backup main nosuch",
    "show-backup nosuch latest",
    "list-files main nosuch",
    "show-servers all",
    "show-servers nosuch main",
    "status all nosuch",
    "list-processes main",
    "config-switch main nosuch",
];

/// The case that it is asked about.
const CASE: &str = "list";

/// Asked about every catalogue; checks last, since making directories is part of them.
const ALWAYS: [&str; 5] = [
    "show-backup main last-failed",
    "show-backup main latest-full",
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
        questions.push(Question { words: line.split(' ').map(str::to_owned).collect(), json });
    };
    let both = [false, true];
    if case == CASE {
        ONCE.iter().for_each(|line| both.iter().for_each(|json| ask(line, *json)));
    }
    both.iter().for_each(|json| ask("list-backups all", *json));
    if home.config.len() > FEW {
        return questions;
    }
    for server in home.config.keys() {
        for (index, id) in backups(home, server).into_iter().enumerate() {
            both.iter().for_each(|json| ask(&format!("show-backup {server} {id}"), *json));
            ask(&format!("list-files {server} {id}{}", FILES[index % FILES.len()]), index % 3 == 0);
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
