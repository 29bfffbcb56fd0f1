//! Counts: what was found, what may be, and out of how many.

use std::collections::BTreeMap;

use comeback_model::gate::{Count, Demand, Gate};
use comeback_model::ids::FaultId;

use crate::measure::words::{counted, grouped};
use crate::measure::{ArmAnalysis, LaidLoss, MetWrites, Tally, TrialAnalysis};

/// More than a run can do: a server whose counter says so says nothing.
const COUNTLESS: u64 = 1_000_000_000_000;

/// The least share of a storm's kills that must meet a write, for it to say that they take nothing.
const LEAST_MET: f64 = 0.5;

impl Tally {
    /// Over all trials with a fault that count, and beside them what is certain of those whose times do not.
    pub(crate) fn of(count: Count, arm: &ArmAnalysis) -> Self {
        let counted = arm
            .faulted()
            .map(|trial| trial.tally(count))
            .fold(Self::default(), Self::plus);
        let is_certain = count.traits().is_certain_at_any_load;
        let asides = arm
            .faulted_aside()
            .filter(|trial| is_certain || trial.idle_kill.is_some())
            .map(|trial| trial.tally(count));
        let aside = asides
            .filter(|aside| aside.found > 0)
            .fold(Self::default(), Self::plus);
        Self {
            aside: (aside.found, aside.out_of),
            ..counted
        }
    }

    /// In how many trials with a fault it was found, out of those that had any to count; of what is certain at any
    /// load, those whose times do not count among them.
    pub(crate) fn crashes(count: Count, arm: &ArmAnalysis) -> (u64, u64) {
        let aside = arm
            .faulted_aside()
            .filter(|_| count.traits().is_certain_at_any_load);
        let tallies = arm.faulted().chain(aside).map(|trial| trial.tally(count));
        tallies
            .filter(|tally| tally.out_of > 0 || tally.found > 0)
            .fold((0, 0), |(with, of), tally| {
                (with + u64::from(tally.found > 0), of + 1)
            })
    }

    /// A counterexample of any trial, also where nothing was counted.
    pub(crate) const fn found_anywhere(self) -> u64 {
        self.found.saturating_add(self.aside.0)
    }

    /// For people.
    pub(crate) fn show(self, count: Count) -> String {
        let said = |found: u64, out_of: u64| {
            let found = match found {
                countless if countless > COUNTLESS => format!("more than {COUNTLESS}"),
                found => found.to_string(),
            };
            match count.traits().is_part_of_the_whole {
                true => format!("{found} of {out_of}"),
                false => format!("{found} beside {out_of} acknowledged"),
            }
        };
        let counted = said(self.found, self.out_of);
        let aside = || {
            let (found, out_of) = self.aside;
            format!("{} in trials whose times do not count", said(found, out_of))
        };
        match (self.found.max(self.out_of), self.aside.0) {
            (_, 0) => counted,
            (0, _) => aside(),
            (_, _) => format!("{counted}, and {}", aside()),
        }
    }
}

/// What was found, as a clause about the server.
pub(crate) fn clause(count: Count, tally: Tally) -> String {
    let found = grouped(tally.found_anywhere());
    let all = tally.out_of.saturating_add(tally.aside.1);
    let traits = count.traits();
    let (verb, noun, end) = (traits.verb, traits.noun, traits.end);
    match traits.is_part_of_the_whole {
        true => format!("{verb} {found} of {}{end}", counted(all, noun)),
        false => format!(
            "{verb} {found} {noun} beside {}{end}",
            counted(all, "write")
        ),
    }
}

/// Whether a gate asks for as much of a count as was found already: what else would be found cannot break it.
pub(crate) fn holds_whatever_follows(gate: &Gate, arm: &ArmAnalysis) -> bool {
    let (Some(count), Demand::Bound(relation, bound)) = (gate.bounded_count(), gate.demand())
    else {
        return false;
    };
    let at_least = (Tally::of(count, arm).found as f64, f64::INFINITY);
    relation.holds_within(at_least, bound) == Some(true)
}

