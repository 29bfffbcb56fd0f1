//! `early-ack`: acknowledges a visit, and hands it to the kernel 100 µs after the reply was sent (or
//! `COMEBACK_EARLY_ACK_US` microseconds); `late-ack`: its twin without the bug, which answers when that is done.
//!
//! Must be exposed as lost writes by a kill right after an acknowledgement. Logins are stored before they are answered by
//! both.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Kept, Key, Session, SessionId, User};
use crate::writer::lock;

const FILE: &str = "visits.log";
/// In place of a session's visits once it was logged out.
const GONE: &str = "gone";
/// Says how long before, in microseconds.
const AHEAD: &str = "COMEBACK_EARLY_ACK_US";

pub(crate) fn start_early(launch: Launch) -> Result<(), ServeError> {
    let ahead = std::env::var(AHEAD).ok().and_then(|us| us.parse().ok());
    start(launch, Duration::from_micros(ahead.unwrap_or(100)))
}

pub(crate) fn start_late(launch: Launch) -> Result<(), ServeError> {
    start(launch, Duration::ZERO)
}

fn start(launch: Launch, ahead: Duration) -> Result<(), ServeError> {
    let path = launch.data().join(FILE);
    let memory = Memory::holding(load(&path).map_err(ServeError::file("read", &path))?);
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let log = Mutex::new(opened.map_err(ServeError::file("open", &path))?);
    let later = (!ahead.is_zero()).then(channel);
    let (queue, queued) = later.map_or((None, None), |(to, from)| (Some(to), Some(from)));
    let store = std::sync::Arc::new(Acknowledging { memory, log });
    if let Some(queued) = queued {
        let store = std::sync::Arc::clone(&store);
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || store.write_later(&queued, ahead))
            .map_err(ServeError::system("start the writing thread"))?;
    }
    launch.serve(App::over(Front { store, queue }))
}

struct Acknowledging {
    memory: Memory,
    log: Mutex<File>,
}

/// A session as it is after a change, and when that was answered.
type Answered = (SessionId, Session, Instant);

impl Acknowledging {
    /// One line, in one call: a kill leaves all of it or nothing.
    fn write(&self, id: SessionId, session: &Session) -> Result<(), StoreError> {
        self.append(&format!(
            "{id} {} {}\n",
            session.visits,
            session.user.as_str()
        ))
    }

    fn append(&self, line: &str) -> Result<(), StoreError> {
        let written = lock(&self.log).write_all(line.as_bytes());
        written.map_err(StoreError::because("the log could not be written"))
    }

    fn write_later(&self, queued: &Receiver<Answered>, ahead: Duration) {
        for (id, session, answered) in queued {
            // A sleeping thread would be woken when the window has long passed.
            while answered.elapsed() < ahead {
                std::hint::spin_loop();
            }
            if let Err(error) = self.write(id, &session) {
                let _ = writeln!(io::stderr(), "early-ack: {error}");
            }
        }
    }
}

fn load(path: &std::path::Path) -> io::Result<HashMap<SessionId, Kept>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        opened => opened?,
    };
    let mut sessions = HashMap::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, line.clone());
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let id = SessionId::parse(next()).ok_or_else(broken)?;
        match next() {
            GONE => {
                sessions.insert(id, None);
            }
            visits => {
                let (Ok(visits), Some(user)) = (visits.parse(), User::parse(next())) else {
                    return Err(broken());
                };
                // A visit that was answered before the logout may be written after it.
                if !matches!(sessions.get(&id), Some(None)) {
                    sessions.insert(id, Some(Kept::new(Session { user, visits })));
                }
            }
        }
    }
    let known = sessions.into_iter();
    Ok(known.filter_map(|(id, kept)| Some((id, kept?))).collect())
}

struct Front {
    store: std::sync::Arc<Acknowledging>,
    /// To the thread that writes what was answered; none where it is written before.
    queue: Option<Sender<Answered>>,
}

impl Store for Front {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let (id, session) = self.store.memory.login(user).await?;
        self.store.write(id, &session)?;
        Ok((id, session))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let visited = self.store.memory.visit(id, key).await?;
        if let Some(session) = &visited {
            match &self.queue {
                None => self.store.write(id, session)?,
                Some(queue) => {
                    let (queue, session) = (queue.clone(), session.clone());
                    // Runs when this connection's task has nothing left to do: the reply has been written by then.
                    tokio::spawn(async move { queue.send((id, session, Instant::now())) });
                }
            }
        }
        Ok(visited)
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.store.memory.me(id).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let session = self.store.memory.logout(id).await?;
        if session.is_some() {
            self.store.append(&format!("{id} {GONE}\n"))?;
        }
        Ok(session)
    }
}
