//! From loaded state to a served port and back: bind, accept, drain, close.
//!
//! A target loads its state and then hands its [`App`] to [`Launch::serve`]. Signals are caught from just before the
//! bind, so that a process that listens can always be asked to drain.

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::Router;
use axum::serve::{Listener, ListenerExt};
use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::contract::App;
use crate::error::{ServeError, StoreError};
use crate::page::private_unless_said;
use crate::session::random_bytes;

/// The header that identifies a process.
pub(crate) const BOOT_ID: &str = "x-boot-id";

/// Connections that may wait to be accepted: more than a load generator opens at once.
const BACKLOG: i32 = 1024;

/// How long requests in flight may take once the server was asked to stop.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(5);

pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a server listens and where it keeps its state.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The data folder; it is created where it is missing.
    pub data: PathBuf,
    /// The server that keeps the state, for those targets that need one.
    pub store: Option<SocketAddr>,
    /// How long a request waits for that server; usually [`STORE_WITHIN`](crate::STORE_WITHIN).
    pub store_within: Duration,
}

/// The settings of a target.
pub(crate) struct Launch {
    data: PathBuf,
    store: Option<SocketAddr>,
    store_within: Duration,
    address: SocketAddr,
    listener: Option<TcpListener>,
    stop: StopWhen,
    drain_max: Duration,
}

enum StopWhen {
    Signalled,
    Told(Stop),
    Killed,
}

impl Launch {
    /// Of a process of its own, which takes a listening socket that was passed to it (`LISTEN_FDS`).
    pub(crate) fn for_process(options: &ServeOptions) -> Result<Self, ServeError> {
        let passed = ListenFd::from_env()
            .take_tcp_listener(0)
            .map_err(ServeError::system(
                "take the listening socket of LISTEN_FDS",
            ))?;
        Ok(Self {
            listener: passed,
            ..Self::bare(options, StopWhen::Signalled)
        })
    }

    pub(crate) fn for_test(options: &ServeOptions, listener: TcpListener, stop: Stop) -> Self {
        Self {
            listener: Some(listener),
            ..Self::bare(options, StopWhen::Told(stop))
        }
    }

    fn bare(options: &ServeOptions, stop: StopWhen) -> Self {
        Self {
            data: options.data.clone(),
            store: options.store,
            store_within: options.store_within,
            address: (Ipv4Addr::LOCALHOST, options.port).into(),
            listener: None,
            stop,
            drain_max: DRAIN_MAX,
        }
    }

    /// The folder for the target's files; it exists.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where the server is that keeps the sessions.
    pub(crate) fn store(&self) -> Result<SocketAddr, ServeError> {
        self.store.ok_or(ServeError::NoStore)
    }

