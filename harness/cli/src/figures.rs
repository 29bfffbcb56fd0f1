//! Each trial's own figures, for `--verbose`: a line for each, on stderr.

use comeback_analysis::measure::{Analysis, Time, TrialAnalysis};
use comeback_reports::format::{beyond, count_of, lost_of, ms, percent, printable};

use super::print_aside;

/// Prints a line for each trial, arm by arm.
pub(super) fn tell(analysis: &Analysis) {
    for arm in &analysis.arms {
        for trial in &arm.trials {
            print_aside(&format!(
                "{}, trial {}: {}",
                printable(&arm.name),
                trial.id.0,
                line(analysis, trial)
            ));
            for finding in trial.findings.iter().chain(&trial.about_harness) {
                print_aside(&format!("  {}", printable(finding)));
            }
        }
    }
}

fn line(analysis: &Analysis, trial: &TrialAnalysis) -> String {
    let mut parts = Vec::new();
    if let Some(void) = &trial.void {
        parts.push(format!("does not count: {}", printable(&void.reason)));
    }
    if trial.control {
        parts.push("no fault".to_owned());
    } else {
        let horizon = analysis.header.plan.windows.horizon;
        parts.push(match trial.chain.ready {
            Some(Time::At { ms: at, .. }) => format!("ready {}", ms(at)),
            Some(Time::Beyond { .. }) => format!("ready {}", beyond(horizon)),
            None => "no recovery seen".to_owned(),
        });
    }
    let (sessions, writes) = (&trial.sessions, &trial.writes);
    parts.push(format!(
        "sessions lost {}",
        lost_of(sessions.lost, sessions.lost_doubted, sessions.acknowledged)
    ));
    parts.push(format!(
        "writes lost {}",
        lost_of(writes.lost, writes.lost_doubted, writes.acknowledged)
    ));
    let errors = &trial.errors;
    for (name, tally) in [
        ("before", &errors.before),
        ("during", &errors.during),
        ("after", &errors.after),
    ] {
        if let Some(rate) = tally.rate() {
            parts.push(format!("errors {name} {}", percent(rate)));
        }
    }
    parts.push(format!(
        "{} operations sent",
        count_of(trial.load.sent, trial.load.scheduled)
    ));
    parts.join(", ")
}
