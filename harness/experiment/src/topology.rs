//! Balancers, caches and stores as targets: the ones that are known by name become commands.

use std::path::Path;

use comeback_model::plan::{Drain, Signal, Target};
use comeback_model::units::Span;

use super::choice::name_of;
use super::document::{
    BalancerKind, BalancerPart, CacheKind, CachePart, Policy, ReadyPart, RestartPart, StopPart,
    StoreKind, StorePart, TargetPart, Words,
};
use super::problem::PartProblem;

/// Where a balancer takes orders: where `comeback balance drain` looks for it.
const CONTROL: &str = "{data}/control.sock";

/// How a balancer of a known kind is told to drain a replica.
fn drain(kind: BalancerKind, within: Span) -> Drain {
    let order = |verb: &str| {
        let order = [
            "{comeback}",
            "balance",
            verb,
            "{replica}",
            "--data",
            "{data}",
            "--with",
            &name_of(&kind),
        ];
        words(&order).0
    };
    let mut begin = order("drain");
    begin.extend(["--within".to_owned(), within.to_string()]);
    Drain {
        begin,
        end: order("return"),
    }
}

impl BalancerPart {
    /// Checks that the kind supports the settings.
    ///
    /// # Errors
    /// With the unsupported setting.
    pub fn check_kind(&self) -> Result<(), String> {
        match self.known(self.kind.unwrap_or_default(), false) {
            Ok(_) => Ok(()),
            Err((_, what)) => Err(what),
        }
    }

    /// The balancer's process.
    pub(super) fn to_target(
        &self,
        here: Option<&Path>,
        drains: bool,
    ) -> Result<Target, PartProblem> {
        let command = match (&self.command, self.kind) {
            (Some(_), Some(_)) => {
                let what = "use kind or command, not both";
                return Err((vec!["command"], what.to_owned()));
            }
            (Some(_), None)
                if self.policy.is_some() || self.check.is_some() || self.retry.is_some() =>
            {
                let what = "policy, check and retry do not work with a command of your own: write them into the command";
                return Err((vec!["command"], what.to_owned()));
            }
            (Some(command), None) => command.clone(),
            (None, kind) => self.known(kind.unwrap_or_default(), drains)?,
        };
        part_of(command, (&self.ready, &self.stop, &self.restart)).to_target(here, None)
    }

    /// How it is told of a rolling restart with this time limit, if it can be.
    pub(super) fn to_drain(
        &self,
        here: Option<&Path>,
        within: Option<Span>,
    ) -> Result<Option<Drain>, PartProblem> {
        match (&self.command, &self.drain, within) {
            (None, Some(_), _) => {
                let what = "it is only for a command of your own: remove it";
                Err((vec!["drain"], what.to_owned()))
            }
            (Some(_), part, within) => {
                let drain = part.as_ref().map(|part| part.to_drain(here));
                let drain = drain.transpose()?;
                Ok(within.and(drain))
            }
            (None, None, None) => Ok(None),
            (None, None, Some(within)) => Ok(Some(drain(self.kind.unwrap_or_default(), within))),
        }
    }

    fn known(&self, kind: BalancerKind, drains: bool) -> Result<Words, PartProblem> {
        if kind == BalancerKind::Nginx {
            let lacks = |part, what: &str| {
                let what = format!(
                    "nginx has no {what} (only its commercial edition does): use builtin or haproxy"
                );
                Err((vec![part], what))
            };
            if self.policy == Some(Policy::Sticky) {
                return lacks("policy", "sticky cookies");
            }
            if self.check.is_some() {
                return lacks("check", "active health checks");
            }
        }
        let mut words = words(&[
            "{comeback}",
            "balance",
            "--port",
            "{port}",
            "--to",
            "{replicas}",
            "--policy",
            &name_of(&self.policy.unwrap_or_default()),
            "--with",
            &name_of(&kind),
            "--data",
            "{data}",
        ]);
        // nginx gets a new configuration and a signal.
        if drains && kind != BalancerKind::Nginx {
            words.0.extend(["--control".to_owned(), CONTROL.to_owned()]);
        }
        if let Some(path) = &self.check {
            words.0.extend(["--check".to_owned(), path.clone()]);
        }
        if let Some(times) = self.retry {
            words.0.extend(["--retry".to_owned(), times.to_string()]);
        }
        Ok(words)
    }
}

impl CachePart {
    /// The process that keeps replies for all clients.
    pub(super) fn to_target(&self, here: Option<&Path>) -> Result<Target, PartProblem> {
        let command = match (&self.command, self.kind) {
            (Some(_), Some(_)) => {
                let what = "use kind or command, not both";
                return Err((vec!["command"], what.to_owned()));
            }
            (Some(_), None) if self.stale_if_error.is_some() || self.ignore_private.is_some() => {
                let what = "stale_if_error and ignore_private do not work with a command of your own: write them into the command";
                return Err((vec!["command"], what.to_owned()));
            }
            (Some(command), None) => command.clone(),
            (None, kind) => self.known(kind.unwrap_or_default())?,
        };
        part_of(command, (&self.ready, &self.stop, &self.restart)).to_target(here, None)
    }

