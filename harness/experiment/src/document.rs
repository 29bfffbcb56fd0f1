//! The shape of an experiment file. Everything that has a default may be left out.
//!
//! The comments on the fields are the descriptions in the published JSON Schema.

use std::collections::BTreeMap;

use comeback_model::gate::Gate;
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use super::chaos::place_of;

pub use super::chaos::ChaosPart;
pub use super::external::ExternalPart;
pub use super::faults::{DeployPart, DrainPart, FaultPart, SurroundingPart};
pub use super::load::{LoadPart, RetryPart};
pub use super::scalar::{AimPart, Demands, RatePart, Statuses, Text, Words};
pub use super::session::{IdentityPart, MixPart, SessionPart};
pub use super::step::{ExpectPart, StepPart};
pub use super::target::{ReadyPart, RestartPart, StopPart, TargetPart};
pub use super::windows::WindowsPart;

/// An experiment: servers, the users' load, the fault, and the gates.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The name of the experiment. Default: the name of the file.
    pub name: Option<String>,
    /// Trials with a fault for each arm. Default: 6, the fewest that give a median an interval.
    pub trials: Option<u32>,
    /// Control trials, without a fault, for each arm. Default: 1.
    pub controls: Option<u32>,
    /// The most trials with a fault that each arm may have if a gate needs more than `trials` to be judged. Default: none are
    /// added.
    pub extend_to: Option<u32>,
    /// How many void trials of each arm, control trials included, are replaced at the end. Only trials that the harness or
    /// the machine made void are replaced, and only if nothing in them speaks against the server. Default: a tenth of
    /// `trials`, at least 2.
    pub replacements: Option<u32>,
    /// The seed of everything random. Default: drawn, printed and recorded.
    pub seed: Option<u64>,
    /// The server. An arm overrides the keys that it names.
    #[serde(default, skip_serializing_if = "TargetPart::says_nothing")]
    pub target: TargetPart,
    /// The balancer in front of the replicas. Clients connect to it.
    pub balancer: Option<BalancerPart>,
    /// A shared cache in front of the balancer or the server. Clients connect to it.
    pub cache: Option<CachePart>,
    /// The store that the replicas share. It is started before them.
    pub store: Option<StorePart>,
    /// The number of users, and how much they do.
    #[serde(default, skip_serializing_if = "LoadPart::says_nothing")]
    pub load: LoadPart,
    /// How a session looks from outside.
    pub session: Option<SessionPart>,
    /// The request of users without sessions. Default: `GET /`, if there is no session either.
    pub operation: Option<StepPart>,
    /// The faults of each trial: a list, or a table if there is only one. Default: a kill.
    #[serde(default, deserialize_with = "super::faults::read_one_or_more")]
    #[schemars(with = "super::faults::OneOrMore<FaultPart>")]
    pub fault: Vec<FaultPart>,
    /// The faults of each trial are drawn by the seed, in place of `fault`. Default: each trial has those of `fault`.
    pub chaos: Option<ChaosPart>,
    /// Faults that hold for the whole of every trial, without a fault too: a list, or a table if there is only one. Default: none.
    #[serde(default, deserialize_with = "super::faults::read_one_or_more")]
    #[schemars(with = "super::faults::OneOrMore<SurroundingPart>")]
    pub surroundings: Vec<SurroundingPart>,
    /// The new version that a fault of the kind `deploy` starts. An arm may have its own.
    pub deploy: Option<DeployPart>,
    /// One kill after the other in one life of the data folder. Each kill is a trial. `trials`, `controls`, `extend_to`,
    /// `replacements`, `load.floor`, the first fault's `at` and `windows`, but for the horizon, have no meaning then.
    pub storm: Option<StormPart>,
    /// How long each part of a trial lasts.
    #[serde(default, skip_serializing_if = "WindowsPart::says_nothing")]
    pub windows: WindowsPart,
    /// Gates: metrics and their bounds. Each replaces the default gate of the same metric. Default gates: `unrecovered = 0`
    /// and, with sessions, `lost_sessions = 0`, `lost_writes = 0`, if `identity` names the user, `wrong_identity = 0`, and, if users
    /// log out, `zombie_sessions = "0 if the control has none"`.
    #[serde(default)]
    pub gate: BTreeMap<String, Demands>,
    /// Whether the default gates apply. Default: true.
    pub default_gates: Option<bool>,
    /// Further gates, from flags and methods.
    #[serde(skip)]
    pub demands: Vec<Gate>,
    /// Whether an earlier revision is measured beside it: then the default gates on losses and on the time to ready compare with that.
    #[serde(skip)]
    pub beside_revision: bool,
    /// Several servers in one experiment.
    #[serde(default)]
    pub arm: Vec<ArmPart>,
}

