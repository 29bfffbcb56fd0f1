//! The promises of the log, over histories that proptest invents.

use std::collections::HashSet;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::frame::write_frame;
use super::log::{CompactionPoint, snapshot};
use super::state::{MAGIC, replay};
use super::*;

const FILE: &str = "sessions.log";

/// A history: commits of a few changes each, over few enough sessions that they meet.
fn histories() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = (0..6_u128, 0..13_u32, "[a-z]{1,8}").prop_map(|(id, kind, name)| match kind {
        0..3 => Change::Login(SessionId(id), User::parse(&name).unwrap()),
        3..7 => Change::Visit(SessionId(id), None),
        // So few keys that they meet, too.
        7..12 => Change::Visit(
            SessionId(id),
            Key::parse(&name.as_bytes()[..1].repeat(kind as usize % 2 + 1)),
        ),
        _ => Change::Logout(SessionId(id)),
    });
    vec(vec(change, 1..8), 1..12).prop_map(without_second_logins)
}

/// Ids are random in truth, so no session begins twice.
fn without_second_logins(mut history: Vec<Vec<Change>>) -> Vec<Vec<Change>> {
    let mut begun = HashSet::new();
    for commit in &mut history {
        commit.retain(|change| !matches!(change, Change::Login(id, _) if !begun.insert(*id)));
    }
    history
}

/// A log as bytes, with the state and the length after each frame; the first is the empty log.
struct Written {
    bytes: Vec<u8>,
    states: Vec<State>,
    ends: Vec<usize>,
}

fn write(history: &[Vec<Change>]) -> Written {
    let mut written = Written {
        bytes: MAGIC.to_vec(),
        states: vec![State::default()],
        ends: vec![MAGIC.len()],
    };
    for changes in history {
        let mut state = written.states.last().unwrap().clone();
        let (entries, _) = plan(&state, changes);
        if !entries.is_empty() {
            write_frame(&mut written.bytes, &entries);
            entries.into_iter().for_each(|entry| state.apply(entry));
            written.states.push(state);
            written.ends.push(written.bytes.len());
        }
    }
    written
}

/// The state after the changes by the contract, one by one and without a log.
fn expected_outcomes(history: &[Vec<Change>]) -> Vec<Outcome> {
    let mut sessions: HashMap<SessionId, Session> = HashMap::new();
    let mut keys = HashSet::new();
    let apply = |change: &Change| match change {
        Change::Login(id, user) => {
            sessions.insert(*id, Session::new(user.clone()));
            sessions.get(id).cloned()
        }
        Change::Visit(id, key) => {
            let session = sessions.get_mut(id)?;
            if key.is_none() || keys.insert((*id, key.clone())) {
                session.visits += 1;
            }
            Some(session.clone())
        }
        Change::Logout(id) => sessions.remove(id),
    };
    history.iter().flatten().map(apply).collect()
}

