//! A real recorder on real sockets, between a server and a client of the test.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::{Recording, Tape, record};

/// A recorder in front of a server that gives each connection this reply and ends it.
struct Recorded {
    at: SocketAddr,
    server: u16,
    tape: Arc<Tape>,
    stop: oneshot::Sender<()>,
    recorder: JoinHandle<()>,
    /// What the server got, up to the end of the head.
    heads: JoinHandle<Vec<String>>,
}

/// Reads a message until the end of its head.
fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

impl Recorded {
    /// A server that answers so many connections with the reply, in which PORT is its port.
    fn start(connections: usize, reply: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().port();
        let heads = thread::spawn(move || {
            let accepted = (0..connections).map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                let head = head_of(&mut stream);
                let text = String::from_utf8_lossy(&reply).replace("PORT", &server.to_string());
                stream.write_all(text.as_bytes()).unwrap();
                head
            });
            accepted.collect()
        });
        let tape = Tape::new(|_, _| ());
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let its = Arc::clone(&tape);
        let recorder = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let stop = async { stopped.await.unwrap() };
                record(listener, server, &its, stop).await;
            });
        });
        Self {
            at: told.recv().unwrap(),
            server,
            tape,
            stop,
            recorder,
            heads,
        }
    }

    /// Sends a request on a connection of its own: the whole reply.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        String::from_utf8(reply).unwrap()
    }

    /// Ends it: what the server got, and what was recorded.
    fn end(self) -> (Vec<String>, Recording) {
        self.stop.send(()).unwrap();
        self.recorder.join().unwrap();
        (self.heads.join().unwrap(), self.tape.take())
    }
}

#[test]
fn names_fit_on_both_sides_and_both_messages_are_kept() {
    let reply = "HTTP/1.1 302 Found\r\nLocation: http://localhost:PORT/next\r\nSet-Cookie: sid=1; Domain=example.org; Path=/\r\n\
                 Set-Cookie: b=2\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\nhello";
    let recorded = Recorded::start(1, reply.into());
    let port = recorded.at.port();
    let body = "user=al";
    let told = recorded.ask(&format!(
        "POST /login?a=b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n\
         Referer: http://127.0.0.1:{port}/login\r\nCookie: csrf=1\r\nAccept-Encoding: gzip, br\r\nIf-None-Match: \"x\"\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(
        told.contains(&format!("location: http://127.0.0.1:{port}/next\r\n")),
        "{told}"
    );
    assert!(
        told.contains("set-cookie: sid=1; Path=/\r\nset-cookie: b=2\r\n"),
        "{told}"
    );
    assert!(told.ends_with("\r\n\r\nhello"), "{told}");
    let server = recorded.server;
    let (heads, recording) = recorded.end();
    let head = heads[0].to_ascii_lowercase();
    for line in [
        format!("host: 127.0.0.1:{port}\r\n"),
        format!("origin: http://127.0.0.1:{port}\r\n"),
        format!("referer: http://127.0.0.1:{port}/login\r\n"),
        "accept-encoding: identity\r\n".to_owned(),
        "cookie: csrf=1\r\n".to_owned(),
    ] {
        assert!(head.contains(&line), "{line}{head}");
    }
    assert!(
        !head.contains("if-none-match") && !head.contains(&server.to_string()),
        "{head}"
    );
    let [one] = recording.requests.as_slice() else {
        panic!("{recording:?}");
    };
    assert_eq!(
        (one.method.as_str(), one.path.as_str()),
        ("POST", "/login?a=b")
    );
    assert_eq!(one.body.bytes, b"user=al");
    let reply = one.reply.as_ref().unwrap();
    assert_eq!(
        (reply.status, reply.body.bytes.as_slice()),
        (302, &b"hello"[..])
    );
    assert!(reply.took.is_some());
    // The client's cache is the recorder's affair.
    assert!(
        reply
            .headers
            .iter()
            .all(|(name, _)| name != "cache-control")
    );
}

#[test]
fn a_long_body_passes_whole_and_is_kept_in_part_and_an_image_not_at_all() {
    const LONG: usize = 3 * 1024 * 1024;
    for (kind, kept) in [("text/html", 1024 * 1024), ("image/png", 0)] {
        let mut reply =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {LONG}\r\n\r\n")
                .into_bytes();
        reply.resize(reply.len() + LONG, b'x');
        let recorded = Recorded::start(1, reply);
        let told = recorded.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (_, body) = told.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), LONG);
        let (_, recording) = recorded.end();
        let body = &recording.requests[0].reply.as_ref().unwrap().body;
        assert_eq!((body.bytes.len(), body.passed), (kept, LONG as u64));
        assert!(body.is_cut());
    }
}

#[test]
fn a_websocket_is_refused_with_a_word_and_counted() {
    let recorded = Recorded::start(0, Vec::new());
    let told = recorded.ask(
        "GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert!(told.starts_with("HTTP/1.1 501 "), "{told}");
    assert!(
        told.contains("WebSockets are not recorded and not passed on"),
        "{told}"
    );
    let (_, recording) = recorded.end();
    assert_eq!((recording.websockets, recording.requests.len()), (1, 0));
}

#[test]
fn a_server_that_is_gone_is_told_and_its_request_has_no_reply() {
    let recorded = Recorded::start(0, Vec::new());
    // The listener ends with its thread.
    while !recorded.heads.is_finished() {
        thread::yield_now();
    }
    let told = recorded.ask("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 502 "), "{told}");
    let (_, recording) = recorded.end();
    assert_eq!(recording.requests.len(), 1);
    assert_eq!(recording.requests[0].reply, None);
}
