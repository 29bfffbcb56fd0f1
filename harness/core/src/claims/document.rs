//! The document other programs read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Chart, Claim, Judgement, Ruling};
use crate::journal::Machine;

/// The shape of this document; changed with it.
pub const SCHEMA: &str = "comeback-claims/2";

/// What was found of the claims.
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

/// What was found of a claim.
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

/// Where a row comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The command that repeats it.
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

impl ClaimRow {
    /// A claim with what was found of it.
    pub fn new(claim: &Claim, found: Judgement, source: Source) -> Self {
        Self {
            number: claim.number,
            claim: claim.words.to_owned(),
            ruling: found.ruling,
            figure: found.figure,
            chart: found.chart,
            because: found.because,
            otherwise: found.otherwise,
            command: source.command,
            run: source.run,
            details: source.details,
        }
    }
}
