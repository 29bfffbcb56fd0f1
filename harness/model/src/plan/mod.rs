//! The plan: what shall happen, complete and validated before anything is started.
//!
//! A plan comes from the command line or an experiment file, is expanded by [`crate::schedule`] and is
//! stored whole in the journal's header, so that a stored run explains itself.

use std::collections::BTreeSet;

mod calibration;
mod chaos;
mod difference;
mod error;
mod external;
mod extract;
pub mod fault;
#[cfg(any(test, feature = "testing"))]
mod fixture;
mod load;
mod path;
mod protocol;
mod remeasure;
mod retry;
pub mod secret;
mod session;
mod signal;
mod storm;
mod target;
mod validate;
mod windows;

use serde::{Deserialize, Serialize};

use crate::gate::Gate;
use crate::ids::{FaultId, Node};
use crate::units::Span;

pub use calibration::{Borne, Calibrated, Calibration, Fitted, LoadStep, Open};
pub use chaos::Chaos;
pub use error::{Field, Part, PlanError};
pub use external::{External, IdentifiedBy, needs_own_start, needs_process_here};
pub use extract::{Extract, ExtractError};
pub use fault::{Aim, DiskModel, Fault, Reach, Within};
#[cfg(any(test, feature = "testing"))]
pub use fixture::{test_chaos, test_plan};
pub use load::{Arrivals, Load};
pub use path::is_token;
pub use protocol::{Dialect, Protocol, Wire};
pub use retry::Retry;
pub use session::{
    Body, Call, Command, Expect, Identity, Mix, Request, SessionFlow, StatusRange, Workload, Writes,
};
pub use signal::Signal;
pub use storm::Storm;
pub use target::{Attempts, Drain, Listener, Readiness, ReadyProbe, Stop, Target};
pub use windows::Windows;

/// What shall happen, with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The experiment's name; part of the output folder's name.
    pub name: String,
    /// What is compared; at least one.
    pub arms: Vec<Arm>,
    /// Trials with a fault, for each arm.
    pub trials: u32,
    /// How many trials with a fault each arm may have in all, where `trials` do not suffice to judge a gate;
    /// declared before the run, so that nobody goes on until the answer pleases.
    pub extend_to: u32,
    /// How many void trials of each arm may be replaced, those without a fault among them, where they are void by the
    /// harness's or the machine's doing; declared before the run.
    #[serde(default)]
    pub replacements: u32,
    /// Trials without a fault, for each arm.
    pub controls: u32,
    /// What is done to the target in each trial with a fault: at least one. The others come after the first, or with it.
    /// Up to version 5 of the journal `fault`, a single one.
    #[serde(alias = "fault", deserialize_with = "fault::read_faults")]
    pub faults: Vec<Fault>,
    /// How the faults of each trial are drawn from `faults`; where it is not said, each trial has all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos: Option<Chaos>,
    /// Faults that hold for the whole of every trial, those without a fault among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surroundings: Vec<Fault>,
    /// The users' traffic.
    pub load: Load,
    /// Where the rate of the traffic comes from.
    #[serde(default, skip_serializing_if = "Calibration::is_given")]
    pub calibration: Calibration,
    /// How long each part of a trial lasts.
    pub windows: Windows,
    /// Whether its trials are the kills of a storm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
    /// What the verdict demands; empty when the run only measures.
    pub gates: Vec<Gate>,
    /// Texts that were marked as secret; never stored, see [`secret`].
    #[serde(skip)]
    pub marked: BTreeSet<String>,
}

/// One of the things compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// A short unique name.
    pub name: String,
    /// One line for people: where this server keeps its state.
    pub about: String,
    /// The server.
    pub target: Target,
    /// What arms have in common that differ in the number of replicas alone: charts draw them as one line.
    #[serde(default)]
    pub family: Option<String>,
    /// How many replicas of it there are.
    #[serde(default = "one")]
    pub replicas: u32,
    /// What clients connect to instead of the server; it finds the replicas by `{replicas}`.
    #[serde(default)]
    pub balancer: Option<Target>,
    /// What stands in front of the balancer, or of the server, and keeps replies for all clients; it finds what is
    /// behind it by `{origin}`.
    #[serde(default)]
    pub cache: Option<Target>,
    /// What the replicas share; they find it by `{store}`.
    #[serde(default)]
    pub store: Option<Target>,
    /// How the balancer is told that a replica is about to be stopped, where it can be.
    #[serde(default)]
    pub drain: Option<Drain>,
    /// What replaces the server in a deploy.
    #[serde(default)]
    pub next: Option<Target>,
    /// How its clients retry failed operations. Default: not at all.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// The arm of this plan that gates with `baseline` compare this one with.
    pub baseline: Option<String>,
    /// The revision of the user's repository that it runs, where that is not the working tree. Such an arm is there for others
    /// to be compared with: no gate is asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Why this arm cannot run here, and the mend; it is then shown as skipped.
    pub skip: Option<String>,
}

