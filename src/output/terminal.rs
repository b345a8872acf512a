//! The terminal, and everything that reads us through a pipe.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::progress_line::ProgressLine;
use crate::sys::{Events, Progress, Severity};

/// What the command line decided about output.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions {
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
}

impl Terminal {
    /// A terminal on this process's standard output and error.
    pub fn new(options: TerminalOptions) -> Self {
        let draws = options.terminal && !options.quiet;
        Self {
            options,
            failed: AtomicBool::new(false),
            progress: Mutex::new(draws.then(ProgressLine::default)),
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

    /// Prints an answer: lines without prefix that `--quiet` leaves out.
    ///
    /// That nobody reads on (`barman list-files … | head`) is not an error.
    pub fn answer(&self, text: &str) {
        if !self.options.quiet {
            let text = (self.options.redact)(text);
            self.undisturbed(|| drop(io::stdout().lock().write_all(text.as_bytes())));
        }
    }

    /// Prints an answer in which there is no password, byte for byte.
    pub fn answer_exactly(&self, text: &str) {
        if !self.options.quiet {
            self.undisturbed(|| drop(io::stdout().lock().write_all(text.as_bytes())));
        }
    }

    /// Prints an answer that monitoring waits for, also with `--quiet`.
    pub fn answer_always(&self, text: &str) {
        self.undisturbed(|| drop(io::stdout().lock().write_all(text.as_bytes())));
    }

    /// Prints a path on a line of its own, byte for byte.
    pub fn answer_path(&self, path: &Path) {
        if !self.options.quiet {
            let line = [path.as_os_str().as_bytes(), b"\n"].concat();
            self.undisturbed(|| drop(io::stdout().lock().write_all(&line)));
        }
    }

    /// Whether words that matter to monitoring are coloured: `OK` green, `FAILED` red.
    pub fn colors(&self) -> bool {
        self.options.color
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

impl Events for Terminal {
    fn say(&self, severity: Severity, text: &str) {
        match severity {
            Severity::Debug if self.options.debug => self.to_stderr(None, "DEBUG: ", text),
            Severity::Debug => {}
            Severity::Info => self.answer(&format!("{text}\n")),
            Severity::Warning => self.to_stderr(Some(33), "WARNING: ", text),
            Severity::Error => {
                self.mark_failed();
                self.to_stderr(Some(31), "ERROR: ", text);
            }
        }
    }

    fn progress(&self, progress: Progress<'_>) {
        if let Some(line) = &mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner) {
            line.show(progress);
        }
    }
}
