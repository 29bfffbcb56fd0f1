//! Clients that try again what failed: what that hides, and what it does twice.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::{Run, arm};

const SMALL: [&str; 11] = [
    "--quick",
    "--trials",
    "1",
    "--seed",
    "8",
    "--sessions",
    "30",
    "--rate",
    "200",
    "--out",
    "out",
];

fn compare(words: &[&str]) -> Run {
    let mut all = vec!["compare", "--quiet"];
    all.extend(words);
    all.extend(SMALL);
    support::run(&all)
}

#[test]
fn a_crash_that_is_shorter_than_the_tries_fails_nothing_but_what_it_tore() {
    let run = compare(&[
        "journal",
        "--restart-after",
        "500ms",
        "--retry-by",
        "none,client",
        "--retry",
        "9",
        "--retry-backoff",
        "20ms",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let (without, with) = (arm(&summary, "journal"), arm(&summary, "journal-retry"));
    let during = &without.errors.during;
    assert!(during.rate.unwrap() > 0.5, "{during:?}");
    assert_eq!(without.retries, None);
    assert!(
        with.errors.during.rate.unwrap() < 0.25,
        "{:?}",
        with.errors.during
    );
    let retries = with.retries.unwrap();
    assert!(
        retries.saved >= 10 && retries.repeated >= retries.saved,
        "{retries:?}"
    );
    let tries = retries.amplification.unwrap();
    assert!(
        tries > 1.1 && (tries * retries.operations as f64).round() == retries.tries as f64,
        "{retries:?}"
    );
    // A crash of a server that syncs before it acknowledges loses nothing, however often it is asked.
    assert_eq!(
        (with.sessions.lost, with.writes.lost),
        (0, 0),
        "{:?}",
        with.writes
    );
}

/// The server applies every tenth change and answers that it could not.
#[test]
fn what_was_applied_though_its_reply_was_lost_is_done_twice_unless_it_carries_a_key() {
    let run = compare(&[
        "lost-replies",
        "--retry-by",
        "none,client,client-key",
        "--gate",
        "duplicated_writes == 0",
    ]);
    // The one without a key does it twice without any fault, too: its gate cannot be laid to one.
    if !support::ended_with(&run, 3) {
        return;
    }
    let summary = run.summary();
    let told = "lost-replies-retry: duplicated_writes == 0 cannot be judged";
    let reasons = &summary.reasons;
    assert!(
        reasons.iter().all(|reason| reason.starts_with(told)),
        "{reasons:?}"
    );
    assert!(reasons[0].contains("without any fault"), "{reasons:?}");
    let duplicated = |name: &str| arm(&summary, name).writes.duplicated;
    assert_eq!(duplicated("lost-replies"), 0);
    assert!(
        duplicated("lost-replies-retry") > 5,
        "{:?}",
        arm(&summary, "lost-replies-retry").writes
    );
    assert_eq!(duplicated("lost-replies-retry-key"), 0);
    let keyed = arm(&summary, "lost-replies-retry-key");
    assert!(keyed.retries.unwrap().saved > 5, "{:?}", keyed.retries);
    // Only what comes twice is a wrong answer.
    assert_eq!(
        keyed.errors.before.rate,
        Some(0.0),
        "{:?}",
        keyed.errors.before
    );
}

/// The one that stands still gets to the requests that its clients have long given up and sent elsewhere.
#[test]
fn a_pause_that_outlasts_a_try_duplicates_its_writes() {
    let run = compare(&[
        "sqlite",
        "--topology",
        "--fault",
        "pause",
        "--retry-by",
        "client,client-key",
        "--try-timeout",
        "200ms",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let bare = arm(&summary, "sqlite-retry").writes;
    assert!(bare.duplicated > 0, "{bare:?}");
    let keyed = arm(&summary, "sqlite-retry-key").writes;
    assert_eq!(keyed.duplicated, 0, "{keyed:?}");
    assert!(keyed.kept > 0, "{keyed:?}");
}

#[test]
fn the_balancer_may_be_the_one_that_tries_again() {
    let run = compare(&["token", "--topology", "--retry-by", "none,balancer"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let header = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    let header: serde_json::Value = serde_json::from_str(header.lines().next().unwrap()).unwrap();
    let arms = header["plan"]["arms"].as_array().unwrap();
    let words = |name: &str| {
        let arm = arms.iter().find(|arm| arm["name"] == name).unwrap();
        let words = arm["balancer"]["command"].as_array().unwrap();
        words
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(!words("token").contains(&"--retry".to_owned()));
    assert!(words("token-balancer-retry").ends_with(&["--retry".to_owned(), "2".to_owned()]));
    assert_eq!(
        arm(&run.summary(), "token-balancer-retry")
            .writes
            .duplicated,
        0
    );
}

#[test]
fn without_a_balancer_it_cannot_be_the_one_that_tries_again() {
    let run = compare(&["token", "--retry-by", "balancer"]);
    assert_eq!(run.code(), 2, "{}", run.printed());
    assert!(run.printed().contains("--topology"), "{}", run.printed());
    assert!(!run.out().exists());
}
