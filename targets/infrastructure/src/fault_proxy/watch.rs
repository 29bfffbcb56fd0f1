//! Messages from a proxy's relays to its front: the node may be gone.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

/// A client that could not be connected to the node, and why.
pub(super) type Unmet = (TcpStream, io::Error);

/// Tells that the node may be gone.
#[derive(Debug)]
pub(super) struct Watch {
    unmet: mpsc::UnboundedSender<Unmet>,
    pub(super) ended: Notify,
}

impl Watch {
    /// A watch, and where it tells of clients that could not be connected.
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Unmet>) {
        let (unmet, told) = mpsc::unbounded_channel();
        let ended = Notify::new();
        (Arc::new(Self { unmet, ended }), told)
    }

    /// The node took no connection for this client. It is reset when the proxy listens no more than the node does: whoever sees it
    /// and comes again meets what he would meet without a proxy.
    pub(super) fn is_unmet(&self, client: TcpStream, why: io::Error) {
        // Without a front the proxy ends, and the client's connection with it.
        let _ = self.unmet.send((client, why));
    }

    /// The node ended a connection: maybe with all others.
    pub(super) fn has_ended(&self) {
        self.ended.notify_one();
    }
}
