//! What the events say of each trial, gathered; where the journal says a thing twice, the first holds.

mod gather;
mod identity;

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::event::{Evidence, Exit, OldProcess, Phase, Survivor};
use comeback_model::ids::{ArmId, BootId, Incarnation, Node, TrialId};
use comeback_model::operation::Operation;
use comeback_model::units::{Elapsed, Span};

use crate::measure::{Extension, LoadTally};

pub(super) use gather::Gatherer;

/// What the events say of a run.
#[derive(Debug, Default)]
pub(super) struct RunFacts {
    /// Each trial that started, in that order.
    pub(super) trials: Vec<Facts>,
    /// Arms that could not run, and why.
    pub(super) skipped: BTreeMap<ArmId, String>,
    /// A signal ended the run.
    pub(super) interrupted: bool,
    /// It ended at once, since the first start of this arm failed.
    pub(super) given_up: Option<ArmId>,
    /// The run ended by itself.
    pub(super) ended: bool,
    /// The first event that is of no trial which started, though it is about one.
    pub(super) stray: Option<String>,
    /// How it went on after its end.
    pub(super) extensions: Vec<Extension>,
}

/// What the events say of a trial.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: TrialId,
    pub(super) arm: ArmId,
    pub(super) control: bool,
    /// When each phase was entered.
    pub(super) phases: BTreeMap<Phase, Elapsed>,
    /// The nodes that were started.
    nodes: BTreeSet<Node>,
    /// What each node called itself before the fault, where it said so.
    pub(super) boots: BTreeMap<Node, BootId>,
    /// How long before the fault the acknowledgement that it waited for was read, and how long before it had not come yet.
    pub(super) aimed: Option<(Span, Option<Span>)>,
    /// When the fault was begun with each node that it faulted: its drain, else the signal.
    requests: BTreeMap<Node, Elapsed>,
    /// The fault's effect was confirmed, on each node that it faulted: it ended so, or stood still.
    faulted: BTreeMap<Node, (Elapsed, Option<Exit>)>,
    /// Processes of each node that a stop had to kill, for they did not end in their time of grace.
    pub(super) took_kill: BTreeMap<Node, Vec<i32>>,
    /// Processes of what was faulted that lived on when the fault had taken effect.
    pub(super) left: Vec<Survivor>,
    /// Those that stood still may go on.
    pub(super) resumed: Option<Elapsed>,
    /// The first correct reply of each node that was faulted, after that.
    returned: BTreeMap<Node, Correct>,
    /// What became of telling the balancer to spare a replica, in order.
    pub(super) drains: Vec<Drained>,
    /// What each node that was not faulted called itself after everything.
    pub(super) seen: BTreeMap<Node, BootId>,
    /// Why the probe asks for a login alone.
    pub(super) probe_limit: Option<String>,
    /// A check is answered as within a known session though its sender never logged in.
    pub(super) stranger_known: bool,
    /// Why the recovery is known by a boot id alone.
    pub(super) unowned: Option<String>,
    /// Why the fault is taken not to have landed.
    pub(super) missed: Option<String>,
    /// Processes of earlier starts that were alive at the final look.
    pub(super) old_processes: Vec<OldProcess>,
    /// Who held a restarted node's listening socket at the final look, where that was no new process.
    pub(super) old_owner: Option<String>,
    /// Processes of the old server that outlived the fault.
    pub(super) survivors: Vec<i32>,
    /// The first restart of each node.
    restarts: BTreeMap<Node, Restart>,
    /// The first accepted connection, and the last refused one.
    pub(super) accepted: Option<(Elapsed, Option<Elapsed>)>,
    /// The first correct reply of the new process.
    pub(super) correct: Option<Correct>,
    /// The recovery was given up, and what the last probe saw.
    pub(super) given_up: Option<(Elapsed, String)>,
    /// What the health check of each node said, where it was asked.
    pub(super) health: BTreeMap<Node, Health>,
    /// The load ended.
    pub(super) stopped: Option<(Elapsed, LoadTally)>,
    /// Processes that outlived the trial.
    pub(super) left_behind: Vec<i32>,
    /// A start that failed: which, why, and what its output says of that.
    pub(super) start_failed: Option<(Start, String, Option<String>)>,
    /// It failed since a process that is older than the run had taken the port.
    pub(super) port_taken: bool,
    /// How each node ended when it was asked to, after the load.
    pub(super) stopped_as: BTreeMap<Node, Exit>,
    /// Ends nobody asked for.
    pub(super) unexpected: Vec<Ended>,
    /// When nodes went down: each end of one that was not a stop of ours, and each pause.
    pub(super) falls: Vec<(Node, Elapsed)>,
    /// A process ended unexpected after the recovery.
    pub(super) died_again: bool,
    /// Why it ended early.
    pub(super) aborted: Option<String>,
    /// It came to its end.
    pub(super) ended: bool,
}

