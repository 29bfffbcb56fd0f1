//! What an arm is compared with: another arm of the same run, or an earlier run, if that can be compared
//! with this one at all.
//!
//! Called by the verdict for each gate that needs a baseline, and by whoever compares two runs.

use comeback_model::gate::Gate;
use comeback_model::ids::ArmId;
use comeback_model::journal::{Header, Machine};
use comeback_model::plan::{Arm, Plan};

use super::samples::{Base, REMEASURE};
use super::shards::lacking;
use crate::measure::{Analysis, ArmAnalysis};

/// By how much the memory of one and the same machine may differ: the kernel keeps more or less for itself.
const MEMORY_TOLERANCE: f64 = 0.01;

/// The mend for commands that are none of the same fault.
const ALIKE: &str = "let the commands differ by the server's port, unit, pid file or arm alone";

/// How an arm gets its baseline.
#[derive(Clone, Copy)]
pub(crate) struct Baselines<'a> {
    pub(crate) run: &'a Analysis,
    pub(crate) stored: Option<&'a Analysis>,
}

impl<'a> Baselines<'a> {
    /// What this arm is compared with, or why there is nothing.
    pub(crate) fn of(self, arm: &ArmAnalysis) -> Result<Base<'a>, String> {
        if let Some(name) = planned(self.run, arm).and_then(|arm| arm.baseline.as_ref()) {
            let compared = planned(self.run, arm);
            let arm = self.run.arms.iter().find(|other| other.name == *name);
            let arm = arm.ok_or_else(|| format!("its baseline '{name}' is no arm of this run"))?;
            let is_ended_alike = compared
                .zip(planned(self.run, arm))
                .is_none_or(|(compared, base)| compared.ends_as(base));
            if arm.faulted().next().is_none() {
                return Err(format!("no trial of its baseline '{name}' counts"));
            }
            if !is_ended_alike {
                return Err(format!(
                    "its baseline '{name}' is ended by another command (external.kill), which is another fault: {ALIKE}"
                ));
            }
            return Ok(Base { arm, stored: false });
        }
        let stored = self.stored.ok_or(
            "there is no baseline: name an earlier run (--baseline RUN), or an arm of this one",
        )?;
        self.of_stored(stored, arm)
            .map_err(|why| format!("the stored baseline does not count: {why}; {REMEASURE}"))
    }

    fn of_stored(self, stored: &'a Analysis, arm: &ArmAnalysis) -> Result<Base<'a>, String> {
        if stored.header == self.run.header {
            return Err("it is this very run".to_owned());
        }
        let machines = machine_differences(&stored.header.machine, &self.run.header.machine);
        if let Some(difference) = machines.first() {
            return Err(format!("it is from another machine: {difference}"));
        }
        let base = counterpart(stored, &arm.name)
            .ok_or_else(|| format!("it has several arms, and none is named '{}'", arm.name))?;
        let plans = plan_differences(&stored.header, planned(stored, base), &self.run.header, {
            planned(self.run, arm)
        });
        if let Some(difference) = plans.first() {
            return Err(format!("{difference} differs"));
        }
        is_whole(stored, base)?;
        Ok(Base {
            arm: base,
            stored: true,
        })
    }

    /// Whether it is there for others to be compared with.
    pub(crate) fn is_baseline(self, arm: &ArmAnalysis) -> bool {
        self.run.header.plan.is_baseline(&arm.name)
    }

    /// Whether it runs an earlier revision, of which nothing is demanded.
    pub(crate) fn is_revision(self, arm: &ArmAnalysis) -> bool {
        planned(self.run, arm).is_some_and(|arm| arm.revision.is_some())
    }
}

/// The first arm of which a gate asks for a baseline, and which is compared with no other arm of the plan.
pub fn arm_without_baseline(plan: &Plan) -> Option<&str> {
    if !plan.gates.iter().any(Gate::needs_baseline) {
        return None;
    }
    let alone = |arm: &&Arm| arm.baseline.is_none() && !plan.is_baseline(&arm.name);
    plan.arms.iter().find(alone).map(|arm| arm.name.as_str())
}

/// What will keep a run with this header from being compared with an earlier one, as far as that is known
/// before it starts.
pub fn objections(run: &Header, stored: &Analysis) -> Vec<String> {
    let before_it_starts = Analysis {
        header: run.clone(),
        arms: (0..)
            .map(ArmId)
            .zip(&run.plan.arms)
            .map(|(id, arm)| ArmAnalysis {
                id,
                name: arm.name.clone(),
                about: arm.about.clone(),
                skipped: arm.skip.clone(),
                trials: Vec::new(),
                storm: run.plan.storm,
                choices: Vec::new(),
            })
            .collect(),
        incomplete: None,
        extensions: Vec::new(),
    };
    let baselines = Baselines {
        run: &before_it_starts,
        stored: Some(stored),
    };
    let mut objections: Vec<String> = before_it_starts
        .arms
        .iter()
        .filter(|arm| !baselines.is_baseline(arm))
        .filter(|arm| planned(&before_it_starts, arm).is_some_and(|arm| arm.baseline.is_none()))
        .filter_map(|arm| baselines.of(arm).err())
        .collect();
    objections.dedup();
    objections
}

