//! A proxy in front of one node, by which faults of connections are done: a TCP relay that delays, throttles, cuts and refuses as
//! it is told, and is as invisible as it can be otherwise.
//!
//! It is a process of its own, started by a run beside the node (`cli::fault_proxy`). It has one thread and knows no protocol: it
//! answers nothing by itself. What it promises:
//!
//! - Half-closes and resets are passed on, each way, behind the bytes that came before them.
//! - Where the node takes no connections, the proxy takes none: it stops listening, and listens again when the node does.
//!   A connection that came in between is reset.
//! - Orders ([`comeback_model::toxics::Order`]) come as lines of JSON at an abstract Unix socket, by this user alone. They hold
//!   for open connections as for new ones. Which connections are met follows from the order's seed.

mod board;
mod effects;
mod link;
mod node;
mod orders;
mod pump;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use board::Board;
use node::Front;
use orders::Orders;

/// The settings of a proxy.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The node's.
    pub to: u16,
    /// The abstract name of the Unix socket that takes orders.
    pub control: String,
}

/// The begin of the line that says that it listens.
pub const LISTENS: &str = "listens on ";

/// Relays until SIGTERM or SIGINT has come; blocks. `told` receives the line that says that it listens.
///
/// # Errors
/// If there is no runtime, or the port or the control socket is not available.
pub fn run(options: &Options, told: impl FnOnce(&str)) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(relay(options, told))
}

async fn relay(options: &Options, told: impl FnOnce(&str)) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let board = Arc::new(Board::default());
    let orders = Orders::bind(&options.control)?;
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let front = Front::listen(at(options.port), at(options.to), Arc::clone(&board))?;
    told(&format!(
        "{LISTENS}{}, for {}",
        at(options.port),
        at(options.to)
    ));
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
        ended = front.serve() => ended,
        () = orders.obey(&board) => Ok(()),
    }
}
