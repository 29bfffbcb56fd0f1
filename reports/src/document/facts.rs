//! The machine of a run, its plan, and the meaning of its words: everything needed to repeat it.

use comeback_model::plan::{Arrivals, Plan, Workload};
use serde::Serialize;

use crate::RenderError;
use crate::arms::RunView;
use crate::course::course;
use crate::format::{NOT_SEEN, count, counted, percent, printable, rate, span};

/// Something to know about the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    /// What it is.
    pub(crate) name: &'static str,
    /// The fact.
    pub(crate) value: String,
}

/// What a word means here.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Definition {
    /// The word.
    pub(crate) term: &'static str,
    /// What it means.
    pub(crate) meaning: String,
}

/// Everything needed to do the run again, and to know whether the figures can be compared.
pub(crate) fn facts(run: &RunView<'_>) -> Vec<Fact> {
    let header = &run.analysis.header;
    let (plan, machine) = (&header.plan, &run.summary.machine);
    let trials = format!(
        "{} with a crash and {} without for each arm, the arms interleaved in random order{}",
        count(u64::from(plan.trials)),
        count(u64::from(plan.controls)),
        may_be_extended(plan) + &may_be_replaced(plan)
    );
    let fault = format!(
        "{}, at a random moment within {} after the baseline",
        plan.first_fault().words.done,
        span(plan.first_fault().jitter)
    );
    let gates: Vec<String> = plan
        .gates
        .iter()
        .map(|gate| printable(&gate.to_string()))
        .collect();
    let mut facts = vec![
        Fact::new("seed", run.summary.seed.to_string()),
        Fact::new("version", &header.written_by),
        Fact::new("started", &run.summary.started),
        Fact::new("system", &machine.system),
        Fact::new(
            "processor",
            format!("{}, {}", machine.processor, cores(machine.cores)),
        ),
        Fact::new("memory", format!("{} MiB", count(machine.memory_mib))),
        Fact::new("data file system", &machine.data_filesystem),
        Fact::new("build", &machine.build),
        Fact::new("trials", trials),
        Fact::new("fault", fault),
        Fact::new("load", load(plan)),
        Fact::new("each trial", windows(plan)),
        Fact::new(
            "demanded",
            if gates.is_empty() {
                "nothing: the run only measures".to_owned()
            } else {
                gates.join("; ")
            },
        ),
    ];
    for sentence in course(run.summary) {
        facts.push(Fact::new("what came of it", sentence));
    }
    facts.push(Fact::new(
        "to do it again",
        "the same version, plan and seed give the same schedule of trials, faults and operations; times \
         compare only on the same machine",
    ));
    facts
}

impl Fact {
    fn new(name: &'static str, value: impl AsRef<str>) -> Self {
        Self {
            name,
            value: printable(value.as_ref()),
        }
    }
}

fn may_be_extended(plan: &Plan) -> String {
    if plan.extend_to <= plan.trials {
        return String::new();
    }
    format!(
        "; declared beforehand: up to {} with a crash where fewer cannot tell",
        count(u64::from(plan.extend_to))
    )
}

fn may_be_replaced(plan: &Plan) -> String {
    match plan.replacements {
        0 => String::new(),
        most => format!(
            "; declared beforehand: up to {most} of each arm replaced where the harness or the machine made them void"
        ),
    }
}

fn cores(cores: u32) -> String {
    counted(u64::from(cores), "core")
}

fn load(plan: &Plan) -> String {
    let load = &plan.load;
    let who = match load.workload {
        Workload::Sessions(_) => "session",
        Workload::Stateless(_) => "client",
    };
    let connections = match load.keep_alive {
        true => "",
        false => "a connection for each operation, ",
    };
    let arrivals = match load.arrivals {
        Arrivals::Poisson => "Poisson arrivals",
        Arrivals::Constant => "evenly spaced arrivals",
    };
    format!(
        "{}, {} operations/s, {arrivals}, {connections}time-out {}, a trial counts from {} of the scheduled baseline sent",
        counted(u64::from(load.clients), who),
        rate(load.rate),
        span(load.timeout),
        percent(load.floor)
    )
}

fn windows(plan: &Plan) -> String {
    let windows = &plan.windows;
    format!(
        "warm-up {}, baseline {}, crash, up to {} for recovery, then {}; windows of {}, steady for {}",
        span(windows.warm_up),
        span(windows.baseline),
        span(windows.horizon),
        span(windows.settle),
        span(windows.window),
        span(windows.steady_for)
    )
}

