//! Whether the event that a fault waits for can come.

use crate::ids::FaultId;
use crate::plan::error::{Field, PlanError, invalid};
use crate::plan::fault::{Effect, Fault, Nth, On, OnEvent, Reach, ordinal};
use crate::plan::{Aim, Arm, Plan, Workload};
use crate::units::Span;

impl Plan {
    /// Whether the event that a fault waits for can come, and in time.
    pub(super) fn validate_on(
        &self,
        (id, fault): (FaultId, &Fault),
        on: &On,
    ) -> Result<(), PlanError> {
        if fault.needs.ahead {
            let noun = &fault.words.noun;
            return invalid(
                Field::FaultOn(id),
                format!(
                    "{noun}: this takes time before the signal, which would come late for an event: leave on out, or have it done \
                     otherwise (how)"
                ),
            );
        }
        if let Some((_, nth)) = on.event.of_load() {
            let name = on.event.name();
            self.validate_count(id, (name, nth, on.comes_within))?;
            return self.validate_hit((id, fault), name);
        }
        let is_first = id == FaultId::FIRST;
        match on.event.refused(is_first, on.comes_within) {
            Some(problem) => invalid(Field::FaultOn(id), problem),
            None => Ok(()),
        }
    }

    /// Whether the node that is hit is the one that the event is about.
    fn validate_hit(&self, (id, fault): (FaultId, &Fault), name: &str) -> Result<(), PlanError> {
        let is_of_one = matches!(fault.aim, Aim::AnyReplica | Aim::Replica(_));
        let is_one_by_one = is_of_one || fault.effect == Effect::Replaces;
        if is_one_by_one && self.arms.iter().any(|arm| arm.replicas > 1) {
            return invalid(
                Field::FaultOn(id),
                format!(
                    "'{name}' counts the writes of all replicas, and this fault hits one at a time: another may have the write. \
                     Aim it at replicas:all, have one replica, or use on = \"log\""
                ),
            );
        }
        if !fault.effect.ends() {
            return Ok(());
        }
        if fault.reach == Reach::Tree {
            return invalid(
                Field::FaultOn(id),
                format!(
                    "to = \"tree\" looks up the processes before the event, and a signal at '{name}' would miss those that are \
                     started until then: use to = \"group\", or on = \"log\""
                ),
            );
        }
        let earlier = match fault.quiet {
            // All is back from them.
            Some(_) => &[],
            None => &self.faults[..id.place()],
        };
        if earlier.iter().any(|other| other.aim.may_meet(fault.aim)) {
            return invalid(
                Field::FaultOn(id),
                format!(
                    "an earlier fault may have the same node down or in its hands when this one begins to wait for '{name}': use \
                     on = \"log\" or \"start\", or aim it at another node"
                ),
            );
        }
        Ok(())
    }

    /// Where the first fault waits for an event, nobody knows when it comes: nothing can be counted from it.
    pub(super) fn validate_order(&self, id: FaultId, fault: &Fault) -> Result<(), PlanError> {
        let counts_from_first = id != FaultId::FIRST && fault.quiet.is_none();
        let is_open = counts_from_first && self.first_fault().on.is_some();
        let event = fault.on.as_ref().map(|on| &on.event);
        let comes_behind = matches!(event, Some(OnEvent::Start(_))) && fault.after == Span::ZERO;
        if is_open && !comes_behind {
            return invalid(
                Field::FaultAfter(id),
                "the first fault waits for an event, and this fault could come before it: give this one on = \"start\" without after, or \
                 take on from the first",
            );
        }
        Ok(())
    }

