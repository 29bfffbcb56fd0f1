//! A shared HTTP cache in front of a server or its balancer: a small one for HTTP/1.1, and a launcher for nginx.
//!
//! It is a process of its own, started by `cli::cache`; it knows nothing of trials, plans or journals. It stores and
//! serves by RFC 9111 and RFC 5861 and has parts in common with the load balancer: connections, bodies, the clients'
//! side. Its replies have the field `Cache-Status` of RFC 9211, the last member of
//! the list being its own:
//!
//! | `Cache-Status` | the reply |
//! |---|---|
//! | `comeback; hit; ttl=4` | was stored, and is fresh for so many more seconds |
//! | `comeback; hit; ttl=-3; detail=origin-error` | was stored, and went stale so long ago: the server failed |
//! | `comeback; fwd=stale; fwd-status=304` | was stored, and the server says that it still holds |
//! | `comeback; fwd=uri-miss; fwd-status=200; stored` | is the server's, and is kept for others; likewise `vary-miss`, `stale`, `request` |
//! | `comeback; fwd=uri-miss; fwd-status=200` | is the server's, and is not kept |
//! | `comeback; fwd=method; fwd-status=200` | is the server's: only replies to GET are looked up; likewise `bypass` |
//! | `comeback; fwd=uri-miss; detail=refused` | is the cache's own, 502 or 504: the server did not reply |

mod answer;
mod body;
mod conditions;
mod entry;
pub(crate) mod origin;
pub mod outside;
mod rules;
mod status;
mod store;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use crate::balancer::Sink;
use crate::balancer::front;
use crate::balancer::log::Log;

use answer::Cache;
use origin::Origin;
pub use rules::StaleIfError;

use rules::Rules;
use store::Store;

/// The settings of a cache.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The server, or its balancer.
    pub to: SocketAddr,
    /// How long after it went stale a reply is served while the server fails, where the reply does not say.
    pub stale_if_error: Option<StaleIfError>,
    /// Wrong on purpose: every reply is stored for so long, whatever it says of that.
    pub ignore_private: Option<Duration>,
    /// How many bytes of replies are kept.
    pub memory: u64,
    /// How long the server may take to accept, to begin its reply, and between two pieces of it.
    pub timeout: Duration,
    /// How long requests in flight may take after a signal.
    pub drain: Duration,
}

/// Events of the cache, beside those of every front.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    /// It listens.
    Started { listen: SocketAddr, to: SocketAddr },
}

/// Caches until SIGTERM or SIGINT has come and requests in flight are finished; blocks.
///
/// # Errors
/// If there is no runtime, or the port is not available.
pub fn run(options: &Options, sink: Sink) -> io::Result<()> {
    front::block_on(serve(options, sink))
}

async fn serve(options: &Options, sink: Sink) -> io::Result<()> {
    let stop = front::stopped()?;
    let (listener, listen) = front::listen(options.port).await?;
    let log = Arc::new(Log::new(sink));
    log.write(&Event::Started {
        listen,
        to: options.to,
    });
    let cache = Arc::new(Cache {
        origin: Origin::new(options.to, options.timeout),
        store: Arc::new(Mutex::new(Store::new(options.memory))),
        rules: Rules {
            stale_if_error: options.stale_if_error,
            ignore_private: options.ignore_private,
        },
    });
    front::serve(listener, cache, log, stop, options.drain).await;
    Ok(())
}
