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

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{ControlMessage, MsgFlags, getsockopt, sendmsg};

use super::group::Watched;
use super::{Error, Finished, NOT_CONNECTED, PIPE_BYTES, read_end};
use crate::sys::Cancel;
use crate::sys::cancel::BreakGuard;
use crate::sys::other_process::connect_at_once;

const VERSION: u32 = 4;
const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const ALIVE_CHECK: u32 = 0x1000_0004;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;

/// The number of the only request in a talk.
const REQUEST: [u8; 4] = [0; 4];

/// How long a session may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// No packet that we get is longer.
const LONGEST: u32 = 64 << 10;

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
    let opened = Session::open(socket, command, cancel);
    let drained = opened.map(|session| (session.talk.ssh, session.drain(stdout)));
    cancel.check()?;
    let ended = match drained {
        Ok((ssh, Ok(Output { code, stderr }))) => {
            ensure_alive(socket, ssh, cancel).and(code).map(|code| (code, stderr))
        }
        Ok((_, Err(source))) => return Err(Error::Io { command: command.to_owned(), source }),
        Err(error) => Err(error),
    };
    cancel.check()?;
    let (code, stderr) = ended.unwrap_or_else(|error| (NOT_CONNECTED, error.to_string().into_bytes()));
    Ok(Finished { code, stdout: Vec::new(), stderr, took: started.elapsed() })
}

