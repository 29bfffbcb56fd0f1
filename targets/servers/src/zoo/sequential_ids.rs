//! `sequential-ids`: a memory server that numbers its sessions 1, 2, 3 and begins again at 1 in each process.
//!
//! After a restart an old cookie opens a stranger's new session. Must be exposed as a wrong identity: a 200 with
//! another user's name.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Key, Session, SessionId, User};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve(App::over(SequentialIds::default()))
}

#[derive(Default)]
struct SequentialIds {
    memory: Memory,
    handed_out: AtomicU64,
}

impl Store for SequentialIds {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId(u128::from(
            self.handed_out.fetch_add(1, Ordering::Relaxed) + 1,
        ));
        let session = Session::new(user);
        self.memory.begin(id, session.clone());
        Ok((id, session))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        self.memory.visit(id, key).await
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.logout(id).await
    }
}
