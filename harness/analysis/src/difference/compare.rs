//! Two runs against each other, metric by metric: judged as gates with a baseline are, and shown with the
//! size of the effect and what so few trials could have missed (METHOD.md §5).

use comeback_model::gate::{Gate, METRICS, Metric};
use comeback_model::journal::RunLabel;
use comeback_model::plan::Workload;
use comeback_statistics as statistics;

use super::seen::{Seen, allowed, detectable, figure_of, has_none, shown};
use super::{ArmDifference, Difference, MetricDifference, SCHEMA, Shift, Standing};
use crate::measure::{Analysis, ArmAnalysis, Tally};
use crate::verdict::baseline::{
    counterpart, is_whole, machine_differences, plan_differences, planned,
};
use crate::verdict::clean::{is_asked_of, without_a_fault};
use crate::verdict::figure::Missing;
use crate::verdict::samples::{Base, GateState};
use crate::verdict::shards::lacking;
use crate::verdict::{
    Check, Outcome, check, did_not_grow, no_control, samples, unrecovered, what_is_missing,
    what_is_never_excused,
};

/// What is compared, in the order it is shown, and whether that is asked of every run. The share of errors
/// during the outage is of the operations scheduled in it: a server that is back sooner has fewer of both. The
/// availability is of the load of a whole trial: in one of a second, 10 ms of outage are a percentage point.
/// The outage area says in seconds what both mean.
const COMPARED: [(&str, bool); 12] = [
    ("lost_sessions", true),
    ("lost_writes", true),
    ("outage.median", true),
    ("time_to_ready.median", true),
    ("time_to_steady.median", true),
    ("longest_gap.median", true),
    ("outage_area.median", true),
    ("availability", false),
    ("error_rate.during", false),
    ("error_rate.after", true),
    ("latency.after.p50", true),
    ("latency.after.p99", true),
];

/// Whatever is allowed: the figures of a service that is not back are none.
const BACK: &str = "unrecovered == 0, which is asked of every run";

/// The mend where times cannot be compared.
const MEND: &str = "measure both in one run (comeback run --baseline BASE --remeasure)";

/// A metric to be compared, and what is asked of it.
struct Asked {
    name: &'static str,
    metric: Metric,
    gate: Option<Gate>,
    /// A count that nobody asked for, and of which a counterexample is certain: it is of no interest without one.
    only_where_found: bool,
}

/// What keeps two arms from being compared.
enum Obstacle {
    Nothing,
    /// Times and rates are the machine's; what is lost is the server's doing anywhere.
    Machine,
    Everything,
}

