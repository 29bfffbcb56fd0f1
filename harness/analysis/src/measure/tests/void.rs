//! Why a trial does not count.

use ErrorClass::{HarnessError, Unsent};
use comeback_model::ids::{FaultId, Node};

use super::*;

#[track_caller]
fn check(story: &Story, expected: &str) {
    let void = story.trial().void;
    assert_eq!(
        void,
        Some(Void::new(Spoils::Everything, Doing::Servers, expected))
    );
}

#[track_caller]
fn check_times(story: &Story, expected: &str) {
    let void = story.trial().void;
    assert_eq!(
        void,
        Some(Void::new(Spoils::Times, Doing::Servers, expected))
    );
}

fn sound() -> Story {
    Story::faulted()
        .serves(1_000, 3_000, 10)
        .serves(RECOVERED, SETTLED, 10)
}

#[test]
fn a_sound_trial_counts() {
    assert_eq!(sound().trial().void, None);
}

#[test]
fn a_trial_that_ended_early_does_not_count() {
    let aborted = EventKind::TrialAborted {
        reason: "3 of 10 sessions could not be opened".to_owned(),
    };
    check(
        &sound().event(900, aborted),
        "3 of 10 sessions could not be opened",
    );
    let failed = |incarnation, tail| EventKind::TargetStartFailed {
        node: Node::default(),
        incarnation: Incarnation(incarnation),
        problem: "it ended before it was ready".to_owned(),
        tail,
        port_taken_by: None,
    };
    check(
        &sound().event(
            300,
            failed(
                0,
                vec![comeback_model::said::Line::Out("port in use".to_owned())],
            ),
        ),
        "the target could not be started: it ended before it was ready; its output: port in use",
    );
    check(
        &sound().event(300, failed(1, Vec::new())),
        "the target could not be started again: it ended before it was ready",
    );
    let interrupted = sound().without(|kind| *kind == EventKind::TrialEnded);
    check(&interrupted, "it was interrupted before its end");
}

#[test]
fn a_run_that_ended_with_its_first_failed_start_says_so_and_is_no_whole_one() {
    let failed = EventKind::TargetStartFailed {
        node: Node::default(),
        incarnation: Incarnation(0),
        problem: "it exited with status 3".to_owned(),
        tail: vec![comeback_model::said::Line::Out("no such table".to_owned())],
        port_taken_by: None,
    };
    let given_up = EventKind::RunGivenUp { arm: ArmId(0) };
    let story = sound().event(300, failed).event(6_000, given_up);
    // Two arms with three trials and a control each.
    assert_eq!(
        story.analysis().incomplete.as_deref(),
        Some(
            "the first start of 'first' failed, so that the run ended at once, with 7 trials not begun: it exited with \
             status 3; its output: no such table"
        )
    );
}

#[test]
fn a_fault_that_did_not_land_does_not_count() {
    let missed = EventKind::FaultMissed {
        fault: FaultId::FIRST,
        reason: "process 7 was still running 5s after SIGTERM".to_owned(),
    };
    let story = sound().event(3_001, missed);
    check(
        &story,
        "the fault did not land: process 7 was still running 5s after SIGTERM",
    );
    assert!(!story.trial().landed);
    let unconfirmed = sound().without(|kind| *kind == injected_exit());
    check(
        &unconfirmed,
        "the fault did not land: no exit of the target was seen",
    );
    assert!(!unconfirmed.trial().landed);
}

#[test]
fn a_harness_that_ran_out_of_something_does_not_count() {
    let story = sound().does([
        look(0, 1_500).unsent(HarnessError),
        look(0, 600).unsent(HarnessError),
    ]);
    let reason = "the harness itself ran out of descriptors or local ports (2 operations): use fewer sessions, or raise the limit (ulimit -n)";
    assert_eq!(
        story.trial().void,
        Some(Void::new(Spoils::Everything, Doing::Ours, reason))
    );
    // After the fault a server that lets connections pile up may have led to it.
    let reason = reason.replace('2', "3");
    check(
        &story.does([look(0, RECOVERED + 9).unsent(HarnessError)]),
        &reason,
    );
}

