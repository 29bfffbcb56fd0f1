//! The plan of an invented run.

use std::collections::{BTreeMap, BTreeSet};

use comeback_faults::Faults;
use comeback_model::plan::Calibration;
use comeback_model::plan::fault::{Catalogue, Parameters, Said};
use comeback_model::plan::{
    Arm, Fault, Load, Mix, Plan, Readiness, ReadyProbe, SessionFlow, Target, Windows, Workload,
};
use comeback_model::units::Span;

use super::Spec;

pub(super) fn plan(name: &str, specs: &[Spec]) -> Plan {
    let arm = |spec: &Spec| Arm {
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        target: Target {
            environment: BTreeMap::from([("SHOP_KEY".to_owned(), "hunter2".to_owned())]),
            ready: Readiness {
                probe: ReadyProbe::Http("/health".to_owned()),
                within: Span::from_secs(10),
            },
            boot_header: Some("x-boot-id".to_owned()),
            ..Target::of(["./shop", "--port", "{port}"])
        },
        family: None,
        replicas: 1,
        balancer: None,
        cache: None,
        store: None,
        drain: None,
        next: None,
        retry: None,
        baseline: None,
        revision: None,
        skip: spec.skipped.map(str::to_owned),
    };
    Plan {
        name: name.to_owned(),
        arms: specs.iter().map(arm).collect(),
        trials: 8,
        extend_to: 8,
        replacements: 2,
        controls: 1,
        faults: vec![fault("kill")],
        chaos: None,
        surroundings: Vec::new(),
        load: Load {
            clients: 200,
            workers: 2,
            ..Load::of(Workload::Sessions(Box::new(SessionFlow {
                logout: None,
                mix: Mix {
                    act: 70,
                    check: 30,
                    logout: 0,
                    browse: 0,
                },
                ..SessionFlow::reference()
            })))
        },
        windows: Windows {
            warm_up: Span::from_secs(1),
            baseline: Span::from_secs(3),
            settle: Span::from_secs(5),
            window: Span::from_ms(250),
            steady_for: Span::from_secs(2),
            ..Windows::default()
        },
        calibration: Calibration::Given,
        gates: Vec::new(),
        storm: None,
        marked: BTreeSet::new(),
    }
}

/// A fault of this kind, as the fakes have it.
pub(crate) fn fault(kind: &str) -> Fault {
    let said = Said {
        jitter: Some(Span::from_ms(500)),
        ..Said::default()
    };
    let planned = Faults.plan(kind, &Parameters::new(), said);
    planned.expect("there is such a fault")
}
