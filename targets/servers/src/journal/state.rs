//! The sessions that the log comes to, and the replay that finds them. Pure: bytes in, state out.

use std::collections::HashMap;

use crate::session::{Kept, Key, Session, SessionId};

use super::frame::{Entry, kept_length, once_length, parse_entries, put_length, split_frame};

/// Opens every log, and says how to read it.
pub(super) const MAGIC: &[u8; 8] = b"cmbklog1";

/// All live sessions with their keys, and what a snapshot of them would cost.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    sessions: HashMap<SessionId, Kept>,
    snapshot_bytes: u64,
}

impl State {
    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id).map(|kept| &kept.session)
    }

    /// Whether the session counted a visit with this key.
    pub(super) fn knows(&self, id: SessionId, key: &Key) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|kept| kept.keys.contains(key))
    }

    /// About the length of a log that holds this state and no history.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    /// Applies an entry that was planned on this state.
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Put { id, session } => {
                self.snapshot_bytes += put_length(&session);
                self.sessions.insert(id, Kept::new(session));
            }
            Entry::Count { id, visits } => {
                if let Some(kept) = self.sessions.get_mut(&id) {
                    kept.session.visits = visits;
                }
            }
            Entry::Once { id, visits, key } => {
                if let Some(kept) = self.sessions.get_mut(&id) {
                    self.snapshot_bytes += once_length(&key);
                    kept.session.visits = visits;
                    kept.keys.insert(key);
                }
            }
            Entry::End { id } => {
                if let Some(kept) = self.sessions.remove(&id) {
                    self.snapshot_bytes -= kept_length(&kept);
                }
            }
        }
    }

    /// The entries that make this state out of nothing.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.sessions.iter().flat_map(|(&id, kept)| {
            let begin = Entry::Put {
                id,
                session: kept.session.clone(),
            };
            let keys = kept.keys.iter().map(move |key| Entry::Once {
                id,
                visits: kept.session.visits,
                key: key.clone(),
            });
            std::iter::once(begin).chain(keys)
        })
    }

    /// Whether the entry can follow this state in a log that is sound.
    fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Put { id, .. } => !self.sessions.contains_key(id),
            Entry::Once { id, key, .. } => self.sessions.contains_key(id) && !self.knows(*id, key),
            Entry::Count { id, .. } | Entry::End { id } => self.sessions.contains_key(id),
        }
    }
}

/// The content of a log.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Replay {
    pub(super) state: State,
    /// Where the sound frames end; what follows was never acknowledged.
    pub(super) sound_bytes: usize,
}

/// A log that cannot be trusted.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Damage {
    /// Where the bad frame begins.
    pub(super) offset: usize,
    pub(super) reason: &'static str,
}

/// Reads a whole log.
///
/// # Errors
/// If a frame is bad and a sound one follows, or a sound frame does not fit the one before it. A bad frame with
/// nothing sound behind it is the tail of a commit that a crash cut short, and is not an error. A sound last frame that
/// was damaged later looks the same; no log that ends without a mark elsewhere can tell.
pub(super) fn replay(log: &[u8]) -> Result<Replay, Damage> {
    let Some(mut rest) = log.strip_prefix(MAGIC) else {
        return Err(Damage {
            offset: 0,
            reason: "this is not a log of sessions",
        });
    };
    let mut state = State::default();
    while !rest.is_empty() {
        let offset = log.len() - rest.len();
        let Some((payload, after)) = split_frame(rest) else {
            if (1..rest.len()).any(|skipped| split_frame(&rest[skipped..]).is_some()) {
                return Err(Damage {
                    offset,
                    reason: "a bad record stands before a sound one",
                });
            }
            return Ok(Replay {
                state,
                sound_bytes: offset,
            });
        };
        let entries = parse_entries(payload).ok_or(Damage {
            offset,
            reason: "a sound record has no meaning",
        })?;
        for entry in entries {
            if !state.admits(&entry) {
                return Err(Damage {
                    offset,
                    reason: "a sound record contradicts the ones before it",
                });
            }
            state.apply(entry);
        }
        rest = after;
    }
    Ok(Replay {
        state,
        sound_bytes: log.len(),
    })
}
