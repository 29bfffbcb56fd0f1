//! Claims about stateless and stateful servers that people repeat, and what a measurement says of each.
//!
//! A claim has an experiment: comparisons, whose summaries are reduced to [`Evidence`], or a procedure of its own, which
//! leaves [`Findings`]. It is judged by a pure function over either. Each can come out in every way: it holds, it holds in
//! part, it is refuted, or this run cannot tell.

mod chart;
mod comparisons;
mod document;
mod evidence;
mod facts;
mod table;
mod thresholds;

mod any_server;
mod bound;
mod cacheable;
mod carries;
mod complete;
mod internet;
mod order;
mod protocols;
mod quicker;
mod restart;
mod scale_out;
mod simple;
mod storage;
mod swap;
#[cfg(test)]
mod tests;

pub use comeback_model::claims::{Bar, Chart, ClaimRow, Claims, Ruling, SCHEMA};
pub use document::{Source, row};
pub use evidence::Evidence;
pub use facts::{Amount, Fact, FactsError, Findings, Heading, Observation, VERSION, What};
pub use table::CLAIMS;

use comeback_analysis::summary::Summary;
use comeback_architectures::{Comparison, Size};
use comeback_statistics::wilson;

/// A claim of the table.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its number in the table.
    pub number: u32,
    /// In its own words.
    pub words: &'static str,
    /// How it is found out.
    pub experiment: Experiment,
}

/// How a claim is found out.
#[derive(Clone, Copy, Debug)]
pub enum Experiment {
    /// By what `comeback compare` measures.
    Compare(Comparisons),
    /// By what no comparison asks.
    Own(Inquiry),
}

/// Comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Comparisons {
    /// What is compared, each time.
    runs: fn() -> Vec<Comparison>,
    /// How many trials of each arm, each time.
    trials: u32,
    rule: fn(&[Evidence]) -> RulingResult,
}

/// A procedure of a claim's own.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// What is done.
    pub procedure: Procedure,
    /// With which servers, by their names.
    pub arms: &'static [&'static str],
    /// How much of it.
    pub full: Amount,
    /// How much for a first look.
    pub quick: Amount,
    rule: fn(&Findings) -> RulingResult,
}

/// What is done with servers that no comparison does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// Each request of a session is sent to a fresh instance.
    Replay,
    /// Sessions are begun, many; memory and disk are looked at.
    Grow,
    /// The requests of a session are sent again, shuffled and repeated.
    Reorder,
    /// A replica is added, and another removed.
    ReplicaReplacement,
    /// As fast as they go, and at a load that is equal for all.
    Race,
    /// Clients stay connected and do nothing.
    Idle,
    /// The server is killed in the midst of a request and started again; that request alone is sent again.
    Interrupt,
}

/// What is found of a claim, or why a run cannot tell.
type RulingResult = Result<Ruled, Open>;

impl Claim {
    /// The claim of this number, where it is measured.
    pub fn find(number: u32) -> Option<&'static Self> {
        CLAIMS.iter().find(|claim| claim.number == number)
    }
}

impl Comparisons {
    /// What is compared, each time; a first look has as many trials, and shorter ones.
    pub fn runs(&self, quick: bool) -> Vec<Comparison> {
        let size = Size {
            quick,
            trials: Some(self.trials),
        };
        let sized = |run| Comparison { size, ..run };
        (self.runs)().into_iter().map(sized).collect()
    }

    /// What its runs show of the claim. `lines` knows how many lines of code a server has of its own.
    pub fn evidence(runs: &[Summary], lines: impl Fn(&str) -> Option<u32>) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            for arm in &run.arms {
                let arm = Evidence::of(number, arm);
                let lines = lines(&arm.name);
                evidence.push(Evidence { lines, ..arm });
            }
        }
        evidence
    }

    /// What that says of the claim.
    pub fn rule(&self, evidence: &[Evidence]) -> Ruled {
        (self.rule)(evidence).unwrap_or_else(Ruled::from)
    }
}

impl Inquiry {
    /// What its findings say of the claim.
    pub fn rule(&self, findings: &Findings) -> Ruled {
        (self.rule)(findings).unwrap_or_else(Ruled::from)
    }
}

/// A ruling, with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruled {
    /// Whether the claim holds.
    pub ruling: Ruling,
    /// The figures that decide, with their intervals.
    pub figure: String,
    /// The same, as a chart.
    pub chart: Chart,
    /// Why they decide it so.
    pub because: String,
    /// What would change it.
    pub otherwise: String,
}

/// Why a run cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open(String);

impl Ruled {
    /// This run cannot tell, for this reason.
    pub fn open(because: String) -> Self {
        Open(because).into()
    }
}

impl From<Open> for Ruled {
    fn from(Open(because): Open) -> Self {
        Self {
            ruling: Ruling::Inconclusive,
            figure: "–".to_owned(),
            chart: Chart::default(),
            because,
            otherwise: "a run in which all of it is measured".to_owned(),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// `25 % (23 % to 26 %)`: a share with its 95 % interval (Wilson), which takes requests for independent.
fn percent_of(part: u64, whole: u64) -> String {
    let of = |share: f64| format!("{:.0} %", share * 100.0);
    let middle = of(share(part, whole));
    match wilson(part, whole) {
        Some(interval) if of(interval.low) != of(interval.high) => {
            format!("{middle} ({} to {})", of(interval.low), of(interval.high))
        }
        Some(_) | None => middle,
    }
}