/// An end nobody asked for.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) at: Elapsed,
    pub(super) start: Start,
    pub(super) exit: Exit,
    /// What its output says of that.
    pub(super) said: Option<String>,
}

/// What a health check said.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// Each answer that was another than the one before: when it was read, whether it said ready, and when the last one
    /// before was read.
    pub(super) changes: Vec<(Elapsed, bool, Option<Elapsed>)>,
    /// When the last answer of all was read; absent where it is not known how it went on after the last change.
    pub(super) last: Option<Elapsed>,
}

/// Which start of which node.
pub(super) type Start = (Node, Incarnation);

/// A step of telling the balancer to spare a replica, which did or did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Drained {
    pub(super) node: Node,
    /// To send it requests again, not to send it none.
    pub(super) is_end: bool,
    pub(super) problem: Option<String>,
}

/// A start again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    /// It was begun.
    pub(super) requested: Elapsed,
    /// Its launcher was executed, if there was one.
    pub(super) launched: Option<Elapsed>,
    /// The program was executed.
    pub(super) executed: Elapsed,
}

/// The first correct reply of the new process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correct {
    pub(super) at: Elapsed,
    pub(super) last_failed: Option<Elapsed>,
    pub(super) evidence: Evidence,
}

impl Facts {
    const fn new(id: TrialId, arm: ArmId, control: bool) -> Self {
        Self {
            id,
            arm,
            control,
            phases: BTreeMap::new(),
            nodes: BTreeSet::new(),
            boots: BTreeMap::new(),
            aimed: None,
            requests: BTreeMap::new(),
            faulted: BTreeMap::new(),
            took_kill: BTreeMap::new(),
            left: Vec::new(),
            resumed: None,
            returned: BTreeMap::new(),
            drains: Vec::new(),
            seen: BTreeMap::new(),
            probe_limit: None,
            stranger_known: false,
            unowned: None,
            missed: None,
            old_processes: Vec::new(),
            old_owner: None,
            survivors: Vec::new(),
            restarts: BTreeMap::new(),
            accepted: None,
            correct: None,
            given_up: None,
            health: BTreeMap::new(),
            stopped: None,
            left_behind: Vec::new(),
            start_failed: None,
            port_taken: false,
            stopped_as: BTreeMap::new(),
            unexpected: Vec::new(),
            falls: Vec::new(),
            died_again: false,
            aborted: None,
            ended: false,
        }
    }

    /// Whether an operation came after the load, as the final looks do; absent where nobody says when it ended.
    pub(super) fn is_after_load(&self, operation: &Operation) -> Option<bool> {
        let (stopped, _) = self.stopped?;
        Some(operation.intended >= stopped)
    }

    /// B: the load is measured from here on.
    pub(super) fn baseline(&self) -> Option<Elapsed> {
        self.phases.get(&Phase::Baseline).copied()
    }

    /// When the fault's effect was complete, and the last of the exits that it consists of; none of a pause.
    pub(super) fn injected(&self) -> Option<(Elapsed, Option<Exit>)> {
        self.faulted.values().copied().max_by_key(|(at, _)| *at)
    }

    /// K: the fault was sent, to the first that it hits. Never in a control trial.
    pub(super) fn fault(&self) -> Option<Elapsed> {
        let confirmed = self.injected().map(|(at, _)| at);
        let requested = self.requests.values().min().copied();
        requested.or(confirmed).filter(|_| !self.control)
    }

    /// When the fault was sent to each of those that it hits, in order.
    pub(super) fn injections(&self) -> Vec<Elapsed> {
        let mut injections: Vec<Elapsed> = self.requests.values().copied().collect();
        injections.sort_unstable();
        injections
    }

