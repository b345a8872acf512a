//! The terminal, and everything that reads us through a pipe.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::answer::Answer;
use super::json::Document;
use super::progress_line::ProgressLine;
use crate::sys::{Events, Progress, Severity};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text, as it comes.
    Console,
    /// One JSON document, when the command ends.
    Json,
    /// Nothing but the lines that monitoring reads, and errors; all else is in the log.
    Monitoring,
}

/// What the command line decided about output.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions {
    /// The form of the output.
    pub format: Format,
    /// Leave out information and progress.
    pub quiet: bool,
    /// Show debug messages.
    pub debug: bool,
    /// Colour messages.
    pub color: bool,
    /// Whether standard error is a terminal, on which progress can be drawn.
    pub terminal: bool,
    /// Removes passwords from a text.
    pub redact: fn(&str) -> Cow<'_, str>,
}

/// Writes messages with Barman's prefixes, and remembers whether one of them was an error.
pub struct Terminal {
    options: TerminalOptions,
    failed: AtomicBool,
    progress: Mutex<Option<ProgressLine>>,
    /// Whether standard output holds an answer that is no text.
    has_raw_output: AtomicBool,
    /// Whether something was printed that stands for itself, behind which an empty document would be in the way.
    printed: AtomicBool,
    /// What is to be printed at the end, in JSON.
    document: Option<Mutex<Document>>,
}

impl Terminal {
    /// A terminal on this process's standard output and error.
    pub fn new(options: TerminalOptions) -> Self {
        let draws = options.terminal && !options.quiet;
        Self {
            options,
            failed: AtomicBool::new(false),
            has_raw_output: AtomicBool::new(false),
            printed: AtomicBool::new(false),
            progress: Mutex::new(draws.then(ProgressLine::default)),
            document: (options.format == Format::Json).then(Mutex::default),
        }
    }

    /// Whether an error was said: the command then ends with code 1.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Makes the command end with code 1 without a further word.
    pub fn mark_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Gives an answer, which `--quiet` leaves out.
    pub fn answer(&self, answer: &(impl Answer + ?Sized)) {
        if !self.noted(|document| answer.add_to(document)) {
            self.print(&answer.text(self.options.color));
        }
    }

    /// Prints text that stands for itself in every format, such as help.
    pub fn print_text(&self, text: &str) {
        self.printed.store(true, Ordering::Relaxed);
        self.print(text);
    }

    /// Prints an answer that monitoring waits for, also with `--quiet`.
    pub fn print_always(&self, text: &str) {
        self.undisturbed(|| drop(io::stdout().lock().write_all(text.as_bytes())));
    }

    /// Gives a path, to people on a line of its own, byte for byte.
    pub fn answer_path(&self, path: &Path) {
        if !self.noted(|document| document.say("_INFO", &path.display().to_string())) && !self.options.quiet {
            let line = [path.as_os_str().as_bytes(), b"\n"].concat();
            self.undisturbed(|| drop(io::stdout().lock().write_all(&line)));
        }
    }

    /// Standard output, for an answer that is no text. Once something has been written, nothing else is printed there:
    /// the document of JSON goes to standard error, when anything was said.
    pub fn raw_output(&self) -> RawOutput<'_> {
        RawOutput { terminal: self }
    }

    /// Prints the JSON document, when that is the format; the last thing that a command does.
    pub fn finish(&self) {
        let Some(document) = &self.document else { return };
        if self.options.quiet {
            return;
        }
        let document = std::mem::take(&mut *document.lock().unwrap_or_else(PoisonError::into_inner));
        let has_raw_output = self.has_raw_output.load(Ordering::Relaxed);
        if document.is_empty() && (has_raw_output || self.printed.load(Ordering::Relaxed)) {
            return;
        }
        let text = document.write(self.options.redact);
        drop(match has_raw_output {
            true => io::stderr().lock().write_all(text.as_bytes()),
            false => io::stdout().lock().write_all(text.as_bytes()),
        });
    }

    /// Lets `note` put something into the JSON document; `false` when there is none.
    fn noted(&self, note: impl FnOnce(&mut Document)) -> bool {
        let Some(document) = &self.document else { return false };
        note(&mut document.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Prints text that `--quiet` leaves out. That nobody reads on (`barman list-files … | head`) is no error.
    fn print(&self, text: &str) {
        if !self.options.quiet {
            let text = (self.options.redact)(text);
            self.undisturbed(|| drop(io::stdout().lock().write_all(text.as_bytes())));
        }
    }

    fn to_stderr(&self, color: Option<u8>, prefix: &str, text: &str) {
        let text = (self.options.redact)(text);
        let line = match color.filter(|_| self.options.color) {
            Some(code) => format!("\x1b[{code}m{prefix}{text}\x1b[0m\n"),
            None => format!("{prefix}{text}\n"),
        };
        self.undisturbed(|| drop(io::stderr().lock().write_all(line.as_bytes())));
    }

    /// Writes while no progress line stands in the way.
    fn undisturbed(&self, write: impl FnOnce()) {
        match &*self.progress.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(line) => line.suspend(write),
            None => write(),
        }
    }
}

/// Standard output as it is.
pub struct RawOutput<'a> {
    terminal: &'a Terminal,
}

impl Write for RawOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.terminal.has_raw_output.store(true, Ordering::Relaxed);
        let mut out = io::stdout().lock();
        // By itself it looks for the end of a line in whatever is written, and writes twice: up to that, and the rest.
        out.flush()?;
        Ok(nix::unistd::write(&out, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        // An empty file is an answer, too.
        self.terminal.has_raw_output.store(true, Ordering::Relaxed);
        io::stdout().lock().flush()
    }
}

impl Events for Terminal {
    fn say(&self, severity: Severity, text: &str) {
        if severity == Severity::Error {
            self.mark_failed();
        }
        let kind = match severity {
            Severity::Debug if !self.options.debug => return,
            Severity::Debug => "_DEBUG",
            Severity::Info => "_INFO",
            Severity::Warning => "_WARNING",
            Severity::Error => "_ERROR",
        };
        if self.noted(|document| document.say(kind, text)) {
            return;
        }
        if self.options.format == Format::Monitoring && severity != Severity::Error {
            return;
        }
        match severity {
            Severity::Debug => self.to_stderr(None, "DEBUG: ", text),
            Severity::Info => self.print(&format!("{text}\n")),
            Severity::Warning => self.to_stderr(Some(33), "WARNING: ", text),
            Severity::Error => self.to_stderr(Some(31), "ERROR: ", text),
        }
    }

    fn progress(&self, progress: Progress<'_>) {
        if let Some(line) = &mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner) {
            line.show(progress);
        }
    }
}