/// Compares a run with an earlier one. Each metric may become worse by the usual allowance of a gate; `gates`
/// with a baseline say otherwise for theirs, or add a metric.
pub fn compare(base: &Analysis, new: &Analysis, gates: &[Gate]) -> Difference {
    let asked = asked(base, new, gates);
    let (mut never_excused, mut worse) = (Vec::new(), Vec::new());
    let mut missing: Vec<String> = new.incomplete.iter().cloned().collect();
    missing.extend(lacking(&new.header));
    let machines = machine_differences(&base.header.machine, &new.header.machine);
    if let Some(difference) = machines.first() {
        missing.push(format!(
            "times and rates are not compared: the runs are from different machines ({difference}); {MEND}"
        ));
    }
    let mut arms = Vec::new();
    let is_new = |arm: &&ArmAnalysis| !new.header.plan.is_baseline(&arm.name);
    for arm in new.arms.iter().filter(is_new) {
        let about = |problem: &str| format!("{}: {problem}", arm.name);
        let lacks = what_is_missing(arm).into_iter().chain(no_control(arm));
        missing.extend(lacks.map(|problem| about(&problem)));
        let Some(other) = counterpart(base, &arm.name) else {
            missing.push(about(
                "the earlier run has several arms, and none of this name: compare runs whose arms have the \
                 same names",
            ));
            continue;
        };
        if arm.faulted().next().is_none() {
            continue;
        }
        let obstacle = match obstacle(base, other, new, arm) {
            Some(why) => {
                missing.push(about(&why));
                Obstacle::Everything
            }
            None if machines.is_empty() => Obstacle::Nothing,
            None => Obstacle::Machine,
        };
        if !matches!(obstacle, Obstacle::Everything) {
            let anyway = asked_anyway(arm, other, gates);
            never_excused.extend(anyway.never_excused.iter().map(|problem| about(problem)));
            worse.extend(anyway.worse.iter().map(|problem| about(problem)));
            missing.extend(anyway.missing.iter().map(|problem| about(problem)));
        }
        let metrics: Vec<MetricDifference> = asked
            .iter()
            .filter(|asked| asked.concerns(arm, other))
            .map(|asked| asked.differ(arm, other, &obstacle))
            .collect();
        for metric in &metrics {
            let detail = metric.detail.as_deref().unwrap_or_default();
            match metric.standing {
                Standing::Worse => {
                    worse.push(about(&format!("{} is worse: {detail}", metric.metric)));
                }
                Standing::Unknown => {
                    missing.push(about(&format!(
                        "{} cannot be judged: {detail}",
                        metric.metric
                    )));
                }
                Standing::WithinAllowed | Standing::NotAsked | Standing::NotCompared => {}
            }
        }
        arms.push(ArmDifference {
            arm: arm.name.clone(),
            base_arm: other.name.clone(),
            base_trials: other.faulted().count() as u32,
            new_trials: arm.faulted().count() as u32,
            metrics,
        });
    }
    if arms.is_empty() {
        missing.push("no arm could be compared".to_owned());
    }
    // An interval over all trials may say otherwise.
    if lacking(&new.header).is_some() {
        worse.append(&mut missing);
        missing = std::mem::take(&mut worse);
    }
    // No further trial takes these back.
    worse.splice(0..0, never_excused);
    adjust(&mut arms);
    let outcome = match (worse.is_empty(), missing.is_empty()) {
        (false, _) => Outcome::Fail,
        (true, false) => Outcome::Inconclusive,
        (true, true) => Outcome::Pass,
    };
    worse.append(&mut missing);
    Difference {
        schema: SCHEMA,
        base: RunLabel::from(&base.header),
        new: RunLabel::from(&new.header),
        verdict: outcome,
        reasons: worse,
        notes: left_out(base, &arms),
        arms,
    }
}

/// What no allowance excuses.
#[derive(Default)]
struct Anyway {
    /// Worse, whatever else is found.
    never_excused: Vec<String>,
    worse: Vec<String>,
    missing: Vec<String>,
}

/// What is demanded of a run, too, whatever its gates. What the earlier run shows as well did not become worse, and what is not
/// known of it perhaps not: neither makes a pass.
fn asked_anyway(arm: &ArmAnalysis, base: &ArmAnalysis, gates: &[Gate]) -> Anyway {
    let mut anyway = Anyway::default();
    let too = |of_base| format!("in the earlier run, too: {of_base}");
    match what_is_never_excused(arm).zip(Some(what_is_never_excused(base).map(too))) {
        Some((problem, None)) => anyway.never_excused.push(problem),
        Some((problem, Some(of_base))) => anyway.missing.push(format!("{problem}; {of_base}")),
        None => {}
    }
    let mut found = |problem: String, of_base: Option<String>| match of_base {
        None => anyway.worse.push(problem),
        Some(of_base) => anyway.missing.push(format!("{problem}; {of_base}")),
    };
    if gates.iter().any(Gate::is_about_recovery) {
        return anyway;
    }
    match unrecovered(arm) {
        GateState::Holds => {}
        GateState::Broken(problem) => {
            let of_base = match unrecovered(base) {
                GateState::Holds => None,
                GateState::Broken(of_base) => Some(too(of_base)),
                GateState::Unknown(Missing { why, .. }) => {
                    Some(format!("of the earlier run it is not known: {why}"))
                }
            };
            found(format!("{BACK}, is broken: {problem}"), of_base);
        }
        GateState::Unknown(Missing { why, .. }) => {
            let problem = format!("{BACK}, cannot be judged: {why}");
            anyway.missing.push(problem);
        }
    }
    anyway
}

