//! Which server, and how: hosts and addresses in order, plain and TLS as `sslmode` asks, until one will do.
//!
//! What "will do" means the caller tells: it runs the start-up of its protocol on the stream. So SQL and the
//! replication protocol come to their server in the same way.

use std::cell::OnceCell;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};

use super::conninfo::{Host, Password, Settings, SslMode, TargetSession};
use super::error::{Attempt, Error};
use super::socket::{Address, Deadline, TcpOptions, describe, dial};
use super::stream::Stream;
use super::tls;
use crate::sys::{self, Cancel, Files};

/// Why a server was not taken, and what to do about it.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection: the next address is tried.
    Unreachable(String),
    /// TLS was not possible: plain is tried where `prefer` allows it.
    Tls(String),
    /// The server refused us before we were authenticated: the other of plain and TLS may be let in.
    Refused(String),
    /// The server cannot serve us, or is not what `target_session_attrs` asks for: the next host is tried.
    OtherHost(String),
    /// The server is too old to know that sessions have names (before 9.0).
    NameUnknown(String),
    /// Anything else ends the search.
    Final(String),
}

/// What the start-up on a new stream needs to know.
pub(super) struct Attempted<'a> {
    /// How the stream was made.
    pub(super) route: &'a Route,
    pub(super) password: &'a Password,
    pub(super) deadline: Deadline,
    /// What the server must be this time round.
    pub(super) session: TargetSession,
}

/// A way that has led to a server, to go it again for a cancel request.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) address: Address,
    options: TcpOptions,
    tls: Option<Arc<tls::Connector>>,
}

/// Tries server after server until `start` succeeds on a stream.
pub(super) fn connect<T>(
    settings: &Settings,
    files: &Files,
    cancel: &Cancel,
    start: impl FnMut(Stream, &Attempted<'_>) -> Result<T, Failure>,
) -> Result<T, Error> {
    let rounds: &[TargetSession] = match settings.session {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        ref only => std::slice::from_ref(only),
    };
    let mut search = Search { settings, files, cancel, start, failed: Vec::new(), tls: OnceCell::new() };
    for session in rounds {
        search.failed.clear();
        for host in in_order(settings.hosts.iter().collect(), settings.random_order) {
            match search.try_host(host, *session)? {
                Tried::Done(done) => return Ok(done),
                Tried::NextHost => {}
                Tried::Stop => return Err(Error::Connect(search.failed)),
            }
        }
    }
    Err(Error::Connect(search.failed))
}

struct Search<'a, F> {
    settings: &'a Settings,
    files: &'a Files,
    cancel: &'a Cancel,
    start: F,
    failed: Vec<Attempt>,
    /// Made when a server first gets as far as TLS.
    tls: OnceCell<Result<Arc<tls::Connector>, String>>,
}

enum Tried<T> {
    Done(T),
    NextHost,
    Stop,
}

