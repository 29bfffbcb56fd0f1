//! The owner of a listening socket, from `/proc`, by the socket's inode.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use comeback_model::event::{OldProcess, Survivor};
use comeback_model::ids::{Incarnation, Node, TrialId};
use procfs::net::{TcpNetEntries, TcpNetEntry, UdpNetEntries};
use procfs::prelude::FromBufReadSI;

use super::members::Member;
use super::proc::{self, Stat};
use super::tag::RunTag;
use super::unix_sockets;
use comeback_model::endpoint::Endpoint;

/// A process that holds a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: i32,
    /// Its start, in clock ticks since the machine's.
    pub start_time: u64,
    /// Whether it is a process of the run.
    pub is_member: bool,
    /// Which start of which node of which trial it belongs to, where it is the run's and that is known.
    pub place: Option<(TrialId, Node, Incarnation)>,
}

/// The processes that hold a listening socket which a connection to this endpoint reaches.
///
/// The run's own processes are looked through first, all others only for a socket not found among them. A
/// socket whose holder may not be looked into (another user's process) has no owner here.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn listeners(endpoint: &Endpoint, tag: &RunTag) -> io::Result<Vec<Owner>> {
    let wanted = match &endpoint.socket {
        None => listening_on(endpoint.port)?,
        Some(path) => listening_at(path)?,
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let members = tag.scan()?;
    let mut missing = wanted.clone();
    let mut owners = Vec::new();
    for member in &members {
        let held = held_by(member.pid, &wanted);
        if !held.is_empty() {
            owners.push(owner_of(member));
        }
        missing.retain(|inode| !held.contains(inode));
    }
    if !missing.is_empty() {
        let others = proc::all()?.into_iter();
        let others = others.filter(|stat| members.iter().all(|member| member.pid != stat.pid));
        let holds = |stat: &Stat| !held_by(stat.pid, &missing).is_empty();
        owners.extend(others.filter(holds).map(|stat| Owner {
            pid: stat.pid,
            start_time: stat.start_time,
            is_member: false,
            place: None,
        }));
    }
    Ok(owners)
}

/// Who holds the listening sockets which a connection to an endpoint reaches.
#[derive(Clone, Debug)]
pub(super) struct Holders {
    /// The sockets, by their inodes; none where nobody listens.
    pub(super) sockets: HashSet<u64>,
    /// The processes, whoever's they are.
    pub(super) processes: Vec<Stat>,
    /// A socket's holder may not be looked into: it is not among the processes.
    pub(super) has_unseen: bool,
    /// The users who opened the sockets.
    pub(super) opened_by: HashSet<u32>,
}

/// The processes that hold a listening socket which a connection to this endpoint reaches, whoever's they are.
pub(super) fn holders(endpoint: &Endpoint) -> io::Result<Holders> {
    let listening = reached(listening_sockets()?, endpoint.port);
    let opened_by = listening.iter().map(|socket| socket.uid).collect();
    let sockets = inodes(listening);
    let mut unseen = sockets.clone();
    let mut processes = Vec::new();
    if !sockets.is_empty() {
        for stat in proc::all()? {
            let held = held_by(stat.pid, &sockets);
            unseen.retain(|inode| !held.contains(inode));
            if !held.is_empty() {
                processes.push(stat);
            }
        }
    }
    Ok(Holders {
        sockets,
        processes,
        has_unseen: !unseen.is_empty(),
        opened_by,
    })
}

/// The processes that could answer a client of this port of 127.0.0.1: they listen there, or hold a connection that was made.
pub(super) fn who_could_answer(port: u16) -> io::Result<Vec<Stat>> {
    let wanted = inodes(reached(sockets_in(whole_table)?, port));
    let mut holders = proc::all()?;
    holders.retain(|stat| !stat.is_zombie && !held_by(stat.pid, &wanted).is_empty());
    Ok(holders)
}

/// The listening sockets that a connection to this port of 127.0.0.1 reaches, by their inodes.
pub(super) fn listening_on(port: u16) -> io::Result<HashSet<u64>> {
    Ok(inodes(reached(listening_sockets()?, port)))
}

fn reached(mut sockets: Vec<TcpNetEntry>, port: u16) -> Vec<TcpNetEntry> {
    sockets.retain(|socket| {
        let address = socket.local_address;
        address.port() == port && is_reached_by_loopback(address.ip())
    });
    sockets
}

fn inodes(sockets: Vec<TcpNetEntry>) -> HashSet<u64> {
    sockets.into_iter().map(|socket| socket.inode).collect()
}

