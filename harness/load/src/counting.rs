//! Events of the load that are counted: a client that comes to the wanted one sets off what is to happen then, on its own thread.
//!
//! Unlike a moment of [`super::trigger`], which is the next one that suits, each event counts, and several may be waited for at once.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::event::{Mark, MetWrite};
use comeback_model::ids::ClientId;
use comeback_model::units::Elapsed;

use super::trigger::Passed;

/// A client is awake for a reply when so many acknowledgements are left: those of as many may be on their way.
const NEAR: u32 = 4;
/// None is waited for.
const NONE: u32 = u32::MAX;

/// What happens at a counted event.
pub type OnCounted = Box<dyn FnOnce(Passed, MetWrite) + Send>;

/// A write of which something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneWrite {
    /// By whom.
    pub client: ClientId,
    /// In which session of the client.
    pub generation: u32,
    /// Which write of that session, where writes have numbers.
    pub write: Option<u32>,
    /// When its request was begun to be sent.
    pub sent: Elapsed,
}

/// The counted events of a trial's load.
#[derive(Default)]
pub(super) struct Counting {
    /// How many events at least are left, of each mark, until something happens.
    left: Left,
    acknowledged: AtomicU64,
    waiting: Mutex<Waiting>,
}

struct Left([AtomicU32; 2]);

impl Default for Left {
    fn default() -> Self {
        Self([AtomicU32::new(NONE), AtomicU32::new(NONE)])
    }
}

#[derive(Default)]
struct Waiting {
    next: u64,
    all: Vec<Counted>,
}

/// One that is waited for.
struct Counted {
    id: u64,
    mark: Mark,
    nth: u32,
    so_far: u32,
    happens: OnCounted,
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting")
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}

/// Nothing more happens when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Awaiting {
    counting: Arc<Counting>,
    id: u64,
}

