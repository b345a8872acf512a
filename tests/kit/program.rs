//! Programs that run to their end, or until we end them.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::eventually;

/// A password that must never show; every output that the kit collects is searched for it.
pub const PASSWORD: &str = "hunter2-never-shown";

/// A program to run in an environment of which each variable was set on purpose.
pub struct Program {
    command: Command,
    typed: String,
    input: Vec<u8>,
}

impl Program {
    /// `program` with `PATH` and a UTF-8 locale; `home` is its `HOME` and its working directory.
    pub fn new(program: &Path, home: &Path) -> Self {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "INT", "--"]).arg(program);
        command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").current_dir(home);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin");
        Self {
            command,
            typed: program.file_name().unwrap().to_string_lossy().into_owned(),
            input: Vec::new(),
        }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.command.arg(arg.as_ref());
            self.typed.push(' ');
            self.typed.push_str(&shell_words::quote(arg.as_ref()));
        }
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What the program reads from standard input; nothing, when this is not called.
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.into();
        self
    }

    /// Says `text` instead of the command line, where the story is shown; nothing at all when `text` is empty.
    pub fn shown_as(mut self, text: &str) -> Self {
        self.typed = text.into();
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it. Output goes to unnamed files, so that a child which is left over holds up nobody.
    pub fn start(mut self) -> Running {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(&self.input).unwrap();
        stdin.rewind().unwrap();
        self.command.stdin(stdin).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.typed));
        Running { child, started: Instant::now(), typed: self.typed, stdout, stderr }
    }

    /// Starts it with its output appended to `log`.
    pub fn start_logging_to(mut self, log: &Path) -> Running {
        let file = File::options().create(true).append(true).open(log).unwrap();
        self.command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file.try_clone().unwrap());
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.typed));
        let (started, stdout) = (Instant::now(), file.try_clone().unwrap());
        Running { child, started, typed: self.typed, stdout, stderr: file }
    }
}

/// A program that runs; it is killed when this is dropped.
pub struct Running {
    child: Child,
    started: Instant,
    typed: String,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Sends a signal to the program alone, not to its children.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. The commands of a story and the time they took are shown when the story fails.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        eventually(&format!("'{}' ends", self.typed), || self.has_ended());
        let status = self.child.wait().unwrap();
        if !self.typed.is_empty() {
            eprintln!("{:7.2} s  $ {}", self.started.elapsed().as_secs_f32(), self.typed);
        }
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        Outcome::new(std::mem::take(&mut self.typed), status, stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // A file opened for appending only, a log, stays where it is.
    if file.rewind().and_then(|()| file.read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Outcome {
    typed: String,
    /// The exit code; a signal gives 128 and its number.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Takes what is true of every run of every program for granted: no panic, no backtrace, no password.
    fn new(typed: String, status: ExitStatus, stdout: String, stderr: String) -> Self {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let outcome = Self { typed, code, stdout, stderr };
        for never in ["panicked at", "Traceback (most recent call last)", PASSWORD] {
            assert!(!outcome.said(never), "this must never be printed: {never}\n{outcome}");
        }
        outcome
    }

    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "it was to succeed: {self}");
        self
    }

    /// Fails the test unless the program ended with `code`, having said `words` somewhere, upper or lower case.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "it was to end with exit code {code}: {self}");
        for words in words {
            assert!(self.said(words), "it was to say '{words}': {self}");
        }
        self
    }

    /// Fails the test unless the program said `words` somewhere, upper or lower case.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said(words), "it was to say '{words}': {self}");
        self
    }

    /// Whether `words` were said, upper or lower case.
    pub fn said(&self, words: &str) -> bool {
        let all = format!("{}\n{}", self.stdout, self.stderr).to_lowercase();
        all.contains(&words.to_lowercase())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { typed, code, stdout, stderr } = self;
        write!(f, "\n$ {typed}\n{stdout}--- stderr\n{stderr}--- exit {code}\n")
    }
}
