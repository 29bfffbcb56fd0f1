//! Group commit: one thread takes the changes that queued up while the last commit ran, and commits them together.
//!
//! A change is acknowledged after the commit that holds it, never before. A [`Ledger`] says what a commit is.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::{ServeError, StoreError};
use crate::session::{Key, Session, SessionId, User};

/// Changes that share one commit at most: bounds a record's size and what a single failure takes with it.
pub(crate) const BATCH_MAX: usize = 1024;

/// One acknowledged write.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Login(SessionId, User),
    Visit(SessionId, Option<Key>),
    Logout(SessionId),
}

/// The session after the change; none if there is no such session.
pub(crate) type Outcome = Option<Session>;

/// Durable storage that takes changes in batches.
pub(crate) trait Ledger: Send + 'static {
    /// Applies the changes in order and makes them durable; all of them or none. One outcome for each change.
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, StoreError>;
}

enum Message {
    Apply(Change, oneshot::Sender<Result<Outcome, StoreError>>),
    Stop,
}

/// The handle to the writing thread.
pub(crate) struct Writer {
    queue: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(ledger: impl Ledger) -> Result<Self, ServeError> {
        let (queue, arriving) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write(ledger, &arriving))
            .map_err(ServeError::system("start the writing thread"))?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues the change and waits until it is durable.
    pub(crate) async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        const ENDED: &str = "the writing thread has ended";
        let (reply, committed) = oneshot::channel();
        self.queue
            .send(Message::Apply(change, reply))
            .map_err(|_| StoreError::new(ENDED))?;
        committed.await.map_err(|_| StoreError::new(ENDED))?
    }

    /// Ends the thread after what is queued.
    pub(crate) fn close(&self) -> Result<(), ServeError> {
        // An error means that the thread is gone, which the join below reports better.
        let _ = self.queue.send(Message::Stop);
        match lock(&self.thread).take().map(JoinHandle::join) {
            Some(Err(_)) => Err(ServeError::Store(StoreError::new(
                "the writing thread panicked",
            ))),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

fn write(mut ledger: impl Ledger, arriving: &Receiver<Message>) {
    let mut changes = Vec::new();
    let mut replies = Vec::new();
    let mut stopping = false;
    while !stopping {
        let Ok(first) = arriving.recv() else { return };
        for message in std::iter::once(first).chain(arriving.try_iter()) {
            match message {
                Message::Apply(change, reply) => {
                    changes.push(change);
                    replies.push(reply);
                }
                Message::Stop => stopping = true,
            }
            if stopping || changes.len() == BATCH_MAX {
                break;
            }
        }
        if !changes.is_empty() {
            answer(ledger.commit(&changes), replies.drain(..));
        }
        changes.clear();
    }
}

fn answer(
    result: Result<Vec<Outcome>, StoreError>,
    replies: impl Iterator<Item = oneshot::Sender<Result<Outcome, StoreError>>>,
) {
    // A send fails where the client is gone, which changes nothing.
    match result {
        Ok(outcomes) => replies
            .zip(outcomes)
            .for_each(|(reply, outcome)| drop(reply.send(Ok(outcome)))),
        Err(error) => replies.for_each(|reply| drop(reply.send(Err(error.clone())))),
    }
}

/// Locks a mutex whose data no panic can leave half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
