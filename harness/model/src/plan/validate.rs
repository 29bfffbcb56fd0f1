//! Everything about a plan that can be known to be wrong before something is started.

mod external;
mod on;

use super::error::{Broken, Field, Part, PlanError, invalid};
use super::fault::{Effect, Fault};
use super::retry;
use super::{Aim, Arm, Listener, Plan};
use crate::ids::{FaultId, Node};
use crate::units::Span;

/// Of all arms together. Beyond this a schedule, which is drawn as a whole, would be no document any more.
const MAX_TRIALS: u64 = 100_000;
/// More would measure how they share the machine's cores.
const MAX_REPLICAS: u32 = 32;
/// More in one trial could not be told apart.
pub(super) const MAX_FAULTS: usize = 16;

impl Plan {
    /// Checks everything that can be known before something is started.
    ///
    /// # Errors
    /// The first part that cannot be carried out, with the mend.
    pub fn validate(&self) -> Result<(), PlanError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that can be known before something is started, where it cannot be carried out, with the mend. One part may be named
    /// once for each arm that shares it.
    pub fn problems(&self) -> Vec<PlanError> {
        let mut broken = Broken::default();
        self.look(&mut broken);
        broken.into_errors()
    }

    fn look(&self, broken: &mut Broken) {
        broken.add(validate_name(Field::Name, &self.name));
        if self.arms.is_empty() {
            broken.add(invalid(
                Field::Arms,
                "there is nothing to run: name at least one",
            ));
            return;
        }
        self.windows.validate(broken);
        self.validate_external(broken);
        for (index, arm) in self.arms.iter().enumerate() {
            broken.of_arm(index, |broken| {
                self.validate_arm(index, broken);
                arm.target.validate(&self.windows, broken);
            });
        }
        self.validate_faults(broken);
        self.validate_baselines(broken);
        self.validate_storm(broken);
        self.validate_trials(broken);
        self.load.validate(broken);
    }

    fn validate_trials(&self, broken: &mut Broken) {
        if self.trials == 0 {
            broken.add(invalid(
                Field::Trials,
                "at least one trial is needed: write 1 or more",
            ));
        }
        let each = u64::from(self.extend_to.max(self.trials))
            + u64::from(self.controls)
            + u64::from(self.replacements);
        if each.saturating_mul(self.arms.len() as u64) > MAX_TRIALS {
            broken.add(invalid(
                Field::Trials,
                format!(
                    "at most {MAX_TRIALS} are supported, those of all arms and without a fault among them: lower trials, or compare \
                     fewer arms"
                ),
            ));
        }
        if self.extend_to < self.trials {
            broken.add(invalid(
                Field::ExtendTo,
                "must be at least the number of trials: raise it, or lower trials",
            ));
        }
    }

    fn validate_faults(&self, broken: &mut Broken) {
        if self.faults.is_empty() || self.faults.len() > MAX_FAULTS {
            broken.add(invalid(
                Field::Faults,
                format!("a trial has from 1 to {MAX_FAULTS} of them"),
            ));
            return;
        }
        broken.add(self.validate_chaos());
        if self.first_fault().after != Span::ZERO {
            broken.add(invalid(
                Field::FaultAfter(FaultId::FIRST),
                "`after` is for further faults: set the moment of the first one with `at`",
            ));
        }
        for (id, fault) in self.named_faults() {
            broken.add(self.validate_fault(id, fault));
            if let Some(on) = &fault.on {
                broken.add(self.validate_on((id, fault), on));
            }
            broken.add(self.validate_order(id, fault));
        }
        broken.add(self.validate_disks());
        for (id, surrounding) in self.named_surroundings() {
            if !surrounding.effect.surrounds() {
                let kind = &surrounding.kind;
                broken.add(invalid(
                    Field::FaultKind(id),
                    format!(
                        "a {kind} comes and goes, and cannot hold for a whole trial: make it a fault"
                    ),
                ));
            }
        }
        for (index, arm) in self.arms.iter().enumerate() {
            broken.of_arm(index, |broken| self.validate_needs_of(arm, broken));
        }
    }

