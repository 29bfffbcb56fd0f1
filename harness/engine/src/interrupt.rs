//! What ends a run early: Ctrl-C and SIGTERM, where the first asks the run to end and the second ends it at once;
//! or, in somebody else's program, whose signals are not ours, whoever started it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::supervise::tag::RunTag;

/// Tells whether the run must end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: watch::Receiver<bool>,
}

/// Who listens for the signals of this program.
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

struct Listener {
    raised: watch::Receiver<bool>,
    /// Whose processes the second signal kills.
    latest: Arc<Mutex<RunTag>>,
}

/// Nothing is left half done under these locks.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks a run to end when it is dropped.
#[derive(Debug)]
pub struct InterruptGuard {
    raise: watch::Sender<bool>,
}

impl Drop for InterruptGuard {
    fn drop(&mut self) {
        self.raise.send_replace(true);
    }
}

impl Interrupt {
    /// One that is raised by dropping its other end.
    pub fn by_hand() -> (InterruptGuard, Self) {
        let (raise, raised) = watch::channel(false);
        (InterruptGuard { raise }, Self { raised })
    }

    /// Listens, on a thread of its own so that nothing can keep a signal waiting. At the second signal every process of the
    /// latest run is killed, and `end_at_once` of the first call is called.
    ///
    /// A program listens once, from its first run on: a signal between two of its runs ends the second.
    ///
    /// # Errors
    /// When the thread or its handlers cannot be set up.
    pub fn listen(tag: RunTag, end_at_once: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let mut listener = held(&LISTENER);
        let raised = match &*listener {
            Some(known) => {
                *held(&known.latest) = tag;
                known.raised.clone()
            }
            None => {
                let latest = Arc::new(Mutex::new(tag));
                let raised = begin_to_listen(Arc::clone(&latest), end_at_once)?;
                let known = listener.insert(Listener { raised, latest });
                known.raised.clone()
            }
        };
        Ok(Self { raised })
    }

    /// Whether the run must end.
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Returns when the run must end.
    pub async fn raised(&mut self) {
        // The sender lives in a thread that ends only with the process, or raises when it goes.
        let _ = self.raised.wait_for(|raised| *raised).await;
    }
}

/// Begins to listen; what the result says becomes true at the first signal.
fn begin_to_listen(
    latest: Arc<Mutex<RunTag>>,
    end_at_once: impl FnOnce() + Send + 'static,
) -> io::Result<watch::Receiver<bool>> {
    let (raise, raised) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let signals = [
                    SignalKind::interrupt(),
                    SignalKind::terminate(),
                    SignalKind::hangup(),
                ];
                let [mut int, mut term, mut hup] = match signals.map(signal) {
                    [Ok(int), Ok(term), Ok(hup)] => {
                        let _ = ready.send(Ok(()));
                        [int, term, hup]
                    }
                    [int, term, hup] => {
                        let failed = [int, term, hup].into_iter().find_map(Result::err);
                        let _ = ready.send(failed.map_or(Ok(()), Err));
                        return;
                    }
                };
                for last in [false, true] {
                    tokio::select! {
                        _ = int.recv() => {}
                        _ = term.recv() => {}
                        _ = hup.recv() => {}
                    }
                    if last {
                        held(&latest).kill_all();
                        end_at_once();
                        return;
                    }
                    raise.send_replace(true);
                }
            });
        })?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(raised),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the signal thread ended")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_signal_between_two_runs_of_a_program_ends_the_second() {
        let listen = || Interrupt::listen(RunTag::new().unwrap(), || {});
        let mut first = listen().unwrap();
        assert!(!first.is_raised());
        kill_process(getpid(), Signal::INT).unwrap();
        first.raised().await;
        assert!(listen().unwrap().is_raised());
    }
}
