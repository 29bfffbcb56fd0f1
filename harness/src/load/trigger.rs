//! Where in the load a fault is sent: a client that sends a write, or reads its acknowledgement, sets off what the engine
//! has armed. On the client's own thread, so that microseconds lie between.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_core::event::Mark;
use comeback_core::units::{Elapsed, Span};

/// The time that a write takes is the median of so many.
const RECENT: usize = 255;

/// What happens at the mark; it gets the moment at which that was passed.
pub type Blow = Box<dyn FnOnce(Elapsed) + Send>;

/// Shared by the engine and all clients of a trial.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The mark that is waited for, as a number; 0 when none is.
    armed: AtomicU8,
    blow: Mutex<Option<Blow>>,
    services: Mutex<VecDeque<Span>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger")
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}

/// Disarms when it is dropped: a trial that ends early strikes nobody.
#[derive(Debug)]
#[must_use]
pub struct Armed<'a>(&'a Trigger);

impl Armed<'_> {
    /// Takes back what did not happen yet.
    pub fn disarm(&self) -> Option<Blow> {
        self.0.0.armed.store(0, Ordering::Release);
        lock(&self.0.0.blow).take()
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        drop(self.disarm());
    }
}

impl Trigger {
    /// The next client that passes the mark sets this off.
    pub fn arm(&self, mark: Mark, blow: Blow) -> Armed<'_> {
        *lock(&self.0.blow) = Some(blow);
        self.0.armed.store(number(mark), Ordering::Release);
        Armed(self)
    }

    /// How long an acknowledged write took of late, if there was one.
    pub fn usual_service(&self) -> Option<Span> {
        let mut services: Vec<Span> = lock(&self.0.services).iter().copied().collect();
        services.sort_unstable();
        services.get(services.len() / 2).copied()
    }

    /// A client passes a mark at this moment.
    pub(super) fn pass(&self, mark: Mark, at: Elapsed) {
        if self.0.armed.load(Ordering::Acquire) != number(mark) {
            return;
        }
        let blow = lock(&self.0.blow).take();
        if let Some(blow) = blow {
            self.0.armed.store(0, Ordering::Release);
            blow(at);
        }
    }

    /// A client's write was acknowledged after so long.
    pub(super) fn note_service(&self, service: Span) {
        let mut services = lock(&self.0.services);
        if services.len() == RECENT {
            services.pop_front();
        }
        services.push_back(service);
    }
}

const fn number(mark: Mark) -> u8 {
    match mark {
        Mark::Request => 1,
        Mark::Reply => 2,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn only_the_first_that_passes_the_armed_mark_sets_it_off() {
        let trigger = Trigger::default();
        let (tell, told) = channel();
        let at = Elapsed::from_us;
        trigger.pass(Mark::Reply, at(1));
        let armed = trigger.arm(
            Mark::Reply,
            Box::new(move |at| tell.send(at).expect("it is heard")),
        );
        trigger.pass(Mark::Request, at(2));
        trigger.pass(Mark::Reply, at(3));
        trigger.pass(Mark::Reply, at(4));
        assert_eq!(told.iter().collect::<Vec<_>>(), [at(3)]);
        assert!(armed.disarm().is_none());
    }

    #[test]
    fn what_is_disarmed_does_not_happen() {
        let trigger = Trigger::default();
        drop(trigger.arm(Mark::Request, Box::new(|_| panic!("it was disarmed"))));
        trigger.pass(Mark::Request, Elapsed::from_us(1));
    }

    #[test]
    fn the_usual_service_is_the_median() {
        let trigger = Trigger::default();
        assert_eq!(trigger.usual_service(), None);
        for us in [900, 100, 300] {
            trigger.note_service(Span::from_us(us));
        }
        assert_eq!(trigger.usual_service(), Some(Span::from_us(300)));
    }
}