impl Arm {
    /// A server alone: one replica, and nothing beside it.
    pub const fn alone(name: String, about: String, target: Target) -> Self {
        Self {
            name,
            about,
            target,
            family: None,
            replicas: 1,
            balancer: None,
            cache: None,
            store: None,
            drain: None,
            next: None,
            retry: None,
            baseline: None,
            revision: None,
            skip: None,
        }
    }
}

impl Plan {
    /// The fault that a trial begins with. Every plan that was read or validated has one.
    pub fn first_fault(&self) -> &Fault {
        &self.faults[FaultId::FIRST.place()]
    }

    /// The disk that a node's data must lie on, where a fault needs one that forgets.
    pub fn disk_of(&self, node: Node) -> Option<DiskModel> {
        self.faults
            .iter()
            .filter(|fault| fault.aim.may_be(node))
            .find_map(|fault| fault.needs.disk)
    }

    /// How long after the first fault's earliest moment the last of them is over, at most: each comes at its moment, and holds as
    /// long as its effect says.
    pub fn length_of_faults(&self) -> Span {
        self.length_of_faults_and(|_| Span::ZERO)
    }

    /// As [`Self::length_of_faults`], where it takes so long to be back from each of them.
    pub fn length_of_faults_and(&self, back_in: impl Fn(&Fault) -> Span) -> Span {
        let over =
            |fault: &Fault| fault.after + fault.jitter + fault.effect.lasts() + back_in(fault);
        let mut length = Span::ZERO;
        for (place, stretch) in self.stretches().into_iter().enumerate() {
            let latest = |(id, fault): (FaultId, &Fault)| match (place, id) {
                // The first one's moment is drawn, too, and all others of its stretch count from it.
                (0, id) if id != FaultId::FIRST && self.chaos.is_none() => {
                    self.first_fault().jitter + over(fault)
                }
                (0, _) => over(fault),
                _ => fault.quiet.unwrap_or(Span::ZERO) + over(fault),
            };
            length += stretch.into_iter().map(latest).max().unwrap_or(Span::ZERO);
        }
        length
    }

    /// A fault of a trial, or one of the surroundings.
    pub fn fault(&self, id: FaultId) -> Option<&Fault> {
        match id.place().checked_sub(self.count_of_faults()) {
            None => self.faults.get(self.place_of(id).1),
            Some(place) => self.surroundings.get(place),
        }
    }

    /// The faults with their names. Where those of a trial are drawn, these are the names of the first one.
    pub fn named_faults(&self) -> impl Iterator<Item = (FaultId, &Fault)> {
        (0..).map(FaultId).zip(&self.faults)
    }

    /// The surroundings with theirs.
    pub fn named_surroundings(&self) -> impl Iterator<Item = (FaultId, &Fault)> {
        let first = self.count_of_faults() as u32;
        (first..).map(FaultId).zip(&self.surroundings)
    }

    /// The nodes of an arm that a proxy stands in front of, in all trials alike: those that a fault which needs one may be for.
    pub fn proxied(&self, arm: &Arm) -> Vec<Node> {
        let faults = self.faults.iter().chain(&self.surroundings);
        let faults = faults.filter(|fault| fault.needs.proxy);
        let wanted = faults.flat_map(|fault| fault.aim.candidates(arm.replicas));
        let wanted: BTreeSet<Node> = wanted.collect();
        arm.nodes().filter(|node| wanted.contains(node)).collect()
    }

    /// How many trials a round has: one of each arm that is not skipped.
    pub fn in_each_round(&self) -> usize {
        self.arms.iter().filter(|arm| arm.skip.is_none()).count()
    }

    /// How many rounds it declares, beside those that may be added or take the place of others.
    pub const fn rounds(&self) -> u32 {
        self.trials.saturating_add(self.controls)
    }

    /// How many void trials of each arm are replaced where nobody says it: a tenth of the trials, and at least two.
    pub fn usual_replacements(trials: u32) -> u32 {
        trials.div_ceil(10).max(2)
    }
}

const fn one() -> u32 {
    1
}

impl Arm {
    /// Every process of a trial, in the order they are started: what the replicas share, the replicas, what
    /// stands in front of them.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        let store = self.store.as_ref().map(|_| Node::Store);
        let balancer = self.balancer.as_ref().map(|_| Node::Balancer);
        let cache = self.cache.as_ref().map(|_| Node::Cache);
        let replicas = (0..self.replicas).map(Node::Replica);
        store
            .into_iter()
            .chain(replicas)
            .chain(balancer)
            .chain(cache)
    }

    /// What a node runs; a node this arm does not have runs the server.
    pub fn target_of(&self, node: Node) -> &Target {
        let other = match node {
            Node::Replica(_) => None,
            Node::Store => self.store.as_ref(),
            Node::Balancer => self.balancer.as_ref(),
            Node::Cache => self.cache.as_ref(),
        };
        other.unwrap_or(&self.target)
    }

    /// The node that clients connect to.
    pub const fn front(&self) -> Node {
        match self.cache {
            Some(_) => Node::Cache,
            None => self.origin(),
        }
    }

    /// The node whose replies nobody has kept: the balancer, else the server itself.
    pub const fn origin(&self) -> Node {
        match self.balancer {
            Some(_) => Node::Balancer,
            None => Node::Replica(0),
        }
    }
}
