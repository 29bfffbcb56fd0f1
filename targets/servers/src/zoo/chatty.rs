//! `chatty`: a memory server that prints 200 lines of 1 KiB to stdout, and as many to stderr, at each login.
//!
//! It blocks on a full pipe, as programs do. Must be exposed by logins that hang where a harness does not read its
//! target's output, or by memory that grows where it keeps all of it.

use std::io::{self, Write};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Key, Session, SessionId, User};

const LINES: usize = 200;
const LINE_BYTES: usize = 1024;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let mut line = vec![b'.'; LINE_BYTES - 1];
    line.push(b'\n');
    launch.serve(App::over(Chatty {
        memory: Memory::default(),
        talk: line.repeat(LINES),
    }))
}

struct Chatty {
    memory: Memory,
    talk: Vec<u8>,
}

impl Store for Chatty {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        // A closed pipe is not a reason to refuse a login.
        let _ = io::stdout().lock().write_all(&self.talk);
        let _ = io::stderr().lock().write_all(&self.talk);
        self.memory.login(user).await
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
