//! Chaos: the faults of each trial are drawn by the seed from a weighted list.

use std::str::FromStr;

use comeback_model::plan::Chaos;
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;

use super::faults::FaultPart;
use super::{Key, Problem};

/// The numbers that are not said.
const FAULTS: u32 = 5;
/// Long enough that the time between two recoveries and faults tells whether the server serves.
const QUIET: Span = Span::from_secs(2);
const SPREAD: Span = Span::from_secs(1);

/// Draws the faults of each trial from a weighted list, by the seed: one comes after the other, each after the recovery from the one before.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChaosPart {
    /// How many faults each trial has. Default: 5.
    pub faults: Option<u32>,
    /// How long it is quiet at least between the recovery from a fault and the next fault. Default: 2s.
    pub quiet: Option<Span>,
    /// The quiet time is longer by a part of this span, drawn for each fault. The first fault comes within this span after `at`. Default: 1s.
    pub spread: Option<Span>,
    /// The most time that the faults of a trial may take together, from the moment of the first: quiet times, and how long each fault
    /// lasts, without the recoveries. If not all fit, a trial has fewer faults. Default: no limit.
    pub span: Option<Span>,
    /// How long the load runs undisturbed before the first fault. Default: 1s.
    pub at: Option<Span>,
    /// What is drawn from: a list, or a table if there is only one. A choice has the keys of a fault, but for its moment (`at`, `after`,
    /// `quiet`, `spread`), and a `weight`.
    #[serde(default, deserialize_with = "super::faults::read_one_or_more")]
    #[schemars(with = "super::faults::OneOrMore<FaultPart>")]
    pub choice: Vec<FaultPart>,
}

impl ChaosPart {
    /// How the plan draws.
    pub(super) fn to_chaos(&self) -> Chaos {
        let weights = self.choice.iter().map(|choice| choice.weight.unwrap_or(1));
        Chaos {
            faults: self.faults.unwrap_or(FAULTS),
            weights: weights.collect(),
            span: self.span,
        }
    }

    /// Its choices, with the moment that all of them have; every problem where they have one of their own.
    pub(super) fn choices(&self, problems: &mut Vec<Problem>) -> Vec<FaultPart> {
        let mut choices = self.choice.clone();
        for (index, choice) in choices.iter_mut().enumerate() {
            let own = [
                ("at", choice.at),
                ("after", choice.after),
                ("quiet", choice.quiet),
                ("spread", choice.spread),
            ];
            for (key, _) in own.into_iter().filter(|(_, said)| said.is_some()) {
                let mut place = place_of(true, index);
                place.push(key.into());
                let what = match key {
                    "after" => {
                        "each drawn fault comes after the recovery from the one before: use quiet and spread of [chaos]"
                    }
                    _ => "all choices have the same: say it once, under [chaos]",
                };
                problems.push(Problem::at(place, key, what));
            }
            choice.quiet = Some(self.quiet.unwrap_or(QUIET));
            choice.spread = Some(self.spread.unwrap_or(SPREAD));
        }
        choices
    }
}

/// The path of a fault of a document: one of a list, or a choice.
pub(super) fn place_of(is_choice: bool, index: usize) -> Vec<Key> {
    let head: &[&str] = match is_choice {
        true => &["chaos", "choice"],
        false => &["fault"],
    };
    let head = head.iter().map(|name| Key::from(*name));
    head.chain([index.into()]).collect()
}

/// As at the command line: `5`, or `5,quiet=2s,spread=1s`.
impl FromStr for ChaosPart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut part = Self::default();
        for (place, pair) in text.split(',').filter(|pair| !pair.is_empty()).enumerate() {
            let (key, value) = match pair.split_once('=') {
                Some(pair) => pair,
                None if place == 0 => ("faults", pair),
                None => return Err(format!("'{pair}' has no value: write {pair}=VALUE")),
            };
            let span = || {
                let read = value.parse::<Span>();
                read.map(Some).map_err(|error| format!("{key}: {error}"))
            };
            match key {
                "faults" => {
                    let what = format!("'{value}' is no number of faults: write one such as 5");
                    part.faults = Some(value.parse().map_err(|_| what)?);
                }
                "quiet" => part.quiet = span()?,
                "spread" => part.spread = span()?,
                "span" => part.span = span()?,
                "at" => part.at = span()?,
                _ => {
                    return Err(format!(
                        "there is no '{key}': use faults, quiet, spread, span or at; what is drawn from is said by --fault"
                    ));
                }
            }
        }
        Ok(part)
    }
}