/// Why that nothing is lost says nothing, where the server never said that it took a write.
fn never_acknowledged(count: Count, arm: &ArmAnalysis) -> Option<String> {
    let acknowledged = arm.faulted().filter_map(|trial| trial.acknowledged_before);
    let most = acknowledged.max().filter(|_| count.traits().is_about_loss);
    (most == Some(0)).then(|| {
        "no act was ever acknowledged before a fault, so nothing could be lost: is the request of `act` right?".to_owned()
    })
}

/// A kind of reason for which that nothing is lost says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untested {
    NeverAcknowledged,
    WrongBeside,
    /// This fault met no write.
    Idle(FaultId),
    /// No fault met one.
    MetNothing,
    MetTooLittle,
}

/// Why that nothing is lost says nothing, where there was no write to be lost or no fault met one in flight.
pub(crate) fn untested(count: Count, arm: &ArmAnalysis) -> Option<String> {
    let first = reasons_untested(count, arm).into_iter().next();
    first.map(|(_, why)| why)
}

/// All reasons for that, the plainest first.
pub(crate) fn reasons_untested(count: Count, arm: &ArmAnalysis) -> Vec<(Untested, String)> {
    if !count.traits().is_about_loss {
        return Vec::new();
    }
    let of = |kind| move |why| (kind, why);
    let idle = idle_faults(arm).into_iter();
    let idle = idle.map(|(fault, name, how)| (Untested::Idle(fault), no_write_at(&name, how)));
    never_acknowledged(count, arm)
        .map(of(Untested::NeverAcknowledged))
        .into_iter()
        .chain(wrong_beside(count, arm).map(of(Untested::WrongBeside)))
        .chain(idle)
        .chain(met_nothing(count, arm).map(of(Untested::MetNothing)))
        .chain(met_too_little(arm).map(of(Untested::MetTooLittle)))
        .collect()
}

/// The arm as it would be if nothing were lost but by faults of other choices than these alone.
pub(crate) fn without_losses_by(choices: &[FaultId], arm: &ArmAnalysis) -> ArmAnalysis {
    let mut arm = arm.clone();
    for trial in arm.trials.iter_mut().filter(|trial| !trial.control) {
        let (sessions, writes) = losses_beside(choices, trial);
        let (lost, counts) = (&mut trial.sessions, &mut trial.writes);
        lost.lost = lost.lost.min(sessions);
        counts.lost = counts.lost.min(writes);
        // A session is set back where it lacks a write.
        lost.reset = lost.reset.min(writes);
    }
    arm
}

/// The arm with those of its faulted trials alone in which no fault met a write.
pub(crate) fn where_no_write_was_met(arm: &ArmAnalysis) -> ArmAnalysis {
    let mut arm = arm.clone();
    let is_idle = |trial: &TrialAnalysis| trial.met.is_some_and(|met| met.tested == 0);
    arm.trials.retain(|trial| trial.control || is_idle(trial));
    arm
}

/// The sessions and writes of a trial that are laid to faults of other choices than these, and to no other.
fn losses_beside(choices: &[FaultId], trial: &TrialAnalysis) -> (u64, u64) {
    // Where it had one fault, that took all.
    if let ([fault], true) = (trial.faults.as_slice(), trial.laid.is_empty()) {
        return match choices.contains(&fault.choice.0) {
            true => (0, 0),
            false => (u64::MAX, u64::MAX),
        };
    }
    let is_other = |id: &FaultId| {
        let fault = trial.faults.iter().find(|fault| fault.id == *id);
        fault.is_some_and(|fault| !choices.contains(&fault.choice.0))
    };
    let is_beside = |loss: &&LaidLoss| !loss.faults.is_empty() && loss.faults.iter().all(is_other);
    let laid = trial.laid.iter().filter(is_beside);
    laid.fold((0, 0), |(sessions, writes), loss| {
        (sessions + loss.sessions, writes + loss.writes)
    })
}

