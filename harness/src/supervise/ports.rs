//! A free port that stays free.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Ports from here on are handed out.
const FIRST: u16 = 10_000;
/// The kernel's own default lower bound, for when it does not tell.
const USUAL_EPHEMERAL_START: u16 = 32_768;
/// Ports tried before giving up.
const TRIES: u32 = 200;

/// A free port below the range outgoing connections are given theirs from: between a kill and a restart
/// nobody listens there, and a client's own connection must not take the place.
///
/// # Errors
/// When none of many is free, or the kernel gives no random bytes.
pub fn free_port() -> io::Result<u16> {
    let end = ephemeral_start().unwrap_or(USUAL_EPHEMERAL_START).max(FIRST + 1_000);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let mut bytes = [0; 4];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        let port = FIRST + (u32::from_le_bytes(bytes) % u32::from(end - FIRST)) as u16;
        // Free for every address: a server on all of them would collide with one that has it elsewhere.
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ephemeral_start() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}
