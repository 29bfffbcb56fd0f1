//! A port for a target that stays free while the target is down.
//!
//! A target is killed and started again on the same port, so no other process must take the port in between. The
//! usual way, binding port 0 and closing, yields a port of the range the kernel gives to outgoing
//! connections (`ip_local_port_range`, 32768 and up): the load generator's own next connection could take
//! it. Therefore a port below that range is drawn at random and tried. Trying binds and closes; it never
//! accepts a connection, so that no TIME_WAIT is left on the port.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::RangeInclusive;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use rustix::rand::{GetRandomFlags, getrandom};

/// Ports below this are left to well-known services, and to the data connections of FTP.
pub const LOWEST: u16 = 20_000;
/// Fewer ports than this are not worth drawing from.
const ENOUGH: usize = 500;
/// How often a port is drawn before the kernel is asked for one.
const DRAWS: usize = 200;

/// A port that is free on 127.0.0.1 and on all addresses, and that no outgoing connection is given.
///
/// # Errors
/// If no socket can be made or no port is free.
pub fn free_port() -> io::Result<u16> {
    // Unreadable in some sandboxes: then the kernel's default.
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ephemeral = parse_range(&range).unwrap_or(32_768..=60_999);
    if let Some(ports) = range_beside(&ephemeral) {
        for _ in 0..DRAWS {
            let port = draw(&ports)?;
            if is_free(port)? {
                return Ok(port);
            }
        }
    }
    // Everything is ephemeral here, or taken.
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut bounds = text.split_whitespace();
    let low = bounds.next()?.parse().ok()?;
    let high = bounds.next()?.parse().ok()?;
    Some(low..=high)
}

/// The ports below the ephemeral range or, where it begins too low, above it.
fn range_beside(ephemeral: &RangeInclusive<u16>) -> Option<RangeInclusive<u16>> {
    let below = LOWEST..=ephemeral.start().saturating_sub(1);
    let above = ephemeral.end().saturating_add(1).max(LOWEST)..=u16::MAX;
    [below, above]
        .into_iter()
        .find(|ports| ports.len() >= ENOUGH)
}

fn draw(ports: &RangeInclusive<u16>) -> io::Result<u16> {
    let mut random = [0_u8; 4];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let place = u32::from_ne_bytes(random) as usize % ports.len();
    Ok(ports.start() + place as u16)
}

/// Whether a server can bind the port, on 127.0.0.1 as well as on all addresses.
fn is_free(port: u16) -> io::Result<bool> {
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // As servers do: connections of an earlier target in TIME_WAIT are then no obstacle.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if bind(&socket, &SocketAddrV4::new(address, port)).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_lie_beside_the_ephemeral_range() {
        assert_eq!(range_beside(&(32_768..=60_999)), Some(20_000..=32_767));
        assert_eq!(range_beside(&(1_024..=60_999)), Some(61_000..=65_535));
        assert_eq!(range_beside(&(1_024..=65_535)), None);
        assert_eq!(range_beside(&(1_024..=9_999)), Some(20_000..=65_535));
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_range("32768"), None);
    }

    #[test]
    fn a_port_in_use_is_not_free_on_whichever_address() {
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            let listener = TcpListener::bind((address, 0)).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            assert!(!is_free(port).expect("sockets"));
        }
    }

    #[test]
    fn a_free_port_can_be_bound_again_and_again() {
        let port = free_port().expect("a port");
        for _ in 0..3 {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        }
    }
}
