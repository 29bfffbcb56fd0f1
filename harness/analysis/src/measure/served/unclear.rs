//! Why time that clients lost after a recovery may be no fault of the server's: the machine had none for anybody, or what had gathered in
//! the outage was still being worked off (METHOD, *Back for good*). What the server does wrong is its own doing all the same.

use std::fmt;

use comeback_model::operation::Operation;
use comeback_model::plan::Plan;
use comeback_model::units::{Elapsed, Span};
use comeback_statistics::{median, trend};

use super::super::Unclear;
use super::super::busy::{MOST_LATE, busy, share_late};
use super::super::facts::Facts;
use super::super::load::Load;
use super::super::words::{percent, waited_for_disk};
use super::{LONG, Usual};

/// A median wait that is at most this share of the one before is a shorter one.
const SHORTER: f64 = 0.75;
/// How much of a trend the waits must have, as a figure of the standard normal distribution: 1 of 200 without a trend have as much.
const TREND: f64 = -2.6;
/// Where more than this share of the last operations fails, nothing is worked off.
const MOST_FAILED: f64 = 0.05;
/// How many times the outage's length it may take to work off what gathered in it. A server that is asked for a share ρ of what it can do
/// takes ρ / (1 - ρ) times that length: this much where the plan asks for 91 %. What takes longer is not the backlog of that outage.
const WORKED_OFF: f64 = 10.0;

/// What is known of the machine that a trial ran on.
pub(super) struct Machine<'a> {
    pub(super) facts: &'a Facts,
    pub(super) load: &'a Load<'a>,
    usual: Usual,
    busy: Option<String>,
}

/// When an operation was wanted, and how long it waited for its reply, both in ms; without an end where it failed.
type Wait = (f64, f64);

/// Those of operations, in the order in which they were wanted.
pub(super) struct Waits(Vec<Wait>);

/// The middle of some operations: when they were wanted, and how long they waited, both in ms.
#[derive(Clone, Copy)]
struct Middle {
    at: f64,
    wait: f64,
}

/// Operations that took too long, or were not answered.
pub(super) struct Lost<'a> {
    /// From the recovery to the end of what is looked at.
    pub(super) of: (Elapsed, Elapsed),
    /// The part of it that is judged.
    pub(super) judged: (Elapsed, Elapsed),
    /// Those that tell, in the order in which they were wanted.
    pub(super) operations: &'a [&'a Operation],
}

impl<'a> Machine<'a> {
    pub(super) fn new(plan: &Plan, (facts, load): (&'a Facts, &'a Load<'a>), usual: Usual) -> Self {
        Self {
            facts,
            load,
            usual,
            busy: busy(plan, facts, load),
        }
    }

    /// Whether what is bad in this trial and was good in a control one can only be the server's.
    pub(super) fn is_good(&self) -> bool {
        self.busy.is_none() && self.usual.controls.are_good()
    }

    /// Why nobody can tell whether time was lost by the server, if so; `goes_on` says whether as much is lost by the others alone.
    pub(super) fn unclear(
        &self,
        lost: &Lost<'_>,
        goes_on: impl Fn(&[&Operation]) -> bool,
    ) -> Option<Unclear> {
        let (from, until) = lost.judged;
        let wanted = self.load.operations.iter().copied();
        let wanted = wanted.filter(|op| op.intended >= from && op.intended < until.max(from));
        let late = share_late(wanted);
        if late > MOST_LATE {
            let share = percent((late * 100.0).round() / 100.0);
            return Some(Unclear::Busy(format!(
                "this machine was too busy: the harness itself was more than 10 ms late with {share} of its operations"
            )));
        }
        if let Some(busy) = &self.busy {
            return Some(Unclear::Busy(busy.clone()));
        }
        if self.usual.controls.are_all_busy() {
            return Some(Unclear::Busy(
                "this machine was too busy in the control trials, too".to_owned(),
            ));
        }
        let stalled = stalled(self.facts, lost.of);
        if let Some(stalled) = stalled
            && !goes_on(&without_stalls(self.facts, lost.operations))
        {
            return Some(Unclear::Disk(stalled));
        }
        self.catches_up(lost).then_some(Unclear::CatchingUp)
    }

    /// Whether the waits become shorter from operation to operation, and at last each is answered: what the clients had to keep back
    /// in the outage is still being worked off, so more is asked of the server than the plan offers.
    fn catches_up(&self, lost: &Lost<'_>) -> bool {
        let (from, until) = lost.judged;
        let judged = lost.operations.iter().copied();
        let waits = Waits::of(judged.filter(|op| op.intended >= from && op.intended < until));
        waits.fall()
            && waits.are_over_at_last()
            && (waits.are_shorter() || self.are_over_soon(&waits, lost.of.0))
    }

    /// Whether the waits, as they fall, are the usual ones again within so many times the length of the outage that this recovery ended.
    fn are_over_soon(&self, waits: &Waits, recovered: Elapsed) -> bool {
        let spans = self.facts.spans().into_iter();
        let ended = spans.filter(|span| span.recovered == Some(recovered));
        let usual_at = self.usual.p50_ms.and_then(|usual| waits.reach(usual));
        let out = ended.map(|span| span.sent).min();
        out.zip(usual_at).is_some_and(|(out, at)| {
            let outage_ms = recovered.since(out).as_ms();
            at - since_begin(recovered) <= WORKED_OFF * outage_ms
        })
    }
}

impl Waits {
    pub(super) fn of<'a>(operations: impl Iterator<Item = &'a Operation>) -> Self {
        let wait = |op: &Operation| match op.is_correct() {
            true => op.finished.since(op.intended).as_ms(),
            // Its own wait would say how much of the load was left.
            false => f64::INFINITY,
        };
        Self(
            operations
                .map(|op| (since_begin(op.intended), wait(op)))
                .collect(),
        )
    }

