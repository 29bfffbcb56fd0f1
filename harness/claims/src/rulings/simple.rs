//! 11: a stateless design is simple, a stateful one complex.

use std::collections::BTreeSet;

use super::chart::count_bar;
use super::evidence::{Evidence, INVARIANTS, arms, faulted_in_order};
use super::{Chart, Open, Ruled, Ruling, RulingResult};

/// So many different faults are a matrix.
const FAULTS: usize = 3;

/// What did not hold for an architecture, over all faults.
struct Record<'a> {
    failed: u64,
    of: u64,
    which: BTreeSet<&'a str>,
    lines: Option<u32>,
}

impl<'a> Record<'a> {
    fn of(evidence: &'a [Evidence], name: &str) -> Result<Self, Open> {
        let runs = arms(evidence, name)?;
        for run in &runs {
            faulted_in_order(run)?;
        }
        if runs.len() < FAULTS {
            return Err(Open(format!(
                "{name} met {} kinds of fault, and {FAULTS} are needed",
                runs.len()
            )));
        }
        let failed = runs
            .iter()
            .flat_map(|run| &run.violations)
            .map(String::as_str);
        Ok(Self {
            failed: failed.clone().count() as u64,
            of: (runs.len() * INVARIANTS) as u64,
            which: failed.collect(),
            lines: runs[0].lines,
        })
    }

    fn told(&self) -> String {
        let which: Vec<&str> = self.which.iter().copied().collect();
        let which = match which.as_slice() {
            [] => String::new(),
            which => format!(" ({})", which.join(", ")),
        };
        let lines = match self.lines {
            None => String::new(),
            Some(lines) => format!(", {lines} lines"),
        };
        format!("{} of {}{which}{lines}", self.failed, self.of)
    }
}

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let of = |name: &str| Record::of(evidence, name);
    let (token, memory, shared) = (of("token")?, of("sticky")?, of("redis")?);
    let (ruling, because) = match (token.failed < memory.failed, token.failed < shared.failed) {
        (true, true) => (
            Ruling::Holds,
            "over all faults fewer invariants failed without state than with it".to_owned(),
        ),
        (true, false) => (
            Ruling::HoldsInPart,
            "over all faults fewer invariants failed than with sessions in memory; with a store that others wrote and \
             tested no more failed"
                .to_owned(),
        ),
        (false, true) => (
            Ruling::HoldsInPart,
            "over all faults fewer invariants failed than with a shared store, but not than with sessions in memory"
                .to_owned(),
        ),
        (false, false) => (
            Ruling::Refuted,
            "over all faults no fewer invariants failed without state than with it".to_owned(),
        ),
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "invariants that failed, and lines of code the server has of its own (a proxy of complexity, no more): token \
             {}; memory {}; shared store {}",
            token.told(),
            memory.told(),
            shared.told()
        ),
        chart: Chart::new(
            &format!("failed invariants over all faults, of {}", token.of),
            vec![
                count_bar("token", token.failed),
                count_bar("memory", memory.failed),
                count_bar("shared store", shared.failed),
            ],
        ),
        because,
        otherwise: "a fault of the store itself, which only one of them has, or a list of tokens that were revoked"
            .to_owned(),
    })
}
