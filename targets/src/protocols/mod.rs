//! Servers of other protocols than HTTP, which stateless and stateful ones are told apart by.
//!
//! Ordinary clients can talk to each. What a client may know of them, such as the password, is public here.

pub mod dns;
pub mod ftp;
pub mod telnet;
pub(crate) mod udp_echo;

/// What everybody logs in with, under any name: these servers guard nothing.
pub const PASSWORD: &str = "comeback";
