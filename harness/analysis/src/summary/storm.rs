//! A storm in the summary document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::StormTally;

/// The kills of a storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StormSummary {
    /// Kills whose effect was confirmed, by reaping the process.
    pub kills: u64,
    /// Kills that met a write: sent and unanswered, or acknowledged less than a millisecond before. The others prove nothing.
    pub kills_that_met_a_write: u64,
    /// Kills after which something that was acknowledged was gone for certain.
    pub kills_with_a_loss: u64,
    /// Kills of which it is not known whether they took something.
    pub kills_undecided: u64,
    /// Kills after which the server did not come back for good. They are undecided, unless something was lost.
    pub kills_unrecovered: u64,
    /// Kills of the idle server after the final look of a cycle: what is gone when it is started again they took.
    #[serde(default)]
    pub idle_kills: u64,
    /// Those of them after which something was gone that the final look had shown, or the server did not start.
    #[serde(default)]
    pub idle_kills_with_a_loss: u64,
    /// Kills that the share is of: those with a loss, and those that met a write and are decided.
    #[serde(default)]
    pub kills_counted: u64,
    /// Sessions that began in the last 200 ms before a kill, summed over the kills: logins that each kill could have taken.
    #[serde(default)]
    pub logins_at_stake: u64,
    /// Kills with a loss / counted kills. Null if none is counted.
    pub loss_share: Option<f64>,
    /// Lower bound of the share's 95 % interval: Wilson's, or if the run ended with its first loss the exact one.
    pub loss_share_low: Option<f64>,
    /// Its upper bound. If nothing was lost, so many kills cannot exclude a loss in up to this share of kills (95 %).
    pub loss_share_high: Option<f64>,
    /// Sessions whose fate was seen, summed over the kills: a session counts after each kill.
    pub sessions_verified: u64,
    /// Acknowledged writes whose fate was seen, summed over the kills. With a counter, a write counts at the kill after it. With a
    /// set or a list it counts at that kill and at each later one.
    pub writes_verified: u64,
    /// Kills per second, from each start of the server to its stop.
    pub kills_per_second: Option<f64>,
    /// The first loss.
    pub first_loss: Option<StormLoss>,
}

/// A loss in a storm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StormLoss {
    /// The kill that it is laid to, from 1.
    pub kill: u64,
    /// The trial of that kill in the journal.
    pub trial: u32,
    /// Which session lost what, and what was read back.
    pub what: String,
}

impl From<StormTally> for StormSummary {
    fn from(tally: StormTally) -> Self {
        let share = tally.share();
        Self {
            kills: tally.kills,
            kills_that_met_a_write: tally.met,
            kills_with_a_loss: tally.with_loss,
            kills_undecided: tally.undecided,
            kills_unrecovered: tally.unrecovered,
            idle_kills: tally.idle,
            kills_counted: tally.counted,
            logins_at_stake: tally.logins,
            idle_kills_with_a_loss: tally.idle_with_loss,
            loss_share: share.map(|(share, _, _)| share),
            loss_share_low: share.map(|(_, low, _)| low),
            loss_share_high: share.map(|(_, _, high)| high),
            sessions_verified: tally.sessions,
            writes_verified: tally.writes,
            kills_per_second: tally.per_second(),
            first_loss: tally
                .first
                .map(|(kill, trial, what)| StormLoss { kill, trial, what }),
        }
    }
}
