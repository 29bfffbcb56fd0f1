//! Sessions in memory, of which each change is written down before it is acknowledged.

use crate::contract::Store;
use crate::error::StoreError;
use crate::memory::Memory;
use crate::session::{Key, Session, SessionId, User};

/// How changes are written down.
pub(crate) trait Persist: Send + Sync + 'static {
    /// The present state of a session.
    fn write(&self, id: SessionId, session: &Session) -> Result<(), StoreError>;

    /// That a session has ended.
    fn remove(&self, id: SessionId) -> Result<(), StoreError>;
}

pub(crate) struct Persisted<P> {
    pub(crate) memory: Memory,
    pub(crate) to: P,
}

impl<P: Persist> Store for Persisted<P> {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let (id, session) = self.memory.login(user).await?;
        self.to.write(id, &session)?;
        Ok((id, session))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let visited = self.memory.visit(id, key).await?;
        if let Some(session) = &visited {
            self.to.write(id, session)?;
        }
        Ok(visited)
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let session = self.memory.logout(id).await?;
        if session.is_some() {
            self.to.remove(id)?;
        }
        Ok(session)
    }
}
