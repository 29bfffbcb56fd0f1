//! What happened to the processes.

use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Listener;
use comeback_model::said::Line;

use super::*;
use crate::measure::Time;

#[test]
fn the_chain_counts_from_the_confirmed_exit_with_the_error_of_each_link() {
    let chain = Story::faulted().trial().chain;
    assert_eq!(chain.killed, Some(-2.0));
    assert_eq!(chain.exit, Some(Exit::Signal(9)));
    assert_eq!(
        chain.executed,
        Some(Time::At {
            ms: 8.0,
            error_ms: 2.0
        })
    );
    assert_eq!(
        chain.listening,
        Some(Time::At {
            ms: 88.0,
            error_ms: 3.0
        })
    );
    assert_eq!(
        chain.ready,
        Some(Time::At {
            ms: 98.0,
            error_ms: 5.0
        })
    );
    assert_eq!(chain.evidence, Some(Evidence::BootId(new_boot())));
}

#[test]
fn a_first_reply_without_a_failed_probe_may_have_been_possible_since_the_start_was_begun() {
    let chain = Story::faulted()
        .without(|kind| matches!(kind, EventKind::FirstCorrect { .. }))
        .event(RECOVERED, first_correct(None))
        .trial()
        .chain;
    assert_eq!(
        chain.ready,
        Some(Time::At {
            ms: 98.0,
            error_ms: 92.0
        })
    );
}

#[test]
fn with_a_held_listener_the_start_bounds_the_execution_and_nothing_shows_when_it_listens() {
    let story = Story::faulted()
        .planned(|plan| plan.arms[0].target.listener = Listener::Held)
        .without(|kind| matches!(kind, EventKind::FirstAccept { .. }));
    let launched = |mut story: Story| {
        for event in &mut story.events {
            if let EventKind::TargetExecuted {
                launched_us,
                incarnation: Incarnation(1),
                ..
            } = &mut event.kind
            {
                *launched_us = Some(ms(EXECUTED - 1));
            }
        }
        story
    };
    let chain = launched(story).trial().chain;
    // The launcher may have executed it before that was noticed of itself.
    let at = |ms: f64, error_ms: f64| Some(Time::At { ms, error_ms });
    assert_eq!(
        (chain.launched, chain.executed),
        (at(7.0, 1.0), at(8.0, 2.0))
    );
    assert_eq!(chain.listening, None);
    let never = Story::never_recovered()
        .planned(|plan| plan.arms[0].target.listener = Listener::Held)
        .trial()
        .chain;
    assert_eq!(never.listening, None);
    assert_eq!(never.ready, Some(Time::Beyond { ms: 2_198.0 }));
}

#[test]
fn what_the_recovery_is_known_by_is_told_where_it_is_less_than_usual() {
    let limited = EventKind::ProbeLimited {
        node: Node::Balancer,
        problem: "check: session rejected (HTTP 401)".to_owned(),
    };
    let mut story = Story::faulted().event(1_000, limited);
    for event in &mut story.events {
        if let EventKind::FirstCorrect { unowned, .. } = &mut event.kind {
            *unowned = Some("nobody holds 127.0.0.1:1".to_owned());
        }
    }
    let findings = story.clone().trial().findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].contains("a correct login alone"));
    assert!(findings[0].contains("check: session rejected (HTTP 401)"));
    assert!(findings[1].contains("by its boot id alone"));
    let held = story.planned(|plan| plan.arms[0].target.listener = Listener::Held);
    assert_eq!(held.trial().findings.len(), 1);
}

#[test]
fn never_recovered_is_censored_and_kept() {
    let trial = Story::never_recovered().serves(1_000, 3_000, 10).trial();
    let horizon = Some(Time::Beyond { ms: 2_198.0 });
    let chain = &trial.chain;
    assert_eq!(
        (chain.listening, chain.ready, trial.time_to_steady),
        (horizon, horizon, horizon)
    );
    assert_eq!(
        chain.executed,
        Some(Time::At {
            ms: 8.0,
            error_ms: 2.0
        })
    );
    assert_eq!((trial.void, trial.landed), (None, true));
    assert_eq!(
        trial.findings,
        ["no correct reply of a new process within 2.2 s; the last probe saw: connection refused"]
    );
}

#[test]
fn a_server_that_listens_and_never_answers_is_told_apart() {
    let chain = Story::never_recovered()
        .event(
            ACCEPTED,
            EventKind::FirstAccept {
                fault: FaultId::FIRST,
                last_failed_us: None,
            },
        )
        .trial()
        .chain;
    assert_eq!(
        chain.listening,
        Some(Time::At {
            ms: 88.0,
            error_ms: 88.0
        })
    );
    assert_eq!(chain.ready, Some(Time::Beyond { ms: 2_198.0 }));
}

#[test]
fn a_control_trial_has_no_chain() {
    let trial = Story::control().serves(1_000, 5_000, 10).trial();
    let chain = &trial.chain;
    assert!(chain.killed.is_none() && chain.exit.is_none() && chain.ready.is_none());
    assert_eq!((trial.void, trial.landed), (None, false));
}

