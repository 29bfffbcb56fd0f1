//! What goes wrong without any fault keeps the gates that it bears on from being judged, by name, and no others.

use Fate::{Finds, LateZombie, LoggedOut, Lost, Phantom, Undecided, Zombie};
use Outcome::{Fail, Inconclusive, Pass};
use comeback_model::ids::{ClientId, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome as Effect, Step};

use super::*;

/// A run of a sound trial and of this control, in this order.
fn beside(control: Told) -> Journal {
    journal(&[faulted(), control])
}

fn operations(
    journal: &mut Journal,
    trial: u32,
    step: Step,
) -> impl Iterator<Item = &mut Operation> {
    // The write that the fault hits is in no session.
    let is_of_one = move |client: ClientId| step == Step::Check || client.0 < 1_000;
    let operations = journal.operations.iter_mut();
    let operations = operations.filter(move |operation| operation.trial == TrialId(trial));
    operations.filter(move |operation| operation.step == step && is_of_one(operation.client))
}

/// Lets the first `failed` looks of a trial's load fail.
fn fail(journal: &mut Journal, trial: u32, failed: usize) {
    for look in operations(journal, trial, Step::Check).take(failed) {
        look.outcome = Effect::Rejected;
        look.error = Some(ErrorClass::Refused);
    }
}

/// Lets the first changes of a trial show this value, which the oracle refutes.
fn shows(journal: &mut Journal, trial: u32, value: u64, replies: usize) {
    for act in operations(journal, trial, Step::Act).take(replies) {
        act.value = Some(value);
        act.error = Some(ErrorClass::WrongAnswer);
    }
}

#[track_caller]
fn check_one(journal: &Journal, gate: &str, outcome: Outcome, said: &str) {
    let verdict = verdict_on(journal, &[gate]);
    let detail = verdict.checks[0].detail.clone().unwrap_or_default();
    assert_eq!(
        (verdict.outcome, detail.as_str()),
        (outcome, said),
        "{gate}: {verdict:#?}"
    );
}

#[test]
fn errors_of_a_control_bear_on_errors_availability_and_latency_alone() {
    let mut unclean = journal(&[vec![faulted(); 6], vec![control()]].concat());
    fail(&mut unclean, 6, 10);
    let trouble =
        "5 % of 200 operations failed in the control, without any fault (refused 10 times)";
    for gate in [
        "error_rate.after <= 10%",
        "error_rate.during <= 100%",
        "availability >= 0",
    ] {
        check_one(&unclean, gate, Inconclusive, trouble);
    }
    let verdict = verdict_on(&unclean, &["latency.after.p99 < 1s"]);
    assert!(verdict.reasons[0].ends_with(trouble), "{verdict:#?}");
    for gate in [
        "lost_sessions == 0",
        "lost_writes == 0",
        "unrecovered == 0",
        "time_to_ready.max < 1s",
    ] {
        check_one(&unclean, gate, Pass, "");
    }
    // What is asked of the time before a fault is no fault's doing in any case.
    check_one(&unclean, "error_rate.before == 0", Pass, "");
}

#[test]
fn an_error_bound_that_is_exceeded_cannot_be_laid_to_the_fault_either() {
    let mut unclean = journal(&[faulted().fails_after(50, 100), control()]);
    check_one(
        &unclean,
        "error_rate.after == 0",
        Fail,
        "50.000 % [0.000 %, 100.000 %]",
    );
    fail(&mut unclean, 1, 10);
    let verdict = verdict_on(&unclean, &["error_rate.after == 0"]);
    assert_eq!(verdict.outcome, Inconclusive, "{verdict:#?}");
    assert!(
        verdict.reasons[0].contains("but not by the fault alone: 5 % of 200"),
        "{verdict:#?}"
    );
}

#[test]
fn a_failure_or_two_by_chance_leave_a_control_clean() {
    let mut chance = beside(control());
    fail(&mut chance, 1, 1);
    check_one(&chance, "availability >= 0", Pass, "");
    check_one(&chance, "control.error_rate <= 1%", Pass, "");
    let open = "0.500 % (1 of 200 operations) may be chance: more control trials would tell";
    check_one(&chance, "control.error_rate <= 0.1%", Inconclusive, open);
}

