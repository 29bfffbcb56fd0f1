//! One request: chosen for, sent, answered; and who failed when it fails.
//!
//! A request is sent once. It is sent again, to another replica, only as often as `--retry` says, and only when either
//! nothing of it had been sent (its connection was refused, or ended before the first byte), or it is a GET or HEAD
//! without a body whose connection broke before a reply began. After a time-out it is never sent again. A pooled
//! connection that turns out to be closed before anything was written is replaced; that is no second sending.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Version, request};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;

use super::body::{Relay, Reply};
use super::front::{Answer, ClientGone};
use super::headers;
use super::policy::{Chooser, Visitor};
use super::pool::Link;
use super::replicas::Replica;
use super::upload::{Progress, Upload};

/// Which replica gave a reply.
const REPLICA: &str = "x-replica";
/// That a reply is the balancer's own, and why.
const ERROR: &str = "x-balancer-error";
/// Which replica an error of the balancer is about.
const FAILED: &str = "x-failed-replica";

/// Passes requests on.
pub(super) struct Proxy {
    pub(super) replicas: Vec<Arc<Replica>>,
    pub(super) chooser: Chooser,
    pub(super) retry: u32,
    pub(super) timeout: Duration,
}

/// Why a replica gave no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Refused,
    Reset,
    Timeout,
    Malformed,
    NoneUp,
    /// The balancer has no descriptor or port of its own left.
    Local,
    /// The request cannot be passed on.
    BadRequest,
    /// The client did not send the rest of its request.
    SlowClient,
    ClientGone,
}

impl Why {
    const fn status(self) -> StatusCode {
        match self {
            Self::Refused | Self::Reset | Self::Malformed | Self::Local => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::NoneUp => StatusCode::SERVICE_UNAVAILABLE,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::BadRequest | Self::ClientGone => StatusCode::BAD_REQUEST,
        }
    }

    /// The value of `x-balancer-error`.
    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::NoneUp => "none-up",
            Self::Local => "local",
            Self::BadRequest | Self::SlowClient | Self::ClientGone => "client",
        }
    }
}

/// A try that brought no reply.
struct Failure {
    why: Why,
    /// The request, where it may be sent once more.
    again: Option<Request<Upload>>,
}

/// A request that is being passed on.
struct ProxiedRequest {
    visitor: Visitor,
    progress: Arc<Progress>,
    /// The parts from which a GET or HEAD without a body can be built again.
    spare: Option<request::Parts>,
    /// See [`Relay::broken`].
    broken: Arc<AtomicBool>,
}

impl Answer for Proxy {
    type Body = Reply;

