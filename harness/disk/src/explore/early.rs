//! Replies that came before what was written for them was durable: a lint on a record, which judges nothing. What is not durable may be
//! of no use, or in another file, too.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use super::words::{Names, Spoken};
use super::{apply, mismatch};
use crate::canary;
use crate::model::{Disk, Id, Piece, ROOT, Store};
use crate::record::{Call, Made, Place, Record};

/// So many calls are told of a request.
const TOLD: usize = 8;

/// A request of a client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was begun, or earlier.
    pub begun: Duration,
    /// When its reply was there, or later.
    pub answered: Duration,
}

/// What was not durable when a reply was there, though it was written since the request was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Early {
    /// The files, each once.
    pub files: Vec<String>,
    /// The last calls since the request was begun.
    pub calls: Vec<Spoken>,
}

/// What changed since a request was begun.
#[derive(Default)]
struct Changed {
    files: HashSet<Id>,
    names: Vec<Place>,
}

impl Changed {
    fn take(&mut self, call: &Call) {
        match call {
            Call::Write(id, ..) | Call::SetLength(id, _) => {
                self.files.insert(*id);
            }
            // A socket or a pipe keeps nothing.
            Call::Make(_, Made::Special(_), _) => {}
            Call::Make(place, ..) | Call::Link(_, place) | Call::Remove(place, _) => {
                self.names.push(place.clone());
            }
            Call::Rename(from, to, _) => self.names.extend([from.clone(), to.clone()]),
            Call::About(..)
            | Call::Open(_)
            | Call::Close(_)
            | Call::Sync(..)
            | Call::SyncBegin(..)
            | Call::SyncEnd(..) => {}
        }
    }

    /// Those that a cut of the power would take now.
    fn unsynced<S: Store>(&self, disk: &Disk<S>, names: &Names) -> Vec<String> {
        let mut files = Vec::new();
        for piece in disk.unsynced_pieces() {
            if piece.folder == ROOT && canary::is_hidden(&piece.name) {
                continue;
            }
            let is_of_it = match piece.what {
                Piece::Data(id) => self.files.contains(&id),
                Piece::Name { .. } => self
                    .names
                    .iter()
                    .any(|place| (place.folder, &place.name) == (piece.folder, &piece.name)),
            };
            let file = names.of(&Place {
                folder: piece.folder,
                name: piece.name,
            });
            if is_of_it && !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }
}

/// Says of each request what was not durable when its reply was there, if anything was. They are in the order of their replies, and no
/// two were under way at a time: what is written meanwhile is taken for theirs. One that was answered after the record was full is told
/// nothing of.
///
/// # Errors
/// If the calls do not fit together.
pub fn early(record: &Record, requests: &[Request]) -> io::Result<Vec<Option<Early>>> {
    let mut disk = record.disk();
    let mut names = Names::default();
    let mut calls = record.calls.iter().enumerate().peekable();
    let mut found = Vec::with_capacity(requests.len());
    for request in requests {
        let mut changed = Changed::default();
        let mut spoken = Vec::new();
        // A call that was noted before the reply had taken effect before it, if it was the server's own for this request.
        while let Some((at, noted)) = calls.next_if(|(_, noted)| noted.at <= request.answered) {
            if noted.at >= request.begun {
                changed.take(&noted.call);
                let is_hidden = names.is_hidden(&noted.call);
                let text = names.speak(&noted.call).filter(|_| !is_hidden);
                spoken.extend(text.map(|text| Spoken {
                    at: noted.at,
                    text,
                    is_after: false,
                }));
            }
            names.take(at, &noted.call);
            apply(&mut disk, &noted.call).map_err(|refusal| mismatch(at, &refusal))?;
        }
        let is_on_record = record.full_at().is_none_or(|full| request.answered < full);
        let files = match is_on_record {
            true => changed.unsynced(&disk, &names),
            false => Vec::new(),
        };
        found.push((!files.is_empty()).then(|| Early {
            files,
            calls: spoken.split_off(spoken.len().saturating_sub(TOLD)),
        }));
    }
    Ok(found)
}
