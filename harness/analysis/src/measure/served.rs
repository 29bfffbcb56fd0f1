//! Whether the load after the first correct reply is served until the load's end. One good answer is not a recovery: a
//! server may answer once and then fail, hang, stop or flap (METHOD §3, *Back for good*).

mod told;
mod unclear;

use std::collections::BTreeMap;

use comeback_model::ids::{FaultId, SessionId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::Plan;
use comeback_model::units::{Elapsed, Span};
use comeback_statistics::{median, upper_tail};

use super::caching::is_from_cache;
use super::facts::Facts;
use super::load::{Load, Part, latency_us};
use super::{ErrorTally, LatencyTally, NotBack, Return, Shortfall, Unclear};

pub(super) use self::told::finding;
use self::unclear::{Lost, Machine, Waits};

/// Fewer operations than this tell nothing, however good the service usually is.
const FEWEST: usize = 5;
/// How unlikely as many failures must be for a service as good as usual. An honest server is judged once in each
/// trial, so this is strict.
const LEVEL: f64 = 1e-6;
/// And by how much the share of failures must exceed the usual one: a certain difference may still be a small one.
const SHARE_FLOOR: f64 = 0.05;
/// Beyond this share of usual failures there is no difference to be seen.
const MOST_USUAL: f64 = 0.99;
/// How many times the usual median latency is slow, if three quarters of the replies took longer than that. The tail is
/// the machine's as much as the server's.
const SLOW_FACTOR: f64 = 10.0;
/// And by at least how much.
const SLOW_FLOOR_MS: f64 = 100.0;

/// A busy machine stands still for some hundred ms at times: time that clients lose is looked at over so long at least.
const LONG: Span = Span::from_ms(1_000);
/// What the pacer handed out later than this is late by the harness's own doing.
const LATE: Span = Span::from_ms(100);

/// How the service does without a fault: the worse of the arm's control trials and of the trial's own baseline.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    failed: u64,
    scheduled: u64,
    p50_ms: Option<f64>,
    controls: Controls,
}

/// The arm's control trials that count, as far as they tell whether this machine was good for a judgement at all.
#[derive(Clone, Copy, Debug, Default)]
struct Controls {
    all: u32,
    /// In which this machine was too busy to judge times.
    busy: u32,
}

impl Controls {
    fn and(self, is_busy: bool) -> Self {
        Self {
            all: self.all + 1,
            busy: self.busy + u32::from(is_busy),
        }
    }

    /// Whether one of them shows how the service does on a machine that has time for it.
    const fn are_good(self) -> bool {
        self.busy < self.all
    }

    /// Whether none of several does: what is compared with them says nothing then.
    const fn are_all_busy(self) -> bool {
        self.all > 0 && !self.are_good()
    }
}

impl Usual {
    /// With a control trial of the arm, too, that counts: its operations, their latency, and whether this machine was too busy.
    pub(super) fn and_control(
        self,
        errors: &ErrorTally,
        latency: &LatencyTally,
        is_busy: bool,
    ) -> Self {
        let p50_ms = latency.quantile_ms(0.5).filter(|ms| ms.is_finite());
        Self {
            failed: self.failed + errors.failures(),
            scheduled: self.scheduled + errors.scheduled,
            p50_ms: slower(self.p50_ms, p50_ms),
            controls: self.controls.and(is_busy),
        }
    }

    /// Of a trial's own baseline.
    fn of_baseline(load: &Load<'_>) -> Self {
        let baseline: Vec<&Operation> = load.of(Part::Before).collect();
        Self {
            failed: baseline.iter().filter(|op| !op.is_correct()).count() as u64,
            scheduled: baseline.len() as u64,
            p50_ms: median_ms(&baseline),
            controls: Controls::default(),
        }
    }

    /// Of a trial's own baseline, where what took longer than this failed, too.
    fn of_baseline_within(load: &Load<'_>, patience: Span) -> Self {
        let is_late =
            |op: &&Operation| op.is_correct() && op.finished.since(op.intended) > patience;
        let usual = Self::of_baseline(load);
        Self {
            failed: usual.failed + load.of(Part::Before).filter(is_late).count() as u64,
            ..usual
        }
    }

