//! Bodies of replies, passed on piece by piece, and what their ends mean.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pool::Link;
use super::replicas::Busy;
use crate::relay::{Relayed, is_silent};

/// The body of a reply.
pub(super) type Reply = crate::relay::Reply<Relay>;

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
}

impl Relayed for Relay {
    type Error = BrokenReply;

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
                if !is_silent(&mut self.patience, self.timeout, context) {
                    return Poll::Pending;
                }
                self.broken.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(BrokenReply::Silent)))
            }
        }
    }

    fn incoming(&self) -> &Incoming {
        &self.incoming
    }
}
