//! Where a target is reached, and in which protocol.
//!
//! Values only; `supervise` resolves one from a plan, and `load` and `supervise` connect to it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::plan::Protocol;

/// Where a target is reached, and in which protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its address: 127.0.0.1, unless somebody else starts it on another machine.
    pub host: IpAddr,
    /// What `{port}` stands for: a port of its address, where it listens unless there is a socket. Requests
    /// name both as their host in either case.
    pub port: u16,
    /// The Unix socket it listens on, where it has one.
    pub socket: Option<PathBuf>,
}

impl Endpoint {
    /// The endpoint of a server that speaks this on a port of 127.0.0.1.
    pub const fn tcp(protocol: Protocol, port: u16) -> Self {
        Self {
            protocol,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
            socket: None,
        }
    }

    /// The port of 127.0.0.1 alone, for those who only look who is there: no protocol is spoken.
    pub fn at(port: u16) -> Self {
        Self::tcp(Protocol::default(), port)
    }

    /// The same at another address.
    #[must_use]
    pub fn on_host(self, host: IpAddr) -> Self {
        Self { host, ..self }
    }

    /// The same on a Unix socket.
    #[must_use]
    pub fn on_socket(self, path: PathBuf) -> Self {
        Self {
            socket: Some(path),
            ..self
        }
    }

    /// The TCP address; who has a socket is not reached there.
    pub fn tcp_address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Whether TLS comes first.
    pub const fn is_encrypted(&self) -> bool {
        self.protocol.spec().is_encrypted
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            None if self.host != Ipv4Addr::LOCALHOST => write!(f, "{}", self.tcp_address()),
            None => write!(f, "port {}", self.port),
            Some(path) => write!(f, "socket {}", path.display()),
        }
    }
}
