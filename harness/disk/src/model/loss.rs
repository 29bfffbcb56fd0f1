//! The loss itself: what is not durable is dropped, and what is left is put in order.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::io;

use super::{BLOCK, Content, Disk, Id, Item, Kind, Lost, ROOT, Store, content};

/// Something that a cut of the power now would drop, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsynced {
    /// The folder.
    pub folder: Id,
    /// The name in it.
    pub name: OsString,
    /// What is not durable.
    pub what: Piece,
}

/// What is not durable of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What its file holds.
    Data(Id),
    /// That it leads to the one now, and not to the other one, or to nothing.
    Name {
        /// What it leads to.
        now: Option<Id>,
        /// What it led to when it was durable.
        was: Option<Id>,
    },
}

impl<S: Store> Disk<S> {
    /// All that a cut of the power now would drop, by name: folders and names in their order.
    pub fn unsynced_pieces(&self) -> Vec<Unsynced> {
        let mut folders: Vec<Id> = self.reachable().into_iter().collect();
        folders.sort_unstable();
        let mut pieces = Vec::new();
        for folder in folders {
            let Some(Kind::Folder(entries)) = self.items.get(&folder).map(|item| &item.kind) else {
                continue;
            };
            let mut add = |name: &OsString, what| {
                let name = name.clone();
                pieces.push(Unsynced { folder, name, what });
            };
            for (name, was) in &entries.durable {
                let (now, was) = (entries.live.get(name).copied(), *was);
                add(name, Piece::Name { now, was });
            }
            for (name, id) in &entries.live {
                if self.has_unsynced_data(*id) {
                    add(name, Piece::Data(*id));
                }
            }
        }
        pieces
    }

    fn has_unsynced_data(&self, id: Id) -> bool {
        let Some(Kind::File(content)) = self.items.get(&id).map(|item| &item.kind) else {
            return false;
        };
        let mut layers = content.layers.iter();
        layers.any(|layer| layer.length != content.length || !layer.blocks.is_empty())
    }

    /// What a cut of the power now would drop: entries, and files that hold something else.
    pub fn unsynced(&self) -> Lost {
        let mut unsynced = Lost::default();
        for item in self.items.values() {
            match &item.kind {
                Kind::Folder(entries) => unsynced.entries += entries.durable.len() as u64,
                Kind::File(content) => {
                    let changed = content
                        .layers
                        .iter()
                        .flat_map(|layer| layer.blocks.values());
                    unsynced.bytes += changed.map(|bytes| bytes.len() as u64).sum::<u64>();
                    let durable = content
                        .layers
                        .first()
                        .map_or(content.length, |layer| layer.length);
                    unsynced.bytes += content.length.saturating_sub(durable);
                }
                Kind::Link(_) | Kind::Special(_) => {}
            }
        }
        unsynced
    }

    /// Drops what is not durable. Nothing may be open.
    ///
    /// # Errors
    /// With the store's: nothing can be said of the disk then.
    pub fn cut_power(&mut self) -> io::Result<Lost> {
        let mut lost = Lost::default();
        let named: HashSet<Id> = self.reachable();
        let mut files = Vec::new();
        for (id, item) in &mut self.items {
            (item.held, item.opens, item.links, item.known) = (0, 0, 0, 0);
            match &mut item.kind {
                Kind::Folder(entries) => {
                    for (name, durable) in std::mem::take(&mut entries.durable) {
                        lost.entries += 1;
                        match durable {
                            Some(id) => drop(entries.live.insert(name, id)),
                            None => drop(entries.live.remove(&name)),
                        }
                    }
                }
                Kind::File(content) => {
                    files.push((*id, content.length, std::mem::take(&mut content.layers)));
                    *content = Content {
                        length: content.length,
                        ..Content::default()
                    };
                }
                Kind::Link(_) | Kind::Special(_) => {}
            }
        }
        lost.entries += self.untangle();
        let left = self.reachable();
        for (id, before, layers) in files {
            if !left.contains(&id) {
                lost.bytes += if named.contains(&id) { before } else { 0 };
                continue;
            }
            let mut length = before;
            let mut changed = BTreeMap::new();
            for layer in layers.into_iter().rev() {
                length = layer.length;
                changed.extend(layer.blocks);
            }
            // What a lower layer says of a block that it cuts, an upper one said more of. One that ends early goes on with zeros.
            changed.retain(|block, bytes: &mut Vec<u8>| {
                let left = length.saturating_sub(block * BLOCK);
                bytes.resize(left.min(BLOCK) as usize, 0);
                left > 0
            });
            for (block, bytes) in &changed {
                let is = self.store.read(id, block * BLOCK, bytes.len())?;
                let differ = is.iter().zip(bytes).filter(|(is, was)| is != was).count();
                lost.bytes += differ as u64;
            }
            lost.bytes += before.saturating_sub(length);
            if length != before {
                self.store.set_length(id, length)?;
            }
            for (block, bytes) in &changed {
                self.store.write(id, block * BLOCK, bytes)?;
            }
            content(&mut self.items, id)
                .map_err(|_| io::ErrorKind::NotFound)?
                .length = length;
        }
        let gone: Vec<Id> = self
            .items
            .keys()
            .filter(|id| !left.contains(id))
            .copied()
            .collect();
        for id in gone {
            if let Some(Item {
                kind: Kind::File(_),
                ..
            }) = self.items.remove(&id)
            {
                self.store.remove(id);
            }
        }
        self.count_links();
        self.uncommitted.clear();
        self.waiting.clear();
        self.changed.clear();
        self.begun.clear();
        Ok(lost)
    }

    /// A folder that was moved may have two names, or lie in itself, where only one of its parents was synced: it keeps the
    /// name that is nearest to the root. Returns how many others were taken away.
    fn untangle(&mut self) -> u64 {
        let mut seen = HashSet::from([ROOT]);
        let mut folders = VecDeque::from([ROOT]);
        let mut taken = 0;
        while let Some(folder) = folders.pop_front() {
            let children = self.entries(folder).cloned().unwrap_or_default();
            for (name, id) in children {
                match self.items.get(&id).map(Item::is_folder) {
                    Some(false) => {}
                    Some(true) if seen.insert(id) => folders.push_back(id),
                    Some(true) | None => {
                        taken += 1;
                        if let Some(Kind::Folder(entries)) =
                            self.items.get_mut(&folder).map(|item| &mut item.kind)
                        {
                            entries.live.remove(&name);
                        }
                    }
                }
            }
        }
        taken
    }

    /// All that has a name.
    pub(super) fn reachable(&self) -> HashSet<Id> {
        let mut seen = HashSet::from([ROOT]);
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            for id in self
                .entries(folder)
                .into_iter()
                .flatten()
                .map(|(_, id)| *id)
            {
                if seen.insert(id) && self.items.get(&id).is_some_and(Item::is_folder) {
                    folders.push(id);
                }
            }
        }
        seen
    }

    fn count_links(&mut self) {
        let mut links: HashMap<Id, u32> = HashMap::from([(ROOT, 1)]);
        for item in self.items.values() {
            if let Kind::Folder(entries) = &item.kind {
                for id in entries.live.values() {
                    *links.entry(*id).or_default() += 1;
                }
            }
        }
        for (id, item) in &mut self.items {
            item.links = links.get(id).copied().unwrap_or_default();
        }
    }
}
