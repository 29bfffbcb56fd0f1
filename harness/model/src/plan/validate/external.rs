//! What a plan cannot ask of servers that somebody else starts.

use super::super::error::{Broken, Field, PlanError, invalid};
use super::super::external::{needs_own_start, needs_process_here};
use super::super::fault::{Effect, Ending, FaultWords, Reach};
use super::super::{Arm, Listener, Plan, ReadyProbe};

/// The only kind of fault whose signal a command can replace.
const KILL: &str = "kill";

impl Arm {
    fn has_kill_command(&self) -> bool {
        let external = self.target.external.as_ref();
        external.is_some_and(|external| external.kill.is_some())
    }

    /// Whether its server is on another machine.
    pub fn is_remote(&self) -> bool {
        let external = self.target.external.as_ref();
        external.is_some_and(|external| external.remote().is_some())
    }
}

impl Plan {
    /// Whether a command ends its servers, in place of a signal.
    pub fn has_kill_command(&self) -> bool {
        self.arms.iter().any(Arm::has_kill_command)
    }

    /// Makes of each kill what a command does in its place: whether the server had a chance to do something about it is not known.
    pub fn kill_by_command(&mut self) {
        let kills = self.faults.iter_mut().filter(|fault| fault.kind == KILL);
        for fault in kills {
            fault.effect = Effect::Ends(Ending::BySignal);
            fault.words = FaultWords {
                short: fault.words.short.clone(),
                noun: "the kill command".to_owned(),
                done: "the kill command".to_owned(),
                begun: "the kill command begun".to_owned(),
                explained: "the command of external.kill, in place of SIGKILL".to_owned(),
            };
        }
    }

    /// Whether its servers are started by somebody else. They are all, or none.
    pub fn is_external(&self) -> bool {
        self.arms.iter().any(|arm| arm.target.external.is_some())
    }

    /// Whether any of its servers is on another machine.
    pub fn is_remote(&self) -> bool {
        self.arms.iter().any(Arm::is_remote)
    }

    /// What needs a start by the harness, a folder of its own or a proxy cannot be asked of a server that somebody else starts.
    pub(super) fn validate_external(&self, broken: &mut Broken) {
        if !self.is_external() {
            return;
        }
        for (index, arm) in self.arms.iter().enumerate() {
            broken.add(validate_arm(arm).map_err(|(path, problem)| PlanError {
                field: Field::OfExternal(path),
                arm: Some(index),
                part: None,
                problem,
            }));
        }
        self.validate_own_servers(broken);
        let has_command = self.has_kill_command();
        if let Some(without) = self
            .arms
            .iter()
            .position(|arm| !arm.has_kill_command())
            .filter(|_| has_command)
        {
            broken.add(Err(PlanError {
                field: Field::Target("external"),
                arm: Some(without),
                part: None,
                problem: "some arms are ended by a command (external.kill) and others by a signal, which are different faults: give each \
                          arm a command, or none"
                    .to_owned(),
            }));
        }
        self.validate_ends(broken);
        if self.storm.is_some() {
            broken.add(Err(PlanError {
                field: Field::Target("external"),
                arm: Some(0),
                part: None,
                problem: "a storm stops the server between its kills, and Comeback does not stop a server that it did not start: \
                          remove [storm]"
                    .to_owned(),
            }));
        }
        for (id, surrounding) in self.named_surroundings() {
            let kind = &surrounding.kind;
            broken.add(invalid(
                Field::FaultKind(id),
                format!(
                    "a surrounding such as {kind} begins with the start of the server, and [target] external is started by others: remove it"
                ),
            ));
        }
        for (id, fault) in self.named_faults() {
            let kind = &fault.kind;
            if !matches!(fault.effect, Effect::Ends(_) | Effect::StandsStill(_))
                || !fault.needs.are_none()
            {
                let why = match self.is_remote() && !matches!(fault.effect, Effect::Replaces) {
                    true => needs_process_here(kind),
                    false => needs_own_start(kind, &[]),
                };
                broken.add(invalid(Field::FaultKind(id), why));
                continue;
            }
            if self.is_remote() && kind != KILL {
                broken.add(invalid(Field::FaultKind(id), needs_process_here(kind)));
                continue;
            }
            if has_command && matches!(fault.effect, Effect::Ends(_)) {
                if kind != KILL {
                    broken.add(invalid(
                        Field::FaultKind(id),
                        format!(
                            "external.kill is a command that takes the place of the signal of a kill, and {kind} sends another: remove \
                             {kind}, or external.kill"
                        ),
                    ));
                }
                if fault.reach != Reach::Process {
                    broken.add(invalid(
                        Field::FaultReach(id),
                        "the command of external.kill decides which processes it ends: remove to, or external.kill",
                    ));
                }
            }
            if fault.on.is_some() {
                broken.add(invalid(
                    Field::FaultOn(id),
                    "an event is waited for at a server that Comeback starts itself, and [target] external is started by others:                      leave on out",
                ));
            }
            if fault.reach == Reach::Group {
                broken.add(invalid(
                    Field::FaultReach(id),
                    "the process group of a server that Comeback did not start may hold its supervisor, or your shell: write \
                     to = \"process\", or \"tree\" for the process and all that it started",
                ));
            }
        }
    }