proptest! {
    #[test]
    fn a_batch_does_what_its_changes_do_one_by_one(history in histories()) {
        let mut state = State::default();
        let mut outcomes = Vec::new();
        for changes in &history {
            let (entries, answered) = plan(&state, changes);
            entries.into_iter().for_each(|entry| state.apply(entry));
            outcomes.extend(answered);
        }
        prop_assert_eq!(outcomes, expected_outcomes(&history));
    }

    #[test]
    fn any_prefix_of_the_log_replays_to_a_prefix_of_the_history(history in histories()) {
        let written = write(&history);
        for cut in MAGIC.len()..=written.bytes.len() {
            let whole = written.ends.partition_point(|&end| end <= cut) - 1;
            let replayed = replay(&written.bytes[..cut]).unwrap();
            prop_assert_eq!(&replayed.state, &written.states[whole]);
            prop_assert_eq!(replayed.sound_bytes, written.ends[whole]);
        }
    }

    #[test]
    fn a_tail_of_zeros_or_garbage_is_cut_off(history in histories(), garbage in vec(any::<u8>(), 1..200)) {
        let written = write(&history);
        for tail in [vec![0; garbage.len()], garbage] {
            let replayed = replay(&[written.bytes.clone(), tail].concat()).unwrap();
            prop_assert_eq!(Some(&replayed.state), written.states.last());
            prop_assert_eq!(replayed.sound_bytes, written.bytes.len());
        }
    }

    #[test]
    fn a_changed_byte_before_the_last_record_is_detected(
        history in histories(), place in any::<prop::sample::Index>(), flip in 1..=u8::MAX,
    ) {
        let mut written = write(&history);
        prop_assume!(written.ends.len() > 2);
        let place = place.index(written.ends[written.ends.len() - 2]);
        written.bytes[place] ^= flip;
        let damage = replay(&written.bytes).unwrap_err();
        // It names the record in which the byte stands.
        let start = written.ends.iter().rev().find(|&&end| end <= place).copied().unwrap_or(0);
        prop_assert_eq!(damage.offset, start);
    }

    #[test]
    fn a_changed_byte_in_the_last_record_never_makes_up_a_state(
        history in histories(), place in any::<prop::sample::Index>(), flip in 1..=u8::MAX,
    ) {
        let mut written = write(&history);
        prop_assume!(written.ends.len() > 1);
        let last = written.ends[written.ends.len() - 2];
        let place = last + place.index(written.bytes.len() - last);
        written.bytes[place] ^= flip;
        let replayed = replay(&written.bytes).unwrap();
        prop_assert_eq!(&replayed.state, &written.states[written.states.len() - 2]);
    }

    #[test]
    fn a_snapshot_replays_to_the_state_it_was_made_from(history in histories()) {
        let state = write(&history).states.pop().unwrap();
        let snapshot = snapshot(&state);
        let replayed = replay(&snapshot).unwrap();
        prop_assert_eq!(replayed.sound_bytes, snapshot.len());
        // All that is not an entry: the head of the log, and that of a frame.
        let heads = MAGIC.len() as u64 + if snapshot.len() > MAGIC.len() { 8 } else { 0 };
        prop_assert_eq!(state.snapshot_bytes() + heads, snapshot.len() as u64);
        prop_assert_eq!(replayed.state, state);
    }
}

fn open(folder: &TempDir) -> Result<(Log, State), ServeError> {
    Log::open(Folder::open_locked(folder.path()).unwrap())
}

fn folder_with(log: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), log).unwrap();
    folder
}

/// The files that a crash at this moment leaves: a copy of all.
fn copy(folder: &TempDir) -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copied.path().join(file.file_name())).unwrap();
    }
    copied
}

proptest! {
    // Each case syncs real files.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_crash_at_any_step_of_a_compaction_keeps_the_state(history in histories(), more in histories()) {
        let written = write(&history);
        let state = written.states.last().unwrap();
        let folder = folder_with(&written.bytes);
        let (mut log, _) = open(&folder).unwrap();
        let mut crashes = vec![copy(&folder)];
        let mut steps = Vec::new();
        log.compact_in_steps(state, |step| {
            steps.push(step);
            crashes.push(copy(&folder));
        }).unwrap();
        prop_assert_eq!(steps, [CompactionPoint::Created, CompactionPoint::Written, CompactionPoint::Synced, CompactionPoint::Renamed, CompactionPoint::Done]);

        for crashed in &crashes {
            let (mut log, found) = open(crashed).unwrap();
            prop_assert_eq!(&found, state);
            prop_assert!(!crashed.path().join("sessions.log.new").exists());
            // The log goes on as if nothing had been.
            let mut state = found;
            for changes in &more {
                let fresh: Vec<Change> = changes.iter().filter(|change| !matches!(change, Change::Login(..))).cloned().collect();
                let (entries, _) = plan(&state, &fresh);
                if !entries.is_empty() {
                    log.append(&entries).unwrap();
                    entries.into_iter().for_each(|entry| state.apply(entry));
                }
            }
            drop(log);
            prop_assert_eq!(open(crashed).unwrap().1, state);
        }
    }
}

