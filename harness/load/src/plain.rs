//! A stream to the target without encryption, over TCP or a Unix socket.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use comeback_model::endpoint::Endpoint;

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

    /// Whether the server closed the stream while it was idle, or sent unrequested bytes.
    pub(super) fn is_spoiled(&self, scratch: &mut [u8]) -> bool {
        // Without readiness this makes no system call.
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
        // The kernel has the written bytes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
