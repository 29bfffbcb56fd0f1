//! Shards: a run that is split over machines. Each carries out some rounds of the one schedule, and their journals are merged.
//!
//! A round holds each arm once, so a shard has every arm equally often: what a machine does to figures, it does to all arms
//! alike. With one arm a round is a trial, and shard k of n does the trials k, k + n, k + 2n…

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TrialId;
use crate::machine::Machine;

/// The most shards of a run: one that is split further has more parts than rounds.
const MOST: u32 = 10_000;

/// One of the equal shares of a run's rounds, from 1; written `3/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Share `index` of `count`.
    ///
    /// # Errors
    /// If there is no such share; the message says which there are.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        match (index, count) {
            (_, 0 | 1) => Err(format!(
                "{index}/{count} is no shard: a run is split into 2 shards or more"
            )),
            (_, MOST..) if count > MOST => Err(format!(
                "{index}/{count} is no shard: a run has at most {MOST}"
            )),
            (index, count) if index == 0 || index > count => Err(format!(
                "{index}/{count} is no shard: they are counted from 1/{count} to {count}/{count}"
            )),
            _ => Ok(Self { index, count }),
        }
    }

    /// Which it is, from 1.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    pub const fn count(self) -> u32 {
        self.count
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(index, count)| Some((number(index)?, number(count)?)));
        let (index, count) =
            numbers.ok_or_else(|| format!("'{text}' is no shard: write K/N, such as 3/64"))?;
        Self::new(index, count)
    }
}

/// A number as a scheduler or a person writes it: digits alone.
pub fn number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// What a journal holds of a run that was split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredShards")]
pub struct Shards {
    count: u32,
    held: Vec<HeldShard>,
}

/// A shard that a journal holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldShard {
    /// Which, from 1.
    pub index: u32,
    /// Wall time at its start, RFC 3339; the times of its trials count from it.
    pub started: String,
    /// Where it ran.
    pub machine: Machine,
}

#[derive(Deserialize)]
struct StoredShards {
    count: u32,
    held: Vec<HeldShard>,
}

impl TryFrom<StoredShards> for Shards {
    type Error = String;

    fn try_from(stored: StoredShards) -> Result<Self, String> {
        Self::new(stored.count, stored.held)
    }
}

impl Shards {
    /// These shards, of so many.
    ///
    /// # Errors
    /// If one is there twice or none is there, or one is no shard of so many.
    pub fn new(count: u32, mut held: Vec<HeldShard>) -> Result<Self, String> {
        held.sort_by_key(|one| one.index);
        for one in &held {
            Shard::new(one.index, count)?;
        }
        if let Some(twice) = held.windows(2).find(|two| two[0].index == two[1].index) {
            return Err(format!("shard {} is there twice", twice[0].index));
        }
        if held.is_empty() {
            return Err("there is no shard".to_owned());
        }
        Ok(Self { count, held })
    }

    /// Into how many the run was split.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Those that are held, in their order.
    pub fn held(&self) -> &[HeldShard] {
        &self.held
    }

    /// Those that are not, in their order.
    pub fn missing(&self) -> Vec<u32> {
        let held: BTreeSet<u32> = self.held.iter().map(|one| one.index).collect();
        (1..=self.count)
            .filter(|index| !held.contains(index))
            .collect()
    }

    /// The only one that is held, where it is one.
    pub fn only(&self) -> Option<Shard> {
        match self.held.as_slice() {
            [one] => Shard::new(one.index, self.count).ok(),
            _ => None,
        }
    }

    /// Whether this one is held.
    pub fn holds(&self, index: u32) -> bool {
        let found = self.held.binary_search_by_key(&index, |one| one.index);
        found.is_ok()
    }

    /// The shard that a trial is of, where each round has so many.
    pub fn index_of(&self, TrialId(trial): TrialId, in_each_round: usize) -> u32 {
        let round = trial.saturating_sub(1) as usize / in_each_round.max(1);
        (round % self.count.max(1) as usize) as u32 + 1
    }
}

/// Numbers in ascending order, those that follow each other as ranges: `1–3, 7`.
pub fn ranges(numbers: &[u32]) -> String {
    let follows = |one: &u32, next: &u32| one.checked_add(1) == Some(*next);
    let runs = numbers.chunk_by(follows).map(|run| match run {
        [] => String::new(),
        [one] => one.to_string(),
        [one, two] => format!("{one}, {two}"),
        [first, .., last] => format!("{first}–{last}"),
    });
    runs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(index: u32) -> HeldShard {
        HeldShard {
            index,
            started: String::new(),
            machine: Machine::default(),
        }
    }

    #[test]
    fn shards_are_counted_from_one_and_nothing_else_is_one() {
        let read = |text: &str| text.parse::<Shard>();
        assert_eq!(
            read("3/64").map(|shard| shard.to_string()),
            Ok("3/64".to_owned())
        );
        assert!(read("64/64").is_ok());
        for wrong in [
            "",
            "/",
            "3",
            "0/64",
            "65/64",
            "1/1",
            "1/0",
            "-1/4",
            "+1/4",
            "1/ 4",
            "a/4",
            "1/4/4",
            "1/10001",
            "99999999999/4",
        ] {
            let problem = read(wrong).expect_err(wrong);
            assert!(problem.contains("is no shard"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn every_trial_is_of_one_shard_and_those_of_a_round_of_the_same() {
        let shards = Shards::new(3, vec![held(2)]).expect("it is one");
        let of = |trial| shards.index_of(TrialId(trial), 2);
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8].map(of), [1, 1, 2, 2, 3, 3, 1, 1]);
        assert!(shards.holds(2) && !shards.holds(1));
        assert_eq!(shards.missing(), [1, 3]);
        assert_eq!(shards.only(), Shard::new(2, 3).ok());
    }

    #[test]
    fn a_stored_journal_cannot_hold_what_is_no_shard() {
        for (count, indexes) in [(3, vec![1, 1]), (3, vec![4]), (0, vec![0]), (3, vec![])] {
            let held: Vec<HeldShard> = indexes.iter().copied().map(held).collect();
            assert!(Shards::new(count, held).is_err(), "{count} {indexes:?}");
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1–3, 7, 9, 10");
    }
}
