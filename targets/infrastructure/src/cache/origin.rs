//! The server behind a cache or a recorder: a request is sent to it once, on a connection that is kept for the next.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::balancer::pool::{Link, Pool};
use crate::balancer::upload::{Progress, Upload};

/// The server, or its balancer.
pub(crate) struct Origin {
    address: SocketAddr,
    pub(crate) pool: Arc<Pool>,
    pub(crate) timeout: Duration,
}

/// Why the server gave no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused,
    Reset,
    Timeout,
    Malformed,
    /// This program has no descriptor or port of its own left.
    Local,
    /// The client did not send the rest of its request.
    SlowClient,
    ClientGone,
}

impl Failure {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Refused | Self::Reset | Self::Malformed | Self::Local => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::SlowClient | Self::ClientGone => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The word in `Cache-Status`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Local => "local",
            Self::SlowClient | Self::ClientGone => "client",
        }
    }

    /// Whether the server is what failed.
    pub(crate) const fn is_the_servers(self) -> bool {
        match self {
            Self::Refused | Self::Reset | Self::Timeout | Self::Malformed => true,
            Self::Local | Self::SlowClient | Self::ClientGone => false,
        }
    }
}

impl Origin {
    pub(crate) fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            address,
            pool: Arc::default(),
            timeout,
        }
    }

    /// Sends a request until its reply begins. One that may have arrived is never sent again.
    pub(crate) async fn ask(
        &self,
        mut request: Request<Upload>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Link), Failure> {
        loop {
            let mut link = match self.pool.take() {
                Some(link) => link,
                None => self.connect().await?,
            };
            let sending = link.sender.try_send_request(request);
            match progress.patiently(self.timeout, sending).await {
                Some(Ok(response)) => return Ok((response, link)),
                Some(Err(mut error)) => match error.take_message() {
                    // It ended while it was idle, and nothing was written.
                    Some(unsent) if link.reused => request = unsent,
                    _ if progress.client_failed() => return Err(Failure::ClientGone),
                    _ if error.error().is_parse() => return Err(Failure::Malformed),
                    _ => return Err(Failure::Reset),
                },
                None if progress.awaits_client() => return Err(Failure::SlowClient),
                None => return Err(Failure::Timeout),
            }
        }
    }

    async fn connect(&self) -> Result<Link, Failure> {
        match tokio::time::timeout(self.timeout, Link::open(self.address)).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => Failure::Refused,
                io::ErrorKind::TimedOut => Failure::Timeout,
                _ => Failure::Local,
            }),
            Err(_) => Err(Failure::Timeout),
        }
    }
}
