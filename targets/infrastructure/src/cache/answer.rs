//! One request: looked up, answered from what is stored or by the server, and what is done with the server's reply.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{
    AGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE,
    TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode, Version, request};
use http_body::Body;
use hyper::body::Incoming;

use crate::balancer::front::{Answer, ClientGone};
use crate::balancer::headers;
use crate::balancer::pool::Link;
use crate::balancer::proxy::adapt_reply;
use crate::balancer::upload::{Progress, Upload};

use super::body::{Keep, Relay, Reply};
use super::conditions;
use super::entry::Entry;
use super::origin::{Failure, Origin};
use super::rules::{Directives, Rules, asked, invalidates, is_failure};
use super::status::{FIELD, Status, Why};
use super::store::{Key, Lookup, Store};

/// A cache in front of a server.
pub(super) struct Cache {
    pub(super) origin: Origin,
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) rules: Rules,
}

/// A request that is looked up.
struct LookUp {
    /// As the client sent it.
    parts: request::Parts,
    /// As the rules see it.
    asked: request::Parts,
    key: Key,
    why: Why,
    /// The stored reply, if it must be validated with the server first.
    stale: Option<Arc<Entry>>,
    broken: Arc<AtomicBool>,
}

impl Answer for Cache {
    type Body = Reply;

    async fn answer(
        &self,
        _client: SocketAddr,
        broken: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, ClientGone> {
        let (mut parts, incoming) = request.into_parts();
        if let Err(unfit) = headers::prepare_request(&mut parts) {
            return Ok(own_reply(
                StatusCode::BAD_REQUEST,
                Why::Bypass,
                "client",
                unfit,
            ));
        }
        let key = Key::of(&parts);
        if parts.method != Method::GET {
            return self.pass(parts, incoming, key, broken, Why::Method).await;
        }
        if !incoming.is_end_stream() {
            return self.pass(parts, incoming, key, broken, Why::Bypass).await;
        }
        self.look_up(parts, key, broken).await
    }
}

impl Cache {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a request on whose reply is not kept.
    async fn pass(
        &self,
        parts: request::Parts,
        incoming: Incoming,
        key: Key,
        broken: Arc<AtomicBool>,
        why: Why,
    ) -> Result<Response<Reply>, ClientGone> {
        let method = parts.method.clone();
        let progress = Progress::new();
        let upload = Upload::new(incoming, Arc::clone(&progress));
        let told = self
            .origin
            .ask(Request::from_parts(parts, upload), &progress)
            .await;
        match told {
            Ok((response, link)) => {
                if invalidates(&method, response.status()) {
                    self.store().forget(&key);
                }
                Ok(self.relay(response, link, why, broken, None))
            }
            Err(Failure::ClientGone) => Err(ClientGone),
            Err(failure) => Ok(failed(failure, why)),
        }
    }

    async fn look_up(
        &self,
        parts: request::Parts,
        key: Key,
        broken: Arc<AtomicBool>,
    ) -> Result<Response<Reply>, ClientGone> {
        let now = SystemTime::now();
        let asked = asked(&parts);
        let found = self.store().find(&key, &asked, now);
        let (why, stale, validators) = match found {
            Lookup::Fresh(entry) => {
                let ttl = entry.terms.ttl(now);
                return Ok(serve(&entry, &parts, now, Status::Hit { ttl }));
            }
            Lookup::Stale(entry, request) => {
                let why = match entry.terms.policy.is_stale(now) {
                    true => Why::Stale,
                    false => Why::Request,
                };
                (why, Some(entry), Some(request))
            }
            Lookup::Others => (Why::VaryMiss, None, None),
            Lookup::Nothing => (Why::UriMiss, None, None),
        };
        if Directives::of(&parts.headers).has("only-if-cached") {
            let told = "nothing that is fresh is stored";
            return Ok(own_reply(
                StatusCode::GATEWAY_TIMEOUT,
                why,
                "only-if-cached",
                told,
            ));
        }
        let mut sent = parts.clone();
        if let Some(request) = validators {
            // Of a list of cookies the library would keep one: only what it adds is taken from it.
            for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
                if let Some(value) = request.headers.get(&name) {
                    sent.headers.insert(name, value.clone());
                }
            }
        }
        let look_up = LookUp {
            parts,
            asked,
            key,
            why,
            stale,
            broken,
        };
        self.ask(look_up, sent).await
    }

    /// Asks the server, and makes the most of what it says.
    async fn ask(
        &self,
        mut look_up: LookUp,
        mut sent: request::Parts,
    ) -> Result<Response<Reply>, ClientGone> {
        loop {
            let progress = Progress::new();
            let request = Request::from_parts(sent, Upload::empty(Arc::clone(&progress)));
            let (response, link) = match self.origin.ask(request, &progress).await {
                Ok(told) => told,
                Err(Failure::ClientGone) => return Err(ClientGone),
                Err(failure) => {
                    let stale = look_up
                        .stale_if_error()
                        .filter(|_| failure.is_the_servers());
                    return Ok(stale.unwrap_or_else(|| failed(failure, look_up.why)));
                }
            };
            if is_failure(response.status())
                && let Some(stale) = look_up.stale_if_error()
            {
                return Ok(stale);
            }
            let Some(entry) = look_up
                .stale
                .take_if(|_| response.status() == StatusCode::NOT_MODIFIED)
            else {
                return Ok(self.hand_on(look_up, response, link));
            };
            let (head, _) = response.into_parts();
            self.origin.pool.put(link);
            let now = SystemTime::now();
            match self.rules.renewed(&entry, &look_up.asked, &head, now) {
                Some(renewed) => {
                    let status = forwarded(look_up.why, head.status, false);
                    let reply = serve(&renewed, &look_up.parts, now, status);
                    self.store().put(look_up.key, &look_up.asked, renewed, now);
                    return Ok(reply);
                }
                None if conditions::is_conditional(&look_up.parts.headers) => {
                    let mut response = Response::from_parts(head, Reply::own(Bytes::new()));
                    headers::remove_hop_by_hop(response.headers_mut());
                    forwarded(look_up.why, response.status(), false).tell(response.headers_mut());
                    return Ok(response);
                }
                // It vouches for something that is not stored: what is wanted is asked for without a condition.
                None => {
                    self.store().forget(&look_up.key);
                    sent = look_up.parts.clone();
                }
            }
        }
    }

