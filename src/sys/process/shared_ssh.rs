//! Commands run through the connection that an ssh shares, without another ssh for each.
//!
//! What is said at the socket of that ssh is in OpenSSH's PROTOCOL.mux: packets of numbers and texts, each with its
//! length before it, in network byte order. Both sides tell the version they speak; then the client asks for a session
//! and hands over what the command is to have as its input and outputs.

use std::fs::File;
use std::io::{self, BufReader, IoSlice, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::group::Watched;
use super::{Error, Finished, PIPE_BYTES, read_end};
use crate::sys::Cancel;
use crate::sys::cancel::BreakGuard;

const VERSION: u32 = 4;
const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const SESSION_OPENED: u32 = 0x8000_0006;

/// How long a session may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// No packet that we get is longer.
const LONGEST: u64 = 64 << 10;

/// The exit code by which ssh tells that it did not get through to the command.
pub const NOT_CONNECTED: i32 = 255;

/// Runs `command`, a text for the shell on the other side, through the connection shared at `socket`; its standard
/// output goes to `stdout` as it comes.
///
/// Where there is no connection, or it breaks, the end is that of ssh, [`NOT_CONNECTED`].
///
/// # Errors
/// When `stdout` does not take what comes, or a stop is asked for.
pub fn run_shared(
    socket: &Path,
    command: &str,
    stdout: &mut dyn Write,
    cancel: &Cancel,
) -> Result<Finished, Error> {
    cancel.check()?;
    let started = Instant::now();
    let mut stderr = Vec::new();
    let ended = Session::open(socket, command, cancel).map(|session| session.drain(stdout, &mut stderr));
    cancel.check()?;
    let code = match ended {
        Ok(Ok(code)) => code,
        Ok(Err(source)) => return Err(Error::Io { command: command.to_owned(), source }),
        Err(error) => {
            stderr = error.to_string().into_bytes();
            NOT_CONNECTED
        }
    };
    Ok(Finished { code, stdout: Vec::new(), stderr, took: started.elapsed() })
}

/// A command that runs. Without the session it is ended.
struct Session {
    socket: UnixStream,
    stdout: Watched<PipeReader>,
    stderr: Watched<PipeReader>,
    _breaker: BreakGuard,
}

impl Session {
    fn open(socket: &Path, command: &str, cancel: &Cancel) -> io::Result<Self> {
        let mut socket = UnixStream::connect(socket)?;
        let (stop, waiting) = io::pipe()?;
        let breaker = break_with(cancel, socket.try_clone()?, waiting);
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let (stdout, for_stdout) = io::pipe()?;
        let (stderr, for_stderr) = io::pipe()?;
        socket.write_all(&[hello(), new_session(command)].concat())?;
        for descriptor in [File::open("/dev/null")?.into(), for_stdout.into(), for_stderr.into()] {
            hand_over(&socket, &descriptor)?;
        }
        let version = expect(&mut socket, HELLO)?.number(1);
        if version != Some(VERSION) {
            return Err(io::Error::other("ssh shares its connection in another way than is known here"));
        }
        expect(&mut socket, SESSION_OPENED)?;
        socket.set_read_timeout(None)?;
        let stop = Arc::new(stop);
        let [stdout, stderr] = [stdout, stderr].map(|pipe| Watched::new(pipe, stop.clone()));
        Ok(Self { socket, stdout, stderr, _breaker: breaker })
    }

    /// Empties the pipes until the command has ended; gives its exit code.
    fn drain(self, stdout: &mut dyn Write, stderr: &mut Vec<u8>) -> io::Result<i32> {
        let Self { mut socket, stdout: output, stderr: errors, .. } = self;
        thread::scope(|scope| {
            let errors = scope.spawn(move || read_end(errors));
            let copied = io::copy(&mut BufReader::with_capacity(PIPE_BYTES, output), stdout);
            if copied.is_err() {
                // Whoever writes to the other pipe must let go of it.
                let _ = socket.shutdown(Shutdown::Both);
            }
            *stderr = errors.join().unwrap_or_else(|_| Ok(Vec::new()))?;
            copied?;
            // Behind the number of the session. There is no such message where the connection has broken.
            let code = expect(&mut socket, EXIT_MESSAGE).ok().and_then(|exit| exit.number(2));
            Ok(code.map_or(NOT_CONNECTED, u32::cast_signed))
        })
    }
}

/// Has all that a session waits for end when a stop is asked for.
fn break_with(cancel: &Cancel, socket: UnixStream, waiting: PipeWriter) -> BreakGuard {
    let waiting = Mutex::new(Some(waiting));
    cancel.break_with(move || {
        drop(waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = socket.shutdown(Shutdown::Both);
    })
}

fn hello() -> Vec<u8> {
    packet(&[&HELLO.to_be_bytes(), &VERSION.to_be_bytes()])
}

/// Asks for a session without a terminal, in which nothing is forwarded and no character escapes.
fn new_session(command: &str) -> Vec<u8> {
    let [id, reserved, terminal, x11, agent, subsystem] = [[0; 4]; 6];
    let (escape, terminal_type) = ([0xff; 4], [0; 4]);
    let (kind, length) = (NEW_SESSION.to_be_bytes(), length(command.len()));
    let flags = [terminal, x11, agent, subsystem].concat();
    packet(&[&kind, &id, &reserved, &flags, &escape, &terminal_type, &length, command.as_bytes()])
}

fn packet(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&length(content.len()), &content[..]].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    // A command that were longer could not be an argument of ssh either.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

/// Gives the other side a descriptor: a byte that it comes along with, and each in a message of its own.
fn hand_over(socket: &UnixStream, descriptor: &OwnedFd) -> io::Result<()> {
    let descriptors = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// What comes next, which must be of this kind.
fn expect(socket: &mut UnixStream, kind: u32) -> io::Result<Packet> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut packet = Packet(Vec::new());
    socket.take(u32::from_be_bytes(length).into()).take(LONGEST).read_to_end(&mut packet.0)?;
    if packet.number(0) != Some(kind) {
        // What it says instead is text, behind the numbers.
        let said = String::from_utf8_lossy(packet.0.get(12..).unwrap_or_default()).into_owned();
        return Err(io::Error::other(format!("the shared connection does not take the command: {said}")));
    }
    Ok(packet)
}

/// What ssh says.
struct Packet(Vec<u8>);

impl Packet {
    /// One of the numbers that it begins with.
    fn number(&self, index: usize) -> Option<u32> {
        let bytes = self.0.get(4 * index..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What comes of a command when `ssh` is what listens at the socket.
    fn finished(cancel: &Cancel, ssh: impl FnOnce(UnixStream) + Send) -> Result<Finished, Error> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("ssh");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || ssh(listener.accept().unwrap().0));
            run_shared(&socket, "barman", &mut Vec::new(), cancel)
        })
    }

    #[test]
    fn a_connection_that_is_not_there_or_not_of_ssh_ends_as_ssh_does() {
        let nowhere = run_shared(Path::new("/nowhere"), "barman", &mut Vec::new(), &Cancel::default());
        assert_eq!(nowhere.unwrap().code, NOT_CONNECTED);
        let gone = finished(&Cancel::default(), drop);
        assert_eq!(gone.unwrap().code, NOT_CONNECTED);
        let refused = finished(&Cancel::default(), |mut ssh| {
            let reason = [&0x8000_0003_u32.to_be_bytes(), &[0; 4], &length(4), &b"busy"[..]];
            ssh.write_all(&[hello(), packet(&reason)].concat()).unwrap();
            // Whoever leaves bytes unread breaks the connection.
            io::copy(&mut ssh, &mut io::sink()).unwrap();
        });
        let refused = refused.unwrap();
        assert_eq!(refused.code, NOT_CONNECTED);
        assert!(refused.stderr_text().ends_with(": busy"), "{refused:?}");
    }

    #[test]
    fn a_stop_ends_the_wait_for_an_ssh_that_says_nothing() {
        let cancel = Cancel::default();
        let asked = finished(&cancel, |mut ssh| {
            ssh.read_exact(&mut [0]).unwrap();
            cancel.cancel();
            io::copy(&mut ssh, &mut io::sink()).unwrap();
        });
        assert!(matches!(asked, Err(Error::Cancelled(_))), "{asked:?}");
    }
}
