//! Gates with a baseline: an arm of the same run, or an earlier run.

use std::collections::BTreeSet;

use comeback_model::journal::Machine;
use comeback_model::operation::Step;
use comeback_model::plan::{External, IdentifiedBy, Plan, Storm};
use comeback_model::units::Span;

use super::*;
use crate::verdict::{arm_without_baseline, machine_differences, objections};

pub(super) fn machine() -> Machine {
    Machine {
        system: "Linux 6.8".to_owned(),
        processor: "Example".to_owned(),
        cores: 4,
        memory_mib: 8_000,
        data_filesystem: "ext4".to_owned(),
        build: "release".to_owned(),
    }
}

/// A run of these trials and a control, at a time of its own.
pub(super) fn run(started: &str, trials: &[Told]) -> Journal {
    let mut run = journal(&[trials, &[control()]].concat());
    run.header.machine = machine();
    run.header.started = started.to_owned();
    run
}

pub(super) fn ready(times: &[u64]) -> Vec<Told> {
    times.iter().map(|ms| faulted().ready(Some(*ms))).collect()
}

/// Judges new trials by stored ones.
fn against(base: &Journal, new: &Journal, gates: &[&str]) -> Verdict {
    let gates: Vec<Gate> = gates.iter().map(|text| gate(text)).collect();
    judge(&analyze(new), &gates, Some(&analyze(base)))
}

#[track_caller]
fn check_times(base: &[u64], new: &[u64], gate: &str, outcome: Outcome, said: &str) -> Verdict {
    let verdict = against(
        &run("then", &ready(base)),
        &run("now", &ready(new)),
        &[gate],
    );
    let reasons = verdict.reasons.join("\n");
    assert_eq!(verdict.outcome, outcome, "{reasons}");
    assert!(reasons.contains(said), "{reasons}");
    verdict
}

const READY: &str = "time_to_ready.median <= baseline";

#[test]
fn a_time_breaks_when_the_whole_shift_exceeds_what_is_allowed() {
    let base = [90, 95, 100, 105];
    check_times(
        &base,
        &[590, 595, 600, 605],
        READY,
        Outcome::Fail,
        "597.5 ms against 97.5 ms in the baseline, a difference of +500.0 ms [+485.0 ms, +515.0 ms], where \
         +19.5 ms is allowed",
    );
    check_times(&base, &[91, 94, 101, 104], READY, Outcome::Pass, "");
    check_times(&base, &[40, 45, 50, 55], READY, Outcome::Pass, "");
    // A baseline of a few ms is not allowed a hundred, nor one that scatters by a second.
    check_times(
        &[4, 5, 4, 5],
        &[80, 82, 81, 84],
        READY,
        Outcome::Fail,
        "where +10.0 ms is allowed",
    );
    check_times(
        &[100, 900, 500, 1_300],
        &[2_100, 2_900, 2_500, 3_300],
        READY,
        Outcome::Fail,
        "where +140.0 ms is allowed",
    );
    // +20 % of 2 s is more than all that.
    let slow = [1_900, 1_950, 1_910, 1_940];
    let slower = slow.map(|ms| ms + 300);
    check_times(&slow, &slower, READY, Outcome::Pass, "");
    let tight = "time_to_ready.median <= baseline + 100ms";
    check_times(&slow, &slower, tight, Outcome::Fail, "+100.0 ms is allowed");
    // What is written is all that is allowed.
    check_times(
        &base,
        &[98, 103, 108, 113],
        "time_to_ready.median <= baseline + 1ms",
        Outcome::Inconclusive,
        "",
    );
    let wide = "time_to_ready.median <= baseline + 600ms";
    check_times(&base, &[590, 595, 600, 605], wide, Outcome::Pass, "");
}

#[test]
fn a_shift_on_both_sides_of_what_is_allowed_says_how_many_trials_would_tell() {
    let verdict = check_times(
        &[90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101],
        &[120, 130, 150, 160, 170, 190, 205, 215],
        "time_to_ready.median <= baseline + 20% + 100ms",
        Outcome::Inconclusive,
        "lies on both sides of the allowed +100.0 ms; about 15 trials would tell, by an estimate",
    );
    assert_eq!(verdict.rounds_wanted(8), Some(7));
    // No number of trials here makes up for four of the baseline that lie so far apart.
    let verdict = check_times(
        &[50, 300, 600, 900],
        &[560, 561, 562, 563, 564, 565],
        READY,
        Outcome::Inconclusive,
        "the baseline's 4 trials are too few to tell, whatever is added here: measure it again",
    );
    assert_eq!(verdict.rounds_wanted(6), None);
    let verdict = check_times(
        &[90, 95, 100, 105],
        &[500, 510],
        READY,
        Outcome::Inconclusive,
        "from 2 trials against 4; it needs 4 here",
    );
    assert_eq!(verdict.rounds_wanted(2), Some(2));
    let verdict = check_times(
        &[90],
        &[90, 91, 92, 93],
        READY,
        Outcome::Inconclusive,
        "from 4 trials against 1; it needs 39 here",
    );
    assert_eq!(verdict.rounds_wanted(4), Some(35));
}