/// The sockets at a path; of several only those that are reached, where that can be told.
fn listening_at(path: &Path) -> io::Result<HashSet<u64>> {
    let inodes = unix_sockets::listening_at(path)?;
    if inodes.len() > 1
        && let Ok(pid) = unix_sockets::peer(path)
    {
        let reached = held_by(pid, &inodes);
        if !reached.is_empty() {
            return Ok(reached);
        }
    }
    Ok(inodes)
}

/// The addresses these processes listen on.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn listening_addresses(pids: &[i32]) -> io::Result<Vec<SocketAddr>> {
    let sockets = listening_sockets()?;
    let inodes: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let held: HashSet<u64> = pids.iter().flat_map(|pid| held_by(*pid, &inodes)).collect();
    let mut addresses: Vec<_> = sockets
        .into_iter()
        .filter(|socket| held.contains(&socket.inode))
        .map(|socket| socket.local_address)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// A process of nobody's that holds the listening socket of an endpoint, and is older than this one; nothing where that
/// cannot be told.
pub fn older_than_us(endpoint: &Endpoint, tag: &RunTag) -> Option<Survivor> {
    let begun = proc::stat(proc::own_pid()).ok()?.start_time;
    let owners = listeners(endpoint, tag).ok()?;
    let other = owners
        .iter()
        .find(|owner| !owner.is_member && owner.start_time < begun)?;
    Some(Survivor {
        pid: other.pid,
        command: proc::command(other.pid),
    })
}

/// The living processes that are older than this start of a node, with what each could answer by; those of an unknown start
/// only where `strays` are wanted.
pub fn old_processes(
    tag: &RunTag,
    place: (TrialId, Node, Incarnation),
    strays: bool,
) -> Vec<OldProcess> {
    let old = tag.older_than(place).into_iter();
    let old = old.filter(|member| strays || member.place.is_some());
    old.map(|member| old_process(member.pid)).collect()
}

/// An old process, with what it could answer by.
pub(super) fn old_process(pid: i32) -> OldProcess {
    OldProcess {
        survivor: Survivor {
            pid,
            command: proc::command(pid),
        },
        reach: reach_of(pid),
    }
}

/// The sockets by which a process could answer: its listening sockets, else any socket. `None` if it certainly holds none.
fn reach_of(pid: i32) -> Option<String> {
    if let Some(address) = listening_addresses(&[pid]).unwrap_or_default().first() {
        return Some(format!("listens on {address}"));
    }
    match sockets_of(pid) {
        Ok(sockets) if sockets.is_empty() => None,
        // It has ended meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(sockets) => Some(match sockets.len() {
            1 => "holds a socket".to_owned(),
            count => format!("holds {count} sockets"),
        }),
        Err(error) => Some(format!("may hold sockets: {error}")),
    }
}

/// The sockets that a process holds, by their inodes.
fn sockets_of(pid: i32) -> io::Result<HashSet<u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let links = descriptors.flatten();
    let links = links.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    Ok(links.filter_map(|link| inode_of(&link)).collect())
}

/// Of a descriptor's link, where it is a socket.
fn inode_of(link: &Path) -> Option<u64> {
    let number = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// Whether a socket bound to this address takes connections to 127.0.0.1.
pub(super) fn is_reached_by_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_unspecified() || address == Ipv4Addr::LOCALHOST,
        IpAddr::V6(address) => {
            address.is_unspecified() || address.to_ipv4_mapped() == Some(Ipv4Addr::LOCALHOST)
        }
    }
}

fn owner_of(member: &Member) -> Owner {
    Owner {
        pid: member.pid,
        start_time: member.start_time,
        is_member: true,
        place: member.place,
    }
}

/// Whether a UDP socket is bound to this port of 127.0.0.1: what it is sent waits for its process, which need not answer
/// yet.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn is_bound_udp(port: u16) -> io::Result<bool> {
    let table = BufReader::new(File::open("/proc/net/udp")?);
    let entries = UdpNetEntries::from_buf_read(table, procfs::current_system_info())
        .map_err(proc::into_io)?;
    let mut bound = entries.0.into_iter().map(|entry| entry.local_address);
    Ok(bound.any(|address| address.port() == port && is_reached_by_loopback(address.ip())))
}

/// Every listening TCP socket.
fn listening_sockets() -> io::Result<Vec<TcpNetEntry>> {
    sockets_in(listening_part)
}

/// Every TCP socket in this part of the kernel's tables. One without a process has the inode 0.
fn sockets_in(
    part: impl Fn(BufReader<File>) -> io::Result<String>,
) -> io::Result<Vec<TcpNetEntry>> {
    let mut sockets = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let file = match File::open(path) {
            Ok(file) => file,
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let table = part(BufReader::new(file))?;
        let entries = TcpNetEntries::from_buf_read(table.as_bytes(), procfs::current_system_info())
            .map_err(proc::into_io)?;
        sockets.extend(entries.0);
    }
    Ok(sockets)
}