    fn widened(self, other: Self) -> Self {
        let worse = match (self.scheduled, other.scheduled) {
            (_, 0) => self,
            (0, _) => other,
            _ if self.failing() >= other.failing() => self,
            _ => other,
        };
        Self {
            p50_ms: slower(self.p50_ms, other.p50_ms),
            // A baseline has none.
            controls: match self.controls.all {
                0 => other.controls,
                _ => self.controls,
            },
            ..worse
        }
    }

    /// The share of failures to be expected at most: two standard deviations above the one that was seen, and above 0,
    /// since no failure in n operations does not exclude one.
    fn failing(self) -> f64 {
        let failed = self.failed as f64;
        let most = failed + 2.0 * failed.sqrt() + 1.0;
        (most / (self.scheduled + 2) as f64).min(MOST_USUAL)
    }

    /// How many operations it takes to tell a service that fails all of them from one that is as usual.
    fn fewest(self) -> usize {
        ((LEVEL.ln() / self.failing().ln()).ceil() as usize).max(FEWEST)
    }

    /// Whether so many failures are more than a service as good as usual has.
    fn is_exceeded_by(self, failed: usize, scheduled: usize) -> bool {
        let usual = match self.scheduled {
            0 => return false,
            _ => self.failing(),
        };
        // The more usual failures are, the more their share varies beyond what a binomial says: they come in bursts.
        let allowed = usual + SHARE_FLOOR.max(usual * (1.0 - usual));
        failed as f64 > allowed * scheduled as f64 && upper_tail(failed, scheduled, usual) < LEVEL
    }

    /// Whether these went wrong from the first to the last: in each half of them more failed, or took too long, than usually do.
    fn is_bad_throughout(self, operations: &[&Operation]) -> bool {
        let is_bad = |op: &&&Operation| {
            let is_slow = self.slow_ms().zip(latency_us(op));
            op.error.is_some() || is_slow.is_some_and(|(slow, us)| us as f64 / 1_000.0 > slow)
        };
        let (first, second) = operations.split_at(operations.len() / 2);
        [first, second].into_iter().all(|half| {
            let bad = half.iter().filter(is_bad).count();
            bad as f64 > (self.failing() + SHARE_FLOOR) * half.len() as f64
        })
    }

    /// What takes longer than this is slow.
    fn slow_ms(self) -> Option<f64> {
        let usual = self.p50_ms?;
        Some((usual * SLOW_FACTOR).max(usual + SLOW_FLOOR_MS))
    }

    fn slow(self) -> Option<Span> {
        let us = (self.slow_ms()? * 1_000.0).ceil();
        Some(Span::from_us(us as u64))
    }

    fn is_slower(self, least_ms: f64) -> Option<f64> {
        self.p50_ms
            .filter(|_| self.slow_ms().is_some_and(|slow| least_ms > slow))
    }
}

fn slower(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).max_by(f64::total_cmp)
}

/// Whether the service came back for good; absent where it did not come back at all, or no fault was to be seen.
pub(super) fn returned(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    controls: Usual,
) -> Option<Return> {
    let (_, recovered) = (facts.effect_confirmed()?, facts.recovered()?);
    if facts
        .faults()
        .any(|(fault, _)| !facts.ended_again(fault).is_empty())
    {
        return Some(Return::Not(NotBack::Ended));
    }
    let mut usual = Usual::of_baseline(load).widened(controls);
    if plan.storm.is_some() {
        // A storm measures no times: its windows are too short to tell a slow server from a busy machine.
        usual.p50_ms = None;
    }
    let machine = Machine::new(plan, (facts, load), usual);
    let calms = || doubtful_calms(&machine, usual).map(|(_, returned)| returned);
    let is_not = |returned: &Return| matches!(returned, Return::Not(_));
    let returned = match calms().find(is_not) {
        Some(failed) => failed,
        None => {
            let at_last = returned_at_last(&machine, usual, recovered);
            match (is_not(&at_last), calms().next()) {
                (false, Some(unknown)) => unknown,
                _ => at_last,
            }
        }
    };
    let mut faults = facts.faults();
    let is_doubted = faults.any(|(fault, _)| facts.may_have_ended_again(fault));
    Some(returned.doubted_if(is_doubted))
}