    fn validate_fault(&self, id: FaultId, fault: &Fault) -> Result<(), PlanError> {
        let horizon = self.windows.horizon;
        match fault.effect {
            // A horizon of nothing is told by itself.
            Effect::StandsStill(lasts) if horizon > Span::ZERO && lasts >= horizon => invalid(
                Field::FaultLasts(id),
                format!(
                    "{} outlasts the horizon of {horizon}: nothing could be back. Shorten it, or raise the horizon",
                    fault.words.noun
                ),
            ),
            Effect::Replaces if matches!(fault.aim, Aim::Balancer | Aim::Store | Aim::Cache) => {
                let what =
                    "only replicas are restarted one after the other: replicas:all, or one of them";
                invalid(Field::FaultTarget(id), what)
            }
            Effect::Surrounds => invalid(
                Field::FaultKind(id),
                format!(
                    "a {} without `lasts` holds for the whole of a trial: say how long it lasts, or name it under \
                     [[surroundings]]",
                    fault.kind
                ),
            ),
            Effect::Ends(_) | Effect::StandsStill(_) | Effect::Degrades(_) | Effect::Replaces => {
                Ok(())
            }
        }
    }

    /// A node has one disk.
    fn validate_disks(&self) -> Result<(), PlanError> {
        for (id, fault) in self.named_faults() {
            let other = self.faults[..id.place()].iter().find(|other| {
                let differ = other.needs.disk.is_some() && other.needs.disk != fault.needs.disk;
                fault.needs.disk.is_some() && differ && fault.aim.may_meet(other.aim)
            });
            if let Some(disk) = other.and_then(|other| other.needs.disk) {
                return invalid(
                    Field::FaultKind(id),
                    format!(
                        "an earlier fault has the same node's data on the disk '{disk}': say disk = \"{disk}\" here, too"
                    ),
                );
            }
        }
        Ok(())
    }

    /// Whether an arm has what the faults need.
    fn validate_needs_of(&self, arm: &Arm, broken: &mut Broken) {
        let mut proxied = self.proxied(arm).into_iter();
        if let Some(node) = proxied.find(|node| arm.target_of(*node).socket.is_some()) {
            let faults = self.faults.iter().chain(&self.surroundings);
            let kind = kind_of(faults, |fault| fault.needs.proxy);
            broken.add(invalid(
                Field::Target("socket"),
                format!(
                    "a {kind} fault works by a proxy at a port, and {node} listens on a Unix socket: leave the socket out, or \
                     the fault"
                ),
            ));
        }
        let is_covered = |node: &Node| {
            let target = arm.target_of(*node);
            let socket = target.socket.as_deref().unwrap_or_default();
            target.listener == Listener::Held
                && socket.starts_with("{data}")
                && self.disk_of(*node).is_some()
        };
        if let Some(node) = arm.nodes().find(is_covered) {
            let kind = kind_of(self.faults.iter(), |fault| {
                fault.needs.disk.is_some() && fault.aim.may_be(node)
            });
            broken.add(invalid(
                Field::Target("socket"),
                format!(
                    "the held socket of {node} would lie below the disk that a {kind} fault needs in {{data}}, where nobody finds it: \
                     put it elsewhere, or leave listener out"
                ),
            ));
        }
        let drains = self.faults.iter().any(|fault| fault.needs.drain.is_some());
        let deploys = self.faults.iter().any(|fault| fault.needs.next);
        if drains && arm.balancer.is_some() && arm.drain.is_none() {
            broken.add(invalid(
                Field::Balancer,
                "how is it told that a replica is about to be stopped? Say drain = { begin = [...], end = [...] }, or \
                 have the fault say drain = false",
            ));
        }
        match (&arm.next, deploys) {
            (None, true) => broken.add(invalid(
                Field::Deploy,
                "what replaces the server? Say its command or environment",
            )),
            (Some(_), false) => broken.add(invalid(
                Field::Deploy,
                "no fault of this plan replaces the server: remove the new version, or add a fault that does (comeback faults)",
            )),
            (Some(next), true) => broken.of_part(Part::Deploy, |broken| {
                next.validate(&self.windows, broken);
            }),
            (None, false) => {}
        }
    }