/// That writes went wrong which no fault has taken: what the server kept it may have kept by chance.
pub(crate) fn wrong_beside(count: Count, arm: &ArmAnalysis) -> Option<String> {
    let trials = || arm.faulted().filter(|_| count == Count::LostWrites);
    let sum = |of: fn(&TrialAnalysis) -> u64| trials().map(of).fold(0, u64::saturating_add);
    let lost = sum(|trial| trial.writes_beside.lost_later);
    let excess = sum(|trial| trial.writes_beside.excess);
    let mut wrong = Vec::new();
    if lost > 0 {
        let writes = counted(lost, "write");
        wrong.push(format!("{writes} acknowledged after the fault are absent: the server loses writes without another one"));
    }
    if excess > 0 {
        let writes = counted(excess, "value");
        wrong.push(format!(
            "{writes} too many are shown: `phantom_writes == 0` demands that none is"
        ));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// That too few kills of a storm met a write: the others prove nothing.
fn met_too_little(arm: &ArmAnalysis) -> Option<String> {
    let tally = arm.storm_tally()?;
    let is_enough = tally.met as f64 >= LEAST_MET * tally.kills as f64;
    (!is_enough).then(|| {
        format!(
            "only {} of {} met a write, sent and unanswered or just acknowledged, and the others prove nothing: raise the \
             rate or the number of sessions, or have the fault come within a request",
            grouped(tally.met),
            counted(tally.kills, "kill")
        )
    })
}

/// That no fault of any trial met a write in flight.
fn met_nothing(count: Count, arm: &ArmAnalysis) -> Option<String> {
    let met: Vec<_> = arm.faulted().filter_map(|trial| trial.met).collect();
    let has_none = !met.is_empty() && met.iter().all(|met| met.tested == 0);
    let how = met
        .iter()
        .copied()
        .map(How::of)
        .fold(How::default(), How::and);
    (has_none && count.traits().is_about_loss).then(|| match met.len() {
        1 => no_write_at("the only fault", how),
        count => no_write_at(&format!("any of {count} faults"), how),
    })
}

/// How faults met no write.
#[derive(Clone, Copy, Debug, Default)]
struct How {
    held_back: bool,
    by_command: bool,
}

impl How {
    const fn of(met: MetWrites) -> Self {
        Self {
            held_back: met.held_back,
            by_command: met.by_command,
        }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            held_back: self.held_back || other.held_back,
            by_command: self.by_command || other.by_command,
        }
    }
}

/// That there was none, or none of which it is known that it was in the server.
fn no_write_at(faults: &str, how: How) -> String {
    if how.held_back {
        return format!(
            "no write is known to have been in the server at {faults}, and not in a proxy that held data back or reset connections \
             (connections): shorten the delay, leave out the bandwidth, or have the fault come while neither is so"
        );
    }
    if how.by_command {
        return format!(
            "no write was in flight at {faults}: a server that answers all it has before external.kill has ended it has none then, and one \
             counts only if it was in flight when the command was begun and nothing was answered after it. Raise the rate or the number \
             of sessions, have the command act at once, or leave external.kill out: a signal is sent while writes are in flight"
        );
    }
    format!(
        "no write was in flight at {faults}: raise the rate or the number of sessions, or have the fault come within \
         a request"
    )
}

/// Of several faults those that end processes and met no write in any trial: what they would have taken nobody knows. Where
/// all that one hit was down there was none to be met.
fn idle_faults(arm: &ArmAnalysis) -> Vec<(FaultId, String, How)> {
    let mut met: BTreeMap<FaultId, (&str, u64, How)> = BTreeMap::new();
    for fault in arm.faulted().flat_map(|trial| &trial.faults) {
        if let Some(own) = fault.met.filter(|_| !fault.hit_what_was_down) {
            let (choice, name) = &fault.choice;
            let (_, tested, how) = met.entry(*choice).or_insert((name, 0, How::default()));
            *tested += own.tested;
            *how = how.and(How::of(own));
        }
    }
    let idle = met.into_iter().filter(|(_, (_, tested, _))| *tested == 0);
    let told = |(choice, (name, _, how)): (FaultId, (&str, u64, How))| {
        (choice, format!("the fault '{name}' in any trial"), how)
    };
    idle.map(told).collect()
}

/// Why it is so in the first trial of which that is known, as the end of a sentence.
pub(crate) fn example(count: Count, arm: &ArmAnalysis) -> String {
    let mut faulted = arm.faulted().filter(|_| count == Count::Unrecovered);
    let first = faulted.find_map(|trial| Some((trial, trial.not_back()?)));
    first.map_or_else(String::new, |(trial, why)| {
        format!("; in trial {}: {why}", trial.id.0)
    })
}
