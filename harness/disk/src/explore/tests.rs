//! The disks that are built from a record are those that the recorded disk would have left.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use comeback_model::plan::DiskModel;
use proptest::prelude::*;

use super::*;
use crate::model::{Id, ROOT};
use crate::record::{Access, Log, parse};
use crate::recorded::Recorded;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn access() -> Access {
    Access {
        mode: 0o644,
        uid: 0,
        gid: 0,
    }
}

/// A disk that is told what to do, and what it would have left after each of its calls.
struct Watched {
    disk: Recorded<Memory, Vec<u8>>,
    left: Vec<BTreeMap<PathBuf, Option<Vec<u8>>>>,
    left_by_journal: Vec<BTreeMap<PathBuf, Option<Vec<u8>>>>,
    ids: Vec<Id>,
    folders: Vec<Id>,
    /// Syncs that are under way.
    begun: Vec<((Id, bool), u64)>,
}

#[derive(Clone, Debug)]
enum Deed {
    BeginSync(usize, bool),
    BeginSyncFolder(usize),
    EndSync(usize),
    Make(usize, usize, bool),
    Write(usize, u64, usize, u8),
    SetLength(usize, u64),
    Close(usize),
    Link(usize, usize),
    Remove(usize, usize),
    Rename((usize, usize), (usize, usize)),
    Sync(usize, bool),
    SyncFolder(usize),
    About(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let place = || (0..2_usize, 0..NAMES.len());
    let offset = || prop_oneof![0..40_u64, 4_080..4_110_u64, 0..13_000_u64];
    prop_oneof![
        4 => place().prop_map(|(at, name)| Deed::Make(at, name, false)),
        1 => place().prop_map(|(at, name)| Deed::Make(at, name, true)),
        6 => (0..6_usize, offset(), 1..5_000_usize, any::<u8>())
            .prop_map(|(file, at, length, byte)| Deed::Write(file, at, length, byte)),
        2 => (0..6_usize, prop_oneof![Just(0), offset()])
            .prop_map(|(file, length)| Deed::SetLength(file, length)),
        2 => (0..6_usize).prop_map(Deed::Close),
        1 => (0..6_usize, 0..NAMES.len()).prop_map(|(file, name)| Deed::Link(file, name)),
        2 => place().prop_map(|(at, name)| Deed::Remove(at, name)),
        4 => (place(), place()).prop_map(|(from, to)| Deed::Rename(from, to)),
        3 => (0..6_usize, any::<bool>()).prop_map(|(file, data)| Deed::Sync(file, data)),
        1 => (0..2_usize).prop_map(Deed::SyncFolder),
        1 => (0..6_usize).prop_map(Deed::About),
        3 => (0..6_usize, any::<bool>()).prop_map(|(file, data)| Deed::BeginSync(file, data)),
        1 => (0..2_usize).prop_map(Deed::BeginSyncFolder),
        3 => (0..4_usize).prop_map(Deed::EndSync),
    ]
}

impl Watched {
    fn new(rule: DiskModel) -> Self {
        let about = access().about();
        let log = Log::begin(Vec::new(), (rule, &about), u64::MAX).expect("it is memory");
        Self {
            disk: Recorded::new(Disk::new(rule, Memory::default(), about), Some(log)),
            left: Vec::new(),
            left_by_journal: Vec::new(),
            ids: Vec::new(),
            folders: vec![ROOT],
            begun: Vec::new(),
        }
    }

    fn file(&self, number: usize) -> Option<Id> {
        let is_file = |id: &&Id| self.disk.item(**id).is_ok_and(|item| !item.is_folder());
        let files: Vec<Id> = self.ids.iter().filter(is_file).copied().collect();
        (!files.is_empty()).then(|| files[number % files.len()])
    }

    fn folder(&self, number: usize) -> Id {
        self.folders[number % self.folders.len()]
    }

