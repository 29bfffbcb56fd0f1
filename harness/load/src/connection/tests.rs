//! Connections to servers that answer, and to servers that break off at a chosen point. The Redis is real.

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use comeback_model::ids::BootId;
use comeback_model::plan::Protocol;
use comeback_model::units::Elapsed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use super::*;
use comeback_session::wire::KEPT_BODY;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-boot-id: b\r\n\r\nhi";

/// What a test looks at in a reply.
type Told = (u16, String);

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Serves one connection after the other; what `serve` returns is dropped, and the connection with it.
async fn server<F, S>(serve: S) -> (u16, JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    (port, serving)
}

fn dialer(endpoint: Endpoint) -> Dialer {
    let wanted = Wanted {
        boot: Some("x-boot-id".to_owned()),
        headers: vec!["x-count".to_owned()],
        relayed: false,
    };
    Dialer::new(endpoint, wanted).expect("TLS can be had")
}

/// Opens a connection; whether it was accepted, and what became of it.
async fn open(endpoint: Endpoint) -> (bool, Result<Connection, Broken>) {
    let accepted = Cell::new(false);
    let waits = Waits::default();
    let dialer = dialer(endpoint);
    let opening = dialer.open(&waits, || accepted.set(true));
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    (accepted.get(), opened.expect("it does not hang"))
}

async fn opened(endpoint: Endpoint) -> Connection {
    open(endpoint).await.1.expect("it listens")
}

async fn ask(connection: &mut Connection, request: &[u8]) -> Result<(Told, bool), Broken> {
    let (scratch, waits) = (Scratch::new(), Waits::default());
    let exchange = connection.exchange(request, &scratch, &waits, |reply| {
        let body = String::from_utf8_lossy(reply.body).into_owned();
        (reply.status, body)
    });
    let exchanged = tokio::time::timeout(PATIENCE, exchange).await;
    exchanged.expect("it does not hang")
}

/// What one request over a fresh connection comes to.
async fn ask_once(endpoint: Endpoint) -> Result<(Told, bool), Broken> {
    let (_, connection) = open(endpoint).await;
    ask(&mut connection?, GET).await
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn acceptor(protocol: &[u8]) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("its own key");
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A server behind TLS.
async fn tls_server<F, S>(serve: S) -> Endpoint
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
{
    let acceptor = acceptor(b"http/1.1");
    let (port, _) = server(move |stream| {
        let (handshake, serve) = (acceptor.accept(stream), serve.clone());
        async move {
            if let Ok(stream) = handshake.await {
                serve(stream).await;
            }
        }
    })
    .await;
    Endpoint::tcp(Protocol::Https, port)
}

/// Reads up to the end of a request's head.
async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.expect("a whole request"));
    }
}

fn refused() -> Broken {
    broken(ErrorClass::Refused, false)
}

