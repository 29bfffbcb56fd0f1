//! What stands around the replicas that `compare --topology` compares.

use comeback_architectures::Topology;

use crate::choice::choice;
use comeback_experiment::document::{BalancerKind, CacheKind};

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
    #[arg(long, value_parser = choice::<BalancerKind>(), default_value = "builtin", requires = "topology")]
    balancer: BalancerKind,
    /// A shared HTTP cache in front of that; users then look at pages that it may keep, too
    #[arg(long, value_parser = choice::<CacheKind>(), requires = "topology")]
    cache: Option<CacheKind>,
}

impl TopologyArgs {
    /// What stands around the replicas, where there are some.
    pub(super) fn to_topology(&self) -> Option<Topology> {
        self.topology.then(|| Topology {
            replicas: self.replicas.clone(),
            balancer: self.balancer,
            cache: self.cache,
        })
    }
}
