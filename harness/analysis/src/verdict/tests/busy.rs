//! Gates on what a busy machine showed: times are the most that there may be, and counts are what they are.

use comeback_model::event::{Event, EventKind};
use comeback_model::ids::TrialId;
use comeback_model::plan::{External, IdentifiedBy};
use comeback_model::units::Elapsed;

use super::*;

/// So many sound trials of an arm, ready after 98 ms, and a control trial; in the first `busy` of them a fifth of the cores was stolen.
fn trials(busy: u64, all: u64, told: impl Fn() -> Told) -> Journal {
    let trials: Vec<Told> = (0..all).map(|_| told()).collect();
    stolen(with_control(&trials), |trial| trial < busy)
}

fn stolen(mut journal: Journal, is_busy: impl Fn(u64) -> bool) -> Journal {
    let ends = journal.events.iter().enumerate();
    let ends = ends.filter(|(_, event)| event.kind == EventKind::TrialEnded);
    let ends: Vec<(usize, Elapsed, TrialId)> = ends
        .filter_map(|(place, event)| Some((place, event.at, event.trial?)))
        .filter(|(_, _, trial)| is_busy(u64::from(trial.0)))
        .collect();
    for (place, at, trial) in ends.into_iter().rev() {
        let kind = EventKind::CoresShared {
            since_us: Elapsed::from_us(0),
            wanted_us: 1_000_000,
            stolen_us: 200_000,
            waited_us: None,
        };
        let event = Event {
            at,
            trial: Some(trial),
            kind,
        };
        journal.events.insert(place, event);
    }
    journal
}

fn judged(journal: &Journal, text: &str, outcome: Outcome, said: &str) {
    check_gate_on(&analyze(journal), text, outcome, said);
}

const BUSY: &str = "this machine was too busy to judge times: run it again on a quiet one";

#[test]
fn a_time_that_a_busy_machine_showed_is_the_most_that_there_may_be() {
    let one = trials(1, 6, faulted);
    // Even with what the machine added it holds, so it holds.
    judged(&one, "time_to_ready.median < 99ms", Outcome::Pass, "");
    judged(&one, "time_to_ready.max < 99ms", Outcome::Pass, "");
    let all = trials(6, 6, faulted);
    judged(&all, "time_to_ready.median < 99ms", Outcome::Pass, "");
    judged(&all, "latency.before.p99 < 2ms", Outcome::Pass, "");
}

#[test]
fn no_time_of_a_busy_machine_breaks_a_gate_or_shows_that_something_is_slow() {
    let all = trials(6, 6, faulted);
    for gate in ["time_to_ready.median < 50ms", "time_to_ready.median > 50ms"] {
        let analysis = analyze(&all);
        let gates = [self::gate(gate), self::gate("unrecovered == 0")];
        let verdict = judge(&analysis, &gates, None);
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{gate}");
        let [reason] = verdict.reasons.as_slice() else {
            panic!("{gate}: {:?}", verdict.reasons);
        };
        assert!(
            reason.contains(&format!("in 6 of 6 trials {BUSY}")),
            "{reason}"
        );
    }
    // Twelve quiet trials say it whatever the busy one would have shown.
    let one = trials(1, 13, faulted);
    let said = "98.0 ms";
    judged(&one, "time_to_ready.median < 50ms", Outcome::Fail, said);
}

#[test]
fn of_times_that_a_busy_machine_may_make_shorter_nothing_is_known() {
    let all = trials(6, 6, faulted);
    let told = format!("in 6 of 6 trials {BUSY}");
    for gate in [
        "time_to_detect.max < 1h",
        "time_to_steady.median < 1h",
        "outage_area.median < 1000s",
    ] {
        judged(&all, gate, Outcome::Inconclusive, &told);
    }
    // Who starts the server waits for the harness to see its end, or does not.
    let external = |restart: Option<&str>| {
        let mut journal = all.clone();
        journal.header.plan.arms[0].target.external = Some(External {
            by: IdentifiedBy::Port,
            port: 8_080,
            restart: restart.map(|word| vec![word.to_owned()]),
            kill: None,
        });
        journal
    };
    let (by_us, by_others) = (external(Some("./start")), external(None));
    for gate in ["time_to_restart.max < 1h", "time_to_ready.median < 99ms"] {
        judged(&by_us, gate, Outcome::Pass, "");
        judged(&by_others, gate, Outcome::Inconclusive, &told);
    }
    judged(&by_others, "outage.median < 1h", Outcome::Pass, "");
}

