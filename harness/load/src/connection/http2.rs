//! A connection that speaks HTTP/2: one request at a time, as a session sends them.
//!
//! The library (h2) owns the framing; a task of its own moves the bytes, so that an idle connection answers
//! the server's pings and notices its end. How an exchange that breaks is told:
//!
//! | seen | class | sent |
//! |---|---|---|
//! | the connection ended before the request was handed over | refused | no |
//! | `REFUSED_STREAM`: the server vouches that it did nothing (RFC 9113, 8.7) | refused | no |
//! | frames that are not HTTP/2, or break its rules | malformed | yes |
//! | any other end of the stream or the connection | reset | yes |
//!
//! Once handed over, a request counts as sent although the task may not have written it yet: what cannot be
//! known is told as the worse.

use std::future::Future;
use std::io;

use bytes::Bytes;
use comeback_model::ids::BootId;
use comeback_model::operation::ErrorClass;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::header::{CONNECTION, HOST, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use reqwest::ClientBuilder;
use tokio::task::JoinHandle;

use super::super::socket::Socket;
use super::super::waits::{Expired, Waits};
use super::{Broken, Scratch, Wire, broken};
use comeback_session::wire::relayed::RelayReader;
use comeback_session::wire::{Head, KEPT_BODY, MAX_HEAD, MAX_HEADERS, Reply, Wanted, keep};

/// A connection that speaks HTTP/2; dropping it closes it.
#[derive(Debug)]
pub(super) struct Http2 {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
    scheme: Scheme,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http2 {
    /// Begins to speak HTTP/2 on a stream; the server's side of the greeting is not waited for.
    pub(super) async fn open(socket: Socket) -> io::Result<Self> {
        let scheme = match &socket {
            Socket::Plain(_) => Scheme::HTTP,
            Socket::Tls(_) => Scheme::HTTPS,
        };
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(socket)
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::spawn(async move {
            // The request that was under way reports its end.
            let _ = connection.await;
        });
        Ok(Self {
            requests,
            driver,
            scheme,
        })
    }
}

impl Wire for Http2 {
    fn speak(client: ClientBuilder) -> ClientBuilder {
        client.http2_prior_knowledge()
    }

    fn is_stale(&mut self, _: &Scratch) -> bool {
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        self.driver.is_finished()
            || matches!(
                self.requests.poll_ready(&mut nobody),
                std::task::Poll::Ready(Err(_))
            )
    }

    async fn exchange<R>(
        &mut self,
        request: &[u8],
        wanted: &Wanted,
        _: &Scratch,
        waits: &Waits,
        on_reply: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        let Some((request, body)) = translate(request, &self.scheme) else {
            return Err(broken(ErrorClass::HarnessError, false));
        };
        match waits
            .unless_expired(|cx| self.requests.poll_ready(cx))
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(broken(ErrorClass::Refused, false)),
            Err(Expired) => return Err(broken(ErrorClass::ResponseTimeout, false)),
        }
        let response = self.send(request, body)?;
        let mut receiving = std::pin::pin!(receive(response));
        let (response, body) = match waits.unless_expired(|cx| receiving.as_mut().poll(cx)).await {
            Ok(Ok(received)) => received,
            Ok(Err(error)) => return Err(classify(&error)),
            Err(Expired) => return Err(broken(ErrorClass::ResponseTimeout, true)),
        };
        let head = to_head(&response, wanted);
        let reply = Reply {
            status: head.status,
            boot: head.boot,
            relayed: head.relayed,
            cookies: &head.cookies,
            headers: &head.headers,
            body: &body,
            unframed: false,
        };
        Ok((on_reply(&reply), !self.driver.is_finished()))
    }
}

impl Http2 {
    fn send(&mut self, request: Request<()>, body: Bytes) -> Result<ResponseFuture, Broken> {
        let sent = self.requests.send_request(request, body.is_empty());
        let Ok((response, mut stream)) = sent else {
            return Err(broken(ErrorClass::Refused, false));
        };
        if !body.is_empty() {
            // A stream that ended meanwhile tells so, and why, in place of its response.
            let _ = stream.send_data(body, true);
        }
        Ok(response)
    }
}

/// The response, and its body or the beginning of it.
async fn receive(response: ResponseFuture) -> Result<(Response<()>, Vec<u8>), h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = data(&mut stream).await? {
        keep(&mut body, &piece);
        stream.flow_control().release_capacity(piece.len())?;
    }
    // Only behind them the stream has ended.
    stream.trailers().await?;
    debug_assert!(body.len() <= KEPT_BODY, "the body is bounded");
    Ok((Response::from_parts(head, ()), body))
}

async fn data(stream: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    stream.data().await.transpose()
}

fn classify(error: &h2::Error) -> Broken {
    if error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM) {
        broken(ErrorClass::Refused, false)
    } else if error.is_library() {
        broken(ErrorClass::Malformed, true)
    } else {
        broken(ErrorClass::Reset, true)
    }
}

fn to_head(response: &Response<()>, wanted: &Wanted) -> Head {
    let mut head = Head::without_headers(response.status().as_u16());
    let mut relay = RelayReader::default();
    for (name, value) in response.headers() {
        head.keep_wanted(name.as_str(), value.as_bytes(), wanted);
        if name == SET_COOKIE {
            let cookie = String::from_utf8_lossy(value.as_bytes()).into_owned();
            head.cookies.push(cookie);
        } else if wanted.is_boot(name.as_str()) {
            head.boot = Some(BootId::from_header(value.as_bytes()));
        } else if wanted.relayed {
            relay.take(name.as_str(), value.as_bytes());
        }
    }
    head.relayed = relay.read();
    head
}

/// A request in the form of HTTP/1.1, as a workload writes it, in the terms of HTTP/2; `None` if it cannot
/// be put so, for instance for a space in its path.
fn translate(request: &[u8], scheme: &Scheme) -> Option<(Request<()>, Bytes)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(request).ok()? else {
        return None;
    };
    let mut translated = Request::new(());
    *translated.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    let mut target = Uri::builder()
        .scheme(scheme.clone())
        .path_and_query(PathAndQuery::try_from(parsed.path?).ok()?);
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        if name == HOST {
            target = target.authority(header.value);
        } else if !is_of_the_connection(&name) {
            let value = HeaderValue::from_bytes(header.value).ok()?;
            translated.headers_mut().append(name, value);
        }
    }
    *translated.uri_mut() = target.build().ok()?;
    Some((translated, Bytes::copy_from_slice(&request[length..])))
}

/// Headers that HTTP/2 has no use for, and forbids (RFC 9113, 8.2.2).
fn is_of_the_connection(name: &HeaderName) -> bool {
    [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE].contains(name)
        || *name == "keep-alive"
        || *name == "proxy-connection"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_in_the_terms_of_http2() {
        let text = "POST /login?a=1 HTTP/1.1\r\nhost: 127.0.0.1:4242\r\nconnection: keep-alive\r\n\
            cookie: a=1\r\ncontent-length: 2\r\n\r\n{}";
        let (request, body) = translate(text.as_bytes(), &Scheme::HTTPS).expect("a request");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "https://127.0.0.1:4242/login?a=1");
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["cookie", "content-length"]);
        assert_eq!(body, "{}");
    }

    #[test]
    fn what_cannot_be_told_in_http2_is_not_sent() {
        for text in [
            "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "*1\r\n$4\r\nPING\r\n",
        ] {
            assert!(
                translate(text.as_bytes(), &Scheme::HTTP).is_none(),
                "{text}"
            );
        }
    }
}
