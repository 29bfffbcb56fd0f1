//! Whether a gate holds for an arm: every figure is an interval, and the gate is asked of all of it.

use comeback_model::gate::{
    Allowance, Count, Demand, Gate, Metric, Part, Relation, Served, Stat, Unit,
};
use comeback_model::ids::FaultId;
use comeback_statistics::{RATE_NEEDS, surely_above};

use super::against;
use super::clean;
use super::doubts;
use super::drawn;
use super::figure::{Estimate, Missing, pooled, pooled_interval, reduced, straddles};
use super::samples::{
    Base, GateState, filled, most, no_samples, nothing_counted, samples, shares, show,
    undecided_journeys, without_answers,
};
use super::tally::{
    Untested, example, reasons_untested, untested, where_no_write_was_met, without_losses_by,
};
use super::values::{Share, least_share_served, share_served, undecided_of};
use crate::measure::{ArmAnalysis, Tally, TrialAnalysis};

/// Whether it counts something of which the arm has a counterexample, be it in a trial that counts for nothing
/// else.
pub(crate) fn has_counterexample(gate: &Gate, arm: &ArmAnalysis) -> bool {
    match gate.metric() {
        Metric::Count(count) => Tally::of(count, arm).found_anywhere() > 0,
        Metric::ErrorRate(_) | Metric::Served(_) | Metric::Latency(_, _) | Metric::Time(_, _) => {
            false
        }
    }
}

/// Whether the gate holds for an arm that has trials; `base` says what it is compared with, or why there
/// is nothing, and is asked for only by a gate that needs it. Nothing holds of a fault that never came.
pub(crate) fn judge_gate<'a>(
    gate: &Gate,
    arm: &ArmAnalysis,
    base: impl FnOnce() -> Result<Base<'a>, String>,
) -> GateState {
    let judged = match gate.needs_clean_control() {
        true => judge_what_came(gate, &clean::without_later_logouts(arm), base),
        false => judge_what_came(gate, arm, base),
    };
    let judged = match (judged, clean::too_few_logouts(gate, arm)) {
        (GateState::Broken(found), Some(why)) => {
            GateState::Unknown(Missing::for_good(format!("{found}; {why}")))
        }
        (judged, _) => judged,
    };
    doubted(judged, || drawn::lacking(gate, arm))
}

/// What holds is not known to while this is lacking, and what lacks trials lacks those, too.
fn doubted(judged: GateState, lacking: impl FnOnce() -> Option<Missing>) -> GateState {
    match judged {
        GateState::Holds => lacking().map_or(GateState::Holds, GateState::Unknown),
        GateState::Unknown(missing) if missing.more_trials.is_some() => {
            GateState::Unknown(match lacking() {
                Some(lacking) => missing.and(lacking),
                None => missing,
            })
        }
        GateState::Broken(_) | GateState::Unknown(_) => judged,
    }
}

fn judge_what_came<'a>(
    gate: &Gate,
    arm: &ArmAnalysis,
    base: impl FnOnce() -> Result<Base<'a>, String>,
) -> GateState {
    let (relation, bound) = match gate.demand() {
        Demand::Bound(relation, bound) => (relation, bound),
        Demand::NoWorse(allowance) => {
            let base = match base() {
                Ok(base) => base,
                Err(why) => return GateState::Unknown(Missing::for_good(why)),
            };
            return doubts::regard(gate.metric(), arm, Some(base), |arm, others| {
                let base = others.unwrap_or(base);
                let judged = against::judge_against(gate.metric(), allowance, arm, base);
                let judged = at_stake(judged, (gate.metric(), allowance), arm, base);
                regard_busy(judged, (gate.metric(), allowance), arm, base)
            });
        }
    };
    let bound = Bound {
        relation,
        bound,
        unit: gate.metric().unit(),
    };
    doubts::regard(gate.metric(), arm, None, |arm, _| match gate.metric() {
        Metric::Count(count) => bound.judge_count(count, arm),
        Metric::ErrorRate(Part::Control) => bound.judge_control(&shares(gate.metric(), arm)),
        Metric::ErrorRate(_) => bound.judge_share(&shares(gate.metric(), arm), 1.0),
        Metric::Served(served) => bound.judge_served(served, arm),
        metric @ Metric::Latency(_, _) => bound.judge_stat(Stat::Median, metric, arm),
        metric @ Metric::Time(_, stat) => bound.judge_stat(stat, metric, arm),
    })
}