/// Fails when the connection of `ssh` has broken by now.
///
/// An exit code may come before the last of the output, and then the end of the connection looks like that of the
/// output. If the same ssh still answers, it was the true one.
fn ensure_alive(socket: &Path, ssh: i32, cancel: &Cancel) -> io::Result<()> {
    let mut talk = Talk::begin(socket, cancel)?;
    if talk.ssh != ssh {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    talk.say(&packet(&[&ALIVE_CHECK.to_be_bytes(), &REQUEST]))?;
    talk.hear(ALIVE).map(drop)
}

/// What came of a command, but for its standard output.
struct Output {
    /// An error when the connection has broken before.
    code: io::Result<i32>,
    /// The end of what it wrote to standard error.
    stderr: Vec<u8>,
}

/// A command that runs. Without the session it is ended.
struct Session {
    talk: Talk,
    stdout: Watched<PipeReader>,
    stderr: Watched<PipeReader>,
}

impl Session {
    fn open(socket: &Path, command: &str, cancel: &Cancel) -> io::Result<Self> {
        let mut talk = Talk::begin(socket, cancel)?;
        let (stdout, for_stdout) = io::pipe()?;
        let (stderr, for_stderr) = io::pipe()?;
        talk.say(&new_session(command))?;
        for descriptor in [File::open("/dev/null")?.into(), for_stdout.into(), for_stderr.into()] {
            talk.hand_over(&descriptor)?;
        }
        talk.hear(SESSION_OPENED)?;
        talk.socket.set_read_timeout(None)?;
        let [stdout, stderr] = [stdout, stderr].map(|pipe| Watched::new(pipe, talk.stop.clone()));
        Ok(Self { talk, stdout, stderr })
    }

    /// Empties the pipes until the command has ended; fails when `stdout` does.
    fn drain(self, stdout: &mut dyn Write) -> io::Result<Output> {
        let Self { mut talk, stdout: output, stderr: errors } = self;
        thread::scope(|scope| {
            let errors = scope.spawn(move || read_end(errors));
            let copied = io::copy(&mut BufReader::with_capacity(PIPE_BYTES, output), stdout);
            if copied.is_err() {
                // The command may go on for long.
                talk.end.now();
            }
            let stderr = errors.join().unwrap_or_else(|_| Ok(Vec::new()));
            copied?;
            // Behind the number of the session.
            let code = talk.hear(EXIT_MESSAGE).and_then(|exit| exit.number(2)).map(u32::cast_signed);
            Ok(Output { code, stderr: stderr? })
        })
    }
}

/// A talk with the ssh that shares its connection.
struct Talk {
    socket: UnixStream,
    /// The number of the process that has made the socket.
    ssh: i32,
    /// Ends when the talk has to.
    stop: Arc<PipeReader>,
    end: Arc<Ending>,
    _breaker: BreakGuard,
}

impl Talk {
    fn begin(socket: &Path, cancel: &Cancel) -> io::Result<Self> {
        let socket = connect_at_once(socket)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let ssh = getsockopt(&socket, PeerCredentials)?.pid();
        let (stop, waiting) = io::pipe()?;
        let end = Arc::new(Ending { waiting: Mutex::new(Some(waiting)), socket: socket.try_clone()? });
        let ending = end.clone();
        let breaker = cancel.break_with(move || ending.now());
        let mut talk = Self { socket, ssh, stop: Arc::new(stop), end, _breaker: breaker };
        talk.say(&hello())?;
        match talk.hear(HELLO)?.number(1)? {
            VERSION => Ok(talk),
            other => Err(io::Error::other(format!("ssh shares its connection by version {other}"))),
        }
    }

    fn say(&mut self, packet: &[u8]) -> io::Result<()> {
        self.socket.write_all(packet)
    }

    /// Gives ssh a descriptor: it comes along with a byte, and each in a message of its own.
    fn hand_over(&self, descriptor: &OwnedFd) -> io::Result<()> {
        let descriptors = [descriptor.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let byte = [IoSlice::new(&[0])];
        sendmsg::<()>(self.socket.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// What ssh says next, which must be of this kind.
    fn hear(&mut self, kind: u32) -> io::Result<Packet> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length).min(LONGEST);
        let mut packet = Packet(vec![0; length as usize]);
        self.socket.read_exact(&mut packet.0)?;
        if packet.number(0)? != kind {
            // What it says instead is text, behind two numbers and its length.
            let said = String::from_utf8_lossy(packet.0.get(12..).unwrap_or_default()).into_owned();
            return Err(io::Error::other(format!("the shared connection does not take the command: {said}")));
        }
        Ok(packet)
    }
}

/// The end of all that a talk waits for.
struct Ending {
    waiting: Mutex<Option<PipeWriter>>,
    socket: UnixStream,
}

impl Ending {
    fn now(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Something said.
struct Packet(Vec<u8>);

impl Packet {
    /// One of the numbers that it begins with.
    fn number(&self, index: usize) -> io::Result<u32> {
        let bytes = self.0.get(4 * index..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}

fn hello() -> Vec<u8> {
    packet(&[&HELLO.to_be_bytes(), &VERSION.to_be_bytes()])
}

/// Asks for a session without a terminal, in which nothing is forwarded and no character escapes.
fn new_session(command: &str) -> Vec<u8> {
    let [reserved, terminal, x11, agent, subsystem] = [[0; 4]; 5];
    let (escape, terminal_type) = ([0xff; 4], [0; 4]);
    let (kind, length) = (NEW_SESSION.to_be_bytes(), length(command.len()));
    let flags = [terminal, x11, agent, subsystem].concat();
    packet(&[&kind, &REQUEST, &reserved, &flags, &escape, &terminal_type, &length, command.as_bytes()])
}

fn packet(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&length(content.len()), &content[..]].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    // A command that were longer could not be an argument of ssh either.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What comes of a command when `ssh` is what listens at the socket.
    fn finished(cancel: &Cancel, ssh: impl FnOnce(&UnixListener) + Send) -> Result<Finished, Error> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("ssh");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || ssh(&listener));
            run_shared(&socket, "barman", &mut Vec::new(), cancel)
        })
    }

    /// Takes part in a talk.
    fn greet(listener: &UnixListener) -> UnixStream {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&hello()).unwrap();
        socket.read_exact(&mut vec![0; hello().len()]).unwrap();
        socket
    }

    /// Runs a command that ends with `code`.
    fn serve(listener: &UnixListener, code: u32) {
        let mut socket = greet(listener);
        socket.read_exact(&mut vec![0; new_session("barman").len()]).unwrap();
        // The descriptors are closed with the bytes that they come along with.
        socket.read_exact(&mut [0; 3]).unwrap();
        let opened = packet(&[&SESSION_OPENED.to_be_bytes(), &REQUEST, &[0; 4]]);
        let exit = packet(&[&EXIT_MESSAGE.to_be_bytes(), &[0; 4], &code.to_be_bytes()]);
        socket.write_all(&[opened, exit].concat()).unwrap();
    }

    #[test]
    fn the_exit_code_counts_when_ssh_is_still_there() {
        for code in [0, 1] {
            let ended = finished(&Cancel::default(), |listener| {
                serve(listener, code);
                let mut socket = greet(listener);
                socket.write_all(&packet(&[&ALIVE.to_be_bytes(), &REQUEST, &[0; 4]])).unwrap();
                io::copy(&mut socket, &mut io::sink()).unwrap();
            });
            assert_eq!(ended.unwrap().code, code.cast_signed());
            let ended = finished(&Cancel::default(), |listener| serve(listener, code));
            assert_eq!(ended.unwrap().code, NOT_CONNECTED);
        }
    }

    #[test]
    fn a_connection_that_is_not_there_or_not_of_ssh_ends_as_ssh_does() {
        let nowhere = run_shared(Path::new("/nowhere"), "barman", &mut Vec::new(), &Cancel::default());
        assert_eq!(nowhere.unwrap().code, NOT_CONNECTED);
        let gone = finished(&Cancel::default(), |listener| drop(listener.accept()));
        assert_eq!(gone.unwrap().code, NOT_CONNECTED);
        let refused = finished(&Cancel::default(), |listener| {
            let mut socket = greet(listener);
            let reason = [&0x8000_0003_u32.to_be_bytes(), &REQUEST, &length(4), &b"busy"[..]];
            socket.write_all(&packet(&reason)).unwrap();
            // Whoever leaves bytes unread breaks the connection.
            io::copy(&mut socket, &mut io::sink()).unwrap();
        });
        let refused = refused.unwrap();
        assert_eq!(refused.code, NOT_CONNECTED);
        assert!(refused.stderr_text().ends_with(": busy"), "{refused:?}");
    }

    #[test]
    fn a_stop_ends_the_wait_for_an_ssh_that_says_nothing() {
        let cancel = Cancel::default();
        let asked = finished(&cancel, |listener| {
            let mut socket = greet(listener);
            cancel.cancel();
            io::copy(&mut socket, &mut io::sink()).unwrap();
        });
        assert!(matches!(asked, Err(Error::Cancelled(_))), "{asked:?}");
    }
}
