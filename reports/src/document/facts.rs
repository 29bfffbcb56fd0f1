//! The machine of a run, and its plan: everything needed to repeat it.

use comeback_analysis::summary::ShardsSummary;
use comeback_model::journal::Machine;
use comeback_model::plan::{Arrivals, Fault, Plan, Workload};
use comeback_model::shard::ranges;
use serde::Serialize;

use crate::RenderError;
use crate::arms::RunView;
use crate::course::course;
use crate::format::{count, counted, percent, printable, rate, span};

/// Something to know about the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    /// What it is.
    pub(crate) name: &'static str,
    /// The fact.
    pub(crate) value: String,
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
    ];
    facts.extend((run.summary.label.as_ref()).map(|label| Fact::new("label", label)));
    facts.extend((run.summary.revision.as_ref()).map(|revision| {
        let dirty = if revision.dirty { ", with changes" } else { "" };
        Fact::new("git revision", format!("{}{dirty}", revision.commit))
    }));
    facts.extend([
        Fact::new("system", &machine.system),
        Fact::new(
            "processor",
            format!("{}, {}", machine.processor, cores(machine.cores)),
        ),
        Fact::new("memory", format!("{} MiB", count(machine.memory_mib))),
        Fact::new("data file system", &machine.data_filesystem),
        Fact::new("build", &machine.build),
        Fact::new("trials", trials),
    ]);
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
        let what = format!("{name} is {revision}: a baseline, to which no gate applies");
        Some(Fact::new("revision", what))
    }));
    for sentence in course(run.summary) {
        facts.push(Fact::new("course of the run", sentence));
    }
    facts.push(Fact::new(
        "to repeat it",
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
