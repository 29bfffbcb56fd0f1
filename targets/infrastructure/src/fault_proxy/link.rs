//! One connection of a client, and the one to the node that it is passed on by.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use comeback_model::toxics::Cut;
use rustix::net::sockopt::set_socket_linger;
use tokio::net::TcpStream;

use super::board::Board;
use super::effects::Way;
use super::pump::{End, Pump};
use super::watch::Watch;

/// Relays a connection until it ends.
pub(super) async fn relay(
    client: TcpStream,
    (connection, to): (u64, SocketAddr),
    board: Arc<Board>,
    watch: Arc<Watch>,
) {
    let held = board.watch();
    let is_refused = held.borrow().iter().any(|one| one.refuses(connection));
    if is_refused {
        return reset(client);
    }
    let server = match TcpStream::connect(to).await {
        Ok(server) => server,
        Err(error) => return watch.is_unmet(client, error),
    };
    // A relay that waits for more to send would be slow for nothing.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        reset(server);
        return reset(client);
    }
    let (mut client, mut server) = (client, server);
    let end = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let up = (client_reads, server_writes);
        let down = (server_reads, client_writes);
        let up = Pump::new(up, held.clone(), (connection, Way::To));
        let down = Pump::new(down, held, (connection, Way::From));
        either(up, down, &watch).await
    };
    match end {
        End::Closed | End::Broken => {}
        End::Reset | End::Cut(Cut::Reset) => {
            reset(server);
            reset(client);
        }
        End::Cut(Cut::Close) => {
            reset(server);
            drop(client);
        }
    }
}

/// Runs both directions until both are over, or one is reset or cut. Where the receiver of one is gone, what it sent before is
/// passed on the other way, up to its end.
async fn either(up: Pump<'_>, down: Pump<'_>, watch: &Watch) -> End {
    let mut up = pin!(up.run(|| {}));
    // A node that ends its connections may be gone.
    let mut down = pin!(down.run(|| watch.has_ended()));
    let (mut is_up, mut is_down) = (true, true);
    while is_up || is_down {
        let end = tokio::select! {
            biased;
            end = &mut down, if is_down => { is_down = false; end }
            end = &mut up, if is_up => { is_up = false; end }
        };
        match end {
            End::Closed | End::Broken => {}
            End::Reset | End::Cut(_) => return end,
        }
    }
    End::Closed
}

/// Closes a connection by a reset.
pub(super) fn reset(stream: TcpStream) {
    // Where that cannot be said, it is closed like any other.
    let _ = set_socket_linger(&stream, Some(Duration::ZERO));
    drop(stream);
}