/// The plan as JSON, without its secrets, which an older journal holds.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn plan(run: &RunView<'_>) -> Result<String, RenderError> {
    let json = serde_json::to_string_pretty(&run.analysis.header.plan.masked())?;
    // Line by line, as the breaks between them are ours.
    Ok(json.lines().map(printable).collect::<Vec<_>>().join("\n"))
}

/// How often the rule for steady errs, by the control trials.
fn false_rate(run: &RunView<'_>) -> String {
    let (mut late, mut controls) = (0, 0);
    for arm in &run.summary.arms {
        late += arm.steady_false_rate.late;
        controls += arm.steady_false_rate.controls;
    }
    match controls {
        0 => "There is no control trial to say how often this rule errs.".to_owned(),
        controls => format!(
            "Asked of the trials without a crash, as if there had been one, the same rule erred in {late} of {controls}."
        ),
    }
}

/// What the words of the report mean.
pub(crate) fn definitions(run: &RunView<'_>) -> Vec<Definition> {
    let windows = &run.analysis.header.plan.windows;
    let define = |term, meaning: &str| Definition {
        term,
        meaning: meaning.to_owned(),
    };
    let mut all = vec![
        define(
            "trial",
            "One start of a server and at most one crash. It is the unit everything is counted over: what happens to sessions in one crash happens to them together.",
        ),
        define(
            "T0",
            "The moment the exit of the old process was confirmed, not the moment the signal was sent.",
        ),
        define(
            "lost session",
            "Its login was acknowledged before the crash; at every look after recovery the server rejects it or answers as to a stranger, or it fails for this session while it answers others (broken). One that logs in again afterwards stays lost. Logins in flight at the crash are ambiguous and are not counted; what gives no definite answer is undecided.",
        ),
        define(
            "lost write",
            "An acknowledged change that is absent afterwards, also because its session is gone. A request without an answer may or may not have been applied, and is never counted as lost.",
        ),
        define(
            "ready",
            "The first correct reply that provably comes from the new process, on a fresh connection, if the load after it is served to its end. A mere accepted connection is not enough, and neither is one good answer.",
        ),
        define(
            "outage",
            "From the moment the fault was sent to ready: how long the service was away. The clients' outage goes from the last correct reply that one of them had before the fault to the first one after it.",
        ),
        Definition {
            term: "steady",
            meaning: format!(
                "From here on until the load's end, and for {} at least, goodput, errors and the median latency stay within the band of the baseline, in windows of {} or as long as it takes for 20 operations. {}",
                span(windows.steady_for),
                span(windows.window),
                false_rate(run)
            ),
        },
        define(
            "errors during",
            "Failed operations, as a share of those scheduled, that were in flight at the crash or due between it and ready. The schedule does not wait for the server.",
        ),
        define(
            "outage area",
            "Missing goodput after the crash, as equivalent seconds of full outage: operations that failed, and those that were correct and had to be waited for (slow).",
        ),
        define(
            "action-weighted goodput",
            "A journey is what a user does in one session, from the login to the logout or the load's end. One operation that fails from the crash on, or a session that is lost or set back, tears all of it. The figure is the share of operations that belong to journeys which were not torn; in brackets its interval of 95 %, from six trials on.",
        ),
        define(
            "control",
            "The same server under the same load without a crash. What fails there is not due to the crash.",
        ),
        define(
            "≤ … of crashes",
            "Nothing was lost in n trials; at 95 % confidence up to 1 − 0.05^(1/n) of crashes may still lose something.",
        ),
        define(
            "[low, high]",
            "An interval of at least 95 % for the median from order statistics; with fewer than six trials there is none (n too small).",
        ),
        Definition {
            term: NOT_SEEN,
            meaning: format!(
                "The service was not steady by the end of the trial's load, {} after it was ready.",
                span(windows.settle)
            ),
        },
        Definition {
            term: "> …",
            meaning: format!(
                "Did not happen within the horizon of {}. Such trials are kept and rank above all others.",
                span(windows.horizon)
            ),
        },
    ];
    if run.summary.arms.iter().any(|arm| arm.blind_time.is_some()) {
        all.push(define(
            "blind time",
            "How long clients failed from the crash on while the server's own health check said that it is ready. The check is asked every 20 ms at most; how much more it may have been stands in brackets.",
        ));
    }
    if run.summary.arms.iter().any(|arm| arm.cache.is_some()) {
        all.push(define(
            "cache hits",
            "Replies that the shared cache served from what it had stored without asking the server, out of those that were stored or could be from then on. Another user's content served so, even once, fails the run.",
        ));
    }
    all
}
