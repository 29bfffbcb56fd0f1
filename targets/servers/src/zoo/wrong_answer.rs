//! `wrong-answer`: a memory server that answers every 50th visit with a counter 1000 too high. What it keeps is right.
//!
//! Must be exposed as an answer that no history of acknowledged writes explains, while nothing is lost.

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Key, Session, SessionId, User};

use super::EveryNth;

const LIE: u64 = 1000;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve(App::over(WrongAnswer {
        memory: Memory::default(),
        lies: EveryNth::new(50),
    }))
}

struct WrongAnswer {
    memory: Memory,
    lies: EveryNth,
}

impl Store for WrongAnswer {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        self.memory.login(user).await
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let mut answer = self.memory.visit(id, key).await?;
        if let Some(session) = &mut answer
            && self.lies.is_due()
        {
            session.visits += LIE;
        }
        Ok(answer)
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.logout(id).await
    }
}
