//! Threads beside a trial, which look at something all through its load.

use std::thread::JoinHandle;

use super::EngineError;

/// A thread that goes on until this is dropped: it ends when the other end of `S` is gone.
#[derive(Debug)]
pub(super) struct Watch<S> {
    running: Option<(S, JoinHandle<()>)>,
}

impl<S> Watch<S> {
    /// Nothing is to be looked at.
    pub(super) const NONE: Self = Self { running: None };

    /// Begins to look.
    pub(super) fn begin(
        name: &str,
        stop: S,
        look: impl FnOnce() + Send + 'static,
    ) -> Result<Self, EngineError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(look).map_err(EngineError::Setup)?;
        Ok(Self {
            running: Some((stop, thread)),
        })
    }
}

impl<S> Drop for Watch<S> {
    /// What it records belongs before the trial's end in the journal.
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}