/// Whether it came back for good from one of several faults. What failed in the calm after it is no later fault's, nor is what
/// the service lacks since a node ended by itself before that one was sent.
pub(super) fn returned_from(
    fault: FaultId,
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    controls: Usual,
) -> Option<Return> {
    let recovered = facts.recovered_from(fault)?;
    if !facts.ended_again(fault).is_empty() {
        return Some(Return::Not(NotBack::Ended));
    }
    let usual = Usual::of_baseline(load).widened(controls);
    let machine = Machine::new(plan, (facts, load), usual);
    let mut calms = doubtful_calms(&machine, usual);
    let returned = match calms.find(|(from, _)| *from == recovered) {
        Some((_, returned)) => Some(returned),
        None if facts.recovered() == Some(recovered) => {
            Some(returned_at_last(&machine, usual, recovered))
        }
        None => None,
    };
    let is_anothers = matches!(returned, Some(Return::Not(_))) && facts.was_short_of_a_node(fault);
    let is_doubted = facts.may_have_ended_again(fault);
    if returned.is_none() && is_doubted {
        return Some(Return::UNKNOWN);
    }
    let returned = returned.filter(|_| !is_anothers);
    returned.map(|returned| returned.doubted_if(is_doubted))
}

/// Whether the load after the fault went wrong to its end, as far as anybody can tell, where no probe was answered correctly.
pub(super) fn stays_away(facts: &Facts, load: &Load<'_>, controls: Usual) -> bool {
    let (Some(from), Some(end)) = (facts.effect_confirmed(), load.end) else {
        return false;
    };
    let usual = Usual::of_baseline(load).widened(controls);
    let since = telling(facts, load).filter(|op| op.intended >= from);
    let mut since: Vec<&Operation> = since.collect();
    since.sort_by_key(|operation| operation.intended);
    let half = last_of(&since, half_of(from, end.max(from)), usual.fewest());
    failing(usual, &half, end.max(from), |op| op.error).is_some()
}

impl Return {
    /// Nothing tells.
    pub(super) const UNKNOWN: Self = Self::ByProbeOnly {
        operations: 0,
        unclear: None,
    };

    /// Nobody can tell, and why.
    const fn unclear(why: Unclear) -> Self {
        Self::ByProbeOnly {
            operations: 0,
            unclear: Some(why),
        }
    }

    /// Served to the end; if it is doubted, it is not known whether by what the recovery left.
    fn doubted_if(self, is_doubted: bool) -> Self {
        match self {
            Self::ForGood if is_doubted => Self::UNKNOWN,
            same @ (Self::ForGood | Self::ByProbeOnly { .. } | Self::Not(_)) => same,
        }
    }
}