fn late(at: u64) -> Op {
    Op(Operation {
        dispatched: ms(at + 900),
        ..look(0, at).unsent(Unsent).finished(at + 900).0
    })
}

/// A machine that stood still: what was due meanwhile was handed out when the baseline was over.
#[test]
fn a_load_that_the_harness_began_late_is_nobody_elses_doing() {
    let story = sound().does((2_000..2_999).step_by(5).map(late));
    let void = story.trial().void.unwrap();
    assert_eq!((void.spoils, void.doing), (Spoils::Times, Doing::Ours));
    assert!(
        void.reason.ends_with("the harness itself was late"),
        "{}",
        void.reason
    );
    // What was handed out in time, and found its client busy, is the server's.
    let queued = |at| look(0, at).unsent(Unsent).finished(at + 5);
    let both = story.does((1_000..1_999).step_by(5).map(queued));
    assert_eq!(both.trial().void.unwrap().doing, Doing::Servers);
}

#[test]
fn what_speaks_against_the_server_is_never_laid_to_the_machine() {
    let spoiled = |story: Story| story.does((2_000..2_999).step_by(5).map(late));
    let doing = |story: Story| story.trial().void.unwrap().doing;
    assert_eq!(doing(spoiled(sound())), Doing::Ours);
    let ended = EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Signal(11),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let old = EventKind::OldOwnerSeen {
        node: Node::default(),
        problem: "held by process 7".to_owned(),
    };
    let never = Story::never_recovered().serves(1_000, 3_000, 10);
    for story in [
        sound().event(SETTLED, ended),
        sound().event(SETTLED, old),
        never,
        Story::faulted().serves(1_000, 3_000, 10).does(
            (RECOVERED..SETTLED)
                .step_by(10)
                .map(|at| look(0, at).rejected(ErrorClass::ServerError)),
        ),
    ] {
        assert_eq!(doing(spoiled(story)), Doing::Servers);
    }
}

#[test]
fn a_port_that_an_older_program_took_is_the_machines_doing_whatever_the_server_says() {
    let failed = |taken: bool| EventKind::TargetStartFailed {
        node: Node::default(),
        incarnation: Incarnation(0),
        problem: "it exited with status 1".to_owned(),
        tail: vec![comeback_model::said::Line::Out(
            "Address already in use".to_owned(),
        )],
        port_taken_by: taken.then(|| comeback_model::event::Survivor {
            pid: 7,
            command: "another".to_owned(),
        }),
    };
    let doing = |taken| {
        Story::control()
            .event(300, failed(taken))
            .trial()
            .void
            .unwrap()
            .doing
    };
    assert_eq!((doing(true), doing(false)), (Doing::Ours, Doing::Servers));
}

#[test]
fn a_baseline_without_operations_does_not_count() {
    for story in [
        Story::faulted().serves(RECOVERED, SETTLED, 10),
        Story::control(),
    ] {
        check_times(
            &story,
            "no operation in the baseline: zero samples. Raise the rate, or lengthen the baseline",
        );
    }
}

#[test]
fn a_load_below_its_floor_does_not_count() {
    let unsent = |at| look(0, at).unsent(Unsent).finished(at + 5);
    let story = || {
        Story::faulted()
            .does((1_000..1_744).map(|at| look(0, at)))
            .does((1_744..2_200).map(unsent))
    };
    let told =
        "only 62.0 % of the 1,200 operations the baseline scheduled were sent; the floor is 90 %";
    check_times(
        &story(),
        &format!("{told} (the server managed 372 operations/s: try --rate 297 or --rate auto)"),
    );
    let stalled = story().event(
        2_500,
        EventKind::DiskStalled {
            since_us: ms(1_700),
            stalled_us: 700_000,
        },
    );
    // Who waits for the machine's disk is not the server alone: another trial may take the place of this one.
    let told = format!("{told}: meanwhile this machine's disk kept somebody waiting for 0.7 s");
    let ours = Void::new(Spoils::Times, Doing::Ours, told.as_str());
    assert_eq!(stalled.trial().void, Some(ours));
}

