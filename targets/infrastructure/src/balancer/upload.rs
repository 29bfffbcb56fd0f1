//! Bodies of requests, passed on piece by piece, and how each is getting on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

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

/// Sees each piece of a body that passes.
pub(crate) type Tap = Box<dyn FnMut(&Bytes) + Send>;

/// The body of a request, on its way to a replica.
pub(crate) struct Upload {
    incoming: Option<Incoming>,
    progress: Arc<Progress>,
    tap: Option<Tap>,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, progress: Arc<Progress>) -> Self {
        Self {
            incoming: Some(incoming),
            progress,
            tap: None,
        }
    }

    /// The same body, each piece of which is shown to the tap.
    pub(crate) fn tapped(self, tap: Tap) -> Self {
        Self {
            tap: Some(tap),
            ..self
        }
    }

    /// Nothing, for a request without a body that is made once more.
    pub(crate) fn empty(progress: Arc<Progress>) -> Self {
        Self {
            incoming: None,
            progress,
            tap: None,
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
        if let (Poll::Ready(Some(Ok(frame))), Some(tap)) = (&polled, &mut self.tap)
            && let Some(data) = frame.data_ref()
        {
            tap(data);
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
