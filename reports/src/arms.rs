//! Arms as reports use them: the analysis and the summary of one arm side by side, with printable names, and texts for missing
//! figures.

use comeback_analysis::measure::{Analysis, ArmAnalysis, TrialAnalysis};
use comeback_analysis::summary::{ArmSummary, Status, Summary};
use comeback_model::plan::fault::Effect;
use comeback_model::plan::{Arm, DiskModel, Workload};
use comeback_model::units::Span;

use crate::RenderError;
use crate::format::{counted, printable};

/// A run, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct RunView<'a> {
    /// Everything about it.
    pub(crate) analysis: &'a Analysis,
    /// Its figures.
    pub(crate) summary: &'a Summary,
    /// Its arms, in the plan's order.
    pub(crate) arms: Vec<ArmView<'a>>,
}

/// One arm, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct ArmView<'a> {
    /// Its name, printable.
    pub(crate) name: String,
    /// Where it keeps its state, printable.
    pub(crate) about: String,
    /// Why there are no figures, if so: `skipped: …` or `no trial counts: …`.
    pub(crate) silence: Option<String>,
    /// Its trials.
    pub(crate) analysis: &'a ArmAnalysis,
    /// Its figures.
    pub(crate) summary: &'a ArmSummary,
}

impl<'a> RunView<'a> {
    /// Puts the two halves together.
    ///
    /// # Errors
    /// If they are not of the same run.
    pub(crate) fn new(analysis: &'a Analysis, summary: &'a Summary) -> Result<Self, RenderError> {
        if analysis.arms.len() != summary.arms.len() {
            return Err(RenderError::Mismatch);
        }
        let arms = analysis
            .arms
            .iter()
            .zip(&summary.arms)
            .map(|(analysis, summary)| ArmView::new(analysis, summary))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            analysis,
            summary,
            arms,
        })
    }

    /// An arm as it was planned.
    pub(crate) fn planned(&self, arm: &ArmView<'_>) -> Option<&'a Arm> {
        self.analysis
            .header
            .plan
            .arms
            .get(arm.analysis.id.0 as usize)
    }

    /// How long recovery was waited for.
    pub(crate) const fn horizon(&self) -> Span {
        self.analysis.header.plan.windows.horizon
    }

    /// The fault, as `SIGKILL`.
    pub(crate) fn fault(&self) -> String {
        match self.is_drawn() {
            true => "a drawn fault".to_owned(),
            false => self.analysis.header.plan.first_fault().words.noun.clone(),
        }
    }

    /// Whether the process had no chance to do anything about it.
    pub(crate) fn is_kill(&self) -> bool {
        let plan = &self.analysis.header.plan;
        match self.is_drawn() {
            true => plan.faults.iter().all(|fault| fault.effect.is_kill()),
            false => plan.first_fault().effect.is_kill(),
        }
    }

    /// Whether a trial's first fault is one of several, by a draw.
    fn is_drawn(&self) -> bool {
        let plan = &self.analysis.header.plan;
        plan.chaos.is_some() && plan.faults.len() > 1
    }

    /// The effect on the nodes that the first fault hits, where it is the same in each trial.
    pub(crate) fn effect(&self) -> Option<Effect> {
        let first = self.analysis.header.plan.first_fault().effect;
        (!self.is_drawn()).then_some(first)
    }

    /// Whether no fault ends anything, so that there is no outage from a kill to a reply.
    pub(crate) fn degrades(&self) -> bool {
        let mut faults = self.analysis.header.plan.faults.iter();
        faults.all(|fault| fault.effect.degrades())
    }

    /// Whether a fault takes the processes, and what they hold in memory.
    pub(crate) fn takes_memory(&self) -> bool {
        let mut faults = self.analysis.header.plan.faults.iter();
        faults.any(|fault| takes_memory(fault.effect))
    }

    /// Whether the fault that a trial begins with does so, whichever that is.
    pub(crate) fn all_take_memory(&self) -> bool {
        let plan = &self.analysis.header.plan;
        match self.is_drawn() {
            true => plan.faults.iter().all(|fault| takes_memory(fault.effect)),
            false => takes_memory(plan.first_fault().effect),
        }
    }

    /// The disk that forgets, if a fault of the run is a power loss.
    pub(crate) fn disk(&self) -> Option<DiskModel> {
        let faults = self.analysis.header.plan.faults.iter();
        faults.into_iter().find_map(|fault| fault.needs.disk)
    }

    /// What the fault destroys, as the end of a sentence, and what it does not test.
    pub(crate) fn takes(&self) -> String {
        match (self.takes_memory(), self.disk()) {
            (true, Some(model)) => format!(
                "takes the process, its memory, and what was not synced, by the rules of a disk of the model {model}. What a real \
                 disk tears or reorders is not tested."
            ),
            (true, None) => "takes the process and its memory, not the kernel's page cache. Everything that survived here \
                 survived a process kill. A power loss is not tested."
                .to_owned(),
            (false, _) => "takes no memory from the server. Neither a process kill nor a power loss is tested.".to_owned(),
        }
    }

    /// The name of the moment at which the fault hits.
    pub(crate) fn fault_noun(&self) -> &str {
        match self.is_drawn() {
            true => "fault",
            false => &self.analysis.header.plan.first_fault().words.short,
        }
    }

    /// Whether the traffic has sessions at all.
    pub(crate) const fn has_sessions(&self) -> bool {
        matches!(
            self.analysis.header.plan.load.workload,
            Workload::Sessions(_)
        )
    }
}

/// Whether an effect takes the processes.
const fn takes_memory(effect: Effect) -> bool {
    match effect {
        Effect::Ends(_) | Effect::Replaces => true,
        Effect::StandsStill(_) | Effect::Degrades(_) | Effect::Surrounds => false,
    }
}

impl<'a> ArmView<'a> {
    fn new(analysis: &'a ArmAnalysis, summary: &'a ArmSummary) -> Result<Self, RenderError> {
        if analysis.name != summary.name {
            return Err(RenderError::Mismatch);
        }
        Ok(Self {
            name: printable(&analysis.name),
            about: printable(&analysis.about),
            silence: silence(analysis, summary),
            analysis,
            summary,
        })
    }

    /// Trials with a fault that count.
    pub(crate) fn crashes(&self) -> impl Iterator<Item = &'a TrialAnalysis> {
        self.analysis.faulted()
    }

    /// The trials that each upper bound "no loss seen" is over: the crashes that landed.
    pub(crate) fn landed(&self) -> u32 {
        self.summary.faults_landed.min(self.summary.trials)
    }
}

/// Why an arm has no figures.
fn silence(analysis: &ArmAnalysis, summary: &ArmSummary) -> Option<String> {
    if let Some(reason) = &analysis.skipped {
        return Some(format!("skipped: {}", printable(reason)));
    }
    let counts = analysis.faulted().next().is_some();
    if counts && summary.status == Status::Measured {
        return None;
    }
    let void = analysis.trials.iter().filter(|trial| trial.void.is_some());
    let reason = summary.reason.clone().unwrap_or_else(|| {
        if analysis.trials.is_empty() {
            "none ran".to_owned()
        } else {
            format!("{} void", counted(void.count() as u64, "trial"))
        }
    });
    let reason = printable(&reason);
    // The summary may already say so in its own words.
    if reason.starts_with("no trial counts") {
        return Some(reason);
    }
    Some(format!("no trial counts: {reason}"))
}