    fn validate_count(
        &self,
        id: FaultId,
        (name, nth, within): (&str, Nth, Span),
    ) -> Result<(), PlanError> {
        let share = match &self.load.workload {
            Workload::Sessions(flow) => flow.share_of_acts(),
            Workload::Stateless(_) => None,
        };
        let Some(share) = share else {
            return invalid(
                Field::FaultOn(id),
                format!(
                    "'{name}' counts writes, and the load has none: only users with a [session] write, by act"
                ),
            );
        };
        let tells = |arm: &Arm| arm.target.protocol.spec().wire.tells_when_sent();
        if name == "sent" && !self.arms.iter().all(tells) {
            return invalid(
                Field::FaultOn(id),
                "HTTP/2 does not tell when the last byte of a request was sent: use http or https, or another event",
            );
        }
        // A storm writes as fast as it can, and a rate that is to be measured is not known yet.
        if self.storm.is_some() || self.calibration.is_wanted() {
            return Ok(());
        }
        let per_s = self.load.rate * share;
        let takes_s = f64::from(nth.most) / per_s;
        match takes_s < within.as_secs() {
            true => Ok(()),
            false => invalid(
                Field::FaultNth(id),
                format!(
                    "the load writes {per_s:.1} times a second, so that the {} write takes {takes_s:.1} s, and is waited for {within} \
                     only: raise the rate or comes_within, or lower nth",
                    ordinal(nth.most)
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Workload, test_plan};

    const ACKNOWLEDGEMENT: OnEvent = OnEvent::Acknowledgement(Nth::FIRST);

    fn waits(plan: &mut Plan, place: usize, event: OnEvent) {
        let comes_within = Span::from_secs(10);
        let on = On {
            event,
            comes_within,
        };
        plan.faults[place] = plan.faults[place].clone().waiting_for(on);
    }

    /// A kill of the only replica at an acknowledgement.
    fn plan() -> Plan {
        let mut plan = test_plan();
        assert!(matches!(plan.load.workload, Workload::Sessions(_)));
        plan.faults.truncate(1);
        plan.faults[0].aim = Aim::AnyReplica;
        plan.faults[0].reach = Reach::Group;
        waits(&mut plan, 0, ACKNOWLEDGEMENT);
        plan
    }

    fn problem(plan: &Plan) -> String {
        plan.validate().expect_err("it is refused").problem
    }

    #[test]
    fn a_write_of_all_replicas_is_no_event_of_one() {
        assert_eq!(plan().validate(), Ok(()));
        let mut plan = plan();
        plan.arms[0].balancer = Some(plan.arms[0].target.clone());
        plan.arms[0].replicas = 2;
        for aim in [Aim::AnyReplica, Aim::Replica(1)] {
            plan.faults[0].aim = aim;
            assert!(problem(&plan).contains("replicas:all"), "{aim:?}");
        }
        plan.faults[0].aim = Aim::AllReplicas;
        assert_eq!(plan.validate(), Ok(()));
        plan.faults[0].effect = Effect::Replaces;
        assert!(problem(&plan).contains("one at a time"));
    }

    #[test]
    fn a_signal_at_a_write_is_refused_where_it_would_miss_whom_it_is_for() {
        let mut tree = plan();
        tree.faults[0].reach = Reach::Tree;
        assert!(problem(&tree).contains("to = \"group\""));
        let mut second = plan();
        second.faults[0].on = None;
        second.faults.push(plan().faults[0].clone());
        assert!(problem(&second).contains("an earlier fault"));
        second.faults[1].aim = Aim::Store;
        assert_eq!(second.validate(), Ok(()));
    }

    #[test]
    fn no_fault_may_come_before_a_first_one_that_waits() {
        let mut plan = plan();
        plan.faults.push(test_plan().faults[0].clone());
        plan.faults[1].on = None;
        assert!(problem(&plan).contains("could come before it"));
        waits(&mut plan, 1, OnEvent::Log("ready".to_owned()));
        assert!(problem(&plan).contains("could come before it"));
        waits(&mut plan, 1, OnEvent::Start(Span::ZERO));
        assert_eq!(plan.validate(), Ok(()));
        plan.faults[1].after = Span::from_ms(1);
        assert!(problem(&plan).contains("without after"));
    }

    #[test]
    fn what_takes_time_before_its_signal_waits_for_no_event() {
        let mut plan = plan();
        plan.faults[0].needs.ahead = true;
        assert!(problem(&plan).contains("leave on out"));
    }
}
