//! The active toxics, and the counts since each began.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::schedule::Draws;
use comeback_model::toxics::{Answer, Counts, Order, Toxics};
use tokio::sync::watch;

/// Spreads the numbers of connections over the seeds.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The counters of one name.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) met: AtomicU64,
    pub(super) bytes_delayed: AtomicU64,
    pub(super) bytes_held: AtomicU64,
    pub(super) closes_delayed: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Tally {
    fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            met: of(&self.met),
            bytes_delayed: of(&self.bytes_delayed),
            bytes_held: of(&self.bytes_held),
            closes_delayed: of(&self.closes_delayed),
            cut: of(&self.cut),
            refused: of(&self.refused),
            failed: of(&self.failed),
        }
    }
}

/// Adds to a counter.
pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Toxics that hold.
#[derive(Debug)]
pub(super) struct Active {
    name: String,
    seed: u64,
    pub(super) toxics: Toxics,
    pub(super) tally: Arc<Tally>,
    /// How many new connections are still to fail.
    to_fail: AtomicU32,
}

impl Active {
    /// Whether they meet the connection of this number.
    pub(super) fn meets(&self, connection: u64) -> bool {
        self.draws(connection, 0).below(100) < u64::from(self.toxics.percent)
    }

    /// The draws for a connection: the same for the same seed and purpose.
    pub(super) fn draws(&self, connection: u64, purpose: u64) -> Draws {
        Draws::new(self.seed ^ (connection * 4 + purpose + 1).wrapping_mul(SPREAD))
    }

    /// Whether a new connection is reset.
    pub(super) fn refuses(&self, connection: u64) -> bool {
        if !self.meets(connection) {
            return false;
        }
        let one_less = |left: u32| left.checked_sub(1);
        let (order, again) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.to_fail.fetch_update(order, again, one_less).is_ok() {
            add(&self.tally.failed, 1);
        } else if self.toxics.refuse {
            add(&self.tally.refused, 1);
        } else {
            return false;
        }
        add(&self.tally.met, 1);
        true
    }
}

/// All that hold.
pub(super) type Held = Arc<Vec<Arc<Active>>>;

/// The board: orders write it, connections read it.
#[derive(Debug, Default)]
pub(super) struct Board {
    held: watch::Sender<Held>,
    tallies: Mutex<BTreeMap<String, Arc<Tally>>>,
}

impl Board {
    /// The active toxics, and notice of changes.
    pub(super) fn watch(&self) -> watch::Receiver<Held> {
        self.held.subscribe()
    }

    /// Carries out an order.
    pub(super) fn obey(&self, order: Order) -> Answer {
        let name = match order {
            Order::On { name, seed, toxics } => {
                self.hold(&name, seed, toxics);
                name
            }
            Order::Off { name } => {
                self.replace(&name, None);
                name
            }
            Order::Count { name } => name,
        };
        let holds = self.held.borrow();
        let mut holds = holds.iter();
        Answer::State {
            toxics: holds.find(|one| one.name == name).map(|one| one.toxics),
            counts: self.tally(&name).counts(),
        }
    }

    fn hold(&self, name: &str, seed: u64, toxics: Toxics) {
        let is_it =
            |one: &Arc<Active>| one.name == name && (one.seed, one.toxics) == (seed, toxics);
        // Open connections go on as they were met.
        if self.held.borrow().iter().any(is_it) {
            return;
        }
        let active = Active {
            name: name.to_owned(),
            seed,
            toxics,
            tally: self.tally(name),
            to_fail: AtomicU32::new(toxics.fail_first),
        };
        self.replace(name, Some(active));
    }

    fn replace(&self, name: &str, by: Option<Active>) {
        self.held.send_modify(|held| {
            let others = held.iter().filter(|one| one.name != name).cloned();
            *held = Arc::new(others.chain(by.map(Arc::new)).collect());
        });
    }

    fn tally(&self, name: &str) -> Arc<Tally> {
        Arc::clone(self.tallies().entry(name.to_owned()).or_default())
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
