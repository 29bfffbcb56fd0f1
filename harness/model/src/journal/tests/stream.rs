//! Trial by trial a journal is read as it is at once, whatever its order and its damage.

use std::io::Cursor;

use super::super::row::{COLUMNS, parse_any, parse_plain};
use super::*;
use crate::journal::outline::outline;

/// A row without its end.
fn row_of(operation: &Operation) -> Vec<u8> {
    let mut row = Vec::new();
    write_operations(&mut row, std::slice::from_ref(operation), false)
        .expect("a vector takes everything");
    row.pop();
    row
}

/// What becomes of a trial in a generated run.
#[derive(Clone, Debug)]
struct Told {
    trial: u32,
    is_end: bool,
}

fn told() -> impl Strategy<Value = Told> {
    (0..4_u32, any::<bool>()).prop_map(|(trial, is_end)| Told { trial, is_end })
}

/// Trials that begin, and end, in any order and more than once, with these operations between them.
fn run_of(told: &[Told], operations: &[Operation]) -> (Vec<u8>, Vec<u8>) {
    let events: Vec<Event> = told
        .iter()
        .map(|told| Event {
            at: Elapsed::from_us(if told.is_end { u64::MAX } else { 0 }),
            trial: Some(TrialId(told.trial)),
            kind: match told.is_end {
                true => EventKind::TrialEnded,
                false => trial_started(),
            },
        })
        .collect();
    written(&events, operations)
}

/// Both ways to read a run come to the same: the same error, or the same operations of each trial.
fn check_alike(lines: &[u8], rows: &[u8]) -> Result<(), TestCaseError> {
    let mut events = Vec::new();
    let outline = outline(lines, rows, |event| events.push(event));
    let (outline, whole) = match (outline, read(lines, rows)) {
        (Ok(outline), Ok(whole)) => (outline, whole),
        (outline, whole) => {
            let told = outline.err().map(|error| error.to_string());
            prop_assert_eq!(told, whole.err().map(|error| error.to_string()));
            return Ok(());
        }
    };
    prop_assert_eq!(&events, &whole.events);
    prop_assert_eq!(outline.torn, whole.torn);
    prop_assert_eq!(&outline.header, &whole.header);
    let mut file = Cursor::new(rows);
    let mut seen = 0;
    // The last one first: a place in the file is gone to, not come upon.
    let trials: Vec<(TrialId, usize)> = outline.trials().collect();
    for (trial, count) in trials.into_iter().rev() {
        let own = whole.operations.iter().filter(|one| one.trial == trial);
        let own: Vec<Operation> = own.cloned().collect();
        let read = outline.read_trial(&mut file, trial);
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read.len(), count);
        // What is in memory is the trial, with no room for more.
        prop_assert_eq!(read.capacity(), count);
        prop_assert_eq!(&read, &own);
        seen += count;
    }
    prop_assert_eq!(seen, whole.operations.len());
    let streamed: Result<Vec<Operation>, JournalError> =
        operations(rows).and_then(Iterator::collect);
    prop_assert_eq!(streamed.ok(), Some(whole.operations));
    Ok(())
}

#[test]
fn a_trial_without_operations_is_read_as_none() {
    let (events, operations) = sample();
    let outline = outline(&events[..], &operations[..], |_| ()).expect("it is whole");
    let none = outline.read_trial(Cursor::new(&operations), TrialId(9));
    assert_eq!(none.expect("nothing is read"), []);
}

#[test]
fn rows_that_changed_since_they_were_checked_are_told_by_their_line() {
    let (events, operations) = sample();
    let outline = outline(&events[..], &operations[..], |_| ()).expect("it is whole");
    let mut spoiled = operations;
    let place = spoiled.len() - 40;
    spoiled[place] = b'"';
    let error = outline.read_trial(Cursor::new(&spoiled), TrialId(0));
    let error = error.expect_err("it is another file").to_string();
    assert!(error.starts_with("operations line 4: "), "{error}");
}

#[test]
fn a_row_is_a_line() {
    let (events, operations) = sample();
    let row = String::from_utf8(row_of(&operation(9))).expect("it is text");
    for two in [format!("{row}\r{row}"), format!("{row}\"")] {
        let file = with_line(&operations, 3, two.as_bytes());
        check_refused(&events, &file, "operations line 3", "");
    }
    let quoted = format!("\"0\"{}", row.strip_prefix('0').expect("its trial"));
    let file = with_line(&operations, 3, quoted.as_bytes());
    let journal = read(&events[..], &file[..]).expect("the library reads it");
    assert_eq!(journal.operations[1], operation(9));
}

proptest! {
    #[test]
    fn a_row_says_the_same_to_both_readers(operation in any_operation()) {
        let row = row_of(&operation);
        let text = std::str::from_utf8(&row).expect("it is text");
        prop_assert_eq!(parse_any(text), Ok(operation.clone()));
        // The largest numbers are left to the library.
        let is_left = operation.value.is_some_and(|value| value >= 10_u64.pow(19));
        prop_assert_eq!(parse_plain(&row), (!is_left).then_some(operation));
    }

    #[test]
    fn what_the_plain_reader_takes_of_a_spoiled_row_the_library_takes_alike(
        operation in any_operation(),
        spoiled in vec((0..200_usize, select(b"0123456789,,,\"-+x?\rtrue ".to_vec())), 1..4),
        removed in option::of(0..200_usize),
    ) {
        let mut row = row_of(&operation);
        for (place, byte) in spoiled {
            let place = place % row.len();
            row[place] = byte;
        }
        if let Some(place) = removed {
            row.remove(place % row.len());
        }
        if let (Some(plain), Ok(text)) = (parse_plain(&row), std::str::from_utf8(&row)) {
            prop_assert_eq!(parse_any(text), Ok(plain));
        }
    }

    #[test]
    fn trial_by_trial_a_run_is_read_as_at_once(
        told in vec(told(), 0..12),
        operations in vec((0..5_u32, any_operation()), 0..30),
        cut in option::of((any::<bool>(), 0..6_000_usize)),
    ) {
        let operations: Vec<Operation> = operations
            .into_iter()
            .map(|(trial, operation)| Operation { trial: TrialId(trial), ..operation })
            .collect();
        let (mut lines, mut rows) = run_of(&told, &operations);
        if let Some((of_rows, cut)) = cut {
            let file = if of_rows { &mut rows } else { &mut lines };
            file.truncate(file.len().saturating_sub(cut % 300));
        }
        check_alike(&lines, &rows)?;
    }

    #[test]
    fn spoiled_journals_are_refused_alike(
        operations in vec((0..3_u32, any_operation()), 1..9),
        spoiled in vec((any::<bool>(), 0..100_000_usize, any::<u8>()), 1..4),
    ) {
        let operations: Vec<Operation> = operations
            .into_iter()
            .map(|(trial, operation)| Operation { trial: TrialId(trial), ..operation })
            .collect();
        let told = [0, 1].map(|trial| Told { trial, is_end: false });
        let (mut lines, mut rows) = run_of(&told, &operations);
        for (of_rows, place, byte) in spoiled {
            let file = if of_rows { &mut rows } else { &mut lines };
            let place = place % file.len();
            file[place] = byte;
        }
        check_alike(&lines, &rows)?;
    }
}

#[test]
fn the_columns_are_those_of_an_operation() {
    let mut rows = Vec::new();
    write_operations(&mut rows, &[operation(9)], true).expect("a vector takes everything");
    let text = String::from_utf8(rows).expect("it is text");
    assert_eq!(text.lines().next(), Some(COLUMNS.join(",").as_str()));
}
