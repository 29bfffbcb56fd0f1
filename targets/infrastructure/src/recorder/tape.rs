//! The record: requests in the order of their arrival, with their replies, in bounded memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{request, response};

/// No more of one body is kept, in bytes: pages and JSON are smaller.
const BODY_MAX: usize = 1024 * 1024;
/// No more of all bodies together is kept, in bytes.
const BODIES_MAX: usize = 64 * 1024 * 1024;
/// No more requests are kept.
const REQUESTS_MAX: usize = 10_000;

/// The part of a body that was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its begin, or all of it.
    pub bytes: Vec<u8>,
    /// How many bytes passed.
    pub passed: u64,
}

impl Kept {
    /// Whether something passed that was not kept.
    pub fn is_cut(&self) -> bool {
        self.passed > self.bytes.len() as u64
    }

    fn take(&mut self, piece: &[u8], room: &mut usize) {
        self.passed += piece.len() as u64;
        let most = (BODY_MAX - self.bytes.len()).min(*room).min(piece.len());
        self.bytes.extend_from_slice(&piece[..most]);
        *room -= most;
    }
}

/// A request that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When it came.
    pub at: SystemTime,
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Its headers, names in lower case, without those that are about the connection.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Kept,
    /// The reply, if the server gave one.
    pub reply: Option<Answered>,
}

/// A reply that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its headers as the client got them, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body; nothing of an image, a font, a film or a sound is kept.
    pub body: Kept,
    /// From the arrival of the request to the end of this reply; absent if that was not seen.
    pub took: Option<Duration>,
}

/// All that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The requests in the order of their arrival.
    pub requests: Vec<Recorded>,
    /// How many more there were than are kept.
    pub not_kept: u64,
    /// How many WebSockets were refused.
    pub websockets: u64,
}

struct Tapes {
    recording: Recording,
    room: usize,
}

/// Sees method and path of a request, and its status, when its reply begins.
type Watcher = Box<dyn Fn(&str, u16) + Send + Sync>;

/// Where a recorder keeps what passes.
pub struct Tape {
    tapes: Mutex<Tapes>,
    watch: Watcher,
}

impl Tape {
    /// An empty one; each request is shown when its reply begins.
    pub fn new(watch: impl Fn(&str, u16) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            tapes: Mutex::new(Tapes {
                recording: Recording::default(),
                room: BODIES_MAX,
            }),
            watch: Box::new(watch),
        })
    }

    /// Nothing is left half done under this lock.
    fn held(&self) -> MutexGuard<'_, Tapes> {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out all that was kept.
    pub fn take(&self) -> Recording {
        std::mem::take(&mut self.held().recording)
    }

    pub(super) fn note_websocket(&self) {
        self.held().recording.websockets += 1;
    }

    /// A request has come; none if no more are kept.
    pub(super) fn begin(self: &Arc<Self>, parts: &request::Parts) -> Option<Slot> {
        let mut tapes = self.held();
        let at = tapes.recording.requests.len();
        if at >= REQUESTS_MAX {
            tapes.recording.not_kept += 1;
            return None;
        }
        tapes.recording.requests.push(Recorded {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            headers: pairs(&parts.headers),
            at: SystemTime::now(),
            body: Kept::default(),
            reply: None,
        });
        let begun = Instant::now();
        let tape = Arc::clone(self);
        Some(Slot { tape, at, begun })
    }
}

/// The place of one request.
#[derive(Clone)]
pub(super) struct Slot {
    tape: Arc<Tape>,
    at: usize,
    begun: Instant,
}

impl Slot {
    /// Changes the request, unless the recording was taken out meanwhile.
    fn change(&self, change: impl FnOnce(&mut Recorded, &mut usize)) {
        let tapes = &mut *self.tape.held();
        if let Some(recorded) = tapes.recording.requests.get_mut(self.at) {
            change(recorded, &mut tapes.room);
        }
    }

    /// A piece of its body has passed.
    pub(super) fn sent(&self, piece: &Bytes) {
        self.change(|recorded, room| recorded.body.take(piece, room));
    }

    /// Its reply begins.
    pub(super) fn answered(&self, parts: &response::Parts) {
        let status = parts.status.as_u16();
        let mut line = None;
        self.change(|recorded, _| {
            recorded.reply = Some(Answered {
                status,
                headers: pairs(&parts.headers),
                ..Answered::default()
            });
            line = Some(format!("{} {}", recorded.method, recorded.path));
        });
        // Not under the lock: who looks may wait for a terminal.
        line.iter().for_each(|line| (self.tape.watch)(line, status));
    }

    /// A piece of its reply has passed.
    pub(super) fn received(&self, piece: &Bytes) {
        self.change(|recorded, room| {
            if let Some(reply) = &mut recorded.reply {
                match is_media(&reply.headers) {
                    true => reply.body.passed += piece.len() as u64,
                    false => reply.body.take(piece, room),
                }
            }
        });
    }

    /// Its reply has ended.
    pub(super) fn finished(&self) {
        self.change(|recorded, _| {
            if let Some(reply) = &mut recorded.reply {
                reply.took = Some(self.begun.elapsed());
            }
        });
    }
}

fn is_media(headers: &[(String, String)]) -> bool {
    let kind = headers
        .iter()
        .find(|(name, _)| *name == CONTENT_TYPE.as_str());
    kind.is_some_and(|(_, kind)| {
        let media = ["image/", "font/", "video/", "audio/"];
        media.iter().any(|media| kind.starts_with(media))
    })
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let headers = headers.iter();
    let texts = headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    });
    texts.collect()
}
