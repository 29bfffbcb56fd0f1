//! The document of a run of claims: what was found of each, with a published JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal::Machine;

/// The shape of this document; changed with it.
pub const SCHEMA: &str = "comeback-claims/2";

/// The results of the claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// The shape of this document.
    pub schema: String,
    /// What all randomness follows from.
    pub seed: u64,
    /// Whether it was but a first look.
    pub quick: bool,
    /// Wall time at its start, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub machine: Machine,
    /// The claims that were measured.
    pub rows: Vec<ClaimRow>,
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimRow {
    /// Its number.
    pub number: u32,
    /// In its own words.
    pub claim: String,
    /// Whether it holds.
    pub ruling: Ruling,
    /// The figures that decide, with 95 % intervals.
    pub figure: String,
    /// The same, as a chart; without bars where the run cannot tell.
    pub chart: Chart,
    /// Why they decide it so.
    pub because: String,
    /// What would change it.
    pub otherwise: String,
    /// The command whose figures these are.
    pub command: String,
    /// The folder of its run.
    pub run: String,
    /// Files with the details, seen from the document's folder.
    pub details: Vec<String>,
}

impl Claims {
    /// The document's JSON Schema.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It is so.
    Holds,
    /// It holds for some of the things that it is about, and not for others.
    HoldsInPart,
    /// It is not so.
    Refuted,
    /// This run cannot tell.
    Inconclusive,
}

impl Ruling {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsInPart => "holds in part",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What decides, as bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    /// The meaning of the bars, with their unit.
    pub axis: String,
    /// Where the axis ends, if that is not up to the bars: 100 of a percentage.
    pub end: Option<f64>,
    /// The bars, from above.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// Its subject.
    pub label: String,
    /// How long it is, in the axis's unit.
    pub value: f64,
    /// The lower end of its interval, if it has one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl Chart {
    /// A chart whose axis ends with its bars.
    pub fn new(axis: &str, bars: Vec<Bar>) -> Self {
        Self {
            axis: axis.to_owned(),
            end: None,
            bars,
        }
    }

    /// Of shares: up to 100.
    pub fn percent(axis: &str, bars: Vec<Bar>) -> Self {
        Self {
            end: Some(100.0),
            ..Self::new(axis, bars)
        }
    }
}
