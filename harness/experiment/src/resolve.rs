//! A document becomes a plan: the one place where defaults are.

mod locate;

use std::path::{Path, PathBuf};

use comeback_model::gate::Gate;
use comeback_model::ids::{FaultId, Seed};
use comeback_model::plan::fault::{Catalogue, Invalid};
use comeback_model::plan::{
    Aim, Arm, Call, Fault, Open, Plan, Protocol, Request, Storm, Windows, Workload,
};
use comeback_model::units::Span;

use super::chaos::place_of;
use super::document::{
    BalancerPart, CachePart, ChaosPart, DeployPart, RetryPart, StepPart, StorePart, TargetPart,
};
use super::fill;
use super::problem::PartProblem;
use super::scalar::{Demands, Words};
use super::{Document, Key, Problem};
use comeback_session::flow::Flow;
use locate::{locate, locate_of_flow, locate_of_target, place, places_of};

/// The default gates: for every service, for one with sessions, for one whose sessions name their user, for one whose users log
/// out, and for one whose sessions show their writes. Without them, a service that loses acknowledged writes would pass.
const OF_ALL: &str = "unrecovered";
const OF_SESSIONS: &str = "lost_sessions";
const OF_IDENTITY: &str = "wrong_identity";
const OF_LOGOUTS: &str = "zombie_sessions";
const OF_WRITES: &str = "lost_writes";
const OF_STATE: &str = "reset_sessions";
/// Beside an earlier revision also this, unless another gate compares with it.
const OF_TIME: &str = "time_to_ready.median";
/// A server of signed tokens honours them after any logout, without a fault too.
const NONE_BY_THE_FAULT: &str = "0 if the control has none";
/// The bound of a default gate on losses that compares.
const NO_WORSE: &str = "<= baseline";
/// The same of a time. Less than a quarter of a second takes more trials to tell, where starts scatter.
const LITTLE_LATER: &str = "<= baseline + 20% + 250ms";

/// Where a document comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The experiment's name when it has none.
    pub name: String,
    /// The folder of `{here}`.
    pub here: Option<PathBuf>,
}

/// A document, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// The seed, if the document has one.
    pub seed: Option<Seed>,
    /// The default gates among the plan's gates.
    pub default_gates: Vec<Gate>,
    /// The commands that build the servers, each once.
    pub builds: Vec<Vec<String>>,
}

/// Adds every default and makes the plan.
///
/// # Errors
/// With every problem found. The plan as a whole is checked only if its parts are valid.
pub fn resolve(
    document: &Document,
    origin: &Origin,
    catalogue: &dyn Catalogue,
) -> Result<Resolved, Vec<Problem>> {
    let storm = document.with_storm().map_err(|problem| vec![problem])?;
    let document = storm.as_ref().unwrap_or(document);
    let mut problems = Vec::new();
    let workload = workload(document, &mut problems);
    let faults = faults(document, catalogue, &mut problems);
    let surroundings = surroundings(document, catalogue, &mut problems);
    let arms = match &faults {
        Some(faults) => {
            let faults = (faults.as_slice(), surroundings.as_slice());
            arms(document, origin, workload.as_ref(), faults, &mut problems)
        }
        None => Vec::new(),
    };
    let own = gates(document, &mut problems);
    let builds = builds(document, origin, &mut problems);
    let (Some(workload), Some(faults), true) = (workload, faults, problems.is_empty()) else {
        return Err(problems);
    };
    let default_gates = default_gates(document, &workload, &own);
    let trials = document.trials.unwrap_or(6);
    let mut plan = Plan {
        name: name(document, origin),
        arms,
        trials,
        extend_to: document.extend_to.unwrap_or(trials),
        replacements: document
            .replacements
            .unwrap_or_else(|| Plan::usual_replacements(trials)),
        controls: document.controls.unwrap_or(1),
        faults,
        chaos: document.chaos.as_ref().map(ChaosPart::to_chaos),
        surroundings,
        load: document.load.to_load(workload),
        calibration: document.load.to_calibration(open_windows(document)),
        windows: windows(document),
        storm: document.storm.as_ref().map(|storm| Storm {
            until_failure: storm.until_failure.unwrap_or(false),
        }),
        gates: default_gates.iter().chain(&own).cloned().collect(),
        marked: document.marked(),
    };
    if plan.has_kill_command() {
        plan.kill_by_command();
    }
    let broken = plan.problems();
    problems.extend(broken.iter().map(|error| locate(error, &plan, document)));
    let flow = Flow::new(&plan.load.workload, 0).err();
    problems.extend(flow.map(|error| locate_of_flow(&error)));
    if !problems.is_empty() {
        return Err(told_once(problems));
    }
    Ok(Resolved {
        plan,
        seed: document.seed.map(Seed),
        default_gates,
        builds,
    })
}

