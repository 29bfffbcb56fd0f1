//! Journals as they are written, torn, spoiled, and of another version.

mod stream;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::event::{Doubts, EventKind, Evidence, Exit, ExitCause, OldProcess, Phase, Survivor};
use crate::ids::{ArmId, BootId, ClientId, FaultId, Incarnation, Node, TrialId};
use crate::operation::{Cached, ErrorClass, Outcome, ShownWrites, Step, test_operation};
use crate::plan::{Plan, test_plan};
use crate::said::Line;
use crate::schedule::expand;
use crate::shard::HeldShard;
use crate::units::Elapsed;

fn header() -> Header {
    let (plan, seed) = (test_plan(), Seed(7));
    Header {
        comeback_journal: VERSION,
        written_by: "0.1.0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seed,
        machine: Machine::default(),
        schedule: expand(&plan, seed),
        plan,
        shards: None,
        label: Some("nightly-12".to_owned()),
        revision: Some(Revision {
            commit: "3f2a91c4d5e6f708192a3b4c5d6e7f8091a2b3c4".to_owned(),
            dirty: true,
        }),
    }
}

fn event(at: u64, kind: EventKind) -> Event {
    Event {
        at: Elapsed::from_us(at),
        trial: Some(TrialId(0)),
        kind,
    }
}

fn operation(finished: u64) -> Operation {
    Operation {
        generation: 1,
        dispatched: Elapsed::from_us(2),
        sent: Some(Elapsed::from_us(3)),
        finished: Elapsed::from_us(finished),
        boot: Some(BootId::from_header(b"first")),
        ..test_operation(TrialId(0), ClientId(3), Step::Act, Elapsed::from_us(1))
    }
}

/// A run's two files.
fn written(events: &[Event], operations: &[Operation]) -> (Vec<u8>, Vec<u8>) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    write_line(&mut lines, &header()).expect("a vector takes everything");
    let mut sealer = Sealer::default();
    // In two parts, as a run writes them.
    let (first, second) = operations.split_at(operations.len() / 2);
    for part in [first, second] {
        sealer
            .write_operations(&mut rows, part)
            .expect("a vector takes everything");
    }
    for event in events {
        sealer
            .write_event(&mut lines, event)
            .expect("a vector takes everything");
    }
    (lines, rows)
}

/// Three events and three operations of a trial that has not ended.
fn sample() -> (Vec<u8>, Vec<u8>) {
    let events = [
        event(1, trial_started()),
        event(2, EventKind::PhaseEntered { phase: Phase::Open }),
        event(3, EventKind::RunInterrupted),
    ];
    written(&events, &[operation(4), operation(5), operation(6)])
}

fn trial_started() -> EventKind {
    EventKind::TrialStarted {
        arm: ArmId(0),
        control: false,
    }
}

/// The events of a run with one whole trial, which has so many operations; and these.
fn whole(operations: u64) -> (Vec<Event>, Vec<Operation>) {
    let events = vec![
        event(1, trial_started()),
        event(2, EventKind::PhaseEntered { phase: Phase::Open }),
        event(900, EventKind::TrialEnded),
        Event {
            trial: None,
            ..event(901, EventKind::RunEnded)
        },
    ];
    (events, (4..4 + operations).map(operation).collect())
}

/// The file without its line `number` (from 1).
fn without_line(file: &[u8], number: usize) -> Vec<u8> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.enumerate().filter(|(at, _)| at + 1 != number);
    kept.flat_map(|(_, line)| line.to_vec()).collect()
}

/// The file with its line `number` (from 1) replaced.
fn with_line(file: &[u8], number: usize, line: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    lines[number - 1] = line;
    lines.join(&b'\n')
}

#[track_caller]
fn check_refused(events: &[u8], operations: &[u8], place: &str, problem: &str) {
    let error = read(events, operations).expect_err(place).to_string();
    assert!(error.starts_with(&format!("{place}: ")), "{error}");
    assert!(error.contains(problem), "{error}");
}

#[test]
fn a_run_without_events_and_operations_is_read_back() {
    let (events, operations) = written(&[], &[]);
    let journal = read(&events[..], &operations[..]).expect("it is whole");
    assert_eq!((journal.header, journal.torn), (header(), false));
    assert!(journal.events.is_empty() && journal.operations.is_empty());
}