fn login(number: u128) -> Vec<Change> {
    vec![Change::Login(
        SessionId(number),
        User::parse("u17").unwrap(),
    )]
}

fn visits(number: u128, count: usize) -> Vec<Change> {
    vec![Change::Visit(SessionId(number), None); count]
}

fn visit_once(number: u128, key: &str) -> Change {
    Change::Visit(SessionId(number), Some(Key::parse(key.as_bytes()).unwrap()))
}

#[test]
fn a_torn_tail_is_cut_off_the_file_and_the_log_goes_on() {
    let written = write(&[login(1), visits(1, 3)]);
    let folder = folder_with(&written.bytes[..written.bytes.len() - 1]);
    let (mut log, state) = open(&folder).unwrap();
    assert_eq!(state, written.states[1]);
    assert_eq!(
        fs::read(folder.path().join(FILE)).unwrap(),
        &written.bytes[..written.ends[1]]
    );
    log.append(&plan(&state, &visits(1, 2)).0).unwrap();
    drop(log);
    assert_eq!(
        open(&folder).unwrap().1.get(SessionId(1)).unwrap().visits,
        2
    );
}

#[test]
fn damage_in_the_middle_stops_the_start_with_file_and_offset() {
    let mut written = write(&[login(1), visits(1, 1), visits(1, 1)]);
    let offset = written.ends[1];
    written.bytes[offset + 9] ^= 1;
    let folder = folder_with(&written.bytes);
    let error = open(&folder).err().unwrap().to_string();
    let file = folder.path().join(FILE);
    let expected = format!(
        "{} is corrupt at byte {offset}: a bad record stands before a sound one",
        file.display()
    );
    assert_eq!(error, expected);
    assert_eq!(
        fs::read(file).unwrap(),
        written.bytes,
        "the damaged file is left as it was"
    );
}

#[test]
fn a_sound_record_about_a_session_that_never_began_is_damage() {
    let mut bytes = MAGIC.to_vec();
    write_frame(
        &mut bytes,
        &[Entry::Count {
            id: SessionId(1),
            visits: 1,
        }],
    );
    assert_eq!(replay(&bytes).unwrap_err().offset, MAGIC.len());
}

#[test]
fn a_record_that_counts_a_key_twice_is_damage() {
    let mut written = write(&[login(1), vec![visit_once(1, "a")]]);
    let frame = written.bytes[written.ends[1]..].to_vec();
    written.bytes.extend(frame);
    let damage = replay(&written.bytes).unwrap_err();
    assert_eq!(damage.offset, written.ends[2]);
}

#[test]
fn one_key_twice_in_a_batch_is_counted_once_and_a_third_time_writes_nothing() {
    let state = write(&[login(1)]).states.pop().unwrap();
    let batch = [visit_once(1, "a"), visit_once(1, "b"), visit_once(1, "a")];
    let (entries, outcomes) = plan(&state, &batch);
    assert_eq!(entries.len(), 2);
    let counts = |outcomes: Vec<Outcome>| -> Vec<u64> {
        outcomes
            .into_iter()
            .map(|found| found.unwrap().visits)
            .collect()
    };
    assert_eq!(counts(outcomes), [1, 2, 2]);
    let mut state = state;
    entries.into_iter().for_each(|entry| state.apply(entry));
    let (entries, outcomes) = plan(&state, &batch);
    assert_eq!(entries, []);
    assert_eq!(counts(outcomes), [2, 2, 2]);
}

/// As the server before this one wrote it: `u17` and `u18` begin, one counts to 7, the other ends.
#[test]
fn a_log_from_before_there_were_keys_is_read() {
    let old = b"cmbklog1\
        :\0\0\0\x83\x1d\xc0A\
        \x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03u17\
        \x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x03u18\
        \x19\0\0\0\xc6\x1e\xc1[\
        \x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\
        \x11\0\0\0\x1e*\0A\
        \x03\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let folder = folder_with(old);
    let (mut log, mut state) = open(&folder).unwrap();
    assert_eq!(state.get(SessionId(1)).unwrap().visits, 7);
    assert_eq!(state.get(SessionId(2)), None);
    let (entries, _) = plan(&state, &[visit_once(1, "a")]);
    log.append(&entries).unwrap();
    entries.into_iter().for_each(|entry| state.apply(entry));
    drop(log);
    assert!(fs::read(folder.path().join(FILE)).unwrap().starts_with(old));
    assert_eq!(open(&folder).unwrap().1, state);
    assert!(state.knows(SessionId(1), &Key::parse(b"a").unwrap()));
}

