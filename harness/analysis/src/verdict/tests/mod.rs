//! From a made-up journal through the analysis to a verdict.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attacks;
mod baseline;
mod busy;
mod clean;
mod counts;
mod difference;
mod doubts;
mod evidence;
mod extension;
mod figures;
mod headline;
mod random;
mod replaced;
mod several;
mod shards;
mod storm;
mod told;
mod written;

use comeback_model::journal::Journal;
use told::{Fate, Told, control, faulted, journal};

use super::{Gate, Outcome, Verdict, judge};
use crate::measure::{Analysis, analyze};

fn gate(text: &str) -> Gate {
    Gate::try_from(text.to_owned()).unwrap()
}

fn verdict_on(journal: &Journal, gates: &[&str]) -> Verdict {
    let gates: Vec<Gate> = gates.iter().map(|text| gate(text)).collect();
    judge(&analyze(journal), &gates, None)
}

/// A journal of these trials and of a sound control trial.
fn with_control(trials: &[Told]) -> Journal {
    let mut trials = trials.to_vec();
    trials.push(control());
    journal(&trials)
}

/// Judges a run of these trials and of a sound control trial.
fn verdict(trials: &[Told], gates: &[&str]) -> Verdict {
    verdict_on(&with_control(trials), gates)
}

#[track_caller]
fn check(verdict: &Verdict, outcome: Outcome, reasons: &[&str]) {
    assert_eq!(verdict.reasons, reasons);
    assert_eq!(verdict.outcome, outcome);
}

/// One gate on these trials, and what is said of it.
#[track_caller]
fn check_gate(trials: &[Told], gate: &str, outcome: Outcome, said: &str) {
    check_gate_on(&analyze(&with_control(trials)), gate, outcome, said);
}

/// The same where many gates are asked of the same trials.
#[track_caller]
fn check_gate_on(analysis: &Analysis, text: &str, outcome: Outcome, said: &str) {
    let reasons = match outcome {
        Outcome::Pass | Outcome::Measured => Vec::new(),
        Outcome::Fail => vec![format!("first: {text} is broken: {said}")],
        Outcome::Inconclusive => vec![format!("first: {text} cannot be judged: {said}")],
    };
    // Recoveries are asked of by a gate of their own.
    let of_their_own = ["unrecovered <= 1000"];
    let others = &of_their_own[usize::from(text.starts_with("unrecovered"))..];
    let gates = [&[text], others].concat();
    let gates: Vec<Gate> = gates.into_iter().map(gate).collect();
    let verdict = judge(analysis, &gates, None);
    assert_eq!(
        (verdict.outcome, verdict.reasons),
        (outcome, reasons),
        "{text}"
    );
}
