//! The machine of a run, its plan, and the meaning of its words: everything needed to repeat it.

use comeback_analysis::summary::ShardsSummary;
use comeback_model::journal::Machine;
use comeback_model::plan::fault::Effect;
use comeback_model::plan::{Arrivals, Fault, Plan, Workload};
use comeback_model::shard::ranges;
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
    ];
    facts.extend(run.summary.shards.as_ref().map(shards));
    facts.extend(plan.faults.iter().enumerate().map(fault));
    facts.extend([
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
    ]);
    facts.extend(plan.arms.iter().filter_map(|arm| {
        let revision = printable(arm.revision.as_ref()?);
        let name = printable(&arm.name);
        let what = format!("{name} is {revision}: a baseline, of which no gate is asked");
        Some(Fact::new("revision", what))
    }));
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

/// Into what the run was split.
fn shards(shards: &ShardsSummary) -> Fact {
    let mut machines: Vec<&Machine> = Vec::new();
    for one in &shards.held {
        if !machines.contains(&&one.machine) {
            machines.push(&one.machine);
        }
    }
    let missing = match shards.missing.as_slice() {
        [] => String::new(),
        missing => format!("; missing: {}", ranges(missing)),
    };
    let kinds = match machines.len() {
        1 => "machines of one kind".to_owned(),
        kinds => format!("machines of {kinds} kinds"),
    };
    let value = format!(
        "{} of {}, on {kinds}; each is whole rounds of the schedule, and times of arms are compared within a shard{missing}",
        count(shards.held.len() as u64),
        count(u64::from(shards.count))
    );
    Fact::new("shards", value)
}

/// A fault of the plan, and when it comes.
fn fault((place, fault): (usize, &Fault)) -> Fact {
    let when = match place {
        0 => format!(
            "at a random moment within {} after the baseline",
            span(fault.jitter)
        ),
        _ if fault.jitter.is_zero() => format!("{} after the first fault", span(fault.after)),
        _ => format!(
            "{} after the first fault, and up to {} later",
            span(fault.after),
            span(fault.jitter)
        ),
    };
    let done = &fault.words.done;
    let told = match &fault.on {
        None => format!("{done}, {when}"),
        Some(on) => format!(
            "{done} (the wait for it begins {when}, and lasts {} at most)",
            span(on.comes_within)
        ),
    };
    Fact::new("fault", told)
}

fn may_be_extended(plan: &Plan) -> String {
    if plan.extend_to <= plan.trials {
        return String::new();
    }
    format!(
        "; declared beforehand: up to {} with a crash if fewer cannot tell",
        count(u64::from(plan.extend_to))
    )
}

fn may_be_replaced(plan: &Plan) -> String {
    match plan.replacements {
        0 => String::new(),
        most => format!(
            "; declared beforehand: up to {most} of each arm replaced if the harness or the machine made them void"
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
        "{}, {} operations/s, {arrivals}, {connections}time-out {}, a trial counts from {} of the scheduled baseline \
         sent",
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
        0 => "There is no control trial that could show how often this rule errs.".to_owned(),
        controls => format!(
            "Applied to the trials without a crash, the same rule erred in {late} of {controls}."
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
            "One start of a server and at most one crash. Everything is counted over trials, because sessions in one \
             crash live or die together.",
        ),
        define(
            "T0",
            match run.effect() {
                Effect::StandsStill(_) => "The moment when every process was seen to stand still.",
                Effect::Degrades(_) => "The moment when the conditions were as before the fault.",
                Effect::Ends(_) | Effect::Replaces | Effect::Surrounds => {
                    "The moment when the exit of the old process was confirmed, not when the signal was sent."
                }
            },
        ),
        define(
            "lost session",
            "Its login was acknowledged before the crash. At every look after recovery, the server rejects it, \
             treats its user as not logged in, or fails for this session while it answers others (broken). A session \
             whose user logs in again stays lost. Logins in flight at the crash are ambiguous and do not count. A \
             session without a definite answer is undecided.",
        ),
        define(
            "lost write",
            "An acknowledged change that is absent afterwards, also because its session is gone. A request without \
             an answer may or may not have been applied, and is never counted as lost.",
        ),
        define(
            "ready",
            match run.takes_memory() {
                true => {
                    "The first correct reply that provably comes from the new process, on a fresh connection, if the \
                     load after it is served to its end. An accepted connection is not enough, and neither is one \
                     good reply."
                }
                false => {
                    "The first correct reply after the fault is over, on a fresh connection, if the load after it is \
                     served to its end. One good reply is not enough."
                }
            },
        ),
        define(
            "outage",
            "The time from the moment the fault was sent to ready. The clients' outage is the time from the last \
             correct reply before the fault to the first one after it.",
        ),
        Definition {
            term: "steady",
            meaning: format!(
                "From here until the end of the load, and for at least {}, goodput, errors and the median latency \
                 stay within the band of the baseline, in windows of {} or of 20 operations. {}",
                span(windows.steady_for),
                span(windows.window),
                false_rate(run)
            ),
        },
        define(
            "errors during",
            "The share of failed operations among those in flight at the crash or due between it and ready. The \
             schedule does not wait for the server.",
        ),
        define(
            "outage area",
            "Missing goodput after the crash, as equivalent seconds of full outage: failed operations, and correct \
             ones that were slow.",
        ),
        define(
            "action-weighted goodput",
            "A journey is everything that a user does in one session, from the login to the logout or the end of the \
             load. One failed operation from the crash on, or a lost or reset session, tears the whole journey. The \
             figure is the share of operations in journeys that were not torn. In brackets: its 95 % interval, from \
             six trials on.",
        ),
        define(
            "control",
            "The same server under the same load without a crash. Failures there have another cause.",
        ),
        define(
            "≤ … of crashes",
            "Nothing was lost in n trials; at 95 % confidence up to 1 − 0.05^(1/n) of crashes may still lose \
             something.",
        ),
        define(
            "[low, high]",
            "An interval of at least 95 % for the median from order statistics; with fewer than six trials there is \
             none (n too small).",
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
                "It did not happen within the horizon of {}. Such trials are kept and rank above all others.",
                span(windows.horizon)
            ),
        },
    ];
    if run.summary.arms.iter().any(|arm| arm.blind_time.is_some()) {
        all.push(define(
            "blind time",
            "How long clients failed from the crash on while the server's own health check said ready. The check is \
             asked every 20 ms at most. In brackets: the possible additional time.",
        ));
    }
    if run.summary.arms.iter().any(|arm| arm.cache.is_some()) {
        all.push(define(
            "cache hits",
            "The share of replies that the shared cache served without asking the server, among all that it had \
             stored or could store. If it serves another user's content even once, the run fails.",
        ));
    }
    all
}
