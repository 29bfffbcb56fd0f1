//! Trials from close by: the phases, the story, some sessions over time, the operations that the fault met, and the end of each log.

use std::collections::BTreeMap;
use std::fmt::Write;

use comeback_analysis::measure::{
    Ending, MetOperation, SessionFate, SessionLine, SessionMark, Sight, TrialAnalysis,
    worth_telling,
};
use comeback_model::ids::{SessionId, TrialId};
use comeback_model::operation::Step;
use serde::Serialize;

use super::trials::TrialTable;
use crate::arms::RunView;
use crate::format::{counted, ms, printable};
use crate::{Logs, Tail};

/// So many trials are shown from close by: with more a page is no longer small.
pub(crate) const MOST_TRIALS: usize = 40;

/// The width of a session's line, in units of its drawing.
const WIDTH: f64 = 1_000.0;
/// Its height.
const HEIGHT: u32 = 10;

/// A trial from close by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CloseTrial {
    /// Its number.
    pub(crate) id: u32,
    /// Its arm and its fault.
    pub(crate) title: String,
    /// Why it does not count.
    pub(crate) void: Option<String>,
    /// Its figures, each with the header of the table of trials.
    pub(crate) figures: Vec<(&'static str, String)>,
    /// Its phases, each with when it was entered.
    pub(crate) phases: Vec<(&'static str, String)>,
    /// What the user of the first session met that lost something.
    pub(crate) story: Vec<String>,
    /// Some of its sessions.
    pub(crate) sessions: Vec<StripRow>,
    /// How many of how many these are.
    pub(crate) sessions_shown: String,
    /// The fault in the drawing of each session, as the data of a path.
    pub(crate) fault: String,
    /// Some of the operations in flight at the fault.
    pub(crate) met: Vec<MetRow>,
    /// How many of how many these are.
    pub(crate) met_shown: String,
    /// The end of each log.
    pub(crate) logs: Vec<LogEnd>,
}

/// A session over time. The drawings are the data of paths.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StripRow {
    /// Whose.
    pub(crate) name: String,
    /// What became of it.
    pub(crate) fate: &'static str,
    /// `good`, `bad` or `plain`.
    pub(crate) tone: &'static str,
    /// Where it begins and ends.
    pub(crate) line: String,
    /// Logins, logouts and final looks that were answered correctly.
    pub(crate) edges: String,
    /// Other operations that were.
    pub(crate) correct: String,
    /// Operations that failed.
    pub(crate) failed: String,
}

/// An operation in flight at the fault.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MetRow {
    /// Whose.
    pub(crate) name: String,
    /// What it was.
    pub(crate) step: &'static str,
    /// When it was sent, before the fault.
    pub(crate) sent: String,
    /// What became of it, and when.
    pub(crate) became: String,
    /// What became of its session.
    pub(crate) fate: &'static str,
}

/// The end of a log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LogEnd {
    /// Whose it is.
    pub(crate) whose: String,
    /// Its lines.
    pub(crate) text: String,
}

/// The trials that are shown from close by, in the order they ran.
pub(crate) fn trials(run: &RunView<'_>, table: &TrialTable, logs: &Logs) -> Vec<CloseTrial> {
    let chosen = worth_telling(run.analysis, MOST_TRIALS);
    let arms = run.analysis.arms.iter();
    let trials: BTreeMap<TrialId, &TrialAnalysis> = arms
        .flat_map(|arm| arm.trials.iter().map(|trial| (trial.id, trial)))
        .collect();
    let rows = table.rows.iter().filter_map(|row| {
        let id = TrialId(row.id);
        let trial = trials.get(&id).filter(|_| chosen.contains(&id))?;
        let [_, arm, fault, figures @ ..] = row.cells.as_slice() else {
            return None;
        };
        let figures = table
            .headers
            .iter()
            .skip(3)
            .copied()
            .zip(figures.iter().cloned());
        Some(CloseTrial {
            id: row.id,
            title: format!("{arm}, {fault}"),
            figures: figures.collect(),
            ..close(trial, logs.get(&id).map_or(&[], Vec::as_slice))
        })
    });
    rows.collect()
}

fn close(trial: &TrialAnalysis, logs: &[Tail]) -> CloseTrial {
    let sight = &trial.sight;
    let axis = Axis::of(sight);
    let shown = |shown: usize, all: u64, thing| match shown as u64 == all {
        true => counted(all, thing),
        false => format!("{shown} of {}", counted(all, thing)),
    };
    CloseTrial {
        id: trial.id.0,
        title: String::new(),
        void: trial.void.as_ref().map(|void| printable(&void.reason)),
        figures: Vec::new(),
        phases: (sight.phases.iter())
            .map(|(phase, at)| (phase.name(), signed(*at)))
            .chain(sight.over_ms.map(|at| ("over", signed(at))))
            .collect(),
        story: trial.story.iter().map(|line| printable(line)).collect(),
        sessions: sight
            .sessions
            .iter()
            .map(|line| strip(line, &axis))
            .collect(),
        sessions_shown: shown(sight.sessions.len(), sight.sessions_in_all, "session"),
        fault: match trial.control {
            true => String::new(),
            false => format!("M{:.0} 0v{HEIGHT}", axis.place(0.0)),
        },
        met: sight.met.iter().map(met).collect(),
        met_shown: shown(sight.met.len(), sight.met_in_all, "operation"),
        logs: logs.iter().map(log).collect(),
    }
}

