//! How a client's task waits: for jobs, and for its socket until a deadline.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use comeback_model::operation::Step;
use comeback_model::units::Elapsed;

/// Something a client must do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// An operation of the load.
    Operate {
        step: Step,
        intended: Elapsed,
        dispatched: Elapsed,
    },
    /// Begin a session, unless there is one.
    LogIn,
    /// Read every session that this client ever had once. No read begins after this time.
    Look { round: u32, until: Elapsed },
    /// Go on with the session of the trial before, if it is whole. No read begins after this time.
    Resume { until: Elapsed },
    /// In a new trial: be nobody, until it logs in again.
    Leave,
}

/// How a client's task waits: for jobs, and for its socket until a deadline.
#[derive(Debug, Default)]
pub(super) struct Waits {
    jobs: RefCell<VecDeque<Job>>,
    waker: RefCell<Option<Waker>>,
    deadline: Cell<Option<Elapsed>>,
    expired: Cell<bool>,
    /// The last byte of the request has left.
    left: Cell<bool>,
    /// It does a job.
    busy: Cell<bool>,
}

impl Waits {
    /// Hands the client a job.
    pub(super) fn push(&self, job: Job) {
        self.jobs.borrow_mut().push_back(job);
        self.wake();
    }

    /// Whether the client has nothing to do.
    pub(super) fn are_idle(&self) -> bool {
        !self.busy.get() && self.jobs.borrow().is_empty()
    }

    /// The client has done its job.
    pub(super) fn rest(&self) {
        self.busy.set(false);
    }

    /// Ends the client's wait when its deadline has passed; called every few milliseconds.
    pub(super) fn sweep(&self, now: Elapsed) {
        if self.deadline.get().is_some_and(|deadline| deadline <= now) {
            self.deadline.set(None);
            self.expired.set(true);
            self.wake();
        }
    }

    /// Whether the deadline has passed.
    pub(super) fn has_expired(&self) -> bool {
        self.expired.get()
    }

    /// The wait that begins now ends at `deadline`.
    pub(super) fn start(&self, deadline: Elapsed) {
        self.expired.set(false);
        self.left.set(false);
        self.deadline.set(Some(deadline));
    }

    /// The last byte of the request has left.
    pub(super) fn note_left(&self) {
        self.left.set(true);
    }

    /// Whether it has.
    pub(super) fn has_left(&self) -> bool {
        self.left.get()
    }

    pub(super) fn finish(&self) {
        self.deadline.set(None);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(super) async fn next_job(&self) -> Job {
        std::future::poll_fn(|cx| {
            let mut waker = self.waker.borrow_mut();
            if waker
                .as_ref()
                .is_none_or(|waker| !waker.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
            match self.jobs.borrow_mut().pop_front() {
                Some(job) => {
                    self.busy.set(true);
                    Poll::Ready(job)
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Polls until ready, or until the deadline has passed.
    pub(super) async fn unless_expired<T>(
        &self,
        mut poll: impl FnMut(&mut Context) -> Poll<T>,
    ) -> Result<T, Expired> {
        std::future::poll_fn(|cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.has_expired() => Poll::Ready(Err(Expired)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// The deadline passed.
#[derive(Debug)]
pub(super) struct Expired;
