//! What ends a run early: Ctrl-C and SIGTERM, where the first asks the run to end and the second ends it at once;
//! or, in somebody else's program, whose signals are not ours, whoever started it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::supervise::tag::RunTag;

/// Tells whether the run must end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: watch::Receiver<bool>,
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

    /// Listens, on a thread of its own so that nothing can keep a signal waiting. At the second signal
    /// every process of the run is killed and `end_at_once` is called.
    ///
    /// # Errors
    /// When the thread or its handlers cannot be set up.
    pub fn listen(tag: RunTag, end_at_once: impl FnOnce() + Send + 'static) -> io::Result<Self> {
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
                            tag.kill_all();
                            end_at_once();
                            return;
                        }
                        raise.send_replace(true);
                    }
                });
            })?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(Self { raised }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the signal thread ended")),
        }
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