    fn known(&self, kind: CacheKind) -> Result<Words, PartProblem> {
        let mut words = words(&[
            "{comeback}",
            "cache",
            "--port",
            "{port}",
            "--to",
            "{origin}",
            "--with",
            &name_of(&kind),
            "--data",
            "{data}",
        ]);
        if let Some(time) = &self.stale_if_error {
            let invalid = |what: String| (vec!["stale_if_error"], what);
            match (kind, time.as_str()) {
                (_, "always") => {}
                (CacheKind::Builtin, time) => {
                    let read: Result<Span, _> = time.parse();
                    read.map_err(|error| invalid(format!("{error}; or write \"always\"")))?;
                }
                (CacheKind::Nginx, _) => {
                    let what = "nginx supports only \"always\": for a limit, let the replies say stale-if-error=SECONDS";
                    return Err(invalid(what.to_owned()));
                }
            }
            words
                .0
                .extend(["--stale-if-error".to_owned(), time.clone()]);
        }
        if let Some(time) = self.ignore_private {
            if time < Span::from_secs(1) {
                let what = format!("{time} is too short: caches count in seconds, at least 1s");
                return Err((vec!["ignore_private"], what));
            }
            words
                .0
                .extend(["--ignore-private".to_owned(), time.to_string()]);
        }
        Ok(words)
    }
}

impl StorePart {
    /// The process that the replicas share.
    pub(super) fn to_target(&self, here: Option<&Path>) -> Result<Target, PartProblem> {
        let command = match (&self.command, self.kind) {
            (Some(command), None) => command.clone(),
            (None, Some(kind)) => known(kind),
            (Some(_), Some(_)) => {
                let what = "use kind or command, not both";
                return Err((vec!["command"], what.to_owned()));
            }
            (None, None) => {
                let what = "give a kind, or a command of your own";
                return Err((Vec::new(), what.to_owned()));
            }
        };
        let part = TargetPart {
            command: Some(command),
            environment: self.environment.clone(),
            ready: self.ready.clone().or_else(|| self.kind.map(ready)),
            stop: self.stop.clone().or_else(|| self.kind.and_then(stop)),
            restart: self.restart.clone(),
            ..TargetPart::default()
        };
        part.to_target(here, None)
    }
}

fn known(kind: StoreKind) -> Words {
    let redis = |how: &[&str]| {
        let mut all = words(&[
            "redis-server",
            "--port",
            "{port}",
            "--bind",
            "127.0.0.1",
            "--dir",
            "{data}",
            "--save",
            "",
        ]);
        all.0.extend(how.iter().map(|word| (*word).to_owned()));
        all
    };
    match kind {
        StoreKind::Redis => redis(&["--appendonly", "no"]),
        StoreKind::RedisEverysec => redis(&["--appendonly", "yes", "--appendfsync", "everysec"]),
        StoreKind::RedisAlways => redis(&["--appendonly", "yes", "--appendfsync", "always"]),
        StoreKind::Postgres => words(&[
            "{comeback}",
            "cluster",
            "--port",
            "{port}",
            "--data",
            "{data}",
        ]),
    }
}

/// Both say in their output when they take queries; a connection is accepted before.
fn ready(kind: StoreKind) -> ReadyPart {
    let line = match kind {
        StoreKind::Redis | StoreKind::RedisEverysec | StoreKind::RedisAlways => {
            "Ready to accept connections"
        }
        StoreKind::Postgres => "database system is ready to accept connections",
    };
    ReadyPart {
        log: Some(line.to_owned()),
        within: match kind {
            StoreKind::Redis | StoreKind::RedisEverysec | StoreKind::RedisAlways => None,
            // The first start makes the cluster: 1.5 s of a processor, on a busy machine several times that.
            StoreKind::Postgres => Some(Span::from_secs(30)),
        },
        ..ReadyPart::default()
    }
}

/// PostgreSQL waits at SIGTERM until its clients are gone, at SIGINT it ends in order and at once.
fn stop(kind: StoreKind) -> Option<StopPart> {
    match kind {
        StoreKind::Redis | StoreKind::RedisEverysec | StoreKind::RedisAlways => None,
        StoreKind::Postgres => Some(StopPart {
            signal: Some(Signal::Int),
            ..StopPart::default()
        }),
    }
}

fn words(words: &[&str]) -> Words {
    Words(words.iter().map(|word| (*word).to_owned()).collect())
}

/// What stands in front of servers, as a server.
fn part_of(
    command: Words,
    (ready, stop, restart): (&Option<ReadyPart>, &Option<StopPart>, &Option<RestartPart>),
) -> TargetPart {
    TargetPart {
        command: Some(command),
        ready: ready.clone(),
        stop: stop.clone(),
        restart: restart.clone(),
        ..TargetPart::default()
    }
}
