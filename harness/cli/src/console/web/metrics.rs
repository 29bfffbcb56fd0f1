//! The state of a run as OpenMetrics text, for Prometheus and its kin. The counters only grow, so a scraper that misses a moment
//! misses nothing of them.

use comeback_model::event::Phase;
use comeback_model::units::Elapsed;

use super::super::board::{Board, OfArm};
use crate::openmetrics::Text;

/// The content type of such a text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text while there is no trial yet: nothing was measured.
pub(super) fn nothing() -> String {
    Text::default().end()
}

/// The text at a moment of the run.
pub(super) fn text_of(board: &Board, now: Elapsed) -> String {
    let mut out = Text::default();
    of_run(&mut out, board);
    of_phase(&mut out, board);
    of_load(&mut out, board, now);
    of_operations(&mut out, board);
    of_latencies(&mut out, board);
    let per_arm = [
        Family {
            name: "comeback_live_trials",
            kind: "counter",
            help: "Trials that ended, control trials among them.",
            of: |arm| Some(arm.counts.trials),
        },
        Family {
            name: "comeback_live_faults",
            kind: "counter",
            help: "How often a fault was begun with a node.",
            of: |arm| Some(arm.counts.faults),
        },
        Family {
            name: "comeback_live_sessions_looked_at",
            kind: "gauge",
            help: "Sessions from before a fault that a final look told something of, in the trials so far.",
            of: |arm| known(arm, arm.found.looked_at),
        },
        Family {
            name: "comeback_live_sessions_gone",
            kind: "gauge",
            help: "Those of them that the server did not know any more. The verdict counts anew.",
            of: |arm| known(arm, arm.found.gone),
        },
    ];
    for family in per_arm {
        family.write(&mut out, board);
    }
    out.end()
}

/// What is known only once a session was looked at.
fn known(arm: &OfArm, value: u64) -> Option<u64> {
    (arm.found.looked_at > 0).then_some(value)
}

/// A number of each arm.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&OfArm) -> Option<u64>,
}

impl Family {
    fn write(&self, out: &mut Text, board: &Board) {
        out.family(self.name, self.kind, None, self.help);
        let total = if self.kind == "counter" { "_total" } else { "" };
        for arm in &board.arms {
            if let Some(value) = (self.of)(arm) {
                let name = format!("{}{total}", self.name);
                out.sample(&name, &[("arm", &arm.name)], value as f64);
            }
        }
    }
}

fn of_run(out: &mut Text, board: &Board) {
    out.family("comeback_live_run", "info", None, "The run.");
    let labels = [("name", board.name.as_str())];
    out.sample("comeback_live_run_info", &labels, 1.0);
    for (name, help, value) in [
        (
            "comeback_live_trials_planned",
            "Trials of the run, as far as is known.",
            board.total,
        ),
        (
            "comeback_live_trial",
            "The number of the present trial, from 1 on.",
            board.number(),
        ),
    ] {
        out.family(name, "gauge", None, help);
        out.sample(name, &[], value as f64);
    }
}

fn of_phase(out: &mut Text, board: &Board) {
    let name = "comeback_live_phase";
    let help = "The phase of the present trial.";
    out.family(name, "stateset", None, help);
    let present = board.now.as_ref().and_then(|now| now.phase);
    for phase in Phase::ALL {
        let is = present.is_some_and(|(present, _)| present == phase);
        out.sample(name, &[(name, phase.name())], f64::from(u8::from(is)));
    }
}

fn of_load(out: &mut Text, board: &Board, now: Elapsed) {
    let name = "comeback_live_offered_rate";
    let help = "Operations per second that the load offers, as planned.";
    out.family(name, "gauge", None, help);
    out.sample(name, &[], board.offered);
    let name = "comeback_live_achieved_rate";
    let help = "Correct operations per second, over the last second of the load. Absent while there is no load.";
    out.family(name, "gauge", None, help);
    if let Some(last) = board.last_second(now) {
        out.sample(name, &[], last.correct_per_s);
    }
}

fn of_operations(out: &mut Text, board: &Board) {
    let name = "comeback_live_operations";
    let help = "Finished operations, by what they were for and by their outcome.";
    out.family(name, "counter", None, help);
    for arm in &board.arms {
        for (purpose, outcome, count) in arm.counts.operations() {
            let labels = [
                ("arm", arm.name.as_str()),
                ("for", purpose),
                ("outcome", outcome),
            ];
            out.sample("comeback_live_operations_total", &labels, count as f64);
        }
    }
}

fn of_latencies(out: &mut Text, board: &Board) {
    let name = "comeback_live_latency_seconds";
    let help = "Latency of the correct operations of the load, from the moment when they were due.";
    out.family(name, "histogram", Some("seconds"), help);
    for arm in &board.arms {
        let mut all = 0;
        for (bound, count) in arm.counts.within() {
            let le = bound.map_or("+Inf".to_owned(), |bound| canonical(bound.as_secs()));
            let labels = [("arm", arm.name.as_str()), ("le", &le)];
            out.sample(
                "comeback_live_latency_seconds_bucket",
                &labels,
                count as f64,
            );
            all = count;
        }
        let labels = [("arm", arm.name.as_str())];
        out.sample("comeback_live_latency_seconds_count", &labels, all as f64);
        let sum = arm.counts.latencies.as_secs();
        out.sample("comeback_live_latency_seconds_sum", &labels, sum);
    }
}

/// A bound as OpenMetrics wants it: with a point also where it is whole.
fn canonical(bound: f64) -> String {
    format!("{bound:?}")
}
