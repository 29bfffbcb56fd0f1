//! `unsynced-rename`: writes each session into a new file and renames it over the old one, and syncs neither; `synced-rename`:
//! its twin without the bug, which syncs the file and then the folder.
//!
//! A kill of the process exposes neither: the kernel keeps what it was given. A power loss must expose the first.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::contract::App;
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Kept, Session, SessionId, User};
use crate::writer::lock;

use super::persisted::{Persist, Persisted};

/// The ending of a file's name that is not yet a session.
const NEW: &str = ".new";

pub(crate) fn start_unsynced(launch: Launch) -> Result<(), ServeError> {
    start(launch, false)
}

pub(crate) fn start_synced(launch: Launch) -> Result<(), ServeError> {
    start(launch, true)
}

fn start(launch: Launch, syncs: bool) -> Result<(), ServeError> {
    let folder = launch.data().to_owned();
    let sessions = load(&folder).map_err(ServeError::file("read", &folder))?;
    launch.serve(App::over(Persisted {
        memory: Memory::holding(sessions),
        to: Files {
            folder: Mutex::new(folder),
            syncs,
        },
    }))
}

/// A file that is none of a session is as good as lost.
fn load(folder: &Path) -> io::Result<HashMap<SessionId, Kept>> {
    let mut sessions = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(SessionId::parse) else {
            continue;
        };
        let text = fs::read_to_string(entry.path())?;
        let session = text.split_once(' ').and_then(|(visits, user)| {
            let (visits, user) = (visits.parse().ok()?, User::parse(user)?);
            Some(Session { user, visits })
        });
        if let Some(session) = session {
            sessions.insert(id, Kept::new(session));
        }
    }
    Ok(sessions)
}

struct Files {
    /// Held while a session is written.
    folder: Mutex<PathBuf>,
    syncs: bool,
}

impl Persist for Files {
    fn write(&self, id: SessionId, session: &Session) -> Result<(), StoreError> {
        let folder = lock(&self.folder);
        let written = || -> io::Result<()> {
            let (new, path) = (
                folder.join(format!("{id}{NEW}")),
                folder.join(id.to_string()),
            );
            let mut file = File::create(&new)?;
            write!(file, "{} {}", session.visits, session.user.as_str())?;
            if self.syncs {
                file.sync_all()?;
            }
            fs::rename(new, path)?;
            self.sync(&folder)
        };
        written().map_err(StoreError::because("the session could not be written"))
    }

    fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let folder = lock(&self.folder);
        let removed = || -> io::Result<()> {
            fs::remove_file(folder.join(id.to_string()))?;
            self.sync(&folder)
        };
        removed().map_err(StoreError::because("the session could not be removed"))
    }
}

impl Files {
    fn sync(&self, folder: &Path) -> io::Result<()> {
        match self.syncs {
            true => File::open(folder)?.sync_all(),
            false => Ok(()),
        }
    }
}
