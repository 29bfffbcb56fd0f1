//! What a disk keeps when its power is cut: the files of a folder, with what is durable of each. Pure: contents lie in a
//! [`Store`].
//!
//! What is live is kept as it is; of what is durable only the difference is: the old blocks of a file and the old entries of
//! a folder, since each was durable last.

mod loss;
mod sync;
mod write_back;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::SystemTime;

use comeback_model::plan::DiskModel;

pub use loss::{Piece, Unsynced};
use sync::{Begun, Change};

/// A file, folder or link, under whatever name. It is never used again.
pub type Id = u64;

/// The folder that is mounted.
pub const ROOT: Id = 1;
/// Old content is kept in pieces of this many bytes.
const BLOCK: u64 = 4096;

/// Where the contents of files lie.
pub trait Store {
    /// An empty file.
    ///
    /// # Errors
    /// With the system's.
    fn create(&mut self, id: Id) -> io::Result<()>;
    /// Forgets a file.
    fn remove(&mut self, id: Id);
    /// Up to so many bytes from there; fewer at the end.
    ///
    /// # Errors
    /// With the system's.
    fn read(&self, id: Id, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Writes bytes there; a gap before them is zero.
    ///
    /// # Errors
    /// With the system's.
    fn write(&mut self, id: Id, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file, or adds zeros.
    ///
    /// # Errors
    /// With the system's.
    fn set_length(&mut self, id: Id, length: u64) -> io::Result<()>;
}

/// What does not belong to the content, and is not forgotten.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The permissions.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// When it was read, where somebody set that.
    pub accessed: SystemTime,
    /// When its content was changed.
    pub modified: SystemTime,
    /// When anything of it was changed.
    pub changed: SystemTime,
}

/// What something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File(Content),
    /// A folder.
    Folder(Entries),
    /// A symbolic link.
    Link(OsString),
    /// A socket (`true`) or a pipe.
    Special(bool),
}

/// A file's length, and the way back to what is durable of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    length: u64,
    /// From the last to the first they lead from what is live to what is durable.
    layers: Vec<Layer>,
    /// The number of the newest layer that there ever was.
    last_layer: u64,
    /// What layers up to this number lead back from is not to be mixed with later changes: one begins another layer.
    sealed: u64,
    /// What layers up to this number lead back from goes out with the next commit.
    goes_out: u64,
    /// It was cut to nothing, and not closed since.
    is_emptied: bool,
}

impl Content {
    /// Whether it is longer than what is durable of it.
    fn has_grown(&self) -> bool {
        let durable = self.layers.first().map(|layer| layer.length);
        durable.is_some_and(|durable| self.length > durable)
    }

    /// Whether it was cut since it was last let out.
    fn is_cut_since(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| layer.number > self.goes_out && layer.resized.cut_to.is_some())
    }
}

/// What a file held before: its length, and the blocks below it that were changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Layer {
    number: u64,
    length: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    /// What its length was set to since then, which goes out with the next commit.
    resized: Resized,
}

/// What the length of a file was set to, without a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Resized {
    /// The least length that it was cut to.
    cut_to: Option<u64>,
    /// The length that it grew to after that: with zeros.
    grown_to: Option<u64>,
}

impl Resized {
    fn to(length: u64, before: u64) -> Self {
        match length < before {
            true => Self {
                cut_to: Some(length),
                grown_to: None,
            },
            false => Self {
                cut_to: None,
                grown_to: (length > before).then_some(length),
            },
        }
    }

    /// Both, one after the other.
    fn and(self, later: Self) -> Self {
        let least = |length: u64| later.cut_to.map_or(length, |cut| length.min(cut));
        Self {
            cut_to: self.cut_to.map(least).or(later.cut_to),
            grown_to: later.grown_to.or(self.grown_to.map(least)),
        }
    }

    const fn is_something(self) -> bool {
        self.cut_to.is_some() || self.grown_to.is_some()
    }
}

impl Layer {
    /// How far its blocks reach: as far as the file, or as it will once its length is durable. A block that is shorter goes on with zeros.
    fn reach(&self) -> u64 {
        self.length.max(self.resized.grown_to.unwrap_or_default())
    }

