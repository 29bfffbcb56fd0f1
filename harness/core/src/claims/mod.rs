//! Claims about stateless and stateful servers that people repeat, and what a measurement says of each.
//!
//! A claim is judged by a pure function over [`Evidence`], which is a run's summary reduced to what claims are about. Each
//! can come out in every way: it holds, it holds in part, it is refuted, or this run cannot tell.

mod any_server;
mod document;
mod restart;
mod scale_out;
mod swap;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use document::{ClaimRow, Claims, SCHEMA};

use crate::statistics::{wilson, zero_event_upper_bound};
use crate::summary::{ArmSummary, Status, Summary};

/// From this share of requests or sessions on it was all of them: one in a thousand may meet a replica that ends.
const ALL: f64 = 0.999;

/// Sessions in the memory of servers that are exchanged in turn are lost when so many are: who logged in again, meanwhile,
/// at one that was exchanged already has a session that outlives the rest of it.
const MOST: f64 = 0.9;

/// A share this near to 1/n is that of requests that are spread evenly over n replicas: that logins and what follows a
/// rejection are requests, too, moves it a little.
const NEAR: f64 = 0.06;

/// A share of fewer requests says nothing.
const REQUESTS: u64 = 200;

/// Fewer crashes cannot show that nothing is lost: with six a loss in up to 39 % of crashes is not excluded.
const CRASHES: u32 = 6;

/// A server with its state on disk is ready as fast as one without when it takes at most this many times as long.
const AS_FAST: f64 = 2.0;

/// Goodput with the most replicas keeps up with that of one when it is at least this share of it.
const KEEPS_UP: f64 = 0.9;

/// A claim of the table.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its number in the table.
    pub number: u32,
    /// In its own words.
    pub words: &'static str,
    /// What `comeback compare` is told to do for it.
    pub experiment: &'static [&'static str],
    judge: fn(&[Evidence]) -> Result<Judgement, Judgement>,
}

/// The claims that are measured.
pub const CLAIMS: [Claim; 4] = [
    Claim {
        number: 5,
        words: "Any server can process any request of a stateless service; of a stateful one only the server that knows \
                the session can",
        experiment: &[
            "--topology",
            "round-robin",
            "token",
            "redis",
            "--replicas",
            "1,2,4",
        ],
        judge: any_server::judge,
    },
    Claim {
        number: 6,
        words: "Behind a balancer a login on server 1 is unknown on server 2, so a stateful service cannot scale out",
        experiment: &[
            "--topology",
            "round-robin",
            "sticky",
            "redis",
            "--replicas",
            "1,2,4",
        ],
        judge: scale_out::judge,
    },
    Claim {
        number: 10,
        words: "Client and server are loosely coupled when the server is stateless: it can be exchanged while they talk",
        experiment: &[
            "--topology",
            "token",
            "sticky",
            "redis",
            "--fault",
            "rolling-restart",
        ],
        judge: swap::judge,
    },
    Claim {
        number: 12,
        words: "A stateless server that failed is easily restarted; a stateful one has lost its sessions",
        experiment: &["token", "token-newkey", "memory", "journal"],
        judge: restart::judge,
    },
];

impl Claim {
    /// The claim of this number, where it is measured.
    pub fn find(number: u32) -> Option<&'static Self> {
        CLAIMS.iter().find(|claim| claim.number == number)
    }

    /// What a run of its experiment says of it.
    pub fn judge(&self, summary: &Summary) -> Judgement {
        let evidence: Vec<Evidence> = summary.arms.iter().map(Evidence::of).collect();
        self.weigh(&evidence)
    }

    fn weigh(&self, evidence: &[Evidence]) -> Judgement {
        (self.judge)(evidence).unwrap_or_else(|inconclusive| inconclusive)
    }
}

/// What was found of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It is so.
    Holds,
    /// It is so of some, and not of others of which it is said too.
    HoldsInPart,
    /// It is not so.
    Refuted,
    /// This run cannot tell.
    Inconclusive,
}

impl Ruling {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsInPart => "holds in part",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A ruling, with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the claim holds.
    pub ruling: Ruling,
    /// The figures that decide, with their intervals.
    pub figure: String,
    /// Why they decide it so.
    pub because: String,
    /// What would change it.
    pub otherwise: String,
}

impl Judgement {
    fn inconclusive(because: String) -> Self {
        Self {
            ruling: Ruling::Inconclusive,
            figure: "–".to_owned(),
            because,
            otherwise: "a run in which all of it is measured".to_owned(),
        }
    }
}