#[test]
fn a_compaction_keeps_the_keys_of_more_visits_than_a_frame_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (log, state) = open(&folder).unwrap();
    let mut books = Books {
        log,
        state: Arc::new(Mutex::new(state)),
        failure: None,
    };
    books.commit(&login(1)).unwrap();
    let longest = |number: usize| format!("{number:064}");
    let keyed = |range: std::ops::Range<usize>| -> Vec<Change> {
        range
            .map(|number| visit_once(1, &longest(number)))
            .collect()
    };
    // The frame is as long as one can be.
    books.commit(&keyed(0..1024)).unwrap();
    books.commit(&keyed(1000..1500)).unwrap();
    let length = || fs::metadata(folder.path().join(FILE)).unwrap().len();
    let before = length();
    // History enough for a compaction while running.
    while length() >= before {
        books.commit(&visits(1, 1000)).unwrap();
        assert!(length() < 3 << 20, "it is never compacted");
    }
    let counted = lock(&books.state).get(SessionId(1)).unwrap().visits;
    let again = books.commit(&keyed(0..1024)).unwrap();
    assert!(
        again
            .iter()
            .all(|found| found.as_ref().unwrap().visits == counted)
    );
    drop(books);
    let (_, state) = open(&folder).unwrap();
    assert_eq!(state.get(SessionId(1)).unwrap().visits, counted);
    assert_eq!(plan(&state, &keyed(476..1500)).0, []);
}

#[test]
fn a_long_history_is_compacted_at_start_and_while_running() {
    let folder = tempfile::tempdir().unwrap();
    let (log, state) = open(&folder).unwrap();
    let mut books = Books {
        log,
        state: Arc::new(Mutex::new(state)),
        failure: None,
    };
    books.commit(&login(1)).unwrap();
    let length = || fs::metadata(folder.path().join(FILE)).unwrap().len();
    let (mut counted, mut longest) = (0, 0);
    // 100 commits of 25 KB each would be 2.5 MB.
    for _ in 0..100 {
        books.commit(&visits(1, 1000)).unwrap();
        counted += 1000;
        longest = longest.max(length());
    }
    assert!(longest < (1 << 20) + 50_000, "grew to {longest}");
    drop(books);
    let (log, state) = open(&folder).unwrap();
    assert_eq!(state.get(SessionId(1)).unwrap().visits, counted);
    drop(log);

    let long = write(
        &std::iter::once(login(1))
            .chain((0..60).map(|_| visits(1, 1000)))
            .collect::<Vec<_>>(),
    );
    let folder = folder_with(&long.bytes);
    assert_eq!(open(&folder).unwrap().1, *long.states.last().unwrap());
    assert!(fs::metadata(folder.path().join(FILE)).unwrap().len() < 100);
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (_, state) = open(&folder).unwrap();
    let log = Log::on_full_disk(Folder::open(folder.path()).unwrap());
    let mut books = Books {
        log,
        state: Arc::new(Mutex::new(state)),
        failure: None,
    };
    let first = books.commit(&login(1)).unwrap_err();
    assert!(
        std::error::Error::source(&first)
            .unwrap()
            .to_string()
            .contains("No space left")
    );
    assert!(
        lock(&books.state).get(SessionId(1)).is_none(),
        "what was refused is not to be read"
    );

    // Even where the disk would be good again.
    books.log = open(&folder).unwrap().0;
    assert!(books.commit(&login(2)).is_err());
    assert!(books.commit(&visits(9, 1)).is_err());
}
