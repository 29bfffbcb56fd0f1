//! Chaos: the faults of each trial are drawn from those of the plan, by the seed.

use serde::{Deserialize, Serialize};

use super::Plan;
use super::error::{Field, PlanError, invalid};
use super::fault::{Fault, OnEvent};
use super::validate::MAX_FAULTS;
use crate::ids::FaultId;
use crate::units::Span;

/// How the faults of a trial are drawn. The faults of the plan are the choices: each comes in any place of a trial, so that the
/// k-th fault of a trial is the k-th round of all choices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chaos {
    /// How many faults a trial has; fewer where they do not fit into the span.
    pub faults: u32,
    /// How often each choice is drawn, in shares of their sum.
    pub weights: Vec<u32>,
    /// How long the faults of a trial may take, from the moment of the first: the quiet times and how long each fault lasts, but
    /// not the recoveries, whose length nobody knows before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

/// The largest sum of weights: shares of it are exact.
const MAX_WEIGHT: u64 = 1_000_000;

impl Plan {
    /// How many places of a trial a fault of the plan may come in.
    fn places(&self) -> u32 {
        self.chaos.as_ref().map_or(1, |chaos| chaos.faults)
    }

    /// How many numbers faults of a trial may have; those of surroundings come behind them.
    pub fn count_of_faults(&self) -> usize {
        self.faults.len() * self.places() as usize
    }

    /// How many faults a trial has, at most.
    pub fn most_faults(&self) -> usize {
        match &self.chaos {
            Some(chaos) => chaos.faults as usize,
            None => self.faults.len(),
        }
    }

    /// The number of a choice in a place of a trial, both from 0.
    pub fn id_in(&self, place: u32, choice: usize) -> FaultId {
        FaultId(place * self.faults.len() as u32 + choice as u32)
    }

    /// In which place of a trial a fault comes, and which of the plan's it is; both from 0.
    pub fn place_of(&self, id: FaultId) -> (usize, usize) {
        let choices = self.faults.len().max(1);
        (id.place() / choices, id.place() % choices)
    }

    /// Every fault that a trial may have, by its number there.
    pub fn possible_faults(&self) -> impl Iterator<Item = (FaultId, &Fault)> {
        let all = (0..self.places()).flat_map(move |_| &self.faults);
        (0..).map(FaultId).zip(all)
    }

    /// The faults that a trial may have, in stretches: those of one come in the calm after all before it, and count from then.
    pub fn stretches(&self) -> Vec<Vec<(FaultId, &Fault)>> {
        let mut stretches: Vec<Vec<(FaultId, &Fault)>> = Vec::new();
        for (id, fault) in self.possible_faults() {
            let begins = match self.chaos {
                Some(_) => self.place_of(id).1 == 0,
                None => fault.quiet.is_some(),
            };
            match stretches.last_mut().filter(|_| !begins) {
                Some(stretch) => stretch.push((id, fault)),
                None => stretches.push(vec![(id, fault)]),
            }
        }
        stretches
    }

    /// Whether faults can be drawn so, and fit a trial.
    pub(super) fn validate_chaos(&self) -> Result<(), PlanError> {
        let Some(chaos) = &self.chaos else {
            return self.validate_quiet();
        };
        if self.storm.is_some() {
            let what = "a storm repeats one fault, and chaos draws several: remove one of the two";
            return invalid(Field::Chaos(""), what);
        }
        if chaos.faults == 0 || chaos.faults as usize > MAX_FAULTS {
            let what = format!("a trial has from 1 to {MAX_FAULTS} of them");
            return invalid(Field::Chaos("faults"), what);
        }
        if let Some(choice) = chaos.weights.iter().position(|weight| *weight == 0) {
            let what =
                "with a weight of 0 it is never drawn: write 1 or more, or remove the choice";
            return invalid(Field::ChaosWeight(FaultId(choice as u32)), what);
        }
        if chaos.weights.len() != self.faults.len() {
            let what = "each choice has one weight";
            return invalid(Field::ChaosWeight(FaultId::FIRST), what);
        }
        let total: u64 = chaos.weights.iter().map(|weight| u64::from(*weight)).sum();
        if total > MAX_WEIGHT {
            let what =
                format!("the weights come to {total}, and at most to {MAX_WEIGHT}: lower them");
            return invalid(Field::ChaosWeight(FaultId::FIRST), what);
        }
        let shortest = self.shortest_faults();
        if let Some(span) = chaos.span.filter(|span| *span < shortest) {
            let what = format!(
                "{} faults take at least {shortest}, their quiet times among it, and may take {span}: raise span, or lower faults or \
                 quiet",
                chaos.faults
            );
            return invalid(Field::Chaos("span"), what);
        }
        for (id, fault) in self.named_faults() {
            if matches!(&fault.on, Some(on) if matches!(on.event, OnEvent::Start(_))) {
                return invalid(Field::FaultOn(id), NO_START);
            }
        }
        Ok(())
    }

    /// How long as many faults as there may be take at least.
    fn shortest_faults(&self) -> Span {
        let least = |of: fn(&Fault) -> Span, times: usize| {
            let least = self.faults.iter().map(of).min().unwrap_or(Span::ZERO);
            Span::from_us(least.as_us().saturating_mul(times as u64))
        };
        let (faults, quiet) = (self.most_faults(), |fault: &Fault| {
            fault.quiet.unwrap_or(Span::ZERO)
        });
        least(|fault| fault.effect.lasts(), faults) + least(quiet, faults.saturating_sub(1))
    }

    /// Whether the quiet times of a list of faults say when each comes.
    fn validate_quiet(&self) -> Result<(), PlanError> {
        let mut behind_quiet = false;
        for (id, fault) in self.named_faults() {
            match fault.quiet {
                Some(_) if id == FaultId::FIRST => {
                    let what = "nothing comes before the first fault: leave it out, and use at";
                    return invalid(Field::FaultQuiet(id), what);
                }
                Some(_) if fault.after != Span::ZERO => {
                    let what = "after counts from the first fault's moment, and quiet from the recovery before: use one of them";
                    return invalid(Field::FaultAfter(id), what);
                }
                Some(_) if matches!(&fault.on, Some(on) if matches!(on.event, OnEvent::Start(_))) =>
                {
                    return invalid(Field::FaultOn(id), NO_START);
                }
                None if behind_quiet => {
                    let what = "the fault before it has a quiet time, and this one would count from the first fault: give it a quiet \
                                time, too, or put it further ahead";
                    return invalid(Field::FaultAfter(id), what);
                }
                Some(_) => behind_quiet = true,
                None => {}
            }
        }
        Ok(())
    }
}

/// Why the event cannot come.
const NO_START: &str = "all is back when this fault begins to wait, and nothing is started again: leave on out, or use after in place of a \
                        quiet time";

#[cfg(test)]
mod tests;
