//! `buffered`: sessions in memory, acknowledged at once, and written to a file every 500 ms.
//!
//! What was acknowledged since the last write is lost with the process. The file itself is never half written.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::folder::Folder;
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Kept, Key, Session, SessionId, User};
use crate::writer::lock;

const FILE: &str = "sessions.json";

/// How much of the past a crash may take.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let store = Buffered::open(launch.data())?;
    launch.serve(App::over(store))
}

struct Buffered {
    state: Arc<State>,
    closing: Sender<()>,
    thread: Mutex<Option<JoinHandle<Result<(), ServeError>>>>,
}

struct State {
    memory: Memory,
    /// Whether there is anything that the file does not hold.
    changed: AtomicBool,
    folder: Folder,
}

impl Buffered {
    fn open(data: &Path) -> Result<Self, ServeError> {
        let folder = Folder::open_locked(data)?;
        let memory = Memory::holding(load(&folder)?);
        let state = Arc::new(State {
            memory,
            changed: AtomicBool::new(false),
            folder,
        });
        let (closing, closed) = mpsc::channel();
        let flushed = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("flusher".to_owned())
            .spawn(move || flush_until(&closed, &flushed))
            .map_err(ServeError::system("start the flushing thread"))?;
        Ok(Self {
            state,
            closing,
            thread: Mutex::new(Some(thread)),
        })
    }

    fn changed(&self) {
        self.state.changed.store(true, Ordering::Release);
    }
}

impl Store for Buffered {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let begun = self.state.memory.login(user).await;
        self.changed();
        begun
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let visited = self.state.memory.visit(id, key).await;
        self.changed();
        visited
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.state.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let ended = self.state.memory.logout(id).await;
        self.changed();
        ended
    }

    fn close(&self) -> Result<(), ServeError> {
        // An error means that the thread is gone, which the join below reports better.
        let _ = self.closing.send(());
        match lock(&self.thread).take().map(JoinHandle::join) {
            Some(Ok(flushed)) => flushed,
            Some(Err(_)) => Err(ServeError::Store(StoreError::new(
                "the flushing thread panicked",
            ))),
            None => Ok(()),
        }
    }
}

/// Flushes at each interval, and once more at the end. A failed flush is tried again at the next.
fn flush_until(closed: &Receiver<()>, state: &State) -> Result<(), ServeError> {
    loop {
        match closed.recv_timeout(FLUSH_EVERY) {
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = state.flush() {
                    // If stderr is closed, there is nowhere left to report it.
                    let _ = writeln!(io::stderr(), "buffered: {error}; trying again");
                }
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return state.flush(),
        }
    }
}

impl State {
    fn flush(&self) -> Result<(), ServeError> {
        if !self.changed.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let sessions = self.memory.copy();
        let named: BTreeMap<String, Kept> = sessions
            .into_iter()
            .map(|(id, kept)| (id.to_string(), kept))
            .collect();
        let written = serde_json::to_vec(&named)
            .map_err(io::Error::from)
            .and_then(|content| self.folder.replace(FILE, &content));
        written.map_err(|error| {
            self.changed.store(true, Ordering::Release);
            ServeError::file("write", &self.folder.file(FILE))(error)
        })
    }
}

fn load(folder: &Folder) -> Result<HashMap<SessionId, Kept>, ServeError> {
    let path = folder.file(FILE);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(ServeError::file("read", &path)(error)),
    };
    let corrupt = |reason: String| ServeError::Corrupt {
        path: path.clone(),
        offset: 0,
        reason,
    };
    let named: BTreeMap<String, Kept> =
        serde_json::from_slice(&content).map_err(|error| corrupt(error.to_string()))?;
    named
        .into_iter()
        .map(|(name, kept)| match SessionId::parse(&name) {
            Some(id) => Ok((id, kept)),
            None => Err(corrupt(format!("{name:?} is not a session id"))),
        })
        .collect()
}