#[test]
fn the_controls_own_errors_can_be_demanded() {
    let mut unclean = beside(control());
    check_one(&unclean, "control.error_rate <= 0.1%", Pass, "");
    check_one(&unclean, "control.error_rate == 0", Pass, "");
    fail(&mut unclean, 1, 10);
    let found = "5.000 % (10 of 200 operations)";
    check_one(&unclean, "control.error_rate <= 0.1%", Fail, found);
    check_one(&unclean, "control.error_rate == 0", Fail, found);
    check_one(&unclean, "control.error_rate <= 5%", Pass, "");
    let verdict = verdict_on(&journal(&[faulted()]), &["control.error_rate <= 0.1%"]);
    assert_eq!(verdict.outcome, Inconclusive, "{verdict:#?}");
}

#[test]
fn sessions_that_are_lost_before_any_fault_are_no_evidence_against_one() {
    let mut evicts = journal(&[faulted().with(&[Finds(1), Lost]), control()]);
    check_one(&evicts, "lost_sessions == 0", Fail, "1 of 2");
    let gone = operations(&mut evicts, 0, Step::Act).next().unwrap();
    gone.outcome = Effect::Rejected;
    gone.error = Some(ErrorClass::SessionRejected);
    check_one(
        &evicts,
        "lost_sessions == 0",
        Inconclusive,
        "1 of 1, but not by the fault alone: 1 session was lost before any fault",
    );
    check_one(&evicts, "time_to_ready.max < 1s", Pass, "");
}

#[test]
fn a_value_that_counts_nothing_is_noticed_before_the_fault_and_quoted() {
    let trouble = |replies, example| {
        format!(
            "without any fault {replies} showed what cannot be, so the value is no counter of acknowledged writes: the \
             value at /visits {example}"
        )
    };
    for trial in [0, 1] {
        let mut constant = beside(control());
        shows(&mut constant, trial, 5, 3);
        let said = trouble("3 replies", "was 5 after an acknowledged act");
        for gate in [
            "lost_writes == 0",
            "duplicated_writes == 0",
            "phantom_writes == 0",
            "reset_sessions == 0",
        ] {
            check_one(&constant, gate, Inconclusive, &said);
        }
        check_one(&constant, "lost_sessions == 0", Pass, "");
    }
    let mut constant = beside(control());
    for login in operations(&mut constant, 1, Step::Login) {
        login.value = Some(5);
    }
    shows(&mut constant, 1, 5, 1);
    let said = trouble("1 reply", "went 5 → 5 after an acknowledged act");
    check_one(&constant, "phantom_writes == 0", Inconclusive, &said);
}

#[test]
fn a_value_that_is_wrong_only_after_the_fault_is_a_finding_against_the_server() {
    let doubles = beside(control());
    let mut doubles = Journal {
        operations: journal(&[faulted().with(&[Finds(2), Finds(1)]), control()]).operations,
        ..doubles
    };
    check_one(
        &doubles,
        "duplicated_writes == 0",
        Fail,
        "1 beside 2 acknowledged",
    );
    // The same in the control is real, too, and none of the fault's.
    doubles.operations =
        journal(&[faulted().with(&[Finds(2)]), control().with(&[Finds(2)])]).operations;
    check_one(
        &doubles,
        "duplicated_writes == 0",
        Inconclusive,
        "1 beside 1 acknowledged, but not by the fault alone: 1 duplicated write beside 1 acknowledged in the control, without any fault",
    );
}

#[test]
fn phantoms_and_zombies_and_another_users_content_in_a_control_are_no_pass() {
    let phantom = beside(control().with(&[Phantom]));
    check_one(
        &phantom,
        "phantom_writes == 0",
        Inconclusive,
        "1 phantom write beside 1 acknowledged in the control, without any fault",
    );
    let zombie = |fate| {
        journal(&[
            faulted().with(&[fate, Finds(1)]),
            control().with(&[Zombie, Finds(1)]),
        ])
    };
    let said = "1 of 1 session was honoured after the logout without any fault";
    check_one(
        &zombie(LoggedOut),
        "zombie_sessions == 0",
        Inconclusive,
        said,
    );
    // It is one, whoever caused it.
    check_one(&zombie(Zombie), "zombie_sessions == 0", Fail, "1 of 1");
    let anothers = beside(control().with(&[Fate::Anothers]));
    let said = "1 of 1 session showed another user's content without any fault";
    check_one(&anothers, "wrong_identity == 0", Inconclusive, said);
}