/// Arms share keys, and a mistake in one of these is one mistake.
fn told_once(problems: Vec<Problem>) -> Vec<Problem> {
    let mut once: Vec<Problem> = Vec::new();
    for problem in problems {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    once
}

fn name(document: &Document, origin: &Origin) -> String {
    document.name.clone().unwrap_or_else(|| origin.name.clone())
}

/// The protocol decides how requests are read, so all arms of an experiment have the same one.
fn protocol(document: &Document) -> Protocol {
    let arms = document.arm.iter().map(|arm| arm.target.protocol);
    let said = std::iter::once(document.target.protocol).chain(arms);
    said.flatten().next().unwrap_or_default()
}

fn workload(document: &Document, problems: &mut Vec<Problem>) -> Option<Workload> {
    let protocol = protocol(document);
    match (&document.session, &document.operation) {
        (Some(_), Some(_)) => {
            let what = "an experiment has either a session or an operation: remove one";
            problems.push(Problem::at(vec!["operation".into()], "operation", what));
            None
        }
        (Some(session), None) => session
            .to_workload(protocol)
            .map_err(|found| problems.extend(found))
            .ok(),
        (None, None) if protocol.dialect().is_some() => {
            let arms = (0..document.arm.len())
                .flat_map(|arm| places_of("target", &["protocol"], Some(arm)));
            problems.push(Problem {
                places: [place(&["target", "protocol"])]
                    .into_iter()
                    .chain(arms)
                    .collect(),
                name: "protocol".to_owned(),
                what: "add a session or an operation with the commands to send".to_owned(),
            });
            None
        }
        (None, operation) => {
            let get = StepPart::new("GET /");
            match operation.as_ref().unwrap_or(&get).to_request(protocol) {
                Ok(request) => Some(Workload::Stateless(Box::new(request))),
                Err((at, what)) => {
                    let mut place: Vec<Key> = vec!["operation".into()];
                    place.extend(at.iter().map(|name| Key::from(*name)));
                    problems.push(Problem::at(place, "operation", what));
                    None
                }
            }
        }
    }
}

fn arms(
    document: &Document,
    origin: &Origin,
    workload: Option<&Workload>,
    faults: (&[Fault], &[Fault]),
    problems: &mut Vec<Problem>,
) -> Vec<Arm> {
    let asked = match workload {
        Some(Workload::Stateless(request)) => path_of(request),
        Some(Workload::Sessions(_)) | None => None,
    };
    let mut fill = |arm: Parts<'_>| {
        arm.fill(faults, origin.here.as_deref(), asked)
            .map_err(|problem| problems.push(problem))
            .ok()
    };
    if document.arm.is_empty() {
        let common = Parts {
            target: document.target.clone(),
            balancer: document.balancer.as_ref(),
            cache: document.cache.as_ref(),
            store: document.store.as_ref(),
            deploy: document.deploy.as_ref(),
            retry: document.load.retry.as_ref(),
            index: None,
        };
        return fill(common)
            .map(|arm| Arm {
                name: name(document, origin),
                ..arm
            })
            .into_iter()
            .collect();
    }
    let mut arms = Vec::new();
    for (index, part) in document.arm.iter().enumerate() {
        let own = Parts {
            target: document.target.overridden_by(&part.target),
            balancer: part.balancer.as_ref().or(document.balancer.as_ref()),
            cache: part.cache.as_ref().or(document.cache.as_ref()),
            store: part.store.as_ref().or(document.store.as_ref()),
            deploy: part.deploy.as_ref().or(document.deploy.as_ref()),
            retry: part.retry.as_ref().or(document.load.retry.as_ref()),
            index: Some(index),
        };
        let Some(arm) = fill(own) else {
            continue;
        };
        arms.push(Arm {
            name: part.name.clone(),
            about: part.about.clone().unwrap_or(arm.about),
            baseline: part.baseline.clone(),
            family: part.family.clone(),
            skip: part.skip.clone(),
            ..arm
        });
    }
    check_arms(document, problems);
    arms
}

