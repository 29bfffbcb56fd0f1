//! Takes orders at an abstract Unix socket, a line each, and answers each with a line. Such a socket is no file: nothing of it is
//! left, and its name has no folder that could be too deep.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::sync::Arc;

use comeback_model::toxics::{Answer, Order};
use tokio::net::{UnixListener, UnixStream};

use super::board::Board;
use crate::orders;

/// Where orders arrive.
pub(super) struct Orders(UnixListener);

impl Orders {
    pub(super) fn bind(name: &str) -> io::Result<Self> {
        let told = |error: io::Error| {
            let what = format!("cannot listen at the abstract socket {name}: {error}");
            io::Error::new(error.kind(), what)
        };
        let address = SocketAddr::from_abstract_name(name).map_err(told)?;
        let listener = StdListener::bind_addr(&address).map_err(told)?;
        listener.set_nonblocking(true)?;
        Ok(Self(UnixListener::from_std(listener)?))
    }

    /// Answers for ever.
    pub(super) async fn obey(self, board: &Arc<Board>) {
        let board = Arc::clone(board);
        let answer = move |line: &str| match serde_json::from_str::<Order>(line) {
            Ok(order) => board.obey(order),
            Err(error) => Answer::Refused(error.to_string()),
        };
        orders::obey(&self.0, is_ours, answer).await;
    }
}

/// An abstract socket has no permissions: its user is asked.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
