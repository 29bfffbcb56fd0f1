//! The summary document: the run's figures for other programs, with a published JSON Schema.
//!
//! Every time is in milliseconds unless its name says otherwise. A figure that too few trials support is
//! null, never a guess.

mod distribution;
mod document;
mod faults;
mod figures;
mod nodes;
mod parts;
mod several;
mod storm;
mod traffic;
mod values;
mod windows;

pub use comeback_model::journal::RunLabel;

pub use crate::measure::{Culprit, Extension, SessionCounts, Windowed, WriteCounts};
pub use distribution::distribution;
pub use document::{
    About, ArmSummary, ControlSummary, ReplacedTrial, SCHEMA, ShardsSummary, Status, Summary,
    TrialFinding,
};
pub use figures::{findings_of, summarize};
pub use parts::{
    AttributionSummary, BlindSummary, CacheSummary, ContinuityRate, FalseRate, FaultedTrial,
    FaultedWrites, InjectionSummary, JourneyRate, JourneySummary, NodesSummary, RecoverySummary,
    ReplicaAvailability, RetrySummary, WhileDownSummary,
};
pub use several::{FaultSummary, SharedLoss};
pub use storm::{StormLoss, StormSummary};
pub use traffic::{error_rate, loss_share};
pub use values::{AvailabilityRate, Distribution, ErrorRate, Latency, LossShare, TimeError};
pub use windows::{RateOverTrials, Spread, WindowOverTrials, error_rates_over, windows_over};
