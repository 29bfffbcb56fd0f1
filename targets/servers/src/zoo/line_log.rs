//! `line-log`: sessions in memory, and each change as a line of a log that is synced before the acknowledgement. Three servers
//! are the same but for one bad habit:
//!
//! - `late-sync` syncs every 200 ms, whatever it has acknowledged. Must be exposed as lost writes by a power loss, and not by a
//!   kill.
//! - `unsynced-segments` goes on in a new file every 16 lines, and never syncs the folder. Must be exposed as lost writes by a
//!   power loss on a disk that keeps a name only when its folder was synced (`strict`); `ext4` hides it.
//! - `torn-is-fatal` does not start on a log whose last line has no end, as a write leaves it that was cut short. Must be
//!   exposed as never ready on such a file.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::contract::App;
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Kept, Session, SessionId, User};
use crate::writer::lock;

use super::persisted::{Persist, Persisted};

/// In place of a session's visits once it was logged out.
const GONE: &str = "gone";
/// How long acknowledged writes wait for a sync at most, where that comes later.
const SYNC_EVERY: Duration = Duration::from_millis(200);
/// So many lines have some dozens of users written soon.
const SEGMENT_LINES: u64 = 16;

/// The differences between the servers.
#[derive(Clone, Copy)]
struct Habits {
    /// Whether a line is synced before it is acknowledged.
    syncs_first: bool,
    /// Whether the folder is synced when a file was made in it.
    syncs_folder: bool,
    /// Whether a last line without its end is cut off, and no reason to give up.
    mends: bool,
}

const GOOD: Habits = Habits {
    syncs_first: true,
    syncs_folder: true,
    mends: true,
};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    start_with(launch, GOOD)
}

pub(crate) fn start_late_sync(launch: Launch) -> Result<(), ServeError> {
    let syncs_first = false;
    start_with(
        launch,
        Habits {
            syncs_first,
            ..GOOD
        },
    )
}

pub(crate) fn start_unsynced_segments(launch: Launch) -> Result<(), ServeError> {
    let syncs_folder = false;
    start_with(
        launch,
        Habits {
            syncs_folder,
            ..GOOD
        },
    )
}

pub(crate) fn start_torn_is_fatal(launch: Launch) -> Result<(), ServeError> {
    let mends = false;
    start_with(launch, Habits { mends, ..GOOD })
}

fn start_with(launch: Launch, habits: Habits) -> Result<(), ServeError> {
    let folder = launch.data().to_owned();
    let (log, sessions) =
        Log::open(&folder, habits).map_err(ServeError::file("read the log in", &folder))?;
    let log = Arc::new(Mutex::new(log));
    if !habits.syncs_first {
        let log = Arc::clone(&log);
        std::thread::Builder::new()
            .name("syncer".to_owned())
            .spawn(move || sync_now_and_then(&log))
            .map_err(ServeError::system("start the syncing thread"))?;
    }
    let memory = Memory::holding(sessions);
    launch.serve(App::over(Persisted { memory, to: log }))
}

fn sync_now_and_then(log: &Mutex<Log>) {
    loop {
        std::thread::sleep(SYNC_EVERY);
        // Nobody waits for the disk meanwhile: that is the point.
        let file = lock(log).file.try_clone();
        if let Err(error) = file.and_then(|file| file.sync_data()) {
            let _ = writeln!(io::stderr(), "late-sync: {error}");
        }
    }
}

/// The files `0.log`, `1.log` and so on of a folder.
struct Log {
    folder: PathBuf,
    habits: Habits,
    /// The last one, and its number.
    file: File,
    number: u64,
    /// The lines that this process wrote to it.
    lines: u64,
}

impl Log {
    /// Reads it, and goes on at the end of its last file.
    fn open(folder: &Path, habits: Habits) -> io::Result<(Self, HashMap<SessionId, Kept>)> {
        let (mut sessions, mut number) = (HashMap::new(), 0);
        loop {
            let path = segment(folder, number);
            match fs::read_to_string(&path) {
                Ok(text) => read(&text, habits, &mut sessions).and_then(|sound| {
                    let file = OpenOptions::new().write(true).open(&path)?;
                    file.set_len(sound as u64)?;
                    // A process that was killed may have left it to the kernel.
                    file.sync_all()
                })?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
            number += 1;
        }
        let number = u64::saturating_sub(number, 1);
        let file = append_to(&segment(folder, number))?;
        // The first file is made with care by all of them.
        File::open(folder)?.sync_all()?;
        let log = Self {
            folder: folder.to_owned(),
            habits,
            file,
            number,
            lines: 0,
        };
        let sessions = sessions.into_iter();
        Ok((
            log,
            sessions
                .filter_map(|(id, kept)| Some((id, kept?)))
                .collect(),
        ))
    }

    /// One line, in one call.
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        let mut written = || -> io::Result<()> {
            if self.lines == SEGMENT_LINES {
                (self.number, self.lines) = (self.number + 1, 0);
                self.file = append_to(&segment(&self.folder, self.number))?;
                if self.habits.syncs_folder {
                    File::open(&self.folder)?.sync_all()?;
                }
            }
            self.file.write_all(line.as_bytes())?;
            self.lines += 1;
            match self.habits.syncs_first {
                true => self.file.sync_data(),
                false => Ok(()),
            }
        };
        written().map_err(StoreError::because("the log could not be written"))
    }
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.log"))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Applies the lines of a file, and says where they end: what follows is a line that was cut short.
fn read(
    text: &str,
    habits: Habits,
    sessions: &mut HashMap<SessionId, Option<Kept>>,
) -> io::Result<usize> {
    let invalid = |line: &str| io::Error::new(io::ErrorKind::InvalidData, line.to_owned());
    let sound = text.rfind('\n').map_or(0, |end| end + 1);
    if sound < text.len() && !habits.mends {
        return Err(invalid("the last line has no end"));
    }
    for line in text[..sound].lines() {
        apply(line, sessions).ok_or_else(|| invalid(line))?;
    }
    Ok(sound)
}

/// Applies a line `ID VISITS USER` or `ID gone`; none if it is neither.
fn apply(line: &str, sessions: &mut HashMap<SessionId, Option<Kept>>) -> Option<()> {
    let mut words = line.splitn(3, ' ');
    let id = SessionId::parse(words.next()?)?;
    let kept = match words.next()? {
        GONE => None,
        visits => {
            let (visits, user) = (visits.parse().ok()?, User::parse(words.next()?)?);
            Some(Kept::new(Session { user, visits }))
        }
    };
    sessions.insert(id, kept);
    Some(())
}

impl Persist for Arc<Mutex<Log>> {
    fn write(&self, id: SessionId, session: &Session) -> Result<(), StoreError> {
        let (visits, user) = (session.visits, session.user.as_str());
        lock(self).append(&format!("{id} {visits} {user}\n"))
    }

    fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        lock(self).append(&format!("{id} {GONE}\n"))
    }
}
