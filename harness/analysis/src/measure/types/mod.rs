//! What an analysis consists of. Everything here is plain data: see the siblings for how it is computed.

mod cause;
mod counts;
mod dots;
mod journeys;
mod latency;
mod nodes;
mod sight;
mod tallies;
mod tally;
mod time;
mod trial;

pub use cause::Cause;
pub(crate) use counts::is_zero;
pub use counts::{Culprit, Extension, SessionCounts, Windowed, WriteCounts};
pub use dots::{Dot, Ending};
pub use journeys::{JourneyOperations, Journeys};
pub(in crate::measure) use latency::LatencyCounter;
pub use latency::LatencyTally;
pub use nodes::{Balancing, Downtime, LastSent, NodeOutage, NodesAnalysis};
pub use sight::{MetOperation, SessionFate, SessionLine, SessionMark, Sight};
pub use tallies::{
    Attribution, Availability, CacheTally, Continuity, ErrorTally, LoadTally, Retries,
    TimelineWindow, WhileDown,
};
pub(crate) use tally::Tally;
pub use time::Time;
pub use trial::{
    BeforeTheFault, BlindTime, Chain, Doing, FaultAnalysis, FaultedSessions, IdleKill, LaidLoss,
    LoginsAtStake, MetWrites, NotBack, Return, Shortfall, Spoils, Unclear, Void, WritesBeside,
};

use comeback_model::ids::FaultId;

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
