//! The place where clients connect: the proxy listens there while the node listens, so that a client of a node that is gone is
//! refused by the kernel, as without a proxy.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{Shutdown, listen, shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::board::Board;
use super::link;
use super::watch::{Unmet, Watch};

/// As many connections may wait to be accepted as the kernel allows.
const BACKLOG: i32 = 4096;
/// Between two looks at whether the node listens.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Looking more often than this would not find the end of a connection much sooner.
const SUSPECT_EVERY: Duration = Duration::from_millis(5);

/// The place.
pub(super) struct Front {
    listener: StdListener,
    to: SocketAddr,
    board: Arc<Board>,
    watch: Arc<Watch>,
    unmet: mpsc::UnboundedReceiver<Unmet>,
}

impl Front {
    pub(super) fn listen(at: SocketAddr, to: SocketAddr, board: Arc<Board>) -> io::Result<Self> {
        let listener = StdListener::bind(at).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {at}: {error}"))
        })?;
        listener.set_nonblocking(true)?;
        listen(&listener, BACKLOG)?;
        let (watch, unmet) = Watch::new();
        Ok(Self {
            listener,
            to,
            board,
            watch,
            unmet,
        })
    }

    /// Relays for ever.
    ///
    /// # Errors
    /// If it cannot do its part, as when it has no descriptor left: what clients meet then is not the node's doing.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let mut connections = 0;
        loop {
            let unmet = self.accept(&mut connections).await?;
            // It stays bound: nobody else can have the port.
            shutdown(&self.listener, Shutdown::Read)?;
            if let Some(client) = unmet {
                link::reset(client);
            }
            while !is_listened_on(self.to.port())? {
                while let Ok(unmet) = self.unmet.try_recv() {
                    link::reset(by_the_node(unmet)?);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            listen(&self.listener, BACKLOG)?;
        }
    }

    /// Accepts connections until the node does not listen any more; the client by which that was noticed.
    async fn accept(&mut self, connections: &mut u64) -> io::Result<Option<TcpStream>> {
        // Each time a new one: the kernel tells nothing more of a socket that stopped listening.
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        let (mut looked, mut look_at) = (Instant::now(), None);
        loop {
            tokio::select! {
                biased;
                Some(unmet) = self.unmet.recv() => {
                    let client = by_the_node(unmet)?;
                    if !is_listened_on(self.to.port())? {
                        return Ok(Some(client));
                    }
                    link::reset(client);
                }
                () = self.watch.ended.notified(), if look_at.is_none() => {
                    look_at = Some(Instant::now().max(looked + SUSPECT_EVERY));
                }
                () = sleep_until(look_at.unwrap_or(looked)), if look_at.is_some() => {
                    if !is_listened_on(self.to.port())? {
                        return Ok(None);
                    }
                    (looked, look_at) = (Instant::now(), None);
                }
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => {
                        self.relay(client, *connections);
                        *connections += 1;
                    }
                    // Its client is gone already.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                },
            }
        }
    }

    fn relay(&self, client: TcpStream, connection: u64) {
        let (board, watch) = (Arc::clone(&self.board), Arc::clone(&self.watch));
        tokio::spawn(link::relay(client, (connection, self.to), board, watch));
    }
}

/// The client, where it is the node that took no connection: anything else is the proxy's own failure.
fn by_the_node((client, error): Unmet) -> io::Result<TcpStream> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Ok(client),
        // Its queue was full for minutes.
        io::ErrorKind::TimedOut => Ok(client),
        _ => {
            let what = format!("cannot connect to the node: {error}");
            Err(io::Error::new(error.kind(), what))
        }
    }
}

/// Whether a TCP socket listens on this port. No connection is made for it: the node would see that.
fn is_listened_on(port: u16) -> io::Result<bool> {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = match File::open(path) {
            Ok(file) => BufReader::new(file),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // Line 0 names the columns. Listening sockets are listed first.
        for line in table.lines().skip(1) {
            let line = line?;
            let mut words = line.split_whitespace().skip(1);
            let (address, state) = (words.next(), words.nth(1));
            if state != Some(LISTEN) {
                break;
            }
            if address.is_some_and(|address| address.ends_with(&port)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
