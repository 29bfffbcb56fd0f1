//! A row of the document other programs read.

use comeback_model::claims::ClaimRow;

use super::{Claim, Ruled};

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

/// A claim with what was found of it.
pub fn row(claim: &Claim, found: Ruled, source: Source) -> ClaimRow {
    ClaimRow {
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
