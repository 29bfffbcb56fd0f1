//! A storm: one kill after the other in one life of the data folder, to find losses of one kill in a thousand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Broken, Field, invalid};
use super::fault::{Effect, Ending, Fault};
use super::{Plan, Workload};
use crate::ids::FaultId;

/// How the trials of a plan follow each other in a storm: each is one kill. All of them share the data folder, the port and the
/// users' sessions, and those without a fault come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Storm {
    /// Whether the run ends with the first kill that took something.
    pub until_failure: bool,
}

/// What to do about a fault that is none for a storm.
const INSTEAD: &str = "use one that ends the process at once or by a signal, such as kill";

impl Plan {
    /// A storm is about one server, one kind of kill, and losses.
    pub(super) fn validate_storm(&self, broken: &mut Broken) {
        if self.storm.is_none() {
            return;
        }
        match self.arms.as_slice() {
            [arm] if arm.nodes().count() > 1 => {
                let what =
                    "a storm kills a single server: leave out replicas, balancer, cache and store";
                broken.add(invalid(Field::Arms, what));
            }
            [_] => {}
            _ => {
                let what = "a storm has one server: run one for each arm, without a baseline";
                broken.add(invalid(Field::Arms, what));
            }
        }
        match (self.faults.as_slice(), self.surroundings.is_empty()) {
            ([fault], true) => validate_storms_fault(fault, broken),
            _ => {
                let what = "a storm repeats one fault: leave out all others, and the surroundings";
                broken.add(invalid(Field::Faults, what));
            }
        }
        let acts = match &self.load.workload {
            Workload::Sessions(flow) => flow.share_of_acts(),
            Workload::Stateless(_) => None,
        };
        if acts.is_none() {
            let what = "a storm looks for lost sessions and writes: describe a session with a login, an act and a check, and let act have a share of the mix";
            broken.add(invalid(Field::Mix, what));
        }
        let gates = self.gates.iter().enumerate();
        for (place, gate) in gates.filter(|(_, gate)| gate.bounded_count().is_none()) {
            let what = format!(
                "'{gate}' cannot be judged in a storm, which counts what is lost and measures no times: remove it"
            );
            broken.add(invalid(Field::Gate(place), what));
        }
        if self.extend_to > self.trials || self.replacements > 0 {
            let what = "a storm has the number of kills that `kills` says: leave out extend_to and replacements";
            broken.add(invalid(Field::ExtendTo, what));
        }
    }
}

fn validate_storms_fault(fault: &Fault, broken: &mut Broken) {
    if !matches!(
        fault.effect,
        Effect::Ends(Ending::AtOnce | Ending::BySignal)
    ) {
        let what = format!("a storm kills, and a {} does not: {INSTEAD}", fault.kind);
        broken.add(invalid(Field::FaultKind(FaultId::FIRST), what));
    } else if fault.needs.proxy || fault.needs.disk.is_some() {
        let what = format!(
            "a storm keeps one server on one data folder, without the proxy or the disk that a {} needs: {INSTEAD}",
            fault.kind
        );
        broken.add(invalid(Field::FaultKind(FaultId::FIRST), what));
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::DiskModel;
    use super::super::{Request, test_plan};
    use super::*;
    use crate::gate::Gate;
    use crate::ids::Seed;
    use crate::schedule::{PlannedTrial, expand};
    use crate::units::Span;

    fn storm() -> Plan {
        let mut plan = test_plan();
        plan.arms.truncate(1);
        plan.storm = Some(Storm::default());
        plan
    }

    #[test]
    fn some_cycles_are_long_enough_to_see_a_server_that_soon_fails() {
        let mut plan = storm();
        (plan.trials, plan.extend_to, plan.controls) = (250, 250, 5);
        let long = |plan: &Plan| {
            let trials = expand(plan, Seed(7)).trials.into_iter();
            trials
                .filter(|trial| trial.settle(plan) >= Span::from_secs(2))
                .map(|trial| trial.id.0)
                .collect::<Vec<_>>()
        };
        plan.windows.settle = Span::from_ms(8);
        assert_eq!(long(&plan), [5, 105, 205, 255]);
        plan.storm = None;
        assert_eq!(long(&plan), [0_u32; 0]);
    }

    #[test]
    fn three_of_four_cycles_end_with_a_kill() {
        let mut plan = storm();
        (plan.trials, plan.extend_to, plan.controls) = (400, 400, 5);
        let trials = expand(&plan, Seed(7)).trials;
        let killed = trials.iter().filter(|trial| trial.ends_by_kill()).count();
        assert!((250..350).contains(&killed), "{killed}");
        assert!(!trials[..5].iter().any(PlannedTrial::ends_by_kill));
    }

    #[test]
    fn what_is_no_storm_is_refused() {
        type Spoil = fn(&mut Plan);
        let cases: [(Field, Spoil); 11] = [
            (Field::Arms, |plan| plan.arms = test_plan().arms),
            (Field::Arms, |plan| {
                plan.arms[0].store = Some(plan.arms[0].target.clone())
            }),
            (Field::Faults, |plan| {
                plan.faults.push(Fault {
                    after: Span::from_ms(1),
                    ..plan.faults[0].clone()
                })
            }),
            (Field::FaultKind(FaultId::FIRST), |plan| {
                plan.faults[0].effect = Effect::Ends(Ending::AsAsked)
            }),
            (Field::FaultKind(FaultId::FIRST), |plan| {
                plan.faults[0].effect = Effect::Replaces
            }),
            (Field::FaultKind(FaultId::FIRST), |plan| {
                plan.faults[0].needs.disk = Some(DiskModel::Ext4)
            }),
            (Field::FaultKind(FaultId::FIRST), |plan| {
                plan.faults[0].needs.proxy = true
            }),
            (Field::Faults, |plan| {
                plan.surroundings.push(Fault {
                    effect: Effect::Surrounds,
                    ..plan.faults[0].clone()
                })
            }),
            (Field::Mix, |plan| {
                plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", "/")))
            }),
            (Field::Gate(0), |plan| {
                plan.gates =
                    vec![Gate::try_from("outage.median < 2s".to_owned()).expect("it is one")]
            }),
            (Field::ExtendTo, |plan| plan.replacements = 1),
        ];
        assert_eq!(storm().validate(), Ok(()));
        for (field, spoil) in cases {
            let mut plan = storm();
            spoil(&mut plan);
            assert_eq!(plan.validate().map_err(|error| error.field), Err(field));
            // Any other run may have it.
            plan.storm = None;
            assert_eq!(plan.validate(), Ok(()), "{field:?}");
        }
    }
}
