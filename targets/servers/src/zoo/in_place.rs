//! `writes-in-place`: each session in a file of its own, one line for each visit; every fourth visit the file is emptied and written
//! again with one line. `renames`: its twin without the bug, which then writes a new file and renames it over the old one.
//!
//! A kill between the emptying and the writing takes the session. That is some microseconds of few requests, so that one kill
//! in some dozens meets it. Must be exposed as a lost session by a storm of kills inside writes.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Kept, Key, Session, SessionId, User};

/// How often a file is written again.
const AGAIN: u64 = 4;

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

/// How a session's file is written again.
type Rewrite = fn(&Path, &[u8]) -> io::Result<()>;

fn start(launch: Launch, rewrite: Rewrite) -> Result<(), ServeError> {
    let folder = launch.data().to_owned();
    launch.serve(App::over(Files { folder, rewrite }))
}

struct Files {
    folder: PathBuf,
    rewrite: Rewrite,
}

impl Files {
    fn file(&self, id: SessionId) -> PathBuf {
        self.folder.join(format!("session-{id}"))
    }

    /// The last line counts. A file without a whole one is no session: that is how such stores meet half a file.
    fn read(&self, id: SessionId) -> Result<Option<Kept>, StoreError> {
        match fs::read(self.file(id)) {
            Ok(content) => {
                let lines = content.split(|byte| *byte == b'\n').rev();
                let mut whole = lines.filter_map(|line| serde_json::from_slice(line).ok());
                Ok(whole.next())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::because("the session could not be read")(error)),
        }
    }

    fn store(&self, id: SessionId, kept: &Kept) -> Result<(), StoreError> {
        let file = self.file(id);
        let write = || -> io::Result<()> {
            let mut line = serde_json::to_vec(kept)?;
            line.push(b'\n');
            if kept.session.visits > 0 && kept.session.visits.is_multiple_of(AGAIN) {
                return (self.rewrite)(&file, &line);
            }
            let opened = OpenOptions::new().create(true).append(true).open(&file);
            opened?.write_all(&line)
        };
        write().map_err(StoreError::because("the session could not be written"))
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
