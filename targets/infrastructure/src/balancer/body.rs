//! Bodies of replies, passed on piece by piece, and what their ends mean.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pool::Link;
use super::replicas::Busy;

/// The body of a reply.
pub(super) enum Reply {
    /// The balancer's own words.
    Own(Option<Bytes>),
    /// A replica's.
    Relayed(Box<Relay>),
}

impl Reply {
    pub(super) fn own(text: String) -> Self {
        Self::Own(Some(text.into()))
    }
}

/// Why a reply broke off.
#[derive(Debug)]
pub(super) enum BrokenReply {
    /// The replica's connection ended too early.
    Replica(hyper::Error),
    /// The replica fell silent.
    Silent,
}

impl std::fmt::Display for BrokenReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replica(error) => write!(f, "the replica's reply broke off: {error}"),
            Self::Silent => f.write_str("the replica fell silent in the middle of its reply"),
        }
    }
}

impl std::error::Error for BrokenReply {}

/// A replica's reply on its way to the client.
pub(super) struct Relay {
    pub(super) incoming: Incoming,
    /// The connection it comes on; handed back at the reply's end.
    pub(super) link: Option<Link>,
    pub(super) busy: Busy,
    pub(super) begun: Instant,
    /// How long the replica may be silent.
    pub(super) timeout: Duration,
    pub(super) patience: Option<Pin<Box<Sleep>>>,
    /// Set when the client's connection must not end as if the reply were complete.
    pub(super) broken: Arc<AtomicBool>,
}

impl Relay {
    /// The reply is complete: the connection may carry the next one.
    pub(super) fn finish(&mut self) {
        if let Some(link) = self.link.take()
            && self.busy.0.is_open()
        {
            self.busy.0.pool.put(link);
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenReply>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.patience = None;
                // Who sends a body of known length does not ask for its end.
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.broken.store(true, Ordering::Relaxed);
                if !error.is_parse() {
                    self.busy.0.tell_reset(self.begun);
                }
                Poll::Ready(Some(Err(BrokenReply::Replica(error))))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let timeout = self.timeout;
                let patience = self
                    .patience
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                if patience.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.broken.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(BrokenReply::Silent)))
            }
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BrokenReply;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenReply>>> {
        match &mut *self {
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Relayed(relay) => relay.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_none(),
            Self::Relayed(relay) => relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Relayed(relay) => relay.incoming.size_hint(),
        }
    }
}
