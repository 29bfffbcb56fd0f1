//! Void trials that others take the place of.

use std::collections::BTreeSet;

use Outcome::{Fail, Inconclusive, Pass};
use comeback_model::event::{Event, EventKind};
use comeback_model::ids::{ClientId, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Step};
use comeback_model::plan::{Chaos, test_plan};
use comeback_model::schedule::{PlannedTrial, expand};
use comeback_model::units::{Elapsed, Span};

use super::*;
use crate::summary::summarize;
use crate::verdict::{Replacement, replacements};

const GATES: [&str; 3] = ["unrecovered == 0", "lost_sessions == 0", "lost_writes == 0"];
/// The trials that stand in the schedule of one arm: three with a fault, and a control. What follows are spare ones.
const DECLARED: usize = 4;

/// Declares that so many void trials may be replaced.
pub(super) fn may_replace(mut journal: Journal, replacements: u32) -> Journal {
    let header = &mut journal.header;
    header.plan.replacements = replacements;
    header.schedule = expand(&header.plan, header.seed);
    // Trials are counted from 0 here, as in older journals.
    let schedule = &mut header.schedule;
    let declared = schedule.trials.iter_mut().chain(&mut schedule.further);
    for planned in declared.chain(&mut schedule.spares) {
        planned.id.0 -= 1;
    }
    // The trials without a fault are those that are told so.
    let controls: BTreeSet<TrialId> = journal
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::TrialStarted { control: true, .. }))
        .filter_map(|event| event.trial)
        .collect();
    let trials = &mut schedule.trials;
    let is_wrong = |planned: &PlannedTrial| planned.is_control() != controls.contains(&planned.id);
    for place in 0..trials.len() {
        if !is_wrong(&trials[place]) {
            continue;
        }
        let arm = trials[place].arm;
        let mut others = place + 1..trials.len();
        if let Some(other) = others.find(|at| trials[*at].arm == arm && is_wrong(&trials[*at])) {
            trials.swap(place, other);
            let id = trials[place].id;
            trials[place].id = trials[other].id;
            trials[other].id = id;
        }
    }
    journal
}

/// The same run, whose faults are drawn: the one that it has, at a moment of each trial's own.
fn drawn(mut journal: Journal) -> Journal {
    let header = &mut journal.header;
    let choice = &mut header.plan.faults[0];
    choice.quiet = Some(Span::from_secs(1));
    header.plan.chaos = Some(Chaos {
        faults: 1,
        weights: vec![1],
        span: None,
    });
    journal
}

/// And the run went on with this trial in the place of that one.
fn extended(mut journal: Journal, void: u32, by: u32, same_faults: bool) -> Journal {
    let kind = EventKind::RunExtended {
        trials: vec![TrialId(by)],
        replaces: vec![TrialId(void)],
        same_faults,
        reasons: Vec::new(),
    };
    let ended = journal.events.pop().expect("it ended");
    let at = ended.at;
    let trial = None;
    journal.events.extend([Event { at, trial, kind }, ended]);
    journal
}

/// The first operations of a trial's baseline, of those that the load wanted.
fn of_baseline(journal: &mut Journal, trial: u32) -> impl Iterator<Item = &mut Operation> {
    let operations = journal.operations.iter_mut();
    let of_trial = operations.filter(move |operation| operation.trial == TrialId(trial));
    of_trial.filter(|op| op.step == Step::Check).take(50)
}

/// Has the harness stand still in these trials, so that half of the baseline's operations were handed out too late.
pub(super) fn late(mut journal: Journal, trials: &[u32]) -> Journal {
    for trial in trials {
        for operation in of_baseline(&mut journal, *trial) {
            operation.dispatched = operation.intended + Span::from_ms(2_500);
            operation.finished = operation.dispatched;
            (operation.sent, operation.status) = (None, None);
            operation.outcome = comeback_model::operation::Outcome::Rejected;
            operation.error = Some(ErrorClass::Unsent);
        }
    }
    journal
}

/// Three trials and a control, of which these were late, and what was run in their places.
fn run(trials: &[u32], spares: &[Told]) -> Journal {
    let declared = [faulted(), faulted(), faulted(), control()];
    let told = [&declared[..], spares].concat();
    late(may_replace(journal(&told), 2), trials)
}

fn judged(journal: &Journal) -> (Analysis, Verdict) {
    let analysis = analyze(journal);
    let gates: Vec<Gate> = GATES.iter().map(|text| gate(text)).collect();
    let verdict = judge(&analysis, &gates, None);
    (analysis, verdict)
}

