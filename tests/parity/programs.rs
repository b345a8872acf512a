//! The two programs, and what they answer.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::home::Home;
use crate::questions::Question;

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    /// The answer with `@HOME@` for the place of the catalogue that the program looked at.
    pub fn on(self, home: &Home) -> Self {
        let place = home.path("");
        let place = place.to_str().unwrap().trim_end_matches('/');
        self.map(|text| text.replace(place, "@HOME@"))
    }

    /// Takes away what truly varies.
    pub fn mask(&mut self, question: &Question) {
        if question.is_code_only() {
            (self.stdout, self.stderr) = (String::new(), String::new());
        }
        // Python lists directories in the order of the file system.
        if question.command() == "list-files" && !question.is_json() {
            let mut lines: Vec<&str> = self.stdout.lines().collect();
            lines.sort_unstable();
            self.stdout = lines.join("\n");
        }
        // A list of backups or settings that is looked into by key has no order.
        if question.command() == "sync-info"
            && let Ok(mut document) = serde_json::from_str::<serde_json::Value>(&self.stdout)
        {
            for key in ["backups", "config"] {
                document[key].sort_all_objects();
            }
            self.stdout = serde_json::to_string_pretty(&document).unwrap();
        }
        if question.is_json() {
            self.stdout = indented(&self.stdout, question.command() == "list-files");
        }
    }

    /// Changes both texts.
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self { code: self.code, stdout: change(&self.stdout), stderr: change(&self.stderr) }
    }

    /// Whether one of the streams has these words.
    pub fn has(&self, words: &str) -> bool {
        self.stdout.contains(words) || self.stderr.contains(words)
    }

    /// Leaves out the lines of standard output that have these words.
    pub fn drop_lines(&mut self, words: &str) {
        if self.stdout.contains(words) {
            self.stdout = lines_without(&self.stdout, words);
        }
    }

    /// Leaves out why PostgreSQL could not be reached.
    pub fn drop_reasons(&mut self) {
        let without = |text: &str| {
            let mut text = text.to_owned();
            while let Some(reason) = text.find("connection to server on socket") {
                let start = [": ", "\\n", "\n"].iter().find_map(|before| text[..reason].strip_suffix(before));
                let (start, rest) = (start.map_or(reason, str::len), &text[reason..]);
                let end =
                    [rest.find("\",\n"), rest.find("\"\n"), rest.find('\n')].into_iter().flatten().min();
                text.replace_range(start..end.map_or(text.len(), |end| reason + end), "");
            }
            text
        };
        (self.stdout, self.stderr) = (without(&self.stdout), without(&self.stderr));
    }

    /// Leaves out what errors say about the way on: a line of its own, or in a document behind a line feed.
    pub fn drop_hints(&mut self) {
        if self.stderr.contains("HINT: ") {
            self.stderr = lines_without(&self.stderr, "HINT: ");
        }
        while let Some(start) = self.stdout.find("\\nHINT: ") {
            let end = self.stdout[start..].find("\"\n").map_or(self.stdout.len(), |end| start + end);
            let end = self.stdout[start..end].find("\",\n").map_or(end, |end| start + end);
            self.stdout.replace_range(start..end, "");
        }
    }

    /// Everything, line by line.
    pub fn lines(&self) -> Vec<String> {
        let named =
            |name: &str, text: &str| text.lines().map(|line| format!("{name}: {line}")).collect::<Vec<_>>();
        let mut lines = vec![format!("exit code: {}", self.code)];
        lines.extend(named("stdout", &self.stdout));
        lines.extend(named("stderr", &self.stderr));
        lines
    }
}

fn lines_without(text: &str, words: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains(words)).collect()
}

/// A document with a line for each value, provided that it was written as Python writes it. What is no document stays
/// as it is.
fn indented(text: &str, sorted: bool) -> String {
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    if sorted && let Some(files) = document.get_mut("_INFO").and_then(|files| files.as_array_mut()) {
        files.sort_by_key(ToString::to_string);
    }
    serde_json::to_string_pretty(&document).unwrap()
}

/// Runs our program.
pub fn ask_ours(words: &[&str], input: &Path) -> Answer {
    run(Path::new(env!("CARGO_BIN_EXE_barman")), words, input)
}

/// Runs a program.
pub fn run(program: &Path, words: &[&str], input: &Path) -> Answer {
    let mut command = Command::new(program);
    let output = command.args(words).env("TZ", "UTC").stdin(File::open(input).unwrap()).output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Barman 3.19.1.
pub fn reference() -> PathBuf {
    let program = tools().join("barman-3.19.1/bin/barman");
    assert!(program.exists(), "{} is not there; `bash tests/run.sh prepare` makes it", program.display());
    program
}

/// Barman 3.19.1, which waits for questions.
pub struct Reference {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    /// Starts Python with everything loaded.
    pub fn start() -> Self {
        let program = reference();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/answers.py");
        let mut process = Command::new(program.with_file_name("python3"))
            .args([script, program])
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, questions, answers: BufReader::new(answers) }
    }

    /// Asks it.
    pub fn ask(&mut self, words: &[&str], input: &Path) -> Answer {
        writeln!(self.questions, "{}", serde_json::to_string(&(words, input)).unwrap()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    std::env::var_os("BARMAN_TEST_TOOLS").map_or_else(default, PathBuf::from)
}
