//! One connection of one client: its sent and received bytes, and how it broke.
//!
//! We own the socket, so that *refused before a byte was sent* and *reset after the request had left* can be distinguished. Every wait ends when the client's deadline has passed (see [`super::waits::Waits`]).

#[cfg_attr(not(feature = "http2"), path = "connection/without_http2.rs")]
mod http2;
mod stream;
#[cfg(all(test, feature = "http2", feature = "tls"))]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use comeback_model::operation::ErrorClass;
use comeback_model::plan;

use reqwest::ClientBuilder;

use self::http2::Http2;
use self::stream::Stream;
use super::plain::Plain;
use super::socket::{Socket, class_of_connect};
use super::tls::Handshake;
use super::waits::{Expired, Waits};
use comeback_model::endpoint::Endpoint;
use comeback_session::reading::Grammar;
use comeback_session::wire::{Reply, Wanted};

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
    /// The error that the client saw.
    pub(super) class: ErrorClass,
    /// Whether a byte of the request had left.
    pub(super) sent: bool,
}

/// Opens connections to one endpoint.
pub(super) struct Dialer {
    endpoint: Endpoint,
    tls: Option<Handshake>,
    wanted: Rc<Wanted>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("endpoint", &self.endpoint)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Connections to `endpoint`. The `wanted` headers are read from their replies.
    ///
    /// # Errors
    /// If TLS is needed and cannot be had.
    pub(super) fn new(endpoint: Endpoint, wanted: Wanted) -> io::Result<Self> {
        let tls = if endpoint.is_encrypted() {
            Some(Handshake::of(endpoint.protocol)?)
        } else {
            None
        };
        Ok(Self {
            endpoint,
            tls,
            wanted: Rc::new(wanted),
        })
    }

    /// Connects, to the point where a request can be sent; `accepted` is called as soon as the server's
    /// kernel has taken the connection. A handshake that fails is a connection refused.
    pub(super) async fn open(
        &self,
        waits: &Waits,
        accepted: impl FnOnce(),
    ) -> Result<Connection, Broken> {
        let mut opening = pin!(self.connect(accepted));
        match waits.unless_expired(|cx| opening.as_mut().poll(cx)).await {
            Err(Expired) => Err(broken(ErrorClass::ConnectTimeout, false)),
            Ok(Err(error)) => Err(broken(class_of_connect(&error), false)),
            Ok(Ok(connection)) => Ok(connection),
        }
    }

    async fn connect(&self, accepted: impl FnOnce()) -> io::Result<Connection> {
        let plain = Plain::connect(&self.endpoint).await?;
        accepted();
        let socket = match &self.tls {
            None => Socket::Plain(plain),
            Some(tls) => Socket::Tls(tls.encrypt(plain).await?),
        };
        let link = match self.endpoint.protocol.spec().wire {
            plan::Wire::Http1 => Link::Stream(Stream::new(socket, Grammar::Http)),
            plan::Wire::Commands(dialect) => {
                Link::Stream(Stream::new(socket, Grammar::Commands(dialect)))
            }
            plan::Wire::Http2 => Link::Http2(Http2::open(socket).await?),
        };
        Ok(Connection {
            link,
            wanted: Rc::clone(&self.wanted),
        })
    }
}

/// A connection to the target.
#[derive(Debug)]
pub(super) struct Connection {
    link: Link,
    wanted: Rc<Wanted>,
}

/// A connection in one wire format: each is a file below this one. An exchange is the load's inner loop, so that nothing here is boxed.
trait Wire {
    /// Has a full client, which sends what is not measured, speak the same.
    fn speak(client: ClientBuilder) -> ClientBuilder;

    /// Whether the server closed the connection, or said that it will, while it was idle.
    fn is_stale(&mut self, scratch: &Scratch) -> bool;

    /// Sends a request and hands its complete reply to `on_reply`; says whether the connection lives on.
    async fn exchange<R>(
        &mut self,
        request: &[u8],
        wanted: &Wanted,
        scratch: &Scratch,
        waits: &Waits,
        on_reply: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken>;
}

/// The kinds of connections, by the parser of their replies.
#[derive(Debug)]
enum Link {
    Stream(Stream),
    Http2(Http2),
}

/// Does the same on a connection of each kind.
macro_rules! on_link {
    ($link:expr, $wire:ident => $does:expr) => {
        match $link {
            Link::Stream($wire) => $does,
            Link::Http2($wire) => $does,
        }
    };
}

/// Has a full client speak in this format.
pub(super) fn speak(wire: plan::Wire, client: ClientBuilder) -> ClientBuilder {
    match wire {
        plan::Wire::Http1 | plan::Wire::Commands(_) => Stream::speak(client),
        plan::Wire::Http2 => Http2::speak(client),
    }
}

impl Connection {
    /// Whether the server closed the connection while it was idle.
    pub(super) fn is_stale(&mut self, scratch: &Scratch) -> bool {
        on_link!(&mut self.link, wire => wire.is_stale(scratch))
    }

    /// Sends a request and hands its complete reply to `on_reply`; says whether the connection lives on.
    pub(super) async fn exchange<R>(
        &mut self,
        request: &[u8],
        scratch: &Scratch,
        waits: &Waits,
        on_reply: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        let wanted = &self.wanted;
        on_link!(&mut self.link, wire => wire.exchange(request, wanted, scratch, waits, on_reply).await)
    }
}

const fn broken(class: ErrorClass, sent: bool) -> Broken {
    Broken { class, sent }
}
