//! What a system writes to its disk though nobody asked for it: more may survive a cut of the power than must.

use std::io;

use super::{BLOCK, Content, Disk, Id, Kind, Layer, Store};
use comeback_model::plan::DiskModel;

impl<S: Store> Disk<S> {
    /// Some of what waits in memory is written out, each block by a draw. What it holds now is durable of a block that is
    /// drawn. A file may become longer by this, with zeros where a block in between is not written.
    ///
    /// ext4 writes its journal out before (`commits`), or not: then only blocks that have their place on the disk already are
    /// written where anybody finds them. Of `strict`, all changed names of a folder are written out by a draw, or none.
    ///
    /// # Errors
    /// With the store's.
    pub fn write_back(&mut self, commits: bool, mut draw: impl FnMut() -> bool) -> io::Result<()> {
        if commits {
            self.commit_by_itself();
        }
        // What nothing leads to any more does not come back, whatever is written of it.
        let named = self
            .items
            .iter()
            .filter(|(_, item)| item.links + item.held > 0);
        let mut ids: Vec<Id> = named.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        let may_grow = commits || self.rule != DiskModel::Ext4;
        for id in ids {
            match self.items.get_mut(&id).map(|item| &mut item.kind) {
                Some(Kind::File(content)) => {
                    // What a sync under way has sealed comes before what was written since.
                    while content.may_take_sealed(may_grow) && draw() {
                        content.layers.remove(0);
                    }
                    if let Some(layer) = content.only_layer(may_grow) {
                        let live = (&self.store, id);
                        write_blocks(layer, live, &mut draw)?;
                    } else if may_grow && content.is_cut() && draw() {
                        content.layers.clear();
                    }
                }
                Some(Kind::Folder(entries)) if self.rule == DiskModel::Strict => {
                    if !entries.durable.is_empty() && draw() {
                        self.commit_folder(id);
                    }
                }
                Some(Kind::Folder(_) | Kind::Link(_) | Kind::Special(_)) | None => {}
            }
        }
        Ok(())
    }

    /// How many draws that would take: blocks, and folders.
    pub fn unwritten(&self) -> u64 {
        let pieces = |kind: &Kind| match kind {
            Kind::File(content) => content.layers.first().map_or(0, |layer| {
                let grown = content.length.div_ceil(BLOCK);
                let grown = grown.saturating_sub(layer.length / BLOCK);
                layer.blocks.len() as u64 + grown * u64::from(content.has_grown())
            }),
            Kind::Folder(entries) => u64::from(!entries.durable.is_empty()),
            Kind::Link(_) | Kind::Special(_) => 0,
        };
        let named = self
            .items
            .values()
            .filter(|item| item.links + item.held > 0);
        named.map(|item| pieces(&item.kind)).sum()
    }
}

impl Content {
    /// What leads to all that is durable, where blocks can be written one by one: it is not shorter than that, and none of its
    /// blocks got another place since.
    fn only_layer(&mut self, may_grow: bool) -> Option<(&mut Layer, u64)> {
        let length = self.length;
        match self.layers.as_mut_slice() {
            [layer]
                if layer.number > self.goes_out
                    && (may_grow || !layer.resized.is_something())
                    && layer.resized.cut_to.is_none()
                    && layer.length <= length =>
            {
                let until = if may_grow { length } else { layer.length };
                Some((layer, until))
            }
            _ => None,
        }
    }

    /// Whether it is shorter than what is durable of it.
    fn is_cut(&self) -> bool {
        let [layer] = self.layers.as_slice() else {
            return false;
        };
        layer.resized.cut_to.is_none() && layer.number > self.goes_out && layer.length > self.length
    }

    /// Whether what a sync has sealed that is under way may be written before it ends: all of it.
    fn may_take_sealed(&self, may_grow: bool) -> bool {
        let [durable, sealed, ..] = self.layers.as_slice() else {
            return false;
        };
        durable.number > self.goes_out
            && durable.resized.cut_to.is_none()
            && (may_grow || sealed.length <= durable.length)
    }
}

/// Has blocks up to a length be as they are now, those that are drawn.
fn write_blocks<S: Store>(
    (layer, until): (&mut Layer, u64),
    (store, id): (&S, Id),
    draw: &mut impl FnMut() -> bool,
) -> io::Result<()> {
    let old = layer.length;
    // The last block of what is durable belongs to those that grow it.
    let border = if until > old { old / BLOCK } else { u64::MAX };
    layer.blocks.retain(|block, _| *block >= border || !draw());
    if until <= old {
        return Ok(());
    }
    let drawn: Vec<u64> = (border..until.div_ceil(BLOCK)).filter(|_| draw()).collect();
    let Some(last) = drawn.last() else {
        return Ok(());
    };
    let new = until.min((last + 1) * BLOCK);
    for block in border..=*last {
        if drawn.contains(&block) {
            layer.blocks.remove(&block);
            continue;
        }
        let begin = block * BLOCK;
        let kept = old.saturating_sub(begin).min(BLOCK) as usize;
        let mut bytes = match layer.blocks.remove(&block) {
            Some(bytes) => bytes,
            None => store.read(id, begin, kept)?,
        };
        bytes.resize((new - begin).min(BLOCK) as usize, 0);
        layer.blocks.insert(block, bytes);
    }
    layer.length = new;
    Ok(())
}