/// Whether the load after the last recovery is served to its end.
fn returned_at_last(machine: &Machine<'_>, usual: Usual, recovered: Elapsed) -> Return {
    let (facts, load) = (machine.facts, machine.load);
    let end = load.end.unwrap_or(recovered).max(recovered);
    let counting = counting(facts, load);
    let last = |from: Elapsed| last_of(&counting, from, usual.fewest());
    let middle = half_of(recovered, end);
    let half = last(middle);
    let late = last(tenth_of(recovered, end));
    let lost_time = |counting: &[&Operation]| {
        let last = |from: Elapsed| last_of(counting, from, usual.fewest());
        let lost_time = |last: &[&Operation]| {
            failing(usual, last, end, |op| op.error).or_else(|| slow(usual, last, end))
        };
        lost_time(&last(middle.min(ago(end, LONG)))).and(lost_time(&last(middle)))
    };
    let slowness = lost_time(&counting);
    let certain =
        failing(usual, &half, end, definite).or_else(|| failing(usual, &late, end, definite));
    let is_up = facts.is_up();
    if certain.is_none() && slowness.is_some() && is_up {
        let lost = Lost {
            of: (recovered, end),
            judged: (middle, end),
            operations: &counting,
        };
        if let Some(why) = machine.unclear(&lost, |rest| lost_time(rest).is_some()) {
            return Return::unclear(why);
        }
    }
    // What becomes better is not stuck.
    let falls = || Waits::of(half.iter().copied()).fall();
    let is_metastable = is_up && machine.is_good() && usual.is_bad_throughout(&half) && !falls();
    if let Some(shortfall) = certain.or(slowness) {
        return Return::Not(match is_metastable {
            true => NotBack::Metastable(shortfall),
            false => NotBack::Unserved(shortfall),
        });
    }
    let seen = counting.len();
    match seen < usual.fewest() {
        true => Return::ByProbeOnly {
            operations: seen as u64,
            unclear: None,
        },
        false => Return::ForGood,
    }
}

/// The calms between two faults in which the service did not serve, or of which that is not known, where they lasted long enough
/// to tell, each with the recovery that it begins with. The next fault cuts it short: how long the server took counts only where
/// it answered nobody for long.
fn doubtful_calms(machine: &Machine<'_>, usual: Usual) -> impl Iterator<Item = (Elapsed, Return)> {
    let (facts, load) = (machine.facts, machine.load);
    let mut telling: Vec<&Operation> = telling(facts, load).collect();
    telling.sort_by_key(|operation| operation.intended);
    let doubtful = move |(from, next): (Elapsed, Elapsed)| {
        let is_in_it = |op: &&&Operation| {
            load.part(op) == Part::After && op.intended >= from && op.intended < next
        };
        let own: Vec<&Operation> = telling.iter().filter(is_in_it).copied().collect();
        let middle = half_of(from, next);
        let half = last_of(&own, middle, usual.fewest());
        let tells = own.len() >= usual.fewest();
        let failed = |shortfall| Return::Not(NotBack::BetweenFaults { shortfall, next });
        if let Some(wrong) = failing(usual, &half, next, definite).filter(|_| tells) {
            return Some((from, failed(wrong)));
        }
        let silence = silent(&telling, load, usual, (from, next))?;
        let lost = Lost {
            of: (from, next),
            judged: (middle, next),
            operations: &telling,
        };
        let goes_on = |rest: &[&Operation]| silent(rest, load, usual, (from, next)).is_some();
        Some((
            from,
            match machine.unclear(&lost, goes_on) {
                Some(why) => Return::unclear(why),
                None => failed(silence),
            },
        ))
    };
    facts.calms().into_iter().filter_map(doubtful)
}

/// That a service went silent in a calm, for all users or for some, and stayed so until the next fault: too many operations of
/// its second half failed or had waited long for a reply when the fault came, and too many of its last second had waited longer
/// than is usual. Of each stretch only those count that had so much time to be answered, the answered ones, too; no longer than
/// clients wait. What usually takes as long is no failure. Nothing is said of a shorter half.
fn silent(
    telling: &[&Operation],
    load: &Load<'_>,
    usual: Usual,
    (from, next): (Elapsed, Elapsed),
) -> Option<Shortfall> {
    let (middle, late) = (half_of(from, next), ago(next, LONG));
    if late < middle {
        return None;
    }
    let class = |op: &Operation| match op.finished >= next {
        true => Some(ErrorClass::ResponseTimeout),
        false => op.error,
    };
    let slow = usual.slow()?;
    let failing = |since, patience: Span| {
        let patience = patience.min(load.timeout);
        let usual = usual.widened(Usual::of_baseline_within(load, patience));
        let until = ago(next, patience);
        let had_time = |op: &&&Operation| op.intended >= from && op.intended < until;
        let own: Vec<&Operation> = telling.iter().filter(had_time).copied().collect();
        let last = last_of(&own, since, usual.fewest());
        failing(usual, &last, next, class).filter(|_| own.len() >= usual.fewest())
    };
    failing(late, slow).and_then(|_| failing(middle, LONG.max(slow)))
}

