//! Bodies, passed on piece by piece in both directions, and what their ends mean.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pool::Link;
use super::replicas::Busy;

/// How a request's body is getting on.
pub(crate) struct Progress {
    begun: Instant,
    /// When the last piece passed, in microseconds after `begun`.
    moved_us: AtomicU64,
    awaits_client: AtomicBool,
    client_failed: AtomicBool,
}

impl Progress {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            moved_us: AtomicU64::new(0),
            awaits_client: AtomicBool::new(false),
            client_failed: AtomicBool::new(false),
        })
    }

    /// When the last piece passed.
    fn moved(&self) -> Instant {
        self.begun + Duration::from_micros(self.moved_us.load(Ordering::Relaxed))
    }

    /// Whether it is the client that everybody waits for.
    pub(crate) fn awaits_client(&self) -> bool {
        self.awaits_client.load(Ordering::Relaxed)
    }

    /// Waits for a reply as long as the request's body moves, and for `timeout` from then on.
    pub(crate) async fn patiently<F: Future>(
        &self,
        timeout: Duration,
        reply: F,
    ) -> Option<F::Output> {
        let mut reply = std::pin::pin!(reply);
        let mut deadline = tokio::time::Instant::now() + timeout;
        loop {
            if let Ok(reply) = tokio::time::timeout_at(deadline, &mut reply).await {
                return Some(reply);
            }
            let moved = tokio::time::Instant::from_std(self.moved() + timeout);
            if moved <= deadline {
                return None;
            }
            deadline = moved;
        }
    }

    /// Whether the client broke off.
    pub(crate) fn client_failed(&self) -> bool {
        self.client_failed.load(Ordering::Relaxed)
    }
}

/// The body of a request, on its way to a replica.
pub(crate) struct Upload {
    incoming: Option<Incoming>,
    progress: Arc<Progress>,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, progress: Arc<Progress>) -> Self {
        Self {
            incoming: Some(incoming),
            progress,
        }
    }

    /// Nothing, for a request without a body that is made once more.
    pub(crate) fn empty(progress: Arc<Progress>) -> Self {
        Self {
            incoming: None,
            progress,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(context);
        let progress = &self.progress;
        progress
            .awaits_client
            .store(polled.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(piece) = &polled {
            let us = u64::try_from(progress.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            progress.moved_us.store(us, Ordering::Relaxed);
            if matches!(piece, Some(Err(_))) {
                progress.client_failed.store(true, Ordering::Relaxed);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

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