/// An earlier run whose arm was not measured as planned is no baseline.
pub(crate) fn is_whole(stored: &Analysis, arm: &ArmAnalysis) -> Result<(), String> {
    if let Some(reason) = &stored.incomplete {
        return Err(reason.clone());
    }
    if let Some(lacking) = lacking(&stored.header) {
        return Err(lacking);
    }
    let mut voids = arm.trials.iter().filter_map(|trial| trial.void.as_ref());
    if let Some(void) = voids.find(|void| !void.replaced) {
        return Err(format!("a trial of it does not count: {}", void.reason));
    }
    if arm.faulted().next().is_none() {
        return Err("no trial of it with a fault counts".to_owned());
    }
    Ok(())
}

pub(crate) fn planned<'a>(run: &'a Analysis, arm: &ArmAnalysis) -> Option<&'a Arm> {
    run.header.plan.arms.get(arm.id.0 as usize)
}

/// The arm of this name, or the only one there is.
pub(crate) fn counterpart<'a>(run: &'a Analysis, name: &str) -> Option<&'a ArmAnalysis> {
    let named = run.arms.iter().find(|arm| arm.name == name);
    named.or(match run.arms.as_slice() {
        [only] => Some(only),
        _ => None,
    })
}

/// What keeps figures of these two machines from being compared, as sentences; none when nothing does.
///
/// Everything a machine is known by counts: kernel, processor, cores, memory (but for one percent), the
/// file system under the data folders and the harness's build. What is unknown is not known to be equal.
pub fn machine_differences(base: &Machine, new: &Machine) -> Vec<String> {
    let mut differences = Vec::new();
    let texts = [
        ("system", &base.system, &new.system),
        ("processor", &base.processor, &new.processor),
        (
            "data file system",
            &base.data_filesystem,
            &new.data_filesystem,
        ),
        ("build", &base.build, &new.build),
    ];
    for (what, base, new) in texts {
        if is_unknown(base) || is_unknown(new) {
            differences.push(format!("the {what} is not known"));
        } else if base != new {
            differences.push(format!("{what} '{base}' then, '{new}' now"));
        }
    }
    if base.cores == 0 || new.cores == 0 {
        differences.push("the number of cores is not known".to_owned());
    } else if base.cores != new.cores {
        differences.push(format!("{} cores then, {} now", base.cores, new.cores));
    }
    let (then, now) = (base.memory_mib as f64, new.memory_mib as f64);
    if base.memory_mib == 0 || new.memory_mib == 0 {
        differences.push("the memory is not known".to_owned());
    } else if (then - now).abs() > MEMORY_TOLERANCE * then.max(now) {
        differences.push(format!("{then} MiB then, {now} MiB now"));
    }
    differences
}

fn is_unknown(text: &str) -> bool {
    text.is_empty() || text == "unknown"
}

/// Which parts of what was done to two arms differ so that their figures would too: the load, the windows,
/// the fault, the command in its place, the pause before the restart, who holds the listening socket meanwhile, and how clients try again. How
/// often it was done, what was demanded and which server it was done to may differ.
pub(crate) fn plan_differences(
    base: &Header,
    base_arm: Option<&Arm>,
    new: &Header,
    new_arm: Option<&Arm>,
) -> Vec<&'static str> {
    // An older journal holds what is masked now.
    let (base, new) = (base.plan.masked(), new.plan.masked());
    let end = |plan: &Plan, arm: Option<&Arm>| {
        let mut arms = plan.arms.iter();
        arms.find(|masked| arm.is_some_and(|arm| masked.name == arm.name))
            .cloned()
    };
    let ends = end(&base, base_arm).zip(end(&new, new_arm));
    let pause = |arm: Option<&Arm>| arm.map(|arm| arm.target.restart_after);
    let attempts = |arm: Option<&Arm>| arm.map(|arm| arm.target.attempts);
    let retry = |arm: Option<&Arm>| arm.map(|arm| arm.retry);
    let listener = |arm: Option<&Arm>| arm.map(|arm| arm.target.listener);
    [
        (base.load != new.load, "its load"),
        (base.windows != new.windows, "the length of its windows"),
        (
            base.storm.is_some() != new.storm.is_some(),
            "whether it is a storm",
        ),
        (
            base.faults != new.faults || base.chaos != new.chaos,
            "its fault",
        ),
        (
            ends.is_some_and(|(base, new)| !base.ends_as(&new)),
            "the command that ends it",
        ),
        (base.surroundings != new.surroundings, "its surroundings"),
        (
            pause(base_arm) != pause(new_arm),
            "the pause before its restart",
        ),
        (
            attempts(base_arm) != attempts(new_arm),
            "how often it is started",
        ),
        (
            retry(base_arm) != retry(new_arm),
            "how its clients try again",
        ),
        (
            listener(base_arm) != listener(new_arm),
            "who holds its listening socket",
        ),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}
