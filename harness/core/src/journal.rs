//! The journal: a run's events and operations as text, and back.
//!
//! The first line of the events is a header with a version. A torn last line (the harness was killed
//! while it wrote) is tolerated and reported; anything else that cannot be read is an error that names
//! its line. Operations are rows of CSV, with a fixed header.

use std::fmt;
use std::io::{BufRead, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::Seed;
use crate::operation::Operation;
use crate::plan::Plan;
use crate::schedule::Schedule;

/// The version of the journal this build writes and reads.
pub const VERSION: u32 = 1;

/// The columns of the operations file.
const COLUMNS: [&str; 14] = [
    "trial",
    "client",
    "generation",
    "step",
    "intended_us",
    "dispatched_us",
    "sent_us",
    "finished_us",
    "outcome",
    "error",
    "status",
    "value",
    "boot",
    "unframed",
];

/// The first line: what was to happen, where, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The journal's version.
    pub comeback_journal: u32,
    /// The version of the program that wrote it.
    pub written_by: String,
    /// Wall time at the run's start, RFC 3339; every other time counts from it.
    pub started: String,
    /// What all randomness followed from.
    pub seed: Seed,
    /// Where it ran.
    pub machine: Machine,
    /// What was to happen.
    pub plan: Plan,
    /// The trials, in their order.
    pub schedule: Schedule,
}

/// Where a run took place; figures of different machines are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system and kernel release.
    pub system: String,
    /// The processor's own name for itself.
    pub processor: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// File system under the targets' data folders.
    pub data_filesystem: String,
    /// `release` or `debug` build of the harness and its reference servers.
    pub build: String,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// What was to happen.
    pub header: Header,
    /// What happened, in the order it was recorded.
    pub events: Vec<Event>,
    /// What the clients did, in no particular order.
    pub operations: Vec<Operation>,
    /// Whether the last line was torn: the harness ended while it wrote.
    pub torn: bool,
}

/// A journal that cannot be read.
#[derive(Debug)]
pub struct JournalError {
    /// `journal` or `operations`.
    part: &'static str,
    /// The line, from 1.
    line: u64,
    /// What is wrong with it.
    problem: String,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.part, self.line, self.problem)
    }
}

impl std::error::Error for JournalError {}

/// Writes one line of the events file.
///
/// # Errors
/// When the writer fails.
pub fn write_line(mut to: impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    to.write_all(&bytes)
}

/// Writes rows of the operations file; its header row goes first when `first` is set.
///
/// # Errors
/// When the writer fails.
pub fn write_operations(
    to: impl Write,
    operations: &[Operation],
    first: bool,
) -> Result<(), csv::Error> {
    let mut rows = csv::WriterBuilder::new().has_headers(first).from_writer(to);
    for operation in operations {
        rows.serialize(operation)?;
    }
    rows.flush()?;
    Ok(())
}

/// Reads a run back.
///
/// # Errors
/// When the header is missing or of another version, or a line other than a torn last one cannot be read.
pub fn read(events: impl BufRead, operations: impl BufRead) -> Result<Journal, JournalError> {
    let (lines, torn_events) = whole_lines("journal", events)?;
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((line, _)) => read_header(line)?,
        None => return Err(unreadable("journal", 1, "there is no header")),
    };
    let events = lines
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|error| unreadable("journal", number, error))
        })
        .collect::<Result<_, _>>()?;
    let (rows, torn_operations) = whole_lines("operations", operations)?;
    Ok(Journal {
        header,
        events,
        operations: read_operations(&rows)?,
        torn: torn_events || torn_operations,
    })
}

fn read_header(line: &str) -> Result<Header, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        comeback_journal: u32,
    }
    let wrong = |problem: &dyn fmt::Display| unreadable("journal", 1, problem);
    let version: Version = serde_json::from_str(line).map_err(|error| wrong(&error))?;
    if version.comeback_journal != VERSION {
        return Err(wrong(&format!(
            "version {} is not the one this program reads ({VERSION})",
            version.comeback_journal
        )));
    }
    serde_json::from_str(line).map_err(|error| wrong(&error))
}

fn read_operations(rows: &str) -> Result<Vec<Operation>, JournalError> {
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let columns = reader
        .headers()
        .map_err(|error| unreadable("operations", 1, error))?;
    if !columns.is_empty() && columns != COLUMNS.as_slice() {
        return Err(unreadable(
            "operations",
            1,
            "it does not name the columns this program writes",
        ));
    }
    reader
        .deserialize()
        .map(|row| {
            row.map_err(|error: csv::Error| {
                let line = error.position().map_or(1, csv::Position::line);
                unreadable("operations", line, error)
            })
        })
        .collect()
}

/// The text up to its last line break, and whether anything stood behind it.
fn whole_lines(part: &'static str, mut from: impl BufRead) -> Result<(String, bool), JournalError> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)
        .map_err(|error| unreadable(part, 1, error))?;
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let torn = end < bytes.len();
    bytes.truncate(end);
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, torn)),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            Err(unreadable(part, line, "it is not UTF-8"))
        }
    }
}

