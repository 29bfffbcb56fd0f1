//! Active health checks: one task a replica, each check on a connection of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use super::replicas::Replica;

/// How replicas are checked.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    /// The path of the check. Without one, an accepted connection is enough.
    pub(super) path: Option<String>,
    pub(super) every: Duration,
    /// How long a check may take.
    pub(super) timeout: Duration,
}

impl Checks {
    /// Checks a replica for ever. A check that takes longer than the interval delays the next one.
    pub(super) async fn watch(self, replica: Arc<Replica>) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let begun = Instant::now();
            let check = self.check(replica.address);
            let found = match tokio::time::timeout(self.timeout, check).await {
                Ok(found) => found,
                Err(_) => Err("timeout".to_owned()),
            };
            replica.tell_check(begun, found);
        }
    }

    async fn check(&self, address: SocketAddr) -> Result<(), String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => "refused".to_owned(),
                _ => error.to_string(),
            })?;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let request = Request::get(path)
            .header("host", address.to_string())
            .header("connection", "close")
            .body(Nothing)
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let asking = async {
            let status = match sender.send_request(request).await {
                Ok(response) => response.status(),
                Err(error) if error.is_parse() => return Err("malformed".to_owned()),
                Err(_) => return Err("reset".to_owned()),
            };
            match status.is_success() {
                true => Ok(()),
                false => Err(format!("status {}", status.as_u16())),
            }
        };
        let mut asking = std::pin::pin!(asking);
        // The connection ends with the check, whatever the replica still has to say.
        tokio::select! {
            biased;
            found = &mut asking => found,
            _ = connection => asking.await,
        }
    }
}

/// A body without anything.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
