//! A run and its arms, understood: the trials of each, and which of them count for what.

use std::collections::BTreeMap;

use comeback_model::ids::ArmId;
use comeback_model::journal::Header;
use comeback_model::plan::Storm;
use comeback_model::units::Span;

use super::{Cause, Choice, Extension, TrialAnalysis};

/// That no trial of an arm shows whether a server keeps a session that has just begun.
fn no_login_at_stake(youngest: Option<Span>) -> String {
    let youngest = youngest.map_or_else(String::new, |age| {
        format!(" (the youngest was {} ms old)", age.as_us() / 1_000)
    });
    format!(
        "no login was at stake: no session began in the last 200 ms before a fault{youngest}, so the run does not show whether a session \
         that has just begun is kept; give logout a share of the mix, raise the rate, or let the fault wait for no event"
    )
}

/// A run, understood.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What was to happen. Its schedule has the spare trials as they were run, each in the place of a void one.
    pub header: Header,
    /// One entry for each arm of the plan, in its order.
    pub arms: Vec<ArmAnalysis>,
    /// The run did not come to its own end.
    pub incomplete: Option<String>,
    /// How it went on after its declared trials.
    pub extensions: Vec<Extension>,
}

/// An arm's trials.
#[derive(Clone, Debug)]
pub struct ArmAnalysis {
    /// Its place in the plan.
    pub id: ArmId,
    /// Its name.
    pub name: String,
    /// One line for people: where this server keeps its state.
    pub about: String,
    /// Why it could not run here.
    pub skipped: Option<String>,
    /// Its trials, with and without a fault, in the order they ran.
    pub trials: Vec<TrialAnalysis>,
    /// Whether its trials are the kills of a storm.
    pub storm: Option<Storm>,
    /// Where a trial has several faults, or others than the next one, all that it may have.
    pub choices: Vec<Choice>,
}

impl ArmAnalysis {
    /// Trials with a fault that count.
    pub fn faulted(&self) -> impl Iterator<Item = &TrialAnalysis> {
        self.trials
            .iter()
            .filter(|trial| !trial.control && trial.void.is_none())
    }

    /// Trials with a fault that count for nothing but a certain loss: the fault landed, and only times and rates
    /// are spoiled; or in a storm it was not begun, since the kill of the idle server before it took something.
    pub fn faulted_aside(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let faulted = self.trials.iter().filter(|trial| !trial.control);
        faulted.filter(|trial| {
            let took = trial.idle_kill.is_some_and(|kill| kill.took_something());
            (trial.landed || took) && trial.is_spoiled_for_times()
        })
    }

    /// Void trials that others have taken the place of.
    pub fn replaced(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let is_replaced = |trial: &&TrialAnalysis| trial.void.as_ref().is_some_and(|v| v.replaced);
        self.trials.iter().filter(is_replaced)
    }

    /// The same arm with those of them counted whose fault landed, as far as they show anything; nothing where there is
    /// none.
    pub fn with_replaced(&self) -> Option<Self> {
        self.replaced().find(|trial| trial.landed)?;
        let mut arm = self.clone();
        for trial in arm.trials.iter_mut().filter(|trial| trial.landed) {
            trial.void.take_if(|void| void.replaced);
        }
        Some(arm)
    }

    /// Trials without a fault that tell what is lost without one: those that count, and those of which only times
    /// and rates are spoiled.
    pub fn controls_of_losses(&self) -> impl Iterator<Item = &TrialAnalysis> {
        let controls = self.trials.iter().filter(|trial| trial.control);
        controls.filter(|trial| trial.void.is_none() || trial.is_spoiled_for_times())
    }

    /// Trials without a fault that count.
    pub fn controls(&self) -> impl Iterator<Item = &TrialAnalysis> {
        self.trials
            .iter()
            .filter(|trial| trial.control && trial.void.is_none())
    }

    /// That in no trial that counts a session had just begun when a fault was to end its node, if so: that none was lost then says
    /// nothing of new ones.
    pub fn without_login_at_stake(&self) -> Option<String> {
        let told = || self.faulted().filter_map(|trial| trial.logins_at_stake);
        let is_so = told().next().is_some() && told().all(|logins| logins.count == 0);
        is_so.then(|| no_login_at_stake(told().filter_map(|logins| logins.youngest).min()))
    }
}

/// The causes of an arm's trials as sentences, each once with the trials that it holds for.
pub fn causes_of(arm: &ArmAnalysis) -> Vec<String> {
    let mut trials: BTreeMap<&Cause, Vec<String>> = BTreeMap::new();
    for trial in &arm.trials {
        for cause in &trial.causes {
            trials
                .entry(cause)
                .or_default()
                .push(trial.id.0.to_string());
        }
    }
    let told = trials.into_iter().map(|(cause, trials)| {
        let noun = if trials.len() == 1 { "trial" } else { "trials" };
        format!("{} ({noun} {})", cause.sentence(), trials.join(", "))
    });
    told.collect()
}
