//! The decisive fact of a run in one line, such as `FAIL: lost 294 of 294 sessions`. Unknown is told before known.

use comeback_model::gate::{Count, Gate};
use comeback_model::plan::Workload;
use comeback_statistics::zero_event_upper_bound;

use super::tally;
use super::{Check, Outcome, Verdict};
use crate::measure::words::{counted, grouped, percent};
use crate::measure::{
    Analysis, ArmAnalysis, ErrorTally, StormTally, Tally, WriteCounts, causes_of,
};

/// What broke a gate of an arm: how grave it is, and a clause about the arm.
pub(super) struct Broken<'a> {
    arm: &'a str,
    weight: usize,
    clause: String,
}

impl<'a> Broken<'a> {
    /// `detail` is what the gate found.
    pub(super) fn new(gate: &Gate, arm: &'a ArmAnalysis, detail: &str) -> Self {
        let clause = of_bounded_count(gate, arm);
        let clause = clause.unwrap_or_else(|| format!("{gate} does not hold: {detail}"));
        Self {
            arm: &arm.name,
            weight: gate.weight(),
            clause,
        }
    }

    /// Something that no gate is needed for.
    pub(super) const fn anyway(arm: &'a ArmAnalysis, clause: String) -> Self {
        Self {
            arm: arm.name.as_str(),
            weight: 0,
            clause,
        }
    }
}

/// What a gate found whose count has a bound, if it found any, such as `lost 42 of 100 sessions`.
fn of_bounded_count(gate: &Gate, arm: &ArmAnalysis) -> Option<String> {
    let count = gate.bounded_count()?;
    clause_of(count, arm)
}

fn clause_of(count: Count, arm: &ArmAnalysis) -> Option<String> {
    let tally = Tally::of(count, arm);
    (tally.found_anywhere() > 0).then(|| tally::clause(count, tally))
}

/// What a check found, with the noun that is counted: `lost 42 of 100 sessions`. Where it is about no count, or found none, what is
/// missing or violated.
pub fn found(check: &Check, analysis: &Analysis) -> String {
    let detail = || check.detail.clone().unwrap_or_default();
    let gate = Gate::try_from(check.gate.clone()).ok();
    let arm = analysis.arms.iter().find(|arm| arm.name == check.arm);
    let (Some(gate), Some(arm), Outcome::Fail) = (gate, arm, check.outcome) else {
        return detail();
    };
    let said = |count| clause_of(count, arm);
    match (gate.metric().count(), gate.needs_baseline()) {
        (Some(count), false) => said(count).map(|clause| clause + &tally::example(count, arm)),
        (Some(count), true) => said(count).map(|clause| format!("{clause}: {}", detail())),
        (None, _) => None,
    }
    .unwrap_or_else(detail)
}