fn half_of(from: Elapsed, end: Elapsed) -> Elapsed {
    from + Span::from_us(end.since(from).as_us() / 2)
}

/// What stops just before the end is not half of the load, but all of its end.
fn tenth_of(from: Elapsed, end: Elapsed) -> Elapsed {
    from + Span::from_us(end.since(from).as_us() / 10 * 9)
}

/// The operations wanted from then on, and at least the last few.
fn last_of<'a>(counting: &[&'a Operation], from: Elapsed, fewest: usize) -> Vec<&'a Operation> {
    let place = counting.partition_point(|operation| operation.intended < from);
    let place = place.min(counting.len().saturating_sub(fewest));
    counting.get(place..).unwrap_or_default().to_vec()
}

/// So long before, or the run's begin.
fn ago(end: Elapsed, length: Span) -> Elapsed {
    Elapsed::from_us(end.as_us().saturating_sub(length.as_us()))
}

/// Whether the server did something wrong; a client that runs out of time may have a machine that stands still.
const fn is_definite(class: ErrorClass) -> bool {
    match class {
        ErrorClass::ConnectTimeout | ErrorClass::ResponseTimeout | ErrorClass::Unsent => false,
        ErrorClass::Refused
        | ErrorClass::Reset
        | ErrorClass::ServerError
        | ErrorClass::ClientError
        | ErrorClass::SessionRejected
        | ErrorClass::SessionRecreated
        | ErrorClass::WrongIdentity
        | ErrorClass::WrongAnswer
        | ErrorClass::Malformed
        | ErrorClass::HarnessError => true,
    }
}

/// How an operation failed, if the server did something wrong.
fn definite(operation: &Operation) -> Option<ErrorClass> {
    operation.error.filter(|class| is_definite(*class))
}

/// That more of these operations failed than usually do; `class` says how one did, if it counts.
fn failing(
    usual: Usual,
    last: &[&Operation],
    end: Elapsed,
    class: impl Fn(&Operation) -> Option<ErrorClass>,
) -> Option<Shortfall> {
    let mut classes: BTreeMap<ErrorClass, usize> = BTreeMap::new();
    for class in last.iter().filter_map(|op| class(op)) {
        *classes.entry(class).or_default() += 1;
    }
    let failed: usize = classes.values().sum();
    let over_ms = over_ms(last, end)?;
    let (class, _) = classes.into_iter().max_by_key(|(_, count)| *count)?;
    usual
        .is_exceeded_by(failed, last.len())
        .then_some(Shortfall::Failing {
            failed: failed as u64,
            scheduled: last.len() as u64,
            class,
            over_ms,
        })
}

/// That these operations took much longer than usual.
fn slow(usual: Usual, last: &[&Operation], end: Elapsed) -> Option<Shortfall> {
    let over_ms = over_ms(last, end)?;
    let mut took: Vec<u64> = last.iter().filter_map(|op| latency_us(op)).collect();
    took.sort_unstable();
    let least_ms = *took.get(took.len() / 4)? as f64 / 1_000.0;
    let usual_ms = usual.is_slower(least_ms).filter(|_| took.len() >= FEWEST)?;
    Some(Shortfall::Slow {
        least_ms,
        usual_ms,
        over_ms,
    })
}

/// From the first of these operations to the load's end.
fn over_ms(last: &[&Operation], end: Elapsed) -> Option<f64> {
    let from = last.first()?.intended;
    Some(end.max(from).since(from).as_ms())
}

/// The operations after ready that tell whether the service serves, in the order they were wanted.
fn counting<'a>(facts: &Facts, load: &Load<'a>) -> Vec<&'a Operation> {
    let recovered = facts.recovered();
    let is_after = |op: &&Operation| {
        load.part(op) == Part::After && recovered.is_none_or(|last| op.intended >= last)
    };
    let mut counting: Vec<&Operation> = telling(facts, load).filter(is_after).collect();
    counting.sort_by_key(|operation| operation.intended);
    counting
}

