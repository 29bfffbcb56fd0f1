//! A fault as a plan has it: resolved, with its effect and the words for it, so that a stored run explains itself.
//!
//! Which kinds there are is said elsewhere, through [`Catalogue`]. Nobody else tells kinds apart: the engine, the analysis
//! and the reports go by [`Effect`], [`Needs`] and [`FaultWords`].

mod on;
mod stored;

pub use on::{Mark, Met, MetWrite, Nth, On, OnEvent, ordinal};
pub(crate) use stored::read_begun;
pub(super) use stored::read_faults;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::Node;
use crate::units::Span;

/// The parameters of a fault by name, every default filled in. Only its kind knows what they mean.
pub type Parameters = Map<String, Value>;

/// The kind of a fault that names none: the first of the catalogue.
pub const DEFAULT_KIND: &str = "kill";

/// What is done to the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::StoredFault")]
pub struct Fault {
    /// The kind, by its name in the catalogue.
    pub kind: String,
    /// What the kind was told.
    pub parameters: Parameters,
    /// Which nodes it is for.
    pub aim: Aim,
    /// Which of a node's processes it is for.
    pub reach: Reach,
    /// Whether it waits for a write of the load.
    pub within: Within,
    /// The event that it waits for from its planned moment on, where it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// How long after the first fault's moment it comes; no time for the first.
    #[serde(default, skip_serializing_if = "Span::is_zero")]
    pub after: Span,
    /// It comes no sooner than so long after all before it in its trial were recovered from; none where it counts from the first
    /// fault's moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Span>,
    /// It comes at a uniformly drawn moment of this length, after that or, the first, after the baseline's end.
    pub jitter: Span,
    /// How long its effect may take to be confirmed; beyond it the fault did not land.
    pub lands_within: Span,
    /// What becomes of the faulted nodes.
    pub effect: Effect,
    /// What it needs of an arm.
    #[serde(default, skip_serializing_if = "Needs::are_none")]
    pub needs: Needs,
    /// How long it holds back what is on its way to and from its nodes.
    #[serde(default, skip_serializing_if = "HoldsBack::is_nothing")]
    pub holds_back: HoldsBack,
    /// What people are told of it.
    pub words: FaultWords,
}

/// Which nodes a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// One replica, drawn for each trial.
    #[default]
    AnyReplica,
    /// This replica, from 0.
    Replica(u32),
    /// All replicas at once.
    AllReplicas,
    /// The balancer.
    Balancer,
    /// The store.
    Store,
    /// The cache.
    Cache,
}

impl Aim {
    /// Every node that it may be for, where there are so many replicas.
    pub fn candidates(self, replicas: u32) -> Vec<Node> {
        match self {
            Self::AnyReplica | Self::AllReplicas => (0..replicas).map(Node::Replica).collect(),
            Self::Replica(number) => vec![Node::Replica(number)],
            Self::Balancer => vec![Node::Balancer],
            Self::Store => vec![Node::Store],
            Self::Cache => vec![Node::Cache],
        }
    }

    /// Whether a node may be one that it is for.
    pub const fn may_be(self, node: Node) -> bool {
        match (self, node) {
            (Self::AnyReplica | Self::AllReplicas, Node::Replica(_))
            | (Self::Balancer, Node::Balancer)
            | (Self::Store, Node::Store)
            | (Self::Cache, Node::Cache) => true,
            (Self::Replica(wanted), Node::Replica(number)) => wanted == number,
            _ => false,
        }
    }

    /// Whether it and another may be for the same node.
    pub const fn may_meet(self, other: Self) -> bool {
        match (self, other) {
            (Self::Replica(one), Self::Replica(other)) => one == other,
            (
                Self::AnyReplica | Self::AllReplicas | Self::Replica(_),
                Self::AnyReplica | Self::AllReplicas | Self::Replica(_),
            )
            | (Self::Balancer, Self::Balancer)
            | (Self::Store, Self::Store)
            | (Self::Cache, Self::Cache) => true,
            _ => false,
        }
    }
}

/// Which processes of a node a fault addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Only the process that was started.
    Process,
    /// Its process group.
    #[default]
    Group,
    /// All its descendants, even if they left its group.
    Tree,
}

/// As an object: `the process group`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "the started process alone",
            Self::Group => "the process group",
            Self::Tree => "the process and all that it started",
        })
    }
}

/// Whether a fault waits for a write of the load from its planned moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// During a write, or right after its acknowledgement, if a write comes in time.
    Request,
    /// At its planned moment in any case.
    Any,
}

/// What becomes of faulted nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They end, all at once, and are started again.
    Ends(Ending),
    /// Their processes stand still for so long, then go on.
    StandsStill(Span),
    /// One after the other ends as it is asked to, is started again and serves.
    Replaces,
    /// They go on under worse conditions for so long.
    Degrades(Span),
    /// They go on under worse conditions, for the whole of a trial: a surrounding.
    Surrounds,
}

/// How faulted nodes come to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Their processes have no chance to do anything about it.
    AtOnce,
    /// By a signal that a process may handle, but that asks for nothing.
    BySignal,
    /// They are asked to stop; what is there after its time of grace is killed.
    AsAsked,
}

