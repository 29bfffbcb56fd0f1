//! What may be written down: the shape of an experiment file. Everything that has a default may be left out.
//!
//! The comments on the fields are the descriptions in the published JSON Schema.

use std::collections::BTreeMap;

use comeback_model::gate::Gate;
use comeback_model::plan::{Arrivals, Extract, Listener, Protocol, Signal, Writes};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::faults::{DeployPart, DrainPart, FaultPart};
pub use super::scalar::{AimPart, Demands, Statuses, Text, Words};

/// An experiment: servers, the users' traffic, what is done to the servers, and what is demanded of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The experiment's name; the file's when nothing is said.
    pub name: Option<String>,
    /// Trials with a fault, for each arm; 6 when nothing is said, the fewest that give a median an interval.
    pub trials: Option<u32>,
    /// Trials without a fault, for each arm; 1 when nothing is said.
    pub controls: Option<u32>,
    /// How many trials with a fault each arm may have where `trials` do not suffice to judge a gate.
    pub extend_to: Option<u32>,
    /// How many void trials of each arm, those without a fault among them, are replaced at the end, where the harness or the
    /// machine made them void and nothing in them speaks against the server; a tenth of `trials` when nothing is said, and
    /// at least 2.
    pub replacements: Option<u32>,
    /// What all randomness follows from; drawn when nothing is said.
    pub seed: Option<u64>,
    /// The server; an arm overrides what it names.
    #[serde(default)]
    pub target: TargetPart,
    /// What clients connect to in front of the server's replicas.
    pub balancer: Option<BalancerPart>,
    /// What keeps replies for all clients, in front of the balancer or of the server.
    pub cache: Option<CachePart>,
    /// What the replicas share; started before them.
    pub store: Option<StorePart>,
    /// How many users there are, and how much they do.
    #[serde(default)]
    pub load: LoadPart,
    /// How a session looks from outside.
    pub session: Option<SessionPart>,
    /// The one request of users without sessions; `GET /` when there is neither this nor a session.
    pub operation: Option<StepPart>,
    /// What is done to the server. Default: a kill.
    #[serde(default)]
    pub fault: Vec<FaultPart>,
    /// What the server is replaced with by a fault of the kind `deploy`; an arm may have its own.
    pub deploy: Option<DeployPart>,
    /// How long each part of a trial lasts.
    #[serde(default)]
    pub windows: WindowsPart,
    /// What the verdict demands: a metric and its bound. Where nothing is said of a metric, the default gates demand
    /// `unrecovered = 0` and, of users with sessions, `lost_sessions = 0` and `lost_writes = 0`.
    #[serde(default)]
    pub gate: BTreeMap<String, Demands>,
    /// Whether the default gates are asked. Default: true.
    pub default_gates: Option<bool>,
    /// What flags and methods demand beside it.
    #[serde(skip)]
    pub demands: Vec<Gate>,
    /// Several servers in one experiment.
    #[serde(default)]
    pub arm: Vec<ArmPart>,
}

impl Document {
    /// The fault, to be changed; begun where nothing was said of one.
    pub fn fault_mut(&mut self) -> &mut FaultPart {
        if self.fault.is_empty() {
            self.fault.push(FaultPart::default());
        }
        &mut self.fault[0]
    }
}

