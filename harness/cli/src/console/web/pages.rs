//! The pages that are open in browsers, so that the program does not end before they have the report.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many pages still wait for the report.
#[derive(Debug, Default)]
pub(super) struct Pages {
    waiting: Mutex<usize>,
    news: Condvar,
}

impl Pages {
    /// A page is open.
    pub(super) fn seat(self: &Arc<Self>) -> Seat {
        *self.held() += 1;
        Seat {
            pages: Arc::clone(self),
            is_told: false,
        }
    }

    /// A page has the report.
    pub(super) fn serve(&self) {
        self.leave();
    }

    /// Waits until no page waits any more, but no longer than this: its browser may be asleep.
    pub(super) fn wait_until_served(&self, longest: Duration) {
        let waiting = self.held();
        // Whether it was too long does not matter.
        let _ = self
            .news
            .wait_timeout_while(waiting, longest, |waiting| *waiting > 0);
    }

    fn leave(&self) {
        let mut waiting = self.held();
        *waiting = waiting.saturating_sub(1);
        self.news.notify_all();
    }

    fn held(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that listens to the events of the run.
#[derive(Debug)]
pub(super) struct Seat {
    pages: Arc<Pages>,
    is_told: bool,
}

impl Seat {
    /// It was told that the report is there, and comes for it.
    pub(super) fn send_for_report(&mut self) {
        self.is_told = true;
    }

    pub(super) const fn is_told(&self) -> bool {
        self.is_told
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Who was told leaves with the report.
        if !self.is_told {
            self.pages.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_of_the_report_is_waited_for_until_it_has_it() {
        let pages = Arc::new(Pages::default());
        let (mut stays, leaves) = (pages.seat(), pages.seat());
        drop(leaves);
        stays.send_for_report();
        drop(stays);
        assert_eq!(*pages.held(), 1);
        pages.serve();
        pages.wait_until_served(Duration::MAX);
        // One who opens the report twice is no other page.
        pages.serve();
        assert_eq!(*pages.held(), 0);
    }
}
