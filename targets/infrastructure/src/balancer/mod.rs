//! A load balancer in front of replicas of a server: a small HTTP/1.1 reverse proxy, and launchers for real ones.
//!
//! It is a process of its own, started by `cli::balance`; it knows nothing of trials, plans or journals. What it
//! promises to whoever reads its replies:
//!
//! - A reply with `x-replica: N` is a replica's, the N-th of the list, counted from 0.
//! - A reply with `x-balancer-error` is the balancer's own, and `x-failed-replica` says which replica it is about:
//!
//! | status | `x-balancer-error` | because |
//! |---|---|---|
//! | 502 | `refused` | the replica refused the connection; nothing was sent |
//! | 502 | `reset` | the connection broke before the reply began |
//! | 502 | `malformed` | what came is not an HTTP/1 reply |
//! | 502 | `local` | the balancer is out of descriptors or ports |
//! | 503 | `none-up` | no replica is up |
//! | 504 | `timeout` | no connection, or no beginning of a reply, in time |
//! | 400, 408 | `client` | the request cannot be passed on, or its rest did not come |
//!
//! - A reply that breaks off, or whose replica falls silent for the time-out, resets the client's connection.
//! - `Upgrade` is not passed on: no WebSockets. A client may keep its connection idle as long as it likes.

mod body;
mod checks;
mod control;
pub(crate) mod front;
pub(crate) mod headers;
pub(crate) mod log;
pub mod order;
pub mod outside;
mod policy;
pub(crate) mod pool;
pub(crate) mod proxy;
mod replicas;
mod socket;
pub(crate) mod upload;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use checks::Checks;
use control::Orders;
use log::{Event, Log};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use policy::Chooser;
use proxy::Proxy;
use replicas::{Replica, Thresholds};

pub use log::Sink;
pub use policy::Policy;

/// The settings of a balancer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The replicas.
    pub to: Vec<SocketAddr>,
    /// How requests are spread.
    pub policy: Policy,
    /// The name of the sticky cookie.
    pub cookie: String,
    /// The path of health checks; without one an accepted connection is a good check.
    pub check: Option<String>,
    /// How often each replica is checked.
    pub every: Duration,
    /// How long a check may take.
    pub check_timeout: Duration,
    /// How many bad checks, or broken requests, in a row eject a replica.
    pub fall: u32,
    /// How many good checks in a row bring it back.
    pub rise: u32,
    /// How often a request may be sent again.
    pub retry: u32,
    /// How long a replica may take to accept, to begin its reply, and between two pieces of it.
    pub timeout: Duration,
    /// How long requests in flight may take after a signal.
    pub drain: Duration,
    /// The Unix socket that takes orders.
    pub control: Option<PathBuf>,
    /// The seed of random choices.
    pub seed: u64,
}

/// Two descriptors a request, for more clients than any load of this project has.
const FILES: u64 = 16_384;

/// Allows this process, and a program that takes its place, as many open files as it needs, or as it may have.
///
/// # Errors
/// If the limit cannot be read or set.
pub fn raise_file_limit() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(
        Resource::RLIMIT_NOFILE,
        soft.max(FILES.min(hard)),
        hard,
    )?)
}

/// Balances until SIGTERM or SIGINT has come and requests in flight are finished; blocks.
///
/// # Errors
/// If there is no runtime, or the port or the control socket is not available.
pub fn run(options: &Options, sink: Sink) -> io::Result<()> {
    front::block_on(balance(options, sink))
}

async fn balance(options: &Options, sink: Sink) -> io::Result<()> {
    let stop = front::stopped()?;
    // Before the port: who can connect there can give orders, too.
    let orders = options.control.as_deref().map(Orders::bind).transpose()?;
    let (listener, listen) = front::listen(options.port).await?;
    let log = Arc::new(Log::new(sink));
    log.write(&Event::Started {
        listen,
        policy: &options.policy.to_string(),
        replicas: options.to.clone(),
        seed: options.seed,
    });
    let proxy = Arc::new(proxy(options, &log));
    let serving = front::serve(listener, Arc::clone(&proxy), log, stop, options.drain);
    match orders {
        None => serving.await,
        Some(orders) => tokio::select! {
            () = serving => {}
            () = orders.obey(&proxy.replicas) => {}
        },
    }
    Ok(())
}

/// The proxy, its replicas being watched.
fn proxy(options: &Options, log: &Arc<Log>) -> Proxy {
    let thresholds = Thresholds {
        fall: options.fall,
        rise: options.rise,
    };
    let replicas: Vec<Arc<Replica>> = (0..)
        .zip(&options.to)
        .map(|(index, address)| Replica::new(index, *address, thresholds, Arc::clone(log)))
        .map(Arc::new)
        .collect();
    let checks = Checks {
        path: options.check.clone(),
        every: options.every,
        timeout: options.check_timeout,
    };
    for replica in &replicas {
        tokio::spawn(checks.clone().watch(Arc::clone(replica)));
    }
    Proxy {
        replicas,
        chooser: Chooser::new(options.policy, options.cookie.clone(), options.seed),
        retry: options.retry,
        timeout: options.timeout,
    }
}
