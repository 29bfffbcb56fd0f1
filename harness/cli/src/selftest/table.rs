//! The planted bugs that `selftest` must find, each with its clean twin: one row for each bug.

use comeback_analysis::measure::Cause;
use comeback_architectures::{Comparison, ComparisonFault, RetryBy, Size, Variants};
use comeback_engine::campaign::check_faults;
use comeback_engine::needs::{self, Remotes};
use comeback_experiment::document::{RatePart, StopPart};
use comeback_model::gate::Gate;
use comeback_model::plan::{Aim, Plan};
use comeback_model::units::Span;

use crate::options::parse_gate;
use crate::{CliError, compare};

/// The users of each run.
const SESSIONS: u32 = 50;
/// What every run demands: a server that stays down is broken, whatever else it does.
const COMES_BACK: &str = "unrecovered == 0";

/// A server with a planted bug, its twin without the bug, and what must tell them apart.
#[derive(Clone, Debug)]
pub(super) struct Bug {
    /// Its number, which stays the same when others come or go.
    pub(super) number: u32,
    /// The bug in plain words.
    pub(super) about: &'static str,
    /// The server with the bug.
    pub(super) server: &'static str,
    /// A server without it.
    pub(super) twin: &'static str,
    /// The gate that the bug breaks.
    pub(super) gate: &'static str,
    /// The cause that must be named as well, for a gate that other bugs break, too.
    pub(super) cause: Option<Cause>,
    /// The kind of fault.
    pub(super) fault: &'static str,
    /// What its kind is told: names and values.
    parameters: &'static [(&'static str, &'static str)],
    /// Which nodes it is for, if not the server.
    target: Option<Aim>,
    /// Another kind of fault, which the bug must *not* show under: that is what makes it this bug and no other.
    pub(super) survives: Option<&'static str>,
    /// How long a pause lasts.
    lasts: Option<Span>,
    /// The time that a try may take, if clients retry. They send an idempotency key.
    try_timeout: Option<Span>,
    /// Operations per second.
    rate: u32,
    /// Whether users log out now and then.
    logouts: bool,
    /// How long the recovery is waited for.
    horizon: Option<Span>,
    /// How long a server that was asked to stop has until SIGKILL.
    grace: Option<Span>,
}

/// A kill under the default load of `run`.
const KILL: Bug = Bug {
    number: 0,
    about: "",
    server: "",
    twin: "",
    gate: COMES_BACK,
    cause: None,
    fault: "kill",
    parameters: &[],
    target: None,
    survives: None,
    lasts: None,
    try_timeout: None,
    rate: 200,
    logouts: true,
    horizon: None,
    grace: None,
};

/// A power loss under a load that a server bears which syncs each write on a disk of Comeback's own.
const POWER_LOSS: Bug = Bug {
    fault: "power_loss",
    rate: 100,
    ..KILL
};

