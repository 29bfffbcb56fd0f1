//! A comparison: which servers, in which surroundings and variants, through which fault.

use std::fmt::Display;

use comeback_experiment::Document;
use comeback_experiment::choice;
use comeback_experiment::document::{BalancerKind, LoadPart, RatePart, WindowsPart};
use comeback_model::plan::Aim;
use comeback_model::plan::fault::DEFAULT_KIND;
use comeback_model::units::Span;

use crate::arm::Candidate;
use crate::{ArchitectureError, ComparisonFault, Topology, Variants, fault, servers, session};

/// What is compared, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The servers or, with a topology, the architectures, by name; all usual ones when none is named.
    pub servers: Vec<String>,
    /// What stands around the replicas; without it each server is alone.
    pub topology: Option<Topology>,
    /// The variants that each takes part in.
    pub variants: Variants,
    /// What is done to them.
    pub fault: ComparisonFault,
    /// How much of it.
    pub size: Size,
}

/// How much is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Whether it is a first look: fewer and shorter trials.
    pub quick: bool,
    /// Trials with a fault, for each arm; by default 6, and 2 for a first look.
    pub trials: Option<u32>,
}

impl Comparison {
    /// The same as an experiment.
    ///
    /// # Errors
    /// If a name is unknown, or what is asked for needs something that is not there.
    pub fn into_document(self) -> Result<Document, ArchitectureError> {
        let mut candidates = self.candidates()?;
        self.fault.replace(&mut candidates)?;
        let arms = candidates.into_iter().map(|candidate| candidate.arm);
        let arm = self.variants.of(arms.collect())?;
        let length = Length::of(self.size.quick);
        let has_cache = self
            .topology
            .is_some_and(|topology| topology.cache.is_some());
        Ok(Document {
            name: Some("compare".to_owned()),
            trials: Some(self.size.trials.unwrap_or(length.trials)),
            load: LoadPart {
                sessions: Some(100),
                rate: Some(RatePart::PerSecond(1_000.0)),
                ..LoadPart::default()
            },
            session: Some(match has_cache {
                true => session::counter_and_pages(),
                false => session::counter(),
            }),
            fault: vec![self.fault.to_part(length.baseline)],
            windows: length.windows,
            // A comparison shows what each server loses: nothing is demanded unless somebody asks.
            default_gates: Some(false),
            arm,
            ..Document::default()
        })
    }

    fn candidates(&self) -> Result<Vec<Candidate>, ArchitectureError> {
        let target = self.fault.target;
        match &self.topology {
            Some(Topology { cache: None, .. }) if target == Some(Aim::Cache) => {
                Err(ArchitectureError::NoCache)
            }
            Some(topology) => topology.candidates(&self.servers, target == Some(Aim::Store)),
            None => alone(&self.servers),
        }
    }

    /// The words that `comeback compare` is told to do the same.
    pub fn to_command(&self) -> Vec<String> {
        let mut words = Command::default();
        let topology = self.topology.as_ref();
        words.flag("--topology", topology.is_some());
        words.0.extend(self.servers.iter().cloned());
        let usual = Topology::default();
        if let Some(topology) = topology {
            let replicas = topology.replicas.iter().map(u32::to_string);
            let differ = topology.replicas != usual.replicas;
            words.list("--replicas", replicas.collect(), differ);
            let balancer = topology.balancer;
            let balancer = (balancer != BalancerKind::Builtin).then(|| choice::name_of(&balancer));
            words.option("--balancer", balancer);
            words.option("--cache", topology.cache.as_ref().map(choice::name_of));
        }
        words.fault(&self.fault);
        words.variants(&self.variants);
        words.flag("--quick", self.size.quick);
        words.option("--trials", self.size.trials);
        words.0
    }
}

/// The servers of these names, each alone; all usual ones when none is named.
fn alone(names: &[String]) -> Result<Vec<Candidate>, ArchitectureError> {
    let mut chosen = Vec::new();
    for name in names {
        let server = servers::find(name)?;
        servers::check_http(server)?;
        chosen.push(server);
    }
    if chosen.is_empty() {
        let all = comeback_servers::all().iter();
        chosen.extend(all.filter(|server| server.usual));
    }
    Ok(chosen.into_iter().map(Candidate::alone).collect())
}

/// How long a comparison takes.
struct Length {
    trials: u32,
    baseline: Span,
    windows: WindowsPart,
}

impl Length {
    /// Six trials are the fewest that give a median an interval; the windows keep all servers within two minutes. A
    /// first look has too few trials for intervals, and says so.
    fn of(quick: bool) -> Self {
        let (trials, [warm_up, baseline, settle, steady_for]) = match quick {
            true => (2, [100, 300, 500, 200]),
            false => (6, [150, 600, 1_400, 500]),
        };
        Self {
            trials,
            baseline: Span::from_ms(baseline),
            windows: WindowsPart {
                warm_up: Some(Span::from_ms(warm_up)),
                settle: Some(Span::from_ms(settle)),
                window: Some(Span::from_ms(50)),
                steady_for: Some(Span::from_ms(steady_for)),
                ..WindowsPart::default()
            },
        }
    }
}

/// The words of a command line; what is as by default is left out.
#[derive(Default)]
struct Command(Vec<String>);

impl Command {
    fn flag(&mut self, name: &str, is_set: bool) {
        self.0.extend(is_set.then(|| name.to_owned()));
    }

    fn option(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }

    fn list(&mut self, name: &str, values: Vec<String>, differs: bool) {
        self.option(name, differs.then(|| values.join(",")));
    }

    fn fault(&mut self, fault: &ComparisonFault) {
        let parameters = fault.parameters.iter();
        let parameters = parameters.map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        let parameters = parameters.collect::<Vec<_>>().join(",");
        let kind = fault.kind.as_ref().map(|kind| kind.replace('_', "-"));
        let kind = match (kind, parameters.as_str()) {
            (kind, "") => kind,
            (kind, parameters) => {
                let kind = kind.unwrap_or_else(|| DEFAULT_KIND.to_owned());
                Some(format!("{kind}:{parameters}"))
            }
        };
        self.option("--fault-target", fault.target.and_then(fault::name_of));
        self.option("--fault", kind);
        self.option("--pause", fault.lasts);
        self.flag("--no-drain", fault.without_drain);
        self.option("--deploy", fault.deploy.as_ref());
    }

    fn variants(&mut self, variants: &Variants) {
        let usual = Variants::default();
        let listener = variants.listener.iter().map(choice::name_of);
        let retry_by = variants.retry_by.iter().map(choice::name_of);
        self.list(
            "--listener",
            listener.collect(),
            variants.listener != usual.listener,
        );
        self.list(
            "--retry-by",
            retry_by.collect(),
            variants.retry_by != usual.retry_by,
        );
        let times = variants.times;
        self.option("--retry", (times != usual.times).then_some(times));
        let backoff = variants.backoff;
        self.option(
            "--retry-backoff",
            (backoff != usual.backoff).then_some(backoff),
        );
        self.option("--try-timeout", variants.try_timeout);
        self.option("--restart-after", variants.restart_after);
    }
}
