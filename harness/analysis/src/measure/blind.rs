//! Blind time: clients fail while the health check says ready (METHOD §3, *Blind time*).

use comeback_model::units::Elapsed;

use super::facts::{Facts, Health};
use super::load::Load;
use super::{BlindTime, served};

/// A stretch of time.
type Stretch = (Elapsed, Elapsed);

/// From the fault's sending, or where it would have been, to the load's end. Absent where no health check was asked.
pub(super) fn blind_time(facts: &Facts, load: &Load<'_>) -> Option<BlindTime> {
    let (from, end) = (facts.origin()?, load.end?);
    if facts.health.is_empty() || facts.health.values().any(|health| health.last.is_none()) {
        return None;
    }
    let everywhere = |ready: fn(&Health, Elapsed) -> Vec<Stretch>| {
        let nodes = facts.health.values().map(|health| ready(health, end));
        nodes.reduce(|all, own| overlap(&all, &own))
    };
    let failing = failing(facts, load, from);
    let certain = length_ms(&overlap(&everywhere(Health::surely_ready)?, &failing));
    let possible = length_ms(&overlap(&everywhere(Health::perhaps_ready)?, &failing));
    Some(BlindTime {
        ms: certain,
        error_ms: (possible - certain).max(0.0),
    })
}

impl Health {
    /// From the first to the last of the answers that said so one after the other.
    fn surely_ready(&self, _end: Elapsed) -> Vec<Stretch> {
        let nexts = self.changes.iter().skip(1).map(|(_, _, last)| *last);
        self.ready(nexts.chain([self.last]), |at, _| at)
    }

    /// From the last answer before that said the contrary to the first one after.
    fn perhaps_ready(&self, end: Elapsed) -> Vec<Stretch> {
        let nexts = self.changes.iter().skip(1).map(|(at, _, _)| Some(*at));
        self.ready(nexts.chain([self.last.max(Some(end))]), |at, last| {
            last.unwrap_or(at)
        })
    }

    fn ready(
        &self,
        nexts: impl Iterator<Item = Option<Elapsed>>,
        begin: fn(Elapsed, Option<Elapsed>) -> Elapsed,
    ) -> Vec<Stretch> {
        let answers = self.changes.iter().zip(nexts);
        let ready = answers.filter(|((_, ready, _), _)| *ready);
        ready
            .filter_map(|((at, _, last), next)| Some((begin(*at, *last), next?)))
            .filter(|(from, to)| from < to)
            .collect()
    }
}

/// The time that clients spent failing: each stretch from one reply (or other end of an operation) to the next belongs
/// to the one that ends it.
fn failing(facts: &Facts, load: &Load<'_>, from: Elapsed) -> Vec<Stretch> {
    let telling = served::telling(facts, load);
    let mut ends: Vec<(Elapsed, bool)> = telling
        .map(|operation| (operation.finished, operation.is_correct()))
        .collect();
    // Of two in the same microsecond the correct one counts.
    ends.sort_unstable_by_key(|(at, is_correct)| (*at, !is_correct));
    let mut last = from;
    let mut failing = Vec::new();
    for (at, is_correct) in ends.into_iter().filter(|(at, _)| *at > from) {
        if !is_correct && last < at {
            failing.push((last, at));
        }
        last = at;
    }
    failing
}

/// What two lists of stretches, each in order and without overlaps, have in common.
fn overlap(one: &[Stretch], other: &[Stretch]) -> Vec<Stretch> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let (from, to) = (a.0.max(b.0), a.1.min(b.1));
        if from < to {
            both.push((from, to));
        }
        if a.1 <= b.1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

fn length_ms(stretches: &[Stretch]) -> f64 {
    let lengths = stretches.iter().map(|(from, to)| to.ms_after(*from));
    // Not -0.0, which the sum of nothing is.
    lengths.fold(0.0, |sum, length| sum + length)
}