    async fn answer(
        &self,
        client: SocketAddr,
        broken: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, ClientGone> {
        self.answer(client, broken, request).await
    }
}

impl Proxy {
    /// Answers a request, by a replica's reply or the balancer's own.
    async fn answer(
        &self,
        client: SocketAddr,
        broken: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, ClientGone> {
        let (mut parts, incoming) = request.into_parts();
        if let Err(unfit) = headers::prepare_request(&mut parts) {
            return Ok(own_reply(Why::BadRequest, None, unfit));
        }
        let visitor = self.chooser.meet(client, &mut parts.headers);
        let is_bare = incoming.is_end_stream();
        let repeatable = is_bare && (parts.method == Method::GET || parts.method == Method::HEAD);
        let progress = Progress::new();
        let proxied = ProxiedRequest {
            visitor,
            spare: (repeatable && self.retry > 0).then(|| parts.clone()),
            progress: Arc::clone(&progress),
            broken,
        };
        let request = Request::from_parts(parts, Upload::new(incoming, progress));
        self.send_on(&proxied, request).await
    }

    async fn send_on(
        &self,
        proxied: &ProxiedRequest,
        mut request: Request<Upload>,
    ) -> Result<Response<Reply>, ClientGone> {
        let mut tried = Vec::new();
        let mut last = None;
        loop {
            let chosen = self
                .chooser
                .choose(&self.replicas, &proxied.visitor, &tried);
            let Some(replica) = chosen else {
                let (why, replica) = last.unwrap_or((Why::NoneUp, None));
                return Ok(own_reply(why, replica, "no replica is up"));
            };
            let failure = match self.attempt(replica, proxied, request).await {
                Ok(response) => return Ok(response),
                Err(failure) if failure.why == Why::ClientGone => return Err(ClientGone),
                Err(failure) => failure,
            };
            tried.push(replica.index);
            match failure.again {
                Some(again) if tried.len() <= self.retry as usize => {
                    request = again;
                    last = Some((failure.why, Some(replica.as_ref())));
                }
                _ => return Ok(own_reply(failure.why, Some(replica), "")),
            }
        }
    }

    /// Sends the request to a replica, and tells it what was seen of it.
    async fn attempt(
        &self,
        replica: &Arc<Replica>,
        proxied: &ProxiedRequest,
        request: Request<Upload>,
    ) -> Result<Response<Reply>, Failure> {
        let busy = replica.begin();
        let begun = std::time::Instant::now();
        let tried = self.exchange(replica, proxied, request).await;
        match &tried {
            Ok(_) => replica.tell_answered(),
            Err(Failure { why, .. }) => match why {
                Why::Refused => replica.tell_refused(begun),
                Why::Reset => replica.tell_reset(begun),
                Why::Timeout | Why::Malformed | Why::NoneUp | Why::Local => {}
                Why::BadRequest | Why::SlowClient | Why::ClientGone => {}
            },
        }
        let (response, link) = tried?;
        let (mut parts, incoming) = response.into_parts();
        adapt_reply(&mut parts, &incoming);
        // Only the balancer says what the balancer did.
        parts.headers.remove(ERROR);
        parts.headers.remove(FAILED);
        parts
            .headers
            .insert(REPLICA, HeaderValue::from(replica.index));
        if let Some(cookie) = self.chooser.cookie_for(replica.index, &proxied.visitor)
            && let Ok(value) = HeaderValue::from_str(&cookie)
        {
            parts.headers.append(SET_COOKIE, value);
        }
        let mut relay = Relay {
            incoming,
            link: Some(link),
            busy,
            begun,
            timeout: self.timeout,
            patience: None,
            broken: Arc::clone(&proxied.broken),
        };
        if relay.incoming.is_end_stream() {
            relay.finish();
        }
        Ok(Response::from_parts(parts, Reply::Relayed(Box::new(relay))))
    }

    /// Sends the request on a connection of the replica's, until its reply begins.
    async fn exchange(
        &self,
        replica: &Replica,
        proxied: &ProxiedRequest,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Link), Failure> {
        loop {
            let mut link = match replica.pool.take() {
                Some(link) => link,
                None => match self.connect(replica.address).await {
                    Ok(link) => link,
                    Err(why) => {
                        let again = (why == Why::Refused).then_some(request);
                        return Err(Failure { why, again });
                    }
                },
            };
            let sending = link.sender.try_send_request(request);
            match proxied.progress.patiently(self.timeout, sending).await {
                Some(Ok(response)) => return Ok((response, link)),
                Some(Err(mut error)) => match error.take_message() {
                    // It ended while it was idle, and nothing was written.
                    Some(unsent) if link.reused => request = unsent,
                    unsent => return Err(proxied.failure_of(&error, unsent)),
                },
                None if proxied.progress.awaits_client() => return Err(Why::SlowClient.into()),
                None => return Err(Why::Timeout.into()),
            }
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<Link, Why> {
        match tokio::time::timeout(self.timeout, Link::open(address)).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(why_of(&error)),
            Err(_) => Err(Why::Timeout),
        }
    }
}

impl ProxiedRequest {
    /// The meaning of a broken exchange.
    fn failure_of(
        &self,
        error: &TrySendError<Request<Upload>>,
        unsent: Option<Request<Upload>>,
    ) -> Failure {
        let error = error.error();
        if self.progress.client_failed() {
            return Why::ClientGone.into();
        }
        if error.is_parse() {
            return Why::Malformed.into();
        }
        let again = unsent.or_else(|| {
            let spare = self.spare.clone()?;
            let empty = Upload::empty(Arc::clone(&self.progress));
            Some(Request::from_parts(spare, empty))
        });
        let why = Why::Reset;
        Failure { why, again }
    }
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        Self { why, again: None }
    }
}

/// Why a connection could not be opened.
fn why_of(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Why::Refused,
        io::ErrorKind::TimedOut => Why::Timeout,
        _ => Why::Local,
    }
}

/// Makes a server's reply one of this program to its client.
pub(crate) fn adapt_reply(parts: &mut http::response::Parts, incoming: &Incoming) {
    let is_delimited = incoming.is_end_stream()
        || parts.headers.contains_key(CONTENT_LENGTH)
        || parts.headers.contains_key(http::header::TRANSFER_ENCODING);
    // A reply that ends with its connection is passed on as one: in chunks it would look complete in any case.
    parts.version = if is_delimited {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    headers::remove_hop_by_hop(&mut parts.headers);
    if parts.status == StatusCode::NOT_MODIFIED {
        // It would be the length of a body that is not there.
        parts.headers.remove(CONTENT_LENGTH);
    }
}

/// The balancer's own reply.
fn own_reply(why: Why, replica: Option<&Replica>, told: &str) -> Response<Reply> {
    let text = match (why, replica) {
        (Why::Refused, Some(replica)) => format!("{} refused the connection", replica.address),
        (Why::Reset, Some(replica)) => {
            format!("{} broke the connection before it replied", replica.address)
        }
        (Why::Timeout, Some(replica)) => format!("{} did not reply in time", replica.address),
        (Why::Malformed, Some(replica)) => format!("{} sent no HTTP reply", replica.address),
        (Why::Local, _) => "the balancer is out of descriptors or ports".to_owned(),
        (Why::SlowClient, _) => "the rest of the request did not come in time".to_owned(),
        _ => told.to_owned(),
    };
    let mut response = Response::new(Reply::own(format!("balancer: {text}\n")));
    *response.status_mut() = why.status();
    let headers = response.headers_mut();
    headers.insert(ERROR, HeaderValue::from_static(why.name()));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if let Some(replica) = replica {
        headers.insert(FAILED, HeaderValue::from(replica.index));
    }
    response
}
