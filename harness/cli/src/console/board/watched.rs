//! A board that several look at: the view on the terminal, the page in a browser and whoever asks for metrics. Only the thread that
//! writes the journal changes it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use comeback_model::event::Event;
use comeback_model::operation::Operation;
use comeback_model::units::{Elapsed, Span};

use super::Board;

/// A board, and the run's clock as its records tell it.
#[derive(Debug)]
pub(in crate::console) struct Watched(Mutex<Timed>);

#[derive(Debug)]
struct Timed {
    board: Board,
    /// When the run began, by the clock of this process: no later than any record came.
    origin: Instant,
}

impl Watched {
    pub(in crate::console) fn new(board: Board) -> Self {
        let origin = Instant::now();
        Self(Mutex::new(Timed { board, origin }))
    }

    /// Notes an event, for which there may be a line of words.
    pub(in crate::console) fn note(&self, event: &Event, words: Option<&str>) {
        let mut timed = self.held();
        timed.note_time(event.at);
        timed.board.note(event, words);
    }

    /// The words for the present trial.
    pub(in crate::console) fn call_trial(&self, words: &str) {
        self.held().board.call_trial(words);
    }

    /// Notes finished operations.
    pub(in crate::console) fn note_operations(&self, operations: &[Operation]) {
        let mut timed = self.held();
        if let Some(last) = operations.iter().map(|operation| operation.finished).max() {
            timed.note_time(last);
        }
        timed.board.note_operations(operations);
    }

    /// What there is to see at this moment.
    pub(in crate::console) fn look<T>(&self, see: impl FnOnce(&Board, Elapsed) -> T) -> T {
        let timed = self.held();
        see(&timed.board, timed.now())
    }

    /// Nothing is left half done under this lock.
    fn held(&self) -> MutexGuard<'_, Timed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timed {
    fn note_time(&mut self, at: Elapsed) {
        let begun = Instant::now().checked_sub(Span::from_us(at.as_us()).into());
        if let Some(begun) = begun {
            self.origin = self.origin.min(begun);
        }
    }

    fn now(&self) -> Elapsed {
        Elapsed::from_us(self.origin.elapsed().as_micros() as u64)
    }
}