#[test]
fn a_loss_the_baseline_never_had_breaks_where_chance_does_not_explain_it() {
    let base = run("then", &ready(&[90, 95, 100]));
    let lost = [faulted().with(&[Fate::Lost, Fate::Finds(1), Fate::Finds(1)])];
    let verdict = against(&base, &run("now", &lost), &["lost_sessions <= baseline"]);
    check(
        &verdict,
        Outcome::Inconclusive,
        &[
            "first: lost_sessions <= baseline cannot be judged: 1 of 3, in 1 of 1 crashes, and in none of 3 of the \
           baseline: the same server shows that in 25 % of runs; 3 crashes would tell, if it goes on so",
        ],
    );
    assert_eq!(verdict.rounds_wanted(1), Some(2));
    let lossy = [lost[0].clone(), lost[0].clone(), lost[0].clone()];
    let verdict = against(&base, &run("now", &lossy), &["lost_sessions <= baseline"]);
    check(
        &verdict,
        Outcome::Fail,
        &[
            "first: lost_sessions <= baseline is broken: 3 of 9, in 3 of 3 crashes, and in none of 3 of the baseline",
        ],
    );
    let always = run(
        "then",
        &[
            faulted().with(&[Fate::Lost; 3]),
            lost[0].clone(),
            lost[0].clone(),
            lost[0].clone(),
        ],
    );
    let new = run("now", &vec![faulted(); 4]);
    let verdict = against(&always, &new, &["lost_sessions <= baseline"]);
    check(&verdict, Outcome::Pass, &[]);
}

#[test]
fn a_baseline_of_another_machine_plan_or_run_does_not_count() {
    type Spoil = fn(&mut Journal);
    let cases: [(Spoil, &str); 9] = [
        (
            |base| base.header.machine.processor = "Other".to_owned(),
            "another machine: processor 'Other' then, 'Example' now",
        ),
        (
            |base| base.header.machine.system = String::new(),
            "the system is not known",
        ),
        (|base| base.header.plan.load.rate = 7.0, "its load differs"),
        (
            |base| base.header.plan.windows.settle = Span::from_secs(9),
            "the length of its windows differs",
        ),
        (
            |base| base.header.plan.storm = Some(Storm::default()),
            "whether it is a storm differs",
        ),
        (
            |base| base.header.plan.faults[0].jitter = Span::ZERO,
            "its fault differs",
        ),
        (
            |base| base.header.plan.arms[0].target.restart_after = Span::from_secs(1),
            "the pause before its restart differs",
        ),
        (
            |base| drop(base.events.pop()),
            "the journal ends before the run does",
        ),
        (
            |base| base.header.started = "now".to_owned(),
            "it is this very run",
        ),
    ];
    let new = run("now", &ready(&[90, 95, 100, 105]));
    for (spoil, said) in cases {
        let mut base = run("then", &ready(&[90, 95, 100, 105]));
        spoil(&mut base);
        let verdict = against(&base, &new, &[READY]);
        let reasons = verdict.reasons.join("\n");
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{said}");
        assert!(
            reasons.contains(said) && reasons.contains("--remeasure"),
            "{reasons}"
        );
        // What is known before the run starts is told then.
        let before = objections(&new.header, &analyze(&base)).join("\n");
        assert!(before.contains(said), "{before}");
    }
    let whole = run("then", &ready(&[90, 95, 100, 105]));
    assert!(objections(&new.header, &analyze(&whole)).is_empty());
}