/// A server to start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetPart {
    /// Program and arguments, without a shell. `{port}`, `{data}`, `{replica}`, `{comeback}` (this program) and
    /// `{here}` (the experiment file's folder) are filled in; where there are several replicas also `{shared}` (a
    /// folder that they share) and `{store}` (the store's port).
    pub command: Option<Words>,
    /// What it speaks; HTTP/1.1 when nothing is said.
    pub protocol: Option<Protocol>,
    /// The Unix socket it listens on, such as `{data}/app.sock`, instead of 127.0.0.1 and `{port}`.
    pub socket: Option<String>,
    /// Who binds its listening socket: the server (`own`, when nothing is said), or the harness (`held`), which keeps it
    /// while the server is dead and passes it to each start as socket activation does (`LISTEN_FDS`), so that connections
    /// wait and are not refused. Needs `boot_header` and `ready.http`.
    pub listener: Option<Listener>,
    /// Environment variables; the same placeholders are filled in.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// When it counts as up for the first time.
    pub ready: Option<ReadyPart>,
    /// How it is stopped at a trial's end.
    pub stop: Option<StopPart>,
    /// When it is started again.
    pub restart: Option<RestartPart>,
    /// How many replicas of it there are; 1 when nothing is said. More than one need a balancer.
    pub replicas: Option<u32>,
    /// The response header that changes with each start of the server. Without one the owner of the listening
    /// socket tells the new process from the old.
    pub boot_header: Option<String>,
}

/// What stands in front of the replicas: one that this program knows to set up, or any command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BalancerPart {
    /// Which one; `builtin` when nothing is said.
    pub kind: Option<BalancerKind>,
    /// Which replica a request goes to; `round-robin` when nothing is said.
    pub policy: Option<Policy>,
    /// The path that replicas are asked for to see whether they are up.
    pub check: Option<String>,
    /// How often it sends a request again to another replica, when nothing had been sent or it is a GET or HEAD; never
    /// when nothing is said.
    pub retry: Option<u32>,
    /// A command of your own instead; `{replicas}` is filled in with the replicas' addresses, `127.0.0.1:4001,…`.
    pub command: Option<Words>,
    /// How it is told of a rolling restart; only for a command of your own.
    pub drain: Option<DrainPart>,
    /// When it counts as up for the first time; when it accepts a connection, if nothing is said.
    pub ready: Option<ReadyPart>,
    /// How it is stopped at a trial's end.
    pub stop: Option<StopPart>,
    /// When it is started again.
    pub restart: Option<RestartPart>,
}

/// A balancer that this program knows to set up.
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
    /// To each in turn.
    #[default]
    RoundRobin,
    /// To the one with the fewest requests under way.
    LeastConnections,
    /// To any.
    Random,
    /// To the same for the same client address.
    SourceHash,
    /// To the one that answered the client's first request, by a cookie.
    Sticky,
}

/// A shared HTTP cache in front of the balancer, or of the server: one that this program knows to set up, or any
/// command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePart {
    /// Which one; `builtin` when nothing is said.
    pub kind: Option<CacheKind>,
    /// How long a stale reply is served while the server fails, where the reply does not say so itself: a time, or
    /// `always`; not at all when nothing is said. nginx knows `always` only.
    pub stale_if_error: Option<String>,
    /// Wrong on purpose: how long every reply to GET that is 200 is kept, whatever it says of that.
    pub ignore_private: Option<Span>,
    /// A command of your own instead; `{origin}` is filled in with the address of what stands behind it,
    /// `127.0.0.1:4001`.
    pub command: Option<Words>,
    /// When it counts as up for the first time; when it accepts a connection, if nothing is said.
    pub ready: Option<ReadyPart>,
    /// How it is stopped at a trial's end.
    pub stop: Option<StopPart>,
    /// When it is started again.
    pub restart: Option<RestartPart>,
}

/// A cache that this program knows to set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// This program's own: `comeback cache`.
    #[default]
    Builtin,
    /// nginx, with a generated configuration.
    Nginx,
}

/// What the replicas share: a store that this program knows to set up, or any command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorePart {
    /// Which one.
    pub kind: Option<StoreKind>,
    /// A command of your own instead. Replicas find it by `{store}`, its port.
    pub command: Option<Words>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// When it counts as up for the first time; when it accepts a connection, if nothing is said.
    pub ready: Option<ReadyPart>,
    /// How it is stopped at a trial's end.
    pub stop: Option<StopPart>,
    /// When it is started again.
    pub restart: Option<RestartPart>,
}

/// A store that this program knows to set up.
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

