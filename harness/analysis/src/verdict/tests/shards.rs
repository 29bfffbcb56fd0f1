//! Runs that were split: parts that are no run, and arms that are compared within a shard.

use comeback_model::journal::Machine;
use comeback_model::shard::{HeldShard, Shards};

use super::baseline::ready;
use super::*;
use crate::measure::Analysis;
use crate::verdict::Check;

/// The trials of two arms, the first compared with the second, of shards with so many times (of the first, of the second) in ms each.
fn shards(times: &[(&[u64], &[u64])]) -> Analysis {
    let second = |told: Told| Told { arm: 1, ..told };
    let (mut trials, mut of) = (Vec::new(), Vec::new());
    for (shard, (new, base)) in (1..).zip(times) {
        let more = ready(new)
            .into_iter()
            .chain(ready(base).into_iter().map(second));
        trials.extend(more);
        of.resize(trials.len(), shard);
    }
    trials.extend([control(), second(control())]);
    of.resize(trials.len(), 1);
    let mut run = journal(&trials);
    run.header.plan.arms[0].baseline = Some("second".to_owned());
    let mut analysis = analyze(&run);
    let all = analysis.arms.iter_mut().flat_map(|arm| &mut arm.trials);
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|trial| trial.id);
    for (trial, shard) in all.into_iter().zip(of) {
        trial.shard = Some(shard);
    }
    analysis
}

/// What a gate comes to.
fn asked(analysis: &Analysis, text: &str) -> Check {
    let verdict = judge(analysis, &[gate(text)], None);
    let mut checks = verdict.checks.into_iter();
    let check = checks.find(|check| check.gate == text);
    check.unwrap_or_else(|| panic!("{:?}", verdict.reasons))
}

const READY: &str = "time_to_ready.median <= baseline";

#[test]
fn what_a_slow_machine_adds_to_both_arms_makes_none_worse() {
    // Four of five of the first arm's trials are on the slow machine, and one of five of the other's.
    let uneven = shards(&[
        (&[101], &[100, 102, 98, 103]),
        (&[900, 902, 898, 903], &[901]),
    ]);
    let check = asked(&uneven, READY);
    assert_ne!(check.outcome, Outcome::Fail, "{:?}", check.detail);
    // The same trials as if they were of one machine.
    let mut pooled = uneven;
    for trial in pooled.arms.iter_mut().flat_map(|arm| &mut arm.trials) {
        trial.shard = None;
    }
    let check = asked(&pooled, READY);
    assert_ne!(check.outcome, Outcome::Pass, "{:?}", check.detail);
}

#[test]
fn what_is_worse_on_each_machine_is_worse_and_what_is_the_same_on_each_is_not() {
    let of = |added: u64| {
        let on = |machine: u64| [0, 3, 5, 8].map(|noise| machine + noise);
        let [a, b, c] = [100, 500, 900].map(on);
        let [new_a, new_b, new_c] = [a, b, c].map(|times| times.map(|ms| ms + added));
        asked(
            &shards(&[(&new_a, &a), (&new_b, &b), (&new_c, &c)]),
            "time_to_ready.median <= baseline + 60ms",
        )
    };
    let worse = of(200);
    assert_eq!(worse.outcome, Outcome::Fail, "{:?}", worse.detail);
    let detail = worse.detail.unwrap_or_default();
    assert!(detail.contains("a difference of +200.0 ms"), "{detail}");
    assert_eq!(of(0).outcome, Outcome::Pass);
}

#[test]
fn what_a_slow_machine_allows_is_not_allowed_on_a_fast_one() {
    let on = |machine: u64| [0, 3, 5, 8].map(|noise| machine + noise);
    // As fast as before on three slow machines, and five times as slow on two fast ones.
    let (slow, fast, slower) = (on(2_000), on(50), on(250));
    let check = asked(
        &shards(&[
            (&slow, &slow),
            (&slow, &slow),
            (&slow, &slow),
            (&slower, &fast),
            (&slower, &fast),
        ]),
        "time_to_ready.median <= baseline + 20%",
    );
    assert_ne!(check.outcome, Outcome::Pass, "{:?}", check.detail);
}

