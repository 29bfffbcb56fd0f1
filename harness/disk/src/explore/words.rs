//! Why a disk lacks something, in words: what was not synced, and the calls around the cut.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{apply, mismatch};
use crate::canary;
use crate::model::{Id, Piece, ROOT};
use crate::record::{Call, Made, Place, Record};

/// So many calls are told before a cut, and after it.
const BEFORE: usize = 6;
const AFTER: usize = 2;

/// A call in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// When.
    pub at: Duration,
    /// What.
    pub text: String,
    /// It took effect after the cut.
    pub is_after: bool,
}

/// What was not durable at a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The most telling of it. None if nothing was at stake.
    pub headline: Option<String>,
    /// The calls around the cut.
    pub calls: Vec<Spoken>,
}

/// What leads where, and what was done to it last.
#[derive(Default)]
pub(super) struct Names {
    place: HashMap<Id, Place>,
    last: Id,
    /// Files whose latest change was not followed by a sync, and when that was.
    unsynced: HashMap<Id, usize>,
    /// Those that were renamed so: when, from what, to what.
    renamed: HashMap<Id, (usize, String, String)>,
    /// When each sync began.
    begun: Vec<usize>,
    /// Files that were synced once.
    synced: HashSet<Id>,
    hidden: HashSet<Id>,
}

impl Names {
    fn path(&self, id: Id) -> String {
        let mut path = PathBuf::new();
        let mut at = id;
        while at != ROOT {
            let Some(place) = self.place.get(&at) else {
                break;
            };
            path = match path.as_os_str().is_empty() {
                true => PathBuf::from(&place.name),
                false => PathBuf::from(&place.name).join(path),
            };
            at = place.folder;
        }
        match path.as_os_str().is_empty() {
            true => "the data folder".to_owned(),
            false => super::tree::shown(path.as_os_str()),
        }
    }

    pub(super) fn of(&self, place: &Place) -> String {
        let mut path = PathBuf::from(&place.name);
        if place.folder != ROOT {
            path = PathBuf::from(self.path(place.folder)).join(path);
        }
        super::tree::shown(path.as_os_str())
    }

    /// A call in words, as of before it. None if it says nothing.
    pub(super) fn speak(&self, call: &Call) -> Option<String> {
        let bytes = |bytes: usize| match bytes {
            1 => "1 byte".to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        Some(match call {
            Call::Make(place, made, _) => {
                let what = match made {
                    Made::File => "creation",
                    Made::Folder => "mkdir",
                    Made::Link(_) => "symbolic link",
                    Made::Special(_) => "creation of a socket or pipe",
                };
                format!("{what} of {}", self.of(place))
            }
            Call::Link(id, place) => format!("link of {} as {}", self.path(*id), self.of(place)),
            Call::Remove(place, _) => format!("removal of {}", self.of(place)),
            Call::Rename(from, to, _) => format!("rename of {} to {}", self.of(from), self.of(to)),
            Call::Write(id, offset, written) => format!(
                "write of {} to {} at {offset}",
                bytes(written.len()),
                self.path(*id)
            ),
            Call::SetLength(id, length) => {
                format!(
                    "{} is cut or extended to {}",
                    self.path(*id),
                    bytes(*length as usize)
                )
            }
            Call::Sync(id, data) => format!("{} of {}", sync_name(*data), self.path(*id)),
            Call::SyncBegin(id, data) => {
                format!("{} of {} begins", sync_name(*data), self.path(*id))
            }
            Call::SyncEnd(id, data, _) => {
                format!("{} of {} has ended", sync_name(*data), self.path(*id))
            }
            Call::About(..) | Call::Open(_) | Call::Close(_) => return None,
        })
    }

    pub(super) fn is_hidden(&self, call: &Call) -> bool {
        match call {
            Call::Make(place, ..) => place.folder == ROOT && canary::is_hidden(&place.name),
            Call::Write(id, ..)
            | Call::SetLength(id, _)
            | Call::Sync(id, _)
            | Call::SyncBegin(id, _)
            | Call::SyncEnd(id, ..) => self.hidden.contains(id),
            _ => false,
        }
    }

    pub(super) fn take(&mut self, at: usize, call: &Call) {
        match call {
            Call::Make(place, ..) => {
                self.last = self.last.max(ROOT) + 1;
                if self.is_hidden(call) {
                    self.hidden.insert(self.last);
                }
                self.place.insert(self.last, place.clone());
            }
            Call::Rename(from, to, _) => {
                let moved = self.place.iter().find(|(_, place)| *place == from);
                let Some(id) = moved.map(|(id, _)| *id) else {
                    return;
                };
                if self.unsynced.contains_key(&id) {
                    let names = (at, self.of(from), self.of(to));
                    self.renamed.insert(id, names);
                }
                // What was there is gone.
                self.place.retain(|_, place| place != to);
                self.place.insert(id, to.clone());
            }
            Call::Remove(place, _) => self.place.retain(|_, other| other != place),
            Call::Write(id, ..) | Call::SetLength(id, _) => {
                self.unsynced.insert(*id, at);
            }
            Call::Sync(id, _) => self.take_sync(*id, at),
            Call::SyncBegin(..) => self.begun.push(at),
            Call::SyncEnd(id, _, number) => {
                let place = number.checked_sub(1).map(|place| place as usize);
                let begun = place.and_then(|place| self.begun.get(place));
                self.take_sync(*id, begun.copied().unwrap_or(at));
            }
            Call::Link(..) | Call::About(..) | Call::Open(_) | Call::Close(_) => {}
        }
    }
}

impl Names {
    /// A file was synced, as it was at a call.
    fn take_sync(&mut self, id: Id, until: usize) {
        if self.unsynced.get(&id).is_none_or(|at| *at <= until) {
            self.unsynced.remove(&id);
            self.renamed.remove(&id);
        }
        self.synced.insert(id);
    }
}

const fn sync_name(data: bool) -> &'static str {
    match data {
        true => "fdatasync",
        false => "fsync",
    }
}