/// Arms of the earlier run that nothing is compared with.
fn left_out(base: &Analysis, arms: &[ArmDifference]) -> Vec<String> {
    let unused = base.arms.iter().filter(|other| {
        !base.header.plan.is_baseline(&other.name)
            && arms.iter().all(|arm| arm.base_arm != other.name)
    });
    unused
        .map(|arm| format!("{} is in the earlier run only", arm.name))
        .collect()
}

/// Why nothing of two arms can be compared, if so, with the mend.
fn obstacle(
    base: &Analysis,
    other: &ArmAnalysis,
    new: &Analysis,
    arm: &ArmAnalysis,
) -> Option<String> {
    if base.header == new.header {
        return Some("both are the same run".to_owned());
    }
    let plans = plan_differences(
        &base.header,
        planned(base, other),
        &new.header,
        planned(new, arm),
    );
    if !plans.is_empty() {
        return Some(format!(
            "not compared with the earlier run: {} differs; {MEND}",
            plans.join(" and ")
        ));
    }
    let why = is_whole(base, other).err()?;
    Some(format!("not compared with the earlier run: {why}; {MEND}"))
}

/// What is compared between these runs, with what is asked of it.
fn asked(base: &Analysis, new: &Analysis, gates: &[Gate]) -> Vec<Asked> {
    let has_sessions = [base, new]
        .iter()
        .any(|run| matches!(run.header.plan.load.workload, Workload::Sessions(_)));
    let gate_of = |metric: Metric| {
        let mut gates = gates.iter().rev();
        gates.find(|gate| gate.needs_baseline() && gate.metric() == metric)
    };
    let of = |name: &'static str, usual: bool| {
        let (_, metric) = METRICS.into_iter().find(|(known, _)| *known == name)?;
        let usual = || {
            Gate::try_from(no_worse(name, metric))
                .ok()
                .filter(|_| usual)
        };
        Some(Asked {
            name,
            metric,
            gate: gate_of(metric).cloned().or_else(usual),
            only_where_found: false,
        })
    };
    let usual = COMPARED
        .into_iter()
        .filter_map(|(name, usual)| of(name, usual));
    let is_usual = |name: &str| COMPARED.iter().any(|(usual, _)| *usual == name);
    let further = METRICS
        .into_iter()
        .filter(|(name, _)| !is_usual(name))
        .filter_map(|(name, metric)| {
            let has_gate = gate_of(metric).is_some();
            let is_certain =
                matches!(metric, Metric::Count(count) if count.traits().is_certain_at_any_load);
            (has_gate || is_certain).then_some(Asked {
                only_where_found: !has_gate,
                ..of(name, true)?
            })
        });
    let is_count = |asked: &Asked| matches!(asked.metric, Metric::Count(_));
    usual
        .filter(|asked| has_sessions || !is_count(asked))
        .chain(further)
        .collect()
}

/// The gate without an allowance of its own.
fn no_worse(name: &str, metric: Metric) -> String {
    let sign = match metric {
        Metric::Served(_) => ">=",
        Metric::Count(_) | Metric::ErrorRate(_) | Metric::Latency(_, _) | Metric::Time(_, _) => {
            "<="
        }
    };
    format!("{name} {sign} baseline")
}

impl Asked {
    /// What both show without any fault, as a token that nobody can take back is honoured after the logout, and the new run no
    /// more than the earlier one, did not change.
    fn concerns(&self, arm: &ArmAnalysis, base: &ArmAnalysis) -> bool {
        if !self.only_where_found {
            return true;
        }
        let is_found = |count| Tally::of(count, arm).found_anywhere() > 0;
        let is_usual = |gate: &Gate| {
            let stored = true;
            without_a_fault(gate, arm).is_some()
                && without_a_fault(gate, base).is_some()
                && did_not_grow(gate, arm, Base { arm: base, stored })
        };
        self.metric.count().is_some_and(is_found) && !self.gate.as_ref().is_some_and(is_usual)
    }