/// Whether the figures alone show that a count did not grow, whatever went wrong in either arm without a fault. What the
/// baseline shows wherever it could is no more than that here, be there ever so few trials.
pub(crate) fn did_not_grow(gate: &Gate, arm: &ArmAnalysis, base: Base<'_>) -> bool {
    let is_full = |count| {
        let tally = Tally::of(count, base.arm);
        let is_whole = count.traits().is_part_of_the_whole && tally.aside.0 == 0;
        is_whole && tally.found > 0 && tally.found == tally.out_of
    };
    gate.metric().count().is_some_and(is_full)
        || matches!(judge_gate(gate, arm, || Ok(base)), GateState::Holds)
}

/// Whether the service came back for good from every fault.
pub(crate) fn unrecovered(arm: &ArmAnalysis) -> GateState {
    let none = Bound {
        relation: Relation::Equal,
        bound: 0.0,
        unit: Unit::Count,
    };
    let metric = Metric::Count(Count::Unrecovered);
    let judged = doubts::regard(metric, arm, None, |arm, _| {
        none.judge_count(Count::Unrecovered, arm)
    });
    doubted(judged, || drawn::never_drawn(arm))
}

/// No worse than a baseline is only an arm that had anything to lose, and a fault that could have taken it; and worse only one
/// whose baseline had, too.
fn at_stake(
    judged: GateState,
    (metric, allowance): (Metric, Allowance),
    arm: &ArmAnalysis,
    base: Base<'_>,
) -> GateState {
    let Some(count) = metric.count() else {
        return judged;
    };
    let is_found = |arm| Tally::of(count, arm).found_anywhere() > 0;
    let [own, of_base] = [arm, base.arm].map(|arm| reasons_untested(count, arm));
    // What neither tests makes no difference: like is compared with like. What goes wrong beside is a matter of how much.
    let without = |reasons: Vec<(Untested, String)>, other: &[(Untested, String)]| {
        let mut open = reasons.into_iter();
        open.find(|(kind, _)| {
            *kind == Untested::WrongBeside || other.iter().all(|(shared, _)| shared != kind)
        })
    };
    let idle_of = |(kind, _): &(Untested, String)| match kind {
        Untested::Idle(choice) => Some(*choice),
        _ => None,
    };
    // Faults that the baseline alone was not tested by.
    let is_of_base_alone =
        |(kind, _): &&(Untested, String)| own.iter().all(|(shared, _)| shared != kind);
    let idle = of_base.iter().filter(is_of_base_alone).filter_map(idle_of);
    let idle: Vec<FaultId> = idle.collect();
    let is_worse_still = || {
        let rest = without_losses_by(&idle, arm);
        let judged = against::judge_against(metric, allowance, &rest, base);
        matches!(judged, GateState::Broken(_))
    };
    // Like is compared with like, too, where a fault of the arm met no write and took something all the same.
    let is_worse_without_writes = || {
        let idle = where_no_write_was_met(arm);
        let judged = against::judge_against(metric, allowance, &idle, base);
        matches!(judged, GateState::Broken(_))
    };
    let may_explain =
        |(kind, _): &(Untested, String)| matches!(kind, Untested::Idle(_) | Untested::MetNothing);
    let why = match &judged {
        GateState::Holds if !is_found(arm) => own.into_iter().next().map(|(_, why)| why),
        GateState::Holds => without(own, &of_base).map(|(_, why)| why),
        GateState::Broken(found)
            if !is_found(base.arm) && !is_worse_still() && !is_worse_without_writes() =>
        {
            let of_base = of_base.into_iter().filter(may_explain).rev().collect();
            without(of_base, &own).map(|(_, why)| format!("{found}; in the baseline {why}"))
        }
        GateState::Broken(_) | GateState::Unknown(_) => None,
    };
    why.map_or(judged, |why| GateState::Unknown(Missing::for_good(why)))
}

/// With the trials of a busy machine, whose times are no samples: what it made of a share of times must neither break a comparison
/// nor have it hold.
fn regard_busy(
    judged: GateState,
    (metric, allowance): (Metric, Allowance),
    arm: &ArmAnalysis,
    base: Base<'_>,
) -> GateState {
    let trials = || arm.faulted().chain(base.arm.faulted());
    let busy = trials().filter(|trial| trial.busy.is_some()).count();
    let told = |why: &str| format!("{why}; {}", lack(trials().count(), 0, busy));
    let lacks = |arm: &ArmAnalysis| arm.faulted().any(lacks_time_alone);
    let again =
        |arm: &ArmAnalysis, base: Base<'_>| against::judge_against(metric, allowance, arm, base);
    let stays_broken = || matches!(again(&in_time(arm), base), GateState::Broken(_));
    let holds_still = || {
        let arm_of_base = &in_time(base.arm);
        let base = Base {
            arm: arm_of_base,
            ..base
        };
        matches!(again(arm, base), GateState::Holds)
    };
    match (judged, metric) {
        (GateState::Unknown(missing), Metric::Time(_, _) | Metric::Latency(_, _)) if busy > 0 => {
            let why = told(&missing.why);
            GateState::Unknown(Missing { why, ..missing })
        }
        (GateState::Broken(found), Metric::Served(Served::Availability))
            if lacks(arm) && !stays_broken() =>
        {
            GateState::Unknown(Missing::for_good(told(&found)))
        }
        (GateState::Holds, Metric::Served(Served::Availability))
            if lacks(base.arm) && !holds_still() =>
        {
            let why = "it holds against a baseline that lost availability by late replies";
            GateState::Unknown(Missing::for_good(told(why)))
        }
        (judged, _) => judged,
    }
}

