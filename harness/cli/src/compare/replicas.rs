//! The reference servers behind a balancer, where one server's state is not another's.

use comeback_core::plan::{Action, Aim, Arm, Mix, Request, SessionFlow};

use super::sharing;
use crate::{CliError, targets};
use comeback_experiment::document::{BalancerKind, CacheKind, Policy, StoreKind};
use comeback_experiment::topology::{balancer, cache, drain, store};

/// Replicas behind a balancer.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Replicas")]
pub(super) struct TopologyArgs {
    /// Compare architectures of several replicas behind a balancer, by name: round-robin, sticky, token, sqlite,
    /// redis, redis-everysec, redis-always, postgres
    #[arg(long)]
    topology: bool,
    /// How many replicas; with several numbers, such as 1,2,4, each architecture runs with each of them
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "3", requires = "topology", value_parser = clap::value_parser!(u32).range(1..=32))]
    replicas: Vec<u32>,
    /// What stands in front of them
    #[arg(long, value_enum, default_value_t = BalancerArg::Builtin, requires = "topology")]
    balancer: BalancerArg,
    /// A shared HTTP cache in front of that; users then look at pages that it may keep, too
    #[arg(long, value_enum, requires = "topology")]
    cache: Option<CacheArg>,
    /// Whom the fault strikes [default: replica; replicas of a rolling restart]
    #[arg(long, value_enum, requires = "topology")]
    strike: Option<StrikeArg>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BalancerArg {
    /// This program's own
    Builtin,
    /// HAProxy
    Haproxy,
    /// nginx
    Nginx,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CacheArg {
    /// This program's own
    Builtin,
    /// nginx
    Nginx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StrikeArg {
    /// One replica, drawn for each trial
    Replica,
    /// All replicas at once
    Replicas,
    /// The balancer
    Balancer,
    /// The cache
    Cache,
    /// The store; only architectures with one take part
    Store,
}

/// An architecture of several replicas.
struct Topology {
    name: &'static str,
    about: &'static str,
    /// The reference server that each replica is.
    server: &'static str,
    policy: Policy,
    store: Option<StoreKind>,
}

/// Every architecture, the broken one first.
const ALL: [Topology; 8] = [
    Topology {
        name: "round-robin",
        about: "each replica keeps its sessions in its own memory, and requests go to any: the broken one",
        server: "memory",
        policy: Policy::RoundRobin,
        store: None,
    },
    Topology {
        name: "sticky",
        about: "each replica keeps its sessions in its own memory, and a cookie sends a user to the same one",
        server: "memory",
        policy: Policy::Sticky,
        store: None,
    },
    Topology {
        name: "token",
        about: "a signed cookie, the key shared by all replicas",
        server: "token",
        policy: Policy::RoundRobin,
        store: None,
    },
    Topology {
        name: "sqlite",
        about: "one SQLite file for all replicas",
        server: "sqlite",
        policy: Policy::RoundRobin,
        store: None,
    },
    on_store(
        "redis",
        "one redis-server without persistence",
        StoreKind::Redis,
    ),
    on_store(
        "redis-everysec",
        "one redis-server, its log synced every second",
        StoreKind::RedisEverysec,
    ),
    on_store(
        "redis-always",
        "one redis-server, its log synced before each reply",
        StoreKind::RedisAlways,
    ),
    on_store("postgres", "one PostgreSQL server", StoreKind::Postgres),
];

const fn on_store(name: &'static str, about: &'static str, store: StoreKind) -> Topology {
    Topology {
        name,
        about,
        server: match store {
            StoreKind::Redis | StoreKind::RedisEverysec | StoreKind::RedisAlways => "redis",
            StoreKind::Postgres => "postgres",
        },
        policy: Policy::RoundRobin,
        store: Some(store),
    }
}

impl TopologyArgs {
    pub(super) const fn is_wanted(&self) -> bool {
        self.topology
    }

    /// Whom the fault strikes.
    pub(super) const fn aim(&self, action: Action) -> Aim {
        match self.strike {
            None if action.is_rolling() => Aim::AllReplicas,
            None | Some(StrikeArg::Replica) => Aim::AnyReplica,
            Some(StrikeArg::Replicas) => Aim::AllReplicas,
            Some(StrikeArg::Balancer) => Aim::Balancer,
            Some(StrikeArg::Cache) => Aim::Cache,
            Some(StrikeArg::Store) => Aim::Store,
        }
    }

    /// What users do: with a cache, a fifth of it is to look at one of a few pages that it may keep.
    pub(super) fn flow(&self) -> SessionFlow {
        let flow = SessionFlow::reference();
        if self.cache.is_none() {
            return flow;
        }
        let mut page = Request::new("GET", "/page/{{ random % 20 }}");
        page.expect.body = Some("<title>Page {{ random % 20 }}</title>".to_owned());
        SessionFlow {
            browse: Some(page),
            mix: Mix {
                act: 50,
                browse: 20,
                ..flow.mix
            },
            ..flow
        }
    }

    /// The architectures of these names; all that the fault can strike when none is named.
    pub(super) fn arms(&self, names: &[String], action: Action) -> Result<Vec<Arm>, CliError> {
        if self.strike == Some(StrikeArg::Cache) && self.cache.is_none() {
            let what = "--strike cache: there is none; say --cache builtin or --cache nginx";
            return Err(CliError::Usage(what.to_owned()));
        }
        let is_struck =
            |topology: &Topology| self.strike != Some(StrikeArg::Store) || topology.store.is_some();
        let mut chosen: Vec<&Topology> = Vec::new();
        for name in names {
            let topology = ALL.iter().find(|topology| topology.name == name);
            let topology = topology.ok_or_else(|| unknown(name))?;
            if !is_struck(topology) {
                return Err(CliError::Usage(format!(
                    "--strike store: '{name}' has no store"
                )));
            }
            chosen.push(topology);
        }
        if chosen.is_empty() {
            chosen.extend(ALL.iter().filter(|topology| is_struck(topology)));
        }
        let replicas = self.replicas()?;
        let chosen = chosen.into_iter();
        chosen
            .flat_map(|topology| replicas.iter().map(move |replicas| (topology, *replicas)))
            .map(|(topology, replicas)| self.arm(topology, replicas, action))
            .collect()
    }

    /// How many there are to be, each number once, in order.
    fn replicas(&self) -> Result<Vec<u32>, CliError> {
        let mut replicas = self.replicas.clone();
        replicas.sort_unstable();
        match replicas.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(replicas),
            Some(pair) => Err(CliError::Usage(format!(
                "--replicas: {} stands there twice",
                pair[0]
            ))),
        }
    }

    /// An architecture with so many replicas; where several numbers are asked for, its name says which.
    fn arm(&self, topology: &Topology, replicas: u32, action: Action) -> Result<Arm, CliError> {
        let arm = sharing(targets::find(topology.server)?)?;
        let kind = match self.balancer {
            BalancerArg::Builtin => BalancerKind::Builtin,
            BalancerArg::Haproxy => BalancerKind::Haproxy,
            BalancerArg::Nginx => BalancerKind::Nginx,
        };
        let drained = match action {
            Action::Roll { drain, .. } => drain,
            Action::Signal(_) | Action::Pause(_) => None,
        };
        let front = |policy| balancer(kind, policy, "/health", drained.is_some());
        let (front, skip) = match front(topology.policy) {
            Ok(front) => (front, None),
            Err(why) => {
                let usual = front(Policy::default()).map_err(CliError::Usage)?;
                (usual, Some(why))
            }
        };
        let (name, family) = match self.replicas.as_slice() {
            [_] => (topology.name.to_owned(), None),
            _ => {
                let name = format!("{}-{replicas}", topology.name);
                (name, Some(topology.name.to_owned()))
            }
        };
        Ok(Arm {
            name,
            about: topology.about.to_owned(),
            family,
            replicas,
            balancer: Some(front),
            skip,
            drain: drained.map(|within| drain(kind, within)),
            cache: self
                .cache
                .map(|kind| match kind {
                    CacheArg::Builtin => cache(CacheKind::Builtin),
                    CacheArg::Nginx => cache(CacheKind::Nginx),
                })
                .transpose()
                .map_err(CliError::Usage)?,
            store: topology
                .store
                .map(store)
                .transpose()
                .map_err(CliError::Usage)?,
            ..arm
        })
    }
}

/// The reference server that the replicas of an architecture are.
pub(super) fn server_of(architecture: &str) -> Option<&'static str> {
    let found = ALL.iter().find(|topology| topology.name == architecture);
    found.map(|topology| topology.server)
}

fn unknown(name: &str) -> CliError {
    let names: Vec<&str> = ALL.iter().map(|topology| topology.name).collect();
    CliError::Usage(format!(
        "there is no architecture '{name}': there are {}",
        names.join(", ")
    ))
}
