//! What the clients saw of the load: errors, latency, the first failure, the longest silence.

use std::collections::BTreeSet;

use comeback_model::event::Phase;
use comeback_model::ids::{FaultId, Node, SessionId};
use comeback_model::operation::{Operation, Step};
use comeback_model::plan::Plan;
use comeback_model::units::{Elapsed, Span};

use super::facts::{Facts, FaultFacts, FaultSpan};
use super::planned::is_by_command;
use super::types::LatencyCounter;
use super::{Availability, Continuity, ErrorTally, LatencyTally, Retries, Return, Time};
use crate::measure::Windowed;

/// A trial's measured operations: the opening logins, the warm-up and the final looks are not among them.
#[derive(Debug)]
pub(super) struct Load<'a> {
    facts: &'a Facts,
    /// How long clients wait for a reply.
    pub(super) timeout: Span,
    /// When each fault was sent, took users out, and was recovered from.
    spans: Vec<FaultSpan>,
    /// In no particular order.
    pub(super) operations: Vec<&'a Operation>,
    /// Sessions that a last look was answered correctly of.
    pub(super) known_at_last: BTreeSet<SessionId>,
    /// Sessions that lack nothing at last, by the ledger.
    pub(super) whole_at_last: BTreeSet<SessionId>,
    /// When operations ceased to be wanted; absent when the trial has none.
    pub(super) end: Option<Elapsed>,
}

/// The part of a trial an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It finished before the first fault took users out: from its sending on, but for a command.
    Before,
    /// It was in flight then, or wanted until the first correct reply after it.
    During,
    /// It was wanted after such a reply, and no other fault was under way.
    After,
}