    /// The length alone is durable: what was cut is gone, and zero where the file grew after that, or grows up to `pending` with a
    /// later commit.
    fn resize(&mut self, to: Resized, pending: u64) {
        let grown_to = to.grown_to.unwrap_or_default();
        let zero_until = grown_to.max(pending);
        if let Some(length) = to.cut_to
            && length < self.length
        {
            self.length = length;
            self.blocks.retain(|block, bytes| {
                let left = length.saturating_sub(block * BLOCK);
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left > 0 || block * BLOCK < zero_until
            });
        }
        self.length = self.length.max(grown_to);
    }
}

/// A folder's entries, and those that it had when they were durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    live: BTreeMap<OsString, Id>,
    /// Only names of which that is something else, or nothing.
    durable: BTreeMap<OsString, Option<Id>>,
}

/// Something on the disk.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// The rest.
    pub about: About,
    /// How many live entries name it.
    pub links: u32,
    /// How many durable entries do that no live one is.
    held: u32,
    /// How often it is open.
    opens: u32,
    /// How often somebody was told of it who may still ask for it, though its name may lead elsewhere by then.
    known: u64,
}

impl Item {
    /// Its length.
    pub fn length(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.length,
            Kind::Link(target) => target.len() as u64,
            Kind::Folder(_) | Kind::Special(_) => 0,
        }
    }

    /// Whether it is a folder.
    pub const fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder(_))
    }
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Names that led to something else before, or to nothing.
    pub entries: u64,
    /// Bytes of files that are not as they were: changed ones, cut ones, and those of files without a name.
    pub bytes: u64,
}

/// Why something is not done. Each has its number in the system.
#[derive(Debug)]
pub enum Refusal {
    /// It is not there.
    Missing,
    /// It is there already.
    Exists,
    /// It is no folder.
    NoFolder,
    /// It is a folder.
    Folder,
    /// The folder is not empty.
    NotEmpty,
    /// That makes no sense.
    Invalid,
    /// The store's.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(cause: io::Error) -> Self {
        Self::Failed(cause)
    }
}

/// A disk with one folder.
#[derive(Clone, Debug)]
pub struct Disk<S> {
    rule: DiskModel,
    store: S,
    items: HashMap<Id, Item>,
    last: Id,
    /// Folders with entries that are not durable.
    uncommitted: BTreeSet<Id>,
    /// Files of which a commit changes what is durable.
    waiting: BTreeSet<Id>,
    /// What was changed since the last commit.
    changed: BTreeMap<Id, Change>,
    /// Syncs that have begun and not ended, by their number.
    begun: BTreeMap<u64, Begun>,
    last_begun: u64,
    /// How often something was sealed: what was changed before that is told from what is changed after it.
    seals: u64,
}

impl<S: Store> Disk<S> {
    /// An empty one.
    pub fn new(rule: DiskModel, store: S, about: About) -> Self {
        let root = Item {
            kind: Kind::Folder(Entries::default()),
            about,
            links: 1,
            held: 0,
            opens: 0,
            known: 0,
        };
        Self {
            rule,
            store,
            items: HashMap::from([(ROOT, root)]),
            last: ROOT,
            uncommitted: BTreeSet::new(),
            waiting: BTreeSet::new(),
            changed: BTreeMap::new(),
            begun: BTreeMap::new(),
            last_begun: 0,
            seals: 0,
        }
    }

    /// Its rule.
    pub const fn rule(&self) -> DiskModel {
        self.rule
    }

    /// Where the contents lie.
    pub const fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// The same, to look.
    pub(crate) const fn stored(&self) -> &S {
        &self.store
    }

