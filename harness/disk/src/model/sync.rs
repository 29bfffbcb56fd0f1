//! What a sync makes durable: what was there when it began, and only when it has ended. Several may be under way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use comeback_model::plan::DiskModel;

use super::{BLOCK, Content, Disk, Id, Kind, Layer, Refusal, Resized, Store, content};

/// When something was changed since the last commit, counted in seals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    last: u64,
    /// When more than its content was.
    more: Option<u64>,
}

/// What a sync that is under way makes durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    /// The number of its seal.
    seal: u64,
    /// A file, and its layers up to this number.
    data: Option<(Id, u64)>,
    /// What these names lead to, by their folder. Each is held.
    names: BTreeMap<(Id, OsString), Option<Id>>,
    /// ext4's journal is written out with it.
    commits: bool,
    /// Of these files the commit lets out layers up to the first number, and lengths up to the second.
    files: BTreeMap<Id, (u64, u64)>,
}

impl Content {
    /// What is changed from now on is told from what it holds now. Returns the number of the last layer.
    fn seal(&mut self, is_under_way: bool) -> u64 {
        let last = self.layers.last().map_or(0, |layer| layer.number);
        if is_under_way {
            self.sealed = self.sealed.max(last);
        }
        last
    }

    /// Lets out layers up to a number, and what its length was set to in layers up to another one.
    fn commit(&mut self, goes_out: u64, lengths: u64) {
        self.layers.retain(|layer| layer.number > goes_out);
        let later = self.layers.iter().filter(|layer| layer.number > lengths);
        let pending = later.filter_map(|layer| layer.resized.grown_to).max();
        let mut resized = Resized::default();
        for layer in self.layers.iter_mut().rev() {
            if layer.number <= lengths {
                resized = std::mem::take(&mut layer.resized).and(resized);
            }
            layer.resize(resized, pending.unwrap_or_default());
        }
    }

    /// Whether the next commit changes what is durable of it.
    fn waits(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| layer.number <= self.goes_out || layer.resized.is_something())
    }

    /// Makes one of layers that no sync under way tells apart: one of those that go out with the next commit, and one of the
    /// rest.
    pub(super) fn merge(&mut self) {
        self.sealed = self.goes_out;
        let mut merged: Vec<Layer> = Vec::new();
        for layer in std::mem::take(&mut self.layers) {
            match merged.last_mut() {
                Some(below)
                    if (below.number <= self.goes_out) == (layer.number <= self.goes_out) =>
                {
                    below.take_in(layer);
                }
                _ => merged.push(layer),
            }
        }
        self.layers = merged;
    }
}

impl Layer {
    /// Leads back from what the one above it does.
    fn take_in(&mut self, above: Self) {
        self.number = above.number;
        // What was written behind that is not what the file grows by.
        let own = self.reach();
        self.resized = self.resized.and(above.resized);
        let reach = self.reach();
        for (block, mut bytes) in above.blocks {
            let begin = block * BLOCK;
            if begin < reach {
                let left = own.saturating_sub(begin);
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.blocks.entry(block).or_insert(bytes);
            }
        }
    }
}

