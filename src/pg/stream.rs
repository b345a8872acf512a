//! The byte stream to a server, ready for the start-up packet.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{ErrorCode, SslStream};

use super::tls;

/// A connection on which PostgreSQL's protocol can begin: SQL runs on it, and the replication protocol can.
///
/// Reading and writing block until [`Stream::set_nonblocking`].
pub enum Stream {
    /// A unix socket, never encrypted.
    Unix(UnixStream),
    /// TCP without encryption.
    Tcp(TcpStream),
    /// TCP with TLS, the handshake done and the certificate checked as far as `sslmode` asks.
    Tls(Box<SslStream<TcpStream>>),
}

/// What a stream in non-blocking mode waits for; TLS may want to read before it can write.
#[derive(Debug)]
pub(super) enum Blocked {
    OnRead,
    OnWrite,
    Failed(io::Error),
}

impl Stream {
    /// Whether what is sent is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Makes reads and writes return at once with `WouldBlock` when they would have to wait.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_nonblocking(nonblocking),
            Self::Tcp(socket) => socket.set_nonblocking(nonblocking),
            Self::Tls(tls) => tls.get_ref().set_nonblocking(nonblocking),
        }
    }

    /// The hash of the server's certificate that SCRAM binds itself to (RFC 5929, tls-server-end-point).
    ///
    /// `None` without TLS, and for certificates whose signature names no hash (Ed25519).
    pub fn channel_binding(&self) -> Option<Vec<u8>> {
        let Self::Tls(tls) = self else { return None };
        let certificate = tls.ssl().peer_certificate()?;
        let signature = certificate.signature_algorithm().object().nid().signature_algorithms()?;
        let digest = match signature.digest {
            Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
            other => MessageDigest::from_nid(other)?,
        };
        certificate.digest(digest).ok().map(|hash| hash.to_vec())
    }

    /// A second handle on the socket below.
    pub(super) fn duplicate(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(socket) => socket.try_clone().map(Socket::Unix),
            Self::Tcp(socket) => socket.try_clone().map(Socket::Tcp),
            Self::Tls(tls) => tls.get_ref().try_clone().map(Socket::Tcp),
        }
    }

    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, Blocked> {
        match self {
            Self::Unix(socket) => socket.read(buffer).map_err(|error| blocked(error, Blocked::OnRead)),
            Self::Tcp(socket) => socket.read(buffer).map_err(|error| blocked(error, Blocked::OnRead)),
            Self::Tls(tls) => match tls.ssl_read(buffer) {
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(0),
                Err(error) if error.code() == ErrorCode::SYSCALL && error.io_error().is_none() => Ok(0),
                other => other.map_err(tls_blocked),
            },
        }
    }

    pub(super) fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Blocked> {
        match self {
            Self::Unix(socket) => socket.write(bytes).map_err(|error| blocked(error, Blocked::OnWrite)),
            Self::Tcp(socket) => socket.write(bytes).map_err(|error| blocked(error, Blocked::OnWrite)),
            // OpenSSL takes no empty writes.
            Self::Tls(_) if bytes.is_empty() => Ok(0),
            Self::Tls(tls) => tls.ssl_write(bytes).map_err(tls_blocked),
        }
    }

    /// Says good-bye as far as that needs no waiting.
    pub(super) fn close(&mut self) {
        match self {
            Self::Unix(socket) => drop(socket.shutdown(Shutdown::Both)),
            Self::Tcp(socket) => drop(socket.shutdown(Shutdown::Both)),
            Self::Tls(tls) => {
                let _ = tls.shutdown();
                let _ = tls.get_ref().shutdown(Shutdown::Both);
            }
        }
    }
}

fn blocked(error: io::Error, on: Blocked) -> Blocked {
    if error.kind() == io::ErrorKind::WouldBlock { on } else { Blocked::Failed(error) }
}

fn tls_blocked(error: openssl::ssl::Error) -> Blocked {
    match error.code() {
        ErrorCode::WANT_READ => Blocked::OnRead,
        ErrorCode::WANT_WRITE => Blocked::OnWrite,
        _ => Blocked::Failed(
            error.into_io_error().unwrap_or_else(|error| io::Error::other(tls::describe(&error))),
        ),
    }
}

impl From<Blocked> for io::Error {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::OnRead | Blocked::OnWrite => io::ErrorKind::WouldBlock.into(),
            Blocked::Failed(error) => error,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_read(buffer)?)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.try_write(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket below a stream.
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    /// Ends the connection: whoever waits on the stream is woken and finds it closed.
    pub(super) fn interrupt(&self) {
        // An error means that the connection is gone already.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}