    /// Whether it succeeded, and was noted.
    fn take(&mut self, deed: &Deed) -> bool {
        let name = |at: usize| OsStr::new(NAMES[at]);
        match *deed {
            Deed::Make(at, called, is_folder) => {
                let kind = match is_folder {
                    true => Kind::Folder(Entries::default()),
                    false => Kind::File(Content::default()),
                };
                let place = (self.folder(at), name(called));
                let made = self.disk.make(place, kind, access().about());
                if let Ok(id) = made {
                    self.disk.tell(id);
                    self.ids.push(id);
                    if is_folder && self.folders.len() == 1 {
                        self.folders.push(id);
                    }
                }
                made.is_ok()
            }
            Deed::Write(file, offset, length, byte) => self.file(file).is_some_and(|id| {
                let bytes = vec![byte; length];
                self.disk.write(id, offset, &bytes, NOW).is_ok()
            }),
            Deed::SetLength(file, length) => self
                .file(file)
                .is_some_and(|id| self.disk.set_length(id, length, NOW).is_ok()),
            Deed::Close(file) => self.file(file).is_some_and(|id| {
                self.disk.close(id);
                true
            }),
            Deed::Link(file, called) => self
                .file(file)
                .is_some_and(|id| self.disk.link(id, (ROOT, name(called)), NOW).is_ok()),
            Deed::Remove(at, called) => {
                let place = (self.folder(at), name(called));
                self.disk.remove(place, false, NOW).is_ok()
            }
            Deed::Rename(from, to) => {
                let from = (self.folder(from.0), name(from.1));
                let to = (self.folder(to.0), name(to.1));
                // The kernel refuses to move a folder into itself, and asks nobody.
                let moved = self.disk.look_up(from.0, from.1);
                let is_folder = moved.is_ok_and(|id| self.folders.contains(&id));
                !is_folder && self.disk.rename(from, to, true, NOW).is_ok()
            }
            Deed::Sync(file, data) => self
                .file(file)
                .is_some_and(|id| self.disk.sync(id, data).is_ok()),
            Deed::SyncFolder(at) => self.disk.sync(self.folder(at), false).is_ok(),
            Deed::BeginSync(file, data) => match self.file(file) {
                Some(id) => self.begin((id, data)),
                None => false,
            },
            Deed::BeginSyncFolder(at) => self.begin((self.folder(at), false)),
            Deed::EndSync(at) if !self.begun.is_empty() => {
                let (of, number) = self.begun.remove(at % self.begun.len());
                self.disk.end_sync(of, number).is_ok()
            }
            Deed::EndSync(_) => false,
            Deed::About(file) => self.file(file).is_some_and(|id| {
                let change = |about: &mut crate::model::About| about.mode ^= 0o100;
                self.disk.change_about(id, change).is_ok()
            }),
        }
    }

    fn begin(&mut self, (id, data): (Id, bool)) -> bool {
        let Ok(number) = self.disk.begin_sync(id, data) else {
            return false;
        };
        self.begun.push(((id, data), number));
        true
    }