fn wanted(journal: &Journal) -> Vec<Replacement> {
    let (analysis, verdict) = judged(journal);
    replacements(&analysis, &verdict)
}

#[test]
fn a_trial_that_is_void_by_our_doing_gives_way_to_another_and_the_gates_decide() {
    let before = run(&[1], &[]);
    let (_, verdict) = judged(&before);
    assert_eq!(verdict.outcome, Inconclusive);
    let wanted = wanted(&before);
    assert_eq!(wanted.len(), 1);
    assert_eq!(wanted[0].void, TrialId(1));
    let schedule = &before.header.schedule;
    let expected = PlannedTrial {
        turn: schedule.trials[1].turn,
        ..schedule.spares[0].clone()
    };
    assert_eq!(wanted[0].by, expected);
    assert!(
        wanted[0].reason.starts_with("first: trial 1: only 50.0 %"),
        "{wanted:?}"
    );

    let after = run(&[1], &[faulted()]);
    let (analysis, verdict) = judged(&after);
    check(&verdict, Pass, &[]);
    assert!(replacements(&analysis, &verdict).is_empty());
    let summary = summarize(&analysis, &verdict);
    let arm = &summary.arms[0];
    assert_eq!((arm.trials, arm.begun, arm.replaced.len()), (3, 5, 1));
    assert_eq!((arm.replaced[0].trial, arm.replaced[0].control), (1, false));
    // Without a gate it is measured, as it would be without the void one.
    assert_eq!(verdict_on(&after, &[]).outcome, Outcome::Measured);
}

#[test]
fn a_trial_with_drawn_faults_is_repeated_with_those_also_in_the_second_place() {
    let spare = DECLARED as u32;
    let journal = drawn(run(&[1], &[]));
    let schedule = journal.header.schedule.clone();
    let (void, own) = (&schedule.trials[1], &schedule.spares[0]);
    assert_ne!(void.faults, own.faults);
    let first = &wanted(&journal)[0].by;
    assert_eq!((first.id, &first.faults), (own.id, &void.faults));
    // Its load is another one.
    assert_eq!(first.load_seed, own.load_seed);

    // What took its place is void as well.
    let again = |same_faults| {
        let journal = drawn(run(&[1, spare], &[faulted()]));
        let wanted = wanted(&extended(journal, 1, spare, same_faults));
        let last = wanted.last().expect("one is wanted");
        (last.void.0, last.by.id.0, last.by.faults.clone())
    };
    assert_eq!(again(true), (spare, spare + 1, void.faults.clone()));
    // In an older journal that had faults of its own.
    assert_eq!(again(false), (spare, spare + 1, own.faults.clone()));
}

#[test]
fn in_the_place_of_a_control_trial_comes_one_without_a_fault() {
    let wanted = wanted(&run(&[3, 0], &[]));
    let roles: Vec<(u32, bool)> = wanted
        .iter()
        .map(|replacement| (replacement.void.0, replacement.by.is_control()))
        .collect();
    assert_eq!(roles, [(0, false), (3, true)]);
    check(&judged(&run(&[3], &[control()])).1, Pass, &[]);
    // One with a fault shows nothing of what happens without.
    let wrong = judged(&run(&[3], &[faulted()])).1;
    assert_eq!(wrong.outcome, Inconclusive);
}

#[test]
fn what_took_the_place_of_a_void_trial_may_be_replaced_in_its_turn_but_no_more_than_declared() {
    let spare = DECLARED as u32;
    let wanted = wanted(&run(&[1, spare], &[faulted()]));
    assert_eq!(wanted.len(), 1);
    check(
        &judged(&run(&[1, spare], &[faulted(), faulted()])).1,
        Pass,
        &[],
    );

    let too_many = run(&[0, 1, 2], &[]);
    let (analysis, verdict) = judged(&too_many);
    assert!(replacements(&analysis, &verdict).is_empty());
    assert_eq!(verdict.outcome, Inconclusive);
    let said = verdict.reasons.join("\n");
    assert!(
        said.contains("3 trials are void by the harness's or the machine's doing"),
        "{said}"
    );
    assert!(said.contains("no more than 2 may be replaced"), "{said}");
    // And where all spare ones were void, too.
    let none_left = run(&[1, spare, spare + 1], &[faulted(), faulted()]);
    let (analysis, verdict) = judged(&none_left);
    assert!(replacements(&analysis, &verdict).is_empty());
    assert_eq!(verdict.outcome, Inconclusive);
}