/// A trial's time on the width of a drawing.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn of(sight: &Sight) -> Self {
        let first = sight.phases.iter().map(|(_, at)| *at).fold(0.0, f64::min);
        let marks = sight.sessions.iter().flat_map(|line| &line.marks);
        let last = marks.map(|mark| f64::from(mark.at_ms));
        Self {
            from: first,
            to: sight
                .over_ms
                .into_iter()
                .chain(last)
                .fold(first + 1.0, f64::max),
        }
    }

    fn place(&self, at: f64) -> f64 {
        ((at - self.from) / (self.to - self.from)).clamp(0.0, 1.0) * WIDTH
    }
}

fn strip(line: &SessionLine, axis: &Axis) -> StripRow {
    let is_edge =
        |mark: &SessionMark| matches!(mark.step, Step::Login | Step::Logout | Step::ReadBack);
    let path = |is_in: &dyn Fn(&SessionMark) -> bool, (top, height): (u32, u32)| {
        let mut path = String::new();
        for mark in line.marks.iter().filter(|mark| is_in(mark)) {
            let x = axis.place(f64::from(mark.at_ms));
            // Writing into a string cannot fail.
            let _ = write!(path, "M{x:.0} {top}v{height}");
        }
        path
    };
    let is_correct = |mark: &SessionMark| mark.ending == Ending::Correct;
    let at = |mark: Option<&SessionMark>| mark.map_or(0.0, |mark| axis.place(mark.at_ms.into()));
    let (from, to) = (at(line.marks.first()), at(line.marks.last()));
    let (fate, tone) = fate(line.fate);
    StripRow {
        name: name(line.id),
        fate,
        tone,
        line: format!("M{from:.0} {}H{to:.0}", HEIGHT / 2),
        edges: path(&|mark| is_correct(mark) && is_edge(mark), (0, HEIGHT)),
        correct: path(&|mark| is_correct(mark) && !is_edge(mark), (2, 6)),
        failed: path(&|mark| !is_correct(mark), (0, HEIGHT)),
    }
}

fn met(operation: &MetOperation) -> MetRow {
    let became = operation
        .error
        .map_or_else(|| "answered correctly".to_owned(), |error| error.label());
    MetRow {
        name: name(operation.session),
        step: step(operation.step),
        sent: signed(operation.sent_ms),
        became: format!("{became}, {}", signed(operation.finished_ms)),
        fate: operation.fate.map_or("–", |known| fate(known).0),
    }
}

fn log(tail: &Tail) -> LogEnd {
    let lines: Vec<String> = tail.lines.iter().map(|line| printable(line)).collect();
    LogEnd {
        whose: printable(&tail.whose),
        text: lines.join("\n"),
    }
}

/// `+12 ms` after the fault, `−3.4 ms` before it.
fn signed(at: f64) -> String {
    let text = ms(at);
    match text.starts_with('−') || text == ms(0.0) {
        true => text,
        false => format!("+{text}"),
    }
}

/// `client 3`, `client 3, session 2` for the second session of one.
fn name(id: SessionId) -> String {
    match id.generation {
        0 => format!("client {}", id.client.0),
        before => format!(
            "client {}, session {}",
            id.client.0,
            before.saturating_add(1)
        ),
    }
}

const fn step(step: Step) -> &'static str {
    match step {
        Step::Login => "login",
        Step::Act => "write",
        Step::Check => "look",
        Step::Logout => "logout",
        Step::Get => "request",
        Step::ReadBack => "final look",
    }
}

/// What became of a session, and its tone.
const fn fate(fate: SessionFate) -> (&'static str, &'static str) {
    match fate {
        SessionFate::AnotherUsers => ("another user's", "bad"),
        SessionFate::Lost => ("lost", "bad"),
        SessionFate::Reset => ("reset", "bad"),
        SessionFate::Zombie => ("zombie", "bad"),
        SessionFate::RefusedBefore => ("refused before the fault", "bad"),
        SessionFate::LostLater => ("lost, begun after the fault", "bad"),
        SessionFate::Undecided => ("not known", "plain"),
        SessionFate::Kept => ("found again", "good"),
        SessionFate::KeptLater => ("begun after the fault", "plain"),
        SessionFate::LoggedOut => ("logged out", "plain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_model::ids::ClientId;

    fn mark(at_ms: f32, step: Step, ending: Ending) -> SessionMark {
        SessionMark {
            at_ms,
            step,
            ending,
        }
    }

    #[test]
    fn each_mark_of_a_session_is_drawn_at_its_time_and_by_its_ending() {
        let line = SessionLine {
            id: SessionId {
                client: ClientId(3),
                generation: 1,
            },
            fate: SessionFate::Lost,
            marks: vec![
                mark(-100.0, Step::Login, Ending::Correct),
                mark(-50.0, Step::Act, Ending::Correct),
                mark(100.0, Step::Check, Ending::Cut),
            ],
        };
        let axis = Axis {
            from: -100.0,
            to: 100.0,
        };
        let row = strip(&line, &axis);
        assert_eq!((&*row.name, row.fate), ("client 3, session 2", "lost"));
        assert_eq!(row.line, "M0 5H1000");
        assert_eq!(
            (&*row.edges, &*row.correct, &*row.failed),
            ("M0 0v10", "M250 2v6", "M1000 0v10")
        );
    }

    #[test]
    fn times_are_told_from_the_fault_on() {
        assert_eq!(signed(12.0), "+12 ms");
        assert_eq!(signed(-3.4), "−3.4 ms");
        assert_eq!(signed(0.0), "0 ms");
    }
}
