//! What a claim's own experiment found: a journal of its own, one fact on each line.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::chart::Estimated;
use super::thresholds::{ALL, REQUESTS};
use super::{Open, share};
use comeback_model::journal::Machine;
use comeback_model::operation::ErrorClass;
use comeback_statistics::{median, median_interval};

/// The shape of the journal; changed with it.
pub const VERSION: u32 = 1;

/// The first line: what was to be done, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heading {
    /// The shape of this journal.
    pub comeback_facts: u32,
    /// Of which claim.
    pub claim: u32,
    /// What all randomness followed from.
    pub seed: u64,
    /// How much was asked for.
    pub amount: Amount,
    /// Wall time at its start, RFC 3339.
    pub started: String,
    /// Where it ran; absent in a journal that no machine made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// How often, each time with new processes; or at how many numbers of clients.
    pub rounds: u32,
    /// How much each time: users, logins, or milliseconds.
    pub each: u32,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Of which architecture or protocol.
    pub arm: String,
    /// What it is.
    pub what: What,
    /// Where: the place of a request in its session, a number of clients, a round.
    #[serde(default)]
    pub at: u64,
    /// How it came out.
    #[serde(flatten)]
    pub found: Observation,
    /// What went wrong with those that did not come out right, where that was looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<ErrorClass, u64>,
}

/// How a thing came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Of so many things, so many came out as they should.
    Share {
        /// How many there were.
        tried: u64,
        /// How many of them were right.
        right: u64,
    },
    /// A figure, in the unit that [`What`] says.
    Value(f64),
    /// Nothing, for this reason.
    Missing(String),
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Nothing at all, since the arm could not be measured.
    Nothing,
    /// Requests that are answered as they should be where nothing is done to anything: the control.
    Control,
    /// Requests that were sent alone to a fresh instance; at their place in the session.
    Replayed,
    /// Requests that were sent out of order and more than once, and answered as in order.
    Reordered,
    /// Requests of sessions that another replica began, at one that was added.
    Accepted,
    /// Sessions that are known after the replica that began them was removed.
    Kept,
    /// From the request to end to the end of a replica, in ms.
    DrainMs,
    /// Resident memory of all processes, in bytes; at a number of logins.
    Memory,
    /// The same; at a number of requests within one session: the control.
    MemoryOfRequests,
    /// Bytes in data folders; at a number of logins.
    Disk,
    /// Bytes of a request within a session, its head included.
    RequestBytes,
    /// Bytes of a request that needs no session: the control.
    PlainRequestBytes,
    /// Bytes of the reply to a request within a session, its head included.
    ReplyBytes,
    /// Resident memory of all processes, in bytes; at a number of idle clients that are logged in and connected.
    IdleMemory,
    /// Requests that were right on a new connection, after a proxy had closed the idle one.
    AfterIdle,
    /// Exchanges that came to their right end although their server was killed in the midst of a request, which alone was
    /// sent again; at its place in the exchange.
    Finished,
    /// Bytes of an interrupted transfer that needed not be sent again after a new login, of all its bytes.
    Resumed,
    /// Correct requests per second as fast as they go; at a round.
    Goodput,
    /// Latency at a load that is equal for all, median, in ms; at a round.
    P50Ms,
    /// The same, 99th percentile.
    P99Ms,
}

impl Fact {
    /// Of so many things, so many were right.
    pub fn share(arm: &str, what: What, at: u64, (right, tried): (u64, u64)) -> Self {
        Self::new(arm, what, at, Observation::Share { tried, right })
    }

    /// A figure.
    pub fn value(arm: &str, what: What, at: u64, value: f64) -> Self {
        Self::new(arm, what, at, Observation::Value(value))
    }

    /// Nothing, for a reason.
    pub fn missing(arm: &str, why: String) -> Self {
        Self::new(arm, What::Nothing, 0, Observation::Missing(why))
    }

    fn new(arm: &str, what: What, at: u64, found: Observation) -> Self {
        Self {
            arm: arm.to_owned(),
            what,
            at,
            found,
            failed: BTreeMap::new(),
        }
    }

    /// Of those things that are in `done`, with what went wrong with each that was not right.
    pub fn outcomes(arm: &str, what: What, at: u64, done: &[Result<(), ErrorClass>]) -> Self {
        let mut failed = BTreeMap::new();
        for class in done.iter().filter_map(|done| done.err()) {
            *failed.entry(class).or_default() += 1;
        }
        let right = done.iter().filter(|done| done.is_ok()).count();
        let found = (right as u64, done.len() as u64);
        Self {
            failed,
            ..Self::share(arm, what, at, found)
        }
    }
}

/// All that a claim's own experiment found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// What was to be done.
    pub heading: Heading,
    /// What was found, in its order.
    pub facts: Vec<Fact>,
}

/// A journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for FactsError {}