fn unreadable(part: &'static str, line: u64, problem: impl fmt::Display) -> JournalError {
    JournalError {
        part,
        line,
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::event::{EventKind, Evidence, Exit, ExitCause, Phase};
    use crate::ids::{ArmId, BootId, ClientId, Incarnation, TrialId};
    use crate::operation::{ErrorClass, Outcome, Step};
    use crate::plan::{Signal, test_plan};
    use crate::schedule::expand;
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
            trial: TrialId(0),
            client: ClientId(3),
            generation: 1,
            step: Step::Act,
            intended: Elapsed::from_us(1),
            dispatched: Elapsed::from_us(2),
            sent: Some(Elapsed::from_us(3)),
            finished: Elapsed::from_us(finished),
            outcome: Outcome::Acknowledged,
            error: None,
            status: Some(200),
            value: None,
            write: None,
            found: None,
            boot: Some(BootId::from_header(b"first")),
            unframed: false,
        }
    }

    /// A run's two files.
    fn written(events: &[Event], operations: &[Operation]) -> (Vec<u8>, Vec<u8>) {
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        write_line(&mut lines, &header()).expect("a vector takes everything");
        for event in events {
            write_line(&mut lines, event).expect("a vector takes everything");
        }
        // In two parts, as a run writes them.
        let (first, second) = operations.split_at(operations.len() / 2);
        write_operations(&mut rows, first, true).expect("a vector takes everything");
        write_operations(&mut rows, second, first.is_empty()).expect("a vector takes everything");
        (lines, rows)
    }

    /// Three events and three operations.
    fn sample() -> (Vec<u8>, Vec<u8>) {
        let events = [
            event(1, EventKind::RunInterrupted),
            event(2, EventKind::TrialEnded),
            event(3, EventKind::RunEnded),
        ];
        written(&events, &[operation(1), operation(2), operation(3)])
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
        let unknown_step = b"0,3,1,dance,1,2,3,2,acknowledged,,200,,".as_slice();
        for line in [
            &b"0,3,1"[..],
            unknown_step,
            b"0,3,1,act,x,2,3,2,acknowledged,,200,,",
        ] {
            check_refused(
                &events,
                &with_line(&operations, 3, line),
                "operations line 3",
                "",
            );
        }
    }

    #[test]
    fn a_journal_of_another_version_is_refused_by_its_number() {
        let (events, operations) = sample();
        let other = with_line(&events, 1, br#"{"comeback_journal":2,"of":"the future"}"#);
        check_refused(&other, &operations, "journal line 1", "version 2");
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

    prop_compose! {
        fn any_operation()(
            numbers: (u32, u32, u32),
            step in select(vec![
                Step::Login, Step::Act, Step::Check, Step::Logout, Step::Get, Step::ReadBack,
            ]),
            times: (u64, u64, Option<u64>, u64),
            outcome in select(vec![
                Outcome::Acknowledged, Outcome::Rejected, Outcome::Indeterminate,
            ]),
            error in option::of(select(ErrorClass::ALL.to_vec())),
            status: Option<u16>,
            value: Option<u64>,
            boot in option::of(any::<[u8; 4]>()),
        ) -> Operation {
            Operation {
                trial: TrialId(numbers.0),
                client: ClientId(numbers.1),
                generation: numbers.2,
                step,
                intended: Elapsed::from_us(times.0),
                dispatched: Elapsed::from_us(times.1),
                sent: times.2.map(Elapsed::from_us),
                finished: Elapsed::from_us(times.3),
                outcome,
                error,
                status,
                value,
                write: None,
                found: None,
                boot: boot.map(|bytes| BootId::from_header(&bytes)),
                unframed: false,
            }
        }
    }

    /// Events of every kind, with these figures and this text.
    fn every_kind(time: Option<u64>, number: i32, count: u64, text: &str) -> Vec<EventKind> {
        let (text, tail) = (text.to_owned(), vec![text.to_owned(), String::new()]);
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
                incarnation,
                pid: number,
                requested_us: Elapsed::from_us(count),
            },
            EventKind::TargetStartFailed {
                incarnation,
                problem: text.clone(),
                tail: tail.clone(),
            },
            EventKind::TargetReady {
                boot: time.map(|_| boot),
            },
            EventKind::TargetExited {
                incarnation,
                exit: Exit::Signal(number),
                cause: ExitCause::Unasked,
                tail,
            },
            EventKind::SessionsOpened {
                opened: 1,
                failed: 2,
            },
            EventKind::FaultRequested {
                signal: Signal::Segv,
            },
            EventKind::FaultMissed {
                reason: text.clone(),
            },
            EventKind::SurvivorsFound { pids: vec![number] },
            EventKind::FirstAccept {
                last_failed_us: time_or_none,
            },
            EventKind::FirstCorrect {
                last_failed_us: time_or_none,
                evidence: match time {
                    Some(_) => Evidence::BootId(boot),
                    None => Evidence::SocketOwner(number),
                },
                probes: count,
            },
            EventKind::NotRecovered {
                last_failure: text.clone(),
                probes: count,
            },
            EventKind::LoadStopped {
                scheduled: count,
                sent: 1,
                dropped: 0,
            },
            EventKind::LeftBehind { pids: Vec::new() },
            EventKind::TrialAborted { reason: text },
            EventKind::TrialEnded,
            EventKind::RunInterrupted,
            EventKind::RunEnded,
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            at: u64, trial: Option<u32>,
            time: Option<u64>, number: i32, count: u64, text in "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,4}",
            operations in vec(any_operation(), 0..20),
        ) {
            let events: Vec<Event> = every_kind(time, number, count, &text)
                .into_iter()
                .map(|kind| Event { at: Elapsed::from_us(at), trial: trial.map(TrialId), kind })
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
    }
}