    fn validate_arm(&self, index: usize, broken: &mut Broken) {
        let arm = &self.arms[index];
        if arm.replicas == 0 || arm.replicas > MAX_REPLICAS {
            broken.add(invalid(
                Field::Target("replicas"),
                format!("must be from 1 to {MAX_REPLICAS}"),
            ));
        }
        if arm.replicas > 1 && arm.balancer.is_none() {
            broken.add(invalid(
                Field::Target("replicas"),
                "several need something in front that clients connect to: add a [balancer]",
            ));
        }
        self.validate_gates(arm, broken);
        retry::validate(arm, &self.load, broken);
        let others = [
            (Part::Balancer, &arm.balancer),
            (Part::Cache, &arm.cache),
            (Part::Store, &arm.store),
        ];
        for (part, other) in others {
            if let Some(other) = other {
                broken.of_part(part, |broken| {
                    other.validate(&self.windows, broken);
                });
            }
        }
        if arm.cache.is_some() && arm.origin() == Node::Replica(0) {
            let is_plain = arm.target.protocol.is_plain_http() && arm.target.socket.is_none();
            if !is_plain {
                broken.add(invalid(
                    Field::Cache,
                    "it asks the server in HTTP/1.1 at its port: leave out the target's protocol and socket",
                ));
            }
        }
        let name = &arm.name;
        broken.add(validate_name(Field::Arms, name));
        if let Some(family) = &arm.family {
            broken.add(validate_name(Field::Family, family));
        }
        if self.arms[..index].iter().any(|other| other.name == *name) {
            broken.add(invalid(
                Field::Arms,
                format!("'{name}' is named twice: give each arm a name of its own"),
            ));
        }
    }
}

impl Plan {
    /// A gate on what an arm never shows could never be judged.
    fn validate_gates(&self, arm: &Arm, broken: &mut Broken) {
        let is_held = arm.target.listener == Listener::Held;
        let gates = self.gates.iter().enumerate();
        for (place, gate) in gates.filter(|(_, gate)| is_held && gate.asks_when_it_listens()) {
            broken.add(invalid(
                Field::Gate(place),
                format!(
                    "'{gate}' cannot be judged with a held listener, which accepts at all times: demand time_to_ready"
                ),
            ));
        }
    }
}

/// The kind of the first fault of which this is true: the one to be named.
fn kind_of<'a>(
    mut faults: impl Iterator<Item = &'a Fault>,
    is_it: impl Fn(&Fault) -> bool,
) -> &'a str {
    faults
        .find(|fault| is_it(fault))
        .map_or("", |fault| &fault.kind)
}

/// Names become those of folders and files.
fn validate_name(field: Field, name: &str) -> Result<(), PlanError> {
    if name.is_empty() || name.contains('/') || name.contains(char::is_control) {
        return invalid(
            field,
            format!(
                "{name:?} cannot be a file's name: write one without / and control characters, such as shop"
            ),
        );
    }
    Ok(())
}