    /// Something on it.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn item(&self, id: Id) -> Result<&Item, Refusal> {
        self.items.get(&id).ok_or(Refusal::Missing)
    }

    /// The same, to change what is not forgotten.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn about(&mut self, id: Id) -> Result<&mut About, Refusal> {
        self.item(id)?;
        self.note_change(id, false);
        let item = self.items.get_mut(&id).ok_or(Refusal::Missing)?;
        Ok(&mut item.about)
    }

    /// What a name leads to.
    ///
    /// # Errors
    /// If that is nothing.
    pub fn look_up(&self, folder: Id, name: &OsStr) -> Result<Id, Refusal> {
        let found = self.entries(folder)?.get(name).copied();
        found.ok_or(Refusal::Missing)
    }

    /// A folder's entries.
    ///
    /// # Errors
    /// If it is none.
    pub fn entries(&self, folder: Id) -> Result<&BTreeMap<OsString, Id>, Refusal> {
        match &self.item(folder)?.kind {
            Kind::Folder(entries) => Ok(&entries.live),
            Kind::File(_) | Kind::Link(_) | Kind::Special(_) => Err(Refusal::NoFolder),
        }
    }

    /// Makes something new.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn make(
        &mut self,
        (folder, name): (Id, &OsStr),
        kind: Kind,
        about: About,
    ) -> Result<Id, Refusal> {
        if self.entries(folder)?.contains_key(name) {
            return Err(Refusal::Exists);
        }
        let id = self.last + 1;
        if matches!(kind, Kind::File(_)) {
            self.store.create(id)?;
        }
        self.last = id;
        let item = Item {
            kind,
            about,
            links: 0,
            held: 0,
            opens: 0,
            known: 0,
        };
        self.items.insert(id, item);
        self.note_change(id, true);
        self.set_entry((folder, name), Some(id), about.changed);
        Ok(id)
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// If the name is taken, or it is a folder.
    pub fn link(
        &mut self,
        id: Id,
        (folder, name): (Id, &OsStr),
        now: SystemTime,
    ) -> Result<(), Refusal> {
        if self.item(id)?.is_folder() {
            return Err(Refusal::Folder);
        }
        if self.entries(folder)?.contains_key(name) {
            return Err(Refusal::Exists);
        }
        self.set_entry((folder, name), Some(id), now);
        Ok(())
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// If there is none, or it leads to a folder where none is meant, or to one that is not empty.
    pub fn remove(
        &mut self,
        (folder, name): (Id, &OsStr),
        is_folder: bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let id = self.look_up(folder, name)?;
        match (&self.item(id)?.kind, is_folder) {
            (Kind::Folder(_), false) => return Err(Refusal::Folder),
            (Kind::Folder(entries), true) if !entries.live.is_empty() => {
                return Err(Refusal::NotEmpty);
            }
            (Kind::Folder(_), true) => {}
            (_, true) => return Err(Refusal::NoFolder),
            (_, false) => {}
        }
        self.set_entry((folder, name), None, now);
        Ok(())
    }

    /// Moves something, over what is there.
    ///
    /// # Errors
    /// If that cannot be, or something is there and `may_replace` is not given.
    pub fn rename(
        &mut self,
        from: (Id, &OsStr),
        to: (Id, &OsStr),
        may_replace: bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let id = self.look_up(from.0, from.1)?;
        let over = match self.look_up(to.0, to.1) {
            Ok(over) => Some(over),
            Err(Refusal::Missing) => None,
            Err(refusal) => return Err(refusal),
        };
        if let Some(over) = over {
            if !may_replace {
                return Err(Refusal::Exists);
            }
            if over == id {
                return Ok(());
            }
            match (&self.item(id)?.kind, &self.item(over)?.kind) {
                (Kind::Folder(_), Kind::Folder(entries)) if entries.live.is_empty() => {}
                (Kind::Folder(_), Kind::Folder(_)) => return Err(Refusal::NotEmpty),
                (Kind::Folder(_), _) => return Err(Refusal::NoFolder),
                (_, Kind::Folder(_)) => return Err(Refusal::Folder),
                _ => {}
            }
            // ext4_rename: "if (new.inode && !test_opt(..., NO_AUTO_DA_ALLOC)) ext4_alloc_da_blocks(old.inode)".
            self.let_out(id);
        }
        // The new name first: it is never without one.
        self.set_entry(to, Some(id), now);
        self.set_entry(from, None, now);
        Ok(())
    }

    /// Writes to a file.
    ///
    /// # Errors
    /// If it is none, or with the store's.
    pub fn write(
        &mut self,
        id: Id,
        offset: u64,
        bytes: &[u8],
        now: SystemTime,
    ) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(Refusal::Invalid)?;
        // A gap is zero, the rest of the last block with it.
        let from = offset.min(self.item(id)?.length());
        self.keep(id, from, end)?;
        self.store.write(id, offset, bytes)?;
        let content = content(&mut self.items, id)?;
        let grows = end > content.length;
        content.length = content.length.max(end);
        self.touch(id, grows, now);
        Ok(())
    }

    /// Cuts a file, or adds zeros.
    ///
    /// # Errors
    /// If it is none, or with the store's.
    pub fn set_length(&mut self, id: Id, length: u64, now: SystemTime) -> Result<(), Refusal> {
        let before = content(&mut self.items, id)?.length;
        self.keep(id, length.min(before), before.max(length))?;
        if length > before && self.rule != DiskModel::Strict {
            self.keep_zeros(id, before)?;
        }
        self.store.set_length(id, length)?;
        let is_journalled = self.rule == DiskModel::Ext4;
        let content = content(&mut self.items, id)?;
        content.length = length;
        let resized = Resized::to(length, before);
        match self.rule {
            DiskModel::Strict => {}
            // A length is kept at once, as a name is; what is written after it is not. Of what a sync has sealed, too: it is older.
            DiskModel::Lazy => {
                let layers = content.layers.iter_mut();
                layers.for_each(|layer| layer.resize(resized, 0));
            }
            // ext4_setattr sets i_disksize within a transaction, whichever way the length changes.
            DiskModel::Ext4 => {
                if let Some(layer) = content.layers.last_mut() {
                    layer.resized = layer.resized.and(resized);
                }
                if resized.is_something() {
                    self.waiting.insert(id);
                }
            }
        }
        content.is_emptied |= is_journalled && length == 0;
        self.touch(id, length != before, now);
        Ok(())
    }

    fn touch(&mut self, id: Id, is_resized: bool, now: SystemTime) {
        self.note_change(id, is_resized);
        if let Some(item) = self.items.get_mut(&id) {
            (item.about.modified, item.about.changed) = (now, now);
        }
    }

    /// Keeps the old blocks of what is about to be changed.
    fn keep(&mut self, id: Id, from: u64, to: u64) -> Result<(), Refusal> {
        let content = content(&mut self.items, id)?;
        let last = content.layers.last();
        if last.is_none_or(|last| last.number <= content.sealed) {
            content.last_layer += 1;
            content.layers.push(Layer {
                number: content.last_layer,
                length: content.length,
                ..Layer::default()
            });
        }
        let Some(layer) = content.layers.last_mut() else {
            return Ok(());
        };
        let reach = layer.reach();
        let to = to.min(reach);
        if from >= to {
            return Ok(());
        }
        for block in from / BLOCK..to.div_ceil(BLOCK) {
            if layer.blocks.contains_key(&block) {
                continue;
            }
            let begin = block * BLOCK;
            let length = (reach - begin).min(BLOCK);
            let bytes = self.store.read(id, begin, length as usize)?;
            layer.blocks.insert(block, bytes);
        }
        Ok(())
    }

    /// A file of this length is about to grow with zeros: where its length alone is durable, all behind what was durable is zero,
    /// whatever was written there.
    fn keep_zeros(&mut self, id: Id, written: u64) -> Result<(), Refusal> {
        let content = content(&mut self.items, id)?;
        for place in 0..content.layers.len() {
            let (below, above) = content.layers.split_at_mut(place + 1);
            let Some(layer) = below.last_mut().filter(|layer| layer.reach() < written) else {
                continue;
            };
            let reach = layer.reach();
            let (border, kept) = (reach / BLOCK, (reach % BLOCK) as usize);
            if kept > 0 && !layer.blocks.contains_key(&border) {
                let mut above = above.iter();
                let mut bytes = match above.find_map(|layer| layer.blocks.get(&border)) {
                    Some(bytes) => bytes.clone(),
                    None => self.store.read(id, border * BLOCK, kept)?,
                };
                bytes.truncate(kept);
                layer.blocks.insert(border, bytes);
            }
            for block in reach.div_ceil(BLOCK)..written.div_ceil(BLOCK) {
                layer.blocks.entry(block).or_default();
            }
        }
        Ok(())
    }

    /// Has what a file holds now go out with the next commit, where it waits for a place on the disk: what is written over
    /// what has one does not. `ext4_alloc_da_blocks`: "if (!EXT4_I(inode)->i_reserved_data_blocks) return 0".
    fn let_out(&mut self, id: Id) {
        if self.rule != DiskModel::Ext4 {
            return;
        }
        let Ok(content) = content(&mut self.items, id) else {
            return;
        };
        if !content.has_grown() && !content.is_cut_since() {
            return;
        }
        if let Some(last) = content.layers.last() {
            content.goes_out = last.number;
            content.sealed = content.sealed.max(last.number);
            if self.begun.is_empty() {
                content.merge();
            }
            self.waiting.insert(id);
        }
    }

    /// Notes that it is open once more.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn open(&mut self, id: Id) -> Result<(), Refusal> {
        self.items.get_mut(&id).ok_or(Refusal::Missing)?.opens += 1;
        Ok(())
    }

    /// Notes that somebody was told of it once more.
    pub fn tell(&mut self, id: Id) {
        if let Some(item) = self.items.get_mut(&id) {
            item.known += 1;
        }
    }

    /// Notes that this was forgotten so many times.
    pub fn untell(&mut self, id: Id, times: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            item.known = item.known.saturating_sub(times);
        }
        self.forget(id);
    }

    /// Notes that it is closed once. Returns whether it is closed for good.
    pub fn close(&mut self, id: Id) -> bool {
        // ext4_release_file: "if (ext4_test_inode_state(inode, EXT4_STATE_DA_ALLOC_CLOSE)) ext4_alloc_da_blocks(inode)".
        if let Ok(content) = content(&mut self.items, id)
            && std::mem::take(&mut content.is_emptied)
        {
            self.let_out(id);
        }
        let Some(item) = self.items.get_mut(&id) else {
            return true;
        };
        item.opens = item.opens.saturating_sub(1);
        let is_closed = item.opens == 0;
        self.forget(id);
        is_closed
    }

    fn release(&mut self, id: Id) {
        if let Some(item) = self.items.get_mut(&id) {
            item.held = item.held.saturating_sub(1);
        }
        self.forget(id);
    }

    /// Lets a name of a folder lead elsewhere.
    fn set_entry(&mut self, (folder, name): (Id, &OsStr), to: Option<Id>, now: SystemTime) {
        self.note_change(folder, true);
        let Some(item) = self.items.get_mut(&folder) else {
            return;
        };
        (item.about.modified, item.about.changed) = (now, now);
        let Kind::Folder(entries) = &mut item.kind else {
            return;
        };
        let before = match to {
            Some(id) => entries.live.insert(name.to_owned(), id),
            None => entries.live.remove(name),
        };
        let mut released = None;
        if self.rule != DiskModel::Lazy {
            match entries.durable.get(name) {
                None => {
                    entries.durable.insert(name.to_owned(), before);
                    self.uncommitted.insert(folder);
                    if let Some(held) = before.and_then(|id| self.items.get_mut(&id)) {
                        held.held += 1;
                    }
                }
                Some(durable) if *durable == to => {
                    released = entries.durable.remove(name).flatten();
                }
                Some(_) => {}
            }
        }
        if let Some(item) = to.and_then(|id| self.items.get_mut(&id)) {
            item.links += 1;
            item.about.changed = now;
        }
        for id in to.into_iter().chain(before) {
            self.note_change(id, false);
        }
        if let Some(id) = before {
            if let Some(item) = self.items.get_mut(&id) {
                item.links = item.links.saturating_sub(1);
                item.about.changed = now;
            }
            self.forget(id);
        }
        if let Some(id) = released {
            self.release(id);
        }
    }

    /// Forgets what nothing leads to any more.
    fn forget(&mut self, id: Id) {
        let is_gone =
            |item: &Item| item.links == 0 && item.held == 0 && item.opens == 0 && item.known == 0;
        if !self.items.get(&id).is_some_and(is_gone) {
            return;
        }
        let Some(item) = self.items.remove(&id) else {
            return;
        };
        self.uncommitted.remove(&id);
        self.waiting.remove(&id);
        self.changed.remove(&id);
        match item.kind {
            Kind::File(_) => self.store.remove(id),
            Kind::Folder(entries) => {
                for held in entries.durable.into_values().flatten() {
                    self.release(held);
                }
            }
            Kind::Link(_) | Kind::Special(_) => {}
        }
    }
}

fn content(items: &mut HashMap<Id, Item>, id: Id) -> Result<&mut Content, Refusal> {
    match items.get_mut(&id).map(|item| &mut item.kind) {
        Some(Kind::File(content)) => Ok(content),
        Some(Kind::Folder(_)) => Err(Refusal::Folder),
        Some(Kind::Link(_) | Kind::Special(_)) => Err(Refusal::Invalid),
        None => Err(Refusal::Missing),
    }
}

#[cfg(test)]
mod tests;
