//! 2: a stateful server needs storage that grows with its clients.

use super::chart::{Estimated, estimated_bar};
use super::facts::middle;
use super::thresholds::FLAT;
use super::{Chart, Findings, Open, Ruled, Ruling, RulingResult, What};

/// What a server keeps of each login, in bytes.
pub(super) struct Growth {
    /// Memory of all its processes, less what as many requests without a login take.
    pub(super) memory: Estimated,
    /// Files.
    pub(super) disk: Estimated,
}

impl Growth {
    pub(super) fn of(found: &Findings, arm: &str) -> Result<Self, Open> {
        found.controlled(arm)?;
        let control = slope(found, arm, What::MemoryOfRequests)?;
        let memory = slope(found, arm, What::Memory)?;
        let less = |value: f64| value - control.value;
        Ok(Self {
            memory: Estimated {
                value: less(memory.value),
                low: memory.low.map(less),
                high: memory.high.map(less),
            },
            disk: slope(found, arm, What::Disk)?,
        })
    }

    /// Whether it keeps nothing.
    pub(super) fn is_flat(&self) -> bool {
        self.memory.value <= FLAT && self.disk.value <= FLAT
    }

    fn told(&self) -> String {
        format!("{} / {}", self.memory.told(0), self.disk.told(0))
    }

    fn total(&self) -> Estimated {
        let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
        Estimated {
            value: self.memory.value + self.disk.value,
            low: sum(self.memory.low, self.disk.low),
            high: sum(self.memory.high, self.disk.high),
        }
    }
}

/// By how much a figure grows with each further login: the median over the pieces between two looks, from the smallest to
/// the largest of them. A store that grows by doubling does it in few of them, so the whole rise is taken where the
/// median is less.
pub(super) fn slope(found: &Findings, arm: &str, what: What) -> Result<Estimated, Open> {
    let values = found.values(arm, what)?;
    let rise = |a: (u64, f64), b: (u64, f64)| (b.1 - a.1) / (b.0 - a.0).max(1) as f64;
    let pieces: Vec<f64> = values
        .windows(2)
        .map(|pair| rise(pair[0], pair[1]))
        .collect();
    let (Some(first), Some(last), true) = (values.first(), values.last(), pieces.len() >= PIECES)
    else {
        return Err(Open(format!(
            "{arm} was looked at {} times, and {} are needed to see whether it grows",
            values.len(),
            PIECES + 1
        )));
    };
    let end = |pick: fn(f64, f64) -> f64| pieces.iter().copied().reduce(pick);
    Ok(Estimated {
        value: middle(&pieces).value.max(rise(*first, *last)),
        low: end(f64::min),
        high: end(f64::max),
    })
}

/// Between fewer looks a single step cannot be told from growth.
const PIECES: usize = 3;

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let of = |arm: &str| Growth::of(found, arm);
    let (token, revocable) = (of("token")?, of("token-revocable")?);
    let (memory, journal, shared) = (of("memory")?, of("journal")?, of("redis")?);
    let all_grow = [&memory, &journal, &shared]
        .iter()
        .all(|growth| !growth.is_flat());
    let (ruling, because) = match (token.is_flat(), all_grow, revocable.is_flat()) {
        (false, _, _) => (
            Ruling::Refuted,
            "the stateless server grew with its clients, too",
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "a stateful server did not grow with its clients",
        ),
        (true, true, true) => (
            Ruling::Holds,
            "every server that knows its clients grows with each, and the one that does not know them does not grow",
        ),
        (true, true, false) => (
            Ruling::HoldsInPart,
            "true as long as no login has to be taken back: a server of tokens that can be revoked keeps a list, and \
             grows with it",
        ),
    };
    let arms = [
        ("token", &token),
        ("token that can be revoked", &revocable),
        ("memory", &memory),
        ("journal", &journal),
        ("shared store", &shared),
    ];
    let told: Vec<String> = arms
        .iter()
        .map(|(name, growth)| format!("{name} {}", growth.told()))
        .collect();
    Ok(Ruled {
        ruling,
        figure: format!(
            "bytes kept of each login, in memory / on disk (from the flattest to the steepest piece): {}",
            told.join(", ")
        ),
        chart: Chart::new(
            "kept of each login, in memory and on disk, bytes",
            arms.map(|(name, growth)| estimated_bar(name, growth.total()))
                .to_vec(),
        ),
        because: because.to_owned(),
        otherwise: "sessions that end by themselves: the list, or the store, is then as long as the clients of that time"
            .to_owned(),
    })
}
