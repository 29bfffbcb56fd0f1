//! Who holds a listening socket: how a reply without a boot id is known to come from the new process.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;

use comeback_core::ids::{Incarnation, TrialId};
use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::FDTarget;

use super::tag::RunTag;

/// A process that holds a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: i32,
    /// Its trial, if it belongs to the run.
    pub trial: Option<TrialId>,
    /// Which start of the target it belongs to, if it belongs to the run.
    pub incarnation: Option<Incarnation>,
}

/// Every process that holds a listening socket on `port`, whoever it belongs to.
///
/// # Errors
/// When /proc does not tell.
pub fn listeners(port: u16, tag: &RunTag) -> io::Result<Vec<Owner>> {
    let sockets: HashSet<u64> = listening()?
        .into_iter()
        .filter(|entry| entry.local_address.port() == port)
        .map(|entry| entry.inode)
        .collect();
    let holds = |pid: &i32| sockets_of(*pid).iter().any(|inode| sockets.contains(inode));
    Ok(all_pids()?
        .into_iter()
        .filter(holds)
        .map(|pid| {
            let member = tag.member(pid);
            Owner {
                pid,
                trial: member.and_then(|member| member.trial),
                incarnation: member.and_then(|member| member.incarnation),
            }
        })
        .collect())
}

/// Where these processes listen.
pub fn addresses_of(pids: &[i32]) -> Vec<SocketAddr> {
    let Ok(entries) = listening() else {
        return Vec::new();
    };
    let held: HashSet<u64> = pids.iter().flat_map(|pid| sockets_of(*pid)).collect();
    entries
        .into_iter()
        .filter(|entry| held.contains(&entry.inode))
        .map(|entry| entry.local_address)
        .collect()
}

fn listening() -> io::Result<Vec<TcpNetEntry>> {
    let mut entries = procfs::net::tcp().map_err(io::Error::other)?;
    // A kernel without IPv6 has no such file.
    entries.extend(procfs::net::tcp6().unwrap_or_default());
    entries.retain(|entry| entry.state == TcpState::Listen);
    Ok(entries)
}

fn all_pids() -> io::Result<Vec<i32>> {
    let processes = procfs::process::all_processes().map_err(io::Error::other)?;
    Ok(processes.flatten().map(|process| process.pid).collect())
}

/// The sockets a process has open; none once it has ended.
fn sockets_of(pid: i32) -> Vec<u64> {
    let Ok(descriptors) = procfs::process::Process::new(pid).and_then(|process| process.fd()) else {
        return Vec::new();
    };
    descriptors
        .flatten()
        .filter_map(|descriptor| match descriptor.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect()
}
