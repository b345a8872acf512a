//! A program as a stream: what flows in comes out changed.

use std::io::{self, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::thread::{self, JoinHandle};

use super::group::{Group, Watched};
use super::{Command, Error, PIPE_BYTES, error, exit_code, read_end};
use crate::sys::Cancel;
use crate::sys::cancel::BreakGuard;

/// A program of a pipe ended with another code than 0.
#[derive(Debug, thiserror::Error)]
#[error("{command} ended with exit code {code}{}", said(.stderr))]
pub struct Failed {
    command: String,
    code: i32,
    stderr: String,
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Failed {
    /// The exit code; a signal gives 128 and its number.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The end of what it wrote to standard error.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    pub(super) fn new(command: &Command, code: i32, stderr: String) -> Self {
        Self { command: command.display(), code, stderr }
    }
}

/// What a running program prints, while a thread feeds it.
pub(super) struct Pipe {
    command: Command,
    cancel: Cancel,
    output: Watched<ChildStdout>,
    /// Gone when the end has been seen.
    running: Option<Running>,
}

struct Running {
    child: Child,
    group: Group,
    feeder: JoinHandle<io::Result<()>>,
    errors: JoinHandle<io::Result<Vec<u8>>>,
    _breaker: BreakGuard,
}

impl Pipe {
    pub fn start(command: &Command, input: Box<dyn Read + Send>, cancel: &Cancel) -> Result<Self, Error> {
        cancel.check()?;
        let (mut child, group) = super::start(command, Stdio::piped())?;
        let breaking = group.clone();
        let breaker = cancel.break_with(move || breaking.end());
        let (Some(mut stdin), Some(output), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(error(command, io::Error::other("its pipes are missing")));
        };
        let mut input = BufReader::with_capacity(PIPE_BYTES, input);
        let feeder = thread::spawn(move || match io::copy(&mut input, &mut stdin) {
            // A program may end before it has read everything; its exit code tells whether that was right.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        });
        let (output, stderr) = (group.watch(output), group.watch(stderr));
        let errors = thread::spawn(move || read_end(stderr));
        let running = Running { child, group, feeder, errors, _breaker: breaker };
        Ok(Self { command: command.clone(), cancel: cancel.clone(), output, running: Some(running) })
    }

    /// Waits for the end; whatever went wrong with the program or with what it was fed is an error.
    fn conclude(&self, mut running: Running) -> io::Result<()> {
        let status = running.child.wait();
        running.group.reaped();
        let status = status?;
        self.cancel.check().map_err(io::Error::other)?;
        let lost = |_| Err(io::Error::other("the thread that feeds a program has ended early"));
        running.feeder.join().unwrap_or_else(lost)?;
        let stderr = running.errors.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        let (code, stderr) = (exit_code(status), String::from_utf8_lossy(&stderr).trim_end().to_owned());
        if code != 0 {
            return Err(io::Error::other(Failed::new(&self.command, code, stderr)));
        }
        if !stderr.is_empty() {
            tracing::debug!("{} said: {stderr}", self.command.display());
        }
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.running.is_none() || buffer.is_empty() {
            return Ok(0);
        }
        let count = self.output.read(buffer)?;
        if count == 0
            && let Some(running) = self.running.take()
        {
            self.conclude(running)?;
        }
        Ok(count)
    }
}

/// A program whose output nobody wants any more ends.
impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            running.group.end();
            let _ = running.child.wait();
            running.group.reaped();
        }
    }
}
