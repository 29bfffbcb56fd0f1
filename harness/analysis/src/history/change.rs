//! Whether a figure of an arm changed its level over runs that may be compared, and between which.
//!
//! The runs of a row are those whose points a trend joins. Each run is one sample: its median outage, or its share of losses. The places
//! where all rows of a trend are asked are tests of one family (METHOD.md §4).

use comeback_statistics::{
    CHANGE_NEEDS, ChangePoint, TooFew, change_point, cliffs_delta, hodges_lehmann, holm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{History, PastArm, PastRun};
use crate::summary::Status;

/// A change is told if it is as unlikely as this without one, in any row of the trend.
const LEVEL: f64 = 0.05;

/// A figure of an arm over runs that may be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The arm.
    pub arm: String,
    /// The figure.
    pub figure: Figure,
    /// The folders of its runs, the oldest first.
    pub runs: Vec<String>,
    /// Whether its level changed.
    pub result: Found,
}

/// What is followed from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The median of the outage, in ms.
    Outage,
    /// The share of acknowledged sessions that is lost.
    SessionLoss,
    /// The share of acknowledged writes that is lost.
    WriteLoss,
}

/// Whether the level of a row changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Found {
    /// There are too few runs to tell.
    TooFew {
        /// So many it takes.
        needed: u32,
    },
    /// All runs have the same figure.
    Same,
    /// No change is seen. That proves that there was none as little as a gate that cannot be judged does.
    Unseen {
        /// How likely the row differs as much between the two sides of some place without a change, after Holm over all rows.
        p_value: f64,
    },
    /// It changed.
    Changed(Change),
}

/// A change of level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The folder of the last run before it.
    pub last_before: String,
    /// The folder of the first run after it.
    pub first_after: String,
    /// Whether the figure is larger since.
    pub rose: bool,
    /// By how much, in the figure's unit. Null if runs beyond the horizon leave it open.
    pub by: Option<f64>,
    /// The lower end of its interval of at least 95 %. Null if that is open.
    pub low: Option<f64>,
    /// The upper end. Null if that is open.
    pub high: Option<f64>,
    /// How likely the row differs as much without a change, after Holm over all rows.
    pub p_value: f64,
}

impl Figure {
    const ALL: [Self; 3] = [Self::Outage, Self::SessionLoss, Self::WriteLoss];

    /// The figure of an arm; infinite where it lies beyond the horizon.
    fn of(self, arm: &PastArm) -> Option<f64> {
        match self {
            Self::Outage if arm.outage_ms.n == 0 => None,
            Self::Outage => Some(arm.outage_ms.median.unwrap_or(f64::INFINITY)),
            Self::SessionLoss => arm.session_loss.share,
            Self::WriteLoss => arm.write_loss.share,
        }
    }

    /// Whether it may be compared with the run before.
    fn goes_on(self, arm: &PastArm) -> bool {
        let is_same_machine = self != Self::Outage || arm.other_machine.is_empty();
        arm.other_plan.is_empty() && is_same_machine
    }
}

/// A row whose result is not known yet.
struct Open {
    arm: String,
    figure: Figure,
    runs: Vec<String>,
    figures: Vec<f64>,
}

/// Every row of these runs, which are the oldest first. Of those that are too short only the newest of each arm and figure is told.
pub(super) fn rows(history: &History) -> Vec<Row> {
    let mut open: Vec<Open> = Vec::new();
    for run in &history.runs {
        for arm in run.arms.iter().filter(|arm| arm.status != Status::Skipped) {
            for figure in Figure::ALL {
                take_up(&mut open, run, arm, figure);
            }
        }
    }
    let is_newest = |place: usize| {
        let row = &open[place];
        let later = &open[place + 1..];
        !later
            .iter()
            .any(|other| other.arm == row.arm && other.figure == row.figure)
    };
    let kept: Vec<bool> = (0..open.len())
        .map(|place| open[place].figures.len() >= CHANGE_NEEDS || is_newest(place))
        .collect();
    let kept = open
        .into_iter()
        .zip(kept)
        .filter(|(row, is)| *is && row.figures.len() > 1);
    judged(kept.map(|(row, _)| row).collect())
}

/// Adds a run to the row of an arm's figure, or begins a new one.
fn take_up(open: &mut Vec<Open>, run: &PastRun, arm: &PastArm, figure: Figure) {
    let of_it = |row: &&mut Open| row.arm == arm.name && row.figure == figure;
    let known = open.iter_mut().rev().find(of_it);
    let value = figure.of(arm);
    match (known, value) {
        (Some(row), Some(value)) if figure.goes_on(arm) => {
            row.runs.push(run.folder.clone());
            row.figures.push(value);
        }
        (Some(_), None) if figure.goes_on(arm) => {}
        (_, value) => open.push(Open {
            arm: arm.name.clone(),
            figure,
            runs: value.iter().map(|_| run.folder.clone()).collect(),
            figures: value.into_iter().collect(),
        }),
    }
}

/// Asks every row, and adjusts for being several.
fn judged(open: Vec<Open>) -> Vec<Row> {
    let points: Vec<_> = open.iter().map(|row| change_point(&row.figures)).collect();
    let asked = points.iter().flatten().flatten();
    let mut adjusted = holm(&asked.map(|point| point.p_value).collect::<Vec<f64>>()).into_iter();
    let mut row_of = |row: Open, point: Result<Option<ChangePoint>, TooFew>| {
        let result = match point {
            Err(TooFew { need, .. }) => Found::TooFew {
                needed: need as u32,
            },
            Ok(None) => Found::Same,
            Ok(Some(point)) => match adjusted.next().unwrap_or(1.0) {
                p_value if p_value > LEVEL => Found::Unseen { p_value },
                p_value => Found::Changed(change(&row, point.at, p_value)),
            },
        };
        Row {
            arm: row.arm,
            figure: row.figure,
            runs: row.runs,
            result,
        }
    };
    let rows = open.into_iter().zip(points);
    rows.map(|(row, point)| row_of(row, point)).collect()
}

fn change(row: &Open, at: usize, p_value: f64) -> Change {
    let (before, after) = row.figures.split_at(at);
    let shift = hodges_lehmann(after, before);
    let finite = |figure: f64| Some(figure).filter(|figure| figure.is_finite());
    Change {
        last_before: row.runs[at - 1].clone(),
        first_after: row.runs[at].clone(),
        rose: cliffs_delta(after, before).is_some_and(|delta| delta > 0.0),
        by: shift.and_then(|shift| shift.estimate).and_then(finite),
        low: shift.and_then(|shift| finite(shift.low)),
        high: shift.and_then(|shift| finite(shift.high)),
        p_value,
    }
}
