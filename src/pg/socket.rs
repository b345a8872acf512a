//! From an address to a connected socket, within a time and as long as nobody asks us to stop.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};

use super::conninfo::{Host, Keepalive, Place, Settings};
use super::stream::Stream;
use crate::sys::Cancel;

/// How often a wait for a connection looks whether it shall stop.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);

/// One address of one host. Shown in the words of libpq: `server at "localhost" (127.0.0.1), port 5432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// The path of the socket; a leading `@` is the abstract name space.
    Unix(String),
    Tcp {
        address: SocketAddr,
        /// What the connection string calls the host.
        name: Option<String>,
        /// The address comes from looking up the name.
        looked_up: bool,
    },
}

impl Address {
    /// The addresses of a host; a name may have several.
    pub(super) fn resolve(host: &Host) -> io::Result<Vec<Self>> {
        match &host.place {
            Place::Unix(directory) => Ok(vec![Self::Unix(format!("{directory}/.s.PGSQL.{}", host.port))]),
            Place::Address { address, name } => {
                let address = SocketAddr::new(*address, host.port);
                Ok(vec![Self::Tcp { address, name: name.clone(), looked_up: false }])
            }
            Place::Name(name) => {
                let found = (name.as_str(), host.port).to_socket_addrs()?;
                let tcp = |address| Self::Tcp { address, name: Some(name.clone()), looked_up: true };
                let addresses: Vec<_> = found.map(tcp).collect();
                if addresses.is_empty() { Err(io::Error::other("no address")) } else { Ok(addresses) }
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "server on socket \"{path}\""),
            Self::Tcp { address, name, looked_up } => {
                let (ip, port) = (address.ip().to_string(), address.port());
                match name {
                    Some(name) if *looked_up && *name != ip => {
                        write!(f, "server at \"{name}\" ({ip}), port {port}")
                    }
                    _ => write!(f, "server at \"{ip}\", port {port}"),
                }
            }
        }
    }
}

/// The moment at which a connection must be ready; never without one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn after(span: Option<Duration>) -> Self {
        Self(span.map(|span| Instant::now() + span))
    }

    /// The time that is left; `None` when there is no limit, an error when there is none left.
    pub(super) fn left(self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.0 else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out()) } else { Ok(Some(left)) }
    }
}

pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timeout expired")
}

/// What a TCP socket is told before it connects.
#[derive(Debug, Clone, Copy)]
pub(super) struct TcpOptions {
    keepalive: Option<Keepalive>,
    user_timeout_ms: Option<u32>,
}

impl TcpOptions {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { keepalive: settings.keepalive, user_timeout_ms: settings.tcp_user_timeout_ms }
    }

    fn apply(&self, socket: &OwnedFd) -> nix::Result<()> {
        setsockopt(socket, sockopt::TcpNoDelay, &true)?;
        if let Some(keepalive) = self.keepalive {
            setsockopt(socket, sockopt::KeepAlive, &true)?;
            keepalive.idle_secs.map_or(Ok(()), |n| setsockopt(socket, sockopt::TcpKeepIdle, &n))?;
            keepalive.interval_secs.map_or(Ok(()), |n| setsockopt(socket, sockopt::TcpKeepInterval, &n))?;
            keepalive.count.map_or(Ok(()), |n| setsockopt(socket, sockopt::TcpKeepCount, &n))?;
        }
        self.user_timeout_ms.map_or(Ok(()), |n| setsockopt(socket, sockopt::TcpUserTimeout, &n))
    }
}

/// Connects; the stream is in blocking mode and not encrypted.
///
/// Fails with `Interrupted` when `cancel` is set meanwhile.
pub(super) fn dial(
    address: &Address,
    options: &TcpOptions,
    deadline: Deadline,
    cancel: &Cancel,
) -> io::Result<Stream> {
    match address {
        Address::Unix(path) => {
            let address = match path.strip_prefix('@') {
                Some(name) => UnixAddr::from_abstract_name(name)?,
                None => UnixAddr::from_pathname(path)?,
            };
            UnixStream::connect_addr(&address).map(Stream::Unix)
        }
        Address::Tcp { address, .. } => dial_tcp(*address, options, deadline, cancel).map(Stream::Tcp),
    }
}

fn dial_tcp(
    address: SocketAddr,
    options: &TcpOptions,
    deadline: Deadline,
    cancel: &Cancel,
) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = nix::sys::socket::socket(family, SockType::Stream, flags, None)?;
    options.apply(&socket)?;
    match nix::sys::socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => wait_for_connection(&socket, deadline, cancel)?,
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    socket.set_nonblocking(false)?;
    Ok(socket)
}

fn wait_for_connection(socket: &OwnedFd, deadline: Deadline, cancel: &Cancel) -> io::Result<()> {
    loop {
        cancel.check().map_err(|_| io::ErrorKind::Interrupted)?;
        let wait = deadline.left()?.map_or(LOOK_UP_EVERY, |left| left.min(LOOK_UP_EVERY));
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let mut poll = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        match nix::poll::poll(&mut poll, timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
    }
    match nix::sys::socket::getsockopt(socket, sockopt::SocketError)? {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// The system's words for an error, without its number.
pub(super) fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