impl Effect {
    /// Whether the processes had no chance to do anything about it.
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::Ends(Ending::AtOnce))
    }

    /// Whether the nodes were asked to stop, and had time to.
    pub const fn asks(self) -> bool {
        matches!(self, Self::Ends(Ending::AsAsked) | Self::Replaces)
    }

    /// Whether faulted nodes end all at once.
    pub const fn ends(self) -> bool {
        matches!(self, Self::Ends(_))
    }

    /// Whether the nodes go on under worse conditions for a while.
    pub const fn degrades(self) -> bool {
        matches!(self, Self::Degrades(_))
    }

    /// How long it holds, once it is there; no time of one that is over at once, or for which nobody says it.
    pub const fn lasts(self) -> Span {
        match self {
            Self::StandsStill(lasts) | Self::Degrades(lasts) => lasts,
            Self::Ends(_) | Self::Replaces | Self::Surrounds => Span::ZERO,
        }
    }

    /// Whether it holds for the whole of a trial.
    pub const fn surrounds(self) -> bool {
        matches!(self, Self::Surrounds)
    }

    /// Whether one node after the other is faulted.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Replaces)
    }
}

/// What a fault needs of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The balancer must drain a replica, in no longer than this.
    pub drain: Option<Span>,
    /// There must be a next version of the server.
    pub next: bool,
    /// It takes some time before its signal: that cannot come at an event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ahead: bool,
    /// There must be a proxy in front of every node that it is for, in all trials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxy: bool,
    /// The faulted node's data must lie on a disk that forgets, of this model, in every trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskModel>,
}

/// By which rule a disk that forgets keeps what was written (METHOD, *Power loss*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskModel {
    /// As ext4 with its defaults: one journal for all entries and lengths, which the fsync of whatever was changed writes out;
    /// a rename over a file, and a close after a truncation to nothing, let the file's new data go with it. In half of the losses
    /// it was just written out by itself.
    #[default]
    Ext4,
    /// Entries are durable with the fsync of their folder alone.
    Strict,
    /// Entries, and cuts of a file, are durable at once.
    Lazy,
}

impl DiskModel {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Ext4, Self::Strict, Self::Lazy];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Strict => "strict",
            Self::Lazy => "lazy",
        }
    }
}

impl fmt::Display for DiskModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a fault does to what is on its way: how long it holds that back, at most; none where nobody knows how long, or whether it
/// arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsBack {
    /// Requests, on their way to its nodes.
    pub to: Option<Span>,
    /// Replies, on their way from them.
    pub from: Option<Span>,
    /// Ends of their connections, beyond that: of a reply whose end is the connection's.
    #[serde(default, skip_serializing_if = "Span::is_zero")]
    pub ends: Span,
    /// Whether it ends connections amid a reply, as if the node had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closes: bool,
    /// Whether it ends connections of its own accord, when it may have held a reply back before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cuts: bool,
}

impl HoldsBack {
    /// Nothing is held back.
    pub const NOTHING: Self = Self {
        to: Some(Span::ZERO),
        from: Some(Span::ZERO),
        ends: Span::ZERO,
        closes: false,
        cuts: false,
    };

    /// Whether nothing is held back.
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// By both, one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let sum = |one: Option<Span>, other: Option<Span>| Some(one? + other?);
        Self {
            to: sum(self.to, other.to),
            from: sum(self.from, other.from),
            ends: self.ends + other.ends,
            closes: self.closes || other.closes,
            cuts: self.cuts || other.cuts,
        }
    }

    /// What that comes to for replies that are whole only with the end of their connection.
    #[must_use]
    pub fn until_close(self) -> Self {
        Self {
            from: self.from.map(|late| late + self.ends),
            ends: Span::ZERO,
            ..self
        }
    }
}

impl Default for HoldsBack {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Needs {
    pub(super) const fn are_none(&self) -> bool {
        let Self {
            drain,
            next,
            ahead,
            proxy,
            disk,
        } = self;
        drain.is_none() && !*next && !*ahead && !*proxy && disk.is_none()
    }
}

/// What people are told of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultWords {
    /// Its moment in a chart: `crash`, `pause`.
    pub short: String,
    /// As a noun: `SIGKILL`, `a pause of 2s`.
    pub noun: String,
    /// With what it is done to: `SIGKILL to the process group`.
    pub done: String,
    /// What happens to a node when it begins: `SIGKILL sent`.
    pub begun: String,
    /// The whole of it: `SIGSTOP to every process of the faulted nodes, and SIGCONT 2s later`.
    pub explained: String,
}

impl Fault {
    /// The fault as it waits for an event, which its words tell.
    #[must_use]
    pub fn waiting_for(mut self, on: On) -> Self {
        for words in [&mut self.words.done, &mut self.words.explained] {
            *words = format!("{words}, {}", on.event);
        }
        self.within = Within::Any;
        self.on = Some(on);
        self
    }
}

/// What a plan says of a fault beside its kind and the kind's parameters; what is not said has the kind's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Which nodes it is for.
    pub aim: Option<Aim>,
    /// Which of a node's processes it is for.
    pub reach: Option<Reach>,
    /// Whether it waits for a write.
    pub within: Option<Within>,
    /// The length in which its moment is drawn.
    pub jitter: Option<Span>,
    /// How long its effect may take to be confirmed.
    pub lands_within: Option<Span>,
}

/// A kind of fault, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// Its name in a document.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Whether it may be a surrounding, too: it holds for the whole of a trial then.
    pub surrounds: bool,
    /// Whether it needs no start by the harness: it works on a server that somebody else starts, too.
    pub is_for_external: bool,
}

/// A parameter that a fault cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Which field of the fault; none where it is the fault as a whole.
    pub field: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

/// The kinds of faults that there are.
pub trait Catalogue {
    /// All of them; the first is the default.
    fn kinds(&self) -> Vec<KindInfo>;

    /// The schema of the parameters of each kind, an object, by the kind's name.
    fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)>;

    /// The fault of this kind with these parameters, every default filled in.
    ///
    /// # Errors
    /// When there is no such kind, or it cannot have such parameters.
    fn plan(&self, kind: &str, parameters: &Parameters, said: Said) -> Result<Fault, Invalid>;
}
