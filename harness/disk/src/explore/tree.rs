//! What is on a disk, to be compared with others and laid into a folder.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sha2::{Digest, Sha256};

use crate::canary;
use crate::memory::Memory;
use crate::model::{Disk, Id, Item, Kind, ROOT};

/// All that is on a disk, but the canaries.
#[derive(Clone, Debug)]
pub struct Tree(Disk<Memory>);

/// A name, and what it leads to.
struct Named<'t> {
    path: PathBuf,
    id: Id,
    item: &'t Item,
}

impl Tree {
    pub(super) const fn new(disk: Disk<Memory>) -> Self {
        Self(disk)
    }

    /// All names, a folder's own before those in it.
    fn named(&self) -> io::Result<Vec<Named<'_>>> {
        let mut named = Vec::new();
        let mut folders = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            for (name, id) in self.entries(folder)? {
                if folder == ROOT && canary::is_hidden(name) {
                    continue;
                }
                let path = path.join(name);
                let item = self.item(*id)?;
                if item.is_folder() {
                    folders.push((path.clone(), *id));
                }
                let id = *id;
                named.push(Named { path, id, item });
            }
        }
        Ok(named)
    }

    fn entries(&self, folder: Id) -> io::Result<impl Iterator<Item = (&OsString, &Id)>> {
        let entries = self.0.entries(folder);
        Ok(entries.map_err(|_| not_there())?.iter())
    }

    fn item(&self, id: Id) -> io::Result<&Item> {
        self.0.item(id).map_err(|_| not_there())
    }

    /// Two with the same digest hold the same, times aside.
    ///
    /// # Errors
    /// If a content is missing.
    pub fn digest(&self) -> io::Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let mut first: HashMap<Id, usize> = HashMap::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let about = |item: &Item| {
            let about = item.about;
            format!("{:o} {} {}", about.mode, about.uid, about.gid)
        };
        add(about(self.item(ROOT)?).as_bytes());
        for (at, Named { path, id, item }) in self.named()?.into_iter().enumerate() {
            add(path.as_os_str().as_bytes());
            add(about(item).as_bytes());
            match &item.kind {
                Kind::File(_) => {
                    // The other name of a file is no file of its own.
                    let same = *first.entry(id).or_insert(at);
                    add(format!("file {}", at - same).as_bytes());
                    add(&self.0.stored().digest(id)?);
                }
                Kind::Folder(_) => add(b"folder"),
                Kind::Link(target) => {
                    add(b"link");
                    add(target.as_bytes());
                }
                Kind::Special(is_socket) => add(format!("special {is_socket}").as_bytes()),
            }
        }
        Ok(hash.finalize().into())
    }

    /// Writes it into a folder that is empty.
    ///
    /// # Errors
    /// With the system's.
    pub fn lay(&self, into: &Path) -> io::Result<()> {
        let mut first: HashMap<Id, PathBuf> = HashMap::new();
        let named = self.named()?;
        for Named { path, id, item } in &named {
            let path = into.join(path);
            match &item.kind {
                Kind::File(_) => match first.get(id) {
                    Some(same) => fs::hard_link(same, &path)?,
                    None => {
                        fs::write(&path, self.0.stored().bytes(*id)?)?;
                        first.insert(*id, path);
                    }
                },
                Kind::Folder(_) => fs::create_dir(&path)?,
                Kind::Link(target) => symlink(target, &path)?,
                Kind::Special(is_socket) => {
                    let kind = match is_socket {
                        true => FileType::Socket,
                        false => FileType::Fifo,
                    };
                    mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), 0)?;
                }
            }
        }
        // What is in a folder first: its own permissions may forbid to change that.
        for Named { path, item, .. } in named.iter().rev() {
            if !matches!(item.kind, Kind::Link(_)) {
                give(&into.join(path), item)?;
            }
        }
        give(into, self.item(ROOT)?)
    }

    /// The content of each file by its path, for tests.
    #[cfg(test)]
    pub(crate) fn files(&self) -> std::collections::BTreeMap<PathBuf, Option<Vec<u8>>> {
        let named = self.named().expect("it is whole");
        let content = |one: &Named<'_>| {
            let bytes = self.0.stored().bytes(one.id).ok();
            bytes.map(<[u8]>::to_vec)
        };
        named
            .iter()
            .map(|one| (one.path.clone(), content(one)))
            .collect()
    }
}

/// Gives what was laid its owner and permissions.
fn give(path: &Path, item: &Item) -> io::Result<()> {
    let about = item.about;
    chown(path, Some(about.uid), Some(about.gid))?;
    fs::set_permissions(path, Permissions::from_mode(u32::from(about.mode)))
}

fn not_there() -> io::Error {
    io::Error::other("something on the disk has a name, and is not there")
}

/// A path as text, for words.
pub(super) fn shown(path: &OsStr) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