/// Whether its machine was too busy to judge times, and by late replies alone less was available.
fn lacks_time_alone(trial: &TrialAnalysis) -> bool {
    trial.busy.is_some() && trial.availability.correct > trial.availability.met
}

/// The arm as it would be if nothing correct had been late in the trials of a busy machine.
fn in_time(arm: &ArmAnalysis) -> ArmAnalysis {
    let mut arm = arm.clone();
    for trial in arm.trials.iter_mut().filter(|trial| trial.busy.is_some()) {
        trial.availability.met = trial.availability.correct;
    }
    arm
}

/// In how many trials the machine was too busy to judge times.
fn busy_trials(arm: &ArmAnalysis) -> usize {
    arm.faulted().filter(|trial| trial.busy.is_some()).count()
}

/// That trials have no figure, or one of a busy machine.
fn lack(trials: usize, absent: usize, busy: usize) -> String {
    let mut why = Vec::new();
    if absent > 0 {
        why.push(format!("{absent} of {trials} trials lack the figure"));
    }
    if busy > 0 {
        why.push(format!(
            "in {busy} of {trials} trials this machine was too busy to judge times: run it again on a quiet one"
        ));
    }
    why.join("; ")
}

/// A demand with an absolute bound.
#[derive(Clone, Copy)]
struct Bound {
    relation: Relation,
    bound: f64,
    unit: Unit,
}

impl Bound {
    fn judge_count(self, count: Count, arm: &ArmAnalysis) -> GateState {
        let tally = Tally::of(count, arm);
        // What was found needs no sample to be drawn from: a counterexample is one.
        if tally.out_of == 0 && tally.found_anywhere() == 0 {
            return nothing_counted(count, arm);
        }
        let counted = tally.show(count);
        // What is certain can break a demand, and never help one to hold.
        let at_least = (tally.found_anywhere() as f64, f64::INFINITY);
        if tally.aside.0 > 0 && self.relation.holds_within(at_least, self.bound) == Some(false) {
            return GateState::Broken(counted);
        }
        if tally.out_of == 0 && tally.found == 0 {
            return nothing_counted(count, arm);
        }
        let ends = (tally.found as f64, tally.most as f64);
        match self.relation.holds_within(ends, self.bound) {
            Some(true) => {
                // What was found is enough, or the rest could as well be too much: a fault that met nothing says nothing.
                let is_enough = self.relation.holds_within(at_least, self.bound) == Some(true);
                let why = match is_enough {
                    true => None,
                    false => untested(count, arm),
                };
                why.map_or(GateState::Holds, |why| {
                    GateState::Unknown(Missing::for_good(why))
                })
            }
            Some(false) => GateState::Broken(counted + &example(count, arm)),
            None => GateState::Unknown(without_answers(count, &counted, tally)),
        }
    }

    /// What is not known of the share must not decide it.
    fn judge_served(self, served: Served, arm: &ArmAnalysis) -> GateState {
        let shares = |of: fn(Served, &TrialAnalysis) -> Option<Share>| {
            let shares = arm.faulted().filter_map(|trial| of(served, trial));
            shares.filter(|share| share.whole > 0).collect::<Vec<_>>()
        };
        // One miss is enough to refute that everything is served.
        let short_of_all = 1.0_f64.next_down();
        let judged = self.judge_share(&shares(share_served), short_of_all);
        let busy = busy_trials(arm);
        // With an objective, what was correct and late is not available: that may be the machine's doing.
        if let GateState::Broken(found) = &judged
            && served == Served::Availability
            && arm.faulted().any(lacks_time_alone)
            && !matches!(
                self.judge_served(served, &in_time(arm)),
                GateState::Broken(_)
            )
        {
            let why = format!("{found}; {}", lack(arm.faulted().count(), 0, busy));
            return GateState::Unknown(Missing::for_good(why));
        }
        let undecided = undecided_of(served, arm);
        if undecided == 0 {
            return judged;
        }
        match (
            judged,
            self.judge_share(&shares(least_share_served), short_of_all),
        ) {
            (GateState::Holds, GateState::Holds) => GateState::Holds,
            (GateState::Broken(found), GateState::Broken(_)) => GateState::Broken(found),
            _ => GateState::Unknown(undecided_journeys(undecided)),
        }
    }