/// The parts of an arm.
struct Parts<'a> {
    target: TargetPart,
    balancer: Option<&'a BalancerPart>,
    cache: Option<&'a CachePart>,
    store: Option<&'a StorePart>,
    deploy: Option<&'a DeployPart>,
    retry: Option<&'a RetryPart>,
    /// Its place among the arms, where the file has some.
    index: Option<usize>,
}

impl Parts<'_> {
    /// The arm, still without a name.
    fn fill(
        &self,
        (faults, surroundings): (&[Fault], &[Fault]),
        here: Option<&Path>,
        asked: Option<&str>,
    ) -> Result<Arm, Problem> {
        let target = self
            .target
            .to_target(here, asked)
            .map_err(|(at, what)| locate_of_target(&at, self.index, what))?;
        let locate = |part: &'static str, (at, what): PartProblem| Problem {
            places: places_of(part, &at, self.index),
            name: part.to_owned(),
            what,
        };
        let within = faults.iter().filter_map(|fault| fault.needs.drain).max();
        let drain = self.balancer.map(|part| part.to_drain(here, within));
        let drain = drain
            .transpose()
            .map_err(|problem| locate("balancer", problem))?;
        let next = self
            .deploy
            .map(|part| part.to_target(&self.target, here, asked));
        let next = next
            .transpose()
            .map_err(|problem| locate("deploy", problem))?;
        let balancer = self
            .balancer
            .map(|part| part.to_target(here, within.is_some()));
        let balancer = balancer
            .transpose()
            .map_err(|problem| locate("balancer", problem))?;
        let cache = self.cache.map(|part| part.to_target(here));
        let cache = cache
            .transpose()
            .map_err(|problem| locate("cache", problem))?;
        let store = self.store.map(|part| part.to_target(here));
        let store = store
            .transpose()
            .map_err(|problem| locate("store", problem))?;
        let replicas = self.target.replicas.unwrap_or(1);
        for (index, fault) in faults.iter().enumerate() {
            self.fits(("fault", index), fault, replicas)?;
        }
        for (index, surrounding) in surroundings.iter().enumerate() {
            self.fits(("surroundings", index), surrounding, replicas)?;
        }
        Ok(Arm {
            name: String::new(),
            about: target.told(),
            target,
            family: None,
            replicas,
            balancer,
            cache,
            store,
            drain: drain.flatten(),
            next,
            retry: self.retry.and_then(RetryPart::to_retry),
            baseline: None,
            revision: None,
            skip: None,
        })
    }

    /// Whether the target of a fault exists.
    fn fits(
        &self,
        (part, index): (&'static str, usize),
        fault: &Fault,
        replicas: u32,
    ) -> Result<(), Problem> {
        let missing = match fault.aim {
            Aim::Balancer if self.balancer.is_none() => {
                "there is no [balancer]: add one, or aim the fault at replica:any".to_owned()
            }
            Aim::Cache if self.cache.is_none() => {
                "there is no [cache]: add one, or aim the fault at replica:any".to_owned()
            }
            Aim::Store if self.store.is_none() => {
                "there is no [store]: add one, or aim the fault at replica:any".to_owned()
            }
            Aim::Replica(number) if number >= replicas => {
                format!("there are {replicas} replicas, from 0: name one of them, or replica:any")
            }
            _ => return Ok(()),
        };
        let of = |mut place: Vec<Key>| {
            place.push("target".into());
            place
        };
        let mut places = vec![of(vec![Key::from(part), index.into()])];
        // The faults of the plan may be what is drawn from.
        if part == "fault" {
            places.push(of(place_of(true, index)));
        }
        Err(Problem {
            places,
            name: "target".to_owned(),
            what: missing,
        })
    }
}