#[test]
fn what_outlives_the_kill_or_ends_unexpectedly_is_told() {
    let survivors = EventKind::SurvivorsFound {
        fault: FaultId::FIRST,
        pids: vec![123],
    };
    let outlived = "process 123 of the old server outlived the fault";
    let recovered = Story::faulted().event(3_100, survivors.clone()).trial();
    assert_eq!(recovered.findings, [outlived]);
    let failed = Story::never_recovered().event(5_200, survivors).trial();
    assert_eq!(
        failed.findings[0],
        format!("the fault, or the restart, failed: {outlived}")
    );
    let unexpected = EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Status(1),
        cause: ExitCause::Unexpected,
        tail: vec![
            Line::Out("starting".to_owned()),
            Line::Out("pid file exists".to_owned()),
        ],
    };
    let left = EventKind::LeftBehind { pids: vec![5, 6] };
    assert_eq!(
        Story::never_recovered()
            .event(3_050, unexpected)
            .event(6_000, left)
            .trial()
            .findings,
        [
            "the restarted target exited with status 1 by itself; its output: starting | pid file exists",
            "no correct reply of a new process within 2.2 s; the last probe saw: connection refused",
            "processes 5, 6 outlived the trial and had to be killed",
        ]
    );
}

#[test]
fn starts_that_failed_are_counted_until_it_serves() {
    let crashed = |incarnation| EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(incarnation),
        exit: Exit::Signal(6),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let twice = |mut story: Story| {
        for at in [3_020, 3_040] {
            story = story.event(at, crashed((at / 20 - 150) as u32));
        }
        story.events.sort_by_key(|event| event.at);
        story.trial()
    };
    let back = twice(Story::faulted());
    let told = "the target was back at its third start: 2 starts ended before it served";
    assert_eq!(back.findings.last().map(String::as_str), Some(told));
    assert_eq!(back.failed_starts, 2);
    let never = twice(Story::never_recovered());
    let told = "the target crashed 2 times before it served";
    assert!(
        never.findings.iter().any(|it| it == told),
        "{:?}",
        never.findings
    );
    let later = Story::faulted().event(5_000, crashed(1)).trial();
    assert_eq!(later.failed_starts, 0);
}

#[test]
fn a_server_that_does_not_heed_its_stop_is_a_finding() {
    let stopped = |exit| EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit,
        cause: ExitCause::Stopped,
        tail: Vec::new(),
    };
    let findings = |exit| {
        Story::faulted()
            .event(5_500, stopped(exit))
            .trial()
            .findings
    };
    assert_eq!(
        findings(Exit::Signal(9)),
        ["asked to stop, it did not end within 5s of SIGTERM and had to be killed"]
    );
    assert!(findings(Exit::Signal(15)).is_empty());
    assert!(findings(Exit::Status(0)).is_empty());
}

#[test]
fn a_run_that_did_not_end_by_itself_is_incomplete() {
    let whole = Story::faulted();
    assert_eq!(whole.analysis().incomplete, None);
    let cut_off = whole.clone().without(|kind| *kind == EventKind::RunEnded);
    let about = |story: &Story| story.analysis().incomplete.unwrap();
    assert_eq!(about(&cut_off), "the journal ends before the run does");
    assert_eq!(
        about(&cut_off.event(9_000, EventKind::RunInterrupted)),
        "the run was interrupted"
    );
    let extended = EventKind::RunExtended {
        trials: vec![TrialId(1)],
        replaces: Vec::new(),
        same_faults: false,
        reasons: vec!["too few".to_owned()],
    };
    let goes_on = whole.clone().event(9_000, extended);
    assert_eq!(about(&goes_on), "the journal ends before the run does");
    let analysis = goes_on.clone().event(9_500, EventKind::RunEnded).analysis();
    assert_eq!(analysis.incomplete, None);
    assert_eq!(analysis.extensions.len(), 1);
    assert_eq!(
        about(&goes_on.event(9_100, EventKind::RunInterrupted)),
        "the run was interrupted"
    );
    assert!(
        about(&Story {
            torn: true,
            ..whole.clone()
        })
        .contains("torn")
    );
    let mut stray = whole.does([look(0, 2_000)]);
    stray.operations[0].trial = TrialId(7);
    assert!(about(&stray).contains("trial 7, which never started"));
    let mut stray = Story::faulted();
    stray.events[1].trial = Some(TrialId(7));
    assert!(about(&stray).contains("an event of trial 7, which never started"));
    let mut nameless = Story::faulted();
    nameless.events[1].trial = None;
    assert!(about(&nameless).contains("an event of no trial"));
}

#[test]
fn a_server_that_ends_after_its_recovery_died_again() {
    let unexpected = |incarnation| EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(incarnation),
        exit: Exit::Status(1),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    assert!(
        Story::faulted()
            .event(RECOVERED + 400, unexpected(1))
            .trial()
            .not_back()
            .is_some()
    );
    assert!(Story::faulted().trial().not_back().is_none());
}

#[test]
fn back_and_gone_again_is_not_back() {
    let story = Story::faulted()
        .serves(BASELINE, FAULT, 10)
        .serves(RECOVERED, SETTLED - 200, 10);
    let back = story.trial();
    assert!(back.longest_gap().unwrap().is_finite());
    assert!(back.outage_area().unwrap().is_finite());
    assert!(matches!(back.time_to_steady, Some(Time::At { .. })));
    let gone = story
        .event(
            SETTLED - 200,
            EventKind::TargetExited {
                node: Node::default(),
                incarnation: Incarnation(1),
                exit: Exit::Status(1),
                cause: ExitCause::Unexpected,
                tail: Vec::new(),
            },
        )
        .trial();
    // What was measured of them is no more than a lower bound.
    assert_eq!(gone.longest_gap_ms, back.longest_gap_ms);
    assert_eq!(gone.longest_gap(), Some(f64::INFINITY));
    assert_eq!(gone.outage_area(), Some(f64::INFINITY));
    assert_eq!(gone.chain.ready, Some(Time::Beyond { ms: 2_198.0 }));
    assert!(matches!(gone.time_to_steady, Some(Time::Beyond { .. })));
    assert_eq!(gone.chain.listening, back.chain.listening);
}
