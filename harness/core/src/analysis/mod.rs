//! Analysis: a journal understood. Pure and total: whatever the journal says, there is an answer, and
//! what is odd about it becomes a finding.

mod types;

pub use types::{
    Analysis, ArmAnalysis, Chain, ErrorTally, LatencyTally, LoadTally, Time, TimelineWindow,
    TrialAnalysis,
};

use crate::journal::Journal;
use crate::summary::Summary;
use crate::verdict::Verdict;

/// Understands a run.
pub fn analyze(_journal: &Journal) -> Analysis {
    unimplemented!()
}

/// The summary document of an analysis and its verdict.
pub fn summarize(_analysis: &Analysis, _verdict: &Verdict) -> Summary {
    unimplemented!()
}
