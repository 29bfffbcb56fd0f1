//! Events of the load that are counted: a client that comes to the wanted one sets off what is to happen then, on its own thread.
//!
//! Unlike a moment of [`super::trigger`], which is the next one that suits, each event counts, and several may be waited for at once.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::event::{Mark, MetWrite};
use comeback_model::ids::ClientId;
use comeback_model::units::Elapsed;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A client is awake for a reply when so many acknowledgements are left, or as many as writes are under way, if those are more: any
/// of them may be the wanted one.
const NEAR: u32 = 4;
/// None is waited for.
const NONE: u32 = u32::MAX;

/// A client passed the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When it did.
    pub at: Elapsed,
    /// When a reply had surely not come yet, where that is known.
    pub quiet: Option<Elapsed>,
}

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

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Which events are counted.
    pub mark: Mark,
    /// The how many-th of them sets it off.
    pub nth: u32,
    /// After which share of the time that writes usually take a write that was sent sets it off, from 0 to 1.
    pub share: f64,
}

/// A write that was sent, and sets something off if it is not answered by its moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    id: u64,
    number: u32,
    /// Its moment, as a share of the time that writes usually take.
    pub(super) share: f64,
}

/// The counted events of a trial's load.
#[derive(Default)]
pub(super) struct Counting {
    /// How many events at least are left, of each mark, until something happens.
    left: Left,
    acknowledged: AtomicU64,
    /// Writes that were sent while acknowledgements are counted, and are not answered.
    under_way: AtomicU32,
    /// Wakes writes under way: from now on any of them may be the wanted one.
    near: Notify,
    waiting: Mutex<Waiting>,
}

/// A write is under way until this is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct UnderWay<'a>(&'a AtomicU32);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
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
    wanted: Wanted,
    so_far: u32,
    happens: OnCounted,
}

