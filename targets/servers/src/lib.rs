//! Reference servers that speak one small HTTP contract and differ in one thing only: where they keep their state.
//!
//! A few speak another protocol, which has state of its own or has none ([`Service`], [`protocols`]).
//!
//! Beside them stands the zoo: servers with one behaviour broken on purpose, each of which a test harness must notice.
//! This crate knows nothing of the harness; it binds to the loopback address only. A new target is one file and one
//! line in [`all`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod contract;
mod error;
mod folder;
mod launch;
mod page;
mod session;
mod shared;
mod writer;

mod buffered;
mod journal;
mod memory;
mod postgres;
pub mod protocols;
mod redis;
mod sqlite;
mod token;
mod token_counter;
mod token_newkey;
mod token_revocable;
mod token_v2;
mod zoo;

use std::future::Future;
use std::net::TcpListener;

pub use error::{ServeError, StoreError};
use launch::Launch;
pub use launch::ServeOptions;
pub use protocols::Service;
pub use shared::STORE_WITHIN;

/// One server of the table.
#[derive(Debug)]
pub struct Target {
    /// The name it is chosen by.
    pub name: &'static str,
    /// Where the state lives, or what is broken, in one line.
    pub summary: &'static str,
    /// Whether something is broken here on purpose.
    pub zoo: bool,
    /// Whether it is compared where no server is named: a variant answers a question of its own.
    pub usual: bool,
    /// Whether replicas share its data folder: it holds what all of them must know, and each may write.
    pub shares: bool,
    /// The other server in which it keeps its state, if it does: it must be told where that is.
    pub store: Option<StoreKind>,
    /// Its protocol.
    pub protocol: Service,
    /// Its source files, beside those that all servers share.
    sources: &'static [&'static str],
    /// Loads the state, binds, serves, drains.
    start: fn(Launch) -> Result<(), ServeError>,
}

/// A server that others keep their state in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// redis-server.
    Redis,
    /// PostgreSQL: user and database `postgres`, without a password.
    Postgres,
}

