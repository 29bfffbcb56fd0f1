//! Balancer, cache and store of `compare --topology`.

use comeback_architectures::Topology;

use crate::choice::choice;
use comeback_experiment::document::{BalancerKind, CacheKind};

/// Replicas behind a balancer.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Replicas")]
pub(super) struct TopologyArgs {
    /// Compare architectures of several replicas behind a balancer
    ///
    /// They are round-robin, sticky, token, sqlite, redis, redis-everysec, redis-always, and postgres.
    #[arg(long)]
    topology: bool,
    /// Number of replicas; with 1,2,4 each architecture runs with each
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "3", requires = "topology", value_parser = clap::value_parser!(u32).range(1..=32))]
    replicas: Vec<u32>,
    /// The balancer in front of them
    #[arg(long, value_parser = choice::<BalancerKind>(), default_value = "builtin", requires = "topology", hide_short_help = true)]
    balancer: BalancerKind,
    /// Put a shared HTTP cache in front of the balancer; users then also request pages that it may keep
    #[arg(long, value_parser = choice::<CacheKind>(), requires = "topology", hide_short_help = true)]
    cache: Option<CacheKind>,
}

impl TopologyArgs {
    /// The topology, if there is one.
    pub(super) fn to_topology(&self) -> Option<Topology> {
        self.topology.then(|| Topology {
            replicas: self.replicas.clone(),
            balancer: self.balancer,
            cache: self.cache,
        })
    }
}