impl Document {
    /// Whether something else starts its servers.
    pub fn is_external(&self) -> bool {
        let arms = self.arm.iter().map(|arm| &arm.target);
        let mut targets = std::iter::once(&self.target).chain(arms);
        targets.any(|target| target.external.is_some())
    }

    /// The first fault, to be changed. It is created if there is none yet.
    pub fn fault_mut(&mut self) -> &mut FaultPart {
        if self.fault.is_empty() {
            self.fault.push(FaultPart::default());
        }
        &mut self.fault[0]
    }
}

/// The balancer in front of the replicas: one that this program can set up, or any command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BalancerPart {
    /// Which one. Default: `builtin`.
    pub kind: Option<BalancerKind>,
    /// Which replica a request goes to. Default: `round-robin`.
    pub policy: Option<Policy>,
    /// The path of health checks. Default: a replica that accepts a connection is up.
    pub check: Option<String>,
    /// How often it sends a request again to another replica. It does so only if nothing had been sent, or for GET and HEAD.
    /// Default: 0.
    pub retry: Option<u32>,
    /// A command of your own instead. `{replicas}` becomes the addresses of the replicas, `127.0.0.1:4001,…`.
    pub command: Option<Words>,
    /// How it is told to drain a replica. Only for a command of your own.
    pub drain: Option<DrainPart>,
    /// How its first start is known to be complete. Default: it accepts a connection.
    pub ready: Option<ReadyPart>,
    /// How it is stopped, at the end of a trial and by a planned stop.
    pub stop: Option<StopPart>,
    /// How it is started again.
    pub restart: Option<RestartPart>,
}

/// A balancer that this program can set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancerKind {
    /// This program's own: `comeback balance`.
    #[default]
    Builtin,
    /// HAProxy, with a generated configuration.
    Haproxy,
    /// nginx, with a generated configuration.
    Nginx,
}

/// Which replica a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// To each replica in turn.
    #[default]
    RoundRobin,
    /// To the replica with the fewest requests under way.
    LeastConnections,
    /// To any replica, at random.
    Random,
    /// To the same replica for the same client address.
    SourceHash,
    /// To the replica that answered the client's first request, by a cookie.
    Sticky,
}

/// A shared HTTP cache in front of the balancer or the server: one that this program can set up, or any command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePart {
    /// Which one. Default: `builtin`.
    pub kind: Option<CacheKind>,
    /// How long a stale reply is served while the server fails, if the reply does not say so itself: a time, or `always`.
    /// nginx knows only `always`. Default: not at all.
    pub stale_if_error: Option<String>,
    /// Wrong on purpose: how long every 200 reply to GET is kept, whatever its headers say. Default: off.
    pub ignore_private: Option<Span>,
    /// A command of your own instead. `{origin}` becomes the address of the balancer or server behind it, `127.0.0.1:4001`.
    pub command: Option<Words>,
    /// How its first start is known to be complete. Default: it accepts a connection.
    pub ready: Option<ReadyPart>,
    /// How it is stopped, at the end of a trial and by a planned stop.
    pub stop: Option<StopPart>,
    /// How it is started again.
    pub restart: Option<RestartPart>,
}

/// A cache that this program can set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// This program's own: `comeback cache`.
    #[default]
    Builtin,
    /// nginx, with a generated configuration.
    Nginx,
}

