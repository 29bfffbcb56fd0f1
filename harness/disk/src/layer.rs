//! The file system: the kernel's requests, answered from the model.
//!
//! Writes go through at once (there is no write-back cache), so that the model knows of each before it is acknowledged. Files
//! may be mapped: reads are cached by the kernel, and dirty pages come back as writes.

mod calls;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use comeback_model::plan::DiskModel;
use fuser::{Errno, FileAttr, FileHandle, FileType, INodeNo, Request};
use rustix::fs::OFlags;

use crate::canary;
use crate::model::{About, Disk, Id, Item, Kind, Lost, ROOT, Refusal};
use crate::record::Log;
use crate::recorded::Recorded;
use crate::store::{Folder, read};

/// An inode's number is its id, and above it how often the power was cut: nothing that the kernel knew before is anything after.
const EPOCH_BITS: u32 = 40;

/// A layer, shared by the file system and the control socket.
#[derive(Clone, Debug)]
pub(crate) struct Layer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    backing: PathBuf,
    state: Mutex<State>,
    /// Told when something was closed.
    closed: Condvar,
}

#[derive(Debug)]
struct State {
    disk: Recorded<Folder>,
    epoch: u64,
    handles: HashMap<u64, Handle>,
    last_handle: u64,
    /// A listing goes on as the folder was when it was opened.
    listings: HashMap<u64, Vec<(OsString, Id, FileType)>>,
    /// A test has it lose what is synced, too.
    ignores_syncs: bool,
    /// A test has each sync take so much longer.
    sync_takes: Duration,
    /// Somebody other than the canaries made a file on it.
    is_used: bool,
    /// Syncs that have ended for threads that are being killed: nobody was told. They count once somebody opens a file after that,
    /// and not if the power is cut first.
    untold: Vec<Synced>,
}

/// A sync that has begun: of what, its data alone or all, and its number.
type Synced = ((Id, bool), u64);

/// A sync whose own disk is still to be waited for.
struct Syncing {
    own: Arc<File>,
    /// None where syncs are ignored.
    synced: Option<Synced>,
    takes: Duration,
}

/// An open file.
#[derive(Clone, Copy, Debug)]
struct Handle {
    id: Id,
    /// Each write is synced: its data alone, or all (`O_DSYNC`, `O_SYNC`).
    syncs: Option<bool>,
}

impl From<Refusal> for Errno {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::ENOENT,
            Refusal::Exists => Self::EEXIST,
            Refusal::NoFolder => Self::ENOTDIR,
            Refusal::Folder => Self::EISDIR,
            Refusal::NotEmpty => Self::ENOTEMPTY,
            Refusal::Invalid => Self::EINVAL,
            Refusal::Failed(cause) => match cause.raw_os_error() {
                Some(number) => Self::from_i32(number),
                None => Self::EIO,
            },
        }
    }
}

impl State {
    /// What the kernel means by a number.
    fn id(&self, ino: INodeNo) -> Result<Id, Errno> {
        match (ino.0, ino.0 >> EPOCH_BITS) {
            (ROOT, _) => Ok(ROOT),
            (number, epoch) if epoch == self.epoch => {
                let id = number & ((1 << EPOCH_BITS) - 1);
                // What the kernel was told of is kept until it forgets that, also where another took its name.
                self.disk.item(id).map(|_| id).map_err(|_| Errno::ESTALE)
            }
            _ => Err(Errno::EIO),
        }
    }

    fn ino(&self, id: Id) -> INodeNo {
        match id {
            ROOT => INodeNo(ROOT),
            id => INodeNo(self.epoch << EPOCH_BITS | id),
        }
    }

