//! What stands in the place of `http2` where the feature `http2` is off: no connection ever speaks it.

use std::io;

use reqwest::ClientBuilder;

use super::super::socket::Socket;
use super::super::waits::Waits;
use super::{Broken, Scratch, Wire};
use comeback_session::wire::{Reply, Wanted};

/// There is none.
#[derive(Debug)]
pub(super) enum Http2 {}

impl Http2 {
    /// # Errors
    /// Always.
    pub(super) async fn open(_: Socket) -> io::Result<Self> {
        Err(io::Error::other("this build has no HTTP/2"))
    }
}

impl Wire for Http2 {
    /// Never called: such a protocol was refused.
    fn speak(client: ClientBuilder) -> ClientBuilder {
        client
    }

    fn is_stale(&mut self, _: &Scratch) -> bool {
        match *self {}
    }

    async fn exchange<R>(
        &mut self,
        _: &[u8],
        _: &Wanted,
        _: &Scratch,
        _: &Waits,
        _: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        match *self {}
    }
}
