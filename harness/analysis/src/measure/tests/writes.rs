//! What becomes of acknowledged writes.

use ErrorClass::Unsent;

use super::nodes::behind_a_balancer;
use super::sessions::{check_faulted, counts, one, unverifiable_writes, writes};
use super::*;
use crate::measure::WriteCounts;

#[test]
fn a_reply_of_the_old_process_read_after_t0_counts_as_before() {
    let late = act(0, 2_999).finished(CUT + 4);
    for late in [late.clone(), late.boot(None)] {
        let trial = check_faulted(
            [login(0, 500), act(0, 1_500), late, finds(0, 1)],
            one(|n| n.reset = 1),
            writes(2, 1),
        );
        assert_eq!(trial.loss_window_ms, Some(0.0));
    }
}

#[test]
fn a_nameless_reply_of_a_node_that_was_not_faulted_read_after_t0_is_after() {
    let told = |late: Op| [login(0, 500), act(0, 1_500), late, finds(0, 1)];
    let late = || act(0, 2_999).finished(CUT + 4);
    let trial = |late| behind_a_balancer().does(told(late)).trial();
    // The faulted replica gave it, as the balancer says.
    let of_the_faulted = trial(late().relayed(0));
    assert_eq!(of_the_faulted.writes, writes(2, 1));
    assert_eq!(of_the_faulted.loss_window_ms, Some(0.0));
    // Another one gave it, or nobody knows which did.
    for late in [late().relayed(1), late().boot(None)] {
        let of_another = trial(late);
        // The counter does not tell which of the two is absent; the older one dates the loss.
        assert_eq!(of_another.writes, writes(1, 1));
        assert_eq!(of_another.loss_window_ms, Some(3_002.0 - 1_501.0));
    }
}

#[test]
fn a_reply_of_the_new_process_is_not_before_and_its_loss_is_a_finding() {
    let trial = check_faulted(
        [login(0, 500), act(0, 1_500), act(0, 3_200), finds(0, 0)],
        one(|n| n.reset = 1),
        writes(1, 1),
    );
    assert_eq!(
        trial.findings,
        ["1 write acknowledged after the fault was absent"]
    );
}

#[test]
fn the_newest_writes_are_the_lost_ones_and_date_the_loss() {
    let trial = check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_000),
            act(0, 2_900),
            finds(0, 1),
        ],
        one(|n| n.reset = 1),
        writes(3, 2),
    );
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 2_001.0));
}

#[test]
fn a_counter_above_acknowledged_plus_indeterminate_is_a_duplicate() {
    check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_999).unanswered(3_003),
            finds(0, 4),
        ],
        one(|n| n.survived = 1),
        WriteCounts {
            indeterminate: 1,
            duplicated: 2,
            ..unverifiable_writes(1)
        },
    );
}

#[test]
fn a_rejected_write_that_is_there_is_a_phantom_and_only_a_sent_one() {
    let rejected = act(0, 1_600).rejected(ErrorClass::ClientError);
    check_faulted(
        [login(0, 500), act(0, 1_500), rejected, finds(0, 3)],
        one(|n| n.survived = 1),
        WriteCounts {
            phantom: 1,
            duplicated: 1,
            ..unverifiable_writes(1)
        },
    );
    check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            act(0, 1_600).unsent(Unsent),
            finds(0, 2),
        ],
        one(|n| n.survived = 1),
        WriteCounts {
            duplicated: 1,
            ..unverifiable_writes(1)
        },
    );
}

#[test]
fn a_write_acknowledged_with_a_refuted_counter_was_applied_all_the_same() {
    check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_000).value(9).refuted(),
            finds(0, 2),
        ],
        one(|n| n.survived = 1),
        writes(2, 0),
    );
}

#[test]
fn a_counter_counts_from_what_the_login_gave() {
    check_faulted(
        [login(0, 500).value(10), act(0, 1_500), finds(0, 11)],
        one(|n| n.survived = 1),
        writes(1, 0),
    );
    let trial = check_faulted(
        [login(0, 500).value(10), act(0, 1_500), finds(0, 3)],
        one(|n| n.reset = 1),
        writes(1, 1),
    );
    assert_eq!(trial.findings, [""; 0]);
}

#[test]
fn the_oldest_lost_write_of_all_sessions_dates_the_loss() {
    let trial = check_faulted(
        [
            login(0, 500),
            act(0, 2_500),
            finds(0, 0),
            login(1, 500),
            act(1, 2_000),
            finds(1, 0),
            login(2, 500),
            act(2, 2_800),
            finds(2, 0),
        ],
        counts(|n| (n.acknowledged, n.reset) = (3, 3)),
        writes(3, 3),
    );
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 2_001.0));
}
