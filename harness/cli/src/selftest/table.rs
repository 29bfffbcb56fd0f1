//! The planted bugs that `selftest` must find, each with its clean twin: one row for each bug.

use comeback_analysis::measure::Cause;
use comeback_architectures::{Comparison, Fault, RetryBy, Size, Variants};
use comeback_experiment::document::RatePart;
use comeback_model::gate::Gate;
use comeback_model::plan::Plan;
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
    lasts: None,
    try_timeout: None,
    rate: 200,
    logouts: true,
    horizon: None,
};

/// All of them, by number.
pub(super) const BUGS: [Bug; 11] = [
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
            if let Some(session) = document.session.as_mut().filter(|_| !self.logouts) {
                session.logout = None;
            }
            document.demands = gates;
        })
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
            fault: Fault {
                kind: (self.fault != KILL.fault).then(|| self.fault.to_owned()),
                lasts: self.lasts,
                ..Fault::default()
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