#[test]
fn a_server_that_another_command_ends_is_no_baseline() {
    let ended_by = |port: u16, how: &str| {
        Some(External {
            by: IdentifiedBy::Port,
            port,
            restart: None,
            kill: Some(vec!["./end".to_owned(), how.to_owned(), port.to_string()]),
        })
    };
    let earlier = |how: &str| {
        let [base, new] = ["then", "now"].map(|started| {
            let mut run = run(started, &ready(&[90, 95, 100, 105]));
            let how = if started == "then" { how } else { "hard" };
            run.header.plan.arms[0].target.external = ended_by(8_080, how);
            run
        });
        let verdict = against(&base, &new, &[READY]);
        (verdict.outcome, verdict.reasons.join("\n"))
    };
    assert_eq!(earlier("hard").0, Outcome::Pass);
    let (outcome, reasons) = earlier("soft");
    assert_eq!(outcome, Outcome::Inconclusive);
    let said = "the command that ends it differs";
    assert!(reasons.contains(said), "{reasons}");
    let beside = |how: &str| {
        let trials = (0..8).map(|place| Told {
            arm: place % 2,
            ..faulted()
        });
        let controls = [0, 1].map(|arm| Told { arm, ..control() });
        let mut run = journal(&trials.chain(controls).collect::<Vec<_>>());
        let arms = &mut run.header.plan.arms;
        arms[0].baseline = Some(arms[1].name.clone());
        arms[0].target.external = ended_by(8_080, "hard");
        arms[1].target.external = ended_by(8_081, how);
        let verdict = verdict_on(&run, &[READY]);
        (verdict.outcome, verdict.reasons.join("\n"))
    };
    assert_eq!(beside("hard").0, Outcome::Pass);
    let (outcome, reasons) = beside("soft");
    assert_eq!(outcome, Outcome::Inconclusive);
    let said = "is ended by another command (external.kill), which is another fault";
    assert!(reasons.contains(said), "{reasons}");
}

#[test]
fn memory_may_differ_by_a_percent_and_nothing_else_at_all() {
    let with = |memory_mib| Machine {
        memory_mib,
        ..machine()
    };
    assert!(machine_differences(&machine(), &with(8_079)).is_empty());
    assert_eq!(
        machine_differences(&machine(), &with(8_100)),
        ["8000 MiB then, 8100 MiB now"]
    );
    let fewer = Machine {
        cores: 2,
        ..machine()
    };
    assert_eq!(
        machine_differences(&machine(), &fewer),
        ["4 cores then, 2 now"]
    );
}

/// Two arms of one run, the first compared with the second.
fn paired(new: &[u64], base: &[u64]) -> Analysis {
    let of_arm = |arm: u32, times: &[u64]| {
        let mut trials = ready(times);
        trials.push(control());
        for trial in &mut trials {
            trial.arm = arm;
        }
        trials
    };
    let mut run = journal(&[of_arm(0, new), of_arm(1, base)].concat());
    run.header.plan.arms[0].baseline = Some("second".to_owned());
    analyze(&run)
}

#[test]
fn an_arm_of_the_same_run_is_a_baseline_on_any_machine_and_is_not_asked_itself() {
    let verdict = judge(
        &paired(&[600, 610, 620, 630], &[90, 95, 100, 105]),
        &[gate(READY)],
        None,
    );
    assert_eq!(verdict.outcome, Outcome::Fail, "{:?}", verdict.reasons);
    assert_eq!(verdict.checks.len(), 1);
    let verdict = judge(
        &paired(&[91, 95, 99, 105], &[90, 95, 100, 106]),
        &[gate(READY)],
        None,
    );
    assert_eq!(verdict.outcome, Outcome::Pass, "{:?}", verdict.reasons);
    // Both grow when trials are added.
    let verdict = judge(&paired(&[91, 95], &[90, 95]), &[gate(READY)], None);
    assert_eq!(verdict.rounds_wanted(2), Some(2), "{:?}", verdict.reasons);
}

#[test]
fn a_revision_that_is_a_baseline_is_asked_no_gate_and_another_arm_is() {
    let mut analysis = paired(&[91, 95, 99, 105], &[600, 610, 620, 630]);
    let demanded = [gate("unrecovered == 0"), gate("time_to_ready.max < 500ms")];
    let asked = |analysis: &Analysis| {
        let verdict = judge(analysis, &demanded, None);
        let arms = verdict.checks.into_iter().map(|check| check.arm);
        (verdict.outcome, arms.collect::<Vec<_>>())
    };
    let (outcome, arms) = asked(&analysis);
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(arms, ["first", "first", "second", "second"]);
    analysis.header.plan.arms[1].revision = Some("1a2b3c4".to_owned());
    assert_eq!(
        asked(&analysis),
        (Outcome::Pass, vec!["first".to_owned(), "first".to_owned()])
    );
}