impl Plan {
    /// What an arm is compared with must be there, and be measured for its own sake.
    fn validate_baselines(&self, broken: &mut Broken) {
        for (index, arm) in self.arms.iter().enumerate() {
            let Some(name) = &arm.baseline else {
                continue;
            };
            let problem = match self.arms.iter().find(|other| other.name == *name) {
                None => format!(
                    "'{name}', the baseline of '{}', is no arm of this run: name one that is",
                    arm.name
                ),
                Some(base) if base.name == arm.name => {
                    format!(
                        "'{name}' cannot be its own baseline: name another arm, or leave baseline out"
                    )
                }
                Some(base) if base.baseline.is_some() => format!(
                    "'{name}' is the baseline of '{}' and has one itself: compare both with the same arm",
                    arm.name
                ),
                Some(_) => continue,
            };
            broken.add(Err(PlanError {
                field: Field::Baseline,
                arm: Some(index),
                part: None,
                problem,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DiskModel, ReadyProbe, Request, Workload, test_plan};
    use super::*;
    use crate::gate::Gate;
    use crate::plan::Protocol;

    fn asks(plan: &mut Plan, path: &str) {
        plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", path)));
    }

    fn hold(plan: &mut Plan) {
        let target = &mut plan.arms[0].target;
        target.listener = Listener::Held;
        target.boot_header = Some("x-boot-id".to_owned());
        target.ready.probe = ReadyProbe::Http("/health".to_owned());
    }

    #[test]
    fn a_held_listener_needs_nothing_but_replies_that_name_their_process() {
        let mut plan = test_plan();
        hold(&mut plan);
        assert_eq!(plan.validate(), Ok(()));
    }

    #[test]
    fn a_template_of_a_path_may_hold_spaces() {
        let mut plan = test_plan();
        asks(&mut plan, "/items/{{ session }}");
        assert_eq!(plan.validate(), Ok(()));
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_the_name_of_its_flag() {
        type Spoil = fn(&mut Plan);
        let cases: [(Field, Spoil); 41] = [
            (Field::Name, |plan| plan.name = "a\u{1b}[31m".to_owned()),
            (Field::Arms, |plan| plan.arms[1].name = "v1/v2".to_owned()),
            (Field::Family, |plan| {
                plan.arms[1].family = Some("v1/v2".to_owned());
            }),
            (Field::Trials, |plan| plan.extend_to = u32::MAX),
            (Field::Trials, |plan| plan.replacements = u32::MAX),
            (Field::Baseline, |plan| {
                plan.arms[0].baseline = Some("third".to_owned());
            }),
            (Field::Baseline, |plan| {
                plan.arms[0].baseline = Some("first".to_owned());
            }),
            (Field::Baseline, |plan| {
                plan.arms[0].baseline = Some("second".to_owned());
                plan.arms[1].baseline = Some("first".to_owned());
            }),
            (Field::Trials, |plan| plan.controls = u32::MAX),
            // Of one arm it could be, of both it cannot.
            (Field::Trials, |plan| plan.extend_to = 60_000),
            (Field::Target("replicas"), |plan| plan.arms[0].replicas = 0),
            (Field::Target("replicas"), |plan| plan.arms[0].replicas = 2),
            (Field::ReadyWithin, |plan| {
                plan.arms[0].target.ready.within = Span::ZERO;
            }),
            (Field::BootHeader, |plan| {
                plan.arms[0].target.boot_header = Some("x y".to_owned());
            }),
            (Field::Ready, |plan| {
                plan.arms[0].target.ready.probe = ReadyProbe::Http("/ü".to_owned());
            }),
            (Field::Get, |plan| asks(plan, "/a HTTP/1.1\r\nX: y")),
            (Field::Get, |plan| asks(plan, "health")),
            (Field::Arms, |plan| plan.arms.clear()),
            (Field::Arms, |plan| plan.arms[1].name = "first".to_owned()),
            (Field::Target("command"), |plan| {
                plan.arms[0].target.command.clear()
            }),
            (Field::Target("listener"), |plan| {
                hold(plan);
                plan.arms[0].target.boot_header = None;
            }),
            (Field::Target("listener"), |plan| {
                hold(plan);
                plan.arms[0].target.ready.probe = ReadyProbe::Tcp;
            }),
            (Field::Target("listener"), |plan| {
                hold(plan);
                plan.arms[0].target.protocol = Protocol::Redis;
            }),
            (Field::Gate(0), |plan| {
                hold(plan);
                plan.gates =
                    vec![Gate::try_from("time_to_listen.max < 1s".to_owned()).expect("a gate")];
            }),
            (Field::Target("socket"), |plan| {
                plan.arms[0].target.socket = Some(String::new());
            }),
            (Field::Target("socket"), |plan| {
                plan.arms[0].target.socket = Some(format!("{{data}}/{}", "x".repeat(107)));
            }),
            (Field::Target("socket"), |plan| {
                plan.faults[0].needs.proxy = true;
                plan.arms[0].target.socket = Some("{data}/socket".to_owned());
            }),
            (Field::Target("socket"), |plan| {
                hold(plan);
                plan.faults[0].needs.disk = Some(DiskModel::Ext4);
                plan.arms[0].target.socket = Some("{data}/socket".to_owned());
            }),
            (Field::Trials, |plan| plan.trials = 0),
            (Field::Load("sessions"), |plan| plan.load.clients = 0),
            (Field::Load("rate"), |plan| plan.load.rate = f64::NAN),
            (Field::Load("timeout"), |plan| {
                plan.load.timeout = Span::ZERO
            }),
            (Field::Load("workers"), |plan| plan.load.workers = 11),
            (Field::Load("looks"), |plan| plan.load.looks = 0),
            (Field::Load("looks"), |plan| plan.load.looks = 101),
            (Field::Baseline, |plan| {
                plan.windows.baseline = plan.windows.window
            }),
            (Field::Windows(&["settle", "steady_for"]), |plan| {
                plan.windows.settle = Span::from_ms(10)
            }),
            (Field::Load("floor"), |plan| plan.load.floor = 0.0),
            (Field::Load("objective"), |plan| {
                plan.load.objective = Some(Span::ZERO)
            }),
            (Field::Horizon, |plan| plan.windows.horizon = Span::ZERO),
            (Field::Horizon, |plan| {
                plan.arms[1].target.restart_after = plan.windows.horizon;
            }),
        ];
        assert_eq!(test_plan().validate(), Ok(()));
        for (field, spoil) in cases {
            let mut plan = test_plan();
            spoil(&mut plan);
            let error = plan.validate().expect_err(field.name());
            assert_eq!(error.field, field);
        }
    }
}
