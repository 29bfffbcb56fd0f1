//! What the kernel asks for, call by call, and how it is answered.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::{Layer, kind_of};
use crate::canary;
use crate::model::{About, Content, Entries, Id, Kind, ROOT};

/// How long the kernel may take attributes for true: nobody changes them but through it.
const ATTRIBUTES: Duration = Duration::from_secs(1);
/// Names are looked up each time: a cut of the power changes them.
const NAMES: Duration = Duration::ZERO;

fn time(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

fn answer_empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(found: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry_with_ttls(&ATTRIBUTES, &NAMES, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Layer {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.entry(parent, name), reply);
    }

    fn forget(&self, _req: &Request, ino: INodeNo, nlookup: u64) {
        let mut state = self.state();
        if let Ok(id) = state.id(ino)
            && id != ROOT
        {
            state.disk.untell(id, nlookup);
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let state = self.state();
        match state.id(ino).and_then(|id| state.attributes(id)) {
            Ok(found) => reply.attr(&ATTRIBUTES, &found),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = |about: &mut About| {
            about.mode = mode.map_or(about.mode, |mode| (mode & 0o7777) as u16);
            about.uid = uid.unwrap_or(about.uid);
            about.gid = gid.unwrap_or(about.gid);
            about.accessed = atime.map_or(about.accessed, time);
            about.modified = mtime.map_or(about.modified, time);
            about.changed = SystemTime::now();
        };
        match self.change(ino, change, size) {
            Ok(found) => reply.attr(&ATTRIBUTES, &found),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        let state = self.state();
        let item = state
            .id(ino)
            .and_then(|id| state.disk.item(id).map_err(Errno::from));
        match item.map(|item| &item.kind) {
            Ok(Kind::Link(target)) => reply.data(target.as_bytes()),
            Ok(Kind::File(_) | Kind::Folder(_) | Kind::Special(_)) => reply.error(Errno::EINVAL),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let kind = match rustix::fs::FileType::from_raw_mode(mode) {
            rustix::fs::FileType::RegularFile => Kind::File(Content::default()),
            rustix::fs::FileType::Socket => Kind::Special(true),
            rustix::fs::FileType::Fifo => Kind::Special(false),
            _ => return reply.error(Errno::EPERM),
        };
        answer_entry(self.made((parent, name), kind, (mode, req)), reply);
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let kind = Kind::Folder(Entries::default());
        answer_entry(self.made((parent, name), kind, (mode, req)), reply);
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.unmake(parent, name, false), reply);
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.unmake(parent, name, true), reply);
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let kind = Kind::Link(target.as_os_str().to_owned());
        answer_entry(self.made((parent, name), kind, (0o777, req)), reply);
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let only = RenameFlags::RENAME_NOREPLACE;
        if flags.intersects(!only) {
            return reply.error(Errno::EINVAL);
        }
        let mut state = self.state();
        let renamed = state.id(parent).and_then(|parent| {
            let to = state.id(newparent)?;
            let may_replace = !flags.contains(only);
            let (from, to) = ((parent, name), (to, newname));
            Ok(state
                .disk
                .rename(from, to, may_replace, SystemTime::now())?)
        });
        answer_empty(renamed, reply);
    }

    fn link(
        &self,
        _req: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let mut state = self.state();
        let linked = state.id(ino).and_then(|id| {
            let to = state.id(newparent)?;
            state.disk.link(id, (to, newname), SystemTime::now())?;
            state.told(id)
        });
        answer_entry(linked, reply);
    }

    fn open(&self, req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let mut state = self.state();
        match state.id(ino).and_then(|id| state.open(id, flags.0, req)) {
            // Nothing changes a file but through the kernel.
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let mut state = self.state();
        let made = state
            .make((parent, name), Kind::File(Content::default()), (mode, req))
            .and_then(|id| Ok((state.open(id, flags, req)?, state.told(id)?)));
        match made {
            Ok((handle, found)) => {
                let flags = FopenFlags::FOPEN_KEEP_CACHE;
                reply.created(&NAMES, &found, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.do_read(fh, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.sync(
            self.do_write(fh, offset, data),
            req.pid(),
            move |done| match done {
                Ok(()) => reply.written(length),
                Err(error) => reply.error(error),
            },
        );
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.close(fh);
        reply.ok();
    }

    fn fsync(
        &self,
        req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.answer_sync(ino, datasync, (req.pid(), reply));
    }

    fn fsyncdir(
        &self,
        req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.answer_sync(ino, datasync, (req.pid(), reply));
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let mut state = self.state();
        let listing = state.id(ino).and_then(|id| {
            let entries: &BTreeMap<OsString, Id> = state.disk.entries(id)?;
            let entry = |(name, id): (&OsString, &Id)| {
                let kind = kind_of(state.disk.item(*id).ok()?);
                (!canary::is_hidden(name)).then(|| (name.clone(), *id, kind))
            };
            Ok(entries.iter().filter_map(entry).collect())
        });
        match listing {
            Ok(listing) => {
                state.last_handle += 1;
                let handle = state.last_handle;
                state.listings.insert(handle, listing);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let state = self.state();
        let Some(listing) = state.listings.get(&fh.0) else {
            return reply.error(Errno::EIO);
        };
        let own = [".", ".."].map(|name| (OsStr::new(name), ino, FileType::Directory));
        let entries = listing.iter();
        let entries = entries.map(|(name, id, kind)| (name.as_os_str(), state.ino(*id), *kind));
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (at, (name, ino, kind)) in own.into_iter().chain(entries).enumerate().skip(from) {
            if reply.add(ino, at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.state().listings.remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        match rustix::fs::statvfs(&self.0.backing) {
            Ok(found) => reply.statfs(
                found.f_blocks,
                found.f_bfree,
                found.f_bavail,
                found.f_files,
                found.f_ffree,
                u32::try_from(found.f_bsize).unwrap_or(4096),
                255,
                u32::try_from(found.f_frsize).unwrap_or(4096),
            ),
            Err(error) => reply.error(Errno::from_i32(error.raw_os_error())),
        }
    }

    fn fallocate(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let mut state = self.state();
        let grown = state.id(ino).and_then(|id| {
            let end = offset.checked_add(length).ok_or(Errno::EFBIG)?;
            if state.disk.item(id)?.length() < end {
                state.disk.set_length(id, end, SystemTime::now())?;
            }
            Ok(())
        });
        answer_empty(grown, reply);
    }
}

impl Layer {
    /// A file or a folder is synced for a thread, which is answered when that has ended.
    fn answer_sync(&self, ino: INodeNo, data: bool, (by, reply): (u32, ReplyEmpty)) {
        let mut state = self.state();
        let id = state.id(ino);
        let begun = id.and_then(|id| self.begin_sync(&mut state, id, data));
        drop(state);
        self.sync(begun, by, |done| answer_empty(done, reply));
    }

    fn unmake(&self, parent: INodeNo, name: &OsStr, is_folder: bool) -> Result<(), Errno> {
        let mut state = self.state();
        let parent = state.id(parent)?;
        let now = SystemTime::now();
        Ok(state.disk.remove((parent, name), is_folder, now)?)
    }
}