/// Says what a cut after this call takes, if nothing is written out by itself.
///
/// # Errors
/// If the calls do not fit together.
pub fn reason(record: &Record, cut: usize) -> io::Result<Reason> {
    let mut disk = record.disk();
    let mut names = Names::default();
    let mut calls = Vec::new();
    let mut headline = None;
    for (at, noted) in record.calls.iter().enumerate() {
        let is_after = at > cut;
        let is_hidden = names.is_hidden(&noted.call);
        if let Some(text) = names.speak(&noted.call).filter(|_| !is_hidden) {
            if is_after && calls.iter().filter(|call: &&Spoken| call.is_after).count() == AFTER {
                break;
            }
            calls.push(Spoken {
                at: noted.at,
                text,
                is_after,
            });
        }
        names.take(at, &noted.call);
        if !is_after {
            apply(&mut disk, &noted.call).map_err(|refusal| mismatch(at, &refusal))?;
            if at == cut {
                let pieces = disk.unsynced_pieces();
                let of_servers = pieces
                    .into_iter()
                    .filter(|piece| piece.folder != ROOT || !canary::is_hidden(&piece.name))
                    .map(|piece| (piece.folder, piece.name, piece.what))
                    .collect();
                headline = head(of_servers, &names);
            }
        }
    }
    let before = calls.iter().filter(|call| !call.is_after).count();
    Ok(Reason {
        headline,
        calls: calls.split_off(before.saturating_sub(BEFORE)),
    })
}

/// The most telling of what is not durable: a rename before a sync, then the name of a file that was synced itself, which loses all
/// that is in it, then the latest change of a file, and any other name.
fn head(pieces: Vec<(Id, OsString, Piece)>, names: &Names) -> Option<String> {
    let data = || {
        pieces.iter().filter_map(|(_, _, what)| match what {
            Piece::Data(id) => Some(*id),
            Piece::Name { .. } => None,
        })
    };
    let renamed = data().filter_map(|id| names.renamed.get(&id));
    if let Some((_, from, to)) = renamed.max_by_key(|(at, ..)| *at) {
        return Some(format!(
            "rename of {from} to {to} before its data was synced"
        ));
    }
    let is_of_synced = |piece: &&(Id, OsString, Piece)| match piece.2 {
        Piece::Name { now: Some(id), .. } => names.synced.contains(&id),
        Piece::Name { now: None, .. } | Piece::Data(_) => false,
    };
    if let Some(piece) = pieces.iter().find(is_of_synced) {
        return name_lost(piece, names);
    }
    let changed = data().max_by_key(|id| names.unsynced.get(id));
    if let Some(id) = changed {
        return Some(format!("{} was written to and not synced", names.path(id)));
    }
    name_lost(pieces.last()?, names)
}

/// A name that is not durable, in words.
fn name_lost((folder, name, what): &(Id, OsString, Piece), names: &Names) -> Option<String> {
    let Piece::Name { now, was } = what else {
        return None;
    };
    let path = names.of(&Place {
        folder: *folder,
        name: name.clone(),
    });
    let what = match (now, was) {
        (Some(_), None) => "was made",
        (None, _) => "was removed",
        (Some(_), Some(_)) => "was replaced",
    };
    let folder = names.path(*folder);
    Some(format!(
        "{path} {what}, and its folder ({folder}) was not synced"
    ))
}