    /// Whether they become shorter.
    pub(super) fn fall(&self) -> bool {
        let waits: Vec<f64> = self.0.iter().map(|(_, wait)| *wait).collect();
        trend(&waits).is_some_and(|trend| trend <= TREND)
    }

    fn halves(&self) -> (&[Wait], &[Wait]) {
        self.0.split_at(self.0.len() / 2)
    }

    /// Whether those of the second half come to an end.
    fn are_over_at_last(&self) -> bool {
        let (_, last) = self.halves();
        let failed = last.iter().filter(|(_, wait)| wait.is_infinite()).count();
        failed as f64 <= MOST_FAILED * last.len() as f64
    }

    /// Whether those of the second half are much shorter.
    fn are_shorter(&self) -> bool {
        let (first, last) = self.halves();
        let middles = middle(first).zip(middle(last));
        middles.is_some_and(|(first, last)| last.wait <= SHORTER * first.wait)
    }

    /// When they are down to this, if they go on falling as from their first half to their second, in ms of the run.
    fn reach(&self, least: f64) -> Option<f64> {
        let (first, last) = self.halves();
        let (first, last) = (middle(first)?, middle(last)?);
        let falls = (first.wait - last.wait) / (last.at - first.at);
        let at = last.at + (last.wait - least) / falls;
        (falls > 0.0 && falls.is_finite()).then_some(at)
    }
}

fn middle(part: &[Wait]) -> Option<Middle> {
    let (at, waits): (Vec<f64>, Vec<f64>) = part.iter().copied().unzip();
    Some(Middle {
        at: median(&at)?,
        wait: median(&waits)?,
    })
}

fn since_begin(at: Elapsed) -> f64 {
    at.as_us() as f64 / 1_000.0
}

/// For how long this machine's disk kept somebody waiting in a stretch, if what clients lost may be the disk's doing: not where it
/// is about as slow without a fault.
fn stalled(facts: &Facts, (from, end): (Elapsed, Elapsed)) -> Option<Span> {
    let share = |from: Elapsed, end: Elapsed| {
        let (_, stalled) = facts.disk_stalled(from, end);
        stalled.as_us() as f64 / end.since(from).as_us().max(1) as f64
    };
    let before = facts.baseline().zip(facts.fault());
    let usual = before.map_or(0.0, |(from, fault)| share(from, fault));
    let (_, stalled) = facts.disk_stalled(from, end);
    (stalled > Span::ZERO && share(from, end) > 2.0 * usual).then_some(stalled)
}

/// The operations without those that waited while the disk stood still, and otherwise no longer than on any busy machine.
fn without_stalls<'a>(facts: &Facts, operations: &[&'a Operation]) -> Vec<&'a Operation> {
    let met_a_stall = |op: &Operation| {
        let (stalled, _) = facts.disk_stalled(op.intended, op.finished);
        let waited = op.finished.since(op.intended);
        stalled > Span::ZERO && waited <= stalled + LONG
    };
    let operations = operations.iter().copied();
    operations.filter(|op| !met_a_stall(op)).collect()
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(stalled) => f.write_str(&waited_for_disk(*stalled)),
            Self::Busy(why) => write!(f, "{why}: run it again on a quiet one"),
            Self::CatchingUp => f.write_str(
                "the clients were still working off what had gathered in the outage when the load ended: make windows.settle longer",
            ),
        }
    }
}
