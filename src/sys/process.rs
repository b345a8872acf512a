//! Other programs, as argument vectors; what a program on another host is asked through a shared connection, where there
//! is only a shell, is a text of quoted words.
//!
//! A guarded child runs in a process group of its own with standard input closed; the whole group is ended when
//! the stop is asked for, and the child dies with us. A detached child (the background work of `cron`) is another
//! thing: it lives on.

mod command;
mod group;
mod pipe;
mod shared_ssh;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::setsid;

use super::cancel::{Cancel, Cancelled};
pub use command::{Command, find_program};
use group::{Group, Watch};
pub use pipe::Failed;
use pipe::Pipe;
pub use shared_ssh::run_shared;

/// How much is kept of what a child says.
const KEPT_BYTES: usize = 64 << 10;

/// As many bytes as a pipe of Linux holds, pipe(7).
const PIPE_BYTES: usize = 64 << 10;

/// The exit code by which ssh tells that it did not get through to the command, or that the connection was lost.
pub const NOT_CONNECTED: i32 = 255;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit code; a signal gives 128 and its number, as in a shell.
    pub code: i32,
    /// What it wrote to standard output, unless that was streamed.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// Whether it ended with code 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Standard error as text, without the final line feeds.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }
}

/// A program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed, or not on the path.
    #[error("program '{}' not found", .0.to_string_lossy())]
    NotFound(OsString),
    /// It could not be started, fed or read.
    #[error("cannot run '{command}'")]
    Io {
        /// The command as a person would type it.
        command: String,
        /// The system's answer.
        source: io::Error,
    },
    /// We were asked to stop, and ended it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What writes a program's standard input while the program runs.
///
/// It meets a broken pipe when the program ends early; the exit code tells why. Other failures are its owner's to
/// keep: the program only sees that its input ends.
pub type Feeder<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + Send + 'a;

/// Runs programs; tests have one that plays a script and keeps each argument vector.
pub trait Processes: Send + Sync {
    /// Runs `command` to its end, its standard output going to `stdout` as it comes.
    fn stream(&self, command: &Command, stdout: &mut dyn Write, cancel: &Cancel) -> Result<Finished, Error>;

    /// Runs `command` with `stdin` as its input, keeping what it prints.
    fn feed(&self, command: &Command, stdin: &[u8], cancel: &Cancel) -> Result<Finished, Error>;

    /// Runs `command` with `stdin` as its input, its standard output going to `stdout` as in [`Processes::filter`].
    fn exchange(
        &self,
        command: &Command,
        stdin: &[u8],
        stdout: &mut dyn Write,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        self.filter(command, &mut |pipe| pipe.write_all(stdin), stdout, cancel)
    }

    /// Runs `command` while `feeder` writes its input, keeping what it prints.
    ///
    /// Here the input is collected first; the programs of this machine get it as it comes.
    fn feed_from(
        &self,
        command: &Command,
        feeder: &mut Feeder<'_>,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        let mut stdin = Vec::new();
        feeder(&mut stdin).map_err(|source| error(command, source))?;
        self.feed(command, &stdin, cancel)
    }

    /// Runs `command` while `feeder` writes its input, its standard output going to `stdout`.
    ///
    /// Here both are collected; the programs of this machine pass them on as they come.
    fn filter(
        &self,
        command: &Command,
        feeder: &mut Feeder<'_>,
        stdout: &mut dyn Write,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        let finished = self.feed_from(command, feeder, cancel)?;
        stdout.write_all(&finished.stdout).map_err(|source| error(command, source))?;
        Ok(Finished { stdout: Vec::new(), ..finished })
    }

    /// Starts `command` with `input` flowing into it, and gives what it prints as a stream, to be read by the thread
    /// that asked.
    ///
    /// Any failure of the program, of its input, and a stop that was asked for are errors of the stream, in place of
    /// its end. A stream that is dropped before ends the program.
    ///
    /// Here the program has ended when the stream begins; the programs of this machine run meanwhile.
    fn pipe(
        &self,
        command: &Command,
        mut input: Box<dyn Read + Send>,
        cancel: &Cancel,
    ) -> Result<Box<dyn Read + Send>, Error> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(|source| error(command, source))?;
        let finished = self.feed(command, &bytes, cancel)?;
        if finished.success() {
            return Ok(Box::new(io::Cursor::new(finished.stdout)));
        }
        Err(error(command, io::Error::other(Failed::new(command, finished.code, finished.stderr_text()))))
    }

    /// Starts `command` in a session of its own and does not wait for it.
    fn spawn_detached(&self, command: &Command, keep_descriptors: bool) -> Result<(), Error>;

    /// As `spawn_detached`, with `held` open in the child until it ends, for what hangs on that: a lock.
    fn spawn_detached_holding(&self, command: &Command, held: File) -> Result<(), Error> {
        drop(held);
        self.spawn_detached(command, false)
    }

    /// Runs `command` to its end, keeping what it prints.
    fn run(&self, command: &Command, cancel: &Cancel) -> Result<Finished, Error> {
        let mut stdout = Vec::new();
        let finished = self.stream(command, &mut stdout, cancel)?;
        Ok(Finished { stdout, ..finished })
    }
}

