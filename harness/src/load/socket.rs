//! A stream to the target, whatever it runs over. Knows addresses and bytes, not what they say.
//!
//! One type with a branch for each kind, so that a read costs no call through a pointer.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use comeback_core::operation::ErrorClass;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::endpoint::Endpoint;

/// How soon it is tried again while a Unix socket's backlog is full: the kernel answers a non-blocking
/// connect at once then, where TCP goes on trying by itself.
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);

/// A stream without encryption.
#[derive(Debug)]
pub(super) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Plain {
    /// Connects; over TCP with Nagle's algorithm off.
    pub(super) async fn connect(to: &Endpoint) -> io::Result<Self> {
        let Some(path) = &to.socket else {
            let stream = TcpStream::connect(to.tcp_address()).await?;
            // Failing to set it costs latency only, and the kernel has no reason to.
            let _ = stream.set_nodelay(true);
            return Ok(Self::Tcp(stream));
        };
        loop {
            match UnixStream::connect(path).await {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    tokio::time::sleep(BACKLOG_PAUSE).await;
                }
                connected => return connected.map(Self::Unix),
            }
        }
    }

    /// Whether the server closed the stream while it was idle, or sent what nobody asked for.
    pub(super) fn is_spoiled(&self, scratch: &mut [u8]) -> bool {
        // Without readiness this is no system call.
        let read = match self {
            Self::Tcp(stream) => stream.try_read(scratch),
            Self::Unix(stream) => stream.try_read(scratch),
        };
        !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has what was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What a failed attempt to connect means.
pub(super) fn class_of_connect(error: &io::Error) -> ErrorClass {
    use nix::libc::{EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    match error.raw_os_error() {
        Some(EMFILE | ENFILE | EADDRNOTAVAIL | ENOBUFS | ENOMEM) => ErrorClass::HarnessError,
        Some(nix::libc::ETIMEDOUT) => ErrorClass::ConnectTimeout,
        _ => ErrorClass::Refused,
    }
}
