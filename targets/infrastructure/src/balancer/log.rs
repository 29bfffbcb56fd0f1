//! Events of the balancer, one JSON line each.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Takes one line, without its end.
pub type Sink = Box<dyn FnMut(&str) + Send>;

/// A fact about the balancer.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// It listens.
    Started {
        listen: SocketAddr,
        policy: &'a str,
        replicas: Vec<SocketAddr>,
        seed: u64,
    },
    /// A replica gets no more requests.
    Ejected {
        replica: SocketAddr,
        index: usize,
        why: &'a str,
    },
    /// A replica gets requests again.
    Returned { replica: SocketAddr, index: usize },
    /// Somebody asked that a replica gets no more requests.
    ReplicaDraining { replica: SocketAddr, index: usize },
    /// Somebody took that back.
    ReplicaUndrained { replica: SocketAddr, index: usize },
    /// A connection could not be accepted.
    AcceptFailed { why: &'a str },
    /// A signal has come: no more connections are accepted.
    Draining { connections: usize },
    /// All requests are finished, or were cut off with their connections.
    Drained { cut: usize },
}

/// Writes events down.
pub(crate) struct Log(Mutex<Sink>);

#[derive(Serialize)]
struct Line<'a, E> {
    at_ms: f64,
    #[serde(flatten)]
    event: &'a E,
}

impl Log {
    pub(crate) fn new(sink: Sink) -> Self {
        Self(Mutex::new(sink))
    }

    /// Writes one event, with the time of the machine's monotonic clock.
    pub(crate) fn write(&self, event: &impl Serialize) {
        let line = Line {
            at_ms: monotonic_ms(),
            event,
        };
        // Values of ours always are JSON.
        if let Ok(text) = serde_json::to_string(&line) {
            let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (*sink)(&text);
        }
    }
}

/// Milliseconds of `CLOCK_MONOTONIC`: every process of the machine reads the same one.
fn monotonic_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    let us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    us as f64 / 1_000.0
}
