//! A plan for tests, those of other crates too (feature `testing`).

use super::fault::{Effect, Ending, FaultWords, HoldsBack, Needs, Parameters};
use super::*;

/// A small valid plan with two arms, to test with.
pub fn test_plan() -> Plan {
    let target = || Target {
        ready: Readiness {
            probe: ReadyProbe::Http("/health".to_owned()),
            within: Span::from_secs(10),
        },
        boot_header: Some("x-boot-id".to_owned()),
        ..Target::of(["./server"])
    };
    let arm = |name: &str| Arm::alone(name.to_owned(), String::new(), target());
    Plan {
        name: "test".to_owned(),
        arms: vec![arm("first"), arm("second")],
        trials: 3,
        extend_to: 3,
        replacements: 0,
        controls: 1,
        faults: vec![Fault {
            kind: "kill".to_owned(),
            parameters: Parameters::new(),
            aim: Aim::AnyReplica,
            reach: Reach::Group,
            within: Within::Request,
            on: None,
            after: Span::ZERO,
            quiet: None,
            jitter: Span::from_ms(500),
            lands_within: Span::from_secs(5),
            effect: Effect::Ends(Ending::AtOnce),
            needs: Needs::default(),
            holds_back: HoldsBack::NOTHING,
            words: FaultWords {
                short: "crash".to_owned(),
                noun: "SIGKILL".to_owned(),
                done: "SIGKILL to the process group".to_owned(),
                begun: "SIGKILL sent".to_owned(),
                explained: "SIGKILL to the process group of the faulted nodes".to_owned(),
            },
        }],
        chaos: None,
        surroundings: Vec::new(),
        load: Load {
            clients: 10,
            rate: 100.0,
            ..Load::of(Workload::Sessions(Box::new(SessionFlow {
                mix: Mix {
                    act: 70,
                    check: 25,
                    logout: 5,
                    browse: 0,
                },
                ..SessionFlow::reference()
            })))
        },
        calibration: Calibration::Given,
        windows: Windows {
            warm_up: Span::from_ms(200),
            settle: Span::from_secs(1),
            steady_for: Span::from_ms(500),
            ..Windows::default()
        },
        storm: None,
        gates: Vec::new(),
        marked: BTreeSet::new(),
    }
}

/// The small plan, with so many faults drawn after each other for each trial: kills and pauses, three to one.
pub fn test_chaos(faults: u32) -> Plan {
    let mut plan = test_plan();
    let kill = Fault {
        quiet: Some(Span::from_secs(2)),
        jitter: Span::from_secs(1),
        ..plan.faults[0].clone()
    };
    let pause = Fault {
        kind: "pause".to_owned(),
        effect: Effect::StandsStill(Span::from_ms(300)),
        ..kill.clone()
    };
    plan.faults = vec![kill, pause];
    plan.chaos = Some(Chaos {
        faults,
        weights: vec![3, 1],
        span: None,
    });
    plan
}
