//! Invented runs with everything a report must cope with: long and hostile names, arms that were skipped,
//! trials that never recovered, nothing lost and everything lost, a single trial.

mod plan;
mod replicas;
mod trial;

use comeback_analysis::measure::{Analysis, ArmAnalysis};
use comeback_analysis::summary::{SessionCounts, Summary, WriteCounts, summarize};
use comeback_analysis::verdict::{Outcome, Verdict};
use comeback_model::ids::Seed;
use comeback_model::journal::{Header, Machine};
use comeback_model::plan::{Request, Workload};
use comeback_model::schedule;

use plan::plan;
pub(crate) use replicas::replicas;
use trial::arm;

/// A run that never took place.
pub(crate) struct Fake {
    pub(crate) analysis: Analysis,
    pub(crate) verdict: Verdict,
    pub(crate) summary: Summary,
}

impl Fake {
    /// With the summary of what the analysis is by now.
    fn summarized(self) -> Self {
        Self {
            summary: summarize(&self.analysis, &self.verdict),
            ..self
        }
    }
}

/// What an invented arm does.
#[derive(Clone)]
struct Spec {
    name: &'static str,
    about: &'static str,
    trials: u32,
    /// Share of sessions and of writes lost, before it is varied from trial to trial.
    lost: (f64, f64),
    /// Typical time to ready in ms.
    ready: f64,
    /// How many of the trials never recover.
    never: u32,
    skipped: Option<&'static str>,
    finding: Option<&'static str>,
}

const PLAIN: Spec = Spec {
    name: "token",
    about: "nowhere: each request carries a signed token, the key is in a file",
    trials: 8,
    lost: (0.0, 0.0),
    ready: 38.0,
    never: 0,
    skipped: None,
    finding: None,
};

/// A name that tries to be markup.
pub(crate) const HOSTILE: &str = "<script>alert('x')</script> | *b* \u{1b}[31m";

/// Every oddity at once.
pub(crate) fn rich() -> Fake {
    let specs = [
        PLAIN,
        Spec {
            name: "token, new key each start",
            about: "in the signing key, which is made anew at each start",
            lost: (1.0, 1.0),
            ready: 41.0,
            ..PLAIN
        },
        Spec {
            name: "memory",
            about: "in a hash map of the process",
            lost: (1.0, 1.0),
            ready: 35.0,
            ..PLAIN
        },
        Spec {
            name: "journal",
            about: "in a file, each change written and fsynced before the reply",
            ready: 212.0,
            finding: Some("the journal's last record was torn and was dropped at start"),
            ..PLAIN
        },
        Spec {
            name: "write-behind",
            about: "in a file, flushed every 500 ms",
            lost: (0.021, 0.064),
            ready: 640.0,
            ..PLAIN
        },
        Spec {
            name: "sticky-session-memory-behind-a-round-robin-balancer-with-failback",
            about: "in the memory of one of three replicas behind a balancer that pins each user to one",
            lost: (0.34, 0.36),
            ready: 2_900.0,
            never: 3,
            ..PLAIN
        },
        Spec {
            name: "shared-store",
            about: "in a database behind all replicas",
            skipped: Some(
                "redis-server is not installed: install it, or leave this arm out with --arms",
            ),
            ..PLAIN
        },
        Spec {
            name: HOSTILE,
            about: "a | pipe & <b>bold</b> claim",
            trials: 1,
            ready: 90.0,
            finding: Some("</p><script>steal()</script> was printed\nby the server"),
            ..PLAIN
        },
    ];
    fake("stateless against stateful", &specs)
}

/// More arms than fit on a screen.
pub(crate) fn many() -> Fake {
    const NAMES: [&str; 14] = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "a fairly long name in the midst of short ones",
    ];
    let specs: Vec<Spec> = NAMES
        .iter()
        .enumerate()
        .map(|(place, name)| Spec {
            name,
            trials: 20,
            lost: (0.002 * place as f64, 0.004 * place as f64),
            ready: 20.0 + 9.0 * place as f64,
            ..PLAIN
        })
        .collect();
    fake("fourteen arms", &specs)
}

