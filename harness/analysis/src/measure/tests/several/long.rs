//! Faults that are not over at once, beside others: worse conditions, and crash loops.

use comeback_model::plan::fault::Effect;
use comeback_model::units::Span;

use super::*;
use crate::measure::Return;

impl Story {
    /// Conditions become worse by the second fault.
    fn gets_worse(self, at: u64) -> Self {
        let (fault, node) = (SECOND, ONLY);
        let begun = "limited".to_owned();
        let evidence = "it holds".to_owned();
        let worse = EventKind::TargetDegraded {
            fault,
            node,
            evidence,
        };
        self.event(at, EventKind::FaultRequested { fault, node, begun })
            .event(at + 1, worse)
    }
}

#[test]
fn what_ends_under_worse_conditions_is_not_laid_to_the_kill_before_them() {
    let ends = EventKind::TargetExited {
        node: ONLY,
        incarnation: Incarnation(1),
        exit: Exit::Signal(9),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let story = |ended: u64| {
        Story::back_once()
            .planned(|plan| plan.faults[1].effect = Effect::Degrades(Span::from_secs(1)))
            .event(ended, ends.clone())
            .gets_worse(AGAIN)
            .event(AGAIN + 1_001, EventKind::FaultEnded { fault: SECOND })
            .starts(ONLY, 2, AGAIN + 1_010)
            .comes_back(SECOND, ONLY, AGAIN + 1_100, third_boot())
            .enters(AGAIN + 1_100, Phase::Settle)
            .ends()
            .serves(BASELINE, FAULT, 10)
            .serves(RECOVERED, AGAIN, 10)
            .serves(AGAIN + 1_100, STOPPED, 10)
            .trial()
    };
    let trial = story(AGAIN + 500);
    // Nor to the limit: nobody can tell.
    let by_probe_only = Some(Return::ByProbeOnly {
        operations: 0,
        unclear: None,
    });
    assert_eq!(trial.returned, by_probe_only, "{:?}", trial.findings);
    assert_eq!(
        at(trial.faults[0].chain.ready),
        Some((RECOVERED - CUT) as f64)
    );
    let told = trial
        .findings
        .iter()
        .any(|found| found.contains("by itself"));
    assert!(told, "{:?}", trial.findings);
    // Before them it is the kill's.
    assert_eq!(story(AGAIN - 100).not_back(), Some(&NotBack::Ended));
}

#[test]
fn worse_conditions_that_begin_before_a_node_is_back_overtake_the_kill() {
    let over = EventKind::TargetRestored {
        fault: SECOND,
        node: ONLY,
        evidence: "it was reached".to_owned(),
    };
    // Killed at 3,000 ms; conditions are worse from 3,050 ms to 3,500 ms, and the new process answers under them.
    let trial = Story::new(false)
        .with_a_second_fault("limit")
        .planned(|plan| plan.faults[1].effect = Effect::Degrades(Span::from_ms(449)))
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .gets_worse(3_050)
        .comes_back(FIRST, ONLY, 3_300, new_boot())
        .event(3_500, over)
        .event(3_501, EventKind::FaultEnded { fault: SECOND })
        .comes_back(SECOND, ONLY, 3_600, new_boot())
        .enters(3_600, Phase::Settle)
        .ends()
        .serves(BASELINE, FAULT, 10)
        .serves(3_300, STOPPED, 10)
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    let ms = 50.0 - (CUT - FAULT) as f64;
    assert_eq!(trial.faults[0].chain.ready, Some(Time::Beyond { ms }));
    assert_eq!(at(trial.faults[1].chain.ready), Some(100.0));
}

#[test]
fn whoever_answers_between_two_kills_of_a_crash_loop_is_no_old_process() {
    let looked = |at: u64, value: u64| {
        let mut look = finds(1, value);
        let op = &mut look.0;
        (op.intended, op.dispatched, op.sent) = (ms(at), ms(at), Some(ms(at)));
        op.finished = ms(at + 1);
        op.boot = Some(BootId::from_header(b"between"));
        look
    };
    let looped = |at: u64| {
        Story::new(false)
            .kills(FIRST, ONLY, (FAULT, CUT), 0)
            .starts(ONLY, 1, EXECUTED)
            .kills(FIRST, ONLY, (3_050, 3_052), 1)
            .starts(ONLY, 2, 3_060)
            .comes_back(FIRST, ONLY, 3_300, third_boot())
            .enters(3_300, Phase::Settle)
            .ends()
            .serves(BASELINE, FAULT, 10)
            .does([login(1, 1_000).value(0), looked(at, 0)])
            .trial()
            .void
    };
    assert_eq!(looped(3_040), None);
    let void = looped(STOPPED + 10).map(|void| void.reason);
    assert!(void.is_some_and(|why| why.contains("an old process may answer")));
}

#[test]
fn a_crash_loop_overtakes_with_its_first_kill() {
    let trial = Story::new(false)
        .with_a_second_fault("loop")
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .kills(SECOND, ONLY, (3_050, 3_052), 1)
        .starts(ONLY, 2, 3_060)
        // It serves for a while before it is killed again.
        .comes_back(FIRST, ONLY, 3_200, new_boot())
        .kills(SECOND, ONLY, (3_250, 3_252), 2)
        .starts(ONLY, 3, 3_260)
        .comes_back(SECOND, ONLY, 3_400, third_boot())
        .enters(3_400, Phase::Settle)
        .ends()
        .serves(BASELINE, FAULT, 10)
        .serves(3_400, STOPPED, 10)
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    let ms = (3_052 - CUT) as f64;
    assert_eq!(trial.faults[0].chain.ready, Some(Time::Beyond { ms }));
    assert_eq!(at(trial.faults[1].chain.ready), Some(148.0));
}

#[test]
fn a_logout_between_two_kills_of_a_crash_loop_hides_nothing_that_the_first_one_took() {
    let refused = look(0, 3_490).rejected(ErrorClass::SessionRejected);
    let trial = Story::new(false)
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .kills(FIRST, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, AGAIN + 10)
        .comes_back(FIRST, ONLY, BACK_AGAIN, third_boot())
        .enters(BACK_AGAIN, Phase::Settle)
        .ends()
        .does([login(0, 1_500), refused, logout(0, 3_500), gone(0)])
        .trial();
    assert_eq!(trial.sessions.lost, 1, "{:?}", trial.sessions);
}
