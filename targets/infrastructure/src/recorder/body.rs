//! The body of a reply, passed on piece by piece and kept on the way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use crate::balancer::pool::{Link, Pool};
use crate::relay::Relayed;

use super::tape::Slot;

/// The body of a reply.
pub(super) type Reply = crate::relay::Reply<Relay>;

/// The server's reply on its way to the client. It may be silent for as long as the client waits: an event stream is.
pub(super) struct Relay {
    pub(super) incoming: Incoming,
    /// The connection it comes on; handed back at the reply's end.
    pub(super) link: Option<Link>,
    pub(super) pool: Arc<Pool>,
    /// Set when the client's connection must not end as if the reply were complete.
    pub(super) broken: Arc<AtomicBool>,
    /// Where it is kept.
    pub(super) slot: Option<Slot>,
}

impl Relay {
    /// The reply is complete: its connection may carry the next one.
    pub(super) fn finish(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.finished();
        }
        if let Some(link) = self.link.take() {
            self.pool.put(link);
        }
    }
}

impl Relayed for Relay {
    type Error = hyper::Error;

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(slot), Some(data)) = (&self.slot, frame.data_ref()) {
                    slot.received(data);
                }
                // Who sends a body of known length does not ask for its end.
                if self.incoming.is_end_stream() {
                    self.finish();
                }
            }
            Poll::Ready(Some(Err(_))) => self.broken.store(true, Ordering::Relaxed),
            Poll::Ready(None) => self.finish(),
            Poll::Pending => {}
        }
        polled
    }

    fn incoming(&self) -> &Incoming {
        &self.incoming
    }
}
