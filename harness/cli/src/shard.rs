//! `--shard`: which share of a run this process carries out, as it is told or as the scheduler says that started it.

mod scheduler;

use std::str::FromStr;

use comeback_model::ids::Seed;
use comeback_model::plan::Plan;
use comeback_model::shard::{Shard, number};

use super::CliError;
use super::baseline::BaselineArgs;

/// The share of a run, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// This one.
    Said(Shard),
    /// The one that the scheduler says, of so many if it does not say of how many.
    Auto(Option<u32>),
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("auto") {
            Some("") => Ok(Self::Auto(None)),
            Some(rest) => {
                let count = rest.strip_prefix('/').and_then(number);
                let count = count.ok_or_else(|| {
                    format!("'{text}' is no shard: write auto, auto/N or K/N, such as 3/64")
                })?;
                Shard::new(1, count)?;
                Ok(Self::Auto(Some(count)))
            }
            None => text.parse().map(Self::Said),
        }
    }
}

impl Asked {
    fn find(self) -> Result<Shard, CliError> {
        let count = match self {
            Self::Said(shard) => return Ok(shard),
            Self::Auto(count) => count,
        };
        let variable = |name: &str| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        };
        scheduler::find(count, variable)
            .map_err(|problem| CliError::Usage(format!("--shard auto: {problem}")))
    }
}

/// What a share of a run is asked for with.
pub(super) struct Sharing<'a> {
    pub(super) asked: Option<Asked>,
    pub(super) plan: &'a Plan,
    /// The seed, if one was said.
    pub(super) seed: Option<Seed>,
    pub(super) baseline: &'a BaselineArgs,
    /// A revision is measured beside the working tree.
    pub(super) against: bool,
}

impl Sharing<'_> {
    /// The shard to run, if one was asked for. What could not be merged is refused.
    pub(super) fn choose(&self) -> Result<Option<Shard>, CliError> {
        let Some(asked) = self.asked else {
            return Ok(None);
        };
        let shard = asked.find()?;
        match self.obstacle(shard) {
            None => Ok(Some(shard)),
            Some(problem) => Err(CliError::Usage(format!("--shard: {problem}"))),
        }
    }

    fn obstacle(&self, shard: Shard) -> Option<String> {
        let plan = self.plan;
        if self.seed.is_none() {
            return Some(
                "each shard would draw another seed: give all of them the same one (--seed 7)"
                    .to_owned(),
            );
        }
        if plan.storm.is_some() {
            return Some(
                "each kill of a storm goes on with what the one before left, so a storm cannot be split: run storms with \
                 different seeds on the machines"
                    .to_owned(),
            );
        }
        if plan.calibration.is_wanted() {
            return Some(
                "each machine would measure another rate (rate = \"auto\"): give a number, such as --rate 200".to_owned(),
            );
        }
        if plan.extend_to > plan.trials {
            return Some(format!(
                "whether trials are added depends on all trials so far, and a shard sees its own only: raise --trials, and leave \
                 out extend_to (--extend-to {})",
                plan.trials
            ));
        }
        if self.against {
            return Some(
                "--against builds and measures a revision on one machine: run it there without --shard".to_owned(),
            );
        }
        if self.baseline.baseline.is_some() && !self.baseline.remeasure {
            return Some(
                "a stored baseline is of one machine: add --remeasure, or compare the merged run (comeback diff)".to_owned(),
            );
        }
        (shard.count() > plan.rounds()).then(|| {
            format!(
                "{shard}: the run has {} rounds of one trial of each arm, so at most as many shards: raise --trials, or use fewer \
                 shards",
                plan.rounds()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_said_or_left_to_the_scheduler_and_nothing_else() {
        let read = |text: &str| text.parse::<Asked>();
        assert_eq!(read("auto"), Ok(Asked::Auto(None)));
        assert_eq!(read("auto/64"), Ok(Asked::Auto(Some(64))));
        assert_eq!(read("3/64"), Shard::new(3, 64).map(Asked::Said));
        for wrong in [
            "",
            "auto/",
            "auto/1",
            "auto64",
            "automatic",
            "auto/x",
            "0/4",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
