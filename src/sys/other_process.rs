//! Processes that are not ours to wait for: those that hold a lock, or listen for us.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use nix::unistd::Pid;

/// Asks a process to stop, as Ctrl-C does; `false` when there is no such process any more.
pub fn interrupt(pid: u32) -> io::Result<bool> {
    send(pid, Some(Signal::SIGINT))
}

/// Whether the process is there.
pub fn exists(pid: u32) -> bool {
    // One that we may not signal is there.
    send(pid, None).unwrap_or(true)
}

/// Whether a process listens at a socket; what a killed one has left is none.
pub fn listens_at(socket: &Path) -> bool {
    connect_at_once(socket).is_ok()
}

/// Connects to the process that listens at a socket, unless that is stopped and too many wait for it already.
pub fn connect_at_once(socket: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(descriptor.as_raw_fd(), &UnixAddr::new(socket)?)?;
    let stream = UnixStream::from(descriptor);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn send(pid: u32, signal: Option<Signal>) -> io::Result<bool> {
    // The numbers below 1 mean groups of processes, and 1 is the machine.
    let Some(number) = i32::try_from(pid).ok().filter(|number| *number > 1) else { return Ok(false) };
    match kill(Pid::from_raw(number), signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_interrupted_and_then_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(exists(child.id()) && interrupt(child.id()).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
        assert!(!exists(child.id()) && !interrupt(child.id()).unwrap());
    }

    #[test]
    fn numbers_that_mean_more_than_one_process_are_never_signalled() {
        for pid in [0, 1, u32::MAX] {
            assert!(!interrupt(pid).unwrap());
        }
    }
}
