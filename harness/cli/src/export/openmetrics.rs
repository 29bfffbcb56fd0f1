//! The figures of a run as OpenMetrics text: a gauge for each, with a sample for each arm. What was not measured has no sample.

use std::io::{self, Write};

use comeback_analysis::summary::{ArmSummary, Distribution, Status, Summary, summarize};
use comeback_analysis::verdict::Outcome;
use comeback_reports::format::INTERVAL_NEEDS;
use comeback_runs::finish::judge;
use comeback_runs::read::{Recorded, analyze};

use super::Exporter;
use crate::openmetrics::Text;

pub(super) const OPENMETRICS: Exporter = Exporter {
    name: "openmetrics",
    about: "Figures of the run as OpenMetrics text, for Prometheus and its kin",
    check: |_| Ok(()),
    write,
};

fn write(run: &Recorded, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let analysis = analyze(run.folder())?;
    let verdict = judge(&analysis, run.folder())?;
    to.write_all(text_of(&summarize(&analysis, &verdict)).as_bytes())
}

/// A gauge of each arm.
struct Family {
    /// Its name; it ends with its unit, if it has one.
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    /// Its samples of an arm, each with its own labels.
    of: fn(&ArmSummary) -> Vec<Sample>,
}

/// A value and the labels that tell it from others of its arm.
struct Sample {
    labels: Vec<(&'static str, &'static str)>,
    value: f64,
}

impl Sample {
    fn alone(value: impl Into<Option<f64>>) -> Vec<Self> {
        let value = value.into().into_iter();
        value
            .map(|value| Self {
                labels: Vec::new(),
                value,
            })
            .collect()
    }

    fn count(value: u64) -> Vec<Self> {
        Self::alone(value as f64)
    }

    fn each(label: &'static str, values: &[(&'static str, Option<f64>)]) -> Vec<Self> {
        let known = values.iter().filter_map(|(name, value)| {
            Some(Self {
                labels: vec![(label, *name)],
                value: (*value)?,
            })
        });
        known.collect()
    }

    /// The figures of a time in ms, in seconds; infinite where that is beyond the horizon.
    fn seconds(times: &Distribution) -> Vec<Self> {
        let from = |least: u32, value: Option<f64>| {
            (times.n >= least).then(|| value.map_or(f64::INFINITY, |ms| ms / 1_000.0))
        };
        Self::each(
            "stat",
            &[
                ("median", from(1, times.median)),
                ("low", from(INTERVAL_NEEDS, times.low)),
                ("high", from(INTERVAL_NEEDS, times.high)),
                ("max", from(1, times.max)),
            ],
        )
    }
}

const SECONDS: Option<&str> = Some("seconds");
const RATIO: Option<&str> = Some("ratio");

static FAMILIES: &[Family] = &[
    Family {
        name: "comeback_trials",
        unit: None,
        help: "Trials with a fault that ran to their end and count.",
        of: |arm| Sample::count(arm.trials.into()),
    },
    Family {
        name: "comeback_faults_landed",
        unit: None,
        help: "Trials whose fault was confirmed.",
        of: |arm| Sample::count(arm.faults_landed.into()),
    },
    Family {
        name: "comeback_recoveries",
        unit: None,
        help: "Trials with a fault by how the service came back.",
        of: |arm| {
            let recovery = &arm.recovery;
            let count = |number: u32| Some(f64::from(number));
            Sample::each(
                "how",
                &[
                    ("for_good", count(recovery.for_good)),
                    ("by_probe_only", count(recovery.by_probe_only)),
                    ("not_for_good", count(recovery.not_for_good)),
                    ("never", count(recovery.never)),
                ],
            )
        },
    },
    Family {
        name: "comeback_sessions",
        unit: None,
        help: "Sessions acknowledged before the fault (all), and their fates; beside them doubted ones, if their replies were whole.",
        of: |arm| {
            let sessions = &arm.sessions;
            let count = |number: u64| Some(number as f64);
            Sample::each(
                "fate",
                &[
                    ("all", count(sessions.acknowledged)),
                    ("survived", count(sessions.survived)),
                    ("lost", count(sessions.lost)),
                    ("reset", count(sessions.reset)),
                    ("wrong_identity", count(sessions.name_another())),
                    ("zombie", count(sessions.honoured_logouts())),
                    ("undecided", count(sessions.undecided)),
                    ("lost_doubted", count(sessions.lost_doubted)),
                    ("reset_doubted", count(sessions.reset_doubted)),
                    ("zombie_doubted", count(sessions.zombie_doubted)),
                ],
            )
        },
    },
    Family {
        name: "comeback_writes",
        unit: None,
        help: "Acknowledged writes of those sessions (all), and their fates; duplicated, phantom, doubted and unverified ones beside them.",
        of: |arm| {
            let writes = &arm.writes;
            let count = |number: u64| Some(number as f64);
            Sample::each(
                "fate",
                &[
                    ("all", count(writes.acknowledged)),
                    ("kept", count(writes.kept)),
                    ("lost", count(writes.lost)),
                    ("unverifiable", count(writes.unverifiable)),
                    ("unverified", count(writes.unverified)),
                    ("lost_doubted", count(writes.lost_doubted)),
                    ("duplicated", count(writes.duplicated)),
                    ("phantom", count(writes.phantom)),
                ],
            )
        },
    },
    Family {
        name: "comeback_outage_seconds",
        unit: SECONDS,
        help: "From the sending of the fault to the first correct reply of the new process. +Inf: beyond the horizon.",
        of: |arm| Sample::seconds(&arm.outage_ms),
    },
    Family {
        name: "comeback_time_to_ready_seconds",
        unit: SECONDS,
        help: "From the confirmed effect of the fault to the first correct reply of the new process. +Inf: beyond the horizon.",
        of: |arm| Sample::seconds(&arm.time_to_ready_ms),
    },
    Family {
        name: "comeback_time_to_steady_seconds",
        unit: SECONDS,
        help: "From the confirmed effect of the fault until the service is as before. +Inf: not before the load ended.",
        of: |arm| Sample::seconds(&arm.time_to_steady_ms),
    },
    Family {
        name: "comeback_errors_ratio",
        unit: RATIO,
        help: "Failed of the scheduled operations before, during and after the outage.",
        of: |arm| {
            let errors = &arm.errors;
            Sample::each(
                "window",
                &[
                    ("before", errors.before.rate),
                    ("during", errors.during.rate),
                    ("after", errors.after.rate),
                ],
            )
        },
    },
    Family {
        name: "comeback_availability_ratio",
        unit: RATIO,
        help: "Operations that were correct within the latency objective, of all that were scheduled.",
        of: |arm| Sample::alone(arm.availability.rate),
    },
    Family {
        name: "comeback_control_errors_ratio",
        unit: RATIO,
        help: "Failed of the scheduled operations of the control trials, without a fault.",
        of: |arm| Sample::alone(arm.control.errors.rate),
    },
];

