//! A run of which shards are missing (METHOD §15): nothing holds of the whole before all of it is there. What is certain stays
//! so: a count that exceeds its bound in a part exceeds it in the whole.

use comeback_model::gate::{Demand, Gate};
use comeback_model::journal::Header;
use comeback_model::shard::ranges;

use super::{Check, Outcome, no_control};
use crate::measure::{ArmAnalysis, Tally};

/// That shards are missing, and what to do.
pub(crate) fn lacking(header: &Header) -> Option<String> {
    let shards = header.shards.as_ref()?;
    let (missing, count) = (shards.missing(), shards.count());
    if missing.is_empty() {
        return None;
    }
    Some(match shards.only() {
        Some(one) => format!(
            "this is shard {} of {count}, which says nothing of the whole run: put all shards together (comeback merge)",
            one.index()
        ),
        None => format!(
            "{} of {count} {} missing ({}): run {}, and put all shards together (comeback merge)",
            missing.len(),
            if missing.len() == 1 {
                "shards is"
            } else {
                "shards are"
            },
            ranges(&missing),
            if missing.len() == 1 { "it" } else { "them" },
        ),
    })
}

/// What a gate comes to where shards are missing.
pub(super) fn of_a_part(check: Check, gate: &Gate, arm: &ArmAnalysis) -> Check {
    let is_certain = is_broken_whatever_follows(gate, arm) && may_blame(gate, arm);
    if check.outcome == Outcome::Fail && is_certain {
        return check;
    }
    let so_far = match (check.outcome, check.detail) {
        (Outcome::Pass | Outcome::Measured, _) => "it holds so far".to_owned(),
        (Outcome::Fail, found) => {
            format!("it is broken so far: {}", found.unwrap_or_default())
        }
        (Outcome::Inconclusive, why) => why.unwrap_or_default(),
    };
    Check {
        outcome: Outcome::Inconclusive,
        detail: Some(format!("shards are missing; {so_far}")),
        more_trials: None,
        ..check
    }
}

/// Whether what is found may be laid to the fault by what this part holds: what goes wrong without any is in a control trial.
fn may_blame(gate: &Gate, arm: &ArmAnalysis) -> bool {
    gate.is_never_excused() || no_control(arm).is_none()
}

/// Whether it bounds a count that only grows, and that exceeds the bound already.
fn is_broken_whatever_follows(gate: &Gate, arm: &ArmAnalysis) -> bool {
    let (Some(count), Demand::Bound(relation, bound)) = (gate.bounded_count(), gate.demand())
    else {
        return false;
    };
    let at_least = Tally::of(count, arm).found_anywhere() as f64;
    relation.holds_within((at_least, f64::INFINITY), bound) == Some(false)
}
