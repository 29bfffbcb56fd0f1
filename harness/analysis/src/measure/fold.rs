//! A run, understood trial by trial: the operations of one are read, understood and dropped before the next.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use comeback_model::event::Event;
use comeback_model::ids::{ArmId, TrialId};
use comeback_model::journal::{Header, Journal, Outline};
use comeback_model::operation::Operation;
use comeback_model::plan::Plan;

use super::cut::CutOff;
use super::facts::{Facts, Gatherer, RunFacts};
use super::served::Usual;
use super::{Analysis, ArmAnalysis, TrialAnalysis, doubted, incomplete, replaced};

/// What the events of a run say, taken up one by one in the order they were recorded.
#[derive(Debug, Default)]
pub struct Course(Gatherer);

impl Course {
    /// Takes up the next event.
    pub fn note(&mut self, event: &Event) {
        self.0.note(event);
    }

    /// What the faults may have cut off, once every event is taken up.
    pub fn cut_off(self, header: &Header) -> CutOff<'_> {
        CutOff::new(&header.plan, self.0.finish(header).trials)
    }
}

/// A trial whose operations are yet to be read.
#[derive(Clone, Copy, Debug)]
pub struct PendingTrial<'a> {
    plan: &'a Plan,
    facts: &'a Facts,
    usual: Usual,
    shard: Option<u32>,
}

impl PendingTrial<'_> {
    /// Which.
    pub const fn id(&self) -> TrialId {
        self.facts.id
    }

    /// Understands the trial by its operations, in the order they were recorded.
    pub fn analyze(&self, operations: Vec<Operation>) -> TrialAnalysis {
        TrialAnalysis {
            shard: self.shard,
            ..doubted::analyze(self.plan, self.facts, operations, self.usual)
        }
    }
}

/// Understands a run that is in memory.
pub fn analyze(journal: &Journal) -> Analysis {
    let mut course = Course::default();
    for event in &journal.events {
        course.note(event);
    }
    let mut operations: BTreeMap<TrialId, Vec<Operation>> = BTreeMap::new();
    for operation in &journal.operations {
        let own = operations.entry(operation.trial).or_default();
        own.push(operation.clone());
    }
    let run = Run {
        header: &journal.header,
        torn: journal.torn,
        operated: operations.keys().copied().collect(),
        facts: course.0.finish(&journal.header),
    };
    let read = |pending: &[PendingTrial<'_>]| {
        let pending = pending.iter();
        let understood = pending.map(|trial| {
            let own = operations.remove(&trial.id()).unwrap_or_default();
            trial.analyze(own)
        });
        Ok::<_, Infallible>(understood.collect())
    };
    let Ok(analysis) = run.analyze(read);
    analysis
}

/// Understands a run whose operations are in their file. `read` reads those of each trial that it is given, and
/// understands it: one analysis for each, in any order. It is called twice, since trials without a fault
/// come first: they say how the service usually does.
///
/// # Errors
/// Those of `read`.
pub fn analyze_stored<E>(
    outline: &Outline,
    course: Course,
    read: impl FnMut(&[PendingTrial<'_>]) -> Result<Vec<TrialAnalysis>, E>,
) -> Result<Analysis, E> {
    let run = Run {
        header: &outline.header,
        torn: outline.torn,
        operated: outline.trials().map(|(trial, _)| trial).collect(),
        facts: course.0.finish(&outline.header),
    };
    run.analyze(read)
}

/// A run without its operations.
struct Run<'a> {
    header: &'a Header,
    torn: bool,
    /// The trials that have operations, in order.
    operated: Vec<TrialId>,
    facts: RunFacts,
}

impl Run<'_> {
    fn analyze<E>(
        self,
        mut read: impl FnMut(&[PendingTrial<'_>]) -> Result<Vec<TrialAnalysis>, E>,
    ) -> Result<Analysis, E> {
        let controls = self.pending(|facts| facts.control.then(Usual::default));
        let mut understood = by_id(read(&controls)?);
        let usual = self.usual(&understood);
        let faulted = self.pending(|facts| {
            let usual = usual.get(&(facts.arm, self.header.shard_of(facts.id)));
            usual.copied().filter(|_| !facts.control)
        });
        understood.extend(by_id(read(&faulted)?));
        let operated = self.operated.iter().copied();
        let incomplete = incomplete(self.header, self.torn, &self.facts, operated);
        let arms = self.arms().zip(&self.header.plan.arms).map(|(id, arm)| {
            let of_arm = self.facts.trials.iter().filter(|facts| facts.arm == id);
            let trials = of_arm.filter_map(|facts| understood.remove(&facts.id));
            ArmAnalysis {
                id,
                name: arm.name.clone(),
                about: arm.about.clone(),
                skipped: arm
                    .skip
                    .clone()
                    .or_else(|| self.facts.skipped.get(&id).cloned()),
                trials: replaced::mark(self.header, trials.collect()),
                storm: self.header.plan.storm,
                choices: super::planned::choices(self.header),
            }
        });
        Ok(Analysis {
            header: Header {
                schedule: self.facts.as_run(&self.header.schedule),
                ..self.header.clone()
            },
            arms: arms.collect(),
            incomplete,
            extensions: self.facts.extensions.clone(),
        })
    }

    /// How each arm does without a fault, for the trials of each shard. What is usual on one machine is not on another: in a shard
    /// without a control trial that counts, a trial goes by its own baseline alone.
    fn usual(
        &self,
        controls: &BTreeMap<TrialId, TrialAnalysis>,
    ) -> BTreeMap<(ArmId, Option<u32>), Usual> {
        let of_trial = |facts: &Facts| (facts.arm, self.header.shard_of(facts.id));
        let all: BTreeSet<_> = self.facts.trials.iter().map(of_trial).collect();
        all.into_iter()
            .map(|place| {
                let trials = self.facts.trials.iter();
                let own = trials.filter(|facts| of_trial(facts) == place);
                let controls = own.filter_map(|facts| controls.get(&facts.id));
                let controls = controls.filter(|trial| trial.control && trial.void.is_none());
                let usual = controls.fold(Usual::default(), |usual, control| {
                    let (errors, latency) = (&control.errors.before, &control.latency.before);
                    usual.and_control(errors, latency, control.busy.is_some())
                });
                (place, usual)
            })
            .collect()
    }

    fn arms(&self) -> impl Iterator<Item = ArmId> {
        (0_u32..).map(ArmId).take(self.header.plan.arms.len())
    }

    /// The trials of the plan's arms to which `usual` says how the service usually does.
    fn pending(&self, usual: impl Fn(&Facts) -> Option<Usual>) -> Vec<PendingTrial<'_>> {
        let arms = self.header.plan.arms.len();
        let trials = self.facts.trials.iter();
        let of_the_plan = trials.filter(|facts| (facts.arm.0 as usize) < arms);
        of_the_plan
            .filter_map(|facts| {
                Some(PendingTrial {
                    plan: &self.header.plan,
                    facts,
                    usual: usual(facts)?,
                    shard: self.header.shard_of(facts.id),
                })
            })
            .collect()
    }
}

fn by_id(trials: Vec<TrialAnalysis>) -> BTreeMap<TrialId, TrialAnalysis> {
    trials.into_iter().map(|trial| (trial.id, trial)).collect()
}
