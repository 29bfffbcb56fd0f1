//! Any bytes are a journal that can be judged, or are refused by their line.

use comeback_analysis::measure::analyze;
use comeback_analysis::summary::summarize;
use comeback_analysis::verdict::judge;
use comeback_model::journal::{self, Journal, Sealer, write_line};

use super::Worth;

/// Between the events and the operations of one input.
const BETWEEN: u8 = 0x0c;
/// Stands for a header, so that the fuzzer need not keep one intact to reach what is behind it.
const HEADERS: [(&[u8], &[u8]); 2] = [
    (b"@counter\n", include_bytes!("header_counter.json")),
    (b"@list\n", include_bytes!("header_list.json")),
];

/// Reads the bytes as a journal: events, a form feed, operations.
///
/// # Panics
/// When one that is refused is not told by its line, or one that is taken cannot be analysed, judged and
/// summarized, or is another when it is written and read again.
pub fn check_journal(bytes: &[u8]) -> Worth {
    let mut parts = bytes.splitn(2, |byte| *byte == BETWEEN);
    let (events, operations) = (parts.next().unwrap_or_default(), parts.next());
    let stands_in = HEADERS.iter().any(|(name, _)| events.starts_with(name));
    let events = with_header(events);
    let operations = operations.unwrap_or_default();
    match journal::read(&events[..], operations) {
        Err(error) => {
            let told = error.to_string();
            // Else nothing behind it would ever be looked at.
            assert!(
                !(stands_in && told.starts_with("journal line 1:")),
                "{told}"
            );
            check_refusal(&told, &events, operations);
        }
        Ok(journal) => {
            check_again(&journal);
            check_judged(&journal);
        }
    }
    Worth::Kept
}

fn with_header(events: &[u8]) -> Vec<u8> {
    for (name, header) in HEADERS {
        if let Some(rest) = events.strip_prefix(name) {
            return [header, rest].concat();
        }
    }
    events.to_vec()
}

fn check_refusal(told: &str, events: &[u8], operations: &[u8]) {
    let place = told.split_once(": ").map(|(place, _)| place);
    let place = place.and_then(|place| place.split_once(" line "));
    let Some((part, line)) = place else {
        panic!("no line is named: {told:?}");
    };
    let text = match part {
        "journal" => events,
        "operations" => operations,
        _ => panic!("no part is named: {told:?}"),
    };
    let lines = text.split(|byte| *byte == b'\n').count();
    let line: usize = line.parse().expect("a number");
    assert!((1..=lines).contains(&line), "{told:?} of {lines}");
}

fn check_again(journal: &Journal) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    write_line(&mut lines, &journal.header).expect("a vector takes everything");
    let mut sealer = Sealer::default();
    sealer
        .write_operations(&mut rows, &journal.operations)
        .expect("a vector takes everything");
    for event in &journal.events {
        sealer
            .write_event(&mut lines, event)
            .expect("a vector takes everything");
    }
    match journal::read(&lines[..], &rows[..]) {
        Err(error) => panic!("written again it cannot be read: {error}"),
        Ok(again) => {
            let whole = Journal {
                torn: false,
                ..journal.clone()
            };
            assert_eq!(again, whole, "written again it is another");
        }
    }
}

fn check_judged(journal: &Journal) {
    let analysis = analyze(journal);
    for stored in [None, Some(&analysis)] {
        let verdict = judge(&analysis, &journal.header.plan.gates, stored);
        let summary = summarize(&analysis, &verdict);
        let document = serde_json::to_string(&summary).expect("a document");
        let again: comeback_analysis::summary::Summary =
            serde_json::from_str(&document).expect("its own document");
        assert_eq!(again.verdict, verdict.outcome);
        assert_eq!(again.arms.len(), journal.header.plan.arms.len());
    }
}
