//! Servers of other protocols than HTTP, which stateless and stateful ones are told apart by.
//!
//! Ordinary clients can talk to each. Facts that a client may know, such as the password, are public here.

pub mod dns;
pub mod ftp;
pub mod telnet;
pub(crate) mod udp_echo;

/// The password of every user: these servers guard nothing.
pub const PASSWORD: &str = "comeback";

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The contract over HTTP, which sessions are run on.
    Http,
    /// Datagrams that come back, and no TCP.
    Udp,
    /// DNS over UDP and TCP.
    Dns,
    /// FTP; its data connections have ports of their own.
    Ftp,
    /// Telnet.
    Telnet,
}

impl Service {
    /// Whether sessions are run on it.
    pub const fn speaks_http(self) -> bool {
        matches!(self, Self::Http)
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Udp => "UDP",
            Self::Dns => "DNS",
            Self::Ftp => "FTP",
            Self::Telnet => "Telnet",
        }
    }
}