/// The store that the replicas share: one that this program can set up, or any command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorePart {
    /// Which one.
    pub kind: Option<StoreKind>,
    /// A command of your own instead. `{store}` in the command of the replicas becomes its port.
    pub command: Option<Words>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// How its first start is known to be complete. Default: it accepts a connection.
    pub ready: Option<ReadyPart>,
    /// How it is stopped, at the end of a trial and by a planned stop.
    pub stop: Option<StopPart>,
    /// How it is started again.
    pub restart: Option<RestartPart>,
}

/// A store that this program can set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// redis-server without persistence.
    Redis,
    /// redis-server with `appendfsync everysec`.
    RedisEverysec,
    /// redis-server with `appendfsync always`.
    RedisAlways,
    /// A PostgreSQL cluster of its own.
    Postgres,
}

/// One of several servers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArmPart {
    /// A short unique name.
    pub name: String,
    /// One line for people.
    pub about: Option<String>,
    /// The arm that gates with `baseline` compare this one with.
    pub baseline: Option<String>,
    /// A name shared by arms that differ only in the number of replicas. Charts draw them as one line.
    pub family: Option<String>,
    /// How its clients retry failed operations. Default: the common `load.retry`. `retry.times = 0` turns retries off.
    pub retry: Option<RetryPart>,
    /// A balancer of its own. Default: the common one.
    pub balancer: Option<BalancerPart>,
    /// A cache of its own. Default: the common one.
    pub cache: Option<CachePart>,
    /// A store of its own. Default: the common one.
    pub store: Option<StorePart>,
    /// The new version that a deploy starts. Default: the common one.
    pub deploy: Option<DeployPart>,
    /// Keys that differ from the common target. Environment variables are added to the common ones.
    #[serde(default, skip_serializing_if = "TargetPart::says_nothing")]
    pub target: TargetPart,
    /// Why it takes no part, if that is known beforehand.
    #[serde(skip)]
    pub skip: Option<String>,
}

/// A storm: kill, recover, verify, and kill again on the same data, to find losses of one kill in a thousand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StormPart {
    /// How many kills. Default: 1000.
    pub kills: Option<u32>,
    /// Whether the run ends with the first kill that took something. Default: false.
    pub until_failure: Option<bool>,
}

impl Document {
    /// The faults of its plan, as they are said; a kill where none is.
    pub(super) fn faults_or_choices(&self, problems: &mut Vec<Problem>) -> Vec<FaultPart> {
        let Some(chaos) = &self.chaos else {
            for (index, part) in self.fault.iter().enumerate() {
                if part.weight.is_some() {
                    let mut place = place_of(false, index);
                    place.push("weight".into());
                    let what = "each trial has this fault, so nothing is drawn: remove it, or draw the faults of each trial ([chaos], --chaos)";
                    problems.push(Problem::at(place, "weight", what));
                }
            }
            return match self.fault.as_slice() {
                [] => vec![FaultPart::default()],
                parts => parts.to_vec(),
            };
        };
        if !self.fault.is_empty() {
            let what = "the faults of each trial are drawn from [chaos], so that no other is said: make it a [[chaos.choice]], or remove \
                        [chaos]";
            problems.push(Problem::at(vec!["fault".into()], "fault", what));
        }
        if chaos.choice.is_empty() {
            let what = "there is nothing to draw from: add a [[chaos.choice]] such as kind = \"kill\" (comeback faults lists the kinds)";
            problems.push(Problem::at(vec!["chaos".into()], "chaos", what));
        }
        chaos.choices(problems)
    }

    /// Draws the faults of each trial from those of the document, which become the choices. Where it has none, its choices stay.
    pub fn draw_faults(&mut self, said: &ChaosPart) {
        let mut choice = std::mem::take(&mut self.fault);
        let chaos = self.chaos.get_or_insert_default();
        let first = choice.first_mut().and_then(|first| first.at.take());
        chaos.faults = said.faults.or(chaos.faults);
        chaos.quiet = said.quiet.or(chaos.quiet);
        chaos.spread = said.spread.or(chaos.spread);
        chaos.span = said.span.or(chaos.span);
        chaos.at = said.at.or(first).or(chaos.at);
        if !choice.is_empty() {
            chaos.choice = choice;
        }
        if chaos.choice.is_empty() {
            chaos.choice.push(FaultPart::default());
        }
    }
}
