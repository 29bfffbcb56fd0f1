//! `memory`: sessions in a hash map, gone with the process.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Kept, Key, Session, SessionId, User};
use crate::writer::lock;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve(App::over(Memory::default()))
}

/// The sessions of this process.
#[derive(Default)]
pub(crate) struct Memory {
    sessions: Mutex<HashMap<SessionId, Kept>>,
}

impl Memory {
    pub(crate) fn holding(sessions: HashMap<SessionId, Kept>) -> Self {
        Self {
            sessions: Mutex::new(sessions),
        }
    }

    /// A copy of all sessions, with their keys.
    pub(crate) fn copy(&self) -> HashMap<SessionId, Kept> {
        lock(&self.sessions).clone()
    }

    /// Begins a session under an id that the caller chose.
    pub(crate) fn begin(&self, id: SessionId, session: Session) {
        lock(&self.sessions).insert(id, Kept::new(session));
    }
}

impl Store for Memory {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId::random()?;
        let session = Session::new(user);
        self.begin(id, session.clone());
        Ok((id, session))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        Ok(lock(&self.sessions).get_mut(&id).map(|kept| {
            kept.visit(key);
            kept.session.clone()
        }))
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let sessions = lock(&self.sessions);
        Ok(sessions.get(&id).map(|kept| kept.session.clone()))
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(lock(&self.sessions).remove(&id).map(|kept| kept.session))
    }
}