#[test]
fn a_load_just_at_its_floor_counts() {
    let unsent = look(0, 2_000).unsent(Unsent).finished(2_005);
    let story = Story::faulted().serves(1_000, 1_090, 10).does([unsent]);
    assert_eq!(story.trial().void, None);
}

#[test]
fn operations_still_queued_at_the_fault_were_no_load() {
    let queued = look(0, 2_000).unsent(Unsent).finished(4_000);
    let sent_after = Op(Operation {
        sent: Some(ms(3_500)),
        ..look(0, 2_000).finished(3_501).boot(Some(new_boot())).0
    });
    let story = Story::faulted()
        .serves(1_000, 1_080, 10)
        .does([queued, sent_after]);
    check_times(
        &story,
        "only 80.0 % of the 10 operations the baseline scheduled were sent; the floor is 90 % (the server managed 4 \
         operations/s: try --rate 3 or --rate auto)",
    );
}

#[test]
fn a_trial_that_does_not_count_is_understood_all_the_same() {
    let trial = sound()
        .does([login(0, 500), finds(0, 0)])
        .without(|kind| *kind == EventKind::TrialEnded)
        .trial();
    assert_eq!(trial.sessions.survived, 1);
    assert!(!trial.timeline.is_empty() && trial.chain.ready.is_some());
    assert_eq!(
        (trial.load.scheduled, trial.load.sent, trial.load.dropped),
        (9, 8, 1)
    );
}

#[test]
fn a_target_that_never_worked_has_nothing_to_recover_to() {
    let broken = |at| look(0, at).rejected(ErrorClass::ClientError);
    let unsent = |at| look(1, at).unsent(Unsent).finished(at + 5);
    let story = Story::faulted()
        .does((1_000..2_200).map(broken))
        .does((1_000..2_600).map(unsent));
    check(
        &story,
        "no operation of the baseline was correct: it did not work before the fault; 1,200 operations met: client \
         error (HTTP 200)",
    );
}

#[test]
fn a_boot_id_that_changes_without_a_restart_tells_nothing() {
    let other = BootId::from_header(b"other");
    let renamed = |story: Story, at| story.does([look(0, at).boot(Some(other))]);
    let expected = format!(
        "before the fault it called itself {} and {other}: the boot header must stay the same until it is started \
         again",
        old_boot()
    );
    check(&renamed(sound(), 1_500), &expected);
    let control = Story::control().serves(1_000, 3_000, 10);
    assert_eq!(control.trial().void, None);
    check(&renamed(control, 1_500), &expected);
    // After the fault another name is what is hoped for.
    assert_eq!(renamed(sound(), 3_500).trial().void, None);
}

#[test]
fn an_old_name_in_a_reply_to_what_was_sent_after_its_end_spoils_the_trial() {
    let later = [look(0, RECOVERED + 10), look(1, RECOVERED + 11)];
    let story = sound().does(later.map(|look| look.boot(Some(old_boot()))));
    let boot = old_boot();
    check(
        &story,
        &format!(
            "an old process still answers: 2 replies to what was sent after its end, the first as boot id {boot}"
        ),
    );
    // What was sent before its end it may have answered.
    let before = look(0, FAULT - 1).finished(CUT + 1).boot(Some(old_boot()));
    assert_eq!(sound().does([before]).trial().void, None);
    // A service that did not come back has failed, whoever answers.
    let never = Story::never_recovered()
        .serves(1_000, 3_000, 10)
        .does([look(0, RECOVERED).boot(Some(old_boot()))]);
    assert_eq!(never.trial().void, None);
}

#[test]
fn a_final_look_answered_under_a_name_nobody_knows_spoils_the_trial() {
    let stranger = BootId::from_header(b"renamed");
    let story = sound().does([finds(0, 1).boot(Some(stranger))]);
    check(
        &story,
        &format!(
            "an old process may answer: the final look was answered as boot id {stranger}, which is not the new \
             process's"
        ),
    );
    let known = sound().does([finds(0, 1).boot(Some(new_boot()))]);
    assert_eq!(known.trial().void, None);
}

