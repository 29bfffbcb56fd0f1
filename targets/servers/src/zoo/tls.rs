//! `tls`: a memory server behind TLS, in HTTP/1.1 or HTTP/2 as the client asks for it in the handshake (ALPN). It signs
//! its certificate itself, anew at each start.
//!
//! Nothing is wrong with that. It exposes a client that insists on a certificate, or on the one of the last start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

/// How long a handshake may take; a client that says nothing is not waited for any longer.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let config = configure().map_err(ServeError::system("make a certificate"))?;
    launch.serve_on(App::over(Memory::default()), |launch| {
        Ok(Encrypted {
            tcp: launch.listen()?,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: JoinSet::new(),
        })
    })
}

fn configure() -> io::Result<ServerConfig> {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A listener that does the handshakes, several at a time.
struct Encrypted {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                // Axum's, which lives through a shortage of descriptors.
                (stream, address) = Listener::accept(&mut self.tcp) => {
                    // Fails only on a connection that is already dead.
                    let _ = stream.set_nodelay(true);
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move {
                        let done = tokio::time::timeout(HANDSHAKE_MAX, handshake).await;
                        Some((done.ok()?.ok()?, address))
                    });
                }
                Some(done) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