    fn attributes(&self, id: Id) -> Result<FileAttr, Errno> {
        let item = self.disk.item(id)?;
        let about = item.about;
        let size = item.length();
        Ok(FileAttr {
            ino: self.ino(id),
            size,
            blocks: size.div_ceil(512),
            atime: about.accessed,
            mtime: about.modified,
            ctime: about.changed,
            crtime: about.changed,
            kind: kind_of(item),
            perm: about.mode,
            // Of a folder it is 1, as on btrfs: the folders below it are not counted.
            nlink: item.links,
            uid: about.uid,
            gid: about.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// The same, for a kernel that remembers it from now on.
    fn told(&mut self, id: Id) -> Result<FileAttr, Errno> {
        let found = self.attributes(id)?;
        self.disk.tell(id);
        Ok(found)
    }

    fn open(&mut self, id: Id, flags: i32, request: &Request) -> Result<FileHandle, Errno> {
        self.end_untold(request)?;
        self.disk.open(id)?;
        if let Err(error) = self.disk.store().hold(id) {
            self.disk.close(id);
            return Err(Refusal::from(error).into());
        }
        let flags = OFlags::from_bits_retain(flags.cast_unsigned());
        let syncs = match () {
            () if flags.contains(OFlags::SYNC) => Some(false),
            () if flags.contains(OFlags::DSYNC) => Some(true),
            () => None,
        };
        self.last_handle += 1;
        self.handles.insert(self.last_handle, Handle { id, syncs });
        Ok(FileHandle(self.last_handle))
    }

    /// The power was not cut: whoever opens a file now, other than the canaries, finds what was synced.
    fn end_untold(&mut self, request: &Request) -> Result<(), Errno> {
        let by = request.pid();
        if self.untold.is_empty() || is_own(by) || is_being_killed(by) {
            return Ok(());
        }
        for (of, number) in std::mem::take(&mut self.untold) {
            self.disk.end_sync(of, number)?;
        }
        Ok(())
    }

    fn handle(&self, handle: FileHandle) -> Result<Handle, Errno> {
        // One from before the power was cut is none.
        self.handles.get(&handle.0).copied().ok_or(Errno::EIO)
    }

    fn make(
        &mut self,
        (parent, name): (INodeNo, &OsStr),
        kind: Kind,
        (mode, request): (u32, &Request),
    ) -> Result<Id, Errno> {
        let parent = self.id(parent)?;
        let about = About::new(mode, request.uid(), request.gid());
        // A folder, a socket or a pipe keeps nothing.
        let keeps = matches!(kind, Kind::File(_) | Kind::Link(_)) && !canary::is_hidden(name);
        let made = self.disk.make((parent, name), kind, about)?;
        self.is_used |= keeps;
        Ok(made)
    }
}

impl About {
    /// Of something that is made now.
    pub(crate) fn new(mode: u32, uid: u32, gid: u32) -> Self {
        let now = SystemTime::now();
        Self {
            mode: (mode & 0o7777) as u16,
            uid,
            gid,
            accessed: now,
            modified: now,
            changed: now,
        }
    }
}

const fn kind_of(item: &Item) -> FileType {
    match item.kind {
        Kind::File(_) => FileType::RegularFile,
        Kind::Folder(_) => FileType::Directory,
        Kind::Link(_) => FileType::Symlink,
        Kind::Special(true) => FileType::Socket,
        Kind::Special(false) => FileType::NamedPipe,
    }
}

impl Layer {
    /// One whose calls are put on record, if there is one.
    pub(crate) fn new(
        model: DiskModel,
        backing: PathBuf,
        root: About,
        log: Option<Log<BufWriter<File>>>,
    ) -> Self {
        let disk = Disk::new(model, Folder::new(backing.clone()), root);
        let disk = Recorded::new(disk, log);
        Self(Arc::new(Shared {
            backing,
            state: Mutex::new(State {
                disk,
                epoch: 0,
                handles: HashMap::new(),
                last_handle: 0,
                listings: HashMap::new(),
                ignores_syncs: false,
                sync_takes: Duration::ZERO,
                is_used: false,
                untold: Vec::new(),
            }),
            closed: Condvar::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ignore_syncs(&self) {
        self.state().ignores_syncs = true;
    }

    pub(crate) fn slow_syncs(&self, by: Duration) {
        self.state().sync_takes = by;
    }

    /// What a cut of the power now would drop.
    pub(crate) fn unsynced(&self) -> Lost {
        self.state().disk.unsynced()
    }

    /// It takes no more calls.
    ///
    /// # Errors
    /// If their record cannot be written.
    pub(crate) fn end_record(&self) -> io::Result<()> {
        self.state().disk.end_record()
    }

    /// Whether anybody other than the canaries ever made a file on it.
    pub(crate) fn is_used(&self) -> bool {
        self.state().is_used
    }

    /// Drops what is not durable, once nothing is open any more; with `commits`, right after ext4's journal was written out by
    /// itself.
    ///
    /// # Errors
    /// If something is open for longer than that, or the contents cannot be changed.
    pub(crate) fn cut_power(&self, within: Duration, commits: bool) -> Result<Lost, String> {
        let waited = self
            .0
            .closed
            .wait_timeout_while(self.state(), within, |state| !state.handles.is_empty());
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let open = state.handles.len();
            return Err(format!(
                "{open} files of it are open: a process that uses it lives on"
            ));
        }
        state.epoch += 1;
        state.listings.clear();
        state.untold.clear();
        let lost = state.disk.cut_power(commits);
        lost.map_err(|error| format!("its contents cannot be changed: {error}"))
    }

    fn entry(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let mut state = self.state();
        let id = state.disk.look_up(state.id(parent)?, name)?;
        state.told(id)
    }

    fn change(
        &self,
        ino: INodeNo,
        change: impl FnOnce(&mut About),
        size: Option<u64>,
    ) -> Result<FileAttr, Errno> {
        let mut state = self.state();
        let id = state.id(ino)?;
        if let Some(size) = size {
            state.disk.set_length(id, size, SystemTime::now())?;
        }
        state.disk.change_about(id, change)?;
        state.attributes(id)
    }

    fn made(
        &self,
        place: (INodeNo, &OsStr),
        kind: Kind,
        by: (u32, &Request),
    ) -> Result<FileAttr, Errno> {
        let mut state = self.state();
        let id = state.make(place, kind, by)?;
        state.told(id)
    }

    /// Writes. Returns what is to be synced, where each write is.
    fn do_write(
        &self,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
    ) -> Result<Option<Syncing>, Errno> {
        let mut state = self.state();
        let Handle { id, syncs } = state.handle(handle)?;
        state.disk.write(id, offset, data, SystemTime::now())?;
        syncs.map_or(Ok(None), |data| self.begin_sync(&mut state, id, data))
    }

    /// Begins a sync: what is there now is durable when it has ended, and not before. Returns what has to be waited for.
    fn begin_sync(&self, state: &mut State, id: Id, data: bool) -> Result<Option<Syncing>, Errno> {
        let own = match state.disk.item(id)?.kind {
            Kind::File(_) => state.disk.store().file(id).map_err(Refusal::from)?,
            Kind::Folder(_) => Arc::new(File::open(&self.0.backing).map_err(Refusal::from)?),
            Kind::Link(_) | Kind::Special(_) => {
                if !state.ignores_syncs {
                    state.disk.sync(id, data)?;
                }
                return Ok(None);
            }
        };
        let synced = match state.ignores_syncs {
            true => None,
            false => Some(((id, data), state.disk.begin_sync(id, data)?)),
        };
        let takes = state.sync_takes;
        Ok(Some(Syncing { own, synced, takes }))
    }

    /// Waits for the machine's own disk, too: an fsync takes as long as it does without this layer. It is for this thread.
    fn end_sync(&self, syncing: &Syncing, by: u32) -> Result<(), Errno> {
        thread::sleep(syncing.takes);
        let reached = sync_own(&syncing.own).map_err(Refusal::from);
        let Some((of, number)) = syncing.synced else {
            return Ok(reached?);
        };
        let mut state = self.state();
        match reached {
            // A thread that is killed waits for its reply, and sees none. A power cut would have come before that.
            Ok(()) if is_being_killed(by) => {
                state.untold.push((of, number));
                Ok(())
            }
            Ok(()) => Ok(state.disk.end_sync(of, number)?),
            Err(error) => {
                state.disk.give_up_sync(number);
                Err(error.into())
            }
        }
    }

    /// Answers when a sync has ended. Other calls are answered meanwhile, as many as there may be.
    fn sync(
        &self,
        begun: Result<Option<Syncing>, Errno>,
        by: u32,
        answer: impl FnOnce(Result<(), Errno>) + Send + 'static,
    ) {
        let syncing = match begun {
            Ok(Some(syncing)) => syncing,
            done => return answer(done.map(drop)),
        };
        let (layer, synced) = (self.clone(), syncing.synced);
        let waits = move || answer(layer.end_sync(&syncing, by));
        // Where there can be no thread the reply is dropped with it, which is an EIO.
        let spawned = thread::Builder::new().name("sync".to_owned()).spawn(waits);
        if let (Err(_), Some((_, number))) = (spawned, synced) {
            self.state().disk.give_up_sync(number);
        }
    }

    fn do_read(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let mut state = self.state();
        let Handle { id, .. } = state.handle(handle)?;
        let file = state.disk.store().file(id).map_err(Refusal::from)?;
        drop(state);
        Ok(read(&file, offset, size as usize).map_err(Refusal::from)?)
    }

    fn close(&self, handle: FileHandle) {
        let mut state = self.state();
        if let Some(Handle { id, .. }) = state.handles.remove(&handle.0)
            && state.disk.close(id)
        {
            state.disk.store().let_go(id);
        }
        drop(state);
        self.0.closed.notify_all();
    }
}

/// Whether it is a thread of this process.
fn is_own(thread: u32) -> bool {
    Path::new(&format!("/proc/self/task/{thread}")).exists()
}

/// Whether a thread has a SIGKILL that it cannot take before its call is answered.
fn is_being_killed(thread: u32) -> bool {
    const KILL: u64 = 1 << (9 - 1);
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let pending = ["SigPnd:", "ShdPnd:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
    });
    pending.into_iter().flatten().any(|mask| mask & KILL != 0)
}

/// Has a file, or the folder of all files, reach the machine's own disk. Some systems sync no folders.
fn sync_own(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput && is_folder(file) => Ok(()),
        synced => synced,
    }
}

fn is_folder(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        Layer::new(
            DiskModel::Ext4,
            PathBuf::new(),
            About::new(0o755, 0, 0),
            None,
        )
    }

    #[test]
    fn what_is_gone_since_its_name_was_looked_up_is_there_until_it_is_forgotten() {
        let layer = layer();
        let mut state = layer.state();
        let (place, about) = ((ROOT, OsStr::new("a")), About::new(0o644, 0, 0));
        let link = Kind::Link("b".into());
        let id = state.disk.make(place, link, about).expect("it is free");
        let ino = state.ino(id);
        assert_eq!(state.told(id).map(|found| found.ino), Ok(ino));
        let removed = state.disk.remove(place, false, SystemTime::now());
        removed.expect("it is there");
        assert_eq!(state.id(ino), Ok(id));
        state.disk.untell(id, 1);
        assert_eq!(state.id(ino), Err(Errno::ESTALE));
        drop(state);
        assert_eq!(
            layer.entry(INodeNo(ROOT), place.1).map(|found| found.ino),
            Err(Errno::ENOENT)
        );
    }
}