    /// How long a request waits for it.
    pub(crate) fn store_within(&self) -> Duration {
        self.store_within
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the listener is that was passed, if one was.
    pub(crate) fn passed_address(&self) -> Result<Option<SocketAddr>, ServeError> {
        let address = self.listener.as_ref().map(TcpListener::local_addr);
        address
            .transpose()
            .map_err(ServeError::system("use the listening socket"))
    }

    /// Binds a UDP port and no TCP port. A listener that was passed says which number, and is closed.
    pub(crate) fn listen_udp(&mut self) -> Result<tokio::net::UdpSocket, ServeError> {
        let address = self.passed_address()?.unwrap_or(self.address);
        self.listener = None;
        bind_udp(address)
    }

    /// Uses a listener that was bound elsewhere.
    pub(crate) fn on(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Serves until killed: signals are caught and forgotten.
    pub(crate) fn until_killed(mut self) -> Self {
        self.stop = StopWhen::Killed;
        self
    }

    /// Ends as soon as it is asked to, whatever is in flight.
    pub(crate) fn without_drain(mut self) -> Self {
        self.drain_max = Duration::ZERO;
        self
    }

    /// Binds, serves, drains and closes the app.
    pub(crate) fn serve(self, app: App) -> Result<(), ServeError> {
        self.serve_on(app, |launch| {
            let listener = launch.listen()?;
            Ok(listener.tap_io(|stream| {
                // Fails only on a connection that is already dead.
                let _ = stream.set_nodelay(true);
            }))
        })
    }

    /// The same on a listener of the target's own, made inside the runtime.
    pub(crate) fn serve_on<L: Listener<Addr: fmt::Debug>>(
        self,
        app: App,
        listen: impl FnOnce(&mut Self) -> Result<L, ServeError>,
    ) -> Result<(), ServeError> {
        let App { router, close } = app;
        let router = with_boot_id(private_unless_said(router))?;
        let drain_max = self.drain_max;
        self.run_on(listen, |listener, stop| {
            drain(listener, router, (stop, drain_max))
        })?;
        close()
    }

    /// Binds and runs a server, on a runtime that ends with it.
    pub(crate) fn run<F>(
        self,
        server: impl FnOnce(tokio::net::TcpListener, Stop) -> F,
    ) -> Result<(), ServeError>
    where
        F: Future<Output = ()>,
    {
        self.run_on(Self::listen, server)
    }

    /// The same on what the target binds by itself, inside the runtime.
    pub(crate) fn run_on<L, F>(
        mut self,
        listen: impl FnOnce(&mut Self) -> Result<L, ServeError>,
        server: impl FnOnce(L, Stop) -> F,
    ) -> Result<(), ServeError>
    where
        F: Future<Output = ()>,
    {
        runtime()?.block_on(async {
            let stop = std::mem::replace(&mut self.stop, StopWhen::Killed).arm()?;
            server(listen(&mut self)?, stop).await;
            Ok(())
        })
    }

    /// Binds the port, or uses the listener that was; inside the runtime.
    pub(crate) fn listen(&mut self) -> Result<tokio::net::TcpListener, ServeError> {
        let listener = match self.listener.take() {
            Some(listener) => {
                listener
                    .set_nonblocking(true)
                    .map_err(ServeError::system("use the listening socket"))?;
                listener
            }
            None => bind(self.address, Reuse::Yes)?,
        };
        tokio::net::TcpListener::from_std(listener)
            .map_err(ServeError::system("register the listening socket"))
    }
}

/// Binds a UDP port, non-blocking.
pub(crate) fn bind_udp(address: SocketAddr) -> Result<tokio::net::UdpSocket, ServeError> {
    let refused = |source| ServeError::Bind { address, source };
    let socket = UdpSocket::bind(address).map_err(refused)?;
    socket
        .set_nonblocking(true)
        .and_then(|()| tokio::net::UdpSocket::from_std(socket))
        .map_err(ServeError::system("register the UDP socket"))
}

impl StopWhen {
    /// Installs the signal handlers; to be called inside a runtime.
    fn arm(self) -> Result<Stop, ServeError> {
        match self {
            Self::Signalled => stop_signal(),
            Self::Told(stop) => Ok(stop),
            Self::Killed => {
                // Never awaited: with the handlers in place, the signals do nothing.
                let deaf = stop_signal()?;
                Ok(Box::pin(async move {
                    let _deaf = deaf;
                    std::future::pending().await
                }))
            }
        }
    }
}

/// One thread is enough for every target, and starts fastest.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, ServeError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::system("start the runtime"))
}

/// Whether a port may be bound on which closed connections linger (SO_REUSEADDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    Yes,
    No,
}

/// Binds and listens, non-blocking.
pub(crate) fn bind(address: SocketAddr, reuse: Reuse) -> Result<TcpListener, ServeError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listen = || {
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, reuse == Reuse::Yes)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    listen().map_err(|source: rustix::io::Errno| ServeError::Bind {
        address,
        source: source.into(),
    })
}

/// Ready at the first SIGTERM or SIGINT; the handlers are installed by the call, not by the first poll.
pub(crate) fn stop_signal() -> Result<Stop, ServeError> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(ServeError::system("catch SIGTERM"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(ServeError::system("catch SIGINT"))?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}

/// Serves until `stop`; then closes the listener and the idle connections, and waits so long for the requests in flight.
async fn drain<L: Listener<Addr: fmt::Debug>>(
    listener: L,
    router: Router,
    (stop, drain_max): (Stop, Duration),
) {
    let (stopping, stopped) = oneshot::channel();
    let stop = async move {
        stop.await;
        let _ = stopping.send(());
    };
    let deadline = async move {
        match stopped.await {
            Ok(()) => tokio::time::sleep(drain_max).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        // Never an error, says axum.
        _ = axum::serve(listener, router).with_graceful_shutdown(stop) => {}
        () = deadline => {}
    }
}

/// A name for this process: 16 hex digits.
pub(crate) fn boot_id() -> Result<String, ServeError> {
    let bytes = random_bytes().map_err(|error: StoreError| ServeError::Store(error))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn with_boot_id(router: Router) -> Result<Router, ServeError> {
    let name = boot_id()?;
    let value = HeaderValue::try_from(name).map_err(|error| ServeError::System {
        action: "name this boot",
        source: std::io::Error::other(error),
    })?;
    Ok(router.layer(map_response(move |mut response: Response| {
        response.headers_mut().insert(BOOT_ID, value.clone());
        std::future::ready(response)
    })))
}