/// All of a table.
fn whole_table(mut table: impl BufRead) -> io::Result<String> {
    let mut whole = String::new();
    table.read_to_string(&mut whole)?;
    Ok(whole)
}

/// The head of a table, down to the last listening socket. The kernel lists those first (its
/// documentation of `/proc/net/tcp` says so), and after them each of possibly many thousand connections.
fn listening_part(table: impl BufRead) -> io::Result<String> {
    const LISTEN: &str = "0A";
    let mut part = String::new();
    for (number, line) in table.lines().enumerate() {
        let line = line?;
        let state = line.split_whitespace().nth(3);
        // Line 0 names the columns.
        if number > 0 && state != Some(LISTEN) {
            break;
        }
        part.push_str(&line);
        part.push('\n');
    }
    Ok(part)
}

/// Which of these sockets a process holds.
fn held_by(pid: i32, wanted: &HashSet<u64>) -> HashSet<u64> {
    let mut held = HashSet::new();
    // Not allowed to look, or gone meanwhile: nothing seen.
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return held;
    };
    for descriptor in descriptors.flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else {
            continue;
        };
        if let Some(inode) = inode_of(&target).filter(|inode| wanted.contains(inode)) {
            held.insert(inode);
            // Listening sockets are opened early and descriptors are listed in order: the thousands of
            // connections behind them need not be read.
            if held.len() == wanted.len() {
                break;
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use comeback_model::plan::Protocol;

    use super::*;

    #[test]
    fn only_the_head_of_the_table_is_read() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:0050 00000000:0000 0A rest\n\
            1: 0100007F:0051 0100007F:9C40 01 rest\n\
            2: never reached";
        let part = listening_part(table.as_bytes()).expect("text");
        assert_eq!(part.lines().count(), 2);
    }

    #[test]
    fn addresses_that_take_loopback_connections() {
        let reached = |text: &str| is_reached_by_loopback(text.parse().expect(text));
        for text in ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
            assert!(reached(text), "{text}");
        }
        for text in ["127.0.0.2", "10.0.0.1", "::1"] {
            assert!(!reached(text), "{text}");
        }
    }

    #[test]
    fn a_udp_port_is_bound_until_its_socket_is_closed() {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("an address").port();
        assert!(is_bound_udp(port).expect("/proc"));
        drop(socket);
        // A process that a neighbouring test starts just now holds it until its exec.
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_bound_udp(port).expect("/proc") {
            assert!(Instant::now() < deadline, "it is still bound");
            std::thread::sleep(Duration::from_millis(2));
        }
        // Bound where 127.0.0.1 does not lead.
        let elsewhere = std::net::UdpSocket::bind("127.0.0.2:0").expect("a port");
        let port = elsewhere.local_addr().expect("an address").port();
        assert!(!is_bound_udp(port).expect("/proc"));
    }

    #[test]
    fn a_foreign_listener_is_found_but_is_no_member() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let tag = RunTag::new().expect("/proc is there");
        let endpoint = Endpoint::tcp(Protocol::Http, address.port());
        let owners = listeners(&endpoint, &tag).expect("/proc can be read");
        let own = proc::own_pid();
        assert!(
            owners
                .iter()
                .any(|owner| owner.pid == own && !owner.is_member)
        );
        assert!(
            listening_addresses(&[own])
                .expect("/proc")
                .contains(&address)
        );
    }

    #[test]
    fn an_orphan_with_an_unlinked_socket_of_the_same_path_is_not_reached() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.sock");
        let script = "import socket, sys, time\n\
            listener = socket.socket(socket.AF_UNIX)\n\
            listener.bind(sys.argv[1])\n\
            listener.listen()\n\
            print(flush=True)\n\
            time.sleep(60)";
        let mut orphan = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut said = String::new();
        BufReader::new(orphan.stdout.take().expect("a pipe"))
            .read_line(&mut said)
            .expect("it listens");
        let tag = RunTag::new().expect("/proc is there");
        let endpoint = Endpoint::tcp(Protocol::Http, 1).on_socket(path.clone());
        let owners = || {
            let owners = listeners(&endpoint, &tag).expect("/proc can be read");
            owners.iter().map(|owner| owner.pid).collect::<Vec<_>>()
        };
        let before = owners();
        fs::remove_file(&path).expect("it is there");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("it is free");
        let after = owners();
        let orphan_pid = orphan.id().cast_signed();
        orphan.kill().expect("it runs");
        orphan.wait().expect("it ends");
        assert_eq!(before, [orphan_pid]);
        assert_eq!(after, [proc::own_pid()]);
    }
}
