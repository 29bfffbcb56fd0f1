//! `lost-replies`: a journal server that applies every 10th visit and answers it 503, as if the reply had been lost on
//! its way.
//!
//! Must be exposed as duplicates of a client that tries again without an idempotency key; one that tries again with the
//! same key has none.

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::journal::Journal;
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};

use super::EveryNth;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let journal = Journal::open(launch.data())?;
    launch.serve(App::over(LostReplies {
        journal,
        losses: EveryNth::new(10),
    }))
}

struct LostReplies {
    journal: Journal,
    losses: EveryNth,
}

impl Store for LostReplies {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        self.journal.login(user).await
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let answer = self.journal.visit(id, key).await?;
        if answer.is_some() && self.losses.is_due() {
            return Err(StoreError::new("the reply was lost on its way").away());
        }
        Ok(answer)
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.journal.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.journal.logout(id).await
    }

    fn close(&self) -> Result<(), ServeError> {
        self.journal.close()
    }
}