#[tokio::test]
async fn an_encrypted_connection_carries_requests_and_lives_on() {
    let endpoint = tls_server(|mut stream| async move {
        for _ in 0..3 {
            read_head(&mut stream).await;
            stream.write_all(OK).await.expect("a client");
            stream.flush().await.expect("a client");
        }
        stream.shutdown().await.expect("a client");
    })
    .await;
    let mut connection = opened(endpoint).await;
    let scratch = Scratch::new();
    for _ in 0..3 {
        // The tickets that TLS 1.3 sends behind the handshake spoil nothing.
        assert!(!connection.is_stale(&scratch));
        let told = ask(&mut connection, GET).await;
        assert_eq!(told, Ok(((200, "hi".to_owned()), true)));
    }
    wait_until("the end of the connection", || {
        connection.is_stale(&scratch)
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_connection_refused_although_it_was_accepted() {
    let (closing, _) = server(|stream| async move { drop(stream) }).await;
    let (talking, _) = server(|mut stream| async move {
        let _ = stream.write_all(b"220 mail ready\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    for port in [closing, talking] {
        let (accepted, connection) = open(Endpoint::tcp(Protocol::Https, port)).await;
        assert_eq!(connection.err(), Some(refused()), "{port}");
        assert!(accepted);
    }
    // Bound, so that nobody gets the port, and nobody listens there.
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    let (accepted, connection) = open(Endpoint::tcp(Protocol::Https, port)).await;
    assert_eq!(connection.err(), Some(refused()));
    assert!(!accepted);
}

#[tokio::test]
async fn an_encrypted_reply_that_is_cut_off_is_reset_even_where_the_end_would_complete_it() {
    let endpoint = tls_server(|mut stream| async move {
        read_head(&mut stream).await;
        let unframed = b"HTTP/1.1 200 OK\r\n\r\nhalf";
        stream.write_all(unframed).await.expect("a client");
        stream.flush().await.expect("a client");
        // No goodbye of TLS: as when the process is killed.
    })
    .await;
    let reset = broken(ErrorClass::Reset, true);
    assert_eq!(ask_once(endpoint).await, Err(reset));
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time_while_connecting_and_while_waiting() {
    let (port, _) = server(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    let waits = Waits::default();
    let expire = || async {
        waits.start(Elapsed::default());
        // Each turn lets the other side of the `join` look at its deadline.
        for _ in 0..3 {
            tokio::task::yield_now().await;
            waits.sweep(Elapsed::default());
        }
    };
    let encrypted = dialer(Endpoint::tcp(Protocol::Https, port));
    let accepted = Cell::new(false);
    let (connection, ()) = tokio::join!(encrypted.open(&waits, || accepted.set(true)), async {
        wait_until("a connection", || accepted.get()).await;
        expire().await;
    });
    let late = broken(ErrorClass::ConnectTimeout, false);
    assert_eq!(connection.err(), Some(late));

    for protocol in [Protocol::Http, Protocol::H2c, Protocol::Redis] {
        let mut connection = opened(Endpoint::tcp(protocol, port)).await;
        let scratch = Scratch::new();
        waits.start(Elapsed::default());
        let (exchanged, ()) =
            tokio::join!(connection.exchange(GET, &scratch, &waits, |_| ()), expire());
        let late = broken(ErrorClass::ResponseTimeout, true);
        assert_eq!(exchanged.err(), Some(late), "{protocol:?}");
    }
}

/// An HTTP/2 server that answers each request of a connection so.
async fn h2_server<S>(answer: S) -> Endpoint
where
    S: Fn(h2::server::SendResponse<Bytes>) + Clone + Send + 'static,
{
    let (port, _) = server(move |stream| {
        let answer = answer.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.expect("a client");
            while let Some(Ok((_, respond))) = connection.accept().await {
                answer(respond);
            }
        }
    })
    .await;
    Endpoint::tcp(Protocol::H2c, port)
}

fn response() -> http::Response<()> {
    let response = http::Response::builder()
        .status(201)
        .header("x-boot-id", "b")
        .header("x-count", "7")
        .header("x-other", "8")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    response.body(()).expect("a response")
}

#[tokio::test]
async fn a_reply_in_http2_tells_what_one_in_http1_does() {
    let endpoint = h2_server(|mut respond| {
        let mut stream = respond.send_response(response(), false).expect("a client");
        stream
            .send_data(Bytes::from_static(b"hi"), true)
            .expect("a client");
    })
    .await;
    let mut connection = opened(endpoint).await;
    let (scratch, waits) = (Scratch::new(), Waits::default());
    for _ in 0..3 {
        assert!(!connection.is_stale(&scratch));
        let exchanged = connection
            .exchange(GET, &scratch, &waits, |reply| {
                assert_eq!(reply.status, 201);
                assert_eq!(reply.boot, Some(BootId::from_header(b"b")));
                assert_eq!(reply.cookies, ["a=1", "b=2"]);
                assert_eq!(reply.headers, [("x-count".to_owned(), "7".to_owned())]);
                assert_eq!(reply.body, b"hi");
                assert!(!reply.unframed);
            })
            .await;
        assert_eq!(exchanged, Ok(((), true)));
    }
}

#[tokio::test]
async fn a_large_body_in_http2_is_read_to_its_end_and_its_beginning_kept() {
    let endpoint = h2_server(|mut respond| {
        let mut stream = respond.send_response(response(), false).expect("a client");
        let body = Bytes::from(vec![b'x'; 20 * KEPT_BODY]);
        stream.send_data(body, true).expect("a client");
    })
    .await;
    let mut connection = opened(endpoint).await;
    for _ in 0..2 {
        let ((status, body), reusable) = ask(&mut connection, GET).await.expect("a reply");
        assert_eq!((status, body.len(), reusable), (201, KEPT_BODY, true));
    }
}

#[tokio::test]
async fn each_way_in_which_http2_breaks_is_told_apart() {
    let refusing = h2_server(|mut respond| respond.send_reset(h2::Reason::REFUSED_STREAM)).await;
    assert_eq!(ask_once(refusing).await, Err(refused()));

    let reset = broken(ErrorClass::Reset, true);
    let failing = h2_server(|mut respond| respond.send_reset(h2::Reason::INTERNAL_ERROR)).await;
    assert_eq!(ask_once(failing).await, Err(reset));
    let halfway = h2_server(|mut respond| {
        let mut stream = respond.send_response(response(), false).expect("a client");
        stream
            .send_data(Bytes::from_static(b"half"), false)
            .expect("a client");
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    assert_eq!(ask_once(halfway).await, Err(reset));
    let (dying, _) = server(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.expect("a client");
        let request = connection.accept().await;
        drop((connection, request));
    })
    .await;
    let broken_off = ask_once(Endpoint::tcp(Protocol::H2c, dying)).await;
    assert_eq!(broken_off, Err(reset));

    let (other, _) = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let malformed = broken(ErrorClass::Malformed, true);
    let told = ask_once(Endpoint::tcp(Protocol::H2c, other)).await;
    assert_eq!(told, Err(malformed));
}

#[tokio::test]
async fn an_http2_connection_that_was_said_goodbye_to_is_stale() {
    let (port, _) = server(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.expect("a client");
        let (_, mut respond) = connection
            .accept()
            .await
            .expect("a request")
            .expect("a client");
        respond.send_response(response(), true).expect("a client");
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    })
    .await;
    let mut connection = opened(Endpoint::tcp(Protocol::H2c, port)).await;
    let ((status, _), _) = ask(&mut connection, GET).await.expect("a reply");
    assert_eq!(status, 201);
    let scratch = Scratch::new();
    wait_until("the goodbye", || connection.is_stale(&scratch)).await;
}

/// A real Redis on a Unix socket in `folder`; killed when it is dropped.
struct Redis(Child);

impl Redis {
    fn start(folder: &Path) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--maxmemory", "100mb"])
            .arg("--dir")
            .arg(folder)
            .arg("--unixsocket")
            .arg(folder.join("redis.sock"))
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("redis-server is there (`cargo xtask install` installs it)"))
    }

    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens a connection as soon as there is somebody to take it.
async fn opened_when_up(endpoint: &Endpoint) -> Connection {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open(endpoint.clone()).await.1 {
            Ok(connection) => return connection,
            Err(broken) => assert!(Instant::now() < deadline, "{broken:?}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    bytes.into_bytes()
}

#[tokio::test]
async fn a_real_redis_answers_is_killed_and_comes_back_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = Endpoint::tcp(Protocol::Redis, 1).on_socket(folder.path().join("redis.sock"));
    assert_eq!(open(endpoint.clone()).await.1.err(), Some(refused()));
    let redis = Redis::start(folder.path());
    let mut connection = opened_when_up(&endpoint).await;
    let large = "x".repeat(2 * KEPT_BODY);
    for (words, status, body) in [
        (&["SET", "visits", "41"][..], 200, "OK"),
        (&["INCR", "visits"], 200, "42"),
        (&["GET", "visits"], 200, "42"),
        (&["GET", "nothing"], 200, "null"),
        (&["RPUSH", "list", "a", "\"b\""], 200, "2"),
        (&["LRANGE", "list", "0", "-1"], 200, r#"["a","\"b\""]"#),
        (
            &["INCR", "list"],
            400,
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (&["SET", "large", &large], 200, "OK"),
        (&["GET", "large"], 200, &large[..KEPT_BODY]),
        (
            &["AUTH", "who", "knows"],
            401,
            "WRONGPASS invalid username-password pair or user is disabled.",
        ),
    ] {
        assert!(!connection.is_stale(&Scratch::new()));
        let told = ask(&mut connection, &command(words)).await;
        let expected = ((status, body.to_owned()), true);
        assert_eq!(told, Ok(expected), "{:?}", &words[..2]);
    }

    let mut waiting = opened(endpoint.clone()).await;
    let blocked = command(&["BLPOP", "nothing", "0"]);
    let clients = command(&["INFO", "clients"]);
    let (broken_off, ()) = tokio::join!(ask(&mut waiting, &blocked), async {
        loop {
            let answer = ask(&mut connection, &clients).await;
            let ((_, told), _) = answer.expect("a reply");
            if told.contains("blocked_clients:1") {
                break;
            }
        }
        redis.kill();
    });
    assert_eq!(broken_off, Err(broken(ErrorClass::Reset, true)));
    let scratch = Scratch::new();
    wait_until("the end of the idle connection", || {
        connection.is_stale(&scratch)
    })
    .await;
    // The file is still there, and nobody behind it.
    assert_eq!(open(endpoint.clone()).await.1.err(), Some(refused()));

    let _again = Redis::start(folder.path());
    let mut connection = opened_when_up(&endpoint).await;
    let told = ask(&mut connection, &command(&["GET", "visits"])).await;
    assert_eq!(told, Ok(((200, "null".to_owned()), true)));
}

#[tokio::test]
async fn a_server_that_does_not_speak_redis_is_malformed() {
    let (port, _) = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(OK).await;
    })
    .await;
    let mut connection = opened(Endpoint::tcp(Protocol::Redis, port)).await;
    let told = ask(&mut connection, &command(&["PING"])).await;
    assert_eq!(told, Err(broken(ErrorClass::Malformed, true)));
}

#[tokio::test]
async fn a_full_backlog_of_a_unix_socket_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.sock");
    let socket = tokio::net::UnixSocket::new_stream().expect("a socket");
    socket.bind(&path).expect("it is free");
    let listener = socket.listen(1).expect("a listener");
    let endpoint = Endpoint::tcp(Protocol::Http, 1).on_socket(path.clone());
    let mut filling = Vec::new();
    while let Ok(stream) = tokio::net::UnixStream::connect(&path).await {
        filling.push(stream);
    }
    let (connection, ()) = tokio::join!(opened(endpoint), async {
        tokio::task::yield_now().await;
        listener.accept().await.expect("one that fills");
    });
    drop(connection);
}
