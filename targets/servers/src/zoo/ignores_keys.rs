//! `ignores-keys`: a memory server that does not read the `Idempotency-Key` of a visit, so a retry is applied again. Its
//! twin without the bug is `memory`.
//!
//! Must be exposed as duplicates by a pause that outlasts a try: the client gives up, sends the visit again with the same
//! key, and the server gets both when it goes on.

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Key, Session, SessionId, User};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve(App::over(IgnoresKeys::default()))
}

#[derive(Default)]
struct IgnoresKeys {
    memory: Memory,
}

impl Store for IgnoresKeys {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        self.memory.login(user).await
    }

    async fn visit(&self, id: SessionId, _: Option<Key>) -> Result<Option<Session>, StoreError> {
        self.memory.visit(id, None).await
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.logout(id).await
    }
}
