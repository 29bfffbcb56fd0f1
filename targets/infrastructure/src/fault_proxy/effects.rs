//! The effect of the active toxics on one direction of one connection.

use std::sync::Arc;
use std::time::Duration;

use comeback_model::schedule::Draws;
use comeback_model::toxics::{Cut, Direction};

use super::board::{Active, Held, add};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the node.
    To,
    /// From it, to the client.
    From,
}

/// Toxics that meet the connection.
struct Met {
    active: Arc<Active>,
    /// How many bytes had passed this way when they began.
    begun_at: u64,
    /// For the delays.
    draws: Draws,
}

impl Met {
    fn is_for(&self, way: Way) -> bool {
        match self.active.toxics.direction {
            Direction::Both => true,
            Direction::To => way == Way::To,
            Direction::From => way == Way::From,
        }
    }
}

/// How much later something is passed on, and by which toxics: with them the delay ends.
pub(super) struct Delay {
    by: Arc<Active>,
    lasts: Duration,
}

impl Delay {
    fn new(by: &Arc<Active>, us: u64) -> Self {
        Self {
            by: Arc::clone(by),
            lasts: Duration::from_micros(us),
        }
    }
}

/// All that meet one direction of a connection.
pub(super) struct Effects {
    connection: u64,
    way: Way,
    met: Vec<Met>,
    /// Every set that ever met it: counted once.
    counted: Vec<Arc<Active>>,
}

impl Effects {
    pub(super) const fn new(connection: u64, way: Way) -> Self {
        Self {
            connection,
            way,
            met: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Others hold from now on, when so many bytes have passed.
    pub(super) fn change(&mut self, held: &Held, passed: u64) {
        let mut before = std::mem::take(&mut self.met);
        let connection = self.connection;
        for active in held.iter().filter(|one| one.meets(connection)) {
            let same = |met: &Met| Arc::ptr_eq(&met.active, active);
            match before.iter().position(same) {
                Some(place) => self.met.push(before.swap_remove(place)),
                None => {
                    let draws = active.draws(self.connection, 1 + self.way as u64);
                    self.met.push(Met {
                        active: Arc::clone(active),
                        begun_at: passed,
                        draws,
                    });
                    self.count(active);
                }
            }
        }
    }

    fn count(&mut self, active: &Arc<Active>) {
        // Each connection has two directions.
        let is_new = !self.counted.iter().any(|one| Arc::ptr_eq(one, active));
        if self.way == Way::To && is_new {
            add(&active.tally.met, 1);
            self.counted.push(Arc::clone(active));
        }
    }

    /// Whether bytes pass as they come.
    pub(super) const fn are_none(&self) -> bool {
        self.met.is_empty()
    }

    /// How much later so many bytes arrive that have just come.
    pub(super) fn delay(&mut self, bytes: u64) -> Vec<Delay> {
        let way = self.way;
        let mut delays = Vec::new();
        for met in self.met.iter_mut().filter(|met| met.is_for(way)) {
            let toxics = &met.active.toxics;
            let (delay, jitter) = (toxics.delay.as_us(), toxics.jitter.as_us());
            let drawn = match jitter {
                0 => delay,
                _ => (delay + met.draws.below(2 * jitter + 1)).saturating_sub(jitter),
            };
            if drawn > 0 {
                add(&met.active.tally.bytes_delayed, bytes);
                delays.push(Delay::new(&met.active, drawn));
            }
        }
        delays
    }

    /// How much later the end of this direction is passed on.
    pub(super) fn slow_close(&self) -> Vec<Delay> {
        let mut delays = Vec::new();
        for met in self.met.iter().filter(|met| met.is_for(self.way)) {
            let later = met.active.toxics.slow_close;
            if !later.is_zero() {
                add(&met.active.tally.closes_delayed, 1);
                delays.push(Delay::new(&met.active, later.as_us()));
            }
        }
        delays
    }

    /// How long those of these delays are together that still hold.
    pub(super) fn sum(&self, delays: &[Delay]) -> Duration {
        let holds = |delay: &&Delay| {
            let mut met = self.met.iter();
            met.any(|met| Arc::ptr_eq(&met.active, &delay.by))
        };
        delays.iter().filter(holds).map(|delay| delay.lasts).sum()
    }

    /// How many bytes a second pass.
    pub(super) fn bandwidth(&self) -> Option<u64> {
        let met = self.met.iter().filter(|met| met.is_for(self.way));
        let rates = met.filter_map(|met| met.active.toxics.bandwidth);
        rates.map(|rate| rate.bytes().max(1)).min()
    }

    /// So many bytes waited for the bandwidth.
    pub(super) fn note_held(&self, bytes: u64) {
        for met in self.met.iter().filter(|met| met.is_for(self.way)) {
            if met.active.toxics.bandwidth.is_some() {
                add(&met.active.tally.bytes_held, bytes);
            }
        }
    }

    /// After how many more bytes the connection is cut, where so many have passed.
    pub(super) fn until_cut(&self, passed: u64) -> Option<u64> {
        self.cutting(passed).map(|(left, _)| left)
    }

    /// Counts the cut, and says how it is done.
    pub(super) fn cut(&self, passed: u64) -> Cut {
        match self.cutting(passed) {
            Some((_, met)) => {
                add(&met.active.tally.cut, 1);
                met.active.toxics.cut
            }
            None => Cut::Reset,
        }
    }

    fn cutting(&self, passed: u64) -> Option<(u64, &Met)> {
        if self.way == Way::To {
            return None;
        }
        let left = |met: &Met| {
            let after = met.active.toxics.cut_after?;
            Some((met.begun_at + after.bytes()).saturating_sub(passed))
        };
        let cutting = self.met.iter().filter_map(|met| Some((left(met)?, met)));
        cutting.min_by_key(|(left, _)| *left)
    }
}
