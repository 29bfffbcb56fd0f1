//! `rewrites-state`: all sessions in one file of JSON, which each change empties and writes again, token by token;
//! `replaces-state`: its twin without the bug, which writes a new file and renames it over the old one.
//!
//! A file that was cut short is as good as none: the server starts without sessions. Must be exposed as all sessions lost by a
//! kill within a write.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Kept, Key, Session, SessionId, User};
use crate::writer::lock;

const FILE: &str = "sessions.json";

pub(crate) fn start_in_place(launch: Launch) -> Result<(), ServeError> {
    start(launch, write)
}

pub(crate) fn start_replacing(launch: Launch) -> Result<(), ServeError> {
    start(launch, |path, sessions| {
        let new = path.with_extension("new");
        write(&new, sessions)?;
        fs::rename(&new, path)
    })
}

type Sessions = BTreeMap<String, Kept>;

/// Without a buffer each token is a call of its own. That is easily written, and takes milliseconds.
fn write(path: &Path, sessions: &Sessions) -> io::Result<()> {
    Ok(serde_json::to_writer(File::create(path)?, sessions)?)
}

/// How the file is written again.
type Rewrite = fn(&Path, &Sessions) -> io::Result<()>;

fn start(launch: Launch, rewrite: Rewrite) -> Result<(), ServeError> {
    let path = launch.data().join(FILE);
    let sessions: Sessions = match fs::read(&path) {
        Ok(content) => serde_json::from_slice(&content).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Sessions::new(),
        Err(error) => return Err(ServeError::file("read", &path)(error)),
    };
    let sessions = sessions.into_iter();
    let sessions = sessions.filter_map(|(id, kept)| Some((SessionId::parse(&id)?, kept)));
    launch.serve(App::over(WholeFile {
        memory: Memory::holding(sessions.collect()),
        path: Mutex::new(path),
        rewrite,
    }))
}

struct WholeFile {
    memory: Memory,
    /// Held while it is written.
    path: Mutex<PathBuf>,
    rewrite: Rewrite,
}

impl WholeFile {
    fn store(&self) -> Result<(), StoreError> {
        let path = lock(&self.path);
        let sessions = self.memory.copy().into_iter();
        let sessions = sessions.map(|(id, kept)| (id.to_string(), kept)).collect();
        (self.rewrite)(&path, &sessions)
            .map_err(StoreError::because("the sessions could not be written"))
    }
}

impl Store for WholeFile {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let begun = self.memory.login(user).await?;
        self.store()?;
        Ok(begun)
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let visited = self.memory.visit(id, key).await?;
        self.store()?;
        Ok(visited)
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let ended = self.memory.logout(id).await?;
        self.store()?;
        Ok(ended)
    }
}
