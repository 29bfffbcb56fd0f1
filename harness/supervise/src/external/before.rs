//! What was there before a fault. None of it is the server that comes back, however it answers: a worker that outlived its master
//! has all that the master knew.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::find::{ServerProcess, descends, differ, told};
use super::{Identity, NotFound};
use crate::{ownership, proc};

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

    /// Sees that a process is none of these, and was not forked by one. In the clock tick of the fault a worker may have been forked:
    /// its socket tells.
    pub(super) fn check_new(&self, found: &ServerProcess) -> Result<(), NotFound> {
        let identity = found.identity;
        let is_old = identity.start_time < self.shot.load(Ordering::SeqCst)
            || self.processes.contains(&identity);
        let problem = if is_old {
            "which was there before the fault".to_owned()
        } else if !found.sockets.is_disjoint(&self.sockets) {
            "which listens on a socket that was open before the fault: it comes from a process that outlived it"
                .to_owned()
        } else if let Some(old) = self.forked_by(identity) {
            let old = told(old.pid);
            format!("a copy of {old}, which was there before the fault and outlived it")
        } else {
            return Ok(());
        };
        let told = told(identity.pid);
        Err(NotFound::because(format!(
            "the address is held by {told}, {problem}"
        )))
    }

    /// The process among these that this one is a copy of: it descends from it, and has executed nothing since. What an old process
    /// executes anew knows nothing.
    fn forked_by(&self, identity: Identity) -> Option<Identity> {
        let stat = proc::stat(identity.pid).ok()?;
        let old = descends(&stat, &self.processes)?;
        let (own, its) = (proc::stack_start(identity.pid), proc::stack_start(old.pid));
        (!differ(own, its)).then_some(old)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    use comeback_model::plan::{External, IdentifiedBy};

    use super::super::find::find;
    use super::*;
    use crate::ports::free_port;

    /// Waits for a line, and then has a process listen on the port: a copy of itself, or a program that it executes.
    const OLD: &str = "
import os, socket, sys, time
sys.stdin.readline()
if not os.fork():
    if sys.argv[2] == 'executes':
        os.execvp('python3', ['python3', '-c', sys.argv[3], sys.argv[1]])
    exec(sys.argv[3])
time.sleep(600)
";
    const LISTENS: &str = "
import socket, sys, time
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print(flush=True)
time.sleep(600)
";

    /// An old process, which ends with this value, and all that it started.
    struct Old(Child);

    impl Drop for Old {
        fn drop(&mut self) {
            let group = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::SIGKILL);
            let _ = self.0.wait();
        }
    }

    /// What is found of a process that an old one starts so after the fault.
    fn started(how: &str) -> Result<(), NotFound> {
        use std::os::unix::process::CommandExt;
        let port = free_port().expect("a port");
        let child = Command::new("python3")
            .args(["-c", OLD, &port.to_string(), how, LISTENS])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut old = Old(child);
        let stat = proc::stat(old.0.id().cast_signed()).expect("it runs");
        let mut before = Before::default();
        before
            .note(port, &[Identity::of(&stat)])
            .expect("/proc can be read");
        let mut pipe = old.0.stdin.take().expect("a pipe");
        pipe.write_all(b"go\n").expect("it reads");
        let mut said = BufReader::new(old.0.stdout.take().expect("a pipe"));
        said.read_line(&mut String::new()).expect("it listens");
        let external = External {
            by: IdentifiedBy::Port,
            port,
            restart: None,
            kill: None,
        };
        before.check_new(&find(&external, |_| unreachable!("it is no unit")).expect("it listens"))
    }

    #[test]
    fn a_copy_that_an_old_process_makes_of_itself_after_the_fault_is_not_new() {
        let refused = started("forks").expect_err("it is a copy");
        let refused = refused.to_string();
        assert!(
            refused.contains("a copy of process") && refused.contains("outlived it"),
            "{refused}"
        );
        assert_eq!(started("executes"), Ok(()));
    }
}
