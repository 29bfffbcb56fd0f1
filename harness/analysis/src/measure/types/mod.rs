//! What an analysis consists of. Everything here is plain data: see the siblings for how it is computed.

mod analysis;
mod cause;
mod counts;
mod dots;
mod journeys;
mod latency;
mod nodes;
mod tallies;
mod time;
mod trial;

pub use analysis::TrialAnalysis;
pub use cause::Cause;
pub(crate) use counts::is_zero;
pub use counts::{Culprit, Extension, SessionCounts, Windowed, WriteCounts};
pub use dots::{Dot, Ending};
pub use journeys::{JourneyOperations, Journeys};
pub(in crate::measure) use latency::LatencyCounter;
pub use latency::LatencyTally;
pub use nodes::{Balancing, Downtime, LastSent, NodeOutage, NodesAnalysis};
pub use tallies::{
    Attribution, Availability, CacheTally, Continuity, ErrorTally, LoadTally, Retries,
    TimelineWindow, WhileDown,
};
pub use time::Time;
pub use trial::{
    BeforeTheFault, BlindTime, Chain, Doing, FaultAnalysis, FaultedSessions, IdleKill, LaidLoss,
    MetWrites, NotBack, Return, Shortfall, Spoils, Unclear, Void, WritesBeside,
};

use comeback_model::ids::{ArmId, FaultId};
use comeback_model::journal::Header;
use comeback_model::plan::Storm;

/// A run, understood.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What was to happen. Its schedule has the spare trials as they were run, each in the place of a void one.
    pub header: Header,
    /// One entry for each arm of the plan, in its order.
    pub arms: Vec<ArmAnalysis>,
    /// The run did not come to its own end.
    pub incomplete: Option<String>,
    /// How it went on after its declared trials.
    pub extensions: Vec<Extension>,
}

/// An arm's trials.
#[derive(Clone, Debug)]
pub struct ArmAnalysis {
    /// Its place in the plan.
    pub id: ArmId,
    /// Its name.
    pub name: String,
    /// One line for people: where this server keeps its state.
    pub about: String,
    /// Why it could not run here.
    pub skipped: Option<String>,
    /// Its trials, with and without a fault, in the order they ran.
    pub trials: Vec<TrialAnalysis>,
    /// Whether its trials are the kills of a storm.
    pub storm: Option<Storm>,
    /// Where a trial has several faults, or others than the next one, all that it may have.
    pub choices: Vec<Choice>,
}

/// A fault of the plan that some trials may lack.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Which, wherever it comes in a trial.
    pub id: FaultId,
    /// What people call it.
    pub name: String,
    /// How likely a trial has it; absent where nothing is drawn, since each trial was to have it.
    pub drawn: Option<f64>,
}

impl ArmAnalysis {
    /// Trials with a fault that count.
    pub fn faulted(&self) -> impl Iterator<Item = &TrialAnalysis> {
        self.trials
            .iter()
            .filter(|trial| !trial.control && trial.void.is_none())
    }

    /// Trials with a fault that count for nothing but a certain loss: the fault landed, and only times and rates
    /// are spoiled; or in a storm it was not begun, since the kill of the idle server before it took something.
    pub fn faulted_aside(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let faulted = self.trials.iter().filter(|trial| !trial.control);
        faulted.filter(|trial| {
            let took = trial.idle_kill.is_some_and(|kill| kill.took_something());
            (trial.landed || took) && trial.is_spoiled_for_times()
        })
    }

    /// Void trials that others have taken the place of.
    pub fn replaced(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let is_replaced = |trial: &&TrialAnalysis| trial.void.as_ref().is_some_and(|v| v.replaced);
        self.trials.iter().filter(is_replaced)
    }

    /// The same arm with those of them counted whose fault landed, as far as they show anything; nothing where there is
    /// none.
    pub fn with_replaced(&self) -> Option<Self> {
        self.replaced().find(|trial| trial.landed)?;
        let mut arm = self.clone();
        for trial in arm.trials.iter_mut().filter(|trial| trial.landed) {
            trial.void.take_if(|void| void.replaced);
        }
        Some(arm)
    }

    /// Trials without a fault that tell what is lost without one: those that count, and those of which only times
    /// and rates are spoiled.
    pub fn controls_of_losses(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let controls = self.trials.iter().filter(|trial| trial.control);
        controls.filter(|trial| trial.void.is_none() || trial.is_spoiled_for_times())
    }

    /// Trials without a fault that count.
    pub fn controls(&self) -> impl Iterator<Item = &TrialAnalysis> {
        self.trials
            .iter()
            .filter(|trial| trial.control && trial.void.is_none())
    }
}
