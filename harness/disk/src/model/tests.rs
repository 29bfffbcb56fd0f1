//! The model against a reference that keeps whole copies, and its rules one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;

/// Contents in memory.
#[derive(Clone, Debug, Default)]
struct Memory(HashMap<Id, Vec<u8>>);

impl Memory {
    fn at(&mut self, id: Id) -> io::Result<&mut Vec<u8>> {
        self.0
            .get_mut(&id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Store for Memory {
    fn create(&mut self, id: Id) -> io::Result<()> {
        assert!(self.0.insert(id, Vec::new()).is_none());
        Ok(())
    }

    fn remove(&mut self, id: Id) {
        assert!(self.0.remove(&id).is_some(), "{id} is removed twice");
    }

    fn read(&self, id: Id, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(&id).ok_or(io::ErrorKind::NotFound)?;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(length)].to_vec())
    }

    fn write(&mut self, id: Id, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (file, from) = (self.at(id)?, offset as usize);
        file.resize(file.len().max(from + bytes.len()), 0);
        file[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&mut self, id: Id, length: u64) -> io::Result<()> {
        self.at(id)?.resize(length as usize, 0);
        Ok(())
    }
}

fn about() -> About {
    let time = SystemTime::UNIX_EPOCH;
    About {
        mode: 0o644,
        uid: 0,
        gid: 0,
        accessed: time,
        modified: time,
        changed: time,
    }
}

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn disk(rule: DiskModel) -> Disk<Memory> {
    Disk::new(rule, Memory::default(), about())
}

fn name(name: &str) -> &OsStr {
    OsStr::new(name)
}

impl Disk<Memory> {
    fn file(&mut self, at: &str) -> Id {
        let kind = Kind::File(Content::default());
        self.make((ROOT, name(at)), kind, about())
            .expect("it is free")
    }

    /// Opens it, cuts it to nothing, writes this and closes it, as a shell does.
    fn refill(&mut self, id: Id, text: &str) {
        self.open(id).expect("it is there");
        self.set_length(id, 0, NOW).expect("it is a file");
        self.write(id, 0, text.as_bytes(), NOW)
            .expect("it is a file");
        self.close(id);
    }

    /// A file's content by its name in the root; none without.
    fn text(&mut self, at: &str) -> Option<String> {
        let id = self.look_up(ROOT, name(at)).ok()?;
        let bytes = self.store.read(id, 0, usize::MAX).expect("it is there");
        assert_eq!(
            bytes.len() as u64,
            self.item(id).expect("it is there").length()
        );
        Some(String::from_utf8(bytes).expect("text"))
    }

    /// A new version of `f` as careful programs write it: into `t`, which is renamed.
    fn replace(&mut self, text: &str, sync_file: bool, sync_folder: bool) {
        let id = self.file("t");
        self.write(id, 0, text.as_bytes(), NOW)
            .expect("it is a file");
        if sync_file {
            self.sync(id, false).expect("it is there");
        }
        self.rename((ROOT, name("t")), (ROOT, name("f")), true, NOW)
            .expect("it is there");
        if sync_folder {
            self.sync(ROOT, false).expect("it is there");
        }
    }
}

#[test]
fn a_rename_is_durable_with_what_each_rule_asks_for() {
    use DiskModel::{Ext4, Lazy, Strict};
    for (rule, sync_file, sync_folder, kept) in [
        // Nobody synced.
        (Ext4, false, false, "old"),
        (Strict, false, false, "old"),
        // The name is there at once, the data is not: the famous empty file.
        (Lazy, false, false, ""),
        // The file alone: its new name is not durable.
        (Ext4, true, false, "old"),
        (Strict, true, false, "old"),
        (Lazy, true, false, "new"),
        // The folder alone. ext4 lets the data of a renamed file go with it (auto_da_alloc).
        (Ext4, false, true, "new"),
        (Strict, false, true, ""),
        (Ext4, true, true, "new"),
        (Strict, true, true, "new"),
    ] {
        let mut disk = disk(rule);
        disk.replace("old", true, true);
        disk.replace("new", sync_file, sync_folder);
        disk.cut_power().expect("it is memory");
        let found = disk.text("f");
        assert_eq!(
            found.as_deref(),
            Some(kept),
            "{rule} {sync_file} {sync_folder}"
        );
    }
}

#[test]
fn a_new_name_over_nothing_leaves_ext4_an_empty_file() {
    let mut disk = disk(DiskModel::Ext4);
    disk.replace("new", false, true);
    disk.cut_power().expect("it is memory");
    assert_eq!(disk.text("f").as_deref(), Some(""));
}

#[test]
fn a_file_that_was_emptied_and_closed_goes_out_with_ext4s_next_commit() {
    for (rule, kept) in [(DiskModel::Ext4, "new"), (DiskModel::Strict, "old")] {
        let mut disk = disk(rule);
        let id = disk.file("f");
        disk.refill(id, "old");
        disk.sync(id, false).expect("it is there");
        disk.sync(ROOT, false).expect("it is there");
        disk.refill(id, "new");
        let other = disk.file("other");
        disk.sync(other, false).expect("it is there");
        disk.cut_power().expect("it is memory");
        assert_eq!(disk.text("f").as_deref(), Some(kept), "{rule}");
    }
}

#[test]
fn a_cut_of_a_file_is_in_ext4s_journal_and_what_is_written_after_it_is_not() {
    let mut disk = disk(DiskModel::Ext4);
    let id = disk.file("f");
    disk.refill(id, "0123456789");
    disk.sync(id, false).expect("it is there");
    disk.open(id).expect("it is there");
    disk.set_length(id, 4, NOW).expect("it is a file");
    disk.write(id, 4, b"abc", NOW).expect("it is a file");
    let other = disk.file("other");
    disk.sync(other, false).expect("it is there");
    let lost = disk.cut_power().expect("it is memory");
    assert_eq!(disk.text("f").as_deref(), Some("0123"));
    assert_eq!((lost.entries, lost.bytes), (0, 3));
}

#[test]
fn a_file_that_grew_by_its_length_alone_is_zero_after_a_commit_whatever_was_written_there() {
    use DiskModel::{Ext4, Lazy, Strict};
    for (rule, kept) in [
        (Ext4, "old\0\0\0\0"),
        (Lazy, "old\0\0\0\0"),
        (Strict, "old"),
    ] {
        let mut disk = disk(rule);
        let id = disk.file("f");
        disk.refill(id, "old");
        disk.sync(id, false).expect("it is there");
        disk.sync(ROOT, false).expect("it is there");
        disk.write(id, 3, b"12", NOW).expect("it is a file");
        disk.set_length(id, 7, NOW).expect("it is a file");
        disk.write(id, 2, b"NEW", NOW).expect("it is a file");
        let before = left(&disk);
        disk.sync(ROOT, false).expect("it is there");
        let other = disk.file("other");
        disk.sync(other, false).expect("it is there");
        assert_eq!(left(&disk).as_deref(), Some(kept), "{rule}");
        let at_once = if rule == Lazy { kept } else { "old" };
        assert_eq!(before.as_deref(), Some(at_once), "{rule}");
    }
}

/// A file that is cut, written, and grown while a commit is under way is zero where it grew, whichever commit its lengths go out with.
#[test]
fn what_a_file_grows_by_while_a_commit_is_under_way_is_zero() {
    let set = |disk: &mut Disk<Memory>, id, length| {
        disk.set_length(id, length, NOW).expect("it is a file");
    };
    for (durable, at) in [("7", 0), ("", 1)] {
        let mut disk = disk(DiskModel::Ext4);
        let (id, other) = (disk.file("f"), disk.file("g"));
        disk.write(id, 0, durable.as_bytes(), NOW)
            .expect("it is a file");
        disk.sync(id, false).expect("it is there");
        disk.write(other, 0, b"changed", NOW).expect("it is a file");
        set(&mut disk, id, at);
        disk.write(id, at, b"9", NOW).expect("it is a file");
        let number = disk.begin_sync(other, false).expect("it is there");
        set(&mut disk, id, at);
        set(&mut disk, id, 2);
        disk.end_sync(number);
        disk.commit_by_itself();
        disk.cut_power().expect("it is memory");
        assert_eq!(disk.text("f").as_deref(), Some("\0\0"), "{durable}");
    }
}

#[test]
fn an_fdatasync_that_changed_no_length_commits_no_name_of_another_file() {
    for (data, is_there) in [(true, false), (false, true)] {
        let mut disk = disk(DiskModel::Ext4);
        let id = disk.file("f");
        disk.refill(id, "old");
        disk.sync(id, false).expect("it is there");
        disk.file("other");
        disk.write(id, 0, b"new", NOW).expect("it is a file");
        disk.sync(id, data).expect("it is there");
        disk.cut_power().expect("it is memory");
        assert_eq!(disk.text("f").as_deref(), Some("new"));
        assert_eq!(disk.text("other").is_some(), is_there);
    }
}

#[test]
fn what_was_removed_comes_back_until_that_is_durable() {
    for rule in DiskModel::ALL {
        let mut disk = disk(rule);
        let id = disk.file("f");
        disk.refill(id, "old");
        disk.sync(id, false).expect("it is there");
        disk.sync(ROOT, false).expect("it is there");
        disk.remove((ROOT, name("f")), false, NOW)
            .expect("it is there");
        let lost = disk.cut_power().expect("it is memory");
        let kept = (rule != DiskModel::Lazy).then_some("old");
        assert_eq!(disk.text("f").as_deref(), kept, "{rule}");
        assert_eq!(lost.entries, u64::from(kept.is_some()), "{rule}");
    }
}

#[test]
fn a_file_that_was_emptied_stays_empty_where_lengths_are_kept_and_after_ext4s_own_commit() {
    for (rule, commits, kept) in [
        (DiskModel::Lazy, false, ""),
        (DiskModel::Ext4, true, ""),
        (DiskModel::Ext4, false, "old"),
        (DiskModel::Strict, true, "old"),
    ] {
        let mut disk = disk(rule);
        let id = disk.file("f");
        disk.refill(id, "old");
        disk.sync(id, false).expect("it is there");
        disk.sync(ROOT, false).expect("it is there");
        // It is killed before the file is closed.
        disk.open(id).expect("it is there");
        disk.set_length(id, 0, NOW).expect("it is a file");
        disk.write(id, 0, b"new", NOW).expect("it is a file");
        if commits {
            disk.commit_by_itself();
        }
        disk.cut_power().expect("it is memory");
        assert_eq!(disk.text("f").as_deref(), Some(kept), "{rule} {commits}");
    }
}

#[test]
fn ext4s_own_commit_keeps_a_removal_and_the_name_of_a_new_file_and_not_what_is_in_it() {
    let mut disk = disk(DiskModel::Ext4);
    let id = disk.file("f");
    disk.sync(id, false).expect("it is there");
    disk.remove((ROOT, name("f")), false, NOW)
        .expect("it is there");
    let late = disk.file("h");
    disk.write(late, 0, b"late", NOW).expect("it is a file");
    disk.commit_by_itself();
    disk.cut_power().expect("it is memory");
    assert_eq!(disk.text("f"), None);
    assert_eq!(disk.text("h").as_deref(), Some(""));
}

#[test]
fn an_fsync_that_makes_a_file_longer_on_the_disk_commits_after_another_commit_too() {
    let mut disk = disk(DiskModel::Ext4);
    let id = disk.file("f");
    disk.write(id, 0, b"longer", NOW).expect("it is a file");
    disk.commit_by_itself();
    disk.file("other");
    disk.sync(id, true).expect("it is there");
    disk.cut_power().expect("it is memory");
    assert_eq!(disk.text("f").as_deref(), Some("longer"));
    assert!(disk.text("other").is_some());
}

#[test]
fn what_was_written_over_old_blocks_does_not_go_out_with_a_rename() {
    let mut disk = disk(DiskModel::Ext4);
    for (at, text) in [("f", "first"), ("t", "old")] {
        let id = disk.file(at);
        disk.write(id, 0, text.as_bytes(), NOW)
            .expect("it is a file");
        disk.sync(id, false).expect("it is there");
    }
    let id = disk.look_up(ROOT, name("t")).expect("it is there");
    disk.write(id, 0, b"new", NOW).expect("it is a file");
    disk.rename((ROOT, name("t")), (ROOT, name("f")), true, NOW)
        .expect("it is there");
    disk.commit_by_itself();
    disk.cut_power().expect("it is memory");
    assert_eq!(disk.text("f").as_deref(), Some("old"));
}

#[test]
fn nothing_is_kept_of_files_that_nothing_leads_to() {
    for rule in DiskModel::ALL {
        let mut disk = disk(rule);
        for round in 0..3 {
            disk.replace(&round.to_string(), true, true);
        }
        let id = disk.file("gone");
        disk.open(id).expect("it is there");
        disk.remove((ROOT, name("gone")), false, NOW)
            .expect("it is there");
        disk.write(id, 0, b"still open", NOW).expect("it is a file");
        disk.close(id);
        assert_eq!(disk.store.0.len(), 1, "{rule}");
        assert_eq!(disk.unsynced(), Lost::default(), "{rule}");
    }
}

/// The text of `f` after a cut now. The disk goes on.
fn left(disk: &Disk<Memory>) -> Option<String> {
    let mut cut = disk.clone();
    cut.cut_power().expect("it is memory");
    cut.text("f")
}

#[test]
fn a_sync_makes_durable_what_was_there_when_it_began_and_only_when_it_ends() {
    for rule in DiskModel::ALL {
        let mut disk = disk(rule);
        let id = disk.file("f");
        disk.sync(ROOT, false).expect("it is there");
        disk.write(id, 0, b"one", NOW).expect("it is a file");
        let number = disk.begin_sync(id, false).expect("it is there");
        assert_eq!(left(&disk).as_deref(), Some(""), "{rule}");
        disk.write(id, 1, b"NEW", NOW).expect("it is a file");
        disk.end_sync(number);
        assert_eq!(left(&disk).as_deref(), Some("one"), "{rule}");
        disk.sync(id, false).expect("it is there");
        assert_eq!(left(&disk).as_deref(), Some("oNEW"), "{rule}");
        // One that fails makes nothing durable.
        disk.write(id, 0, b"two!", NOW).expect("it is a file");
        let number = disk.begin_sync(id, false).expect("it is there");
        disk.give_up_sync(number);
        disk.end_sync(number);
        assert_eq!(left(&disk).as_deref(), Some("oNEW"), "{rule}");
    }
}

#[test]
fn syncs_of_one_file_that_overlap_each_make_their_own_part_durable() {
    for rule in DiskModel::ALL {
        for first_ends_first in [true, false] {
            let mut disk = disk(rule);
            let id = disk.file("f");
            disk.sync(ROOT, false).expect("it is there");
            disk.write(id, 0, b"111", NOW).expect("it is a file");
            let first = disk.begin_sync(id, false).expect("it is there");
            disk.write(id, 0, b"2222", NOW).expect("it is a file");
            let second = disk.begin_sync(id, false).expect("it is there");
            disk.write(id, 0, b"33333", NOW).expect("it is a file");
            if first_ends_first {
                disk.end_sync(first);
                assert_eq!(left(&disk).as_deref(), Some("111"), "{rule}");
                disk.end_sync(second);
            } else {
                disk.end_sync(second);
                assert_eq!(left(&disk).as_deref(), Some("2222"), "{rule}");
                // It takes nothing back.
                disk.end_sync(first);
            }
            assert_eq!(left(&disk).as_deref(), Some("2222"), "{rule}");
        }
    }
}

#[test]
fn names_are_durable_as_they_were_when_the_sync_of_their_folder_began() {
    for rule in [DiskModel::Strict, DiskModel::Ext4] {
        for first_ends_first in [true, false] {
            let mut disk = disk(rule);
            disk.replace("old", true, true);
            disk.replace("new", true, false);
            let first = disk.begin_sync(ROOT, false).expect("it is there");
            assert_eq!(left(&disk).as_deref(), Some("old"), "{rule}");
            disk.remove((ROOT, name("f")), false, NOW)
                .expect("it is there");
            let mut order = vec![first];
            if !first_ends_first {
                order.insert(0, disk.begin_sync(ROOT, false).expect("it is there"));
            }
            disk.end_sync(order[0]);
            let kept = first_ends_first.then_some("new");
            assert_eq!(left(&disk).as_deref(), kept, "{rule}");
            for number in order.into_iter().skip(1) {
                disk.end_sync(number);
                assert_eq!(left(&disk), None, "{rule}");
            }
            disk.sync(ROOT, false).expect("it is there");
            assert_eq!((left(&disk), disk.unsynced()), (None, Lost::default()));
            assert!(disk.store.0.is_empty(), "{rule}");
        }
    }
}

/// The same disk by whole copies: slow, and easy to see through.
#[derive(Clone, Debug, Default)]
struct Reference {
    rule: DiskModel,
    /// Folders by their id, each with its entries.
    folders: BTreeMap<Id, BTreeMap<String, Id>>,
    durable_folders: BTreeMap<Id, BTreeMap<String, Id>>,
    files: BTreeMap<Id, Vec<u8>>,
    durable_files: BTreeMap<Id, Vec<u8>>,
    /// What goes out with the next commit.
    let_out: BTreeMap<Id, Vec<u8>>,
    /// The least length that a file was cut to, and the one that it grew to after that, which go out with it, too.
    resized: BTreeMap<Id, (usize, usize)>,
    emptied: BTreeSet<Id>,
    changed: BTreeMap<Id, bool>,
}

impl Reference {
    fn set(&mut self, folder: Id, name: &str, to: Option<Id>) {
        let Some(entries) = self.folders.get_mut(&folder) else {
            return;
        };
        let before = match to {
            Some(id) => entries.insert(name.to_owned(), id),
            None => entries.remove(name),
        };
        self.changed.insert(folder, true);
        for id in to.into_iter().chain(before) {
            self.changed.entry(id).or_insert(false);
        }
        if self.rule == DiskModel::Lazy {
            self.durable_folders.clone_from(&self.folders);
        }
    }

    fn let_out(&mut self, id: Id) {
        if self.rule == DiskModel::Ext4
            && let Some(bytes) = self.files.get(&id)
            && (bytes.len() > self.durable_files[&id].len() || self.is_cut(id))
        {
            self.let_out.insert(id, bytes.clone());
            self.resized.remove(&id);
        }
    }

    fn is_cut(&self, id: Id) -> bool {
        let resized = self.resized.get(&id);
        resized.is_some_and(|(cut, _)| *cut < usize::MAX)
    }

    fn resize(&mut self, id: Id, length: usize) {
        let Some(bytes) = self.files.get_mut(&id) else {
            return;
        };
        *self.changed.entry(id).or_insert(false) |= bytes.len() != length;
        let (cut, grown) = self.resized.entry(id).or_insert((usize::MAX, 0));
        if length < bytes.len() {
            (*cut, *grown) = ((*cut).min(length), (*grown).min(length));
        } else if length > bytes.len() {
            *grown = length;
        }
        if self.rule == DiskModel::Lazy
            && let Some(durable) = self.durable_files.get_mut(&id)
        {
            if length < bytes.len() {
                durable.truncate(length);
            } else if length > bytes.len() {
                durable.resize(durable.len().max(length), 0);
            }
        }
        if length == 0 {
            self.emptied.insert(id);
        }
        bytes.resize(length, 0);
    }

    fn sync(&mut self, id: Id, data: bool) {
        let mut has_grown = false;
        if let Some(bytes) = self.files.get(&id) {
            let before = self.durable_files.insert(id, bytes.clone());
            has_grown = before.is_some_and(|before| before.len() < bytes.len());
            self.let_out.remove(&id);
            self.resized.remove(&id);
        }
        match self.rule {
            DiskModel::Lazy => {}
            DiskModel::Strict => {
                if let Some(entries) = self.folders.get(&id) {
                    self.durable_folders.insert(id, entries.clone());
                }
            }
            DiskModel::Ext4 => {
                let changed = self.changed.get(&id);
                if has_grown || changed.is_some_and(|is_more| *is_more || !data) {
                    self.commit();
                }
            }
        }
    }

    fn commit(&mut self) {
        self.durable_folders.clone_from(&self.folders);
        self.durable_files.append(&mut self.let_out);
        for (id, (cut, grown)) in std::mem::take(&mut self.resized) {
            if let Some(bytes) = self.durable_files.get_mut(&id) {
                bytes.truncate(cut);
                bytes.resize(bytes.len().max(grown), 0);
            }
        }
        self.changed.clear();
    }

    fn cut_power(&mut self) {
        self.folders.clone_from(&self.durable_folders);
        // A folder with two names keeps the one that is nearest to the root.
        let mut seen = vec![ROOT];
        let mut at = 0;
        while let Some(folder) = seen.get(at).copied() {
            at += 1;
            for (name, id) in self.folders.get(&folder).cloned().unwrap_or_default() {
                if self.files.contains_key(&id) {
                    continue;
                }
                match seen.contains(&id) {
                    false => seen.push(id),
                    true => drop(self.folders.get_mut(&folder).expect("it is").remove(&name)),
                }
            }
        }
        self.durable_folders.clone_from(&self.folders);
        self.files.clone_from(&self.durable_files);
        self.let_out.clear();
        self.resized.clear();
        self.emptied.clear();
        self.changed.clear();
    }

    fn tree(&self, folder: Id, path: &str, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for (name, id) in self.folders.get(&folder).into_iter().flatten() {
            let path = format!("{path}/{name}");
            let bytes = self.files.get(id).cloned();
            if bytes.is_none() {
                self.tree(*id, &path, into);
            }
            into.insert(path, bytes);
        }
    }
}

fn tree(disk: &Disk<Memory>, folder: Id, path: &str, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for (name, id) in disk.entries(folder).expect("it is a folder") {
        let path = format!("{path}/{}", name.to_str().expect("text"));
        let item = disk.item(*id).expect("what has a name is there");
        let bytes = (!item.is_folder()).then(|| disk.store.0[id].clone());
        match &bytes {
            None => tree(disk, *id, &path, into),
            Some(bytes) => assert_eq!(bytes.len() as u64, item.length(), "{path}"),
        }
        into.insert(path, bytes);
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Make(usize, usize),
    MakeFolder(usize, usize),
    Write(usize, u64, usize, u8),
    Resize(usize, u64),
    Close(usize),
    Link(usize, (usize, usize)),
    Remove(usize, usize),
    Rename((usize, usize), (usize, usize)),
    Sync(usize, bool),
    SyncFolder(usize),
    Commit,
    Cut,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn step() -> impl Strategy<Value = Deed> {
    let place = || (0..3_usize, 0..NAMES.len());
    // Around the borders of blocks, too.
    let offset = || prop_oneof![0..40_u64, 4_080..4_110_u64, 0..13_000_u64];
    prop_oneof![
        4 => place().prop_map(|(folder, name)| Deed::Make(folder, name)),
        1 => place().prop_map(|(folder, name)| Deed::MakeFolder(folder, name)),
        6 => (0..6_usize, offset(), 1..5_000_usize, any::<u8>())
            .prop_map(|(file, at, length, byte)| Deed::Write(file, at, length, byte)),
        3 => (0..6_usize, prop_oneof![Just(0), offset()]).prop_map(|(file, length)| Deed::Resize(file, length)),
        2 => (0..6_usize).prop_map(Deed::Close),
        1 => (0..6_usize, place()).prop_map(|(file, to)| Deed::Link(file, to)),
        2 => place().prop_map(|(folder, name)| Deed::Remove(folder, name)),
        4 => (place(), place()).prop_map(|(from, to)| Deed::Rename(from, to)),
        3 => (0..6_usize, any::<bool>()).prop_map(|(file, data)| Deed::Sync(file, data)),
        1 => (0..3_usize).prop_map(Deed::SyncFolder),
        1 => Just(Deed::Commit),
        1 => Just(Deed::Cut),
    ]
}

/// Both disks, which are told the same.
struct Both {
    disk: Disk<Memory>,
    reference: Reference,
}

impl Both {
    /// A folder or file of those that have a name, by a number.
    fn nth(&self, number: usize, folders: bool) -> Option<Id> {
        let mut found = Vec::new();
        for id in self.disk.reachable() {
            if self
                .disk
                .item(id)
                .is_ok_and(|item| item.is_folder() == folders)
            {
                found.push(id);
            }
        }
        found.sort_unstable();
        (!found.is_empty()).then(|| found[number % found.len()])
    }

    /// What both hold is the same.
    fn compare(&self) -> Result<(), String> {
        let (mut is, mut wanted) = (BTreeMap::new(), BTreeMap::new());
        tree(&self.disk, ROOT, "", &mut is);
        self.reference.tree(ROOT, "", &mut wanted);
        match is == wanted {
            true => Ok(()),
            false => Err(format!("{is:?} and not {wanted:?}")),
        }
    }

    /// A folder that is moved into itself is refused by the kernel, which asks nobody.
    fn is_below(&self, folder: Id, above: Id) -> bool {
        let mut below = vec![above];
        let mut at = 0;
        while let Some(id) = below.get(at).copied() {
            at += 1;
            below.extend(
                self.disk
                    .entries(id)
                    .into_iter()
                    .flatten()
                    .map(|(_, id)| *id),
            );
        }
        below.contains(&folder)
    }

    fn take(&mut self, step: &Deed) {
        let folder = |both: &Self, number| both.nth(number, true).expect("there is the root");
        match *step {
            Deed::Make(at, called) => {
                let (at, called) = (folder(self, at), NAMES[called]);
                let kind = Kind::File(Content::default());
                if let Ok(id) = self.disk.make((at, name(called)), kind, about()) {
                    self.reference.files.insert(id, Vec::new());
                    self.reference.durable_files.insert(id, Vec::new());
                    self.reference.set(at, called, Some(id));
                    self.reference.changed.insert(id, true);
                }
            }
            Deed::MakeFolder(at, called) => {
                let (at, called) = (folder(self, at), NAMES[called]);
                let kind = Kind::Folder(Entries::default());
                if let Ok(id) = self.disk.make((at, name(called)), kind, about()) {
                    self.reference.folders.insert(id, BTreeMap::new());
                    self.reference.durable_folders.insert(id, BTreeMap::new());
                    self.reference.set(at, called, Some(id));
                    self.reference.changed.insert(id, true);
                }
            }
            Deed::Write(file, offset, length, byte) => {
                if let Some(id) = self.nth(file, false) {
                    self.disk
                        .write(id, offset, &vec![byte; length], NOW)
                        .expect("it is a file");
                    let end = offset as usize + length;
                    let bytes = self.reference.files.get_mut(&id).expect("it is");
                    let grows = end > bytes.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[offset as usize..end].fill(byte);
                    *self.reference.changed.entry(id).or_insert(false) |= grows;
                }
            }
            Deed::Resize(file, length) => {
                if let Some(id) = self.nth(file, false) {
                    self.disk.set_length(id, length, NOW).expect("it is a file");
                    self.reference.changed.entry(id).or_insert(false);
                    self.reference.resize(id, length as usize);
                }
            }
            Deed::Close(file) => {
                if let Some(id) = self.nth(file, false) {
                    self.disk.close(id);
                    if self.reference.emptied.remove(&id) {
                        self.reference.let_out(id);
                    }
                }
            }
            Deed::Link(file, (at, called)) => {
                let (at, called) = (folder(self, at), NAMES[called]);
                if let Some(id) = self.nth(file, false)
                    && self.disk.link(id, (at, name(called)), NOW).is_ok()
                {
                    self.reference.set(at, called, Some(id));
                }
            }
            Deed::Remove(at, called) => {
                let (at, called) = (folder(self, at), NAMES[called]);
                for is_folder in [false, true] {
                    if self.disk.remove((at, name(called)), is_folder, NOW).is_ok() {
                        self.reference.set(at, called, None);
                        break;
                    }
                }
            }
            Deed::Rename(from, to) => {
                let (from, to) = (
                    (folder(self, from.0), NAMES[from.1]),
                    (folder(self, to.0), NAMES[to.1]),
                );
                let Ok(id) = self.disk.look_up(from.0, name(from.1)) else {
                    return;
                };
                if self.disk.item(id).is_ok_and(Item::is_folder) && self.is_below(to.0, id) {
                    return;
                }
                let over = self.disk.look_up(to.0, name(to.1)).ok();
                let (source, target) = ((from.0, name(from.1)), (to.0, name(to.1)));
                if self.disk.rename(source, target, true, NOW).is_ok() && over != Some(id) {
                    if over.is_some() {
                        self.reference.let_out(id);
                    }
                    self.reference.set(to.0, to.1, Some(id));
                    self.reference.set(from.0, from.1, None);
                }
            }
            Deed::Sync(file, data) => {
                if let Some(id) = self.nth(file, false) {
                    let number = self.disk.begin_sync(id, data).expect("it is there");
                    self.disk.end_sync(number);
                    self.reference.sync(id, data);
                }
            }
            Deed::SyncFolder(at) => {
                let id = folder(self, at);
                self.disk.sync(id, false).expect("it is there");
                self.reference.sync(id, false);
            }
            Deed::Commit => {
                self.disk.commit_by_itself();
                if self.reference.rule == DiskModel::Ext4 {
                    self.reference.commit();
                }
            }
            Deed::Cut => {
                self.disk.cut_power().expect("it is memory");
                self.reference.cut_power();
            }
        }
    }
}

/// Does the same to a disk by one rule and to the reference by another, and cuts the power at the end.
fn compare(rule: DiskModel, other: DiskModel, steps: &[Deed]) -> Result<(), String> {
    let root = BTreeMap::from([(ROOT, BTreeMap::new())]);
    let reference = Reference {
        rule: other,
        folders: root.clone(),
        durable_folders: root,
        ..Reference::default()
    };
    let mut both = Both {
        disk: disk(rule),
        reference,
    };
    for step in steps.iter().chain([&Deed::Cut]) {
        both.take(step);
        both.compare()?;
    }
    // Nothing is left of what has no name.
    let files = both.disk.items.values().filter(|item| !item.is_folder());
    assert_eq!(files.count(), both.disk.store.0.len());
    assert_eq!(both.disk.items.len(), both.disk.reachable().len());
    Ok(())
}

#[test]
fn the_comparison_tells_each_rule_from_each_other() {
    for rule in DiskModel::ALL {
        for other in DiskModel::ALL.into_iter().filter(|other| *other != rule) {
            let config = ProptestConfig {
                cases: 500,
                max_shrink_iters: 0,
                failure_persistence: None,
                ..ProptestConfig::default()
            };
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let found = TestRunner::new_with_rng(config, rng)
                .run(&prop::collection::vec(step(), 1..60), |steps| {
                    compare(rule, other, &steps).map_err(TestCaseError::fail)
                });
            assert!(found.is_err(), "{rule} is taken for {other}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn it_keeps_what_a_disk_by_whole_copies_keeps(steps in prop::collection::vec(step(), 1..60)) {
        for rule in DiskModel::ALL {
            compare(rule, rule, &steps).map_err(TestCaseError::fail)?;
        }
    }
}