const TARGETS: &[Target] = &[
    Target {
        shares: true,
        sources: &[include_str!("token.rs")],
        ..reference(
            "token",
            "with the client: a signed cookie, the key in a file",
            token::start,
        )
    },
    reference(
        "token-newkey",
        "with the client: a signed cookie, a new key at each start",
        token_newkey::start,
    ),
    Target {
        shares: true,
        ..variant(
            "token-revocable",
            "with the client: a signed cookie, and a list of those that were taken back",
            token_revocable::start,
        )
    },
    Target {
        shares: true,
        ..variant(
            "token-counter",
            "the login with the client: a signed cookie; the counter in the process",
            token_counter::start,
        )
    },
    Target {
        shares: true,
        ..variant(
            "token-v2",
            "with the client: a signed cookie of a later format; the former are refused",
            token_v2::start,
        )
    },
    Target {
        sources: &[include_str!("memory.rs")],
        ..reference("memory", "in the process: a hash map", memory::start)
    },
    reference(
        "buffered",
        "in the process, written to a file every 500 ms",
        buffered::start,
    ),
    reference(
        "journal",
        "append-only log, synced before each acknowledgement",
        journal::start,
    ),
    Target {
        shares: true,
        ..reference(
            "sqlite",
            "SQLite, write-ahead log, synchronous=FULL",
            sqlite::start,
        )
    },
    Target {
        sources: &[include_str!("redis.rs"), include_str!("shared.rs")],
        ..sharing(
            "redis",
            "in a Redis server that replicas share",
            StoreKind::Redis,
            redis::start,
        )
    },
    sharing(
        "postgres",
        "in a PostgreSQL server that replicas share",
        StoreKind::Postgres,
        postgres::start,
    ),
    speaking(
        "udp-echo",
        "none: each datagram is sent back",
        Service::Udp,
        protocols::udp_echo::start,
    ),
    speaking(
        "dns",
        "none: a name server for example.test",
        Service::Dns,
        protocols::dns::start,
    ),
    speaking(
        "ftp",
        "login and folder with the connection, files on disk",
        Service::Ftp,
        protocols::ftp::start,
    ),
    speaking(
        "telnet",
        "login, folder and counter with the connection",
        Service::Telnet,
        protocols::telnet::start,
    ),
    planted(
        "late-listener",
        "token that binds 300 ms late",
        zoo::late_listener::start,
    ),
    planted(
        "early-health",
        "token whose health check is good 200 ms before its work",
        zoo::early_health::start,
    ),
    planted(
        "orphan-keeps-port",
        "memory whose worker outlives it and keeps the port",
        zoo::orphan::start,
    ),
    planted(
        "orphan-child",
        "the worker of orphan-keeps-port, serving on its stdin",
        zoo::orphan::start_child,
    ),
    planted(
        "never-back",
        "memory that hangs at every start but the first",
        zoo::never_back::start,
    ),
    planted(
        "pid-file",
        "journal that does not start where a killed one left its process id",
        zoo::pid_file::start,
    ),
    planted(
        "dies-at-start",
        "exits with an error at every start",
        zoo::dies::start,
    ),
    planted(
        "dies-at-restart",
        "memory that exits at every start but the first",
        zoo::dies::start_at_restart,
    ),
    planted(
        "dies-again",
        "memory that aborts 300 ms after every start but the first",
        zoo::dies_again::start,
    ),
    planted(
        "wrong-answer",
        "memory that answers every 50th visit 1000 too high",
        zoo::wrong_answer::start,
    ),
    planted(
        "sequential-ids",
        "memory whose session ids start at 1 in each process",
        zoo::sequential_ids::start,
    ),
    planted(
        "re-creates",
        "memory that makes a guest of every unknown session",
        zoo::re_creates::start,
    ),
    planted(
        "double-apply",
        "token that stores every 20th visit twice",
        zoo::double_apply::start,
    ),
    planted(
        "ignores-keys",
        "memory that applies a retried visit again, whatever its Idempotency-Key",
        zoo::ignores_keys::start,
    ),
    planted(
        "lost-replies",
        "journal that applies every 10th visit and answers it 503",
        zoo::lost_replies::start,
    ),
    planted(
        "early-ack",
        "answers a visit 100 µs before it writes it to its log",
        zoo::early_ack::start_early,
    ),
    planted(
        "late-ack",
        "the twin of early-ack without the bug: writes, then answers",
        zoo::early_ack::start_late,
    ),
    planted(
        "writes-in-place",
        "a file for each session, which every fourth visit empties and writes again",
        zoo::in_place::start_in_place,
    ),
    planted(
        "renames",
        "the twin of writes-in-place without the bug: writes a new file, then renames it",
        zoo::in_place::start_renaming,
    ),
    planted(
        "unsynced-rename",
        "writes each session to a new file that it renames, and syncs nothing",
        zoo::renames::start_unsynced,
    ),
    planted(
        "synced-rename",
        "the twin of unsynced-rename without the bug: syncs the file, then the folder",
        zoo::renames::start_synced,
    ),
    planted(
        "line-log",
        "the twin of the next three: a log of lines, synced before each answer",
        zoo::line_log::start,
    ),
    planted(
        "late-sync",
        "a log of lines that is synced every 200 ms, whatever was answered",
        zoo::line_log::start_late_sync,
    ),
    planted(
        "unsynced-segments",
        "a log of lines in ever new files, whose folder is never synced",
        zoo::line_log::start_unsynced_segments,
    ),
    planted(
        "torn-is-fatal",
        "a log of lines, and no start where the last one has no end",
        zoo::line_log::start_torn_is_fatal,
    ),
    planted(
        "rewrites-state",
        "all sessions in one file, which each change empties and writes again",
        zoo::whole_file::start_in_place,
    ),
    planted(
        "replaces-state",
        "the twin of rewrites-state without the bug: writes a new file, then renames it",
        zoo::whole_file::start_replacing,
    ),
    planted(
        "no-reuseaddr",
        "memory that binds its port without SO_REUSEADDR",
        zoo::no_reuseaddr::start,
    ),
    Target {
        store: Some(StoreKind::Redis),
        ..planted(
            "stale-pool",
            "redis that keeps its connection to the store for ever, dead or not",
            zoo::stale_pool::start,
        )
    },
    planted(
        "cut-recovery",
        "journal that takes 600 ms to start; a start after one that was cut off is empty",
        zoo::double_fault::start_cut_recovery,
    ),
    planted(
        "after-stall",
        "journal that keeps visits in memory only once it stood still for 700 ms",
        zoo::double_fault::start_after_stall,
    ),
    planted(
        "zombie",
        "journal that remembers a logout in memory only",
        zoo::zombie::start,
    ),
    planted(
        "public-me",
        "memory that lets a shared cache keep each user's own page",
        zoo::public_me::start,
    ),
    planted(
        "ignores-term",
        "memory that heeds neither SIGTERM nor SIGINT",
        zoo::ignores_term::start,
    ),
    planted(
        "resets-on-term",
        "journal that takes 20 ms for each request, and ends at once on SIGTERM",
        zoo::resets_on_term::start_resetting,
    ),
    planted(
        "finishes-on-term",
        "the twin of resets-on-term without the bug: answers what it has accepted",
        zoo::resets_on_term::start_finishing,
    ),
    planted(
        "stalls",
        "memory that takes 20 ms for each request, one at a time",
        zoo::stalls::start,
    ),
    planted(
        "chatty",
        "memory that prints 400 KiB at each login",
        zoo::chatty::start,
    ),
    planted(
        "chunked",
        "token whose answers come in chunks",
        zoo::chunked::start,
    ),
    planted(
        "unix",
        "memory on a Unix socket, server.sock in its data folder",
        zoo::unix::start,
    ),
    planted(
        "tls",
        "memory behind TLS, with a certificate of its own, in HTTP/1.1 or HTTP/2",
        zoo::tls::start,
    ),
    planted(
        "h2c",
        "memory in HTTP/2 without TLS, and nothing else",
        zoo::h2c::start,
    ),
    planted(
        "trivial",
        "no state: one fixed answer, for measuring load generators",
        zoo::trivial::start,
    ),
];

