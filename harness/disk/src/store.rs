//! The contents of files, each in a file of a folder on the machine's own disk.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Id, Store};

/// A folder with a file for each.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Those that are open on the disk.
    open: HashMap<Id, Arc<File>>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            open: HashMap::new(),
        }
    }

    /// Holds a file until it is closed for good.
    pub(crate) fn hold(&mut self, id: Id) -> io::Result<()> {
        let file = self.file(id)?;
        self.open.insert(id, file);
        Ok(())
    }

    pub(crate) fn let_go(&mut self, id: Id) {
        self.open.remove(&id);
    }

    pub(crate) fn file(&self, id: Id) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.get(&id) {
            return Ok(Arc::clone(file));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.at(id))?;
        Ok(Arc::new(file))
    }

    fn at(&self, id: Id) -> PathBuf {
        self.path.join(id.to_string())
    }
}

/// Reads to the end, or as much as is wanted.
pub(crate) fn read(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

impl Store for Folder {
    fn create(&mut self, id: Id) -> io::Result<()> {
        File::create_new(self.at(id)).map(drop)
    }

    fn remove(&mut self, id: Id) {
        self.open.remove(&id);
        // The whole folder is removed with the trial.
        let _ = std::fs::remove_file(self.at(id));
    }

    fn read(&self, id: Id, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        read(&*self.file(id)?, offset, length)
    }

    fn write(&mut self, id: Id, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(id)?.write_all_at(bytes, offset)
    }

    fn set_length(&mut self, id: Id, length: u64) -> io::Result<()> {
        self.file(id)?.set_len(length)
    }
}