fn check_arms(document: &Document, problems: &mut Vec<Problem>) {
    let common = protocol(document);
    let names: Vec<&str> = document.arm.iter().map(|arm| arm.name.as_str()).collect();
    for (index, arm) in document.arm.iter().enumerate() {
        let place = |key: &str| vec![Key::from("arm"), index.into(), key.into()];
        if arm.target.protocol.is_some_and(|own| own != common) {
            let mut at = place("target");
            at.push("protocol".into());
            let what = "all arms of an experiment use the same protocol: write one experiment for each protocol";
            problems.push(Problem::at(at, "protocol", what));
        }
        let Some(baseline) = &arm.baseline else {
            continue;
        };
        if *baseline == arm.name {
            let what = "an arm cannot be its own baseline: name another one, or leave baseline out";
            problems.push(Problem::at(place("baseline"), "baseline", what));
        } else if !names.contains(&baseline.as_str()) {
            let what = format!(
                "there is no arm '{baseline}'; the arms are {}",
                names.join(", ")
            );
            problems.push(Problem::at(place("baseline"), "baseline", what));
        }
    }
}

/// The path of a plain `GET`, which can be asked for to see whether the server is up.
fn path_of(request: &Request) -> Option<&str> {
    match &request.call {
        Call::Http { method, path, .. } if method == "GET" && !path.contains("{{") => Some(path),
        Call::Http { .. } | Call::Command(_) => None,
    }
}

/// The gates of the document itself.
fn gates(document: &Document, problems: &mut Vec<Problem>) -> Vec<Gate> {
    let mut gates = Vec::new();
    for (metric, Demands(demands)) in &document.gate {
        for demand in demands {
            match Gate::from_entry(metric, demand) {
                Ok(gate) => gates.push(gate),
                Err(error) => problems.push(Problem::at(
                    vec!["gate".into(), metric.as_str().into()],
                    "gate",
                    error.to_string(),
                )),
            }
        }
    }
    gates.extend(document.demands.iter().cloned());
    gates
}

/// The commands that build the servers of the document, each once.
fn builds(document: &Document, origin: &Origin, problems: &mut Vec<Problem>) -> Vec<Vec<String>> {
    let own = document.arm.iter().enumerate();
    let own = own.map(|(index, arm)| (Some(index), arm.target.build.as_ref()));
    let common = (None, document.target.build.as_ref());
    let mut builds: Vec<Vec<String>> = Vec::new();
    for (arm, build) in std::iter::once(common).chain(own) {
        let Some(Words(words)) = build else {
            continue;
        };
        let here = origin.here.as_deref();
        let words = words.iter().map(|word| fill::fill_here(word, here));
        let what = match words.collect::<Result<Vec<_>, _>>() {
            Ok(words) if words.first().is_none_or(String::is_empty) => {
                "it is empty: name a program, or remove the key".to_owned()
            }
            Ok(words) => {
                if !builds.contains(&words) {
                    builds.push(words);
                }
                continue;
            }
            Err(what) => what,
        };
        problems.push(locate_of_target(&["build"], arm, what));
    }
    builds
}