impl<'a> Load<'a> {
    /// The load among a trial's operations.
    pub(super) fn new(plan: &Plan, facts: &'a Facts, all: &[&'a Operation]) -> Self {
        let operations: Vec<_> = match facts.baseline() {
            None => Vec::new(),
            Some(baseline) => all
                .iter()
                .copied()
                .filter(|operation| is_load(operation.step) && operation.intended >= baseline)
                .filter(|operation| !facts.is_after_load(operation).unwrap_or(false))
                .collect(),
        };
        let end = end(plan, facts, &operations);
        let looks = all.iter().filter(|operation| {
            operation.step == Step::ReadBack
                && operation.error.is_none()
                && facts.is_after_load(operation).unwrap_or(true)
        });
        Self {
            facts,
            timeout: plan.load.timeout,
            spans: spans(plan, facts, &operations),
            known_at_last: looks.map(|look| look.session()).collect(),
            whole_at_last: BTreeSet::new(),
            operations,
            end,
        }
    }

    /// Which part of the trial an operation belongs to; without a fault everything is before it.
    pub(super) fn part(&self, operation: &Operation) -> Part {
        if self.spans.iter().all(|span| operation.finished < span.out) {
            return Part::Before;
        }
        match self.spans.iter().any(|span| span.holds(operation)) {
            true => Part::During,
            false => Part::After,
        }
    }

    /// When a fault was sent, took users out, and was recovered from.
    pub(super) fn span(&self, fault: FaultId) -> Option<FaultSpan> {
        let mut spans = self.spans.iter();
        spans.find(|span| span.fault == fault).copied()
    }

    /// Errors of the operations that were in flight at a fault, or wanted until all that it hit was back.
    pub(super) fn errors_during(&self, fault: FaultId) -> ErrorTally {
        let mut errors = ErrorTally::default();
        self.of_fault(fault)
            .for_each(|operation| errors.count(operation.error));
        errors
    }

    /// The operations that were in flight at a fault, or wanted until all that it hit was back.
    pub(super) fn of_fault(&self, fault: FaultId) -> impl Iterator<Item = &'a Operation> {
        let span = self.span(fault);
        let operations = self.operations.iter().copied();
        operations.filter(move |operation| span.is_some_and(|span| span.holds(operation)))
    }

    /// Whether an operation falls into a fault that hit this node.
    pub(super) fn is_under_way(&self, operation: &Operation, node: Node) -> bool {
        let hit = |fault| self.facts.of_fault(fault).is_some_and(|own| own.hit(node));
        let mut spans = self.spans.iter().filter(|span| hit(span.fault));
        spans.any(|span| span.holds(operation))
    }

    /// The operations of a part.
    pub(super) fn of(&self, part: Part) -> impl Iterator<Item = &'a Operation> {
        self.operations
            .iter()
            .copied()
            .filter(move |operation| self.part(operation) == part)
    }

    /// The operations the baseline wanted, whatever became of them.
    pub(super) fn baseline(&self) -> impl Iterator<Item = &'a Operation> {
        let until = self.facts.fault();
        self.operations
            .iter()
            .copied()
            .filter(move |operation| until.is_none_or(|until| operation.intended < until))
    }

    /// Errors and latencies of each part.
    pub(super) fn tallies(&self) -> (Windowed<ErrorTally>, Windowed<LatencyTally>) {
        let mut errors = Windowed::<ErrorTally>::default();
        let mut latency = Windowed::<LatencyCounter>::default();
        for operation in &self.operations {
            let (errors, latency) = match self.part(operation) {
                Part::Before => (&mut errors.before, &mut latency.before),
                Part::During => (&mut errors.during, &mut latency.during),
                Part::After => (&mut errors.after, &mut latency.after),
            };
            errors.count(operation.error);
            latency.count(latency_us(operation));
        }
        let latency = Windowed {
            before: latency.before.finish(),
            during: latency.during.finish(),
            after: latency.after.finish(),
        };
        (errors, latency)
    }

    /// What trying again came to.
    pub(super) fn retries(&self) -> Retries {
        let mut retries = Retries::default();
        for operation in &self.operations {
            retries.operations += u64::from(operation.tries > 0);
            retries.tries += u64::from(operation.tries);
            if operation.tries > 1 {
                retries.repeated += 1;
                retries.saved += u64::from(operation.is_correct());
            }
        }
        retries
    }

    /// How many operations were correct within the objective, out of all of them.
    pub(super) fn availability(&self, objective: Option<Span>) -> Availability {
        let is_met = |operation: &&&Operation| {
            latency_us(operation)
                .is_some_and(|us| objective.is_none_or(|objective| us <= objective.as_us()))
        };
        Availability {
            met: self.operations.iter().filter(is_met).count() as u64,
            correct: self
                .operations
                .iter()
                .filter(|operation| operation.is_correct())
                .count() as u64,
            scheduled: self.operations.len() as u64,
        }
    }

    /// How many of the requests within sessions found their session, before the fault. What follows a login in the
    /// same session, that is: a server that does not know it any more is asked for a new one first.
    pub(super) fn continuity(&self) -> Continuity {
        let follows = |operation: &&Operation| {
            matches!(operation.step, Step::Act | Step::Check) && operation.sent.is_some()
        };
        let mut continuity = Continuity::default();
        for operation in self.of(Part::Before).filter(follows) {
            continuity.sent += 1;
            continuity.kept += u64::from(operation.is_correct());
        }
        continuity
    }

    /// The generator's own lateness in the baseline.
    pub(super) fn send_lag(&self) -> LatencyTally {
        let mut lag = LatencyCounter::default();
        for operation in self.baseline() {
            lag.count(Some(operation.dispatched.since(operation.intended).as_us()));
        }
        lag.finish()
    }

    /// The longest time until a client saw a fault.
    pub(super) fn longest_time_to_detect(&self) -> Option<f64> {
        let faults = self.spans.iter().map(|span| span.fault);
        let detected = faults.filter_map(|fault| self.time_to_detect(fault));
        detected.max_by(f64::total_cmp)
    }

    /// First failure a client saw of a fault − T0, in ms; negative when it came before T0. Of worse conditions − K.
    pub(super) fn time_to_detect(&self, fault: FaultId) -> Option<f64> {
        let own = self.facts.of_fault(fault).filter(|_| !self.facts.control)?;
        let from = own.effect_confirmed()?;
        let from = own.sent().filter(|_| own.degrades).unwrap_or(from);
        let first = self
            .of_fault(fault)
            .filter(|operation| !operation.is_correct())
            .map(|operation| operation.finished)
            .min()?;
        Some(first.ms_after(from))
    }

    /// How long clients were without a correct reply: from the last one before the fault to the first one after it. With
    /// several nodes others may go on answering, and a reply may still come out of a queue: so it is the longest time
    /// without one that ends after the fault was sent, and begins before the service was back.
    ///
    /// Where the server is all there is, the probe's reply counts as well: a client that asked would have had it.
    pub(super) fn client_outage(&self, returned: Option<&Return>) -> Option<Time> {
        let (fault, end) = (self.facts.fault()?, self.end?);
        self.facts.effect_confirmed()?;
        let recovered = self.facts.recovered();
        let mut replies = self.correct_replies();
        if self.facts.is_alone() {
            let faults = self.facts.faults().map(|(fault, _)| fault);
            replies.extend(faults.filter_map(|fault| self.facts.recovered_from(fault)));
            replies.extend(recovered);
        }
        replies.sort_unstable();
        let until = recovered.unwrap_or(end);
        let first = *replies.first().filter(|first| **first <= fault)?;
        let ends = replies.iter().copied().map(|at| (at, false));
        let gaps = ends.chain((replies.last() < Some(&end)).then_some((end, true)));
        let mut last = first;
        let mut longest: Option<(Elapsed, Elapsed, bool)> = None;
        for (at, is_open) in gaps {
            let is_one = at > fault && last < until;
            let is_longer =
                |(from, to, _): (Elapsed, Elapsed, bool)| at.since(last) > to.since(from);
            if is_one && longest.is_none_or(is_longer) {
                longest = Some((last, at, is_open));
            }
            last = at;
        }
        let (from, to, is_open) = longest?;
        Some(match returned {
            Some(Return::Not(_)) => Time::Beyond {
                ms: end.max(to).ms_after(from),
            },
            Some(Return::ForGood | Return::ByProbeOnly { .. }) | None if is_open => Time::Beyond {
                ms: to.ms_after(from),
            },
            Some(Return::ForGood | Return::ByProbeOnly { .. }) | None => Time::At {
                ms: to.ms_after(from),
                error_ms: 0.0,
            },
        })
    }

    /// When correct replies came, in no particular order.
    fn correct_replies(&self) -> Vec<Elapsed> {
        let correct = self.operations.iter().filter(|op| op.is_correct());
        correct.map(|operation| operation.finished).collect()
    }

    /// Longest time without a correct reply, in ms: between two of them, or from the last one until
    /// operations ceased to be wanted (a server that never came back was silent until then).
    pub(super) fn longest_gap_ms(&self) -> Option<f64> {
        let mut replies = self.correct_replies();
        replies.sort_unstable();
        let last = *replies.last()?;
        replies.extend(self.end.filter(|end| *end > last));
        replies
            .windows(2)
            .map(|pair| pair[1].ms_after(pair[0]))
            .max_by(f64::total_cmp)
    }
}

