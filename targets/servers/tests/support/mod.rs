//! A server in a thread, and a small HTTP/1.1 client, for the tests beside this folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use comeback_servers::{ServeError, ServeOptions, find, serve_with};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than any answer takes, shorter than anybody's patience.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Shorter than that, and longer than a store takes on a busy machine.
const STORE_MAX: Duration = Duration::from_secs(30);

/// A target that serves inside the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeError>>,
    /// Its data folder, if it is its own: removed after its end.
    data: Option<TempDir>,
}

impl Server {
    pub(crate) fn start(name: &str, data: &Path) -> Self {
        Self::start_over(name, data, None)
    }

    /// A target whose sessions another server keeps, and may take its time for on a busy machine.
    pub(crate) fn start_over(name: &str, data: &Path, store: Option<SocketAddr>) -> Self {
        Self::start_within(name, data, store, STORE_MAX)
    }

    /// A target that waits for its store for so long.
    pub(crate) fn start_within(
        name: &str,
        data: &Path,
        store: Option<SocketAddr>,
        store_within: Duration,
    ) -> Self {
        let target = find(name).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let options = ServeOptions {
            port: 0,
            data: data.to_owned(),
            store,
            store_within,
        };
        let thread = std::thread::spawn(move || {
            serve_with(target, &options, listener, async move {
                let _ = stopped.await;
            })
        });
        Self {
            address,
            stop,
            thread,
            data: None,
        }
    }

    /// The same, with this data folder for its own.
    pub(crate) fn owning(self, data: TempDir) -> Self {
        Self {
            data: Some(data),
            ..self
        }
    }

    /// Begins the drain and says how to wait for its end.
    pub(crate) fn stop(self) -> JoinHandle<Result<(), ServeError>> {
        let _ = self.stop.send(());
        let (thread, data) = (self.thread, self.data);
        std::thread::spawn(move || {
            let ended = thread.join().unwrap();
            drop(data);
            ended
        })
    }

    pub(crate) fn drain(self) {
        self.stop().join().unwrap().unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) chunks: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn boot_id(&self) -> &str {
        self.header("x-boot-id").unwrap()
    }

    /// `(200, "u17", 3)`; a status alone if there is no session in the body.
    pub(crate) fn session(&self) -> (u16, &str, u64) {
        (
            self.status,
            self.body["user"].as_str().unwrap_or(""),
            self.body["visits"].as_u64().unwrap_or(0),
        )
    }
}

/// A client with one connection and one cookie.
pub(crate) struct Client {
    connection: BufReader<TcpStream>,
    pub(crate) cookie: Option<String>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            connection: BufReader::new(stream),
            cookie: None,
        }
    }

    /// The same cookie on a connection to another process.
    pub(crate) fn moved_to(&self, address: SocketAddr) -> Self {
        Self {
            cookie: self.cookie.clone(),
            ..Self::connect(address)
        }
    }

    pub(crate) fn login(&mut self, user: &str) -> Answer {
        self.send("POST", "/login", &format!(r#"{{"user":"{user}"}}"#))
    }

    pub(crate) fn visit(&mut self) -> Answer {
        self.send("POST", "/visit", "")
    }

    /// A visit with an idempotency key, as the header has it.
    pub(crate) fn visit_once(&mut self, key: &str) -> Answer {
        self.send_with("/visit", &format!("idempotency-key: {key}\r\n"))
    }

    /// A request without a body, with more header lines.
    pub(crate) fn send_with(&mut self, path: &str, headers: &str) -> Answer {
        self.write_with("POST", path, headers, "");
        self.take_answer()
    }

    pub(crate) fn me(&mut self) -> Answer {
        self.send("GET", "/me", "")
    }

    pub(crate) fn logout(&mut self) -> Answer {
        self.send("POST", "/logout", "")
    }

    pub(crate) fn health(&mut self) -> Answer {
        self.send("GET", "/health", "")
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.write(method, path, body);
        self.take_answer()
    }

    fn take_answer(&mut self) -> Answer {
        let answer = self.read();
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = (!cookie.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        answer
    }

    pub(crate) fn write(&mut self, method: &str, path: &str, body: &str) {
        self.write_with(method, path, "", body);
    }

    fn write_with(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let cookie = self
            .cookie
            .as_ref()
            .map(|cookie| format!("cookie: {cookie}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\n{cookie}{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.write_text(&request);
    }

    pub(crate) fn write_text(&mut self, text: &str) {
        self.connection
            .get_mut()
            .write_all(text.as_bytes())
            .unwrap();
    }

    pub(crate) fn read(&mut self) -> Answer {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((key, value)) = line.split_once(':') else {
                break;
            };
            headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Value::Null,
            chunks: 0,
        };
        let body = match answer.header("content-length") {
            Some(length) => self.bytes(length.parse().unwrap()),
            None => self.chunked(&mut answer.chunks),
        };
        answer.body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        answer
    }

    /// True when the server has closed the connection; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.connection.read(&mut [0; 1]), Ok(0))
    }

    fn chunked(&mut self, chunks: &mut usize) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line(), 16).unwrap();
            body.extend(self.bytes(length));
            self.line();
            if length == 0 {
                return body;
            }
            *chunks += 1;
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended in {line:?}");
        line.trim_end().to_owned()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.connection.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// Waits for a condition, with a deadline.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + ANSWER_MAX;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen within {ANSWER_MAX:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
