//! Several replicas of a reference server behind a balancer, where one server's state is not another's.

use comeback_experiment::document::{
    ArmPart, BalancerKind, BalancerPart, CacheKind, CachePart, Policy, StoreKind,
};

use crate::ArchitectureError;
use crate::arm::{Candidate, HEALTH, store};
use crate::servers;

/// How many replicas there are by default.
const REPLICAS: u32 = 3;

/// What stands around the replicas of each architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// How many replicas; with several numbers each architecture takes part with each of them.
    pub replicas: Vec<u32>,
    /// What stands in front of them.
    pub balancer: BalancerKind,
    /// A shared HTTP cache in front of that.
    pub cache: Option<CacheKind>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            replicas: vec![REPLICAS],
            balancer: BalancerKind::Builtin,
            cache: None,
        }
    }
}

/// An architecture of several replicas.
struct Architecture {
    name: &'static str,
    about: &'static str,
    /// The reference server that each replica is.
    server: &'static str,
    policy: Policy,
    store: Option<StoreKind>,
}

/// Every architecture, the broken one first.
const ALL: [Architecture; 8] = [
    Architecture {
        name: "round-robin",
        about: "each replica keeps its sessions in its own memory, and requests go to any: the broken one",
        server: "memory",
        policy: Policy::RoundRobin,
        store: None,
    },
    Architecture {
        name: "sticky",
        about: "each replica keeps its sessions in its own memory, and a cookie sends a user to the same one",
        server: "memory",
        policy: Policy::Sticky,
        store: None,
    },
    Architecture {
        name: "token",
        about: "a signed cookie, the key shared by all replicas",
        server: "token",
        policy: Policy::RoundRobin,
        store: None,
    },
    Architecture {
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

const fn on_store(name: &'static str, about: &'static str, store: StoreKind) -> Architecture {
    Architecture {
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

/// The names of all architectures.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|architecture| architecture.name).collect()
}

/// How many lines of code the server of an architecture, or a server of this name, has of its own.
pub fn lines_of(architecture: &str) -> Option<u32> {
    let server = find(architecture).map_or(architecture, |found| found.server);
    comeback_servers::find(server)?.lines()
}

fn find(name: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.name == name)
}

impl Topology {
    /// The architectures of these names; all of them when none is named. Where the fault is for the store, only those
    /// with one take part.
    pub(crate) fn candidates(
        &self,
        names: &[String],
        need_store: bool,
    ) -> Result<Vec<Candidate>, ArchitectureError> {
        let can_take_part =
            |architecture: &Architecture| !need_store || architecture.store.is_some();
        let mut chosen: Vec<&Architecture> = Vec::new();
        for name in names {
            let architecture =
                find(name).ok_or_else(|| ArchitectureError::UnknownArchitecture {
                    name: name.clone(),
                    known: self::names(),
                })?;
            if !can_take_part(architecture) {
                return Err(ArchitectureError::NoStore(name.clone()));
            }
            chosen.push(architecture);
        }
        if chosen.is_empty() {
            chosen.extend(ALL.iter().filter(|one| can_take_part(one)));
        }
        let replicas = self.sorted_replicas()?;
        chosen
            .into_iter()
            .flat_map(|architecture| replicas.iter().map(move |number| (architecture, *number)))
            .map(|(architecture, number)| self.candidate(architecture, number))
            .collect()
    }

    /// How many there are to be, each number once, in order.
    fn sorted_replicas(&self) -> Result<Vec<u32>, ArchitectureError> {
        let mut replicas = self.replicas.clone();
        replicas.sort_unstable();
        match replicas.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(replicas),
            Some(pair) => Err(ArchitectureError::SameReplicas(pair[0])),
        }
    }

    /// An architecture with so many replicas; where several numbers are asked for, its name says which.
    fn candidate(
        &self,
        architecture: &Architecture,
        replicas: u32,
    ) -> Result<Candidate, ArchitectureError> {
        let Candidate { server, mut arm } = Candidate::sharing(servers::find(architecture.server)?);
        arm.target.replicas = Some(replicas);
        let front = |policy| BalancerPart {
            kind: Some(self.balancer),
            policy: Some(policy),
            // It has no checks of its own to ask with.
            check: (self.balancer != BalancerKind::Nginx).then(|| HEALTH.to_owned()),
            ..BalancerPart::default()
        };
        let own = front(architecture.policy);
        // A balancer that cannot do it leaves the architecture out, not the others.
        let (balancer, skip) = match own.check_kind() {
            Ok(()) => (own, None),
            Err(why) => (front(Policy::default()), Some(why)),
        };
        let (name, family) = match self.replicas.as_slice() {
            [_] => (architecture.name.to_owned(), None),
            _ => {
                let name = format!("{}-{replicas}", architecture.name);
                (name, Some(architecture.name.to_owned()))
            }
        };
        let arm = ArmPart {
            name,
            about: Some(architecture.about.to_owned()),
            family,
            balancer: Some(balancer),
            cache: self.cache.map(|kind| CachePart {
                kind: Some(kind),
                ..CachePart::default()
            }),
            store: architecture.store.map(store),
            skip,
            ..arm
        };
        Ok(Candidate { server, arm })
    }
}
