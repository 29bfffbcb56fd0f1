//! A disk whose calls are put on record, where somebody wants that. It is told what the disk is told, and passes it on.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Deref;
use std::time::SystemTime;

use crate::model::{About, Disk, Id, Item, Kind, Lost, Refusal, Store};
use crate::record::{Access, Call, Log, Made, Place, now};

/// A disk, and the record of its calls.
#[derive(Debug)]
pub(crate) struct Recorded<S, W: Write = BufWriter<File>> {
    disk: Disk<S>,
    log: Option<Log<W>>,
}

impl<S, W: Write> Deref for Recorded<S, W> {
    type Target = Disk<S>;

    fn deref(&self) -> &Disk<S> {
        &self.disk
    }
}

impl<S: Store, W: Write> Recorded<S, W> {
    pub(crate) const fn new(disk: Disk<S>, log: Option<Log<W>>) -> Self {
        Self { disk, log }
    }

    /// Does something, and notes it if it succeeded, as of the moment before. What is noted is made up only if it is.
    fn noted<T>(
        &mut self,
        call: impl FnOnce() -> Call,
        does: impl FnOnce(&mut Disk<S>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Some(log) = &mut self.log else {
            return does(&mut self.disk);
        };
        let at = now();
        let done = does(&mut self.disk)?;
        log.note(at, &call());
        Ok(done)
    }

    pub(crate) const fn store(&mut self) -> &mut S {
        self.disk.store()
    }

    /// Changes what is not forgotten.
    pub(crate) fn change_about(
        &mut self,
        id: Id,
        change: impl FnOnce(&mut About),
    ) -> Result<(), Refusal> {
        let at = now();
        let about = self.disk.about(id)?;
        change(about);
        let access = Access::of(about);
        if let Some(log) = &mut self.log {
            log.note(at, &Call::About(id, access));
        }
        Ok(())
    }

    pub(crate) fn make(
        &mut self,
        place: (Id, &OsStr),
        kind: Kind,
        about: About,
    ) -> Result<Id, Refusal> {
        let made = match &kind {
            Kind::File(_) => Made::File,
            Kind::Folder(_) => Made::Folder,
            Kind::Link(target) => Made::Link(target.clone()),
            Kind::Special(is_socket) => Made::Special(*is_socket),
        };
        let call = || Call::Make(Place::of(place), made, Access::of(&about));
        self.noted(call, |disk| disk.make(place, kind, about))
    }

    pub(crate) fn link(
        &mut self,
        id: Id,
        place: (Id, &OsStr),
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let call = || Call::Link(id, Place::of(place));
        self.noted(call, |disk| disk.link(id, place, now))
    }

    pub(crate) fn remove(
        &mut self,
        place: (Id, &OsStr),
        is_folder: bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let call = || Call::Remove(Place::of(place), is_folder);
        self.noted(call, |disk| disk.remove(place, is_folder, now))
    }

    pub(crate) fn rename(
        &mut self,
        from: (Id, &OsStr),
        to: (Id, &OsStr),
        may_replace: bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let call = || Call::Rename(Place::of(from), Place::of(to), may_replace);
        self.noted(call, |disk| disk.rename(from, to, may_replace, now))
    }

    pub(crate) fn write(
        &mut self,
        id: Id,
        offset: u64,
        bytes: &[u8],
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let call = || Call::Write(id, offset, bytes.to_vec());
        self.noted(call, |disk| disk.write(id, offset, bytes, now))
    }

    pub(crate) fn set_length(
        &mut self,
        id: Id,
        length: u64,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let call = || Call::SetLength(id, length);
        self.noted(call, |disk| disk.set_length(id, length, now))
    }

    pub(crate) fn open(&mut self, id: Id) -> Result<(), Refusal> {
        self.noted(|| Call::Open(id), |disk| disk.open(id))
    }

    pub(crate) fn close(&mut self, id: Id) -> bool {
        let closed = self.noted(|| Call::Close(id), |disk| Ok(disk.close(id)));
        closed.unwrap_or(true)
    }

    /// A sync that takes no time.
    pub(crate) fn sync(&mut self, id: Id, data: bool) -> Result<(), Refusal> {
        self.noted(|| Call::Sync(id, data), |disk| disk.sync(id, data))
    }

    /// A sync begins. Returns its number.
    pub(crate) fn begin_sync(&mut self, id: Id, data: bool) -> Result<u64, Refusal> {
        let call = || Call::SyncBegin(id, data);
        self.noted(call, |disk| disk.begin_sync(id, data))
    }

    /// It has ended, and the data has reached the machine's own disk.
    pub(crate) fn end_sync(&mut self, (id, data): (Id, bool), number: u64) -> Result<(), Refusal> {
        let call = || Call::SyncEnd(id, data, number);
        self.noted(call, |disk| {
            disk.end_sync(number);
            Ok(())
        })
    }

    /// It has failed: nothing is durable by it.
    pub(crate) fn give_up_sync(&mut self, number: u64) {
        self.disk.give_up_sync(number);
    }

    pub(crate) fn item(&self, id: Id) -> Result<&Item, Refusal> {
        self.disk.item(id)
    }

    pub(crate) fn tell(&mut self, id: Id) {
        self.disk.tell(id);
    }

    pub(crate) fn untell(&mut self, id: Id, times: u64) {
        self.disk.untell(id, times);
    }

    /// Drops what is not durable. No record goes on from there.
    ///
    /// # Errors
    /// With the store's.
    pub(crate) fn cut_power(&mut self, commits: bool) -> io::Result<Lost> {
        if let Some(log) = &mut self.log {
            log.break_off(now());
        }
        if commits {
            self.disk.commit_by_itself();
        }
        self.disk.cut_power()
    }

    /// The disk takes no more calls.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub(crate) fn end_record(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::end)
    }

    /// What was written of the record.
    #[cfg(test)]
    pub(crate) fn into_written(self) -> Option<W> {
        self.log?.into_written()
    }
}
