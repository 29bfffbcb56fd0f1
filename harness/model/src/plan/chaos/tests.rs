//! What can be drawn, and what cannot.

use super::super::fault::{Aim, On};
use super::super::{test_chaos, test_plan};
use super::*;
use crate::ids::Seed;
use crate::plan::fault::Effect;
use crate::schedule::expand;

#[test]
fn the_numbers_of_drawn_faults_and_of_surroundings_do_not_meet() {
    let mut plan = test_chaos(5);
    plan.surroundings = vec![Fault {
        kind: "slow".to_owned(),
        effect: Effect::Surrounds,
        quiet: None,
        ..plan.faults[0].clone()
    }];
    let kinds = |ids: [u32; 4]| ids.map(|id| plan.fault(FaultId(id)).map(|one| one.kind.as_str()));
    assert_eq!(
        kinds([0, 9, 10, 11]),
        [Some("kill"), Some("pause"), Some("slow"), None]
    );
    let named: Vec<FaultId> = plan.named_surroundings().map(|(id, _)| id).collect();
    assert_eq!(named, [FaultId(10)]);
    assert_eq!(plan.possible_faults().count(), 10);
    for trial in expand(&plan, Seed(7)).trials {
        let surroundings: Vec<FaultId> = trial.surroundings.iter().map(|one| one.fault).collect();
        assert_eq!(surroundings, [FaultId(10)]);
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    type Spoil = fn(&mut Plan);
    let faults: fn(&mut Plan, u32) = |plan, faults| {
        if let Some(chaos) = &mut plan.chaos {
            chaos.faults = faults;
        }
    };
    assert_eq!(test_chaos(5).validate(), Ok(()));
    for count in [0, MAX_FAULTS as u32 + 1] {
        let mut plan = test_chaos(5);
        faults(&mut plan, count);
        let error = plan.validate().map_err(|error| error.field);
        assert_eq!(error, Err(Field::Chaos("faults")), "{count}");
    }
    let weights: [(Field, Spoil); 4] = [
        (Field::ChaosWeight(FaultId(1)), |plan| {
            plan.chaos.as_mut().expect("it has").weights = vec![1, 0]
        }),
        (Field::ChaosWeight(FaultId(0)), |plan| {
            plan.chaos.as_mut().expect("it has").weights = vec![u32::MAX, 1]
        }),
        (Field::ChaosWeight(FaultId(0)), |plan| {
            plan.chaos.as_mut().expect("it has").weights = vec![1]
        }),
        (Field::FaultOn(FaultId(1)), |plan| {
            plan.faults[1].on = Some(On {
                event: OnEvent::Start(Span::ZERO),
                comes_within: Span::from_secs(1),
            })
        }),
    ];
    for (field, spoil) in weights {
        let mut plan = test_chaos(5);
        spoil(&mut plan);
        assert_eq!(plan.validate().map_err(|error| error.field), Err(field));
    }
}

#[test]
fn a_quiet_time_of_a_listed_fault_counts_from_the_recovery_and_nothing_comes_behind_it_from_the_first()
 {
    let mut plan = test_plan();
    let again = |after: u64, quiet: Option<u64>| Fault {
        after: Span::from_ms(after),
        quiet: quiet.map(Span::from_ms),
        jitter: Span::ZERO,
        aim: Aim::Replica(0),
        ..test_plan().faults[0].clone()
    };
    plan.faults
        .extend([again(500, None), again(0, Some(700)), again(0, Some(0))]);
    assert_eq!(plan.validate(), Ok(()));
    for trial in expand(&plan, Seed(7)).trials {
        let lengths = trial.stretches().map(<[_]>::len).collect::<Vec<_>>();
        let wanted: &[usize] = if trial.is_control() { &[] } else { &[2, 1, 1] };
        assert_eq!(lengths, wanted);
    }
    let refused = |faults: Vec<Fault>| {
        let mut plan = test_plan();
        plan.faults.extend(faults);
        plan.validate().map_err(|error| error.field)
    };
    let [second, third] = [FaultId(1), FaultId(2)];
    assert_eq!(
        refused(vec![again(500, Some(700))]),
        Err(Field::FaultAfter(second))
    );
    assert_eq!(
        refused(vec![again(0, Some(700)), again(500, None)]),
        Err(Field::FaultAfter(third))
    );
    let mut plan = test_plan();
    plan.faults[0].quiet = Some(Span::ZERO);
    assert_eq!(
        plan.validate().map_err(|error| error.field),
        Err(Field::FaultQuiet(FaultId::FIRST))
    );
}