/// From when on each fault took users out. A server that a command ends may serve on meanwhile: until the last correct reply came, or until
/// the first operation was wanted that failed and was sent by T0. Its user waited from then on, however late the failure was seen.
fn spans(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> Vec<FaultSpan> {
    let mut spans = facts.spans();
    for span in &mut spans {
        let own = facts.of_fault(span.fault);
        let Some(ended) = own
            .filter(|_| is_by_command(plan, span.fault))
            .and_then(FaultFacts::effect_confirmed)
        else {
            continue;
        };
        let since = operations.iter().filter(|op| op.finished >= span.sent);
        let (mut last, mut failed) = (span.sent, ended);
        for operation in since {
            // What never left failed when it was given up.
            let left = operation.sent.unwrap_or(operation.finished);
            match operation.is_correct() {
                true if operation.finished <= ended => last = last.max(operation.finished),
                false if left <= ended => {
                    failed = failed.min(operation.intended.max(span.sent));
                }
                true | false => {}
            }
        }
        (span.out, span.surely_out) = (last.min(failed), ended);
    }
    spans
}

/// When operations ceased to be wanted. The load is recorded as stopped only once its last operation has
/// finished; the silence until then would pass for quiet, healthy windows.
fn end(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> Option<Elapsed> {
    let last = operations
        .iter()
        .map(|operation| operation.intended)
        .max()?;
    let end_of_settle = facts
        .phases
        .get(&Phase::Settle)
        .map(|settle| *settle + plan.windows.settle);
    let given_up = facts.given_up().map(|(at, _)| *at);
    let wanted = last.max(end_of_settle.or(given_up).unwrap_or(last));
    Some(match facts.stopped {
        Some((stopped, _)) => wanted.min(stopped),
        None => last,
    })
}

/// Finished − intended, in µs; absent for an operation that failed.
pub(super) fn latency_us(operation: &Operation) -> Option<u64> {
    operation
        .is_correct()
        .then(|| operation.finished.since(operation.intended).as_us())
}

const fn is_load(step: Step) -> bool {
    match step {
        Step::Login | Step::Act | Step::Check | Step::Logout | Step::Get => true,
        Step::ReadBack => false,
    }
}
