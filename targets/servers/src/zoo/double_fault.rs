//! Two journal servers that survive any single fault, and lose something in certain pairs of faults.
//!
//! `cut-recovery`: a start that finds that the start before it was cut off takes the log for broken, and begins with an empty
//! one. Must be exposed as lost sessions by a kill during the recovery from another kill, and by nothing less.
//!
//! `after-stall`: after it stood still for a while, it keeps visits in memory only, as if its store were gone. Must be exposed
//! as lost writes by a kill after a pause, and by nothing less.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::journal::Journal;
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::writer::lock;

/// How long a start takes: a second kill has this long to come.
const RECOVERY: Duration = Duration::from_millis(600);
/// A thread that is due after so long looks whether time was lost.
const BEAT: Duration = Duration::from_millis(50);
/// So late, it was not a busy machine.
const STALL: Duration = Duration::from_millis(700);

pub(crate) fn start_cut_recovery(launch: Launch) -> Result<(), ServeError> {
    let marker = launch.data().join("recovering");
    let log = launch.data().join("log");
    if marker.exists() {
        fs::remove_dir_all(&log).map_err(ServeError::file("remove", &log))?;
    }
    fs::write(&marker, "").map_err(ServeError::file("write", &marker))?;
    fs::create_dir_all(&log).map_err(ServeError::file("create", &log))?;
    let journal = Journal::open(&log)?;
    thread::sleep(RECOVERY);
    fs::remove_file(&marker).map_err(ServeError::file("remove", &marker))?;
    launch.serve(App::over(journal))
}

pub(crate) fn start_after_stall(launch: Launch) -> Result<(), ServeError> {
    let journal = Journal::open(launch.data())?;
    let has_stalled = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&has_stalled);
    thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || {
            loop {
                let before = Instant::now();
                thread::sleep(BEAT);
                if before.elapsed() > STALL {
                    noticed.store(true, Ordering::Relaxed);
                }
            }
        })
        .map_err(ServeError::system("start the heartbeat"))?;
    launch.serve(App::over(AfterStall {
        journal,
        has_stalled,
        unwritten: Mutex::default(),
    }))
}

struct AfterStall {
    journal: Journal,
    has_stalled: Arc<AtomicBool>,
    /// Acknowledged visits that only this process knows of.
    unwritten: Mutex<HashMap<SessionId, u64>>,
}

impl AfterStall {
    /// The session with the visits that are not written.
    fn whole(&self, id: SessionId, stored: Option<Session>) -> Option<Session> {
        let more = lock(&self.unwritten).get(&id).copied().unwrap_or_default();
        stored.map(|session| Session {
            visits: session.visits + more,
            ..session
        })
    }
}

impl Store for AfterStall {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        self.journal.login(user).await
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let stored = match self.has_stalled.load(Ordering::Relaxed) {
            true => {
                *lock(&self.unwritten).entry(id).or_default() += 1;
                self.journal.me(id).await?
            }
            false => self.journal.visit(id, key).await?,
        };
        Ok(self.whole(id, stored))
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let stored = self.journal.me(id).await?;
        Ok(self.whole(id, stored))
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let stored = self.journal.logout(id).await?;
        Ok(self.whole(id, stored))
    }

    fn close(&self) -> Result<(), ServeError> {
        self.journal.close()
    }
}
