//! `writes-in-place`: each session in a file of its own, as many session stores have it, which is emptied and written again at each
//! visit; `renames`: its twin without the bug, which writes a new file and renames it over the old one.
//!
//! A kill between the emptying and the writing takes the session. That is some microseconds of a request, so few kills meet it.
//! Must be exposed as a lost session by a storm of kills inside writes.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Kept, Key, Session, SessionId, User};

pub(crate) fn start_in_place(launch: Launch) -> Result<(), ServeError> {
    start(launch, |file, content| fs::write(file, content))
}

pub(crate) fn start_renaming(launch: Launch) -> Result<(), ServeError> {
    start(launch, |file, content| {
        let new = file.with_extension("new");
        fs::write(&new, content)?;
        fs::rename(&new, file)
    })
}

/// How a session's file gets its content.
type Write = fn(&Path, &[u8]) -> io::Result<()>;

fn start(launch: Launch, write: Write) -> Result<(), ServeError> {
    let folder = launch.data().to_owned();
    launch.serve(App::over(Files { folder, write }))
}

struct Files {
    folder: PathBuf,
    write: Write,
}

impl Files {
    fn file(&self, id: SessionId) -> PathBuf {
        self.folder.join(format!("session-{id}"))
    }

    /// A file that is not a session is none: that is how such stores meet half a file.
    fn read(&self, id: SessionId) -> Result<Option<Kept>, StoreError> {
        match fs::read(self.file(id)) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::because("the session could not be read")(error)),
        }
    }

    fn store(&self, id: SessionId, kept: &Kept) -> Result<(), StoreError> {
        let unwritten = StoreError::because("the session could not be written");
        let content = serde_json::to_vec(kept).map_err(io::Error::from);
        let written = content.and_then(|content| (self.write)(&self.file(id), &content));
        written.map_err(unwritten)
    }
}

impl Store for Files {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let (id, session) = (SessionId::random()?, Session::new(user));
        self.store(id, &Kept::new(session.clone()))?;
        Ok((id, session))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let Some(mut kept) = self.read(id)? else {
            return Ok(None);
        };
        kept.visit(key);
        self.store(id, &kept)?;
        Ok(Some(kept.session))
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.read(id)?.map(|kept| kept.session))
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let kept = self.read(id)?;
        if kept.is_some() {
            let removed = fs::remove_file(self.file(id));
            removed.map_err(StoreError::because("the session could not be removed"))?;
        }
        Ok(kept.map(|kept| kept.session))
    }
}
