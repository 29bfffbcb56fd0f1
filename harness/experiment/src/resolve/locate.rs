//! Where problems of a plan stand in a document: the keys of each part of a plan.

use comeback_model::gate::{Gate, METRICS};
use comeback_model::ids::FaultId;
use comeback_model::plan::{Field, Part, Plan, PlanError};
use comeback_session::flow::{FlowError, Of};

use crate::chaos::place_of;
use crate::{Document, Key, Problem};

/// A problem of a target, in the arm's own part or in the common one.
pub(super) fn locate_of_target(at: &[&str], arm: Option<usize>, what: String) -> Problem {
    Problem {
        places: places_of("target", at, arm),
        name: match at.first() {
            // The message names its subject.
            Some(&"command" | &"socket" | &"external") | None => String::new(),
            Some(part) => (*part).to_owned(),
        },
        what,
    }
}

/// A key of a part that an arm may have of its own: there, and in the common part.
pub(super) fn places_of(part: &str, at: &[&str], arm: Option<usize>) -> Vec<Vec<Key>> {
    let common = || {
        std::iter::once(part)
            .chain(at.iter().copied())
            .map(Key::from)
    };
    let own = arm.map(|arm| {
        let head = [Key::from("arm"), arm.into()];
        head.into_iter().chain(common()).collect()
    });
    own.into_iter().chain([common().collect()]).collect()
}

pub(super) fn place(path: &[&str]) -> Vec<Key> {
    path.iter().map(|name| Key::from(*name)).collect()
}

/// Problems of the plan as a whole, by the keys of the document.
pub(super) fn locate(error: &PlanError, plan: &Plan, document: &Document) -> Problem {
    let arm = error.arm.filter(|_| !document.arm.is_empty());
    let of_arm = |key: &str| match arm {
        Some(arm) => vec![vec!["arm".into(), arm.into(), key.into()]],
        None => vec![place(&["arm"])],
    };
    let of_fault = |id: FaultId, key: &str| {
        let mut place = place_of(document.chaos.is_some(), id.place());
        place.push(key.into());
        vec![place]
    };
    let of_server = |at: &[&str]| places_of(error.part.map_or("target", Part::name), at, arm);
    let places = match error.field {
        Field::Name => vec![place(&["name"])],
        // The only arm of a document without any is called as the experiment.
        Field::Arms if error.arm.is_some() && arm.is_none() => vec![place(&["name"])],
        Field::Arms if arm.is_none() => places_of_single_server(plan, document),
        Field::Arms => of_arm("name"),
        Field::Family => of_arm("family"),
        Field::Target(key) => of_server(&[key]),
        Field::OfExternal(path) => match path.split_first() {
            Some((part, keys)) => [places_of(part, keys, arm), of_server(&["external"])].concat(),
            None => of_server(&["external"]),
        },
        Field::Ready => of_server(&["ready", "http"]),
        Field::ReadyWithin => of_server(&["ready", "within"]),
        Field::BootHeader => of_server(&["boot_header"]),
        Field::Gate(index) => {
            let metric = plan.gates.get(index).map(Gate::metric);
            let names = METRICS.iter().filter(|(_, own)| Some(*own) == metric);
            let own = names.map(|(name, _)| place(&["gate", name]));
            let common = [place(&["gate"]), place(&["storm"])];
            let listener = places_of("target", &["listener"], arm);
            own.chain(common).chain(listener).collect()
        }
        Field::Retry(key) => {
            let own = arm.map(|arm| vec!["arm".into(), arm.into(), "retry".into(), key.into()]);
            let common = place(&["load", "retry", key]);
            own.into_iter().chain([common]).collect()
        }
        Field::Cache => places_of("cache", &[], arm),
        Field::Balancer => places_of("balancer", &[], arm),
        // What replaces the server is not there, or nothing replaces it.
        Field::Deploy => {
            let faults = plan.named_faults().filter(|(_, fault)| fault.needs.next);
            let faults = faults.flat_map(|(id, _)| of_fault(id, "kind"));
            places_of("deploy", &[], arm)
                .into_iter()
                .chain(faults)
                .collect()
        }
        Field::Faults => {
            let mut places = vec![place(&["fault"]), place(&["surroundings"])];
            if document.fault.len() <= 1 {
                places.reverse();
            }
            if document.chaos.is_some() {
                places.insert(0, place(&["chaos", "choice"]));
            }
            places.push(place(&["storm"]));
            places
        }
        Field::Chaos("") => vec![place(&["chaos"])],
        Field::Chaos(key) => vec![place(&["chaos", key])],
        Field::ChaosWeight(id) => of_fault(id, "weight"),
        Field::FaultQuiet(id) => of_fault(id, "quiet"),
        Field::FaultKind(id) => match id.place().checked_sub(plan.count_of_faults()) {
            Some(index) => vec![vec!["surroundings".into(), index.into(), "kind".into()]],
            None => of_fault(id, "kind"),
        },
        Field::FaultTarget(id) => of_fault(id, "target"),
        Field::FaultLasts(id) => of_fault(id, "lasts"),
        Field::FaultReach(id) => of_fault(id, "to"),
        Field::FaultAfter(id) => of_fault(id, "after"),
        Field::FaultOn(id) => of_fault(id, "on"),
        Field::FaultNth(id) => of_fault(id, "nth"),
        Field::Trials => places_of_trials(plan),
        Field::ExtendTo => vec![place(&["extend_to"])],
        Field::Load(key) => vec![place(&["load", key])],
        Field::Mix => [
            &["session", "mix"][..],
            &["operation"],
            &["session"],
            &["storm"],
        ]
        .map(place)
        .to_vec(),
        Field::MixShare(key) => vec![place(&["session", "mix", key])],
        Field::Get => vec![place(&["operation", "request"])],
        Field::Baseline if arm.is_some() => of_arm("baseline"),
        Field::Baseline => [
            match document.chaos {
                Some(_) => vec![place(&["chaos", "at"])],
                None => of_fault(FaultId::FIRST, "at"),
            },
            vec![place(&["windows", "window"])],
        ]
        .concat(),
        Field::Windows(keys) => keys.iter().map(|key| place(&["windows", key])).collect(),
        Field::Horizon => {
            let own = vec![place(&["windows", "horizon"])];
            match error.part {
                Some(_) => [of_server(&["restart", "after"]), own].concat(),
                None => [own, of_server(&["restart", "after"])].concat(),
            }
        }
    };
    Problem {
        places,
        name: error.field.name().to_owned(),
        what: error.problem.clone(),
    }
}