/// More trials than anybody looks at one by one.
pub(crate) fn thousand() -> Fake {
    let memory = Spec {
        name: "memory",
        trials: 500,
        lost: (0.31, 0.34),
        ready: 92.0,
        finding: Some("the journal's last record was torn and was dropped at start"),
        ..PLAIN
    };
    let token = Spec {
        trials: 500,
        ..PLAIN
    };
    let mut fake = fake("a thousand trials", &[memory, token]);
    for arm in &mut fake.analysis.arms {
        for trial in &mut arm.trials {
            let late = f64::from(trial.id.0 % 97) / 10.0 + 1.0;
            trial.about_harness.push(format!(
                "the generator itself was up to {late:.1} ms late in 99 % of its operations"
            ));
        }
    }
    fake.summarized()
}

/// One arm with one trial.
pub(crate) fn single() -> Fake {
    let spec = Spec {
        name: "my server",
        about: "",
        trials: 1,
        lost: (1.0, 1.0),
        ..PLAIN
    };
    fake("single", &[spec])
}

/// An arm that never comes back beside one that does.
pub(crate) fn never() -> Fake {
    let gone = Spec {
        name: "pid file forbids the start",
        about: "in a file that outlives the process",
        lost: (1.0, 1.0),
        never: 8,
        ..PLAIN
    };
    fake("never back", &[gone, PLAIN])
}

/// Traffic without sessions.
pub(crate) fn stateless() -> Fake {
    let mut fake = fake("no sessions", &[PLAIN]);
    fake.analysis.header.plan.load.workload =
        Workload::Stateless(Box::new(Request::new("GET", "/")));
    fake.analysis.header.plan.faults[0] = plan::fault("terminate");
    for trial in fake
        .analysis
        .arms
        .iter_mut()
        .flat_map(|arm| &mut arm.trials)
    {
        trial.sessions = SessionCounts::default();
        trial.writes = WriteCounts::default();
    }
    fake.summarized()
}

/// No trial counts.
pub(crate) fn empty() -> Fake {
    let none = Spec { trials: 0, ..PLAIN };
    let skipped = Spec {
        name: "shared-store",
        skipped: Some("redis-server is not installed"),
        ..PLAIN
    };
    let mut fake = fake("empty", &[none, skipped]);
    fake.verdict = Verdict {
        outcome: Outcome::Inconclusive,
        headline: "INCONCLUSIVE: no trial counts".to_owned(),
        reasons: vec!["no trial counts".to_owned()],
        checks: Vec::new(),
        baseline: None,
    };
    fake.analysis.incomplete = Some("interrupted in trial 1".to_owned());
    fake.summarized()
}

fn fake(name: &str, specs: &[Spec]) -> Fake {
    let plan = plan(name, specs);
    let seed = Seed(20_240_607);
    let machine = Machine {
        system: "Linux 6.8.0".to_owned(),
        processor: "Example CPU @ 3.00GHz".to_owned(),
        cores: 8,
        memory_mib: 15_912,
        data_filesystem: "ext4".to_owned(),
        build: "release".to_owned(),
    };
    let mut next = 0;
    let arms: Vec<ArmAnalysis> = specs
        .iter()
        .enumerate()
        .map(|(place, spec)| arm(place, spec, &plan, &mut next))
        .collect();
    let verdict = Verdict {
        outcome: Outcome::Fail,
        headline: "FAIL: memory lost 1,172 of 1,172 sessions".to_owned(),
        reasons: vec![
            "lost_sessions == 0 does not hold for memory: 100 % lost".to_owned(),
            "shared-store was skipped, so nothing is known of it".to_owned(),
        ],
        checks: Vec::new(),
        baseline: None,
    };
    let header = Header {
        comeback_journal: 1,
        written_by: "comeback 0.1.0".to_owned(),
        started: "2024-06-07T10:30:00Z".to_owned(),
        seed,
        machine,
        schedule: schedule::expand(&plan, seed),
        plan,
        shards: None,
        label: None,
        revision: None,
    };
    let analysis = Analysis {
        header,
        arms,
        incomplete: None,
        extensions: Vec::new(),
    };
    Fake {
        summary: summarize(&analysis, &verdict),
        analysis,
        verdict,
    }
}
