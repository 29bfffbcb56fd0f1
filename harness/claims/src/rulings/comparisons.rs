//! What is compared, so that claims can be judged by it; several claims may be judged by one comparison.

use comeback_architectures::{Comparison, ComparisonFault, Topology};
use comeback_experiment::document::CacheKind;
use comeback_model::plan::Aim;

/// Servers, each alone, are killed.
pub(crate) fn each_alone() -> Comparison {
    of(&["token", "token-newkey", "memory", "journal", "redis"])
}

/// One, two and four replicas; one of them is killed.
pub(crate) fn scaled_out() -> Comparison {
    Comparison {
        topology: Some(Topology {
            replicas: vec![1, 2, 4],
            ..Topology::default()
        }),
        ..of(&["round-robin", "sticky", "token", "redis"])
    }
}

/// One of several replicas is killed.
pub(crate) fn replica_killed() -> Comparison {
    replicas(ComparisonFault::default())
}

/// All replicas are killed at once.
pub(crate) fn replicas_killed() -> Comparison {
    replicas(at(Aim::AllReplicas))
}

/// All replicas behind a cache are killed at once.
pub(crate) fn cached_replicas_killed() -> Comparison {
    Comparison {
        topology: Some(Topology {
            cache: Some(CacheKind::Builtin),
            ..Topology::default()
        }),
        ..replicas_killed()
    }
}

/// The store of several replicas is killed.
pub(crate) fn store_killed() -> Comparison {
    Comparison {
        servers: names(&["redis"]),
        ..replicas(at(Aim::Store))
    }
}

/// One of several replicas is paused.
pub(crate) fn paused() -> Comparison {
    replicas(kind("pause"))
}

/// Replicas are restarted, one after the other.
pub(crate) fn restarted() -> Comparison {
    replicas(kind("rolling_restart"))
}

/// Replicas are replaced by a later version, one after the other.
pub(crate) fn deployed() -> Comparison {
    let fault = ComparisonFault {
        deploy: Some("token-v2".to_owned()),
        ..kind("deploy")
    };
    Comparison {
        servers: names(&["token"]),
        ..replicas(fault)
    }
}

fn of(servers: &[&str]) -> Comparison {
    Comparison {
        servers: names(servers),
        ..Comparison::default()
    }
}

/// The usual architectures, through this fault.
fn replicas(fault: ComparisonFault) -> Comparison {
    Comparison {
        topology: Some(Topology::default()),
        fault,
        ..of(&["token", "sticky", "redis"])
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn at(target: Aim) -> ComparisonFault {
    ComparisonFault {
        target: Some(target),
        ..ComparisonFault::default()
    }
}

fn kind(kind: &str) -> ComparisonFault {
    ComparisonFault {
        kind: Some(kind.to_owned()),
        ..ComparisonFault::default()
    }
}
