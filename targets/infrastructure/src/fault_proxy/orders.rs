//! Takes orders at an abstract Unix socket, a line each, and answers each with a line. Such a socket is no file: nothing of it is
//! left, and its name has no folder that could be too deep.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use comeback_model::toxics::{Answer, Order};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::board::Board;

/// No order is longer.
const LINE_BYTES: u64 = 4096;

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
        loop {
            match self.0.accept().await {
                Ok((stream, _)) if is_ours(&stream) => {
                    tokio::spawn(converse(stream, Arc::clone(board)));
                }
                Ok(_) => {}
                // Out of descriptors: let some connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// An abstract socket has no permissions: its user is asked.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}

async fn converse(stream: UnixStream, board: Arc<Board>) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = String::new();
        match (&mut reading).take(LINE_BYTES).read_line(&mut line).await {
            Ok(read) if read > 0 && line.ends_with('\n') => {}
            _ => return,
        }
        let answer = match serde_json::from_str::<Order>(&line) {
            Ok(order) => board.obey(order),
            Err(error) => Answer::Refused(error.to_string()),
        };
        // Values of ours always are JSON.
        let Ok(mut text) = serde_json::to_string(&answer) else {
            return;
        };
        text.push('\n');
        if writing.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