    /// The server's reply, which is kept where it may be.
    fn hand_on(
        &self,
        look_up: LookUp,
        response: Response<Incoming>,
        link: Link,
    ) -> Response<Reply> {
        let (head, incoming) = response.into_parts();
        // A body that ends with its connection may be incomplete.
        let is_whole = incoming.is_end_stream()
            || head.headers.contains_key(CONTENT_LENGTH)
            || head.headers.contains_key(TRANSFER_ENCODING);
        let most = self.store().largest();
        let fits = incoming.size_hint().lower() <= most;
        let conditional = look_up.parts.headers.contains_key(RANGE);
        let now = SystemTime::now();
        let terms = match is_whole && fits && !conditional {
            true => self.rules.terms(&look_up.asked, &head, now),
            false => None,
        };
        let keep = terms.map(|terms| {
            let mut kept = head.clone();
            headers::remove_hop_by_hop(&mut kept.headers);
            kept.headers.remove(FIELD);
            kept.version = Version::HTTP_11;
            Box::new(Keep {
                store: Arc::clone(&self.store),
                key: look_up.key,
                asked: look_up.asked,
                head: kept,
                terms,
                body: BytesMut::new(),
                most,
            })
        });
        let response = Response::from_parts(head, incoming);
        self.relay(response, link, look_up.why, look_up.broken, keep)
    }

    fn relay(
        &self,
        response: Response<Incoming>,
        link: Link,
        why: Why,
        broken: Arc<AtomicBool>,
        keep: Option<Box<Keep>>,
    ) -> Response<Reply> {
        let (mut head, incoming) = response.into_parts();
        adapt_reply(&mut head, &incoming);
        forwarded(why, head.status, keep.is_some()).tell(&mut head.headers);
        let mut relay = Relay {
            incoming,
            link: Some(link),
            pool: Arc::clone(&self.origin.pool),
            timeout: self.origin.timeout,
            patience: None,
            broken,
            keep,
        };
        if relay.incoming.is_end_stream() {
            relay.finish();
        }
        Response::from_parts(head, Reply::Relayed(Box::new(relay)))
    }
}

impl LookUp {
    /// The stored reply, where it may be served though the server failed.
    fn stale_if_error(&self) -> Option<Response<Reply>> {
        // A client that asks for a fresh reply gets an error if there is none.
        let entry = self.stale.as_ref().filter(|_| self.why == Why::Stale)?;
        let now = SystemTime::now();
        let grace = i64::try_from(entry.terms.stale_if_error?.as_secs()).unwrap_or(i64::MAX);
        let ttl = entry.terms.ttl(now);
        let status = Status::Stale { ttl };
        (ttl.saturating_add(grace) >= 0).then(|| serve(entry, &self.parts, now, status))
    }
}

/// The stored reply, for a request.
fn serve(
    entry: &Entry,
    request: &request::Parts,
    now: SystemTime,
    status: Status,
) -> Response<Reply> {
    let mut head = entry.head.clone();
    let age = entry.terms.policy.age(now).as_secs();
    head.headers.insert(AGE, HeaderValue::from(age));
    status.tell(&mut head.headers);
    if conditions::is_conditional(&request.headers)
        && conditions::has_it(&request.headers, &head.headers)
    {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(head, Reply::own(Bytes::new()));
    }
    Response::from_parts(head, Reply::own(entry.body.clone()))
}

const fn forwarded(why: Why, status: StatusCode, stored: bool) -> Status {
    Status::Forwarded {
        why,
        status: Some(status.as_u16()),
        stored,
        detail: None,
    }
}

/// The server did not reply.
fn failed(failure: Failure, why: Why) -> Response<Reply> {
    let told = match failure {
        Failure::Refused => "the server refused the connection",
        Failure::Reset => "the server broke the connection before it replied",
        Failure::Timeout => "the server did not reply in time",
        Failure::Malformed => "the server sent no HTTP reply",
        Failure::Local => "the cache is out of descriptors or ports",
        Failure::SlowClient | Failure::ClientGone => "the rest of the request did not come",
    };
    own_reply(failure.status(), why, failure.name(), told)
}

/// The cache's own words.
fn own_reply(status: StatusCode, why: Why, detail: &'static str, told: &str) -> Response<Reply> {
    let mut response = Response::new(Reply::own(Bytes::from(format!("cache: {told}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let status = Status::Forwarded {
        why,
        status: None,
        stored: false,
        detail: Some(detail),
    };
    status.tell(headers);
    response
}
