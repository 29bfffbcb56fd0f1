//! The contents of files in memory: of disks that are built again from a record. A copy shares what neither changes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::model::{Id, Store};

/// Contents, and the digest of each that was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(HashMap<Id, Arc<Held>>);

/// What a file holds.
#[derive(Clone, Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    digest: OnceLock<[u8; 32]>,
}

impl Memory {
    fn held(&self, id: Id) -> io::Result<&Held> {
        let found = self.0.get(&id).map(Arc::as_ref);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, id: Id, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let held = self.0.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        let held = Arc::make_mut(held);
        held.digest = OnceLock::new();
        change(&mut held.bytes);
        Ok(())
    }

    /// All that a file holds.
    pub(crate) fn bytes(&self, id: Id) -> io::Result<&[u8]> {
        Ok(&self.held(id)?.bytes)
    }

    /// The digest of that.
    pub(crate) fn digest(&self, id: Id) -> io::Result<[u8; 32]> {
        let held = self.held(id)?;
        let digest = || Sha256::digest(&held.bytes).into();
        Ok(*held.digest.get_or_init(digest))
    }
}

/// An offset as a place in memory.
fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl Store for Memory {
    fn create(&mut self, id: Id) -> io::Result<()> {
        self.0.insert(id, Arc::default());
        Ok(())
    }

    fn remove(&mut self, id: Id) {
        self.0.remove(&id);
    }

    fn read(&self, id: Id, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = &self.held(id)?.bytes;
        let rest = bytes.get(place(offset)?..).unwrap_or_default();
        Ok(rest[..rest.len().min(length)].to_vec())
    }

    fn write(&mut self, id: Id, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let from = place(offset)?;
        let end = from
            .checked_add(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.change(id, |held| {
            held.resize(held.len().max(end), 0);
            held[from..end].copy_from_slice(bytes);
        })
    }

    fn set_length(&mut self, id: Id, length: u64) -> io::Result<()> {
        let length = place(length)?;
        self.change(id, |held| held.resize(length, 0))
    }
}