impl<S: Store> Disk<S> {
    /// An fsync or, with `data` alone, fdatasync of a file or folder, which takes no time.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn sync(&mut self, id: Id, data: bool) -> Result<(), Refusal> {
        let begun = self.seal(id, data, false)?;
        self.finish(begun);
        Ok(())
    }

    /// The same, which begins: what is there now is durable when it ends. Returns its number: how many were begun by then.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn begin_sync(&mut self, id: Id, data: bool) -> Result<u64, Refusal> {
        let begun = self.seal(id, data, true)?;
        self.last_begun += 1;
        self.begun.insert(self.last_begun, begun);
        Ok(self.last_begun)
    }

    /// It has ended. After a cut of the power in between nothing is durable by it.
    pub fn end_sync(&mut self, number: u64) {
        if let Some(begun) = self.begun.remove(&number) {
            self.finish(begun);
        }
    }

    /// It has failed: nothing is durable by it.
    pub fn give_up_sync(&mut self, number: u64) {
        if let Some(begun) = self.begun.remove(&number) {
            for id in begun.names.into_values().flatten() {
                self.release(id);
            }
        }
    }

    fn seal(&mut self, id: Id, data: bool, is_under_way: bool) -> Result<Begun, Refusal> {
        let item = self.items.get_mut(&id).ok_or(Refusal::Missing)?;
        let mut has_grown = false;
        let mut sealed = None;
        if let Kind::File(content) = &mut item.kind {
            // What is written out past the old end makes the file longer on the disk, also after a commit.
            has_grown = content.has_grown();
            sealed = Some((id, content.seal(is_under_way)));
        }
        let mut begun = self.next_seal();
        begun.data = sealed;
        match self.rule {
            DiskModel::Lazy => {}
            DiskModel::Strict => self.seal_names(&mut begun, &BTreeSet::from([id])),
            // ext4_fsync_journal waits for the last transaction that changed this inode, and for no other.
            DiskModel::Ext4 => match self.changed.get(&id) {
                _ if has_grown => self.seal_all(&mut begun, is_under_way),
                Some(change) if change.more.is_some() || !data => {
                    self.seal_all(&mut begun, is_under_way);
                }
                Some(_) | None => {}
            },
        }
        Ok(begun)
    }

    const fn next_seal(&mut self) -> Begun {
        self.seals += 1;
        Begun {
            seal: self.seals,
            data: None,
            names: BTreeMap::new(),
            commits: false,
            files: BTreeMap::new(),
        }
    }

    /// All that the journal is written out with.
    fn seal_all(&mut self, begun: &mut Begun, is_under_way: bool) {
        let mut folders = self.uncommitted.clone();
        let others = self.begun.values();
        folders.extend(others.flat_map(|other| other.names.keys().map(|(folder, _)| *folder)));
        self.seal_names(begun, &folders);
        for id in &self.waiting {
            if let Ok(content) = content(&mut self.items, *id) {
                let goes_out = content.goes_out;
                let place = (goes_out, content.seal(is_under_way));
                begun.files.insert(*id, place);
            }
        }
        begun.commits = true;
    }

    /// The names of folders that are not durable, or that a sync under way makes durable as they were before.
    fn seal_names(&mut self, begun: &mut Begun, folders: &BTreeSet<Id>) {
        let mut names: BTreeSet<(Id, OsString)> = BTreeSet::new();
        for other in self.begun.values() {
            let of_these = other.names.keys();
            names.extend(
                of_these
                    .filter(|(folder, _)| folders.contains(folder))
                    .cloned(),
            );
        }
        for folder in folders {
            if let Some(Kind::Folder(entries)) = self.items.get(folder).map(|item| &item.kind) {
                names.extend(entries.durable.keys().map(|name| (*folder, name.clone())));
            }
        }
        for (folder, name) in names {
            let live = self.look_up(folder, &name).ok();
            self.hold(live);
            begun.names.insert((folder, name), live);
        }
    }

    fn hold(&mut self, id: Option<Id>) {
        if let Some(item) = id.and_then(|id| self.items.get_mut(&id)) {
            item.held += 1;
        }
    }

    /// What was sealed is durable.
    fn finish(&mut self, begun: Begun) {
        if let Some((id, until)) = begun.data
            && let Ok(content) = content(&mut self.items, id)
        {
            content.layers.retain(|layer| layer.number > until);
        }
        for (id, (goes_out, lengths)) in &begun.files {
            if let Ok(content) = content(&mut self.items, *id) {
                content.commit(*goes_out, *lengths);
            }
        }
        if begun.commits {
            self.changed.retain(|_, change| {
                change.more = change.more.filter(|at| *at >= begun.seal);
                change.last >= begun.seal
            });
        }
        let files = begun.files.keys().copied();
        for id in files.chain(begun.data.map(|(id, _)| id)) {
            let Ok(content) = content(&mut self.items, id) else {
                continue;
            };
            if self.begun.is_empty() {
                content.merge();
            }
            if !content.waits() {
                self.waiting.remove(&id);
            }
        }
        let mut released = Vec::new();
        for (place, to) in begun.names {
            // What one that began before it makes durable later is older.
            let others = self.begun.values_mut();
            for other in others.filter(|other| other.seal < begun.seal) {
                released.extend(other.names.remove(&place).flatten());
            }
            released.extend(self.make_durable(place, to));
            released.extend(to);
        }
        for id in released {
            self.release(id);
        }
    }

    /// A name of a folder leads there where it is durable. Returns what it led to before, which is held.
    fn make_durable(&mut self, (folder, name): (Id, OsString), to: Option<Id>) -> Option<Id> {
        let Some(Kind::Folder(entries)) = self.items.get_mut(&folder).map(|item| &mut item.kind)
        else {
            return None;
        };
        let is_live = entries.live.get(&name).copied() == to;
        let before = match is_live {
            true => entries.durable.remove(&name),
            false => entries.durable.insert(name, to),
        };
        if entries.durable.is_empty() {
            self.uncommitted.remove(&folder);
        } else {
            self.uncommitted.insert(folder);
        }
        if !is_live {
            self.hold(to);
        }
        before.flatten()
    }

    /// The journal is written out though nobody asked for it, where there is one: ext4 does so every five seconds.
    pub fn commit_by_itself(&mut self) {
        if self.rule == DiskModel::Ext4 {
            let mut begun = self.next_seal();
            self.seal_all(&mut begun, false);
            self.finish(begun);
        }
    }

    /// The entries of a folder are durable.
    pub(super) fn commit_folder(&mut self, folder: Id) {
        let mut begun = self.next_seal();
        self.seal_names(&mut begun, &BTreeSet::from([folder]));
        self.finish(begun);
    }

    /// Notes that something was changed; with `is_more`, more than its content.
    pub(super) fn note_change(&mut self, id: Id, is_more: bool) {
        let change = self.changed.entry(id).or_default();
        change.last = self.seals;
        if is_more {
            change.more = Some(self.seals);
        }
    }
}
