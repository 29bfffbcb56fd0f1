//! nginx: `down` behind a replica in its configuration, and SIGHUP to its master.
//!
//! The master starts a worker with the new configuration and lets the old one finish what it has in flight. The replica is
//! drained when the old worker is gone. nginx closes its clients' idle connections then, as at each change of its
//! configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Listens, OrderError, Standing};

/// How a replica's line in the configuration begins, and what tells it from the server's own block.
const SERVER: &str = "server ";
const OF_REPLICA: &str = "max_fails=";
const DOWN: &str = " down;";

pub(super) struct Nginx {
    configuration: PathBuf,
    master: i32,
    /// The workers that were there when it was told.
    old: Vec<i32>,
}

impl Nginx {
    pub(super) fn at(folder: &Path) -> Result<Self, OrderError> {
        let path = folder.join("nginx.pid");
        let absent = |cause| OrderError::Absent {
            what: format!("no nginx wrote its pid to {}", path.display()),
            cause,
        };
        let text = fs::read_to_string(&path).map_err(absent)?;
        let master = text.trim().parse();
        let master = master.map_err(|_| absent(io::ErrorKind::InvalidData.into()))?;
        workers_of(master).map_err(absent)?;
        Ok(Self {
            configuration: folder.join("nginx.conf"),
            master,
            old: Vec::new(),
        })
    }

    fn told<'a>(&'a self, what: &'a str) -> impl Fn(io::Error) -> OrderError + 'a {
        move |cause| OrderError::Absent {
            what: format!("cannot {what} {}", self.configuration.display()),
            cause,
        }
    }
}

impl Listens for Nginx {
    fn tell(&mut self, replica: usize, drain: bool) -> Result<(), OrderError> {
        let text = fs::read_to_string(&self.configuration).map_err(self.told("read"))?;
        let changed = with_down(&text, replica, drain);
        // Complete or not there: a crash in between must not spoil it.
        let new = self.configuration.with_extension("conf.new");
        fs::write(&new, changed)
            .and_then(|()| fs::rename(&new, &self.configuration))
            .map_err(self.told("write"))?;
        self.old = workers_of(self.master).map_err(self.told("see the workers of"))?;
        kill(Pid::from_raw(self.master), Signal::SIGHUP)
            .map_err(|errno| self.told("have nginx read")(errno.into()))
    }

    fn look(&mut self) -> Result<Vec<Standing>, OrderError> {
        let text = fs::read_to_string(&self.configuration).map_err(self.told("read"))?;
        let workers = workers_of(self.master).map_err(self.told("see the workers of"))?;
        let is_old = |worker: &i32| self.old.contains(worker);
        let has_new = workers.iter().any(|worker| !is_old(worker));
        let has_reloaded = has_new && !workers.iter().any(is_old);
        let standing = |(index, line): (usize, &str)| {
            let line = line.trim().trim_start_matches(SERVER);
            let says_down = line.ends_with(DOWN);
            Standing {
                index,
                address: line.split(' ').next().unwrap_or_default().to_owned(),
                // It has no checks to say otherwise.
                up: true,
                // In force only with a worker that has read it.
                draining: if has_new { says_down } else { !says_down },
                in_flight: (says_down && has_reloaded).then_some(0),
            }
        };
        Ok(replicas(&text).enumerate().map(standing).collect())
    }
}

/// The children of the master.
fn workers_of(master: i32) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
    let pids = text.split_whitespace();
    Ok(pids.filter_map(|pid| pid.parse().ok()).collect())
}

fn is_replica(line: &str) -> bool {
    line.trim_start().starts_with(SERVER) && line.contains(OF_REPLICA)
}

fn replicas(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| is_replica(line))
}

/// The configuration with a replica out of service, or in it.
fn with_down(text: &str, replica: usize, down: bool) -> String {
    let mut number = 0;
    let lines = text.lines().map(|line| {
        if !is_replica(line) {
            return format!("{line}\n");
        }
        let is_meant = number == replica;
        number += 1;
        let plain = line.strip_suffix(DOWN).or_else(|| line.strip_suffix(';'));
        match (is_meant, plain) {
            (true, Some(plain)) if down => format!("{plain}{DOWN}\n"),
            (true, Some(plain)) => format!("{plain};\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "    upstream replicas {\n        server 127.0.0.1:1 max_fails=2 fail_timeout=1s;\n        \
                        server 127.0.0.1:2 max_fails=2 fail_timeout=1s;\n    }\n    server {\n    }\n";

    #[test]
    fn a_replica_is_taken_out_and_put_back_and_nothing_else_changes() {
        let out = with_down(TEXT, 1, true);
        assert_eq!(
            out,
            TEXT.replace(
                "127.0.0.1:2 max_fails=2 fail_timeout=1s;",
                "127.0.0.1:2 max_fails=2 fail_timeout=1s down;"
            )
        );
        assert_eq!(with_down(&out, 1, true), out);
        assert_eq!(with_down(&out, 1, false), TEXT);
        assert_eq!(with_down(TEXT, 0, false), TEXT);
    }
}