#[test]
fn a_part_without_a_control_trial_blames_no_fault() {
    let verdict = |with: &[Told], text: &str| {
        let trials = [&[faulted().with(&[Fate::Lost])], with].concat();
        let mut run = journal(&trials);
        let held = HeldShard {
            index: 2,
            started: String::new(),
            machine: Machine::default(),
        };
        run.header.shards = Shards::new(4, vec![held]).ok();
        asked(&analyze(&run), text).outcome
    };
    let gate = "lost_sessions == 0";
    assert_eq!(verdict(&[control()], gate), Outcome::Fail);
    assert_eq!(verdict(&[], gate), Outcome::Inconclusive);
}

#[test]
fn machines_with_too_few_pairs_tell_nothing() {
    let check = asked(&shards(&[(&[100], &[100]), (&[200], &[200])]), READY);
    assert_eq!(check.outcome, Outcome::Inconclusive);
    let detail = check.detail.unwrap_or_default();
    assert!(detail.contains("compared within 2 shards"), "{detail}");
}

#[test]
fn rates_of_arms_are_not_compared_over_machines() {
    let even: &[u64] = &[100, 101, 102, 103];
    let check = asked(
        &shards(&[(even, even), (even, even)]),
        "availability >= baseline - 50%",
    );
    assert_eq!(check.outcome, Outcome::Inconclusive);
    let detail = check.detail.unwrap_or_default();
    assert!(detail.contains("on one machine alone"), "{detail}");
}

#[test]
fn rates_are_not_compared_where_only_the_baseline_is_of_several_machines() {
    let even: &[u64] = &[100, 101, 102, 103];
    for metric in ["availability >= baseline - 50%", "drain_failed <= baseline"] {
        let check = asked(&shards(&[(even, even), (&[], even)]), metric);
        assert_eq!(check.outcome, Outcome::Inconclusive, "{metric}");
        let detail = check.detail.unwrap_or_default();
        assert!(
            detail.contains("on one machine alone"),
            "{metric}: {detail}"
        );
    }
}

#[test]
fn every_gate_of_a_part_is_open_but_a_count_that_is_broken_for_good() {
    let gates = [
        ("lost_sessions == 0", Outcome::Fail),
        ("lost_sessions <= 1", Outcome::Inconclusive),
        ("lost_sessions == 5", Outcome::Inconclusive),
        ("duplicated_writes == 0", Outcome::Inconclusive),
        ("time_to_ready.max < 1ms", Outcome::Inconclusive),
        ("time_to_ready.median < 1ms", Outcome::Inconclusive),
        ("time_to_ready.median < 1m", Outcome::Inconclusive),
    ];
    let mut trials: Vec<Told> = ready(&[100; 6]);
    trials.push(faulted().with(&[Fate::Lost]));
    trials.push(control());
    let mut run = journal(&trials);
    run.header.shards = Shards::new(
        4,
        vec![HeldShard {
            index: 2,
            started: String::new(),
            machine: Machine::default(),
        }],
    )
    .ok();
    let planned: Vec<_> = run.header.schedule.trials.clone();
    run.header.schedule.trials = planned.into_iter().take(trials.len()).collect();
    let mut analysis = analyze(&run);
    analysis.incomplete = None;
    for (text, outcome) in gates {
        let check = asked(&analysis, text);
        assert_eq!(check.outcome, outcome, "{text}: {:?}", check.detail);
        assert_eq!(check.more_trials, None, "{text}");
    }
    let verdict = judge(&analysis, &[], None);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(
        verdict.headline.contains("this is shard 2 of 4"),
        "{}",
        verdict.headline
    );
}