#[test]
fn a_torn_last_line_of_either_file_is_left_out_and_told() {
    let (events, operations) = sample();
    for cut in [1, 2, 10] {
        let torn = &events[..events.len() - cut];
        let journal = read(torn, &operations[..]).expect("only its end is torn");
        assert_eq!((journal.events.len(), journal.operations.len()), (2, 3));
        assert!(journal.torn);
        let torn = &operations[..operations.len() - cut];
        let journal = read(&events[..], torn).expect("only its end is torn");
        assert_eq!((journal.events.len(), journal.operations.len()), (3, 2));
        assert!(journal.torn);
    }
}

#[test]
fn a_line_without_end_is_an_error_and_not_read_to_it() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = read(endless, &b""[..]).expect_err("it has no end");
    assert!(error.to_string().contains("longer than 64 MiB"), "{error}");
}

#[test]
fn a_corrupt_line_in_the_middle_is_an_error_that_names_it() {
    let (events, operations) = sample();
    for line in [
        &b"{\"at_us\":"[..],
        b"",
        b"{\"at_us\":1,\"kind\":{\"type\":\"unheard_of\"}}",
    ] {
        check_refused(
            &with_line(&events, 3, line),
            &operations,
            "journal line 3",
            "",
        );
    }
    for (line, problem) in [
        ("0,3,1", "fields"),
        (
            "0,3,1,dance,1,2,3,2,acknowledged,,200,,,,,,,false,,,1,",
            "dance",
        ),
        (
            "0,3,1,act,x,2,3,2,acknowledged,,200,,,,,,,false,,,1,",
            "invalid digit",
        ),
        (
            "0,3,1,act,1,2,3,2,acknowledged,,200,,x,,,,,false,,,1,",
            "invalid digit",
        ),
        (
            "0,3,1,get,1,2,3,2,acknowledged,,200,,,,,,,false,often,,1,",
            "often",
        ),
        (
            "0,3,1,check,1,2,3,2,acknowledged,,200,,,3-,,,,false,,,1,",
            "'3-'",
        ),
        (
            "0,3,1,check,1,2,3,2,acknowledged,,200,,,0-4294967295,,,,false,,,1,",
            "which writes were shown",
        ),
    ] {
        check_refused(
            &events,
            &with_line(&operations, 3, line.as_bytes()),
            "operations line 3",
            problem,
        );
    }
}

#[test]
fn an_event_of_a_trial_that_names_none_is_damage() {
    let (events, operations) = sample();
    let nameless = br#"{"at_us":2,"kind":{"type":"phase_entered","phase":"open"}}"#;
    check_refused(
        &with_line(&events, 3, nameless),
        &operations,
        "journal line 3",
        "it is about a trial and does not say which",
    );
    let of_the_run = br#"{"at_us":2,"kind":{"type":"run_interrupted"}}"#;
    assert!(read(&with_line(&events, 3, of_the_run)[..], &operations[..]).is_ok());
}