impl Awaiting {
    /// Gives it up. How many had come, if the wanted one had not.
    pub fn give_up(&self) -> Option<u32> {
        let mut waiting = self.counting.lock();
        let place = waiting.all.iter().position(|one| one.id == self.id)?;
        let given_up = waiting.all.remove(place);
        self.counting.note_left(&waiting);
        Some(given_up.so_far)
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Counting {
    /// From now on events are counted; the `nth` sets it off.
    pub(super) fn wait_for(self: &Arc<Self>, mark: Mark, nth: u32, happens: OnCounted) -> Awaiting {
        let mut waiting = self.lock();
        let id = waiting.next;
        waiting.next += 1;
        waiting.all.push(Counted {
            id,
            mark,
            nth: nth.max(1),
            so_far: 0,
            happens,
        });
        self.note_left(&waiting);
        drop(waiting);
        Awaiting {
            counting: Arc::clone(self),
            id,
        }
    }

    /// Another trial begins with the same load.
    pub(super) fn forget(&self) {
        self.acknowledged.store(0, Ordering::Release);
    }

    /// Whether events of this mark are counted.
    pub(super) fn counts(&self, mark: Mark) -> bool {
        self.left(mark) < NONE
    }

    /// Whether the next acknowledgement, or one of the next few, sets something off.
    pub(super) fn is_near(&self) -> bool {
        self.left(Mark::Reply) <= NEAR
    }

    /// The last byte of a write's request has left, and its reply has not come.
    pub(super) fn note_sent(&self, passed: Passed, write: OneWrite) {
        if self.counts(Mark::Request) {
            self.note(Mark::Request, passed, write);
        }
    }

    /// The acknowledgement of a write was read.
    pub(super) fn note_acknowledged(&self, passed: Passed, write: OneWrite) {
        if self.counts(Mark::Reply) {
            self.note(Mark::Reply, passed, write);
        }
        self.acknowledged.fetch_add(1, Ordering::AcqRel);
    }

    /// Other clients wait meanwhile: what happens is short, and their events come after it.
    fn note(&self, mark: Mark, passed: Passed, write: OneWrite) {
        let mut waiting = self.lock();
        for one in waiting.all.iter_mut().filter(|one| one.mark == mark) {
            one.so_far += 1;
        }
        let has_come = |one: &mut Counted| one.so_far >= one.nth;
        let met: Vec<Counted> = waiting.all.extract_if(.., has_come).collect();
        for one in met {
            let met = MetWrite {
                nth: one.nth,
                client: write.client,
                generation: write.generation,
                write: write.write,
                sent_us: write.sent,
                acknowledged_before: self.acknowledged.load(Ordering::Acquire),
            };
            (one.happens)(passed, met);
        }
        self.note_left(&waiting);
    }

    fn left(&self, mark: Mark) -> u32 {
        self.left.0[place(mark)].load(Ordering::Acquire)
    }

    fn note_left(&self, waiting: &Waiting) {
        for mark in [Mark::Request, Mark::Reply] {
            let own = waiting.all.iter().filter(|one| one.mark == mark);
            let left = own.map(|one| one.nth - one.so_far).min();
            self.left.0[place(mark)].store(left.unwrap_or(NONE), Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn place(mark: Mark) -> usize {
    match mark {
        Mark::Request => 0,
        Mark::Reply => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn at(us: u64) -> Passed {
        Passed {
            at: Elapsed::from_us(us),
            quiet: None,
        }
    }

    fn of(client: u32) -> OneWrite {
        OneWrite {
            client: ClientId(client),
            generation: 2,
            write: Some(7),
            sent: Elapsed::from_us(1),
        }
    }

    fn told() -> (OnCounted, Receiver<(Passed, MetWrite)>) {
        let (tell, told) = channel();
        let happens = Box::new(move |passed, met| tell.send((passed, met)).expect("it is heard"));
        (happens, told)
    }

    #[test]
    fn the_wanted_acknowledgement_sets_it_off_once_and_names_its_write() {
        let counting = Arc::new(Counting::default());
        // Before it is counted.
        counting.note_acknowledged(at(1), of(1));
        let (happens, told) = told();
        let _awaiting = counting.wait_for(Mark::Reply, 3, happens);
        counting.note_sent(at(2), of(2));
        for client in 3..9 {
            counting.note_acknowledged(at(u64::from(client)), of(client));
        }
        let met = MetWrite {
            nth: 3,
            client: ClientId(5),
            generation: 2,
            write: Some(7),
            sent_us: Elapsed::from_us(1),
            acknowledged_before: 3,
        };
        assert_eq!(told.iter().collect::<Vec<_>>(), [(at(5), met)]);
        assert!(!counting.counts(Mark::Reply));
    }

    #[test]
    fn each_that_waits_counts_from_when_it_began_to() {
        let counting = Arc::new(Counting::default());
        let (first, told_first) = told();
        let (second, told_second) = told();
        let _first = counting.wait_for(Mark::Request, 3, first);
        counting.note_sent(at(1), of(1));
        let _second = counting.wait_for(Mark::Request, 3, second);
        for client in 2..6 {
            counting.note_sent(at(u64::from(client)), of(client));
        }
        assert_eq!(told_first.recv().expect("it came").1.client, ClientId(3));
        assert_eq!(told_second.recv().expect("it came").1.client, ClientId(4));
    }

    #[test]
    fn what_is_given_up_does_not_happen_and_tells_how_many_had_come() {
        let counting = Arc::new(Counting::default());
        let wait = || counting.wait_for(Mark::Reply, 2, Box::new(|_, _| panic!("it was given up")));
        let given_up = wait();
        counting.note_acknowledged(at(1), of(1));
        assert_eq!(given_up.give_up(), Some(1));
        assert_eq!(given_up.give_up(), None);
        drop(wait());
        counting.note_acknowledged(at(2), of(1));
        counting.note_acknowledged(at(3), of(1));
    }

    #[test]
    fn clients_stay_awake_only_for_the_last_few() {
        let counting = Arc::new(Counting::default());
        assert!(!counting.is_near());
        let (happens, _told) = told();
        let _awaiting = counting.wait_for(Mark::Reply, NEAR + 2, happens);
        let near = (0..NEAR + 3).map(|_| {
            let is_near = counting.is_near();
            counting.note_acknowledged(at(1), of(1));
            is_near
        });
        let near: Vec<bool> = near.collect();
        assert_eq!(near, [false, false, true, true, true, true, false]);
    }
}