#[test]
fn nothing_is_run_in_vain() {
    // The verdict stands already.
    let lost = [
        faulted().with(&[Fate::Lost]),
        faulted(),
        faulted(),
        control(),
    ];
    let lost = late(may_replace(journal(&lost), 2), &[1]);
    assert_eq!(judged(&lost).1.outcome, Fail);
    assert!(wanted(&lost).is_empty());
    // No other trial mends what the server did.
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let missed = late(
        may_replace(journal(&[faulted(), missed, faulted(), control()]), 2),
        &[0],
    );
    assert!(wanted(&missed).is_empty());
    // Nothing was declared: as it was before there were replacements.
    let undeclared = may_replace(run(&[1], &[]), 0);
    assert!(wanted(&undeclared).is_empty());
    assert_eq!(judged(&undeclared).1.outcome, Inconclusive);
    // It was interrupted.
    let mut interrupted = run(&[1], &[]);
    interrupted.events.pop();
    assert!(wanted(&interrupted).is_empty());
}

#[test]
fn a_loss_in_a_trial_that_was_replaced_is_the_counterexample_it_is() {
    let told = [
        faulted().with(&[Fate::Lost, Fate::Finds(1)]),
        faulted(),
        faulted(),
        control(),
        faulted(),
    ];
    let run = late(may_replace(journal(&told), 2), &[0]);
    let (analysis, verdict) = judged(&run);
    assert_eq!(verdict.outcome, Fail);
    assert!(
        verdict.headline.contains("lost 1 of"),
        "{}",
        verdict.headline
    );
    assert_eq!(analysis.arms[0].replaced().count(), 1);
}

#[test]
fn what_was_lost_after_the_fault_of_a_trial_that_was_replaced_leaves_lost_writes_open() {
    // A session that is begun after the fault, with a write that the last look lacks.
    let loses_later = |mut journal: Journal, trial: u32| {
        let own = |op: &&Operation| op.trial == TrialId(trial) && op.client.0 == 0;
        let own: Vec<Operation> = journal.operations.iter().filter(own).cloned().collect();
        let of_step = |step| own.iter().rfind(|op| op.step == step).unwrap();
        let looked = of_step(Step::ReadBack);
        let again = |step, at_ms: u64| {
            let at = Elapsed::from_us(at_ms * 1_000);
            Operation {
                boot: looked.boot,
                intended: at,
                dispatched: at,
                sent: Some(at),
                finished: at + Span::from_ms(1),
                ..of_step(step).clone()
            }
        };
        let lacks = Operation {
            value: Some(0),
            ..looked.clone()
        };
        let session = [again(Step::Login, 3_300), again(Step::Act, 3_500), lacks];
        journal.operations.extend(session.map(|op| Operation {
            client: ClientId(9_000),
            ..op
        }));
        journal
    };
    let said = "1 write acknowledged after the fault are absent";
    let is_open = |journal: &Journal| {
        let (analysis, verdict) = judged(journal);
        assert_eq!(verdict.outcome, Inconclusive, "{:?}", verdict.reasons);
        let [unrecovered, sessions, writes] = &verdict.checks[..] else {
            panic!("{:?}", verdict.checks);
        };
        assert_eq!((unrecovered.outcome, sessions.outcome), (Pass, Pass));
        assert!(writes.detail.as_ref().unwrap().contains(said), "{writes:?}");
        analysis.arms[0].replaced().count()
    };
    let counts = run(&[1], &[faulted()]);
    assert_eq!(is_open(&loses_later(counts.clone(), 0)), 1);
    assert_eq!(is_open(&loses_later(counts.clone(), 1)), 1);
    // It is no loss of a fault, so it breaks nothing; and what is lost anyway is no excuse for it.
    let some = [
        faulted().with(&[Fate::Finds(0), Fate::Finds(1)]),
        faulted(),
        faulted(),
        control(),
    ];
    let some = journal(&some);
    let within = ["lost_writes <= 1"];
    assert_eq!(verdict_on(&some, &within).outcome, Pass);
    assert_eq!(
        verdict_on(&loses_later(some, 1), &within).outcome,
        Inconclusive
    );
}

#[test]
fn a_run_goes_on_for_its_gates_after_void_trials_were_replaced() {
    let journal = run(&[1], &[faulted()]);
    let verdict = verdict_on(&journal, &["time_to_ready.median < 2s"]);
    // A median needs six, and three count.
    assert_eq!(verdict.rounds_wanted(test_plan().trials), Some(3));
}
