//! What was there before a fault. None of it is the server that comes back, however it answers: a worker that outlived its master
//! has all that the master knew.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::find::{Found, told};
use super::{Identity, NotFound};
use crate::ownership;

/// What was there before the latest fault, and before those of earlier trials.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// When the fault was sent, in clock ticks since the machine's start.
    shot: Arc<AtomicU64>,
    /// The listening sockets of the server at that time, by their inodes.
    sockets: HashSet<u64>,
    /// The server's processes, then and earlier.
    processes: Vec<Identity>,
    /// One of the sockets was open after the server's end.
    pub(super) held_on: bool,
}

impl Before {
    /// A fault addresses the server, which has these processes.
    pub(super) fn note(&mut self, port: u16, processes: &[Identity]) -> io::Result<()> {
        self.sockets = ownership::listening_on(port)?;
        self.processes.retain(|process| process.lives());
        self.processes.extend_from_slice(processes);
        Ok(())
    }

    /// The server has ended: looks whether its sockets are open.
    pub(super) fn look(&mut self, port: u16) -> io::Result<()> {
        if !self.held_on {
            self.held_on = !ownership::listening_on(port)?.is_disjoint(&self.sockets);
        }
        Ok(())
    }

    /// Where the moment of the signal is written, by whichever thread sends it.
    pub(super) fn shot(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shot)
    }

    /// The server's processes before the fault, dead and alive.
    pub(super) fn processes(&self) -> &[Identity] {
        &self.processes
    }

    /// Sees that a process is none of these. In the clock tick of the fault a worker may have been forked: its socket tells.
    pub(super) fn check_new(&self, found: &Found) -> Result<(), NotFound> {
        let identity = found.identity;
        let is_old = identity.start_time < self.shot.load(Ordering::SeqCst)
            || self.processes.contains(&identity);
        let problem = if is_old {
            "which was there before the fault"
        } else if !found.sockets.is_disjoint(&self.sockets) {
            "which listens on a socket that was open before the fault: it comes from a process that outlived it"
        } else {
            return Ok(());
        };
        let told = told(identity.pid);
        Err(NotFound(format!(
            "the address is held by {told}, {problem}"
        )))
    }
}
