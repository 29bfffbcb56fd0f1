//! Problems of a plan.

use std::fmt;

use crate::ids::FaultId;

/// A plan that cannot be carried out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Which part of the plan.
    pub field: Field,
    /// Which arm it is about, by its place, where it is about one.
    pub arm: Option<usize>,
    /// Which server of the arm it is about, where that is not the target itself.
    pub part: Option<Part>,
    /// The problem and its correction.
    pub problem: String,
}

/// A server of an arm beside the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The balancer.
    Balancer,
    /// The cache.
    Cache,
    /// The store.
    Store,
    /// The new version that replaces the target.
    Deploy,
}

impl Part {
    /// Its name, which is its key in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Cache => "cache",
            Self::Store => "store",
            Self::Deploy => "deploy",
        }
    }
}

/// A part of a plan that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name of the run.
    Name,
    /// The arms, or the name of one.
    Arms,
    /// The family of an arm.
    Family,
    /// A server, by the key.
    Target(&'static str),
    /// What a server that somebody else starts cannot have, by the path of its key in a document.
    OfExternal(&'static [&'static str]),
    /// A gate, by its place.
    Gate(usize),
    /// The path that a readiness probe asks for.
    Ready,
    /// How long a start may take.
    ReadyWithin,
    /// How operations are tried again, by the key.
    Retry(&'static str),
    /// The cache.
    Cache,
    /// The faults as a whole.
    Faults,
    /// What kind of fault it is.
    FaultKind(FaultId),
    /// Which nodes a fault is for.
    FaultTarget(FaultId),
    /// How long a fault lasts.
    FaultLasts(FaultId),
    /// Which processes of a node a fault is for.
    FaultReach(FaultId),
    /// How long after the first fault one comes.
    FaultAfter(FaultId),
    /// Which event a fault waits for.
    FaultOn(FaultId),
    /// The how many-th event it is.
    FaultNth(FaultId),
    /// How long after all before it a fault comes.
    FaultQuiet(FaultId),
    /// How faults are drawn, by the key; the whole of it without one.
    Chaos(&'static str),
    /// How often a fault is drawn.
    ChaosWeight(FaultId),
    /// The balancer.
    Balancer,
    /// What replaces the server.
    Deploy,
    /// The header that names a process.
    BootHeader,
    /// How many trials there are.
    Trials,
    /// How many there may be.
    ExtendTo,
    /// A setting of the load, by its key.
    Load(&'static str),
    /// How operations are mixed.
    Mix,
    /// The share of one step in the mix, by its key.
    MixShare(&'static str),
    /// The one request of users without sessions.
    Get,
    /// The load before the fault, or the arm that another is compared with.
    Baseline,
    /// A length of a part of a trial, by its key; with the other keys that it depends on.
    Windows(&'static [&'static str]),
    /// How long recovery is waited for.
    Horizon,
}

impl Field {
    /// Its name, in the words of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Arms => "arms",
            Self::Family => "family",
            Self::Target(key) => key,
            Self::OfExternal(_) => "external",
            Self::Gate(_) => "gate",
            Self::Ready => "ready",
            Self::ReadyWithin => "ready-within",
            Self::Retry(_) => "retry",
            Self::Cache => "cache",
            Self::Faults => "fault",
            Self::FaultKind(_) => "fault-kind",
            Self::FaultTarget(_) => "fault-target",
            Self::FaultLasts(_) => "fault-lasts",
            Self::FaultReach(_) => "fault-to",
            Self::FaultAfter(_) => "fault-after",
            Self::FaultOn(_) => "fault-on",
            Self::FaultNth(_) => "fault-nth",
            Self::FaultQuiet(_) => "fault-quiet",
            Self::Chaos(_) => "chaos",
            Self::ChaosWeight(_) => "fault-weight",
            Self::Balancer => "balancer",
            Self::Deploy => "deploy",
            Self::BootHeader => "boot-header",
            Self::Trials => "trials",
            Self::ExtendTo => "extend-to",
            Self::Load(key) => key,
            Self::Mix | Self::MixShare(_) => "mix",
            Self::Get => "get",
            Self::Baseline => "baseline",
            Self::Windows(keys) => match keys {
                [key, ..] => key,
                [] => "windows",
            },
            Self::Horizon => "horizon",
        }
    }
}

impl PlanError {
    /// The same of another server of the arm.
    pub(super) fn of(self, part: Part) -> Self {
        Self {
            part: Some(part),
            ..self
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field.name(), self.problem)
    }
}

impl std::error::Error for PlanError {}

/// That this part of the plan cannot be so.
pub(super) fn invalid(field: Field, problem: impl Into<String>) -> Result<(), PlanError> {
    Err(PlanError {
        field,
        arm: None,
        part: None,
        problem: problem.into(),
    })
}

/// Everything that is wrong with a plan, in the order in which it is looked at.
#[derive(Debug, Default)]
pub(super) struct Broken(Vec<PlanError>);

impl Broken {
    /// Notes what a rule says.
    pub(super) fn add(&mut self, rule: Result<(), PlanError>) {
        self.0.extend(rule.err());
    }

    /// Looks at rules that are about one of the arms.
    pub(super) fn of_arm(&mut self, index: usize, look: impl FnOnce(&mut Self)) {
        self.each(look, |error| PlanError {
            arm: error.arm.or(Some(index)),
            ..error
        });
    }

    /// Looks at rules that are about a server beside the target.
    pub(super) fn of_part(&mut self, part: Part, look: impl FnOnce(&mut Self)) {
        self.each(look, |error| error.of(part));
    }

    fn each(&mut self, look: impl FnOnce(&mut Self), change: impl Fn(PlanError) -> PlanError) {
        let mut own = Self::default();
        look(&mut own);
        self.0.extend(own.0.into_iter().map(change));
    }

    /// All of it.
    pub(super) fn into_errors(self) -> Vec<PlanError> {
        self.0
    }
}