/// What makes more than the one server that a storm has.
fn places_of_single_server(plan: &Plan, document: &Document) -> Vec<Vec<Key>> {
    let mut places = Vec::new();
    if let [arm] = plan.arms.as_slice() {
        let own = (!document.arm.is_empty()).then_some(0);
        if arm.replicas > 1 {
            places.extend(places_of("target", &["replicas"], own));
        }
        for part in ["balancer", "cache", "store"] {
            places.extend(places_of(part, &[], own));
        }
    }
    places.extend([place(&["arm"]), place(&["storm"])]);
    places
}

/// The numbers that make so many trials, the largest first.
fn places_of_trials(plan: &Plan) -> Vec<Vec<Key>> {
    if plan.trials == 0 {
        return vec![place(&["trials"])];
    }
    let mut said = [
        (plan.trials, &["storm", "kills"][..]),
        (plan.trials, &["trials"]),
        (plan.extend_to, &["extend_to"]),
        (plan.replacements, &["replacements"]),
        (plan.controls, &["controls"]),
    ];
    said.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let said = said.map(|(_, path)| place(path));
    said.into_iter().chain([place(&["arm"])]).collect()
}

/// A problem of a request or a session, by the keys of the document.
pub(super) fn locate_of_flow(error: &FlowError) -> Problem {
    let step: Vec<Key> = match &error.of {
        Of::Operation => place(&["operation"]),
        Of::Session => place(&["session"]),
        Of::Login => place(&["session", "login"]),
        Of::Act => place(&["session", "act"]),
        Of::Check => place(&["session", "check"]),
        Of::Logout => place(&["session", "logout"]),
        Of::Browse => place(&["session", "browse"]),
        Of::Further(name) => vec!["session".into(), "step".into(), name.as_str().into()],
    };
    let part = error.part.iter().map(|key| Key::from(key.as_str()));
    let own = step.iter().cloned().chain(part).collect();
    // A body may be part of the request's line.
    let line = step.into_iter().chain(["request".into()]).collect();
    Problem {
        places: vec![own, line],
        name: format!("{}.{}", error.of, error.part.join(".")),
        what: error.problem.clone(),
    }
}