impl<T, F: FnMut(Stream, &Attempted<'_>) -> Result<T, Failure>> Search<'_, F> {
    fn try_host(&mut self, host: &Host, session: TargetSession) -> Result<Tried<T>, Error> {
        let addresses = match Address::resolve(host) {
            Ok(addresses) => in_order(addresses, self.settings.random_order),
            Err(error) => {
                self.failed.push(Attempt::unresolved(host, &error));
                return Ok(Tried::NextHost);
            }
        };
        for address in addresses {
            let attempts = encryption(self.settings.tls.mode, &address);
            for (at, encrypt) in attempts.iter().enumerate() {
                let failure = match self.try_once(&address, *encrypt, host, session) {
                    Ok(done) => return Ok(Tried::Done(done)),
                    Err(failure) => failure,
                };
                self.cancel.check()?;
                self.failed.push(Attempt::failed(&address, &failure));
                let is_last = at + 1 == attempts.len();
                match failure {
                    Failure::Unreachable(_) => break,
                    Failure::OtherHost(_) => return Ok(Tried::NextHost),
                    Failure::Tls(_) | Failure::Refused(_) if !is_last => {}
                    Failure::Tls(_) | Failure::Refused(_) | Failure::NameUnknown(_) | Failure::Final(_) => {
                        return Ok(Tried::Stop);
                    }
                }
            }
        }
        Ok(Tried::NextHost)
    }

    fn try_once(
        &mut self,
        address: &Address,
        encrypt: Encrypt,
        host: &Host,
        session: TargetSession,
    ) -> Result<T, Failure> {
        let deadline = Deadline::after(self.settings.connect_timeout);
        let mut route = Route { address: address.clone(), options: TcpOptions::of(self.settings), tls: None };
        let stream = dial(address, &route.options, deadline, self.cancel)?;
        let socket = stream.duplicate()?;
        let _breaker = self.cancel.break_with(move || socket.interrupt());
        self.check_peer(&stream)?;
        let stream = match (stream, encrypt) {
            (Stream::Tcp(socket), Encrypt::IfPossible | Encrypt::Always) => {
                let connector = self.connector()?;
                let stream = encrypt_stream(socket, &connector, address, deadline)?;
                if stream.is_encrypted() {
                    route.tls = Some(connector);
                } else if encrypt == Encrypt::Always {
                    return Err(Failure::Tls("server does not support SSL, but SSL was required".into()));
                }
                stream
            }
            (plain, _) => plain,
        };
        let attempted = Attempted { route: &route, password: &host.password, deadline, session };
        (self.start)(stream, &attempted).map_err(|failure| match failure {
            // Without TLS this time already: there is no other way to try.
            Failure::Refused(reason) if encrypt == Encrypt::IfPossible && route.tls.is_none() => {
                Failure::Final(reason)
            }
            other => other,
        })
    }

    fn connector(&self) -> Result<Arc<tls::Connector>, Failure> {
        let make = || tls::Connector::new(&self.settings.tls, self.files);
        let made = self.tls.get_or_init(|| make().map(Arc::new).map_err(|error| error.to_string()));
        made.clone().map_err(Failure::Tls)
    }

    /// Honours `requirepeer`: the server at the other end of a unix socket must run as that user.
    fn check_peer(&self, stream: &Stream) -> Result<(), Failure> {
        let (Some(wanted), Stream::Unix(socket)) = (&self.settings.require_peer, stream) else {
            return Ok(());
        };
        let peer = getsockopt(socket, sockopt::PeerCredentials)
            .map_err(|error| Failure::Final(format!("could not get peer credentials: {}", error.desc())))?;
        let actual = sys::user::name_of(peer.uid()).unwrap_or_else(|| peer.uid().to_string());
        if actual == *wanted {
            return Ok(());
        }
        Err(Failure::Final(format!(
            "requirepeer specifies \"{wanted}\", but actual peer user name is \"{actual}\""
        )))
    }
}

impl Route {
    /// Connects again in the same way.
    pub(super) fn dial_again(&self, deadline: Deadline) -> Result<Stream, Failure> {
        let stream = dial(&self.address, &self.options, deadline, &Cancel::default())?;
        match (stream, &self.tls) {
            (Stream::Tcp(socket), Some(connector)) => {
                encrypt_stream(socket, connector, &self.address, deadline)
            }
            (plain, _) => Ok(plain),
        }
    }
}

impl From<io::Error> for Failure {
    /// What happens to a socket before TLS and authentication makes the server unreachable.
    fn from(error: io::Error) -> Self {
        Self::Unreachable(describe(&error))
    }
}

/// What one attempt does about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encrypt {
    Never,
    IfPossible,
    Always,
}

/// The attempts of each mode; a unix socket is never encrypted.
fn encryption(mode: SslMode, address: &Address) -> &'static [Encrypt] {
    match (mode, address) {
        (_, Address::Unix(_)) | (SslMode::Disable, _) => &[Encrypt::Never],
        (SslMode::Allow, _) => &[Encrypt::Never, Encrypt::Always],
        (SslMode::Prefer, _) => &[Encrypt::IfPossible, Encrypt::Never],
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => &[Encrypt::Always],
    }
}

/// Asks the server for TLS; gives the plain connection back when it has none.
fn encrypt_stream(
    socket: TcpStream,
    connector: &tls::Connector,
    address: &Address,
    deadline: Deadline,
) -> Result<Stream, Failure> {
    /// Length and code of the request, see "SSLRequest" in the manual's chapter on message formats.
    const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::Unreachable("timeout expired".into()),
        io::ErrorKind::UnexpectedEof => Failure::Tls("server closed the connection unexpectedly".into()),
        _ => Failure::Tls(describe(&error)),
    };
    limit(&socket, deadline).map_err(broken)?;
    if !connector.is_direct() {
        let mut answer = [0];
        (&socket).write_all(&REQUEST).and_then(|()| (&socket).read_exact(&mut answer)).map_err(broken)?;
        match &answer {
            b"S" => {}
            b"N" => {
                limit(&socket, Deadline::after(None)).map_err(broken)?;
                return Ok(Stream::Tcp(socket));
            }
            // An error's text comes unprotected from whoever is there, and is not repeated.
            b"E" => return Err(Failure::Tls("server sent an error response during SSL exchange".into())),
            _ => return Err(Failure::Tls("received invalid response to SSL negotiation".into())),
        }
    }
    let host = match address {
        Address::Tcp { name, .. } => name.as_deref(),
        Address::Unix(_) => None,
    };
    let tls = connector.handshake(socket, host).map_err(|error| Failure::Tls(error.to_string()))?;
    limit(tls.get_ref(), Deadline::after(None)).map_err(broken)?;
    Ok(Stream::Tls(Box::new(tls)))
}

fn limit(socket: &TcpStream, deadline: Deadline) -> io::Result<()> {
    let left = deadline.left()?;
    socket.set_read_timeout(left)?;
    socket.set_write_timeout(left)
}

/// The items as they are, or in random order.
fn in_order<T>(mut items: Vec<T>, random: bool) -> Vec<T> {
    if random {
        items.sort_by_cached_key(|_| RandomState::new().hash_one(()));
    }
    items
}

#[cfg(test)]
mod tests;
