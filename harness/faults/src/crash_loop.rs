//! `crash_loop`: the nodes are killed, started again, killed again while they start, and so on. What is left of a start that was
//! cut short is what the next one finds.

use comeback_model::ids::Node;
use comeback_model::plan::Signal;
use comeback_model::plan::fault::{Effect, Ending, FaultWords, Reach, Within};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ending::{self, end_all};
use crate::injection::{FaultError, Injection};
use crate::kind::{CutStarts, Kind};

/// More starts than this are a storm, and no trial.
const MOST: u32 = 100;
/// All of them together: a trial without a fault lasts as long as one with a loop.
const LONGEST: Span = Span::from_secs(10);

/// SIGKILL several times, each but the first during a start.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CrashLoop {
    /// How often each node is killed. Default: 3.
    kills: u32,
    /// How long after each start it is killed again. Default: 50ms.
    into_start: Span,
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self {
            kills: 3,
            into_start: Span::from_ms(50),
        }
    }
}

impl Kind for CrashLoop {
    const NAME: &'static str = "crash_loop";
    const ABOUT: &'static str =
        "SIGKILL, then SIGKILL again so long after each of the next starts.";
    const EVIDENCE: &'static str = "Each start was reaped, by signal 9, which its wait status says, or had ended by itself, which is told.";
    const WITHIN: Within = Within::Request;

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let starts = u64::from(self.kills.saturating_sub(1));
        let all_us = starts.saturating_mul(self.into_start.as_us());
        match self.kills {
            2..=MOST if all_us <= LONGEST.as_us() => Ok(()),
            2..=MOST => Err((
                "into_start",
                "all starts of a crash loop together may take 10 s: lower it, or kills",
            )),
            _ => Err(("kills", "it must be 2 to 100 kills")),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Ends(Ending::AtOnce)
    }

    fn cut_starts(&self) -> CutStarts {
        CutStarts {
            count: self.kills.saturating_sub(1),
            each: self.into_start,
        }
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let Self { kills, into_start } = self;
        let often = format!("{kills} times, each but the first {into_start} after a start");
        FaultWords {
            short: "crash".to_owned(),
            noun: format!("a crash loop of {kills} kills"),
            done: format!("SIGKILL to {reach}, {often}"),
            begun: "SIGKILL sent".to_owned(),
            explained: format!("SIGKILL to {reach} of the faulted nodes, {often}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        kill(on, on.nodes()).await?;
        for _ in 1..self.kills {
            on.each(on.nodes(), async |node| {
                on.start(node).await?;
                Ok(on.clock().now())
            })
            .await?;
            tokio::time::sleep(self.into_start.into()).await;
            let (mut running, mut ended) = (Vec::new(), Vec::new());
            for node in on.nodes() {
                match on.look_at(*node).await?.exit {
                    None => running.push(*node),
                    Some(_) => ended.push(*node),
                }
            }
            if !running.is_empty() {
                kill(on, &running).await?;
            }
            // One that could not start has ended by itself: that is its crash.
            for node in ended {
                on.confirm_end(node, Vec::new()).await?;
            }
        }
        Ok(())
    }
}

async fn kill(on: &Injection, nodes: &[Node]) -> Result<(), FaultError> {
    let ending = ending::Ending {
        signal: Signal::Kill,
        grace: None,
    };
    let nodes: Vec<_> = nodes.iter().map(|node| (*node, ending)).collect();
    end_all(on, &nodes, Signal::Kill).await
}