/// When a server counts as up: one of `http`, `tcp` and `log`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadyPart {
    /// A `GET` of this path is answered with a 2xx.
    pub http: Option<String>,
    /// A connection is accepted.
    pub tcp: Option<bool>,
    /// A line of its output holds this text.
    pub log: Option<String>,
    /// How long the first start may take; 10s when nothing is said.
    pub within: Option<Span>,
}

/// How a server is stopped.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopPart {
    /// The signal asked with first; TERM when nothing is said.
    pub signal: Option<Signal>,
    /// How long it may take before SIGKILL; 5s when nothing is said.
    pub grace: Option<Span>,
}

/// When a server is started again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartPart {
    /// The pause after its confirmed exit; none when nothing is said.
    pub after: Option<Span>,
    /// How many starts there are at most, where it ends before it serves; 1 when nothing is said.
    pub attempts: Option<u32>,
    /// The pause before the second start, which doubles with each; 200ms when nothing is said.
    pub backoff: Option<Span>,
}

/// The users' traffic.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadPart {
    /// Live users, each with a session and a connection; 50 when nothing is said.
    pub sessions: Option<u32>,
    /// Operations per second, all users together; 200 when nothing is said.
    pub rate: Option<f64>,
    /// How the operations are spread over time: as independent users do (`poisson`), or evenly.
    pub arrivals: Option<Arrivals>,
    /// How long an operation may take, and how late it may start; 2s when nothing is said.
    pub timeout: Option<Span>,
    /// How soon a correct reply must come to count as available; within the time-out when nothing is said.
    pub objective: Option<Span>,
    /// Whether a user's connection is kept from one operation to the next; true when nothing is said.
    pub keep_alive: Option<bool>,
    /// How clients try an operation again that failed; not at all when nothing is said.
    pub retry: Option<RetryPart>,
    /// How often each session is looked at after the recovery, at most. Default: 8.
    pub looks: Option<u32>,
    /// Threads that drive the load; 1 when nothing is said.
    pub workers: Option<u32>,
    /// The least share of the planned operations that must be sent before the fault, or the trial is void; 0.9
    /// when nothing is said.
    pub floor: Option<f64>,
}

/// How clients try an operation again that failed: one that was refused, reset, not answered in time, or answered with
/// a 5xx. All its tries share the operation's time-out, and count as one operation. A logout is not tried again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPart {
    /// How often at most, after the first try: from 0, not at all, to 10.
    pub times: u32,
    /// The wait before the first repetition, which doubles with each; 10ms when nothing is said.
    pub backoff: Option<Span>,
    /// How long a try may take; as long as the whole operation when nothing is said.
    pub try_timeout: Option<Span>,
    /// Whether an act carries an `Idempotency-Key` header, the same in each of its tries; false when nothing is said.
    #[serde(default)]
    pub idempotency_key: bool,
}

/// How a session looks from outside.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionPart {
    /// Begins a session.
    pub login: StepPart,
    /// Changes its state.
    pub act: StepPart,
    /// Shows its state, and changes nothing.
    pub check: StepPart,
    /// Ends it, where the server can do that.
    pub logout: Option<StepPart>,
    /// Looks at something that is nobody's in particular, such as a page that a cache may keep; its reply is no part
    /// of the session.
    pub browse: Option<StepPart>,
    /// Further requests by name, sent by the steps that name them in `before`.
    #[serde(default)]
    pub step: BTreeMap<String, StepPart>,
    /// Where `check` shows the state, and `act` where it does: `/visits` (JSON pointer), `$.items[*]` (JSONPath),
    /// `header:NAME`, `cookie:NAME`, `regex:PATTERN` or `body`.
    #[schemars(with = "Option<String>")]
    pub value: Option<Extract>,
    /// What `act` changes: adds one to a counter, or its own value `{{ write }}` to a set or a list.
    #[serde(default)]
    pub writes: Writes,
    /// Where replies name the user.
    pub identity: Option<IdentityPart>,
    /// The page for somebody who is not logged in, where it is neither a 401 nor a 403.
    pub logged_out_page: Option<ExpectPart>,
    /// How often each step comes up.
    pub mix: Option<MixPart>,
}