/// The operations that tell whether the service serves. How a session that stood at the fault is turned away is not
/// among them: what was lost is counted once, with the sessions and writes. Nor is what the harness itself began late.
pub(super) fn telling<'a, 'l>(
    facts: &'l Facts,
    load: &'l Load<'a>,
) -> impl Iterator<Item = &'a Operation> + use<'a, 'l> {
    let logins = load.operations.iter();
    let begun: BTreeMap<SessionId, Elapsed> = logins
        .filter(|op| op.step == Step::Login && op.outcome == Outcome::Acknowledged)
        .map(|op| (op.session(), op.intended))
        .collect();
    // After the last fault that was sent by then.
    let is_begun_after = move |op: &Operation| {
        let begun = begun.get(&op.session());
        begun.is_some_and(|begun| {
            let confirmed = facts.effect_confirmed_by(op.finished);
            confirmed.is_some_and(|confirmed| *begun >= confirmed)
        })
    };
    let is_loss = move |op: &Operation| {
        // One that is known at last, and refused what was asked of it, is not lost: it is not served.
        let is_refused =
            op.error == Some(ErrorClass::ClientError) && load.known_at_last.contains(&op.session());
        // Nor is it the loss of a session that lacks nothing: it is served wrongly. A cache may have been late.
        let is_wrong = op.error == Some(ErrorClass::WrongAnswer)
            && load.whole_at_last.contains(&op.session())
            && !is_from_cache(op);
        let is_other = is_refused || is_wrong || is_begun_after(op);
        op.step != Step::Login && may_be_a_loss(op) && !is_other
    };
    let late = |op: &Operation| op.dispatched.since(op.intended) > LATE;
    let all = load.operations.iter().copied();
    all.filter(move |op| !is_loss(op) && !late(op))
}

/// Whether an operation fails as those of a lost session do, or of one that lost its writes.
fn may_be_a_loss(operation: &Operation) -> bool {
    match operation.error {
        Some(
            ErrorClass::SessionRejected
            | ErrorClass::SessionRecreated
            | ErrorClass::WrongIdentity
            | ErrorClass::ClientError,
        ) => true,
        Some(ErrorClass::WrongAnswer) => operation.outcome == Outcome::Acknowledged,
        Some(
            ErrorClass::Refused
            | ErrorClass::Reset
            | ErrorClass::ConnectTimeout
            | ErrorClass::ResponseTimeout
            | ErrorClass::ServerError
            | ErrorClass::Malformed
            | ErrorClass::Unsent
            | ErrorClass::HarnessError,
        )
        | None => false,
    }
}

fn median_ms(operations: &[&Operation]) -> Option<f64> {
    let us = operations
        .iter()
        .filter_map(|operation| latency_us(operation));
    median(&us.map(|us| us as f64 / 1_000.0).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// How many of `trials` services that fail a share `p` of their operations, before and after, are called worse
    /// than usual; each with a baseline of 200 operations and `last` at its end.
    fn alarms(p: f64, last: usize, trials: usize) -> usize {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut failures = |all: usize| {
            let fails = |_: &usize| (random.next_u32() as f64) < p * 2_f64.powi(32);
            (0..all).filter(fails).count()
        };
        (0..trials)
            .filter(|_| {
                let usual = Usual {
                    failed: failures(200) as u64,
                    scheduled: 200,
                    p50_ms: None,
                    controls: Controls::default(),
                };
                usual.is_exceeded_by(failures(last), last)
            })
            .count()
    }

    #[test]
    fn a_service_that_is_as_usual_is_practically_never_called_worse() {
        for p in [0.0, 0.005, 0.05, 0.4] {
            for last in [5, 20, 200] {
                assert_eq!(alarms(p, last, 20_000), 0, "{p} of {last}");
            }
        }
    }
}