/// The programs of this machine.
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn stream(&self, command: &Command, stdout: &mut dyn Write, cancel: &Cancel) -> Result<Finished, Error> {
        guarded(command, None, stdout, cancel)
    }

    fn feed(&self, command: &Command, stdin: &[u8], cancel: &Cancel) -> Result<Finished, Error> {
        self.feed_from(command, &mut |pipe| pipe.write_all(stdin), cancel)
    }

    fn feed_from(
        &self,
        command: &Command,
        feeder: &mut Feeder<'_>,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        let mut stdout = Vec::new();
        let finished = self.filter(command, feeder, &mut stdout, cancel)?;
        Ok(Finished { stdout, ..finished })
    }

    fn filter(
        &self,
        command: &Command,
        feeder: &mut Feeder<'_>,
        stdout: &mut dyn Write,
        cancel: &Cancel,
    ) -> Result<Finished, Error> {
        guarded(command, Some(feeder), stdout, cancel)
    }

    fn pipe(
        &self,
        command: &Command,
        input: Box<dyn Read + Send>,
        cancel: &Cancel,
    ) -> Result<Box<dyn Read + Send>, Error> {
        Ok(Box::new(Pipe::start(command, input, cancel)?))
    }

    fn spawn_detached(&self, command: &Command, keep_descriptors: bool) -> Result<(), Error> {
        let mut child = command.to_std();
        child.stdin(Stdio::null());
        if !keep_descriptors {
            child.stdout(Stdio::null()).stderr(Stdio::null());
        }
        before_exec(&mut child, || setsid().map(drop));
        child.spawn().map(drop).map_err(|source| error(command, source))
    }

    fn spawn_detached_holding(&self, command: &Command, held: File) -> Result<(), Error> {
        let mut child = command.to_std();
        child.stdin(held).stdout(Stdio::null()).stderr(Stdio::null());
        before_exec(&mut child, || setsid().map(drop));
        child.spawn().map(drop).map_err(|source| error(command, source))
    }
}

fn guarded(
    command: &Command,
    feeder: Option<&mut Feeder<'_>>,
    stdout: &mut dyn Write,
    cancel: &Cancel,
) -> Result<Finished, Error> {
    cancel.check()?;
    let started = Instant::now();
    let (mut child, group) = start(command, if feeder.is_some() { Stdio::piped() } else { Stdio::null() })?;
    let breaking = group.clone();
    let _breaker = cancel.break_with(move || breaking.end());
    let result = drive(&mut child, &group, feeder, stdout);
    if result.is_err() {
        group.end();
    }
    let status = child.wait();
    group.reaped();
    let status = status.map_err(|source| error(command, source))?;
    cancel.check()?;
    let stderr = result.map_err(|source| error(command, source))?;
    Ok(Finished { code: exit_code(status), stdout: Vec::new(), stderr, took: started.elapsed() })
}

/// Starts a child in a group of its own, its output going into pipes.
fn start(command: &Command, stdin: Stdio) -> Result<(Child, Group), Error> {
    let mut builder = command.to_std();
    builder.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    before_exec(&mut builder, || prctl::set_pdeathsig(Signal::SIGTERM));
    let started = Watch::new().and_then(|watch| Ok((builder.spawn()?, watch)));
    let (child, watch) = started.map_err(|source| error(command, source))?;
    let group = Group::of(&child, watch);
    Ok((child, group))
}

/// Feeds and empties the child's pipes until it closes them, or was ended; gives the end of its standard error.
fn drive(
    child: &mut Child,
    group: &Group,
    feeder: Option<&mut Feeder<'_>>,
    stdout: &mut dyn Write,
) -> io::Result<Vec<u8>> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let errors = scope.spawn(move || errors.map_or(Ok(Vec::new()), |pipe| read_end(group.watch(pipe))));
        let feeder = input.zip(feeder).map(|(mut pipe, feeder)| scope.spawn(move || feeder(&mut pipe)));
        let copied = output.map_or(Ok(0), |pipe| {
            io::copy(&mut BufReader::with_capacity(PIPE_BYTES, group.watch(pipe)), stdout)
        });
        if let Some(feeder) = feeder {
            // A child may end before it has read everything; its exit code tells whether that was right.
            let _ = feeder.join();
        }
        let errors = errors.join().unwrap_or_else(|_| Ok(Vec::new()));
        copied?;
        errors
    })
}

fn read_end(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut end = End::default();
    io::copy(&mut pipe, &mut end)?;
    Ok(end.0)
}

/// Keeps the end of what is written to it, where the reason stands.
#[derive(Debug, Default)]
pub struct End(Vec<u8>);

impl End {
    /// The text that was kept.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl Write for End {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(chunk);
        let excess = self.0.len().saturating_sub(KEPT_BYTES);
        self.0.drain(..excess);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(unsafe_code, reason = "what a child does between fork and exec can only be given this way")]
fn before_exec(command: &mut process::Command, action: fn() -> nix::Result<()>) {
    // SAFETY: `action` is a plain function that makes one system call, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || action().map_err(io::Error::from));
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn error(command: &Command, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound(command.program.clone()),
        _ => Error::Io { command: command.display(), source },
    }
}

/// The number of this process.
pub fn id() -> u32 {
    process::id()
}

#[cfg(test)]
mod tests;