/// All of them, by number.
pub(super) const BUGS: [Bug; 19] = [
    Bug {
        number: 1,
        about: "acknowledges up to 200 ms before it syncs",
        server: "late-sync",
        twin: "line-log",
        gate: "lost_writes == 0",
        survives: Some("kill"),
        ..POWER_LOSS
    },
    Bug {
        number: 2,
        about: "never syncs the folder of its new files",
        server: "unsynced-segments",
        twin: "line-log",
        gate: "lost_writes == 0",
        // ext4 keeps the names of files that were synced, and hides it.
        parameters: &[("disk", "strict")],
        survives: Some("kill"),
        ..POWER_LOSS
    },
    Bug {
        number: 3,
        about: "renames a new file that it has not synced",
        server: "unsynced-rename",
        twin: "synced-rename",
        gate: "lost_sessions == 0",
        // Names are kept, so that the files are there and empty.
        parameters: &[("disk", "lazy")],
        survives: Some("kill"),
        // Its twin syncs twice for each write.
        rate: 40,
        ..POWER_LOSS
    },
    Bug {
        number: 4,
        about: "empties its file of sessions and writes it again",
        server: "rewrites-state",
        twin: "replaces-state",
        gate: "lost_sessions == 0",
        // Each write takes milliseconds.
        rate: 100,
        ..KILL
    },
    Bug {
        number: 5,
        about: "does not start on a log whose last line is torn",
        server: "torn-is-fatal",
        twin: "line-log",
        fault: "corrupt_file",
        parameters: &[("how", "truncate")],
        // Its twin syncs each write.
        rate: 100,
        horizon: Some(Span::from_ms(1_500)),
        ..KILL
    },
    Bug {
        number: 7,
        about: "keeps sessions in memory only",
        server: "memory",
        twin: "journal",
        gate: "lost_sessions == 0",
        ..KILL
    },
    Bug {
        number: 8,
        about: "makes a new signing key at each start",
        server: "token-newkey",
        twin: "token",
        gate: "lost_sessions == 0",
        ..KILL
    },
    Bug {
        number: 11,
        about: "applies a retried write twice",
        server: "ignores-keys",
        twin: "memory",
        gate: "duplicated_writes == 0",
        fault: "pause",
        // Longer than the first try, shorter than all three.
        lasts: Some(Span::from_ms(500)),
        try_timeout: Some(Span::from_ms(200)),
        // A logout is not retried: one during the pause leaves its session undecided.
        logouts: false,
        ..KILL
    },
    Bug {
        number: 12,
        about: "numbers sessions from 1 at each start",
        server: "sequential-ids",
        twin: "memory",
        gate: "wrong_identity == 0",
        ..KILL
    },
    Bug {
        number: 13,
        about: "remembers logouts in memory only",
        server: "zombie",
        twin: "journal",
        gate: "zombie_sessions == 0",
        // One operation in 50 is a logout.
        rate: 500,
        ..KILL
    },
    Bug {
        number: 15,
        about: "is healthy before it works",
        server: "early-health",
        twin: "late-listener",
        gate: "blind_time.max <= 100ms",
        ..KILL
    },
    Bug {
        number: 16,
        about: "ends at once on SIGTERM",
        server: "resets-on-term",
        twin: "finishes-on-term",
        // Not `drain_failed`: a clean server, too, closes idle connections just when a request comes.
        gate: "in_flight_failed == 0",
        fault: "terminate",
        ..KILL
    },
    Bug {
        number: 18,
        about: "does nothing about SIGTERM, as under a shell that swallows it",
        server: "ignores-term",
        twin: "memory",
        // The outage counts from the signal: it lasts as long as the grace.
        gate: "outage.max <= 2s",
        fault: "stop",
        grace: Some(Span::from_secs(3)),
        ..KILL
    },
    Bug {
        number: 19,
        about: "binds its port without SO_REUSEADDR",
        server: "no-reuseaddr",
        twin: "memory",
        horizon: Some(Span::from_ms(1_500)),
        ..KILL
    },
    Bug {
        number: 20,
        about: "does not start where a killed one left its pid file",
        server: "pid-file",
        twin: "journal",
        horizon: Some(Span::from_ms(1_500)),
        ..KILL
    },
    Bug {
        number: 21,
        about: "leaves a worker that keeps the port",
        server: "orphan-keeps-port",
        twin: "memory",
        cause: Some(Cause::OldProcess),
        horizon: Some(Span::from_ms(1_500)),
        ..KILL
    },
    Bug {
        number: 22,
        about: "keeps the connection to its store when that is dead",
        server: "stale-pool",
        twin: "redis",
        target: Some(Aim::Store),
        horizon: Some(Span::from_ms(1_500)),
        ..KILL
    },
    Bug {
        number: 23,
        about: "acknowledges up to 500 ms before it writes",
        server: "buffered",
        twin: "journal",
        gate: "lost_writes == 0",
        ..KILL
    },
    Bug {
        number: 25,
        about: "begins anew after a start that was cut short",
        server: "cut-recovery",
        twin: "journal",
        gate: "lost_sessions == 0",
        fault: "crash_loop",
        ..KILL
    },
];

