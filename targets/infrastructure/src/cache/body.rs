//! Bodies of replies: stored ones, and the server's, which are passed on piece by piece and kept on the way.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{request, response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::balancer::pool::{Link, Pool};
use crate::relay::{Relayed, is_silent};

use super::entry::{Entry, Terms};
use super::store::{Key, Store};

/// The body of a reply.
pub(super) type Reply = crate::relay::Reply<Relay>;

/// Why a reply broke off.
#[derive(Debug)]
pub(super) enum BrokenReply {
    /// The server's connection ended too early.
    Origin(hyper::Error),
    /// The server fell silent.
    Silent,
}

impl fmt::Display for BrokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(error) => write!(f, "the server's reply broke off: {error}"),
            Self::Silent => f.write_str("the server fell silent in the middle of its reply"),
        }
    }
}

impl std::error::Error for BrokenReply {}

/// The server's reply on its way to the client.
pub(super) struct Relay {
    pub(super) incoming: Incoming,
    /// The connection it comes on; handed back at the reply's end.
    pub(super) link: Option<Link>,
    pub(super) pool: Arc<Pool>,
    /// How long the server may be silent.
    pub(super) timeout: Duration,
    pub(super) patience: Option<Pin<Box<Sleep>>>,
    /// Set when the client's connection must not end as if the reply were complete.
    pub(super) broken: Arc<AtomicBool>,
    /// The part that is kept.
    pub(super) keep: Option<Box<Keep>>,
}

/// A reply that is stored once it is complete.
pub(super) struct Keep {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) key: Key,
    pub(super) asked: request::Parts,
    pub(super) head: response::Parts,
    pub(super) terms: Terms,
    pub(super) body: BytesMut,
    /// No larger body is kept.
    pub(super) most: u64,
}

impl Keep {
    fn store(self) {
        let entry = Entry {
            head: self.head,
            body: self.body.freeze(),
            terms: self.terms,
        };
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.put(self.key, &self.asked, entry, SystemTime::now());
    }
}

impl Relay {
    /// The reply is complete: it is stored, and its connection may carry the next one.
    pub(super) fn finish(&mut self) {
        if let Some(keep) = self.keep.take() {
            keep.store();
        }
        if let Some(link) = self.link.take() {
            self.pool.put(link);
        }
    }

    fn take(&mut self, frame: &Frame<Bytes>) {
        if let (Some(keep), Some(data)) = (&mut self.keep, frame.data_ref()) {
            if keep.body.len() as u64 + data.len() as u64 > keep.most {
                self.keep = None;
            } else {
                keep.body.extend_from_slice(data);
            }
        }
    }

    /// Half a reply is not stored.
    fn break_off(&mut self) {
        self.keep = None;
        self.broken.store(true, Ordering::Relaxed);
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
                self.take(&frame);
                // Who sends a body of known length does not ask for its end.
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.break_off();
                Poll::Ready(Some(Err(BrokenReply::Origin(error))))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if !is_silent(&mut self.patience, self.timeout, context) {
                    return Poll::Pending;
                }
                self.break_off();
                Poll::Ready(Some(Err(BrokenReply::Silent)))
            }
        }
    }

    fn incoming(&self) -> &Incoming {
        &self.incoming
    }
}