/// Who the server believes the user to be.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityPart {
    /// Where the name stands.
    #[schemars(with = "String")]
    pub at: Extract,
    /// The name expected there, a template such as `u{{ session }}`.
    pub name: String,
}

/// How often each step comes up, in shares of their sum.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixPart {
    /// 70 when nothing is said.
    pub act: Option<u32>,
    /// What is left of 100 when nothing is said.
    pub check: Option<u32>,
    /// 2 when nothing is said and there is a logout.
    pub logout: Option<u32>,
    /// 20 when nothing is said and there is something to browse.
    pub browse: Option<u32>,
}

/// A request, and what its reply must be. Texts are templates: `{{ session }}` is the user's number, `{{ login }}`
/// counts its logins, `{{ random }}` is random, `{{ write }}` the value an act writes; beside them what was captured.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepPart {
    /// `POST /login`; with `protocol = "redis"` a command such as `INCR n:{{ session }}`.
    pub request: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body as JSON: a table or list whose texts are templates, or one text that is a template of JSON.
    #[schemars(with = "Option<serde_json::Value>")]
    pub json: Option<toml::Value>,
    /// The body as a form.
    pub form: Option<BTreeMap<String, Text>>,
    /// The body as it stands.
    pub text: Option<String>,
    /// What a correct reply looks like; any 2xx when nothing is said.
    #[serde(default)]
    pub expect: ExpectPart,
    /// What is kept of the reply, by the name that later templates use.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub capture: BTreeMap<String, Extract>,
    /// Names of further steps sent before this one, within the same operation.
    #[serde(default)]
    pub before: Vec<String>,
    /// How many redirects are followed; the last reply counts. None when nothing is said.
    #[serde(default)]
    pub follow: u32,
    /// Where this reply shows the state, if elsewhere than the session says.
    #[schemars(with = "Option<String>")]
    pub value: Option<Extract>,
}

/// What a reply looks like.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectPart {
    /// A status such as 200, a class such as `"2xx"`, or a list of them.
    pub status: Option<Statuses>,
    /// Text the body must hold, a template.
    pub body: Option<String>,
    /// Headers that must be there, each with text its value must hold, a template.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
}

/// How long each part of a trial lasts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowsPart {
    /// Load before anything is measured; 300ms when nothing is said.
    pub warm_up: Option<Span>,
    /// Load after the first correct reply of the new process; 2s when nothing is said.
    pub settle: Option<Span>,
    /// How long recovery may take before it is recorded as beyond that; 30s when nothing is said.
    pub horizon: Option<Span>,
    /// The length over which goodput, errors and latency are summed for the time to steady; 100ms when nothing is
    /// said.
    pub window: Option<Span>,
    /// How long the service must stay as good as before to be steady; 1s when nothing is said.
    pub steady_for: Option<Span>,
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
    /// A name that arms share which differ in the number of replicas alone: charts draw them as one line.
    pub family: Option<String>,
    /// How its clients try again what failed; else the common way. `retry.times = 0` is not at all.
    pub retry: Option<RetryPart>,
    /// A balancer of its own; else the common one.
    pub balancer: Option<BalancerPart>,
    /// A cache of its own; else the common one.
    pub cache: Option<CachePart>,
    /// A store of its own; else the common one.
    pub store: Option<StorePart>,
    /// What a deploy replaces this one with; else the common one.
    pub deploy: Option<DeployPart>,
    /// What differs from the common target; environment variables are added to its own.
    #[serde(default)]
    pub target: TargetPart,
    /// Why it takes no part, where that is known before.
    #[serde(skip)]
    pub skip: Option<String>,
}
