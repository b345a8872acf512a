//! Every question about a catalogue, put to Barman 3.19.1 and to us, as text and as JSON.
//!
//! The catalogues are those of `compat/catalog/`. Both programs look at the same files, one right after the other, and
//! their answers are compared to the byte: exit code, standard output, standard error. What may differ is in
//! `parity/debts.rs`, with the row of `doc/compatibility.md` that explains it to a DBA; any other difference fails.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what is wrong with a case ends its test")]

#[path = "parity/changes.rs"]
mod changes;
#[path = "parity/debts.rs"]
mod debts;
#[path = "compat/home.rs"]
mod home;
#[path = "parity/programs.rs"]
mod programs;
#[path = "parity/questions.rs"]
mod questions;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use changes::{CHANGES, Change};
use debts::{CHANGE_DEBTS, DEBTS, Debt};
use home::{Home, sections};
use programs::{Answer, Reference, ask_ours, run};
use questions::{Question, questions};

/// The catalogues.
const CASES: &str = "tests/compat/catalog";

/// What a command reads that reads nothing.
const NOTHING: &str = "/dev/null";

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
    /// How many answers each debt was needed for.
    owed: BTreeMap<usize, usize>,
    differences: Vec<String>,
}

#[test]
fn both_programs_answer_every_question_alike() {
    score(cases(), |path, reference, score| compare(&path, reference, score)).assert_explained(DEBTS);
}

#[test]
fn what_either_program_changes_the_other_one_finds_as_if_it_had_changed_it_itself() {
    score(CHANGES.iter().collect(), make_change).assert_explained(CHANGE_DEBTS);
}

/// Has jobs done, each with a Python that has started already.
fn score<J: Send>(jobs: Vec<J>, work: impl Fn(J, &mut Reference, &Mutex<Score>) + Sync) -> Score {
    let jobs = Mutex::new(jobs.into_iter());
    let score = Mutex::new(Score::default());
    let work = || {
        let mut reference = Reference::start();
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { break };
            work(job, &mut reference, &score);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    score.into_inner().unwrap()
}

impl Score {
    fn add(&mut self, what: &str, verdict: Verdict) {
        self.asked += 1;
        match verdict {
            Verdict::Identical => self.identical += 1,
            Verdict::Owed(debts) => {
                for debt in debts {
                    *self.owed.entry(debt).or_default() += 1;
                }
            }
            Verdict::Different(how) => self.differences.push(format!("{what}\n{how}")),
        }
    }

    #[track_caller]
    fn assert_explained(self, debts: &[Debt]) {
        let Self { asked, identical, owed, differences } = self;
        eprintln!("{identical} of {asked} identical; the others differ as doc/compatibility.md says:");
        for (index, debt) in debts.iter().enumerate() {
            eprintln!("  {:>3} {}", owed.get(&index).unwrap_or(&0), debt.name);
        }
        assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
        let settled = debts.iter().enumerate().filter(|(index, _)| !owed.contains_key(index));
        let settled: Vec<&str> = settled.map(|(_, debt)| debt.name).collect();
        assert!(settled.is_empty(), "nothing differs by these any more: {settled:?}");
    }
}

#[test]
fn every_difference_is_explained_to_a_dba() {
    let page = fs::read_to_string(root().join("doc/compatibility.md")).unwrap();
    for debt in DEBTS.iter().chain(CHANGE_DEBTS) {
        let is_row = |line: &str| line.starts_with('|') && line.contains(debt.row);
        assert!(page.lines().any(is_row), "no row of doc/compatibility.md has '{}'", debt.row);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(CASES)).unwrap();
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
        let theirs = reference.ask(&words, Path::new(NOTHING)).on(&home);
        let ours = ask_ours(&words, Path::new(NOTHING)).on(&home);
        let verdict = judge(&question, theirs, ours, DEBTS);
        score.lock().unwrap().add(&format!("{case}: barman {question}"), verdict);
    }
}

/// Has each program do the same on a home of its own, and looks at what is left; then each is asked about the home
/// that the other one has changed.
fn make_change(change: &Change, reference: &mut Reference, score: &Mutex<Score>) {
    let cases = root().join(CASES);
    let (theirs, ours) = (change.home(&cases), change.home(&cases));
    let (their_config, our_config) = (theirs.write_config(), ours.write_config());
    let judge = |what: &str, question: &Question, theirs: Answer, ours: Answer| {
        let verdict = judge(question, theirs.map(changes::mask), ours.map(changes::mask), CHANGE_DEBTS);
        let what = format!("{}: {}: {what}", change.case, change.commands.join("; "));
        score.lock().unwrap().add(&what, verdict);
    };
    for command in change.commands {
        let answer = |home: &Home, config: &Path, ask: &mut dyn FnMut(&[&str], &Path) -> Answer| {
            let (words, input) = changes::words(command, home);
            let typed = ["-c", config.to_str().unwrap()].into_iter();
            let answer = ask(&typed.chain(words.iter().map(String::as_str)).collect::<Vec<_>>(), &input);
            changes::wait_for_background(home);
            answer.on(home)
        };
        let said = answer(&theirs, &their_config, &mut |words, input| match command {
            // What it starts in the background is a program of its own.
            &"cron" => run(&programs::reference(), words, input),
            _ => reference.ask(words, input),
        });
        let we_said = answer(&ours, &our_config, &mut ask_ours);
        judge(command, &Question::line(command), said, we_said);
    }
    judge(
        "what is left",
        &Question::line("ls"),
        changes::remains(&theirs).on(&theirs),
        changes::remains(&ours).on(&ours),
    );
    for question in change.questions() {
        let [of_ours, of_theirs] = [&our_config, &their_config].map(|config| {
            ["-c", config.to_str().unwrap()].into_iter().chain(question.words()).collect::<Vec<_>>()
        });
        let about_ours = reference.ask(&of_ours, Path::new(NOTHING)).on(&ours);
        let about_theirs = ask_ours(&of_theirs, Path::new(NOTHING)).on(&theirs);
        judge(&format!("then {question}"), &question, about_ours, about_theirs);
    }
}

fn judge(question: &Question, mut theirs: Answer, mut ours: Answer, debts: &[Debt]) -> Verdict {
    let same_bytes = question.is_code_only() || theirs.stdout.trim_end() == ours.stdout.trim_end();
    theirs.mask(question);
    ours.mask(question);
    if theirs == ours {
        return match same_bytes || ["list-files", "sync-info"].contains(&question.command()) {
            true => Verdict::Identical,
            false => Verdict::Different("  the same document, written in another way".into()),
        };
    }
    let mut owed = Vec::new();
    for (index, debt) in debts.iter().enumerate() {
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
