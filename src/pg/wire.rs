//! A [`Stream`] as `tokio_postgres` wants it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::auth::Gate;
use super::stream::{Blocked, Socket, Stream};

/// The stream in non-blocking mode, watched by the runtime in whose context it was made.
pub(super) struct Wire {
    stream: Stream,
    watch: Watch,
    /// Reads along until authentication is complete; after that it is gone.
    gate: Option<Arc<Mutex<Gate>>>,
}

/// A duplicate of the socket, through which the runtime tells when it is ready; bytes go through the stream alone.
enum Watch {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Takes over a stream on which nothing was read yet.
    pub(super) fn new(stream: Stream, gate: Option<Arc<Mutex<Gate>>>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let watch = match stream.duplicate()? {
            Socket::Tcp(socket) => Watch::Tcp(TcpStream::from_std(socket)?),
            Socket::Unix(socket) => Watch::Unix(UnixStream::from_std(socket)?),
        };
        Ok(Self { stream, watch, gate })
    }

    /// Tries first and waits then: TLS may have bytes that the socket no longer has.
    fn poll_with(
        &mut self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Stream) -> Result<usize, Blocked>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match attempt(&mut self.stream) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(Blocked::OnRead) => ready!(self.watch.poll_news(context, Interest::READABLE))?,
                Err(Blocked::OnWrite) => ready!(self.watch.poll_news(context, Interest::WRITABLE))?,
                Err(Blocked::Failed(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(Blocked::Failed(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn inspect(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(shared) = &self.gate else { return Ok(()) };
        let mut gate = shared.lock().unwrap_or_else(PoisonError::into_inner);
        gate.inspect(bytes).map_err(io::Error::other)?;
        let passed = gate.is_passed();
        drop(gate);
        if passed {
            self.gate = None;
        }
        Ok(())
    }
}

impl Watch {
    /// Ready when something was heard of the socket since an attempt was blocked; that news is forgotten then, and
    /// the caller attempts again.
    fn poll_news(&self, context: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        ready!(match (self, interest.is_readable()) {
            (Self::Tcp(socket), true) => socket.poll_read_ready(context),
            (Self::Tcp(socket), false) => socket.poll_write_ready(context),
            (Self::Unix(socket), true) => socket.poll_read_ready(context),
            (Self::Unix(socket), false) => socket.poll_write_ready(context),
        })?;
        let blocked = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = match self {
            Self::Tcp(socket) => socket.try_io(interest, blocked),
            Self::Unix(socket) => socket.try_io(interest, blocked),
        };
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let free = buffer.initialize_unfilled();
        let count = ready!(this.poll_with(context, |stream| stream.try_read(free)))?;
        this.inspect(&free[..count])?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_with(context, |stream| stream.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.close();
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        let hash = self.stream.channel_binding();
        hash.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Tells `tokio_postgres` that TLS is done already, one way or the other: asked for "direct TLS" it sends nothing
/// of its own and takes what it is given, and the channel binding with it.
pub(super) struct Established;

impl TlsConnect<Wire> for Established {
    type Stream = Wire;
    type Error = Infallible;
    type Future = Ready<Result<Wire, Infallible>>;

    fn connect(self, wire: Wire) -> Self::Future {
        ready(Ok(wire))
    }
}