#[test]
fn a_trial_of_which_nothing_is_known_is_not_left_to_the_others() {
    let unnoticed = || Told {
        noticed: false,
        ..faulted()
    };
    for told in [faulted as fn() -> Told, unnoticed] {
        let analysis = analyze(&trials(1, 7, told));
        let gates = [gate("time_to_detect.max < 1h"), gate("unrecovered == 0")];
        let verdict = judge(&analysis, &gates, None);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        let [reason] = verdict.reasons.as_slice() else {
            panic!("{:?}", verdict.reasons);
        };
        assert!(reason.ends_with(BUSY), "{reason}");
    }
}

#[test]
fn losses_of_a_busy_machine_are_judged() {
    let lossy = || faulted().with(&[Fate::Lost, Fate::Finds(1), Fate::Finds(1)]);
    let sound = verdict_on(
        &trials(6, 6, faulted),
        &["lost_sessions == 0", "unrecovered == 0"],
    );
    check(&sound, Outcome::Pass, &[]);
    let lossy = verdict_on(&trials(6, 6, lossy), &["lost_sessions == 0"]);
    assert_eq!(lossy.outcome, Outcome::Fail, "{:?}", lossy.reasons);
}

#[test]
fn a_busy_machine_compares_no_times() {
    let two_arms = |busy: bool| {
        let mut told: Vec<Told> = (0..12)
            .map(|place| Told {
                arm: place % 2,
                ..faulted().ready(Some(if place % 2 == 0 { 300 } else { 98 }))
            })
            .collect();
        told.push(control());
        stolen(journal(&told), |trial| busy && trial < 12)
    };
    let outcome = |busy| {
        let mut journal = two_arms(busy);
        journal.header.plan.arms[0].baseline = Some(journal.header.plan.arms[1].name.clone());
        let gates = ["time_to_ready.median <= baseline"];
        verdict_on(&journal, &gates)
    };
    let quiet = outcome(false);
    assert_eq!(quiet.outcome, Outcome::Fail, "{:?}", quiet.reasons);
    let busy = outcome(true);
    assert_eq!(busy.outcome, Outcome::Inconclusive, "{:?}", busy.reasons);
    assert!(
        busy.reasons.iter().any(|reason| reason.contains(BUSY)),
        "{:?}",
        busy.reasons
    );
}

#[test]
fn late_replies_of_a_busy_machine_neither_break_a_comparison_nor_have_it_hold() {
    let told: Vec<Told> = (0..12)
        .map(|place| Told {
            arm: place % 2,
            ..faulted()
        })
        .chain([0, 1].map(|arm| Told { arm, ..control() }))
        .collect();
    let mut journal = journal(&told);
    journal.header.plan.arms[0].baseline = Some(journal.header.plan.arms[1].name.clone());
    // Half of what is correct in an arm is late.
    let verdict = |late: usize, busy: bool| {
        let mut analysis = analyze(&journal);
        let trials = analysis.arms[late].trials.iter_mut();
        for trial in trials.filter(|trial| !trial.control) {
            trial.availability.met = trial.availability.correct / 2;
            trial.busy = busy.then(|| BUSY.to_owned());
        }
        if late == 1 {
            // Between the baseline as it is, and as it would be in time.
            for trial in analysis.arms[0].trials.iter_mut() {
                trial.availability.met = trial.availability.correct * 3 / 4;
            }
        }
        judge(&analysis, &[gate("availability >= baseline")], None)
    };
    let of_the_arm = |busy| verdict(0, busy).outcome;
    assert_eq!(
        (of_the_arm(false), of_the_arm(true)),
        (Outcome::Fail, Outcome::Inconclusive)
    );
    let of_the_base = |busy| verdict(1, busy).outcome;
    assert_eq!(
        (of_the_base(false), of_the_base(true)),
        (Outcome::Pass, Outcome::Inconclusive)
    );
    // What real errors decide is not left open for a late reply.
    let beside_errors = |failing: usize, share: u64| {
        let mut analysis = analyze(&journal);
        for (place, arm) in analysis.arms.iter_mut().enumerate() {
            for trial in arm.trials.iter_mut().filter(|trial| !trial.control) {
                let all = trial.availability.scheduled;
                let served = if place == failing {
                    all - all * share / 100
                } else {
                    all
                };
                (trial.availability.met, trial.availability.correct) = (served, served);
            }
        }
        let late = &mut analysis.arms[failing].trials[0];
        late.availability.met -= 1;
        late.busy = Some(BUSY.to_owned());
        judge(&analysis, &[gate("availability >= baseline")], None).outcome
    };
    assert_eq!(beside_errors(1, 10), Outcome::Pass);
    assert_eq!(beside_errors(0, 50), Outcome::Fail);
    let reasons = verdict(1, true).reasons;
    assert!(
        reasons[0].ends_with(&format!("in 6 of 12 trials {BUSY}")),
        "{reasons:?}"
    );
}
