//! `journal`: sessions in memory, and every change in an append-only log that is synced before the acknowledgement.
//!
//! Changes that arrive while a sync runs share the next one. Reads see only what is durable. After a failed write or
//! sync nobody knows what the disk holds, so no change is acknowledged any more until a restart has read the log.

mod frame;
mod log;
mod state;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::folder::Folder;
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::writer::{Change, Ledger, Outcome, Writer, lock};

use frame::Entry;
use log::Log;
use state::State;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let store = Journal::open(launch.data())?;
    launch.serve(App::over(store))
}

/// The store; `zombie` uses it, too.
pub(crate) struct Journal {
    writer: Writer,
    /// The durable state. Only the writing thread changes it.
    state: Arc<Mutex<State>>,
}

impl Journal {
    /// Replays the log, and repairs a torn tail.
    pub(crate) fn open(data: &Path) -> Result<Self, ServeError> {
        let (log, state) = Log::open(Folder::open_locked(data)?)?;
        let state = Arc::new(Mutex::new(state));
        let books = Books {
            log,
            state: Arc::clone(&state),
            failure: None,
        };
        Ok(Self {
            writer: Writer::start(books)?,
            state,
        })
    }
}

impl Store for Journal {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId::random()?;
        let session = self.writer.apply(Change::Login(id, user)).await?;
        session
            .map(|session| (id, session))
            .ok_or_else(|| StoreError::new("the new session is not there"))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        self.writer.apply(Change::Visit(id, key)).await
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(lock(&self.state).get(id).cloned())
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.writer.apply(Change::Logout(id)).await
    }

    fn close(&self) -> Result<(), ServeError> {
        self.writer.close()
    }
}

struct Books {
    log: Log,
    state: Arc<Mutex<State>>,
    /// Set once, never cleared.
    failure: Option<StoreError>,
}

impl Ledger for Books {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let (entries, outcomes) = plan(&lock(&self.state), changes);
        if entries.is_empty() {
            return Ok(outcomes);
        }
        if let Err(error) = self.log.append(&entries) {
            let failure = StoreError::because(
                "the log could not be written; no change is stored any more",
            )(error);
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        let mut state = lock(&self.state);
        entries.into_iter().for_each(|entry| state.apply(entry));
        if self.log.is_mostly_history(&state) {
            // This batch is durable already; what fails here concerns the ones to come.
            let copy = state.clone();
            drop(state);
            self.failure = self
                .log
                .compact(&copy)
                .err()
                .map(StoreError::because("the log could not be compacted"));
        }
        Ok(outcomes)
    }
}

/// The result of the changes: the entries to write, and the answer to each change.
fn plan(state: &State, changes: &[Change]) -> (Vec<Entry>, Vec<Outcome>) {
    let mut entries = Vec::with_capacity(changes.len());
    // The sessions as earlier changes of the same batch left them.
    let mut changed: HashMap<SessionId, Outcome> = HashMap::new();
    // The keys that they brought.
    let mut keys: HashSet<(SessionId, &Key)> = HashSet::new();
    let outcomes = changes
        .iter()
        .map(|change| match change {
            Change::Login(id, user) => {
                let session = Session::new(user.clone());
                entries.push(Entry::Put {
                    id: *id,
                    session: session.clone(),
                });
                changed.insert(*id, Some(session.clone()));
                Some(session)
            }
            Change::Visit(id, key) => {
                let mut session = changed
                    .get(id)
                    .cloned()
                    .unwrap_or_else(|| state.get(*id).cloned())?;
                let is_counted = |key| state.knows(*id, key) || !keys.insert((*id, key));
                if key.as_ref().is_some_and(is_counted) {
                    return Some(session);
                }
                session.visits += 1;
                entries.push(count(*id, session.visits, key.clone()));
                changed.insert(*id, Some(session.clone()));
                Some(session)
            }
            Change::Logout(id) => {
                let session = changed
                    .get(id)
                    .cloned()
                    .unwrap_or_else(|| state.get(*id).cloned())?;
                entries.push(Entry::End { id: *id });
                changed.insert(*id, None);
                Some(session)
            }
        })
        .collect();
    (entries, outcomes)
}

fn count(id: SessionId, visits: u64, key: Option<Key>) -> Entry {
    match key {
        Some(key) => Entry::Once { id, visits, key },
        None => Entry::Count { id, visits },
    }
}

#[cfg(test)]
mod tests;