#[test]
fn an_old_process_that_may_answer_at_the_final_look_spoils_the_trial() {
    let old = |reach: Option<&str>| EventKind::OldProcessesAlive {
        node: Node::default(),
        processes: vec![comeback_model::event::OldProcess {
            survivor: comeback_model::event::Survivor {
                pid: 7,
                command: "worker".to_owned(),
            },
            reach: reach.map(str::to_owned),
        }],
    };
    check(
        &sound().event(SETTLED, old(Some("listens on 127.0.0.1:80"))),
        "an old process still answers or may answer: process 7 (worker), alive at the final look, listens on \
         127.0.0.1:80",
    );
    // One without any socket answers nobody.
    assert_eq!(sound().event(SETTLED, old(None)).trial().void, None);
    let owner = EventKind::OldOwnerSeen {
        node: Node::default(),
        problem: "127.0.0.1:80 is held by process 7, not a new one".to_owned(),
    };
    check(
        &sound().event(SETTLED, owner),
        "an old process still answers: 127.0.0.1:80 is held by process 7, not a new one",
    );
}

#[test]
fn a_correct_reply_while_no_process_of_an_external_server_was_there_spoils_the_trial() {
    let begun = 3_080;
    let is_restart = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::TargetExecuted {
                incarnation: Incarnation(1),
                ..
            }
        )
    };
    let own = |replies: &[u64]| {
        let story = sound().without(is_restart);
        let story = story.meanwhile(begun, executed(1, begun));
        story.does(replies.iter().map(|at| look(0, *at)))
    };
    let of_others = |story: Story| {
        story.planned(|plan| {
            plan.arms[0].target.external = Some(comeback_model::plan::External {
                by: comeback_model::plan::IdentifiedBy::Port,
                port: 8_080,
                restart: None,
                kill: None,
            });
        })
    };
    let told = |requests: &str| {
        format!(
            "somebody else answers: {requests} that came after the server's end had a correct reply before its new process had begun. \
             The process that holds the port is not the one that serves, or not alone"
        )
    };
    check(&of_others(own(&[CUT + 10, CUT + 20])), &told("2 requests"));
    // Nobody knows that better of a server of the run's own than its boot ids and its processes.
    assert_eq!(own(&[CUT + 10]).trial().void, None);
    // It may have begun a little earlier than is known.
    assert_eq!(of_others(own(&[begun - 15])).trial().void, None);
    // What was sent before its end it may have answered.
    let before = own(&[]).does([look(0, FAULT - 1).finished(CUT + 1)]);
    assert_eq!(of_others(before).trial().void, None);
    // A worker that it left serves on.
    let left = EventKind::FaultConfirmed {
        fault: FaultId::FIRST,
        node: Node::default(),
        evidence: String::new(),
        took_kill: Vec::new(),
        left: vec![comeback_model::event::Survivor {
            pid: 7,
            command: "worker".to_owned(),
        }],
        alive_us: None,
    };
    let left = own(&[CUT + 10]).meanwhile(CUT, left);
    assert_eq!(of_others(left).trial().void, None);
    // A service that did not come back has failed, whoever answers.
    let never = Story::never_recovered().without(is_restart);
    let never = never.serves(1_000, 3_000, 10).does([look(0, 4_000)]);
    assert_eq!(of_others(never).trial().void, None);
}

#[test]
fn a_server_that_nobody_was_seen_to_start_again_after_a_command_is_not_to_blame() {
    let told = "nobody is known to start the server again after the kill command 'end-it'";
    let reason = |story: Story| story.trial().void.map(|void| void.reason);
    let is_told = |story: Story| reason(story).is_some_and(|reason| reason.starts_with(told));
    let is_restart = |kind: &EventKind| {
        let EventKind::TargetExecuted { incarnation, .. } = kind else {
            return false;
        };
        incarnation.0 > 0
    };
    let gone = Story::never_recovered().without(is_restart);
    assert!(!is_told(gone.clone()), "a signal keeps nobody from it");
    let gone = gone.ended_by_command();
    assert!(is_told(gone.clone()));
    // Somebody does.
    assert!(!is_told(Story::never_recovered().ended_by_command()));
    let by_us = gone.planned(|plan| {
        let external = plan.arms[0].target.external.as_mut().unwrap();
        external.restart = Some(vec!["start-it".to_owned()]);
    });
    assert!(!is_told(by_us));
}