#[test]
fn a_journal_of_another_version_is_refused_by_its_number() {
    let (events, operations) = sample();
    let other = with_line(&events, 1, br#"{"comeback_journal":9,"of":"the future"}"#);
    check_refused(&other, &operations, "journal line 1", "version 9");
    let other = with_line(&events, 1, br#"{"comeback_journal":1,"of":"the past"}"#);
    check_refused(&other, &operations, "journal line 1", "version 1");
}

#[test]
fn shards_are_not_taken_for_a_whole_run_of_an_older_version() {
    let (events, operations) = sample();
    let held = HeldShard {
        index: 1,
        started: String::new(),
        machine: Machine::default(),
    };
    let shards = Shards::new(2, vec![held]).ok();
    for (version, is_read) in [(UNSPLIT, false), (VERSION, true)] {
        let header = Header {
            comeback_journal: version,
            shards: shards.clone(),
            ..header()
        };
        let line = serde_json::to_vec(&header).expect("it is plain");
        let other = with_line(&events, 1, &line);
        match is_read {
            true => drop(read(&other[..], &operations[..]).expect("it is read")),
            false => check_refused(&other, &operations, "journal line 1", "names shards"),
        }
    }
}

#[test]
fn a_journal_of_version_3_is_read_though_it_cannot_show_that_it_is_whole() {
    let (events, operations) = whole(5);
    let (lines, rows) = written(&events, &operations);
    assert!(header().is_sealed());
    let old = String::from_utf8(lines).expect("it is text");
    let old = old.replacen("\"comeback_journal\":8", "\"comeback_journal\":3", 1);
    let unsealed: String = old
        .lines()
        .map(|line| match line.split_once(",\"seal\"") {
            Some((event, _)) => format!("{event}}}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    for rows in [&rows[..], &without_line(&rows, 3)] {
        let journal = read(unsealed.as_bytes(), rows).expect("it was never sealed");
        assert!(!journal.header.is_sealed());
        assert_eq!(journal.events, events);
    }
    let claims_to_be_new = unsealed.replacen("_journal\":3", "_journal\":6", 1);
    check_refused(
        claims_to_be_new.as_bytes(),
        &rows,
        "journal line 4",
        "trial 0 ended without saying what it holds",
    );
}

#[test]
fn an_older_journal_tells_of_the_only_fault_and_its_names_are_read() {
    let told: Vec<EventKind> = [
        r#"{"type":"fault_requested","node":"store","action":{"signal":"KILL"}}"#,
        r#"{"type":"fault_missed","reason":"it lives"}"#,
        r#"{"type":"target_exited","incarnation":0,"exit":{"signal":9},"cause":"injected"}"#,
        r#"{"type":"target_exited","incarnation":0,"exit":{"signal":9},"cause":"unasked"}"#,
        r#"{"type":"stranger_known","node":"balancer"}"#,
    ]
    .map(|text| serde_json::from_str(text).expect(text))
    .to_vec();
    let fault = FaultId::FIRST;
    let exited = |cause| EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause,
        tail: Vec::new(),
    };
    let expected = [
        EventKind::FaultRequested {
            fault,
            node: Node::Store,
            begun: "SIGKILL sent".to_owned(),
        },
        EventKind::FaultMissed {
            fault,
            reason: "it lives".to_owned(),
        },
        exited(ExitCause::Injected(fault)),
        exited(ExitCause::Unexpected),
        EventKind::AnonymousKnown {
            node: Node::Balancer,
        },
    ];
    assert_eq!(told, expected);
}

#[test]
fn operations_that_lack_any_row_of_an_ended_trial_are_damage() {
    let (events, operations) = whole(5);
    let (lines, rows) = written(&events, &operations);
    let journal = read(&lines[..], &rows[..]).expect("it is whole");
    assert_eq!((journal.events, journal.operations), (events, operations));
    for missing in 2..7 {
        check_refused(
            &lines,
            &without_line(&rows, missing),
            "journal line 4",
            "trial 0 ended with 5 operations, of which the operations file holds 4",
        );
    }
    // Cut at a line's end, within one, and to nothing.
    let header = rows
        .split(|byte| *byte == b'\n')
        .next()
        .map_or(0, <[u8]>::len)
        + 1;
    for cut in [&rows[..rows.len() - 1], &rows[..header], b""] {
        check_refused(&lines, cut, "journal line 4", "rows are missing");
    }
    let doubled = with_line(&without_line(&rows, 3), 2, rows_line(&rows, 2));
    let doubled = [&doubled[..], rows_line(&rows, 2), b"\n"].concat();
    check_refused(&lines, &doubled, "journal line 4", "rows were replaced");
}

fn rows_line(rows: &[u8], number: usize) -> &[u8] {
    rows.split(|byte| *byte == b'\n')
        .nth(number - 1)
        .expect("a row")
}

#[test]
fn the_order_of_the_rows_is_no_matter() {
    let (events, operations) = whole(5);
    let (lines, rows) = written(&events, &operations);
    let mut turned: Vec<&[u8]> = rows.split_inclusive(|byte| *byte == b'\n').collect();
    turned[1..].reverse();
    assert!(read(&lines[..], &turned.concat()[..]).is_ok());
}

#[test]
fn a_journal_that_lacks_a_line_of_an_ended_trial_or_run_is_damage() {
    let (events, operations) = whole(2);
    let (lines, rows) = written(&events, &operations);
    for missing in [2, 3] {
        check_refused(
            &without_line(&lines, missing),
            &rows,
            "journal line 3",
            "trial 0 ended after 2 lines of the journal, which holds 1 of them",
        );
    }
    // Without its end the trial would not count; the run says that it had one.
    check_refused(
        &without_line(&lines, 4),
        &rows,
        "journal line 4",
        "the run ended after 3 lines of the journal, which holds 2 of them",
    );
}

#[test]
fn a_trial_that_has_not_ended_may_lack_its_last_rows() {
    let (mut events, operations) = whole(5);
    events.truncate(2);
    let (lines, rows) = written(&events, &operations);
    let journal = read(&lines[..], &without_line(&rows, 6)[..]).expect("nothing was said of it");
    assert_eq!(journal.operations.len(), 4);
}

#[test]
fn times_that_cannot_be_are_damage() {
    let (events, operations) = whole(1);
    for (change, problem) in [
        (
            (|one| one.finished = Elapsed::from_us(2)) as fn(&mut Operation),
            "it was finished at 2 µs, before it was sent at 3 µs",
        ),
        (
            |one| one.finished = Elapsed::from_us(0),
            "it was finished at 0 µs",
        ),
        (
            |one| one.intended = Elapsed::from_us(8),
            "it was dispatched at 2 µs, before it was intended at 8 µs",
        ),
        (
            |one| one.resent = Some(Elapsed::from_us(2)),
            "it was sent again at 2 µs, before it was sent at 3 µs",
        ),
        (
            |one| one.intended = Elapsed::from_us(0),
            "it was intended at 0 µs, before its trial began at 1 µs",
        ),
        (
            |one| one.finished = Elapsed::from_us(901),
            "its trial ended at 900 µs, before it was finished at 901 µs",
        ),
    ] {
        let mut operations = operations.clone();
        operations.iter_mut().for_each(change);
        let (lines, rows) = written(&events, &operations);
        check_refused(&lines, &rows, "operations line 2", problem);
    }
}

#[test]
fn a_journal_without_a_header_is_refused() {
    let (events, operations) = sample();
    check_refused(b"", &operations, "journal line 1", "no header");
    check_refused(&events[..20], &operations, "journal line 1", "no header");
    let first = events
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header");
    check_refused(
        &events[first + 1..],
        &operations,
        "journal line 1",
        "comeback_journal",
    );
}

#[test]
fn operations_without_their_header_row_are_refused() {
    let (events, operations) = sample();
    let first = operations
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header");
    check_refused(
        &events,
        &operations[first + 1..],
        "operations line 1",
        "the columns",
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_by_their_line() {
    let (events, operations) = sample();
    let spoiled = with_line(&events, 2, b"{\"at_us\":\xff}");
    check_refused(&spoiled, &operations, "journal line 2", "not UTF-8");
    let spoiled = with_line(&operations, 4, b"\xc3\x28");
    check_refused(&events, &spoiled, "operations line 4", "not UTF-8");
}

#[test]
fn a_row_says_which_write_it_carries_and_which_it_found() {
    let look = |writes: &[u32], foreign| Operation {
        step: Step::Check,
        found: Some(Box::new(ShownWrites {
            writes: writes.to_vec(),
            foreign,
        })),
        ..operation(9)
    };
    let operations = [
        Operation {
            write: Some(17),
            ..operation(9)
        },
        look(&[1, 2, 3, 3], 2),
        look(&[], 0),
        operation(9),
    ];
    let (events, rows) = written(&[], &operations);
    let text = String::from_utf8(rows.clone()).expect("it is text");
    let cells: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|row| &row[row.find("200,").expect("a status")..])
        .collect();
    let boot = BootId::from_header(b"first");
    assert_eq!(
        cells,
        [
            format!("200,,17,,{boot},,,false,,,1,"),
            format!("200,,,\"1-3,3,?2\",{boot},,,false,,,1,"),
            format!("200,,,-,{boot},,,false,,,1,"),
            format!("200,,,,{boot},,,false,,,1,"),
        ]
    );
    let journal = read(&events[..], &rows[..]).expect("it is whole");
    assert_eq!(journal.operations, operations);
}

#[test]
fn rows_that_together_find_more_than_fits_into_memory_are_refused() {
    let row = |shown| format!("0,3,1,check,1,2,3,9,acknowledged,,200,,,{shown},,,,false,,,1,\n");
    let (_, rows) = written(&[], &[operation(4)]);
    let rows = String::from_utf8(rows).expect("it is text") + &row("1-6") + &row("6-1") + &row("-");
    let read_within = |most| {
        let mut rows = operations::Rows::within(rows.as_bytes(), most)?;
        while rows.next()?.is_some() {}
        Ok::<_, JournalError>(())
    };
    assert!(read_within(12).is_ok());
    let error = read_within(11).expect_err("12 are found");
    assert!(
        error
            .to_string()
            .starts_with("operations line 4: up to here more writes")
    );
}

prop_compose! {
    fn any_operation()(
        numbers: (u32, u32, u32),
        step in select(vec![
            Step::Login, Step::Act, Step::Check, Step::Logout, Step::Get, Step::ReadBack,
        ]),
        times: (u32, u32, Option<u32>, Option<u32>, u32),
        outcome in select(vec![
            Outcome::Acknowledged, Outcome::Rejected, Outcome::Indeterminate,
        ]),
        error in option::of(select(ErrorClass::ALL.to_vec())),
        status: Option<u16>,
        value: Option<u64>,
        write: Option<u32>,
        found in option::of((vec(prop_oneof![0..9_u32, any::<u32>()], 0..9), 0..3_u32)),
        boot in option::of(any::<[u8; 4]>()),
        replica: Option<u32>,
        failed_replica: Option<u32>,
        unframed: bool,
        cache in option::of(any_cached()),
        age_s in option::of(any::<u32>()),
        tries: u32,
    ) -> Operation {
        let mut now = 0;
        let mut after = |us: u32| {
            now += u64::from(us);
            Elapsed::from_us(now)
        };
        let (intended, dispatched) = (after(times.0), after(times.1));
        let (sent, resent) = (times.2.map(&mut after), times.3.map(&mut after));
        let finished = after(times.4);
        Operation {
            trial: TrialId(numbers.0),
            client: ClientId(numbers.1),
            generation: numbers.2,
            step,
            intended,
            dispatched,
            sent,
            finished,
            outcome,
            error,
            status,
            value,
            write,
            found: found.map(|(writes, foreign)| Box::new(ShownWrites { writes, foreign })),
            boot: boot.map(|bytes| BootId::from_header(&bytes)),
            replica,
            failed_replica,
            unframed,
            cache,
            age_s,
            tries,
            resent,
        }
    }
}

/// Events of every kind, with these figures and this text.
fn every_kind(time: Option<u64>, number: i32, count: u64, text: &str) -> Vec<EventKind> {
    let (text, tail) = (
        text.to_owned(),
        vec![
            Line::Out(text.to_owned()),
            Line::Err {
                stderr: String::new(),
            },
        ],
    );
    let time_or_none = time.map(Elapsed::from_us);
    let incarnation = Incarnation(number.unsigned_abs());
    let boot = BootId::from_header(text.as_bytes());
    let arm = ArmId(number.unsigned_abs());
    vec![
        EventKind::ArmSkipped {
            arm,
            reason: text.clone(),
        },
        EventKind::TrialStarted {
            arm,
            control: time.is_some(),
        },
        EventKind::PhaseEntered {
            phase: Phase::ReadBack,
        },
        EventKind::TargetExecuted {
            node: Node::default(),
            incarnation,
            pid: number,
            requested_us: Elapsed::from_us(count),
            launched_us: None,
        },
        EventKind::TargetStartFailed {
            node: Node::default(),
            incarnation,
            problem: text.clone(),
            tail: tail.clone(),
            port_taken_by: time.map(|_| Survivor {
                pid: number,
                command: text.clone(),
            }),
        },
        EventKind::TargetReady {
            node: Node::default(),
            boot: time.map(|_| boot),
        },
        EventKind::TargetExited {
            node: Node::default(),
            incarnation,
            exit: Exit::Signal(number),
            cause: ExitCause::Injected(FaultId(2)),
            tail,
        },
        EventKind::SessionsOpened {
            opened: 1,
            failed: 2,
        },
        EventKind::FaultRequested {
            fault: FaultId::FIRST,
            node: Node::default(),
            begun: "SIGSEGV sent".to_owned(),
        },
        EventKind::FaultRequested {
            fault: FaultId(1),
            node: Node::Replica(2),
            begun: "told to stop".to_owned(),
        },
        EventKind::FaultEnded { fault: FaultId(3) },
        EventKind::FaultActed {
            fault: FaultId::FIRST,
            node: Node::Replica(1),
            evidence: "it holds".to_owned(),
            completes: number % 2 == 0,
        },
        EventKind::FaultConfirmed {
            evidence: String::new(),
            fault: FaultId::FIRST,
            node: Node::Store,
            took_kill: vec![number],
            left: vec![Survivor {
                pid: number,
                command: text.clone(),
            }],
            alive_us: Some(Elapsed::from_us(7)),
        },
        EventKind::TargetPaused {
            evidence: String::new(),
            fault: FaultId::FIRST,
            node: Node::Store,
        },
        EventKind::TargetResumed {
            fault: FaultId::FIRST,
            node: Node::Store,
        },
        EventKind::TargetDegraded {
            fault: FaultId(1),
            node: Node::Store,
            evidence: "it holds".to_owned(),
        },
        EventKind::TargetRestored {
            fault: FaultId(1),
            node: Node::Store,
            evidence: "it was felt".to_owned(),
        },
        EventKind::DrainBegun {
            fault: FaultId::FIRST,
            node: Node::Replica(1),
        },
        EventKind::Drained {
            fault: FaultId::FIRST,
            node: Node::Replica(1),
            problem: time.map(|_| text.clone()),
        },
        EventKind::DrainEnded {
            fault: FaultId::FIRST,
            node: Node::Replica(1),
            problem: None,
        },
        EventKind::TargetReturned {
            fault: FaultId::FIRST,
            node: Node::Replica(1),
            last_failed_us: time_or_none,
            evidence: Evidence::SocketOwner(number),
            unowned: None,
        },
        EventKind::TargetSeen {
            node: Node::Balancer,
            boot,
        },
        EventKind::ProbeLimited {
            node: Node::Balancer,
            problem: text.clone(),
        },
        EventKind::AnonymousKnown {
            node: Node::Balancer,
        },
        EventKind::FaultMissed {
            fault: FaultId::FIRST,
            reason: text.clone(),
        },
        EventKind::SurvivorsFound {
            fault: FaultId::FIRST,
            pids: vec![number],
        },
        EventKind::OldProcessesAlive {
            node: Node::Store,
            processes: vec![OldProcess {
                survivor: Survivor {
                    pid: number,
                    command: text.clone(),
                },
                reach: time.map(|_| text.clone()),
            }],
        },
        EventKind::OldOwnerSeen {
            node: Node::Replica(1),
            problem: text.clone(),
        },
        EventKind::HealthChanged {
            node: Node::Replica(1),
            ready: time.is_some(),
            last_us: time_or_none,
        },
        EventKind::HealthWatched {
            node: Node::Replica(1),
            polls: 7,
            interval_us: 20_000,
            last_us: time_or_none,
        },
        EventKind::DiskStalled {
            since_us: time_or_none.unwrap_or_default(),
            stalled_us: 7,
        },
        EventKind::CoresShared {
            since_us: time_or_none.unwrap_or_default(),
            wanted_us: 9,
            stolen_us: 2,
            waited_us: time.map(|_| 3),
        },
        EventKind::FirstAccept {
            fault: FaultId::FIRST,
            last_failed_us: time_or_none,
        },
        EventKind::FirstCorrect {
            fault: FaultId::FIRST,
            last_failed_us: time_or_none,
            evidence: match time {
                Some(_) => Evidence::BootId(boot),
                None => Evidence::SocketOwner(number),
            },
            unowned: time.map(|_| text.clone()),
            probes: count,
        },
        EventKind::NotRecovered {
            fault: FaultId::FIRST,
            last_failure: text.clone(),
            probes: count,
        },
        EventKind::LoadStopped {
            scheduled: count,
            sent: 1,
            dropped: 0,
        },
        EventKind::FaultAimed {
            fault: FaultId::FIRST,
            mark: None,
            waited_us: count,
            after_us: None,
            quiet_us: None,
            met: None,
        },
        EventKind::SurroundingApplied {
            fault: FaultId::FIRST,
            node: Node::Replica(0),
            evidence: text.clone(),
        },
        EventKind::SurroundingRemoved {
            fault: FaultId::FIRST,
            node: Node::Replica(0),
        },
        EventKind::RepliesDoubted {
            doubts: Doubts {
                pages: vec![text.clone()],
                names: vec![text.clone()],
            },
        },
        EventKind::SessionsLooked {
            whole: 8,
            lacking: 1,
            unknown: 0,
        },
        EventKind::SessionsResumed {
            after_kill: true,
            whole: 8,
            refused: 1,
            older: 2,
            anothers: 3,
            odd: 4,
            unknown: 5,
        },
        EventKind::LeftBehind { pids: Vec::new() },
        EventKind::TrialAborted {
            reason: text.clone(),
        },
        EventKind::TrialEnded,
        EventKind::RunInterrupted,
        EventKind::RunGivenUp {
            arm: ArmId(number.unsigned_abs()),
        },
        EventKind::RunEnded,
        EventKind::RunExtended {
            trials: vec![TrialId(number.unsigned_abs())],
            replaces: time
                .map(|_| TrialId(number.unsigned_abs()))
                .into_iter()
                .collect(),
            same_faults: time.is_some(),
            reasons: vec![text],
        },
    ]
}

fn any_cached() -> impl Strategy<Value = Cached> {
    use Cached::{Failed, Hit, Miss, Pass, Revalidated, Stale};
    select(vec![Hit, Stale, Revalidated, Miss, Pass, Failed])
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        at: u64, trial: u32,
        time: Option<u64>, number: i32, count: u64, text in "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,4}",
        operations in vec(any_operation(), 0..20),
    ) {
        let events: Vec<Event> = every_kind(time, number, count, &text)
            .into_iter()
            .map(|kind| Event {
                at: Elapsed::from_us(at),
                trial: (!kind.is_of_the_run()).then_some(TrialId(trial)),
                kind,
            })
            .collect();
        let (lines, rows) = written(&events, &operations);
        let journal = read(&lines[..], &rows[..]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(journal, Journal { header: header(), events, operations, torn: false });
    }

    #[test]
    fn a_file_cut_anywhere_is_read_up_to_its_last_whole_line_or_refused(cut in 0..5_000_usize) {
        let (events, operations) = sample();
        let cut_events = &events[..cut.min(events.len())];
        if let Ok(journal) = read(cut_events, &operations[..]) {
            let whole = cut_events.ends_with(b"\n");
            prop_assert_eq!(journal.torn, !whole);
            prop_assert!(journal.events.len() <= 3);
        }
        let cut_rows = &operations[..cut.min(operations.len())];
        let journal = read(&events[..], cut_rows).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(journal.torn, !(cut_rows.is_empty() || cut_rows.ends_with(b"\n")));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        events in vec(any::<u8>(), 0..200), operations in vec(any::<u8>(), 0..200),
    ) {
        let (good_events, good_operations) = sample();
        let _ = read(&events[..], &operations[..]);
        let _ = read(&good_events[..], &operations[..]);
        let _ = read(&[&good_events[..], &events].concat()[..], &good_operations[..]);
        let rows = [&good_operations[..], &operations, b"\n"].concat();
        let _ = read(&good_events[..], &rows[..]);
    }

    #[test]
    fn no_spoiled_byte_makes_the_reader_panic(
        spoiled in vec((0..6_000_usize, any::<u8>()), 1..6),
    ) {
        let (mut events, mut operations) = sample();
        for (place, byte) in spoiled {
            let (of_events, of_operations) = (place % events.len(), place % operations.len());
            events[of_events] = byte;
            operations[of_operations] = byte;
        }
        let (whole_events, whole_operations) = sample();
        let _ = read(&events[..], &whole_operations[..]);
        let _ = read(&whole_events[..], &operations[..]);
    }
}

#[test]
fn drawn_faults_and_quiet_times_are_not_read_from_an_older_version_which_would_ignore_them() {
    let (events, operations) = sample();
    let older = |change: fn(&mut Plan)| {
        let mut header = Header {
            comeback_journal: UNSPLIT,
            ..header()
        };
        change(&mut header.plan);
        let line = serde_json::to_vec(&header).expect("it is plain");
        (
            version_of(&header.plan, false),
            with_line(&events, 1, &line),
        )
    };
    let (version, other) = older(|plan| plan.trials += 1);
    assert_eq!(version, UNSPLIT);
    assert!(read(&other[..], &operations[..]).is_ok());
    let drawn = |plan: &mut Plan| {
        plan.chaos = Some(crate::plan::Chaos {
            faults: 2,
            weights: vec![1],
            span: None,
        });
    };
    let in_calm = |plan: &mut Plan| plan.faults[0].quiet = Some(crate::units::Span::ZERO);
    for change in [drawn as fn(&mut Plan), in_calm] {
        let (version, other) = older(change);
        assert_eq!(version, VERSION);
        check_refused(&other, &operations, "journal line 1", "quiet time");
    }
}
