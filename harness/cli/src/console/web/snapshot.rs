//! What the page in the browser shows at a moment: words ready to be shown, and the figures of its charts.

use comeback_model::event::Phase;
use comeback_model::units::{Elapsed, Span};
use comeback_reports::format::{NOTHING, count, counted, ms, percent, printable, rate};
use serde::Serialize;

use super::super::board::{Board, CELL};

/// A moment of a run. Every text may be shown as it is.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    name: String,
    /// The number of the present trial, of so many, and the present trial in words.
    number: usize,
    total: usize,
    ended: usize,
    trial: String,
    left: String,
    phases: Vec<PhaseShown>,
    load: Load,
    series: Series,
    landed: Vec<Landed>,
    ledger: Vec<String>,
    /// `None` where the run has no sessions to lose.
    lost: Option<Vec<Lost>>,
}

#[derive(Debug, Serialize)]
struct PhaseShown {
    name: &'static str,
    /// `done`, `now` or `next`.
    state: &'static str,
}

/// The load of the last second.
#[derive(Debug, Serialize)]
struct Load {
    offered: String,
    answered: String,
    failed: String,
    is_failing: bool,
    median: String,
    slowest: String,
}

/// The last minute in cells, the oldest first. Seconds count from now, so they are negative. `None` where there was no load.
#[derive(Debug, Default, Serialize)]
struct Series {
    at_s: Vec<f64>,
    offered_per_s: Vec<Option<f64>>,
    correct_per_s: Vec<Option<f64>>,
    failed_per_s: Vec<Option<f64>>,
    slowest_ms: Vec<Option<f64>>,
    /// When faults were begun.
    faults_s: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Landed {
    after: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct Lost {
    arm: String,
    gone: String,
    looked_at: String,
    is_loss: bool,
}

impl Snapshot {
    pub(super) fn of(board: &Board, now: Elapsed) -> Self {
        Self {
            name: printable(&board.name),
            number: board.number(),
            total: board.total,
            ended: board.ended,
            trial: printable(&board.trial),
            left: board.left_in_words(now),
            phases: phases(board),
            load: load(board, now),
            series: series(board, now),
            landed: landed(board),
            ledger: ledger(board),
            lost: (board.has_sessions && !board.is_storm).then(|| lost(board)),
        }
    }
}

fn phases(board: &Board) -> Vec<PhaseShown> {
    let present = board.now.as_ref().and_then(|now| now.phase);
    let shown = Phase::ALL.into_iter().map(|phase| PhaseShown {
        name: phase.name(),
        state: match present {
            Some((present, _)) if phase == present => "now",
            Some((present, _)) if phase < present => "done",
            _ => "next",
        },
    });
    shown.collect()
}

fn load(board: &Board, now: Elapsed) -> Load {
    let last = board.last_second(now);
    let time = |span: Option<Span>| span.map_or(NOTHING.to_owned(), |span| ms(span.as_ms()));
    let failed = last.and_then(|last| last.failed);
    Load {
        offered: format!("{}/s", rate(board.offered)),
        answered: last.map_or(NOTHING.to_owned(), |last| {
            format!("{}/s", count(last.correct_per_s.round() as u64))
        }),
        failed: match failed {
            Some(share) if share > 0.0 => percent(share),
            Some(_) => "none".to_owned(),
            None => NOTHING.to_owned(),
        },
        is_failing: failed.is_some_and(|share| share > 0.0),
        median: time(last.and_then(|last| last.median)),
        slowest: time(last.and_then(|last| last.slowest)),
    }
}

fn series(board: &Board, now: Elapsed) -> Series {
    let each = CELL.as_secs();
    let since_s = |at: Elapsed| -now.since(at).as_secs();
    let per_s = |count: u32| f64::from(count) / each;
    let mut series = Series {
        faults_s: board.faults(now).map(since_s).collect(),
        ..Series::default()
    };
    for (at, cell) in board.minute(now) {
        series.at_s.push(since_s(at));
        series.offered_per_s.push(cell.map(|_| board.offered));
        series
            .correct_per_s
            .push(cell.map(|cell| per_s(cell.correct)));
        series
            .failed_per_s
            .push(cell.map(|cell| per_s(cell.failed)));
        let slowest = cell.and_then(|cell| cell.slowest);
        series.slowest_ms.push(slowest.map(Span::as_ms));
    }
    series
}

fn landed(board: &Board) -> Vec<Landed> {
    let landed = board.now.iter().flat_map(|now| &now.landed);
    let shown = landed.map(|(since, words)| Landed {
        after: format!("{:.2} s", since.as_secs()),
        what: printable(words),
    });
    shown.collect()
}

fn ledger(board: &Board) -> Vec<String> {
    let ledger = &board.ledger;
    match board.has_sessions {
        true => vec![
            format!("{} logged in", counted(ledger.logins, "session")),
            format!("{} acknowledged", counted(ledger.writes, "write")),
        ],
        false => vec![format!(
            "{} answered correctly",
            counted(ledger.answers, "request")
        )],
    }
}

fn lost(board: &Board) -> Vec<Lost> {
    let told = board.arms.iter().filter(|arm| arm.found.looked_at > 0);
    let shown = told.map(|arm| Lost {
        arm: printable(&arm.name),
        gone: count(arm.found.gone),
        looked_at: count(arm.found.looked_at),
        is_loss: arm.found.gone > 0,
    });
    shown.collect()
}