const fn reference(
    name: &'static str,
    summary: &'static str,
    start: fn(Launch) -> Result<(), ServeError>,
) -> Target {
    Target {
        name,
        summary,
        zoo: false,
        usual: true,
        shares: false,
        store: None,
        protocol: Service::Http,
        sources: &[],
        start,
    }
}

const fn variant(
    name: &'static str,
    summary: &'static str,
    start: fn(Launch) -> Result<(), ServeError>,
) -> Target {
    Target {
        usual: false,
        ..reference(name, summary, start)
    }
}

const fn speaking(
    name: &'static str,
    summary: &'static str,
    protocol: Service,
    start: fn(Launch) -> Result<(), ServeError>,
) -> Target {
    Target {
        usual: false,
        protocol,
        ..reference(name, summary, start)
    }
}

const fn sharing(
    name: &'static str,
    summary: &'static str,
    store: StoreKind,
    start: fn(Launch) -> Result<(), ServeError>,
) -> Target {
    Target {
        store: Some(store),
        // State in another server is another question, and needs another server.
        usual: false,
        ..reference(name, summary, start)
    }
}

const fn planted(
    name: &'static str,
    summary: &'static str,
    start: fn(Launch) -> Result<(), ServeError>,
) -> Target {
    Target {
        zoo: true,
        usual: false,
        ..reference(name, summary, start)
    }
}

impl Target {
    /// How many lines of code it has of its own, comments and tests aside; `None` where that was not looked at.
    pub fn lines(&self) -> Option<u32> {
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
        let count = |source: &str| {
            let lines = source.lines().take_while(|line| *line != "#[cfg(test)]");
            lines.map(str::trim).filter(is_code).count() as u32
        };
        let sources = self.sources.iter().copied();
        (!self.sources.is_empty()).then(|| sources.map(count).sum())
    }
}

/// All targets, the reference servers first.
pub fn all() -> &'static [Target] {
    TARGETS
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Serves on 127.0.0.1 until SIGTERM or SIGINT has been obeyed and the requests in flight are answered.
///
/// The port is bound after the state was loaded, so that listening means ready. A listening TCP socket that was passed
/// to this process as socket activation does (`LISTEN_FDS`, `LISTEN_PID`) is used instead, and the port is not. The function blocks, on a
/// current-thread runtime of its own.
///
/// # Errors
/// If the state cannot be loaded or stored, the port cannot be bound, or the target fails on purpose.
pub fn serve(target: &Target, options: &ServeOptions) -> Result<(), ServeError> {
    folder::create(&options.data)?;
    (target.start)(Launch::for_process(options)?)
}

/// Serves on a listener that is already bound, until `stop` is ready: for servers that run inside a test.
///
/// No signal handler is installed, and the options' port is not used. `ignores-term` ignores `stop`, too.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    target: &Target,
    options: &ServeOptions,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    folder::create(&options.data)?;
    (target.start)(Launch::for_test(options, listener, Box::pin(stop)))
}