    fn note_what_is_left(&mut self) {
        let mut cut: Disk<Memory> = (*self.disk).clone();
        cut.cut_power().expect("it is memory");
        self.left.push(Tree::new(cut).files());
        let mut cut: Disk<Memory> = (*self.disk).clone();
        cut.commit_by_itself();
        cut.cut_power().expect("it is memory");
        self.left_by_journal.push(Tree::new(cut).files());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_disk_that_is_built_from_the_record_is_the_one_that_a_cut_there_leaves(
        deeds in prop::collection::vec(deed(), 1..50)
    ) {
        for rule in DiskModel::ALL {
            let mut watched = Watched::new(rule);
            for deed in &deeds {
                if watched.take(deed) {
                    watched.note_what_is_left();
                }
            }
            let whole = Tree::new((*watched.disk).clone()).files();
            watched.disk.end_record().expect("it is memory");
            let written = watched.disk.into_written().expect("it was recorded");
            let record = parse(written.as_slice()).expect("it is whole");
            prop_assert_eq!(record.calls.len(), watched.left.len());
            let built = |cut, by_itself| {
                let tree = record.build(&Recipe { cut, by_itself });
                tree.expect("it fits together").files()
            };
            for (cut, left) in watched.left.iter().enumerate() {
                prop_assert_eq!(&built(cut, ByItself::Nothing), left, "{} {}", rule, cut);
                let left = &watched.left_by_journal[cut];
                prop_assert_eq!(&built(cut, ByItself::Journal), left, "{} {}", rule, cut);
            }
            if let Some(last) = record.calls.len().checked_sub(1) {
                prop_assert_eq!(built(last, ByItself::All), whole);
            }
        }
    }

    #[test]
    fn what_is_written_out_by_itself_is_what_is_there_or_what_was_durable(
        deeds in prop::collection::vec(deed(), 1..50), seed: u64
    ) {
        for rule in DiskModel::ALL {
            let mut watched = Watched::new(rule);
            // While a sync is under way, what it has sealed may be there, too.
            let is_at_once = |deed: &&Deed| {
                !matches!(deed, Deed::BeginSync(..) | Deed::BeginSyncFolder(_))
            };
            for deed in deeds.iter().filter(is_at_once) {
                watched.take(deed);
            }
            let live = (*watched.disk).clone();
            let cut = |mut disk: Disk<Memory>| {
                disk.cut_power().expect("it is memory");
                disk
            };
            for commits in [false, true] {
                let mut plain = live.clone();
                if commits {
                    plain.commit_by_itself();
                }
                // Nothing drawn is nothing written.
                let mut none = live.clone();
                none.write_back(commits, || false).expect("it is memory");
                let durable = cut(plain);
                prop_assert_eq!(Tree::new(cut(none)).files(), Tree::new(durable.clone()).files());
                let mut draws = Draws::new(seed);
                let mut some = live.clone();
                some.write_back(commits, || draws.below(2) == 0).expect("it is memory");
                let some = cut(some);
                for id in watched.ids.iter().copied() {
                    check_blocks(id, (&live, &durable, &some));
                }
            }
            // All drawn is all there, where every block may be written.
            if rule != DiskModel::Ext4 {
                let mut all = live.clone();
                all.write_back(true, || true).expect("it is memory");
                let all = cut(all);
                for id in watched.ids.iter().copied() {
                    let (is, wanted) = (all.stored().bytes(id), live.stored().bytes(id));
                    if let (Ok(is), Ok(wanted)) = (is, wanted) {
                        prop_assert_eq!(is, wanted, "{}", rule);
                    }
                }
            }
        }
    }
}

/// Each block of a file holds what it does now, or what it did, or zeros where nothing was.
fn check_blocks(id: Id, (live, durable, some): (&Disk<Memory>, &Disk<Memory>, &Disk<Memory>)) {
    let bytes = |disk: &Disk<Memory>| disk.stored().bytes(id).map(<[u8]>::to_vec).ok();
    // What has a name only since then may hold what nobody sees in the other.
    let (Some(live), Some(some), Some(durable)) = (bytes(live), bytes(some), bytes(durable)) else {
        return;
    };
    let lengths = [live.len(), durable.len()];
    assert!(some.len() <= lengths[0].max(lengths[1]) && some.len() >= lengths[0].min(lengths[1]));
    for (at, block) in some.chunks(4096).enumerate() {
        let of = |bytes: &[u8]| {
            let mut part: Vec<u8> = bytes
                .iter()
                .skip(at * 4096)
                .take(block.len())
                .copied()
                .collect();
            part.resize(block.len(), 0);
            part
        };
        assert!(
            block == of(&live) || block == of(&durable),
            "{id}, block {at}"
        );
    }
}

/// What a server did, by a script of calls.
fn record(rule: DiskModel, deeds: impl FnOnce(&mut Recorded<Memory, Vec<u8>>)) -> Record {
    let mut watched = Watched::new(rule);
    deeds(&mut watched.disk);
    watched.disk.end_record().expect("it is memory");
    let written = watched.disk.into_written().expect("it was recorded");
    parse(written.as_slice()).expect("it is whole")
}

fn make(disk: &mut Recorded<Memory, Vec<u8>>, name: &str) -> Id {
    let kind = Kind::File(Content::default());
    let made = disk.make((ROOT, OsStr::new(name)), kind, access().about());
    made.expect("it is free")
}

/// A file of sessions that is replaced so many times.
fn replaced(rule: DiskModel, times: u8, syncs: bool) -> Record {
    record(rule, |disk| {
        for time in 0..times {
            let id = make(disk, "sess.tmp");
            disk.write(id, 0, &[time; 10], NOW).expect("it is a file");
            if syncs {
                disk.sync(id, false).expect("it is there");
            }
            let [from, to] = ["sess.tmp", "sess.json"].map(|name| (ROOT, OsStr::new(name)));
            disk.rename(from, to, true, NOW).expect("it is there");
            disk.sync(ROOT, false).expect("it is there");
        }
    })
}

const ALL: Asked = Asked {
    from: Duration::ZERO,
    states: usize::MAX / 8,
    seed: 7,
};

#[test]
fn disks_that_hold_the_same_are_one_and_the_most_suspicious_are_the_first() {
    let record = replaced(DiskModel::Lazy, 3, true);
    let asked = Asked {
        states: 1_000,
        ..ALL
    };
    let survey = survey(&record, &asked).expect("it fits together");
    assert_eq!(survey.points, record.calls.len());
    assert!(survey.prefixes < survey.points, "{survey:?}");
    let counted = survey.groups.iter().filter(|group| !group.is_reordered());
    assert_eq!(counted.count(), survey.prefixes_asked);
    let suspicion = |group: &Group| group.suspicion;
    let order: Vec<u32> = survey.groups.iter().map(suspicion).collect();
    assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
    assert_eq!(order[0], 5);
    // Cuts of a group are in their order, and each leads there.
    for group in &survey.groups {
        assert!(group.recipes.is_sorted_by_key(|recipe| recipe.cut));
        let digests = group.recipes.iter().map(|recipe| {
            let tree = record.build(recipe).expect("it fits together");
            tree.digest().expect("it is whole")
        });
        let digests: Vec<_> = digests.collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }
}

#[test]
fn a_limit_leaves_place_for_reorderings_and_a_seed_repeats_them() {
    let record = record(DiskModel::Ext4, |disk| {
        let id = make(disk, "log");
        for block in 0..20 {
            disk.write(id, block * 4096, &[1; 4096], NOW)
                .expect("it is a file");
        }
    });
    let asked = Asked { states: 12, ..ALL };
    let of = |asked: &Asked| survey(&record, asked).expect("it fits together");
    let survey = of(&asked);
    assert_eq!(
        (survey.prefixes_asked, survey.groups.len()),
        (2, 12),
        "{survey:?}"
    );
    assert_eq!(survey.reordered_asked, 10);
    assert!(
        survey
            .reorderings_log10
            .is_some_and(|power| (5.0..8.0).contains(&power))
    );
    assert_eq!(of(&asked).groups, survey.groups);
    assert_ne!(of(&Asked { seed: 8, ..asked }).groups, survey.groups);
    // Nothing that waits: nothing that could be written in another order.
    let synced = self::record(DiskModel::Ext4, |disk| {
        disk.sync(ROOT, false).expect("it is there");
    });
    let survey = super::survey(&synced, &asked).expect("it fits together");
    assert_eq!(
        (survey.reordered_asked, survey.reorderings_log10),
        (0, None)
    );
}

#[test]
fn a_reordered_disk_that_is_known_is_held_to_what_was_acknowledged_by_its_own_cut() {
    // It holds 1, then 2, and then 1 again, which is not synced.
    let record = record(DiskModel::Lazy, |disk| {
        let id = make(disk, "a");
        for (byte, syncs) in [(1, true), (2, true), (1, false)] {
            disk.write(id, 0, &[byte; 8], NOW).expect("it is a file");
            if syncs {
                disk.sync(id, false).expect("it is there");
            }
        }
    });
    let last = record.calls.len() - 1;
    let survey = survey(&record, &ALL_FEW).expect("it fits together");
    let files = |recipe: &Recipe| record.build(recipe).expect("it fits together").files();
    let early = Recipe {
        cut: 2,
        by_itself: ByItself::Nothing,
    };
    let mut groups = survey.groups.iter();
    let ones = groups
        .find(|group| group.recipes.contains(&early))
        .expect("it is a prefix");
    let cuts: Vec<usize> = ones.recipes.iter().map(|recipe| recipe.cut).collect();
    // The first was written out by itself, and so was the last. Between them another one was synced.
    assert_eq!(cuts, [1, 2, 3, last], "{ones:?}");
    assert!(!ones.is_reordered());
    for recipe in &ones.recipes {
        assert_eq!(files(recipe), files(&early), "{recipe:?}");
    }
    // No disk is there twice.
    let digests: Vec<_> = survey
        .groups
        .iter()
        .map(|group| record.build(&group.recipes[0]).expect("it fits together"))
        .map(|tree| tree.digest().expect("it is whole"))
        .collect();
    let once: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(once.len(), digests.len());
}

#[test]
fn what_came_before_the_server_was_up_is_left_out() {
    let record = replaced(DiskModel::Strict, 2, true);
    let from = record.calls[5].at;
    let survey = survey(&record, &Asked { from, ..ALL_FEW }).expect("it fits together");
    assert_eq!(survey.points_before, 5, "{survey:?}");
    assert_eq!(survey.points + 5, record.calls.len());
}

const ALL_FEW: Asked = Asked { states: 100, ..ALL };

#[test]
fn the_reason_is_told_in_words() {
    let said = |record: &Record, cut| reason(record, cut).expect("it fits together");
    let unsynced = replaced(DiskModel::Lazy, 1, false);
    let reason = said(&unsynced, 2);
    assert_eq!(
        reason.headline.as_deref(),
        Some("rename of sess.tmp to sess.json before its data was synced")
    );
    let texts: Vec<&str> = reason.calls.iter().map(|call| call.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "creation of sess.tmp",
            "write of 10 bytes to sess.tmp at 0",
            "rename of sess.tmp to sess.json",
            "fsync of the data folder",
        ]
    );
    let after: Vec<bool> = reason.calls.iter().map(|call| call.is_after).collect();
    assert_eq!(after, [false, false, false, true]);
    let synced = replaced(DiskModel::Strict, 1, true);
    assert_eq!(
        said(&synced, 1).headline.as_deref(),
        Some("sess.tmp was written to and not synced")
    );
    let headline = said(&synced, 3).headline.expect("the name is at stake");
    assert_eq!(
        headline,
        "sess.json was made, and its folder (the data folder) was not synced"
    );
    assert_eq!(said(&synced, 4).headline, None);
}

#[test]
fn a_reply_that_came_before_what_was_written_for_it_was_synced_is_early() {
    let mut record = record(DiskModel::Strict, |disk| {
        let id = make(disk, "log");
        // Synced before its reply; after it; and one whose file is synced and whose name is not.
        disk.write(id, 0, b"one", NOW).expect("it is a file");
        disk.sync(id, false).expect("it is there");
        disk.sync(ROOT, false).expect("it is there");
        disk.write(id, 3, b"two", NOW).expect("it is a file");
        disk.sync(id, false).expect("it is there");
        let new = make(disk, "new");
        disk.write(new, 0, b"three", NOW).expect("it is a file");
        disk.sync(new, false).expect("it is there");
    });
    for (at, noted) in (0..).zip(&mut record.calls) {
        noted.at = Duration::from_millis(at);
    }
    let request = |begun, answered| Request {
        begun: Duration::from_micros(begun),
        answered: Duration::from_micros(answered),
    };
    // Calls 0 to 3, then 4 alone, none, and 5 to 8: the sync of the second one comes after its reply.
    let requests = [
        request(0, 3_500),
        request(3_600, 4_500),
        request(4_600, 4_700),
        request(5_500, 8_500),
    ];
    let told = |record: &Record| early(record, &requests).expect("it fits together");
    let files: Vec<Option<Vec<String>>> = told(&record)
        .into_iter()
        .map(|early| early.map(|early| early.files))
        .collect();
    let of = |name: &str| Some(vec![name.to_owned()]);
    assert_eq!(files, [None, of("log"), None, of("new")]);
    let second = told(&record).remove(1).expect("it is early");
    let texts: Vec<&str> = second.calls.iter().map(|call| call.text.as_str()).collect();
    assert_eq!(texts, ["write of 3 bytes to log at 3"]);
    // What came after a record that is full is not known.
    record.ended = Ended::Full(Duration::from_millis(8));
    assert_eq!(told(&record)[3], None);
    assert!(told(&record)[1].is_some());
}

#[test]
fn a_cut_within_a_sync_keeps_nothing_by_it_and_the_sync_counts_from_its_end() {
    let mut record = record(DiskModel::Strict, |disk| {
        let id = make(disk, "log");
        disk.sync(ROOT, false).expect("it is there");
        disk.write(id, 0, b"one", NOW).expect("it is a file");
        let number = disk.begin_sync(id, false).expect("it is there");
        disk.write(id, 3, b"two", NOW).expect("it is a file");
        disk.end_sync((id, false), number).expect("it is there");
    });
    for (at, noted) in (0..).zip(&mut record.calls) {
        noted.at = Duration::from_millis(at);
    }
    let left = |cut, by_itself| {
        let tree = record.build(&Recipe { cut, by_itself });
        let files = tree.expect("it fits together").files();
        files[&PathBuf::from("log")].clone().expect("it is there")
    };
    // Calls: made, folder synced, write, the sync begins, a write in it, the sync ends.
    assert_eq!(left(3, ByItself::Nothing), b"");
    assert_eq!(left(4, ByItself::Nothing), b"");
    assert_eq!(left(5, ByItself::Nothing), b"one");
    // What is acknowledged until the end of the sync is demanded of the disk as it is before.
    assert_eq!(record.end_of(2), Some(Duration::from_millis(4)));
    assert_eq!(record.end_of(4), Some(Duration::from_millis(5)));
    // The system may have written all that the sync is to write.
    let written = (0..64).any(|seed| {
        let time = WriteBack {
            after: 4,
            commits: false,
            seed,
        };
        left(4, ByItself::Some(vec![time])) == b"one"
    });
    assert!(written);
    // A reply within the sync is early; one after it is so only by what was written within it.
    let told = |begun, answered| {
        let [begun, answered] = [begun, answered].map(Duration::from_micros);
        let request = Request { begun, answered };
        let told = early(&record, &[request]).expect("it fits together");
        told[0].is_some()
    };
    assert!(told(1_500, 3_500));
    assert!(told(1_500, 5_500));
    // The words tell both.
    let reason = reason(&record, 3).expect("it fits together");
    let texts: Vec<&str> = reason.calls.iter().map(|call| call.text.as_str()).collect();
    assert!(texts.contains(&"fsync of log begins"), "{texts:?}");
    assert!(texts.contains(&"fsync of log has ended"), "{texts:?}");
    assert_eq!(
        reason.headline.as_deref(),
        Some("log was written to and not synced")
    );
}

#[test]
fn what_is_laid_into_a_folder_is_what_the_disk_held() {
    let record = record(DiskModel::Lazy, |disk| {
        let id = make(disk, "a");
        disk.write(id, 0, b"one", NOW).expect("it is a file");
        disk.sync(id, false).expect("it is there");
        disk.link(id, (ROOT, OsStr::new("b")), NOW)
            .expect("it is free");
        let folder = Kind::Folder(Entries::default());
        let folder = disk.make((ROOT, OsStr::new("d")), folder, access().about());
        let place = (folder.expect("it is free"), OsStr::new("l"));
        let link = Kind::Link("../a".into());
        disk.make(place, link, access().about())
            .expect("it is free");
        make(disk, ".comeback-canary-synced");
    });
    let cut = record.calls.len() - 1;
    let tree = record.build(&Recipe {
        cut,
        by_itself: ByItself::Nothing,
    });
    let into = tempfile::tempdir().expect("a folder");
    if !rustix::process::geteuid().is_root() {
        return;
    }
    tree.expect("it fits together")
        .lay(into.path())
        .expect("it is empty");
    let read = |path: &str| std::fs::read(into.path().join(path)).expect(path);
    assert_eq!(
        (read("a"), read("b"), read("d/l")),
        (b"one".to_vec(), b"one".to_vec(), b"one".to_vec())
    );
    let mut names: Vec<_> = std::fs::read_dir(into.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b", "d"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(into.path().join("a"))
            .expect("a file")
            .permissions(),
    );
    assert_eq!(mode & 0o7777, 0o644);
}
