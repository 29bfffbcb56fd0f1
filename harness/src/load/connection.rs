//! One connection of one client: what left, what came back, and how it broke.
//!
//! The socket is ours so that *refused before a byte was sent* and *reset after the request had left* are
//! two things. Every wait ends when the client's deadline has passed (see [`super::client::Waits`]).

mod reading;
mod stream;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use comeback_core::operation::ErrorClass;
use comeback_core::plan::Protocol;

use self::reading::Wire;
use self::stream::Stream;
use super::client::Waits;
use super::socket::{Plain, class_of_connect};
use super::wire::{Reply, Wanted};
use crate::endpoint::Endpoint;

/// How much is read at once; shared by all connections of a worker.
const SCRATCH: usize = 32 * 1024;

/// A worker's read buffer: borrowed only while bytes are looked at, never across a wait.
#[derive(Debug)]
pub(super) struct Scratch(RefCell<Box<[u8]>>);

impl Scratch {
    pub(super) fn new() -> Self {
        Self(RefCell::new(vec![0; SCRATCH].into_boxed_slice()))
    }
}

/// How an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What the client saw.
    pub(super) class: ErrorClass,
    /// Whether a byte of the request had left.
    pub(super) sent: bool,
}

/// Opens connections to one endpoint.
#[derive(Debug)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    wire: Wire,
    wanted: Rc<Wanted>,
}

impl Dialer {
    /// Connections to `endpoint`, whose replies are read for what is `wanted`.
    pub(super) fn new(endpoint: Endpoint, wanted: Wanted) -> Self {
        let wire = match endpoint.protocol {
            Protocol::Http | Protocol::Https | Protocol::Http2 | Protocol::H2c => Wire::Http,
            Protocol::Redis => Wire::Redis,
        };
        Self {
            endpoint,
            wire,
            wanted: Rc::new(wanted),
        }
    }

    /// Connects; `accepted` is called as soon as the server's kernel has taken the connection.
    pub(super) async fn open(
        &self,
        waits: &Waits,
        accepted: impl FnOnce(),
    ) -> Result<Connection, Broken> {
        let mut connecting = pin!(Plain::connect(&self.endpoint));
        let plain = match waits
            .unless_expired(|cx| connecting.as_mut().poll(cx))
            .await
        {
            Err(Expired) => return Err(broken(ErrorClass::ConnectTimeout, false)),
            Ok(Err(error)) => return Err(broken(class_of_connect(&error), false)),
            Ok(Ok(plain)) => plain,
        };
        accepted();
        Ok(Connection {
            stream: Stream::new(plain, self.wire),
            wanted: Rc::clone(&self.wanted),
        })
    }
}

/// A connection to the target.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    wanted: Rc<Wanted>,
}

impl Connection {
    /// Whether the server closed the connection while it was idle.
    pub(super) fn is_stale(&mut self, scratch: &Scratch) -> bool {
        self.stream.is_stale(scratch)
    }

    /// Sends a request and hands its complete reply to `judge`; says whether the connection lives on.
    pub(super) async fn exchange<R>(
        &mut self,
        request: &[u8],
        scratch: &Scratch,
        waits: &Waits,
        judge: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        self.stream
            .exchange(request, &self.wanted, scratch, waits, judge)
            .await
    }
}

const fn broken(class: ErrorClass, sent: bool) -> Broken {
    Broken { class, sent }
}

impl Waits {
    /// Polls until ready, or until the deadline has passed.
    async fn unless_expired<T>(
        &self,
        mut poll: impl FnMut(&mut Context) -> Poll<T>,
    ) -> Result<T, Expired> {
        std::future::poll_fn(|cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.has_expired() => Poll::Ready(Err(Expired)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// The deadline passed.
#[derive(Debug)]
struct Expired;