    /// What is compared must be ended in the same way.
    fn validate_ends(&self, broken: &mut Broken) {
        for (index, arm) in self.arms.iter().enumerate() {
            let is_base = |other: &&Arm| arm.baseline.as_ref() == Some(&other.name);
            let base = self.arms.iter().find(is_base);
            if let Some(base) = base.filter(|base| !arm.ends_as(base)) {
                broken.add(Err(PlanError {
                    field: Field::Target("external"),
                    arm: Some(index),
                    part: None,
                    problem: format!(
                        "it is compared with the arm {}, which another command ends (external.kill): that is another fault. Let the two \
                         commands differ by the port, unit or pid file of the server, or the name of the arm behind the first two words, alone",
                        base.name
                    ),
                }));
            }
        }
    }

    /// Each arm must have a server of its own: else it would be compared with itself.
    fn validate_own_servers(&self, broken: &mut Broken) {
        for (index, arm) in self.arms.iter().enumerate() {
            let is_same = |other: &&Arm| match (&arm.target.external, &other.target.external) {
                (Some(own), Some(its)) => own.is_at_place_of(its),
                _ => false,
            };
            if let Some(other) = self.arms[..index].iter().find(is_same) {
                broken.add(Err(PlanError {
                    field: Field::Target("external"),
                    arm: Some(index),
                    part: None,
                    problem: format!(
                        "the arm {} has the same server, which would be compared with itself: name a server of its own for each, or \
                         write two experiments",
                        other.name
                    ),
                }));
            }
        }
    }
}

/// The path of a key in a document, and what is wrong with it.
type OfKey = (&'static [&'static str], String);

fn validate_arm(arm: &Arm) -> Result<(), OfKey> {
    let target = &arm.target;
    let refuse = |path: &'static [&'static str], what: &str| Err((path, what.to_owned()));
    if target.external.is_none() {
        return refuse(
            &["target"],
            "an experiment has servers that Comeback starts, or servers that others start, and not both: write two experiments",
        );
    }
    if !target.command.is_empty() || !target.environment.is_empty() {
        return refuse(
            match target.command.is_empty() {
                true => &["target", "environment"],
                false => &["target", "command"],
            },
            "it is started by others, so it has no command and no environment here: remove them, or remove external",
        );
    }
    let others: [(bool, &[&str], &str); 6] = [
        (
            arm.replicas > 1,
            &["target", "replicas"],
            "several replicas are",
        ),
        (arm.balancer.is_some(), &["balancer"], "a [balancer] is"),
        (arm.cache.is_some(), &["cache"], "a [cache] is"),
        (arm.store.is_some(), &["store"], "a [store] is"),
        (
            arm.next.is_some(),
            &["deploy"],
            "a new version ([deploy]) is",
        ),
        (
            target.listener == Listener::Held,
            &["target", "listener"],
            "a held listener is",
        ),
    ];
    if let Some((_, path, what)) = others.into_iter().find(|(is_there, ..)| *is_there) {
        return Err((
            path,
            format!(
                "{what} set up only for servers that Comeback starts: remove it, or name the server's command in place of external"
            ),
        ));
    }
    if target.folder.is_some() {
        return refuse(
            &["target", "external"],
            "it is started by others, so no folder is its own: remove --against",
        );
    }
    if arm.is_remote() && !arm.has_kill_command() {
        return refuse(
            &["target", "external", "address"],
            "it is on another machine, where Comeback can send no signal: say how it is ended, such as kill = [\"ssh\", \"HOST\", \
             \"systemctl\", \"kill\", \"--signal=KILL\", \"shop.service\"]",
        );
    }
    if target.socket.is_some() {
        return refuse(
            &["target", "socket"],
            "it is found and asked at a port of 127.0.0.1: remove socket",
        );
    }
    if matches!(target.ready.probe, ReadyProbe::Log(_)) {
        return refuse(
            &["target", "ready", "log"],
            "its output goes to whoever started it, so no line of it is seen: use ready = { http = \"/health\" } or { tcp = true }",
        );
    }
    Ok(())
}