/// The document.
fn text_of(summary: &Summary) -> String {
    let mut out = Text::default();
    out.family("comeback_run", "info", None, "The run.");
    let seed = summary.seed.to_string();
    let mut labels = vec![
        ("name", summary.name.as_str()),
        ("started", &summary.started),
        ("seed", &seed),
    ];
    if let Some(label) = &summary.label {
        labels.push(("label", label));
    }
    if let Some(revision) = &summary.revision {
        let dirty = if revision.dirty { "true" } else { "false" };
        labels.extend([("commit", revision.commit.as_str()), ("dirty", dirty)]);
    }
    out.sample("comeback_run_info", &labels, 1.0);
    out.family(
        "comeback_verdict",
        "stateset",
        None,
        "The verdict of the run.",
    );
    for outcome in [
        Outcome::Pass,
        Outcome::Fail,
        Outcome::Inconclusive,
        Outcome::Measured,
    ] {
        let is = f64::from(u8::from(summary.verdict == outcome));
        let labels = [("comeback_verdict", outcome.name())];
        out.sample("comeback_verdict", &labels, is);
    }
    let about = "Whether the arm was measured. One that was not has no other sample.";
    out.family("comeback_arm_measured", "gauge", None, about);
    for arm in &summary.arms {
        let is = f64::from(u8::from(arm.status == Status::Measured));
        out.sample("comeback_arm_measured", &[("arm", &arm.name)], is);
    }
    for family in FAMILIES {
        out.family(family.name, "gauge", family.unit, family.help);
        let measured = summary.arms.iter();
        for arm in measured.filter(|arm| arm.status == Status::Measured) {
            for one in (family.of)(arm) {
                let mut labels = vec![("arm", arm.name.as_str())];
                labels.extend(one.labels);
                out.sample(family.name, &labels, one.value);
            }
        }
    }
    out.end()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn what_is_doubted_has_a_sample_of_its_own_beside_what_is_lost() {
        let stored = include_str!("../../tests/data/journals/compare/summary.json");
        let mut summary = Summary::from_json(stored).unwrap();
        let mut arms = summary.arms.iter_mut();
        let arm = arms.find(|arm| arm.status == Status::Measured);
        let arm = arm.unwrap();
        (arm.sessions.lost_doubted, arm.writes.lost_doubted) = (3, 7);
        arm.sessions.zombie_doubted = 2;
        let name = arm.name.clone();
        let text = text_of(&summary);
        for (family, fate, value) in [
            ("sessions", "lost_doubted", 3),
            ("sessions", "reset_doubted", 0),
            ("sessions", "zombie_doubted", 2),
            ("writes", "lost_doubted", 7),
        ] {
            let line = format!("comeback_{family}{{arm=\"{name}\",fate=\"{fate}\"}} {value}\n");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
}