/// What claims are about, of one arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The architecture, without the number of replicas.
    pub name: String,
    /// How many replicas there are.
    pub replicas: u32,
    /// Why there are no figures.
    pub missing: Option<String>,
    /// Crashes, or other faults, that counted.
    pub faults: u32,
    /// Of the requests within sessions without any fault: sent, and answered as that session.
    pub requests: (u64, u64),
    /// Correct operations per second without any fault.
    pub goodput: Option<f64>,
    /// Sessions: acknowledged before the fault, and lost.
    pub sessions: (u64, u64),
    /// Operations from the fault on: scheduled, and failed.
    pub since: (u64, u64),
    /// Until the service was back, the median in ms.
    pub ready_ms: Option<f64>,
}

impl Evidence {
    fn of(arm: &ArmSummary) -> Self {
        let replicas = arm.nodes.as_ref().map_or(1, |nodes| nodes.replicas);
        // Where several numbers of replicas are compared the name ends with the number.
        let name = arm.name.strip_suffix(&format!("-{replicas}"));
        let continuity = arm.control.continuity;
        Self {
            name: name.unwrap_or(&arm.name).to_owned(),
            replicas,
            missing: (arm.status == Status::Skipped).then(|| {
                let why = arm.reason.as_deref().unwrap_or("no trial counts");
                format!("{}: {why}", arm.name)
            }),
            faults: arm.faults_landed.min(arm.trials),
            requests: (continuity.sent, continuity.kept),
            goodput: arm.control.goodput_per_s,
            sessions: (arm.sessions.acknowledged, arm.sessions.lost),
            since: (arm.strike.since, arm.strike.since_failed.values().sum()),
            ready_ms: arm.time_to_ready_ms.median,
        }
    }

    /// Which share of the requests within sessions found its session.
    fn continuity(&self) -> f64 {
        share(self.requests.1, self.requests.0)
    }

    fn has_all_requests(&self) -> bool {
        self.continuity() >= ALL
    }

    /// Whether requests found their session by chance alone.
    fn has_one_in_n(&self) -> bool {
        (self.continuity() - 1.0 / f64::from(self.replicas)).abs() <= NEAR
    }

    fn loses_no_session(&self) -> bool {
        self.sessions.1 == 0
    }

    fn loses_all_sessions(&self) -> bool {
        share(self.sessions.1, self.sessions.0) >= ALL
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// The arms of this name, by their number of replicas; or why a claim cannot be judged by them.
fn arms<'a>(evidence: &'a [Evidence], name: &str) -> Result<Vec<&'a Evidence>, Judgement> {
    let mut found: Vec<&Evidence> = evidence.iter().filter(|arm| arm.name == name).collect();
    found.sort_by_key(|arm| arm.replicas);
    if found.is_empty() {
        return Err(Judgement::inconclusive(format!("there is no arm '{name}'")));
    }
    for arm in &found {
        if let Some(why) = &arm.missing {
            return Err(Judgement::inconclusive(why.clone()));
        }
    }
    Ok(found)
}

/// Sees that an arm's control trials show enough: no verdict without them.
fn controlled(arm: &Evidence) -> Result<(), Judgement> {
    if arm.requests.0 < REQUESTS {
        return Err(Judgement::inconclusive(format!(
            "{} has {} requests within sessions in its trials without a fault, and {REQUESTS} are needed",
            arm.name, arm.requests.0
        )));
    }
    Ok(())
}

/// Sees that an arm met enough faults.
fn struck(arm: &Evidence) -> Result<(), Judgement> {
    if arm.faults < CRASHES || arm.sessions.0 == 0 {
        return Err(Judgement::inconclusive(format!(
            "{} met {} faults that count with {} sessions, and {CRASHES} are needed",
            arm.name, arm.faults, arm.sessions.0
        )));
    }
    controlled(arm)
}

/// The one arm of this name, which met enough faults.
fn the_only<'a>(evidence: &'a [Evidence], name: &str) -> Result<&'a Evidence, Judgement> {
    match arms(evidence, name)?.as_slice() {
        [arm] => struck(arm).map(|()| *arm),
        _ => Err(Judgement::inconclusive(format!(
            "there are several '{name}'"
        ))),
    }
}

/// `25 % (23 % to 26 %)`: a share with its 95 % interval (Wilson), which takes requests for independent.
fn percent_of(part: u64, whole: u64) -> String {
    let of = |share: f64| format!("{:.0} %", share * 100.0);
    let middle = of(share(part, whole));
    match wilson(part, whole) {
        Some(interval) if of(interval.low) != of(interval.high) => {
            format!("{middle} ({} to {})", of(interval.low), of(interval.high))
        }
        Some(_) | None => middle,
    }
}

/// `0 of 589 (≤ 39 % of crashes)`.
fn lost(arm: &Evidence) -> String {
    let (sessions, lost) = arm.sessions;
    let bound = zero_event_upper_bound(u64::from(arm.faults)).filter(|_| lost == 0);
    let bound = bound.map_or_else(String::new, |bound| {
        format!(" (≤ {:.0} % of faults)", bound * 100.0)
    });
    format!("{lost} of {sessions}{bound}")
}
