//! The side of the clients: accepts their connections, and lets go of them when a signal has come.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::log::{Event, Log};

/// How long accepting waits if there is no descriptor left: some connections end meanwhile. Also how long a drain
/// waits for the first byte on a connection that was opened and not used.
const BREATH: Duration = Duration::from_millis(10);

/// Who answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static;

    /// Answers a request; `broken` is set when the client's connection must not end as if the reply were complete.
    fn answer(
        &self,
        client: SocketAddr,
        broken: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, ClientGone>> + Send;
}

/// The client closed the connection: no reply can be sent.
#[derive(Debug)]
pub(crate) struct ClientGone;

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client broke off its request")
    }
}

impl std::error::Error for ClientGone {}

/// Runs a proxy in front of servers, on one thread.
pub(crate) fn block_on(front: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(front)
}

/// Takes a port of 127.0.0.1.
pub(crate) async fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(at).await;
    let listener = listener
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {at}: {error}")))?;
    Ok((listener, at))
}

/// From now on SIGTERM and SIGINT do not end this process; the future is ready when one has come.
pub(crate) fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

/// Serves clients until `stop` is ready, then finishes what is in flight for `drain` at most.
pub(crate) async fn serve<A: Answer>(
    listener: TcpListener,
    proxy: Arc<A>,
    log: Arc<Log>,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let (stopping, stopped) = watch::channel(false);
    let open = Arc::new(AtomicUsize::new(0));
    let mut stop = pin!(stop);
    let begin = |stream| {
        let client = Client {
            stream,
            proxy: Arc::clone(&proxy),
            stopped: stopped.clone(),
            open: Open::new(&open),
        };
        tokio::spawn(client.serve());
    };
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                failing = false;
                begin(stream);
            }
            Err(error) => {
                // Once for a row of them: it is tried again many times a second.
                if !failing {
                    let why = &error.to_string();
                    log.write(&Event::AcceptFailed { why });
                }
                failing = true;
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    // Connections that the kernel has accepted for us.
    while let Ok(Ok((stream, _))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        begin(stream);
    }
    drop(listener);
    log.write(&Event::Draining {
        connections: open.load(Ordering::Relaxed),
    });
    drop(stopped);
    let _ = stopping.send(true);
    // Ends when the last connection has dropped its half.
    let _ = tokio::time::timeout(drain, stopping.closed()).await;
    log.write(&Event::Drained {
        cut: open.load(Ordering::Relaxed),
    });
}

/// Counts open connections.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's connection.
struct Client<A> {
    stream: TcpStream,
    proxy: Arc<A>,
    stopped: watch::Receiver<bool>,
    /// Dropped with the task.
    open: Open,
}

impl<A: Answer> Client<A> {
    async fn serve(mut self) {
        let _open = self.open;
        let Ok(address) = self.stream.peer_addr() else {
            return;
        };
        let _ = self.stream.set_nodelay(true);
        let state = Arc::new(SocketState::default());
        let socket = ClientSocket {
            stream: self.stream,
            state: Arc::clone(&state),
        };
        let service = service_fn(|request| {
            let (proxy, broken) = (Arc::clone(&self.proxy), Arc::clone(&state.broken));
            async move { proxy.answer(address, broken, request).await }
        });
        let mut connection =
            pin!(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        // How it ends is the client's to know.
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
        }
        // hyper waits for the first request of a connection however long it takes; one may be on its way.
        if !state.used.load(Ordering::Relaxed) {
            let _ = tokio::time::timeout(BREATH, connection.as_mut()).await;
            if !state.used.load(Ordering::Relaxed) {
                return;
            }
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// A client's socket, which is reset instead of closed when a reply broke off: where a reply ends with its connection,
/// an orderly end would make half a reply look like a whole one.
struct ClientSocket {
    stream: TcpStream,
    state: Arc<SocketState>,
}

/// The state of a client's socket while hyper owns it.
#[derive(Default)]
struct SocketState {
    /// A reply broke off.
    broken: Arc<AtomicBool>,
    /// Something has been read.
    used: AtomicBool,
}

impl ClientSocket {
    fn is_broken(&self) -> bool {
        self.state.broken.load(Ordering::Relaxed)
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        if self.is_broken() {
            let at_once = Some(Duration::ZERO);
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, at_once);
        }
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.state.used.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