impl Counted {
    const fn has_come(&self) -> bool {
        self.so_far >= self.wanted.nth
    }
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
    /// From now on events are counted; the wanted one sets it off.
    pub(super) fn wait_for(self: &Arc<Self>, wanted: Wanted, happens: OnCounted) -> Awaiting {
        let mut waiting = self.lock();
        let id = waiting.next;
        waiting.next += 1;
        let nth = wanted.nth.max(1);
        waiting.all.push(Counted {
            id,
            wanted: Wanted { nth, ..wanted },
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

    /// A write is sent, whose acknowledgement is counted.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.tell_if_near();
        UnderWay(&self.under_way)
    }

    /// Done when a write that waits may have become the wanted one. It is to be polled before that is asked.
    pub(super) fn nearer(&self) -> Notified<'_> {
        self.near.notified()
    }

    fn tell_if_near(&self) {
        if self.is_near() {
            self.near.notify_waiters();
        }
    }

    /// Whether the next acknowledgement, or one of the next few, sets something off.
    pub(super) fn is_near(&self) -> bool {
        let under_way = self.under_way.load(Ordering::Acquire);
        self.counts(Mark::Reply) && self.left(Mark::Reply) <= under_way.max(NEAR)
    }

    /// The last byte of a write's request has left, and its reply has not come. From the wanted one on each may set something off: the
    /// first that is not answered by its moment does.
    pub(super) fn note_sent(&self) -> Option<Candidate> {
        if !self.counts(Mark::Request) {
            return None;
        }
        let mut waiting = self.lock();
        let mut candidates = Vec::new();
        for one in marked(&mut waiting, Mark::Request) {
            one.so_far += 1;
            if one.has_come() {
                candidates.push(Candidate {
                    id: one.id,
                    number: one.so_far,
                    share: one.wanted.share,
                });
            }
        }
        self.note_left(&waiting);
        candidates
            .into_iter()
            .min_by(|one, other| one.share.total_cmp(&other.share))
    }

    /// The moment of a write has come that is not answered.
    pub(super) fn note_unanswered(&self, candidate: Candidate, passed: Passed, write: OneWrite) {
        let mut waiting = self.lock();
        let place = waiting.all.iter().position(|one| one.id == candidate.id);
        if let Some(place) = place {
            let one = waiting.all.remove(place);
            (one.happens)(passed, self.met(candidate.number, write));
        }
        self.note_left(&waiting);
    }

    /// A write was answered before its moment: that of the next comes after half the time.
    pub(super) fn come_sooner(&self, candidate: Candidate) {
        let mut waiting = self.lock();
        let mut all = waiting.all.iter_mut();
        if let Some(one) = all.find(|one| one.id == candidate.id) {
            one.wanted.share /= 2.0;
        }
    }

    /// The acknowledgement of a write was read.
    pub(super) fn note_acknowledged(&self, passed: Passed, write: OneWrite) {
        if self.counts(Mark::Reply) {
            self.set_off_by_reply(passed, write);
        }
        self.acknowledged.fetch_add(1, Ordering::AcqRel);
    }

    /// Other clients wait meanwhile: what happens is short, and their events come after it.
    fn set_off_by_reply(&self, passed: Passed, write: OneWrite) {
        let mut waiting = self.lock();
        for one in marked(&mut waiting, Mark::Reply) {
            one.so_far += 1;
        }
        let has_come = |one: &mut Counted| one.wanted.mark == Mark::Reply && one.has_come();
        let met: Vec<Counted> = waiting.all.extract_if(.., has_come).collect();
        for one in met {
            (one.happens)(passed, self.met(one.so_far, write));
        }
        self.note_left(&waiting);
    }

    fn met(&self, nth: u32, write: OneWrite) -> MetWrite {
        MetWrite {
            nth,
            client: write.client,
            generation: write.generation,
            write: write.write,
            sent_us: write.sent,
            acknowledged_before: self.acknowledged.load(Ordering::Acquire),
        }
    }

    fn left(&self, mark: Mark) -> u32 {
        self.left.0[place(mark)].load(Ordering::Acquire)
    }

    fn note_left(&self, waiting: &Waiting) {
        for mark in [Mark::Request, Mark::Reply] {
            let own = waiting.all.iter().filter(|one| one.wanted.mark == mark);
            let left = own
                .map(|one| one.wanted.nth.saturating_sub(one.so_far))
                .min();
            self.left.0[place(mark)].store(left.unwrap_or(NONE), Ordering::Release);
        }
        self.tell_if_near();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn marked(waiting: &mut Waiting, mark: Mark) -> impl Iterator<Item = &mut Counted> {
    let all = waiting.all.iter_mut();
    all.filter(move |one| one.wanted.mark == mark)
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

    fn wanted(mark: Mark, nth: u32) -> Wanted {
        let share = 0.5;
        Wanted { mark, nth, share }
    }

    #[test]
    fn from_the_wanted_write_on_the_first_that_is_not_answered_by_its_moment_sets_it_off() {
        let counting = Arc::new(Counting::default());
        let (happens, told) = told();
        let _awaiting = counting.wait_for(wanted(Mark::Request, 2), happens);
        assert_eq!(counting.note_sent(), None);
        let second = counting.note_sent().expect("it is the second");
        assert_eq!((second.number, second.share), (2, 0.5));
        counting.come_sooner(second);
        let third = counting.note_sent().expect("the second was answered");
        assert_eq!((third.number, third.share), (3, 0.25));
        assert!(told.try_recv().is_err());
        counting.note_unanswered(third, at(9), of(3));
        let (passed, met) = told.try_recv().expect("it came");
        assert_eq!((passed, met.nth, met.client), (at(9), 3, ClientId(3)));
        assert_eq!(counting.note_sent(), None);
        counting.note_unanswered(third, at(9), of(3));
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
        let _awaiting = counting.wait_for(wanted(Mark::Reply, 3), happens);
        assert_eq!(counting.note_sent(), None);
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
        let _first = counting.wait_for(wanted(Mark::Reply, 3), first);
        counting.note_acknowledged(at(1), of(1));
        let _second = counting.wait_for(wanted(Mark::Reply, 3), second);
        for client in 2..6 {
            counting.note_acknowledged(at(u64::from(client)), of(client));
        }
        assert_eq!(told_first.recv().expect("it came").1.client, ClientId(3));
        assert_eq!(told_second.recv().expect("it came").1.client, ClientId(4));
    }

    #[test]
    fn what_is_given_up_does_not_happen_and_tells_how_many_had_come() {
        let counting = Arc::new(Counting::default());
        let wanted = wanted(Mark::Reply, 2);
        let wait = || counting.wait_for(wanted, Box::new(|_, _| panic!("it was given up")));
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
        let _awaiting = counting.wait_for(wanted(Mark::Reply, NEAR + 2), happens);
        let near = (0..NEAR + 3).map(|_| {
            let is_near = counting.is_near();
            counting.note_acknowledged(at(1), of(1));
            is_near
        });
        let near: Vec<bool> = near.collect();
        assert_eq!(near, [false, false, true, true, true, true, false]);
    }

    #[test]
    fn clients_stay_awake_for_as_many_as_are_under_way() {
        let counting = Arc::new(Counting::default());
        let (happens, _told) = told();
        let _awaiting = counting.wait_for(wanted(Mark::Reply, NEAR + 2), happens);
        let mut writes: Vec<_> = (0..=NEAR).map(|_| counting.begin()).collect();
        assert!(!counting.is_near());
        writes.push(counting.begin());
        assert!(counting.is_near());
        drop(writes);
        assert!(!counting.is_near());
    }
}
