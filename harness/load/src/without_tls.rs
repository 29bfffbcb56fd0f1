//! What stands in the place of `tls` where the feature `tls` is off: no stream is ever encrypted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use comeback_model::plan::Protocol;
use reqwest::ClientBuilder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::plain::Plain;

/// A handshake that cannot be had.
pub(super) enum Handshake {}

impl Handshake {
    /// # Errors
    /// Always.
    pub(super) fn of(protocol: Protocol) -> io::Result<Self> {
        super::check_support(protocol)?;
        Err(io::Error::other("nothing is encrypted without TLS"))
    }

    pub(super) async fn encrypt(&self, _: Plain) -> io::Result<Encrypted> {
        match *self {}
    }
}

/// Leaves the client as it is.
///
/// # Errors
/// If the protocol needs TLS.
pub(super) fn encrypt_client(
    client: ClientBuilder,
    protocol: Protocol,
) -> io::Result<ClientBuilder> {
    super::check_support(protocol)?;
    Ok(client)
}

/// There is none.
#[derive(Debug)]
pub(super) enum Encrypted {}

impl Encrypted {
    pub(super) fn written(&self) -> u64 {
        match *self {}
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self.get_mut() {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}
