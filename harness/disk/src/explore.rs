//! The disks that a cut of the power could have left behind, at every point of a record. Pure, but for [`Tree::lay`].
//!
//! Each is built by doing the recorded calls again on the model that the file system itself stands on, and cutting the power
//! there: what is durable is said in one place only.

mod early;
mod states;
#[cfg(test)]
mod tests;
mod tree;
mod words;

use std::io;
use std::time::{Duration, SystemTime};

use comeback_model::schedule::Draws;

use crate::memory::Memory;
use crate::model::{Content, Disk, Entries, Kind, Refusal};
use crate::record::{Call, Ended, Made, Record};

pub use early::{Early, Request, early};
pub use states::{Asked, Group, Survey, survey};
pub use tree::Tree;
pub use words::{Reason, Spoken, reason};

/// How a disk came about. Calls are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The power was cut right after this call took effect.
    pub cut: usize,
    /// What the disk had written out by itself until then.
    pub by_itself: ByItself,
}

/// What a disk wrote out by itself before the power was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByItself {
    /// Nothing: what was not synced is gone.
    Nothing,
    /// ext4's journal, right before the cut.
    Journal,
    /// Some blocks and names, and ext4's journal, at these times.
    Some(Vec<WriteBack>),
    /// All: the processes were killed, and the power was not cut.
    All,
}

/// A moment at which the system writes out what it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteBack {
    /// After this call.
    pub after: usize,
    /// With ext4's journal first.
    pub commits: bool,
    /// What is written is drawn from this.
    pub seed: u64,
}

impl Record {
    /// The end of the time in which a cut of the power leaves the disk as it is after this call: the next one takes effect. None
    /// after the last one of a whole record.
    pub fn end_of(&self, cut: usize) -> Option<Duration> {
        let next = self.calls.iter().skip(cut + 1);
        let next = next
            .filter(|noted| noted.call.changes())
            .map(|noted| noted.at);
        next.chain(self.full_at()).next()
    }

    /// The moment from which on calls are not on record, if it ended before its time.
    pub const fn full_at(&self) -> Option<Duration> {
        match self.ended {
            Ended::Full(at) => Some(at),
            Ended::Whole => None,
        }
    }

    fn disk(&self) -> Disk<Memory> {
        Disk::new(self.rule, Memory::default(), self.root.about())
    }

    /// The disk that a recipe leads to.
    ///
    /// # Errors
    /// If the calls do not fit together: the record is wrong.
    pub fn build(&self, recipe: &Recipe) -> io::Result<Tree> {
        let mut disk = self.disk();
        for (at, noted) in self.calls.iter().enumerate().take(recipe.cut + 1) {
            apply(&mut disk, &noted.call).map_err(|refusal| mismatch(at, &refusal))?;
            if let ByItself::Some(times) = &recipe.by_itself {
                for time in times.iter().filter(|time| time.after == at) {
                    let mut draws = Draws::new(time.seed);
                    disk.write_back(time.commits, || draws.below(2) == 0)?;
                }
            }
        }
        left_of(disk, &recipe.by_itself)
    }
}

/// What is left where the power is cut now.
fn left_of(mut disk: Disk<Memory>, by_itself: &ByItself) -> io::Result<Tree> {
    match by_itself {
        ByItself::All => return Ok(Tree::new(disk)),
        ByItself::Journal => disk.commit_by_itself(),
        ByItself::Nothing | ByItself::Some(_) => {}
    }
    disk.cut_power()?;
    Ok(Tree::new(disk))
}

fn mismatch(at: usize, refusal: &Refusal) -> io::Error {
    io::Error::other(format!(
        "the record of the disk does not fit together: call {at} is refused when it is done again ({refusal:?})"
    ))
}

/// Does a call again.
fn apply(disk: &mut Disk<Memory>, call: &Call) -> Result<(), Refusal> {
    // Times are not on record.
    let now = SystemTime::UNIX_EPOCH;
    match call {
        Call::Make(place, made, access) => {
            let kind = match made {
                Made::File => Kind::File(Content::default()),
                Made::Folder => Kind::Folder(Entries::default()),
                Made::Link(target) => Kind::Link(target.clone()),
                Made::Special(is_socket) => Kind::Special(*is_socket),
            };
            let id = disk.make(place.pair(), kind, access.about())?;
            // Nobody says here when the kernel forgets it, which a later call may mean after it lost its name.
            disk.tell(id);
            Ok(())
        }
        Call::Link(id, place) => disk.link(*id, place.pair(), now),
        Call::Remove(place, is_folder) => disk.remove(place.pair(), *is_folder, now),
        Call::Rename(from, to, may_replace) => {
            disk.rename(from.pair(), to.pair(), *may_replace, now)
        }
        Call::Write(id, offset, bytes) => disk.write(*id, *offset, bytes, now),
        Call::SetLength(id, length) => disk.set_length(*id, *length, now),
        Call::About(id, access) => {
            *disk.about(*id)? = access.about();
            Ok(())
        }
        Call::Open(id) => disk.open(*id),
        Call::Close(id) => {
            disk.close(*id);
            Ok(())
        }
        Call::Sync(id, data) => disk.sync(*id, *data),
        Call::SyncBegin(id, data) => disk.begin_sync(*id, *data).map(drop),
        Call::SyncEnd(_, _, number) => {
            disk.end_sync(*number);
            Ok(())
        }
    }
}
