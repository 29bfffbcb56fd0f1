//! The decisive fact in one line: unknown before known, and nothing that the evidence does not carry.

use Fate::{Anothers, Finds, Lost, Undecided, Zombie};

use super::*;

#[track_caller]
fn check_line(trials: &[Told], gates: &[&str], expected: &str) {
    assert_eq!(verdict(trials, gates).headline, expected);
}

#[test]
fn a_fail_says_what_was_lost() {
    let trials = [
        faulted().with(&[Lost; 5]),
        faulted().with(&[Finds(1), Lost]),
    ];
    check_line(
        &trials,
        &["lost_sessions == 0"],
        "FAIL: lost 6 of 7 sessions",
    );
    let gates = ["unrecovered == 0", "lost_writes == 0", "lost_sessions == 0"];
    check_line(
        &trials,
        &gates,
        "FAIL: lost 6 of 7 sessions; 1 more gate does not hold",
    );
    let slow = "time_to_ready.max < 1ms";
    check_line(
        &[faulted()],
        &[slow],
        "FAIL: time_to_ready.max < 1ms does not hold: 98.0 ms",
    );
    let odd = [faulted().with(&[Finds(1), Anothers])];
    check_line(
        &odd,
        &["wrong_identity == 0"],
        "FAIL: showed another user's content to 1 of 2 sessions",
    );
    check_line(
        &[faulted(), faulted().ready(None)],
        &["unrecovered == 0"],
        "FAIL: did not come back for good after 1 of 2 faults",
    );
}

#[test]
fn a_pass_and_a_measurement_say_what_was_not_lost_and_how_sure_that_is() {
    let known = "lost none of 3 sessions and none of 3 writes (≤ 95 % of crashes, n = 1; no login was at stake)";
    check_line(
        &[faulted()],
        &["lost_sessions == 0"],
        &format!("PASS: {known}"),
    );
    check_line(&[faulted()], &[], &format!("MEASURED: {known}"));
}

#[test]
fn a_measurement_says_what_was_lost_arm_by_arm() {
    let second = |told: Told| Told { arm: 1, ..told };
    let trials = [
        faulted().with(&[Lost, Lost, Zombie]),
        control(),
        second(faulted()),
        second(control()),
    ];
    assert_eq!(
        verdict_on(&journal(&trials), &[]).headline,
        "MEASURED: first lost 2 of 2 sessions, honoured 1 of 1 session after the logout, lost 2 of 2 writes; second \
         lost none of 3 sessions and none of 3 writes (≤ 95 % of crashes, n = 1; no login was at stake)"
    );
}

#[test]
fn what_is_unknown_is_told_first() {
    let all = [faulted().with(&[Undecided; 4])];
    check_line(
        &all,
        &["lost_sessions == 0"],
        "INCONCLUSIVE: 4 of 4 sessions are undecided",
    );
    let some = [faulted().with(&[Undecided, Finds(1), Lost])];
    check_line(
        &some,
        &[],
        "MEASURED: 1 of 3 sessions is undecided, lost 1 of 3 sessions, lost 1 of 2 writes",
    );
    let open = [faulted().with(&[Undecided, Finds(1)])];
    check_line(&open, &[], "MEASURED: 1 of 2 sessions is undecided");
    check_line(
        &[],
        &["lost_sessions == 0"],
        "INCONCLUSIVE: no trial with a fault counts",
    );
}

#[test]
fn nothing_is_said_to_be_kept_by_a_server_that_fails_everything_afterwards() {
    let trials = [faulted().fails_after(100, 100)];
    check_line(
        &trials,
        &[],
        "MEASURED: did not come back for good after 1 of 1 fault, failed every operation after the recovery",
    );
}

#[test]
fn writes_that_cannot_be_verified_are_not_said_to_be_kept() {
    // One counter shows more than was ever sent, which would hide a loss; two show what they should.
    let trials = [faulted().with(&[Finds(2), Finds(1), Finds(1)])];
    check_line(
        &trials,
        &[],
        "MEASURED: lost none of 3 sessions and none of 2 writes that can be verified (1 cannot) (≤ 95 % of crashes, \
         n = 1; no login was at stake), has 1 duplicated beside 3 writes",
    );
}
