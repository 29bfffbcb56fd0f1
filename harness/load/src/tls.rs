//! TLS to a target. Any certificate is accepted, because it is the target's own.
//!
//! The harness measures whether the target comes back, not its identity. So nothing secret may be sent through it to another machine.
//! Without the feature `tls`, `without_tls.rs` stands in this module's place.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use comeback_model::plan::Protocol;
use reqwest::ClientBuilder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::plain::Plain;

/// Does the TLS handshake on fresh streams.
pub(super) struct Handshake(TlsConnector);

impl Handshake {
    /// For a protocol, which is named in the handshake (ALPN).
    ///
    /// # Errors
    /// If the cryptography offers no version of TLS; it does.
    pub(super) fn of(protocol: Protocol) -> io::Result<Self> {
        let config = client_config(protocol).map_err(io::Error::other)?;
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// # Errors
    /// If the handshake fails.
    pub(super) async fn encrypt(&self, plain: Plain) -> io::Result<Encrypted> {
        let counted = Counted { plain, written: 0 };
        // The same name as in the requests: an address, so that it is not sent along.
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let stream = self.0.connect(name, counted).await?;
        Ok(Encrypted(Box::new(stream)))
    }
}

/// Gives a full client the same TLS, also where nothing is encrypted: the client's own would need a default for the whole
/// program.
///
/// # Errors
/// If the cryptography offers no version of TLS; it does.
pub(super) fn encrypt_client(
    client: ClientBuilder,
    protocol: Protocol,
) -> io::Result<ClientBuilder> {
    let config = client_config(protocol).map_err(io::Error::other)?;
    Ok(client.tls_backend_preconfigured(config))
}

/// Sessions are not resumed, so that no connection is cheaper because of an earlier process.
fn client_config(protocol: Protocol) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![protocol.spec().wire.alpn().to_vec()];
    Ok(config)
}

/// An encrypted stream.
#[derive(Debug)]
pub(super) struct Encrypted(Box<TlsStream<Counted>>);

impl Encrypted {
    /// How many bytes have left, TLS's own among them.
    pub(super) fn written(&self) -> u64 {
        self.0.get_ref().0.written
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_shutdown(cx)
    }
}

/// The stream below TLS, counting what leaves.
#[derive(Debug)]
struct Counted {
    plain: Plain,
    written: u64,
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().plain).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.plain).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            this.written += *count as u64;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().plain).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().plain).poll_shutdown(cx)
    }
}

/// Takes every certificate; that its holder has its key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
