//! Datagrams that must come back as they were.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;

use super::{Exchange, Told, class_of, in_time, must, open};

/// More than any of these datagrams has.
const DATAGRAM_MAX: usize = 2_048;

/// A client of an echo server. A "connection" is a socket with a port of its own.
pub(crate) struct Udp {
    port: u16,
    /// What no other client sends.
    name: String,
    requests: usize,
    socket: Option<UdpSocket>,
}

impl Udp {
    pub(crate) fn new(port: u16, name: String, requests: usize) -> Self {
        Self {
            port,
            name,
            requests,
            socket: None,
        }
    }

    /// No two datagrams are alike, and each is longer than the one before it.
    fn datagram(&self, place: usize) -> Vec<u8> {
        format!("{} {place} {}", self.name, "x".repeat(place * 100)).into_bytes()
    }
}

impl Exchange for Udp {
    fn requests(&self) -> usize {
        self.requests
    }

    async fn connect(&mut self) -> Told {
        let bound = async {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            socket.connect((Ipv4Addr::LOCALHOST, self.port)).await?;
            Ok(socket)
        };
        self.socket = Some(in_time(bound).await?);
        Ok(())
    }

    async fn send(&mut self, place: usize) -> Told {
        let datagram = self.datagram(place);
        let socket = open(&mut self.socket)?;
        socket
            .send(&datagram)
            .await
            .map_err(|error| class_of(&error))?;
        Ok(())
    }

    async fn receive(&mut self, place: usize) -> Told {
        let wanted = self.datagram(place);
        let socket = open(&mut self.socket)?;
        let mut buffer = [0; DATAGRAM_MAX];
        let length = in_time(socket.recv(&mut buffer)).await?;
        must(buffer[..length] == wanted)
    }
}
