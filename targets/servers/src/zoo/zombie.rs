//! `zombie`: a journal server that keeps its sessions on disk, but remembers a logout in memory only.
//!
//! Must be exposed after a crash as zombies: sessions that were logged out, with an acknowledgement, and are honoured
//! again.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::journal::Journal;
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::writer::lock;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let journal = Journal::open(launch.data())?;
    launch.serve(App::over(Zombie {
        journal,
        revoked: Mutex::default(),
    }))
}

struct Zombie {
    journal: Journal,
    revoked: Mutex<HashSet<SessionId>>,
}

impl Zombie {
    fn is_revoked(&self, id: SessionId) -> bool {
        lock(&self.revoked).contains(&id)
    }
}

impl Store for Zombie {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        self.journal.login(user).await
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        if self.is_revoked(id) {
            Ok(None)
        } else {
            self.journal.visit(id, key).await
        }
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        if self.is_revoked(id) {
            Ok(None)
        } else {
            self.journal.me(id).await
        }
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let session = self.me(id).await?;
        if session.is_some() {
            lock(&self.revoked).insert(id);
        }
        Ok(session)
    }

    fn close(&self) -> Result<(), ServeError> {
        self.journal.close()
    }
}