    /// `short_of_all` is the most that a share can be of which something lacks.
    fn judge_share(self, shares: &[Share], short_of_all: f64) -> GateState {
        if shares.is_empty() {
            return no_samples(Unit::Share);
        }
        let value = pooled(&shares.iter().collect::<Vec<_>>());
        // Without an interval nothing is known but that it is a share.
        let (low, high) =
            pooled_interval(shares).map_or((0.0, 1.0), |interval| (interval.low, interval.high));
        // One failure is enough to refute that nothing fails.
        let least = if value > 0.0 { f64::MIN_POSITIVE } else { 0.0 };
        let most = if value < 1.0 { short_of_all } else { 1.0 };
        let figure = Estimate {
            value,
            low: low.min(value).max(least),
            high: high.max(value).min(most),
        };
        match self.judge_figure(figure, shares.len()) {
            GateState::Unknown(_) if shares.len() < RATE_NEEDS => GateState::Unknown(
                Missing::too_few("a rate's interval", RATE_NEEDS, shares.len()),
            ),
            judged @ (GateState::Holds | GateState::Broken(_) | GateState::Unknown(_)) => judged,
        }
    }

    /// The control's own errors are what they are, as in the one control trial that a run has by default. What may be
    /// chance breaks nothing.
    fn judge_control(self, shares: &[Share]) -> GateState {
        if shares.is_empty() {
            return GateState::Unknown(Missing::for_good("there is no control trial that counts"));
        }
        let (part, whole) = shares.iter().fold((0, 0), |(part, whole), share| {
            (part + share.part, whole + share.whole)
        });
        let value = part as f64 / whole as f64;
        let said = format!("{} ({part} of {whole} operations)", self.unit.show(value));
        if self.relation.holds(value, self.bound) {
            return GateState::Holds;
        }
        let is_upper = matches!(self.relation, Relation::Less | Relation::AtMost);
        if is_upper && !surely_above(part, whole, self.bound) {
            let why = format!("{said} may be chance: more control trials would tell");
            return GateState::Unknown(Missing::for_good(why));
        }
        GateState::Broken(said)
    }

    fn judge_stat(self, stat: Stat, metric: Metric, arm: &ArmAnalysis) -> GateState {
        // The most that each of the samples may be.
        let (samples, most) = (&samples(metric, arm), &most(metric, arm));
        let absent = samples.iter().filter(|figure| figure.is_none()).count();
        let busy = busy_trials(arm);
        if most.iter().all(Option::is_none) {
            return match busy {
                0 => no_samples(self.unit),
                _ => {
                    let why = lack(samples.len(), absent - busy.min(absent), busy);
                    GateState::Unknown(Missing::for_good(why))
                }
            };
        }
        // A trial without the figure may have had any.
        let least = reduced(stat, &filled(samples, 0.0));
        let figure = match (least, reduced(stat, &filled(most, f64::INFINITY))) {
            (Ok(least), Ok(most)) => Estimate {
                value: if absent > 0 { most.value } else { least.value },
                low: least.low,
                high: most.high,
            },
            (Err(few), _) | (_, Err(few)) => return GateState::Unknown(few),
        };
        match self.judge_figure(figure, samples.len()) {
            // More trials do not make each of them exact.
            GateState::Unknown(_) if absent == 0 && samples != most => {
                let said = show(figure, |value| self.unit.show(value));
                GateState::Unknown(Missing::for_good(format!(
                    "{said} lies on both sides of the bound; no trial is known more exactly"
                )))
            }
            GateState::Unknown(missing) if absent > 0 => {
                let lack = lack(samples.len(), absent - busy.min(absent), busy);
                GateState::Unknown(match stat {
                    Stat::Median | Stat::P95 => Missing {
                        why: format!("{}; {lack}", missing.why),
                        ..missing
                    },
                    // What is not known of the largest, further trials do not tell.
                    Stat::Max => {
                        let said = show(figure, |value| self.unit.show(value));
                        let why = format!("{said} lies on both sides of the bound; {lack}");
                        Missing::for_good(why)
                    }
                })
            }
            judged @ (GateState::Holds | GateState::Broken(_) | GateState::Unknown(_)) => judged,
        }
    }

    /// Holds when the whole interval does, is broken when none of it does, else cannot be told.
    fn judge_figure(self, figure: Estimate, trials: usize) -> GateState {
        let ends = (figure.low, figure.high);
        match self.relation.holds_within(ends, self.bound) {
            Some(true) => GateState::Holds,
            Some(false) => GateState::Broken(show(figure, |value| self.unit.show(value))),
            None => {
                let said = show(figure, |value| self.unit.show(value));
                GateState::Unknown(straddles(&said, figure, self.bound, trials))
            }
        }
    }
}