    /// The restart that the recovery from T0 begins with: the first of those after T0. After a pause the moment they
    /// may go on.
    pub(super) fn restarted(&self) -> Option<Restart> {
        let cut = self.injected().map(|(at, _)| at);
        let restarts = self.restarts.values().copied();
        let after = restarts.filter(|restart| cut.is_none_or(|cut| restart.executed >= cut));
        let resumed = self.resumed.map(|at| Restart {
            requested: at,
            launched: None,
            executed: at,
        });
        after.min_by_key(|restart| restart.executed).or(resumed)
    }

    /// T0: the fault's effect was complete. Never in a control trial.
    pub(super) fn cut(&self) -> Option<Elapsed> {
        self.injected().map(|(at, _)| at).filter(|_| !self.control)
    }

    /// R: the first correct reply of the new process. Never in a control trial.
    pub(super) fn recovered(&self) -> Option<Elapsed> {
        self.correct
            .map(|correct| correct.at)
            .filter(|_| !self.control)
    }

    /// Where the timeline's windows are aligned: the sending of the fault, or the moment it would have been.
    pub(super) fn origin(&self) -> Option<Elapsed> {
        self.fault()
            .or_else(|| self.phases.get(&Phase::Fault).copied())
            .or_else(|| self.baseline())
    }

    /// Whether the fault took effect on this node.
    pub(super) fn is_faulted(&self, node: Node) -> bool {
        self.faulted.contains_key(&node)
    }

    /// Those that the fault ended so.
    pub(super) fn faulted_as(&self, how: Exit) -> impl Iterator<Item = Node> {
        let ended = self.faulted.iter();
        ended
            .filter(move |(_, (_, exit))| *exit == Some(how))
            .map(|(node, _)| *node)
    }

    /// Whether the fault took effect on every replica.
    pub(super) fn are_all_replicas_faulted(&self) -> bool {
        let mut replicas = self.nodes.iter();
        replicas.all(|node| !matches!(node, Node::Replica(_)) || self.is_faulted(*node))
            && self
                .faulted
                .keys()
                .any(|node| matches!(node, Node::Replica(_)))
    }

    /// The nodes that the fault took effect on, and when that was confirmed of each. None in a control trial.
    pub(super) fn faulted(&self) -> impl Iterator<Item = (Node, Elapsed)> {
        let faulted = self.faulted.iter().filter(|_| !self.control);
        faulted.map(|(node, (at, _))| (*node, *at))
    }

    /// The first correct reply of a node that was faulted. The store and the balancer answer nobody themselves: theirs is
    /// the first of the service, if nothing else was faulted.
    pub(super) fn return_of(&self, node: Node) -> Option<Correct> {
        let is_alone = || self.faulted.len() == 1 && self.is_faulted(node);
        let returned = self.returned.get(&node).copied();
        returned.or_else(|| self.correct.filter(|_| is_alone()))
    }

    /// How many starts of a node that was faulted ended before it served again.
    pub(super) fn failed_starts(&self, node: Node) -> u32 {
        let back = self.return_of(node).map(|back| back.at);
        let failed = self.unexpected.iter().filter(|ended| {
            let (of, incarnation) = ended.start;
            of == node
                && incarnation > Incarnation(0)
                && self.is_faulted(node)
                && back.is_none_or(|back| ended.at < back)
        });
        failed.count() as u32
    }

    /// The nodes that were started.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        self.nodes.iter().copied()
    }

    /// Whether the server is all there is.
    pub(super) fn is_alone(&self) -> bool {
        self.nodes.iter().all(|node| *node == Node::default())
    }

    /// A start in a sentence: `the target`, `the restarted replica 2`.
    pub(super) fn name_of(&self, (node, incarnation): Start) -> String {
        let again = if incarnation > Incarnation(0) {
            "restarted "
        } else {
            ""
        };
        match node {
            Node::Replica(_) if self.is_alone() => format!("the {again}target"),
            Node::Replica(number) if again.is_empty() => format!("replica {number}"),
            Node::Replica(number) => format!("the {again}replica {number}"),
            Node::Balancer | Node::Cache | Node::Store => format!("the {again}{node}"),
        }
    }
}

/// Whether the operation's first byte was written by `moment`.
pub(super) fn was_sent_by(operation: &Operation, moment: Elapsed) -> bool {
    operation.sent.is_some_and(|sent| sent <= moment)
}