impl Bug {
    /// The bug of this number.
    pub(super) fn find(number: u32) -> Option<&'static Self> {
        BUGS.iter().find(|bug| bug.number == number)
    }

    /// The same under the fault that its bug must not show under, if there is one.
    pub(super) fn spared(&self) -> Option<Self> {
        self.survives.map(|fault| Self {
            fault,
            parameters: &[],
            survives: None,
            ..self.clone()
        })
    }

    /// The same with server and twin exchanged: nothing must be found, and each twin must raise an alarm.
    pub(super) fn swapped(&self) -> Self {
        Self {
            server: self.twin,
            twin: self.server,
            ..self.clone()
        }
    }

    /// The plan of a run of one of its servers.
    pub(super) fn plan(&self, server: &str) -> Result<Plan, CliError> {
        let gates = self.gates();
        let gates: Result<Vec<Gate>, String> = gates.iter().map(|gate| parse_gate(gate)).collect();
        let gates = gates.map_err(CliError::Usage)?;
        compare::plan(self.comparison(server), |document| {
            document.load.sessions = Some(SESSIONS);
            document.load.rate = Some(RatePart::PerSecond(f64::from(self.rate)));
            document.windows.horizon = self.horizon;
            document.target.stop = self.grace.map(|grace| StopPart {
                grace: Some(grace),
                ..StopPart::default()
            });
            if let Some(session) = document.session.as_mut().filter(|_| !self.logouts) {
                session.logout = None;
            }
            document.demands = gates;
        })
    }

    /// Why it cannot be looked for on this machine, and what to do. None if it can.
    pub(super) fn missing(&self) -> Result<Option<String>, CliError> {
        let mut plan = self.plan(self.server)?;
        let faults = check_faults(&plan);
        let checked =
            needs::check_arms(&mut plan.arms, Remotes::Refused).map_err(|wrong| wrong.join("; "));
        Ok(faults.and(checked).err())
    }

    fn gates(&self) -> Vec<&'static str> {
        let mut gates = vec![COMES_BACK, self.gate];
        gates.dedup();
        gates
    }

    fn comparison(&self, server: &str) -> Comparison {
        let variants = match self.try_timeout {
            None => Variants::default(),
            try_timeout => Variants {
                retry_by: vec![RetryBy::ClientKey],
                try_timeout,
                ..Variants::default()
            },
        };
        Comparison {
            servers: vec![server.to_owned()],
            variants,
            fault: ComparisonFault {
                kind: (self.fault != KILL.fault).then(|| self.fault.to_owned()),
                target: self.target,
                parameters: self.parameters.iter().map(owned).collect(),
                lasts: self.lasts,
                ..ComparisonFault::default()
            },
            // Two faults and a control trial.
            size: Size {
                quick: true,
                trials: None,
            },
            ..Comparison::default()
        }
    }
}

fn owned(parameter: &(&str, &str)) -> (String, serde_json::Value) {
    let (name, value) = *parameter;
    (name.to_owned(), value.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_number_stands_once_and_in_order() {
        let numbers: Vec<u32> = BUGS.iter().map(|bug| bug.number).collect();
        let sorted: BTreeSet<u32> = numbers.iter().copied().collect();
        assert_eq!(numbers, sorted.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn every_bug_has_a_server_and_another_one_for_its_twin() {
        for bug in &BUGS {
            let find = |name| comeback_servers::find(name).unwrap_or_else(|| panic!("{name}"));
            let (server, twin) = (find(bug.server), find(bug.twin));
            assert_ne!(server.name, twin.name);
            // A twin is clean of this bug. It may have another one, which other gates would tell.
            let is_its_bug = |other: &Bug| other.server == twin.name && other.gate == bug.gate;
            assert!(!BUGS.iter().any(is_its_bug), "{}", bug.number);
        }
    }

    #[test]
    fn both_servers_of_a_bug_meet_the_same_load_fault_and_gates() {
        for bug in &BUGS {
            let (mut plan, twin) = (bug.plan(bug.server).unwrap(), bug.plan(bug.twin).unwrap());
            assert_eq!(plan.gates, twin.gates);
            assert!(plan.gates.iter().any(|gate| gate.to_string() == bug.gate));
            plan.arms.clone_from(&twin.arms);
            assert_eq!(plan, twin, "{}", bug.number);
        }
    }
}
