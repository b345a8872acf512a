//! Every question about a catalogue, put to Barman 3.19.1 and to us, as text and as JSON.
//!
//! The catalogues are those of `compat/catalog/`. Both programs look at the same files, one right after the other, and
//! their answers are compared to the byte: exit code, standard output, standard error. What may differ is in
//! `parity/debts.rs`, with the row of `doc/compatibility.md` that explains it to a DBA; any other difference fails.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what is wrong with a case ends its test")]

#[path = "parity/debts.rs"]
mod debts;
#[path = "compat/home.rs"]
mod home;
#[path = "parity/programs.rs"]
mod programs;
#[path = "parity/questions.rs"]
mod questions;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use debts::DEBTS;
use home::{Home, sections};
use programs::{Answer, Reference, ask_ours};
use questions::{Question, questions};

/// How the answers to a question compare.
enum Verdict {
    Identical,
    /// They differ by these rows of [`DEBTS`] and by nothing else.
    Owed(Vec<usize>),
    Different(String),
}

/// What came of all questions.
#[derive(Default)]
struct Score {
    asked: usize,
    identical: usize,
    owed: BTreeSet<usize>,
    differences: Vec<String>,
}

#[test]
fn both_programs_answer_every_question_alike() {
    let cases = Mutex::new(cases().into_iter());
    let score = Mutex::new(Score::default());
    let work = || {
        let mut reference = Reference::start();
        loop {
            let next = cases.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(path) = next else { break };
            compare(&path, &mut reference, &score);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let Score { asked, identical, owed, differences } = score.into_inner().unwrap();
    eprintln!("{identical} of {asked} identical; the others differ as doc/compatibility.md says:");
    DEBTS.iter().for_each(|debt| eprintln!("  {}", debt.name));
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    let settled = DEBTS.iter().enumerate().filter(|(index, _)| !owed.contains(index));
    let settled: Vec<&str> = settled.map(|(_, debt)| debt.name).collect();
    assert!(settled.is_empty(), "nothing differs by these any more: {settled:?}");
}

#[test]
fn every_difference_is_explained_to_a_dba() {
    let page = fs::read_to_string(root().join("doc/compatibility.md")).unwrap();
    for debt in DEBTS {
        let is_row = |line: &str| line.starts_with('|') && line.contains(debt.row);
        assert!(page.lines().any(is_row), "no row of doc/compatibility.md has '{}'", debt.row);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/compat/catalog")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    // Python takes its time, and catalogues to delete from are much like the others.
    let mut cases: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .filter(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            !name.starts_with("delete-")
                || ["delete-seed", "delete-exclusive", "delete-children"].contains(&name)
        })
        .collect();
    cases.sort();
    cases
}

/// Asks everything about one catalogue.
fn compare(path: &Path, reference: &mut Reference, score: &Mutex<Score>) {
    let text = fs::read_to_string(path).unwrap();
    let home = Home::build(&sections(&text));
    let config = home.write_config();
    let case = path.file_stem().unwrap().to_str().unwrap();
    for question in questions(case, &home) {
        let words: Vec<&str> = ["-c", config.to_str().unwrap()].into_iter().chain(question.words()).collect();
        let theirs = reference.ask(&words).on(&home);
        let ours = ask_ours(&words).on(&home);
        let verdict = judge(&question, theirs, ours);
        let mut score = score.lock().unwrap_or_else(PoisonError::into_inner);
        score.asked += 1;
        match verdict {
            Verdict::Identical => score.identical += 1,
            Verdict::Owed(debts) => score.owed.extend(debts),
            Verdict::Different(how) => score.differences.push(format!("{case}: barman {question}\n{how}")),
        }
    }
}

fn judge(question: &Question, mut theirs: Answer, mut ours: Answer) -> Verdict {
    let same_bytes = theirs.stdout.trim_end() == ours.stdout.trim_end();
    theirs.mask(question);
    ours.mask(question);
    if theirs == ours {
        return match same_bytes || ["list-files", "sync-info"].contains(&question.command()) {
            true => Verdict::Identical,
            false => Verdict::Different("  the same document, written in another way".into()),
        };
    }
    let mut owed = Vec::new();
    for (index, debt) in DEBTS.iter().enumerate() {
        let before = (theirs.clone(), ours.clone());
        (debt.settle)(&mut theirs, &mut ours);
        if before != (theirs.clone(), ours.clone()) {
            owed.push(index);
        }
    }
    if theirs == ours { Verdict::Owed(owed) } else { Verdict::Different(difference(&theirs, &ours)) }
}

/// The lines that only one of them has.
fn difference(theirs: &Answer, ours: &Answer) -> String {
    let (theirs, ours) = (theirs.lines(), ours.lines());
    let mut text = String::new();
    for (sign, some, others) in [('-', &theirs, &ours), ('+', &ours, &theirs)] {
        for line in some.iter().filter(|line| !others.contains(line)).take(12) {
            let _ = writeln!(text, "  {sign} {line}");
        }
    }
    if text.is_empty() { format!("  the same lines in another order:\n{}", ours.join("\n")) } else { text }
}
