//! A port for a target that stays free while the target is down.
//!
//! A target is killed and started again on the same port, so no other process must take the port in between. The
//! usual way, binding port 0 and closing, yields a port of the range the kernel gives to outgoing
//! connections (`ip_local_port_range`, 32768 and up): the load generator's own next connection could take
//! it. Therefore a port below that range is drawn at random and tried. Trying binds and closes; it never
//! accepts a connection, so that no TIME_WAIT is left on the port.
//!
//! Another run on this machine could draw the same port before the target is bound, or while it is down. So each process of
//! ours holds a Unix socket with an abstract name for each port that it drew last. Such names belong to the network namespace, as
//! ports do, and go with the process, however it ends.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with, sockopt,
};
use rustix::rand::{GetRandomFlags, getrandom};

/// Ports below this are left to well-known services, and to the data connections of FTP.
pub const LOWEST: u16 = 20_000;
/// Fewer ports than this are not worth drawing from.
const ENOUGH: usize = 500;
/// How often a port is drawn before the kernel is asked for one.
const DRAWS: usize = 200;
/// So many ports of this process are kept from other runs, the last ones: more than the nodes of one trial.
const KEPT: usize = 64;

/// What keeps this process's ports from other runs.
static RESERVED: Mutex<VecDeque<OwnedFd>> = Mutex::new(VecDeque::new());

/// A port that is free on 127.0.0.1 and on all addresses, that no outgoing connection is given, and that no other run draws.
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
            if let Some(held) = reserve(port)?
                && is_free(port)?
            {
                keep(held);
                return Ok(port);
            }
        }
    }
    // Everything is ephemeral here, or taken.
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}

/// Keeps a port from other runs for as long as the result lives; nothing if another run has it.
fn reserve(port: u16) -> io::Result<Option<OwnedFd>> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let name = SocketAddrUnix::new_abstract_name(format!("comeback-port-{port}").as_bytes())?;
    let is_taken = bind(&socket, &name) == Err(rustix::io::Errno::ADDRINUSE);
    // A sandbox may forbid such names: then nothing is kept, and the port is as good as without.
    Ok((!is_taken).then_some(socket))
}

fn keep(held: OwnedFd) {
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    reserved.push_back(held);
    if reserved.len() > KEPT {
        reserved.pop_front();
    }
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
    use std::time::{Duration, Instant};

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
    fn a_port_that_a_run_drew_is_drawn_by_no_other_until_it_is_given_back() {
        let port = free_port().expect("a port");
        assert!(reserve(port).expect("sockets").is_none());
        let other = draw(&(61_000..=65_000)).expect("random numbers");
        let held = reserve(other).expect("sockets").expect("nobody has it");
        assert!(reserve(other).expect("sockets").is_none());
        drop(held);
        soon(|| reserve(other).expect("sockets").is_some());
    }

    /// A process that a neighbouring test starts just now holds what was open here until its exec.
    fn soon(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "it is still held");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_free_port_can_be_bound_again_and_again() {
        let port = free_port().expect("a port");
        for _ in 0..3 {
            soon(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
        }
    }
}
