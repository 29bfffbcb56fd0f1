//! `udp-echo`: sends each datagram back to where it came from.

use tokio::net::UdpSocket;

use crate::error::ServeError;
use crate::launch::{Launch, Stop};

/// Larger than any datagram.
const DATAGRAM_MAX: usize = 65_536;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.run_on(Launch::listen_udp, echo)
}

async fn echo(socket: UdpSocket, stop: Stop) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    tokio::select! {
        () = stop => {}
        () = echo_all(&socket, &mut buffer) => {}
    }
    // Datagrams that had arrived by then are in flight, and are answered, too.
    while let Ok((length, client)) = socket.try_recv_from(&mut buffer) {
        let _ = socket.try_send_to(&buffer[..length], client);
    }
}

async fn echo_all(socket: &UdpSocket, buffer: &mut [u8]) {
    loop {
        // An error here is the answer to an earlier datagram, whose client is gone.
        if let Ok((length, client)) = socket.recv_from(buffer).await {
            let _ = socket.send_to(&buffer[..length], client).await;
        }
    }
}
