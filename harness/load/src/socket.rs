//! A stream to the target, over any transport. It knows addresses and bytes, not their meaning.
//!
//! One type with a branch for each kind, so that a read costs no call through a pointer.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use comeback_model::operation::ErrorClass;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::plain::Plain;
use super::tls::Encrypted;

/// A stream with or without encryption.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(Plain),
    Tls(Encrypted),
}

impl Socket {
    /// Whether the server closed the stream while it was idle, or sent unrequested bytes.
    pub(super) fn is_spoiled(&mut self, scratch: &mut [u8]) -> bool {
        match self {
            Self::Plain(plain) => plain.is_spoiled(scratch),
            Self::Tls(stream) => {
                // Bytes may have come that belong to TLS itself: only reading tells. Unconstrained, since a
                // task that has used up its turn is told that nothing is there.
                let mut buffer = ReadBuf::new(scratch);
                let reading =
                    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer));
                let reading = pin!(tokio::task::unconstrained(reading));
                let mut nobody = Context::from_waker(Waker::noop());
                reading.poll(&mut nobody).is_ready()
            }
        }
    }

    /// How many bytes have left, where `given` were written: behind TLS that is not for the writer to say.
    pub(super) fn left(&self, given: usize) -> u64 {
        match self {
            Self::Plain(_) => given as u64,
            Self::Tls(stream) => stream.written(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The error class of a failed attempt to connect.
pub(super) fn class_of_connect(error: &io::Error) -> ErrorClass {
    use nix::libc::{EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    match error.raw_os_error() {
        Some(EMFILE | ENFILE | EADDRNOTAVAIL | ENOBUFS | ENOMEM) => ErrorClass::HarnessError,
        Some(nix::libc::ETIMEDOUT) => ErrorClass::ConnectTimeout,
        _ => ErrorClass::Refused,
    }
}