/// What `run` demands where users log out.
const BY_THE_FAULT: &str = "zombie_sessions == 0 if the control has none";

/// A run of a trial with these sessions and of a control with so many logged-out ones, the first of them honoured or not.
fn logged_out(fates: &[Fate], of_control: usize, first: Fate) -> Journal {
    let mut control_fates = vec![LoggedOut; of_control];
    control_fates[0] = first;
    control_fates.push(Finds(1));
    journal(&[faulted().with(fates), control().with(&control_fates)])
}

/// A server that remembers logouts in memory alone: each logout works until the crash.
#[test]
fn a_crash_that_brings_back_logged_out_sessions_fails_where_the_control_honours_none() {
    let run = logged_out(&[Zombie, LoggedOut, Finds(1)], 5, LoggedOut);
    check_one(&run, BY_THE_FAULT, Fail, "1 of 2");
    let run = logged_out(&[LoggedOut, LoggedOut, Finds(1)], 5, LoggedOut);
    check_one(&run, BY_THE_FAULT, Pass, "");
}

/// A server of signed tokens honours them after any logout, and is judged as if nobody asked.
#[test]
fn sessions_that_nobody_logged_out_of_say_nothing_of_logouts() {
    let run = logged_out(&[LoggedOut, Undecided, Finds(1)], 5, LoggedOut);
    check_one(&run, BY_THE_FAULT, Pass, "");
}

#[test]
fn a_logout_that_takes_its_time_is_no_doing_of_the_fault_and_no_excuse_for_it() {
    let late = logged_out(&[LateZombie, LoggedOut, Finds(1)], 6, LoggedOut);
    check_one(&late, BY_THE_FAULT, Pass, "");
    let both = logged_out(&[Zombie, LateZombie, Finds(1)], 6, LateZombie);
    check_one(&both, BY_THE_FAULT, Fail, "1 of 1");
}

#[test]
fn logged_out_sessions_are_not_asked_about_where_the_control_does_not_show_that_a_logout_ends_one()
{
    let without_a_check = |run: &Journal| {
        let verdict = verdict_on(
            run,
            &["unrecovered == 0", "lost_sessions == 0", BY_THE_FAULT],
        );
        let asked: Vec<&str> = verdict.checks.iter().map(|c| c.gate.as_str()).collect();
        assert_eq!(asked, ["unrecovered == 0", "lost_sessions == 0"]);
        assert_eq!((verdict.outcome, verdict.reasons.len()), (Pass, 0));
        verdict.headline
    };
    let token = logged_out(&[Zombie, Zombie, Finds(1)], 6, Zombie);
    // Its users are told all the same.
    let headline = without_a_check(&token);
    assert!(
        headline.contains("honoured 2 of 2 sessions after the logout"),
        "{headline}"
    );
    // Four logouts of the control are too few, and so is none before the fault.
    without_a_check(&logged_out(&[LoggedOut, LoggedOut, Finds(1)], 4, LoggedOut));
    without_a_check(&logged_out(&[Finds(1), Finds(1)], 5, LoggedOut));
    // With one that is honoured after the fault they are too many to say nothing.
    let few = logged_out(&[Zombie, LoggedOut, Finds(1)], 4, LoggedOut);
    let said = "1 of 2; the control looked at 4 logged-out sessions alone, which is too few to tell that a logout ends a session: \
                give logout a larger share of the mix, raise the rate, or add control trials";
    check_one(&few, BY_THE_FAULT, Inconclusive, said);
    // Who asks without a condition is answered.
    check_one(&token, "zombie_sessions == 0", Fail, "2 of 2");
}
