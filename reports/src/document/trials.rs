//! Every trial as a row.

use comeback_analysis::measure::{BlindTime, Time, TrialAnalysis};
use comeback_model::event::Evidence;
use serde::Serialize;

use crate::arms::{ArmView, RunView};
use crate::format::{NOTHING, count_of, lost_of, ms, percent, seconds};

/// Every trial.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrialTable {
    /// The content of each column.
    pub(crate) headers: Vec<&'static str>,
    /// The trials, in the order they ran.
    pub(crate) rows: Vec<TrialRow>,
}

/// One trial.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrialRow {
    /// Its number.
    pub(crate) id: u32,
    /// Its figures.
    pub(crate) cells: Vec<String>,
    /// Whether it counts.
    pub(crate) void: bool,
}

const HEADERS: [&str; 19] = [
    "trial",
    "arm",
    "fault",
    "sessions lost",
    "writes lost",
    "errors during",
    "outage",
    "clients' outage",
    "blind time",
    "kill to exit",
    "executed",
    "accepted",
    "first correct reply",
    "known by",
    "steady",
    "longest gap",
    "outage area",
    "slow part",
    "journeys torn",
];

/// Every trial of the run, in the order they ran.
pub(crate) fn table(run: &RunView<'_>) -> TrialTable {
    let mut trials: Vec<(&ArmView<'_>, &TrialAnalysis)> = run
        .arms
        .iter()
        .flat_map(|arm| arm.analysis.trials.iter().map(move |trial| (arm, trial)))
        .collect();
    trials.sort_by_key(|(_, trial)| trial.id);
    TrialTable {
        headers: HEADERS.to_vec(),
        rows: trials
            .into_iter()
            .map(|(arm, trial)| row(run, arm, trial))
            .collect(),
    }
}

fn row(run: &RunView<'_>, arm: &ArmView<'_>, trial: &TrialAnalysis) -> TrialRow {
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let time = |time: Option<Time>| or_nothing(time.map(moment));
    let window = if trial.control {
        &trial.errors.before
    } else {
        &trial.errors.during
    };
    let evidence = trial.chain.evidence.map(|evidence| match evidence {
        Evidence::BootId(_) => "boot id".to_owned(),
        Evidence::SocketOwner(_) => "socket owner".to_owned(),
        Evidence::AfterEnd => "seen end".to_owned(),
    });
    let fault = match (trial.control, &trial.void) {
        (_, Some(_)) => "void".to_owned(),
        (true, None) => "none (control)".to_owned(),
        (false, None) => run.fault(),
    };
    let (sessions, writes) = (&trial.sessions, &trial.writes);
    let cells = vec![
        trial.id.0.to_string(),
        arm.name.clone(),
        fault,
        lost_of(sessions.lost, sessions.lost_doubted, sessions.acknowledged),
        lost_of(writes.lost, writes.lost_doubted, writes.acknowledged),
        or_nothing(window.rate().map(percent)),
        time(trial.outage),
        time(trial.client_outage),
        or_nothing(trial.blind_time.map(blind)),
        or_nothing(trial.chain.killed.map(|killed| ms(killed.abs()))),
        time(trial.chain.executed),
        time(trial.chain.listening),
        time(trial.chain.ready),
        or_nothing(evidence),
        time(trial.time_to_steady),
        or_nothing(bounded(trial.longest_gap_ms.map(ms), trial.longest_gap())),
        or_nothing(bounded(
            trial.outage_area_s.map(seconds),
            trial.outage_area(),
        )),
        or_nothing(bounded(
            trial.outage_area_slow_s.map(seconds),
            trial.outage_area_slow(),
        )),
        or_nothing(
            trial
                .journeys
                .as_ref()
                .map(|journeys| count_of(journeys.torn, journeys.all)),
        ),
    ];
    TrialRow {
        id: trial.id.0,
        cells,
        void: trial.void.is_some(),
    }
}

/// The length of the outage; a lower bound such as `> 2.0 s` if the service was never back, or not for good.
fn bounded(shown: Option<String>, figure: Option<f64>) -> Option<String> {
    let is_open = figure.is_some_and(f64::is_infinite);
    shown.map(|shown| if is_open { format!("> {shown}") } else { shown })
}

/// `312 ms`, `312 ms (−4.1 ms)` when it may have been true that much earlier, `> 30 s`.
fn moment(time: Time) -> String {
    match time {
        Time::Beyond { ms: at } => format!("> {}", ms(at)),
        Time::At { ms: at, error_ms } if error_ms >= 0.05 => {
            format!("{} (−{})", ms(at), ms(error_ms))
        }
        Time::At { ms: at, .. } => ms(at),
    }
}

/// `190 ms (+20 ms)` when it may have been that much more.
fn blind(time: BlindTime) -> String {
    match time.error_ms >= 0.05 {
        true => format!("{} (+{})", ms(time.ms), ms(time.error_ms)),
        false => ms(time.ms),
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn what_did_not_end_is_shown_as_a_lower_bound() {
        let shown = || Some("2.0 s".to_owned());
        assert_eq!(bounded(shown(), Some(2.0)), shown());
        assert_eq!(
            bounded(shown(), Some(f64::INFINITY)).as_deref(),
            Some("> 2.0 s")
        );
        assert_eq!(bounded(None, None), None);
    }
}