/// The line for a verdict; `broken` is what made it a fail.
pub(super) fn headline(verdict: &Verdict, analysis: &Analysis, broken: &[Broken<'_>]) -> String {
    let word = verdict.outcome.name().to_uppercase();
    let fact = match verdict.outcome {
        Outcome::Fail => gravest(broken, analysis),
        Outcome::Inconclusive => unknown(verdict, analysis),
        Outcome::Pass | Outcome::Measured => measured(analysis),
    };
    format!("{word}: {fact}")
}

/// An arm's name before what is said of it, where there are several.
fn about(analysis: &Analysis, arm: &str, clause: &str) -> String {
    match analysis.arms.len() {
        0 | 1 => clause.to_owned(),
        _ => format!("{arm} {clause}"),
    }
}

fn gravest(broken: &[Broken<'_>], analysis: &Analysis) -> String {
    let Some(first) = broken.iter().min_by_key(|broken| broken.weight) else {
        return "a gate does not hold".to_owned();
    };
    let said = about(analysis, first.arm, &first.clause);
    match broken.len() - 1 {
        0 => said,
        1 => format!("{said}; 1 more gate does not hold"),
        more => format!("{said}; {} more gates do not hold", grouped(more as u64)),
    }
}

fn unknown(verdict: &Verdict, analysis: &Analysis) -> String {
    let undecided = analysis.arms.iter().find_map(|arm| {
        let sessions = Sessions::of(arm);
        let all = sessions.undecided > 0 && sessions.undecided == sessions.acknowledged;
        all.then(|| {
            let cause = causes_of(arm).into_iter().next();
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            about(
                analysis,
                &arm.name,
                &format!("{}{cause}", sessions.are_undecided()),
            )
        })
    });
    let first = || {
        let reason = verdict.reasons.first()?;
        let only = match analysis.arms.as_slice() {
            [only] => reason.strip_prefix(&only.name),
            _ => None,
        };
        let bare = only.and_then(|rest| rest.strip_prefix(": "));
        Some(bare.unwrap_or(reason).to_owned())
    };
    undecided
        .or_else(first)
        .unwrap_or_else(|| "the evidence does not suffice".to_owned())
}

fn measured(analysis: &Analysis) -> String {
    let has_sessions = matches!(analysis.header.plan.load.workload, Workload::Sessions(_));
    let arms = analysis.arms.iter();
    let said: Vec<String> = arms
        .map(|arm| about(analysis, &arm.name, &clauses(arm, has_sessions)))
        .collect();
    said.join("; ")
}

/// What became of an arm: what is unknown, what was lost or that nothing was, and what else is wrong.
fn clauses(arm: &ArmAnalysis, has_sessions: bool) -> String {
    let sessions = Sessions::of(arm);
    let fails_afterwards = failed_everything_after(arm);
    let tallies = Count::GRAVEST_FIRST.map(|count| (count, Tally::of(count, arm)));
    let found = || {
        tallies
            .iter()
            .filter(|(_, tally)| tally.found_anywhere() > 0)
    };
    let mut said = Vec::new();
    let doubted: Vec<(Count, u64)> = tallies
        .iter()
        .filter(|(_, tally)| tally.doubted > 0)
        .map(|(count, tally)| (*count, tally.doubted))
        .collect();
    if sessions.undecided > 0 {
        said.push(sessions.are_undecided());
    } else if !doubted.is_empty() && !found().any(|(count, _)| count.is_a_loss()) {
        said.push("lost nothing for certain".to_owned());
    } else if !fails_afterwards && !found().any(|(count, _)| count.is_a_loss()) {
        said.push(nothing_lost(arm, &sessions, has_sessions));
    }
    said.extend(found().map(|(count, tally)| tally::clause(*count, *tally)));
    said.extend(are_doubted(&doubted));
    if fails_afterwards {
        said.push("failed every operation after the recovery".to_owned());
    }
    said.join(", ")
}

/// What may be lost beside what is for certain.
fn are_doubted(doubted: &[(Count, u64)]) -> Option<String> {
    let each = doubted.iter().map(|(count, more)| {
        let traits = count.traits();
        let what = counted(*more, traits.noun);
        format!("{} {what}{}", traits.verb, traits.end)
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| {
        format!(
            "and, if each reply was whole that a fault may have cut off, {}",
            each.join(", ")
        )
    })
}

/// Only to be said where nothing is undecided, doubted or lost.
fn nothing_lost(arm: &ArmAnalysis, sessions: &Sessions, has_sessions: bool) -> String {
    let faults = arm.faulted().count() as u64;
    if faults == 0 {
        return "was not measured".to_owned();
    }
    if let Some(storm) = arm.storm_tally() {
        return nothing_lost_in(&storm);
    }
    if !has_sessions || sessions.acknowledged == 0 {
        return format!("came back after {}", counted(faults, "fault"));
    }
    let sum = |of: fn(&WriteCounts) -> u64| arm.faulted().map(|trial| of(&trial.writes)).sum();
    let (verifiable, hidden): (u64, u64) = (
        sum(WriteCounts::verifiable),
        sum(|writes| writes.unverifiable.saturating_add(writes.unverified)),
    );
    let writes = match (verifiable, hidden) {
        (0, 0) => String::new(),
        (writes, 0) => format!(" and none of {}", counted(writes, "write")),
        (writes, hidden) => format!(
            " and none of {} that can be verified ({} cannot)",
            counted(writes, "write"),
            grouped(hidden)
        ),
    };
    let new = match arm.without_login_at_stake() {
        Some(_) => "; no login was at stake",
        None => "",
    };
    let bound = zero_event_upper_bound(faults).map_or_else(String::new, |bound| {
        format!(" (≤ {} of crashes, n = {faults}{new})", percent(bound))
    });
    format!(
        "lost none of {}{writes}{bound}",
        counted(sessions.acknowledged, "session")
    )
}

/// Only to be said of a storm where nothing is undecided and nothing was lost.
fn nothing_lost_in(storm: &StormTally) -> String {
    let bound = zero_event_upper_bound(storm.counted);
    let bound = bound.map_or_else(String::new, |bound| {
        format!(
            ": below {} of kills that meet a write, with 95 % confidence",
            percent(bound)
        )
    });
    format!(
        "0 of {} lost anything{bound} ({} met a write; {} at stake; {} and {} verified, counted after each kill; {} of the idle server in between)",
        counted(storm.kills, "kill"),
        grouped(storm.met),
        counted(storm.logins, "new login"),
        counted(storm.sessions, "session"),
        counted(storm.writes, "write"),
        counted(storm.idle, "kill")
    )
}

/// Whether what was asked after the recoveries was never answered correctly.
fn failed_everything_after(arm: &ArmAnalysis) -> bool {
    let mut after = ErrorTally::default();
    arm.faulted()
        .for_each(|trial| after.merge(&trial.errors.after));
    after.scheduled > 0 && after.correct() == 0
}

struct Sessions {
    acknowledged: u64,
    undecided: u64,
}

impl Sessions {
    fn of(arm: &ArmAnalysis) -> Self {
        let sessions = || arm.faulted().map(|trial| trial.sessions);
        Self {
            acknowledged: sessions().map(|sessions| sessions.acknowledged).sum(),
            undecided: sessions().map(|sessions| sessions.undecided).sum(),
        }
    }

    fn are_undecided(&self) -> String {
        let are = if self.undecided == 1 { "is" } else { "are" };
        format!(
            "{} of {} {are} undecided",
            grouped(self.undecided),
            counted(self.acknowledged, "session")
        )
    }
}
