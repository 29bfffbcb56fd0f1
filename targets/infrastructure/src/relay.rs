//! Bodies of replies: passed on piece by piece as they come, or words of one's own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// A body on its way from a server to a client.
pub(crate) trait Relayed {
    /// Why it broke off.
    type Error;

    /// The next piece.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>>;

    /// Bytes from the server.
    fn incoming(&self) -> &Incoming;
}

/// The body of a reply.
pub(crate) enum Reply<R> {
    /// It is there as a whole; nothing once it was sent.
    Own(Option<Bytes>),
    /// A server's.
    Relayed(Box<R>),
}

impl<R> Reply<R> {
    pub(crate) fn own(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Own((!bytes.is_empty()).then_some(bytes))
    }
}

impl<R: Relayed> Body for Reply<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match &mut *self {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relayed(relay) => relay.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Relayed(relay) => relay.incoming().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Relayed(relay) => relay.incoming().size_hint(),
        }
    }
}

/// Whether a server from which nothing has come yet has been silent for too long. The time begins with the first call.
pub(crate) fn is_silent(
    patience: &mut Option<Pin<Box<Sleep>>>,
    timeout: Duration,
    context: &mut Context<'_>,
) -> bool {
    let patience = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
    patience.as_mut().poll(context).is_ready()
}