    /// A latency that falls on a failure in every earlier trial is as large as one can be, whatever it is now.
    fn cannot_be_worse(&self, base: &ArmAnalysis) -> bool {
        let samples = || samples::samples(self.metric, base);
        matches!(self.metric, Metric::Latency(_, _))
            && !samples().is_empty()
            && samples()
                .iter()
                .all(|figure| *figure == Some(f64::INFINITY))
    }

    fn differ(
        &self,
        arm: &ArmAnalysis,
        base: &ArmAnalysis,
        obstacle: &Obstacle,
    ) -> MetricDifference {
        let is_comparable = match obstacle {
            Obstacle::Nothing => true,
            Obstacle::Machine => matches!(self.metric, Metric::Count(_)),
            Obstacle::Everything => false,
        };
        let seen = is_comparable.then(|| Seen::of(self.metric, arm, base));
        let seen = seen.unwrap_or_default();
        let asked = self
            .gate
            .as_ref()
            .filter(|gate| is_comparable && is_asked_of(gate, arm));
        let check = asked.map(|gate| {
            if self.cannot_be_worse(base) {
                return holds(gate, arm);
            }
            let stored = true;
            check(gate, arm, || Ok(Base { arm: base, stored }))
        });
        let figures = [base, arm].map(|arm| figure_of(self.metric, arm));
        let never = seen
            .interval
            .is_some_and(|figure| figure.low == figure.high)
            && figures.iter().all(|figure| has_none(self.metric, figure));
        let [base_figure, new_figure] = figures;
        let fewest = u64::from(base_figure.trials.min(new_figure.trials));
        let possible = statistics::zero_event_upper_bound(fewest).filter(|_| never);
        MetricDifference {
            metric: self.name.to_owned(),
            unit: shown(self.metric),
            more_is_better: self.metric.is_better_when_more(),
            base: base_figure,
            new: new_figure,
            shift: seen.interval.map(|figure| Shift {
                estimate: Some(figure.value).filter(|value| !value.is_nan()),
                low: Some(figure.low),
                high: Some(figure.high),
            }),
            cliffs_delta: seen.delta,
            p_value: seen.p_value,
            p_holm: None,
            detectable: seen.interval.and_then(detectable),
            possible_share_of_crashes: possible,
            allowed: self
                .gate
                .as_ref()
                .map(|gate| allowed(gate, self.metric, base)),
            standing: standing(is_comparable, check.as_ref()),
            detail: check.and_then(|check| check.detail),
        }
    }
}

/// A gate that holds, whatever the figures.
fn holds(gate: &Gate, arm: &ArmAnalysis) -> Check {
    Check {
        arm: arm.name.clone(),
        gate: gate.to_string(),
        outcome: Outcome::Pass,
        detail: None,
        more_trials: None,
        sharpness: None,
    }
}

fn standing(is_comparable: bool, check: Option<&Check>) -> Standing {
    match (is_comparable, check.map(|check| check.outcome)) {
        (false, _) => Standing::NotCompared,
        (true, None) => Standing::NotAsked,
        (true, Some(Outcome::Pass)) => Standing::WithinAllowed,
        (true, Some(Outcome::Fail)) => Standing::Worse,
        // A gate is never measured only.
        (true, Some(Outcome::Inconclusive | Outcome::Measured)) => Standing::Unknown,
    }
}

/// Adjusts the p-values of all metrics of all arms.
fn adjust(arms: &mut [ArmDifference]) {
    let metrics = || arms.iter().flat_map(|arm| &arm.metrics);
    let p_values: Vec<f64> = metrics().filter_map(|metric| metric.p_value).collect();
    let mut adjusted = statistics::holm(&p_values).into_iter();
    for metric in arms.iter_mut().flat_map(|arm| &mut arm.metrics) {
        metric.p_holm = metric.p_value.and_then(|_| adjusted.next());
    }
}
