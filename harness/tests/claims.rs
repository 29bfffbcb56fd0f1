//! Claims, measured with real servers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use comeback_core::claims::{Claims, Ruling};
use serde_json::Value;

#[test]
fn a_claim_is_ruled_on_by_what_was_measured_and_says_how_to_repeat_it() {
    let run = support::run(&[
        "claims", "12", "--quick", "--seed", "3", "--quiet", "--out", "out",
    ]);
    assert_eq!(run.code(), 0, "{}", run.printed());
    let text = std::fs::read_to_string(run.out().join("claims.json")).unwrap();
    let claims: Claims = serde_json::from_str(&text).unwrap();
    let [row] = claims.rows.as_slice() else {
        panic!("{claims:?}");
    };
    // A new key at each start loses all sessions, and a journal loses none: it is true of some only.
    assert_eq!(
        (row.number, row.ruling),
        (12, Ruling::HoldsInPart),
        "{row:?}"
    );
    assert!(row.figure.contains("token 0 of"), "{row:?}");
    assert!(
        row.command.starts_with("comeback compare token "),
        "{row:?}"
    );
    assert!(row.command.ends_with("--seed 3"), "{row:?}");
    assert!(run.out().join("claim-12/report.html").is_file());
    let page = std::fs::read_to_string(run.out().join("claims.md")).unwrap();
    assert!(page.contains(&row.command), "{page}");
    let schema = support::run(&["schema", "claims"]);
    let schema: Value = serde_json::from_slice(&schema.output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(validator.is_valid(&document));
    assert!(!validator.is_valid(&serde_json::json!({ "rows": [{}] })));
}

#[test]
fn what_is_not_measured_is_refused() {
    let run = support::run(&["claims", "1"]);
    assert_eq!(run.code(), 2, "{}", run.printed());
    assert!(
        run.printed().contains("claim 1 is not measured"),
        "{}",
        run.printed()
    );
    assert!(!run.out().exists());
}
