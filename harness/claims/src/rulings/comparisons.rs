//! What is compared in each run that claims are judged by.

use comeback_architectures::{Comparison, Fault, Topology};
use comeback_claims::Run;
use comeback_model::plan::Aim;

use comeback_experiment::document::{CacheKind, FaultKind};

/// The comparison of a run; how much of it is measured is said elsewhere.
pub(crate) fn comparison(run: Run) -> Comparison {
    match run {
        Run::EachAlone => of(&["token", "token-newkey", "memory", "journal", "redis"]),
        Run::ScaledOut => Comparison {
            topology: Some(Topology {
                replicas: vec![1, 2, 4],
                ..Topology::default()
            }),
            ..of(&["round-robin", "sticky", "token", "redis"])
        },
        Run::ReplicaKilled => replicas(Fault::default()),
        Run::ReplicasKilled => replicas(at(Aim::AllReplicas)),
        Run::CachedReplicasKilled => Comparison {
            topology: Some(Topology {
                cache: Some(CacheKind::Builtin),
                ..Topology::default()
            }),
            ..replicas(at(Aim::AllReplicas))
        },
        Run::StoreKilled => Comparison {
            topology: Some(Topology::default()),
            fault: at(Aim::Store),
            ..of(&["redis"])
        },
        Run::Paused => replicas(kind(FaultKind::Pause)),
        Run::Restarted => replicas(kind(FaultKind::RollingRestart)),
        Run::Deployed => Comparison {
            topology: Some(Topology::default()),
            fault: Fault {
                deploy: Some("token-v2".to_owned()),
                ..kind(FaultKind::Deploy)
            },
            ..of(&["token"])
        },
    }
}

fn of(servers: &[&str]) -> Comparison {
    Comparison {
        servers: servers.iter().map(|name| (*name).to_owned()).collect(),
        ..Comparison::default()
    }
}

/// The usual architectures, through this fault.
fn replicas(fault: Fault) -> Comparison {
    Comparison {
        topology: Some(Topology::default()),
        fault,
        ..of(&["token", "sticky", "redis"])
    }
}

fn at(target: Aim) -> Fault {
    Fault {
        target: Some(target),
        ..Fault::default()
    }
}

fn kind(kind: FaultKind) -> Fault {
    Fault {
        kind,
        ..Fault::default()
    }
}
