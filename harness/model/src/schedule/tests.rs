//! What a plan is expanded to.

use super::*;
use crate::journal::Machine;
use crate::operation::Step;
use crate::plan::{Aim, Fault, Load, test_plan};
use crate::shard::HeldShard;
use proptest::prelude::*;

fn stream(load: &Load, seed: u64, worker: u32, count: usize) -> Vec<Arrival> {
    ArrivalStream::new(load, Seed(seed), worker)
        .take(count)
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let plan = test_plan();
    let bytes = |seed| serde_json::to_string(&expand(&plan, Seed(seed))).expect("serializes");
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

#[test]
fn a_run_that_is_split_has_the_same_trials_and_spares_for_each_shard() {
    let mut plan = test_plan();
    (plan.trials, plan.replacements) = (11, 3);
    let whole = expand(&plan, Seed(7));
    let split = expand_split(&plan, Seed(7), 4);
    assert_eq!(split.trials, whole.trials);
    assert_eq!(split.spares[..whole.spares.len()], whole.spares);
    let rounds = whole.trials.len() / plan.arms.len();
    assert_eq!(rounds as u32, plan.rounds());
    for index in 1..=4 {
        let held = HeldShard {
            index,
            started: String::new(),
            machine: Machine::default(),
        };
        let shards = Shards::new(4, vec![held]).expect("it is one");
        let own = split.clone().of_shards(&shards, plan.in_each_round());
        let each = own.spares.len() / plan.arms.len();
        assert_eq!(
            each as u32,
            plan.replacements.min(plan.rounds().div_ceil(4))
        );
    }
}

#[test]
fn what_an_act_draws_from_two_is_each_of_them_as_often() {
    let plan = test_plan();
    let draw = |seed| {
        let trials = expand(&plan, Seed(seed)).trials;
        let trial = trials.iter().find(|trial| !trial.is_control());
        let mut draws = trial?.draws(FaultId::FIRST, Node::Replica(0));
        Some(draws.below(2))
    };
    let ones = (0..400).filter(|seed| draw(*seed) == Some(1)).count();
    assert!((150..=250).contains(&ones), "{ones}");
}

#[test]
fn a_seed_keeps_its_meaning_from_version_to_version() {
    let plan = test_plan();
    let first = expand(&plan, Seed(1)).trials[0].clone();
    assert_eq!(
        serde_json::to_string(&first).expect("serializes"),
        r#"{"id":1,"arm":1,"faults":[{"fault":0,"after":"76326us","nodes":["replica-0"]}],"load_seed":16136862674430550035}"#
    );
    let arrival = stream(&plan.load, 1, 0, 1)[0];
    assert_eq!(
        (arrival.at.as_us(), arrival.client.0, arrival.step),
        (9100, 0, Step::Act)
    );
}

#[test]
fn a_schedule_lasts_at_least_as_long_as_its_windows() {
    let plan = test_plan();
    let schedule = expand(&plan, Seed(1));
    let after: u64 = schedule
        .trials
        .iter()
        .filter_map(|trial| Some(trial.faults.first()?.after.as_us()))
        .sum();
    // 2 arms, each with 3 trials and a control, of 200 + 1,000 + 1,000 ms.
    // A control trial lasts as long as the latest moment allows.
    let controls = schedule.trials.iter().filter(|trial| trial.is_control());
    let latest = controls.count() as u64 * plan.first_fault().jitter.as_us();
    assert_eq!(
        schedule.least_length(&plan).as_us(),
        8 * 2_200_000 + after + latest
    );
}

#[test]
fn another_fault_changes_no_draw_but_its_own() {
    let one = Plan {
        extend_to: 5,
        replacements: 1,
        ..test_plan()
    };
    let mut three = one.clone();
    for after in [Span::from_ms(40), Span::ZERO] {
        three.faults.push(Fault {
            after,
            aim: Aim::AnyReplica,
            ..test_plan().first_fault().clone()
        });
    }
    for arm in &mut three.arms {
        arm.replicas = 4;
    }
    let (of_one, of_three) = (expand(&one, Seed(5)), expand(&three, Seed(5)));
    let all = |schedule: &Schedule| {
        let trials = schedule.trials.iter().chain(&schedule.further);
        trials.chain(&schedule.spares).cloned().collect::<Vec<_>>()
    };
    let (mut differ, mut aims) = (0, BTreeSet::new());
    for (mut alone, with) in all(&of_one).into_iter().zip(all(&of_three)) {
        assert_eq!(alone.is_control(), with.is_control());
        let Some(first) = with.faults.first() else {
            assert_eq!(alone, with);
            continue;
        };
        assert_eq!(first.after, alone.faults[0].after);
        assert_eq!(with.faults.len(), 3);
        let jitter = three.first_fault().jitter;
        for (planned, fault) in with.faults.iter().zip(&three.faults).skip(1) {
            let earliest = first.after + fault.after;
            assert!(planned.after >= earliest && planned.after < earliest + jitter);
            differ += u32::from(planned.nodes != first.nodes);
            aims.insert(with.aim(planned.fault).1.to_bits());
        }
        assert_eq!(with.aim(FaultId::FIRST), alone.aim(FaultId::FIRST));
        alone.faults.clone_from(&with.faults);
        assert_eq!(alone, with);
    }
    // Each fault draws its own victim and its own moment within a write.
    assert!(differ > 5, "{differ}");
    assert!(aims.len() > 20, "{}", aims.len());
}

#[test]
fn a_schedule_of_an_older_journal_has_the_nodes_that_its_plan_aims_at() {
    let plan = Plan {
        faults: vec![Fault {
            aim: Aim::AnyReplica,
            ..test_plan().first_fault().clone()
        }],
        ..test_plan()
    };
    let mut plan = plan;
    for arm in &mut plan.arms {
        arm.replicas = 3;
    }
    let today = expand(&plan, Seed(9));
    let mut stored = serde_json::to_value(&today).expect("serializes");
    for trial in stored["trials"].as_array_mut().expect("a list") {
        let faults = trial.as_object_mut().expect("a trial").remove("faults");
        trial["fault_after"] = match faults {
            Some(faults) => faults[0]["after"].clone(),
            None => serde_json::Value::Null,
        };
    }
    let mut read: Schedule = serde_json::from_value(stored).expect("is read");
    read.add_nodes(&plan);
    assert_eq!(read, today);
}

#[test]
fn the_event_that_a_fault_waits_for_is_drawn_for_each_trial_from_its_range() {
    let nth = Nth { least: 3, most: 40 };
    let schedule = expand(&test_plan(), Seed(5));
    let is_faulted = |trial: &&PlannedTrial| !trial.is_control();
    let trial = schedule
        .trials
        .iter()
        .find(is_faulted)
        .expect("a trial with a fault");
    let drawn = |seed| {
        let trial = PlannedTrial {
            load_seed: Seed(seed),
            ..trial.clone()
        };
        [FaultId(0), FaultId(1)].map(|fault| trial.nth(fault, nth))
    };
    let control = PlannedTrial {
        faults: Vec::new(),
        ..trial.clone()
    };
    assert_eq!(control.nth(FaultId::FIRST, nth), 40);
    let all: BTreeSet<u32> = (0..600).flat_map(drawn).collect();
    assert_eq!(all, (3..=40).collect());
    assert!((0..9).any(|seed| drawn(seed)[0] != drawn(seed)[1]));
    assert_eq!(drawn(7), drawn(7));
    assert_eq!(trial.nth(FaultId::FIRST, Nth { least: 8, most: 8 }), 8);
}

#[test]
fn the_faults_of_an_arm_take_turns_whatever_controls_lie_between_and_the_first_is_within_a_request()
{
    let plan = Plan {
        extend_to: 6,
        ..test_plan()
    };
    for seed in 0..20 {
        let schedule = expand(&plan, Seed(seed));
        let all = || schedule.trials.iter().chain(&schedule.further);
        for arm in [ArmId(0), ArmId(1)] {
            let faulted = all().filter(|trial| trial.arm == arm && !trial.is_control());
            let marks: Vec<Mark> = faulted.map(|trial| trial.aim(FaultId::FIRST).0).collect();
            assert_eq!(marks, [Mark::Request, Mark::Reply].repeat(3));
        }
    }
}

#[test]
fn further_rounds_are_taken_whole_and_as_many_as_are_left() {
    let plan = Plan {
        extend_to: 6,
        ..test_plan()
    };
    let schedule = expand(&plan, Seed(3));
    let ids =
        |trials: &[PlannedTrial]| -> Vec<u32> { trials.iter().map(|trial| trial.id.0).collect() };
    let (first, rest) = split_rounds(&schedule.further, 2);
    assert_eq!(ids(first), [9, 10, 11, 12]);
    let (last, none) = split_rounds(rest, 2);
    assert_eq!((ids(last), ids(none)), (vec![13, 14], vec![]));
    assert_eq!(split_rounds(&schedule.further, u32::MAX).0.len(), 6);
}

#[test]
fn spare_trials_are_drawn_behind_all_others_and_declaring_them_changes_none() {
    let declared = Plan {
        extend_to: 5,
        ..test_plan()
    };
    let spared = Plan {
        replacements: 2,
        ..declared.clone()
    };
    let (without, with) = (expand(&declared, Seed(3)), expand(&spared, Seed(3)));
    assert_eq!(
        (&with.trials, &with.further),
        (&without.trials, &without.further)
    );
    // Two arms with three trials, a control and two further ones each.
    let ids: Vec<u32> = with.spares.iter().map(|spare| spare.id.0).collect();
    assert_eq!(ids, [13, 14, 15, 16]);
    for round in with.spares.chunks(2) {
        assert_ne!(round[0].arm, round[1].arm);
    }
    assert_eq!(expand(&spared, Seed(3)), with);
}

#[test]
fn a_skipped_arm_has_no_trials() {
    let mut plan = test_plan();
    plan.arms[0].skip = Some("not here".into());
    assert!(
        expand(&plan, Seed(3))
            .trials
            .iter()
            .all(|trial| trial.arm != ArmId(0))
    );
}

proptest! {
    #[test]
    fn further_rounds_are_drawn_behind_all_others(
        seed: u64, trials in 1u32..6, controls in 0u32..3, more in 0u32..6,
    ) {
        let declared = Plan { trials, extend_to: trials, controls, ..test_plan() };
        let extended = Plan { extend_to: trials + more, ..declared.clone() };
        let (first, whole) = (expand(&declared, Seed(seed)), expand(&extended, Seed(seed)));
        prop_assert_eq!(&first.trials, &whole.trials);
        prop_assert!(first.further.is_empty());
        let longer = Plan { extend_to: trials + more + 1, ..declared };
        prop_assert!(expand(&longer, Seed(seed)).further.starts_with(&whole.further));
        let arms = whole.trials.iter().map(|trial| trial.arm).collect::<BTreeSet<_>>().len();
        prop_assert_eq!(whole.further.len(), more as usize * arms);
        for round in whole.further.chunks(arms) {
            let own: BTreeSet<ArmId> = round.iter().map(|trial| trial.arm).collect();
            prop_assert_eq!(own.len(), arms);
            prop_assert!(round.iter().all(|trial| !trial.is_control()));
        }
        let ids = whole.trials.iter().chain(&whole.further).map(|trial| trial.id.0);
        prop_assert!(ids.eq(1..=(trials + controls + more) * arms as u32));
    }

    #[test]
    fn every_arm_gets_its_trials_and_controls(seed: u64, trials in 1u32..8, controls in 0u32..3) {
        let plan = Plan { trials, controls, ..test_plan() };
        let schedule = expand(&plan, Seed(seed));
        for arm in 0..plan.arms.len() as u32 {
            let own: Vec<_> = schedule.trials.iter().filter(|t| t.arm == ArmId(arm)).collect();
            prop_assert_eq!(own.len() as u32, trials + controls);
            prop_assert_eq!(own.iter().filter(|t| t.is_control()).count() as u32, controls);
            for planned in own.iter().flat_map(|t| &t.faults) {
                prop_assert!(planned.after < plan.first_fault().jitter);
            }
        }
    }
}
