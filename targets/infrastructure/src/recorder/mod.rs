//! A recorder in front of a server: a reverse proxy for HTTP/1.1 that keeps what passes. `cli::record` runs it in its own process.
//!
//! The client's Host, Origin and Referer are passed on as they are: a server that compares them, as a check against CSRF does, sees one
//! origin. Where a reply names the server's own port, the recorder's stands in its place (`rewrite`).

mod body;
mod rewrite;
mod tape;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LOCATION, SET_COOKIE, UPGRADE,
};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::balancer::front::{self, Answer, ClientGone};
use crate::balancer::headers;
use crate::balancer::log::Log;
use crate::balancer::proxy::adapt_reply;
use crate::balancer::upload::{Progress, Upload};
use crate::cache::origin::{Failure, Origin};

use body::{Relay, Reply};
pub use tape::{Answered, Kept, Recorded, Recording, Tape};

/// How long a server may take to begin its reply: a person waits for it, and gives up before.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long requests in flight may take once the recording ends.
const DRAIN: Duration = Duration::from_secs(2);

/// Passes requests on, and keeps them.
struct Recorder {
    origin: Origin,
    /// The server's port on this machine.
    port: u16,
    tape: Arc<Tape>,
}

/// Passes all that comes to a server on this machine, until `stop` is ready; requests in flight get two seconds more.
pub async fn record(
    listener: TcpListener,
    port: u16,
    tape: &Arc<Tape>,
    stop: impl Future<Output = ()>,
) {
    let recorder = Recorder {
        origin: Origin::new(SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE),
        port,
        tape: Arc::clone(tape),
    };
    // Nobody reads events of a recorder: its reader sees each reply.
    let log = Arc::new(Log::new(Box::new(|_| ())));
    front::serve(listener, Arc::new(recorder), log, stop, DRAIN).await;
}

impl Answer for Recorder {
    type Body = Reply;

    async fn answer(
        &self,
        _client: SocketAddr,
        broken: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> Result<Response<Reply>, ClientGone> {
        let (mut parts, incoming) = request.into_parts();
        let wants_websocket = is_websocket(&parts.headers);
        if let Err(unfit) = headers::prepare_request(&mut parts) {
            return Ok(own_reply(StatusCode::BAD_REQUEST, unfit));
        }
        if wants_websocket {
            self.tape.note_websocket();
            let why =
                "WebSockets are not recorded and not passed on: open the server itself for them";
            return Ok(own_reply(StatusCode::NOT_IMPLEMENTED, why));
        }
        ask_for_all(&mut parts.headers);
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default().to_owned();
        let slot = self.tape.begin(&parts);
        let progress = Progress::new();
        let upload = Upload::new(incoming, Arc::clone(&progress));
        let upload = match &slot {
            None => upload,
            Some(slot) => {
                let slot = slot.clone();
                upload.tapped(Box::new(move |piece| slot.sent(piece)))
            }
        };
        let asked = self
            .origin
            .ask(Request::from_parts(parts, upload), &progress)
            .await;
        let (response, link) = match asked {
            Ok(answered) => answered,
            Err(Failure::ClientGone) => return Err(ClientGone),
            Err(failure) => return Ok(own_reply(failure.status(), in_words(failure))),
        };
        let (mut parts, incoming) = response.into_parts();
        adapt_reply(&mut parts, &incoming);
        self.adapt_names(&mut parts.headers, &host);
        if let Some(slot) = &slot {
            slot.answered(&parts);
        }
        // Replies from the client's own cache would not be seen here.
        let no_store = HeaderValue::from_static("no-store");
        parts.headers.insert(CACHE_CONTROL, no_store);
        let mut relay = Relay {
            incoming,
            link: Some(link),
            pool: Arc::clone(&self.origin.pool),
            broken,
            slot,
        };
        if relay.incoming.is_end_stream() {
            relay.finish();
        }
        Ok(Response::from_parts(parts, Reply::Relayed(Box::new(relay))))
    }
}

impl Recorder {
    /// Makes redirects lead to the recorder, and cookies ones that the client keeps.
    fn adapt_names(&self, headers: &mut HeaderMap, host: &str) {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| rewrite::location(location, self.port, host));
        if let Some(value) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(LOCATION, value);
        }
        let cookies: Vec<HeaderValue> = headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| {
                let text = value.to_str().ok();
                let adapted = text.and_then(|text| rewrite::cookie(text, host));
                let adapted = adapted.and_then(|text| HeaderValue::try_from(text).ok());
                adapted.unwrap_or_else(|| value.clone())
            })
            .collect();
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// Asks for a reply that can be read: not compressed, and with its body though the client has that already.
fn ask_for_all(headers: &mut HeaderMap) {
    let identity = HeaderValue::from_static("identity");
    headers.insert(ACCEPT_ENCODING, identity);
    headers.remove(IF_NONE_MATCH);
    headers.remove(IF_MODIFIED_SINCE);
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).iter();
    let mut texts = values.filter_map(|value| value.to_str().ok());
    texts.any(|text| text.to_ascii_lowercase().contains("websocket"))
}

const fn in_words(failure: Failure) -> &'static str {
    match failure {
        Failure::Refused => "the server refused the connection: has it ended?",
        Failure::Reset => "the server broke the connection before it replied",
        Failure::Timeout => "the server did not reply within five minutes",
        Failure::Malformed => "the server sent no HTTP/1.1 reply",
        Failure::Local => "the recorder is out of descriptors or ports",
        Failure::SlowClient | Failure::ClientGone => {
            "the rest of the request did not come within five minutes"
        }
    }
}

/// The recorder's own reply, which is not kept.
fn own_reply(status: StatusCode, told: &str) -> Response<Reply> {
    let mut response = Response::new(Reply::own(format!("comeback record: {told}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