/// The default gates of metrics that have no gate among the document's `own` ones.
fn default_gates(document: &Document, workload: &Workload, own: &[Gate]) -> Vec<Gate> {
    if document.default_gates == Some(false) {
        return Vec::new();
    }
    let beside = document.beside_revision;
    let of_losses = if beside { NO_WORSE } else { "0" };
    let mut wanted = vec![(OF_ALL, "0")];
    if let Workload::Sessions(flow) = workload {
        wanted.push((OF_SESSIONS, of_losses));
        // Never to be excused, by an earlier revision neither.
        wanted.extend(flow.identity.as_ref().map(|_| (OF_IDENTITY, "0")));
        let logs_out = flow.logout.is_some() && flow.mix.logout > 0;
        wanted.extend(logs_out.then_some((OF_LOGOUTS, NONE_BY_THE_FAULT)));
        let shows_writes = flow.value.is_some() || flow.check.value.is_some();
        if flow.mix.act > 0 && shows_writes {
            wanted.push((OF_WRITES, of_losses));
            // A session of an earlier cycle that is set back need not lack a write of its last one.
            wanted.extend(document.storm.as_ref().map(|_| (OF_STATE, of_losses)));
        }
    }
    if beside && !own.iter().any(Gate::needs_baseline) {
        wanted.push((OF_TIME, LITTLE_LATER));
    }
    let gates = wanted
        .into_iter()
        .filter_map(|(metric, bound)| Gate::from_entry(metric, bound).ok());
    gates
        .filter(|gate| !own.iter().any(|own| own.is_about_the_same(gate)))
        .collect()
}

/// The faults of the document, or the choices from which those of a trial are drawn, where each is one.
fn faults(
    document: &Document,
    catalogue: &dyn Catalogue,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Fault>> {
    let said = document.faults_or_choices(problems);
    let is_external = document.is_external();
    let mut faults = Vec::with_capacity(said.len());
    for (index, part) in said.iter().enumerate() {
        match part.to_fault(catalogue, FaultId(index as u32), is_external) {
            Ok(fault) => faults.push(fault),
            Err(Invalid { field, problem }) => {
                let name = field.clone().unwrap_or_else(|| "fault".to_owned());
                let field = field.map(|field| Key::from(field.as_str()));
                let place = place_of(document.chaos.is_some(), index);
                let place = place.into_iter().chain(field);
                problems.push(Problem::at(place.collect::<Vec<_>>(), name, problem));
            }
        }
    }
    (faults.len() == said.len()).then_some(faults)
}

/// The surroundings of the document that are right.
fn surroundings(
    document: &Document,
    catalogue: &dyn Catalogue,
    problems: &mut Vec<Problem>,
) -> Vec<Fault> {
    let mut surroundings = Vec::with_capacity(document.surroundings.len());
    for (index, part) in document.surroundings.iter().enumerate() {
        match part.to_fault(catalogue) {
            Ok(surrounding) => surroundings.push(surrounding),
            Err(Invalid { field, problem }) => {
                let name = field.clone().unwrap_or_else(|| "surroundings".to_owned());
                let place = vec![Key::from("surroundings"), index.into()].into_iter();
                let field = field.map(|field| Key::from(field.as_str()));
                let place = place.chain(field).collect::<Vec<_>>();
                problems.push(Problem::at(place, name, problem));
            }
        }
    }
    surroundings
}

/// When the first fault comes, where that is said.
fn baseline(document: &Document) -> Option<Span> {
    match &document.chaos {
        Some(chaos) => chaos.at,
        None => document.fault.first().and_then(|part| part.at),
    }
}

/// Which windows an experiment says nothing about. Those of a storm have no meaning, but for the horizon.
fn open_windows(document: &Document) -> Open {
    let open = document.windows.open(baseline(document));
    match document.storm {
        Some(_) => Open {
            horizon: open.horizon,
            ..Open::default()
        },
        None => open,
    }
}

fn windows(document: &Document) -> Windows {
    match document.storm {
        Some(_) => document.windows.of_cycle(),
        None => document.windows.to_windows(baseline(document)),
    }
}