impl Findings {
    /// Reads a journal.
    ///
    /// # Errors
    /// With the first line that is none of it.
    pub fn parse(text: &str) -> Result<Self, FactsError> {
        let invalid = |line: usize, problem: String| FactsError { line, problem };
        let mut lines = text.lines().zip(1..);
        let (first, line) = lines
            .next()
            .ok_or_else(|| invalid(1, "the file is empty".to_owned()))?;
        let heading: Heading =
            serde_json::from_str(first).map_err(|error| invalid(line, error.to_string()))?;
        if heading.comeback_facts != VERSION {
            let found = heading.comeback_facts;
            return Err(invalid(
                line,
                format!(
                    "it has version {found}, and this program reads version {VERSION}: measure the claim again"
                ),
            ));
        }
        let read = |(text, line)| {
            serde_json::from_str(text)
                .map_err(|error: serde_json::Error| invalid(line, error.to_string()))
        };
        Ok(Self {
            heading,
            facts: lines.map(read).collect::<Result<_, _>>()?,
        })
    }

    /// The journal as it is kept.
    ///
    /// # Errors
    /// If a figure is no number.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(&self.heading)? + "\n";
        for fact in &self.facts {
            text.push_str(&serde_json::to_string(fact)?);
            text.push('\n');
        }
        Ok(text)
    }

    fn of<'a>(&'a self, arm: &'a str, what: What) -> impl Iterator<Item = &'a Fact> {
        let facts = self.facts.iter();
        facts.filter(move |fact| fact.arm == arm && fact.what == what)
    }

    /// Why nothing at all was found of an arm; none where something was.
    pub(super) fn why_nothing(&self, arm: &str) -> Option<&str> {
        let mut why = "it was not tried";
        for fact in self.facts.iter().filter(|fact| fact.arm == arm) {
            match &fact.found {
                Observation::Missing(reason) => why = reason,
                Observation::Share { .. } | Observation::Value(_) => return None,
            }
        }
        Some(why)
    }

    /// How many were right, of how many; at these places.
    pub(super) fn count(&self, arm: &str, what: What, at: impl Fn(u64) -> bool) -> (u64, u64) {
        let facts = self.of(arm, what).filter(|fact| at(fact.at));
        facts.fold((0, 0), |sum, fact| match fact.found {
            Observation::Share { tried, right } => (sum.0 + right, sum.1 + tried),
            Observation::Value(_) | Observation::Missing(_) => sum,
        })
    }

    /// What went wrong, and how often; at these places.
    pub(super) fn failed(
        &self,
        arm: &str,
        what: What,
        at: impl Fn(u64) -> bool,
    ) -> BTreeMap<ErrorClass, u64> {
        let mut failed = BTreeMap::new();
        for fact in self.of(arm, what).filter(|fact| at(fact.at)) {
            for (class, count) in &fact.failed {
                *failed.entry(*class).or_default() += count;
            }
        }
        failed
    }

    /// How many were right, of how many, at all places together; or why that says nothing.
    pub(super) fn share(&self, arm: &str, what: What) -> Result<(u64, u64), Open> {
        self.share_where(arm, what, |_| true)
    }

    /// The same, at these places only.
    pub(super) fn share_where(
        &self,
        arm: &str,
        what: What,
        at: impl Fn(u64) -> bool,
    ) -> Result<(u64, u64), Open> {
        self.is_there(arm)?;
        let (right, tried) = self.count(arm, what, at);
        if tried < REQUESTS {
            return Err(Open(format!(
                "{arm} has {tried} tries that count, and {REQUESTS} are needed"
            )));
        }
        Ok((right, tried))
    }

    /// Sees that all is well with an arm where nothing is done to it: no verdict without that.
    pub(super) fn controlled(&self, arm: &str) -> Result<(), Open> {
        let (right, tried) = self.share(arm, What::Control)?;
        if share(right, tried) < ALL {
            return Err(Open(format!(
                "{arm} answered {right} of {tried} requests as it should where nothing was done to it: what failed \
                 otherwise need not be due to the experiment"
            )));
        }
        Ok(())
    }

    /// The figures, in the order of their places.
    pub(super) fn values(&self, arm: &str, what: What) -> Result<Vec<(u64, f64)>, Open> {
        self.is_there(arm)?;
        let mut values: Vec<(u64, f64)> = self
            .of(arm, what)
            .filter_map(|fact| match fact.found {
                Observation::Value(value) if value.is_finite() => Some((fact.at, value)),
                Observation::Value(_) | Observation::Share { .. } | Observation::Missing(_) => None,
            })
            .collect();
        if values.is_empty() {
            return Err(Open(format!("{arm} lacks a figure that decides the claim")));
        }
        values.sort_by_key(|(at, _)| *at);
        Ok(values)
    }

    /// The median over all places, with its interval where there are enough.
    pub(super) fn median(&self, arm: &str, what: What) -> Result<Estimated, Open> {
        let values = self.values(arm, what)?;
        let values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
        Ok(middle(&values))
    }

    fn is_there(&self, arm: &str) -> Result<(), Open> {
        let missing = self.facts.iter().find_map(|fact| match &fact.found {
            Observation::Missing(why) if fact.arm == arm => Some(why),
            Observation::Missing(_) | Observation::Share { .. } | Observation::Value(_) => None,
        });
        match missing {
            Some(why) => Err(Open(format!("{arm}: {why}"))),
            None => Ok(()),
        }
    }
}

/// The median with its distribution-free interval, where six or more are there.
pub(super) fn middle(values: &[f64]) -> Estimated {
    let interval = median_interval(values);
    Estimated {
        value: median(values).unwrap_or_default(),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    }
}