#[test]
fn a_plan_whose_gates_need_a_baseline_says_which_arm_has_none() {
    let mut plan: Plan = journal(&[
        faulted(),
        Told {
            arm: 1,
            ..faulted()
        },
    ])
    .header
    .plan;
    assert_eq!(arm_without_baseline(&plan), None, "no gate asks for one");
    plan.gates = vec![gate(READY)];
    assert_eq!(arm_without_baseline(&plan), Some("first"));
    plan.arms[0].baseline = Some("second".to_owned());
    assert_eq!(arm_without_baseline(&plan), None);
    let verdict = judge(
        &analyze(&journal(&[faulted(), control()])),
        &[gate(READY)],
        None,
    );
    assert!(
        verdict.reasons[0].contains("there is no baseline: name an earlier run (--baseline RUN)")
    );
}

#[test]
fn an_arm_whose_faults_met_no_write_is_not_called_no_worse_than_its_baseline() {
    let base = run("then", &[faulted()]);
    let mut new = run("now", &[faulted()]);
    let gates = ["lost_sessions <= baseline", "lost_writes <= baseline"];
    check(&against(&base, &new, &gates), Outcome::Pass, &[]);
    // The sessions' own writes come before the baseline; only the last is one that the fault meets.
    let acts = new.operations.iter_mut();
    acts.filter(|op| op.step == Step::Act && op.client.0 >= 1_000)
        .for_each(|op| op.step = Step::Check);
    let reasons = gates.map(|gate| {
        format!(
            "first: {gate} cannot be judged: no write was in flight at the only fault: raise the rate or the number of \
             sessions, or have the fault come within a request"
        )
    });
    let reasons = reasons.each_ref().map(String::as_str);
    check(
        &against(&base, &new, &gates),
        Outcome::Inconclusive,
        &reasons,
    );
}

#[test]
fn an_arm_is_not_called_worse_than_a_baseline_whose_faults_met_no_write() {
    let lost = faulted().with(&[Fate::Lost, Fate::Finds(1), Fate::Finds(1)]);
    let new = run("now", &[lost.clone(), lost.clone(), lost]);
    let mut base = run("then", &[faulted(), faulted(), faulted()]);
    let gate = ["lost_sessions <= baseline"];
    assert_eq!(against(&base, &new, &gate).outcome, Outcome::Fail);
    let idle = |run: &mut Journal| {
        let acts = run.operations.iter_mut();
        acts.filter(|op| op.step == Step::Act && op.client.0 >= 1_000)
            .for_each(|op| op.step = Step::Check);
    };
    idle(&mut base);
    let reasons = [
        "first: lost_sessions <= baseline cannot be judged: 3 of 9, in 3 of 3 crashes, and in none of 3 of the baseline; \
         in the baseline no write was in flight at any of 3 faults: raise the rate or the number of sessions, or have the \
         fault come within a request",
    ];
    check(
        &against(&base, &new, &gate),
        Outcome::Inconclusive,
        &reasons,
    );
}

/// Sessions that live in memory are lost by each kill, whether it meets a write or not: where it met none in the arm either, the same
/// kills are compared.
#[test]
fn an_arm_is_called_worse_for_what_it_lost_where_its_faults_met_no_write_either() {
    let lost = faulted().with(&[Fate::Lost, Fate::Finds(1), Fate::Finds(1)]);
    let mut new = run("now", &vec![lost.clone(); 6]);
    let mut base = run("then", &[faulted(), faulted(), faulted()]);
    let idle = |run: &mut Journal, trials: std::ops::RangeInclusive<u32>| {
        let acts = run.operations.iter_mut();
        acts.filter(|op| op.step == Step::Act && op.client.0 >= 1_000)
            .filter(|op| trials.contains(&op.trial.0))
            .for_each(|op| op.step = Step::Check);
    };
    let trials: BTreeSet<u32> = new.operations.iter().map(|op| op.trial.0).collect();
    let (first, last) = (*trials.first().unwrap(), *trials.last().unwrap());
    idle(&mut base, 0..=u32::MAX);
    let gate = ["lost_sessions <= baseline"];
    idle(&mut new, first..=first + 1);
    assert_eq!(
        against(&base, &new, &gate).outcome,
        Outcome::Inconclusive,
        "two of them are too few"
    );
    idle(&mut new, first..=last - 1);
    assert_eq!(against(&base, &new, &gate).outcome, Outcome::Fail);
}
