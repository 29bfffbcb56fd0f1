//! Lost sessions and lost writes, as shares of the acknowledged ones, for each trial and in total.

use comeback_analysis::measure::TrialAnalysis;
use comeback_analysis::summary::{LossShare, SessionCounts, WriteCounts};
use comeback_model::ids::TrialId;

use super::frame::{Key, Page, bound, jitter, trial, whisker};
use super::no_figures;
use super::rows::{Note, Row, Rows};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Datum, Drawing, Ink};
use crate::format::{INTERVAL_NEEDS, TOO_FEW, count, counted, percent, plain};
use crate::table::{sessions_beside, writes_beside};

/// Height of a row's marks.
const STRIP: f64 = 28.0;

/// The subject of a count.
struct Subject {
    title: &'static str,
    things: &'static str,
    of_trial: fn(&TrialAnalysis) -> Loss,
    of_arm: fn(&ArmView<'_>) -> Loss,
    known: fn(&ArmView<'_>) -> LossShare,
    beside: fn(&ArmView<'_>) -> Option<String>,
}

/// So many lost of so many.
#[derive(Clone, Copy)]
struct Loss {
    lost: u64,
    acknowledged: u64,
    /// How many more may be lost.
    open: u64,
}

impl Loss {
    fn share(self) -> Option<f64> {
        (self.acknowledged > 0).then(|| self.lost as f64 / self.acknowledged as f64)
    }

    /// Whether nothing is lost for certain, and more may be.
    const fn is_open(self) -> bool {
        self.lost == 0 && self.open > 0
    }

    const fn ink(self) -> Ink {
        match (self.lost, self.open) {
            (0, 0) => Ink::Good,
            (0, _) => Ink::Muted,
            (_, _) => Ink::Loss,
        }
    }
}

const SESSIONS: Subject = Subject {
    title: "Share of acknowledged sessions lost in a crash",
    things: "sessions",
    of_trial: |trial| Loss {
        lost: trial.sessions.lost,
        acknowledged: trial.sessions.acknowledged,
        open: open_sessions(&trial.sessions),
    },
    of_arm: |arm| Loss {
        lost: arm.summary.sessions.lost,
        acknowledged: arm.summary.sessions.acknowledged,
        open: open_sessions(&arm.summary.sessions),
    },
    known: |arm| arm.summary.session_loss,
    beside: |arm| sessions_beside(&arm.summary.sessions),
};

const WRITES: Subject = Subject {
    title: "Share of acknowledged writes lost in a crash",
    things: "writes",
    of_trial: |trial| Loss {
        lost: trial.writes.lost,
        acknowledged: trial.writes.acknowledged,
        open: open_writes(&trial.writes),
    },
    of_arm: |arm| Loss {
        lost: arm.summary.writes.lost,
        acknowledged: arm.summary.writes.acknowledged,
        open: open_writes(&arm.summary.writes),
    },
    known: |arm| arm.summary.write_loss,
    beside: |arm| writes_beside(&arm.summary.writes),
};

const fn open_sessions(sessions: &SessionCounts) -> u64 {
    sessions.undecided.saturating_add(sessions.lost_doubted)
}

const fn open_writes(writes: &WriteCounts) -> u64 {
    writes.unverifiable.saturating_add(writes.lost_doubted)
}

/// The chart of lost sessions.
pub(crate) fn sessions(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    draw(run, sheet, &SESSIONS)
}

/// The chart of lost writes.
pub(crate) fn writes(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    draw(run, sheet, &WRITES)
}

/// How to read the chart of lost sessions.
pub(crate) fn sessions_caption(run: &RunView<'_>) -> String {
    caption(
        run,
        "A session counts if its login was acknowledged before the crash. It is lost if the server no longer knows \
         it afterwards, or treats its user as not logged in.",
    )
}

/// How to read the chart of lost writes.
pub(crate) fn writes_caption(run: &RunView<'_>) -> String {
    caption(
        run,
        "A write counts if its reply was correct before the crash. It is lost if it cannot be found afterwards, also \
         because its session is gone.",
    )
}

fn caption(run: &RunView<'_>, what: &str) -> String {
    let cannot_show = format!("{} {}", run.fault(), run.takes());
    format!(
        "{what} The faint dots are single crashes, the strong dot is the share over all of them. Sessions in one \
         crash live or die together, so each crash is one sample of the interval, which needs 6 of them. If nothing \
         was lost, the dashed line ends at the share of crashes with a loss that so few crashes cannot exclude (95 \
         %). What it cannot show: {cannot_show}"
    )
}

/// How certain an arm's share is.
enum Certainty {
    /// An interval over the trials.
    Between(f64, f64),
    /// Every trial lost nothing: at most this.
    AtMost(f64),
    /// Every trial lost everything: at least this.
    AtLeast(f64),
    /// Too few trials, or they do not differ.
    Unknown(&'static str),
}

struct ArmLoss {
    pooled: Loss,
    trials: Vec<(TrialId, f64)>,
    certainty: Certainty,
}

impl ArmLoss {
    fn of(arm: &ArmView<'_>, subject: &Subject) -> Self {
        let trials = arm.crashes();
        let shares =
            trials.filter_map(|trial| Some((trial.id, (subject.of_trial)(trial).share()?)));
        let pooled = (subject.of_arm)(arm);
        Self {
            pooled,
            trials: shares.collect(),
            certainty: certainty(arm, pooled, (subject.known)(arm)),
        }
    }

    /// The largest share that is drawn.
    fn reach(&self) -> f64 {
        let sure = match self.certainty {
            Certainty::Between(_, high) => high,
            Certainty::AtMost(bound) => bound,
            Certainty::AtLeast(_) | Certainty::Unknown(_) => 0.0,
        };
        self.trials
            .iter()
            .map(|(_, share)| *share)
            .chain(self.pooled.share())
            .fold(sure, f64::max)
    }
}

fn certainty(arm: &ArmView<'_>, pooled: Loss, known: LossShare) -> Certainty {
    if let (Some(low), Some(high)) = (known.low, known.high) {
        return Certainty::Between(low, high);
    }
    if pooled.is_open() {
        return Certainty::Unknown("no bound: the fate of some is not known");
    }
    if let Some(bound) = known.loss_not_excluded {
        return Certainty::AtMost(bound);
    }
    if let Some(spared) = known.spared_not_excluded {
        return Certainty::AtLeast(1.0 - spared);
    }
    Certainty::Unknown(
        match pooled.lost > 0 && arm.summary.trials >= INTERVAL_NEEDS {
            true => "no interval: all trials are equal",
            false => TOO_FEW,
        },
    )
}

fn sentence(arm: &ArmView<'_>, figure: &ArmLoss, subject: &Subject) -> String {
    let Loss {
        lost, acknowledged, ..
    } = figure.pooled;
    let Some(share) = figure.pooled.share() else {
        return format!("no {} acknowledged before a crash", subject.things);
    };
    let trials = counted(u64::from(arm.landed()), "trial");
    let of = format!("{} of {}", count(lost), count(acknowledged));
    let mut text = match figure.certainty {
        Certainty::AtMost(bound) => format!(
            "{of}; with {trials} a loss in up to {} of crashes is not excluded",
            percent(bound)
        ),
        Certainty::AtLeast(bound) => format!(
            "{of}; with {trials} a crash that spares some, in up to {} of crashes, is not excluded",
            percent(1.0 - bound)
        ),
        Certainty::Between(low, high) => format!(
            "{of}, {}; 95 % interval {} to {} over {trials}",
            percent(share),
            percent(low),
            percent(high)
        ),
        Certainty::Unknown(why) => format!("{of}, {}; {trials} ({why})", percent(share)),
    };
    if let Some(beside) = (subject.beside)(arm) {
        text.push_str("; also ");
        text.push_str(&beside);
    }
    text
}

fn draw(run: &RunView<'_>, sheet: Sheet, subject: &Subject) -> Drawing {
    let fault = run.fault();
    let mut page = Page::new(
        sheet,
        subject.title,
        &format!("Of those acknowledged before {fault}; after recovery each was looked up again."),
    );
    if !run.has_sessions() {
        page.y += 6.0;
        let rows = [Row::silent(
            "all arms",
            "this workload has no sessions, so nothing of this kind can be lost",
        )];
        Rows::lay_out(&mut page, &rows, 0.0);
        return page.finish();
    }
    let figures: Vec<Option<ArmLoss>> = run
        .arms
        .iter()
        .map(|arm| arm.silence.is_none().then(|| ArmLoss::of(arm, subject)))
        .collect();
    let drawn = figures
        .iter()
        .flatten()
        .any(|figure| figure.pooled.share().is_some());
    if drawn {
        page.legend(&legend(&figures));
    }
    let rows: Vec<Row> = run
        .arms
        .iter()
        .zip(&figures)
        .map(|(arm, figure)| row(arm, figure.as_ref(), subject))
        .collect();
    let laid = Rows::lay_out(&mut page, &rows, 12.0);
    if !drawn {
        no_figures(&mut page);
        return page.finish();
    }
    let reach = figures
        .iter()
        .flatten()
        .map(ArmLoss::reach)
        .fold(0.01, f64::max);
    let end = end_for(reach * 100.0, 8).min(100.0);
    let scale = Scale::linear((0.0, end), (laid.left, laid.right));
    let name = format!("lost {}, % of those acknowledged", subject.things);
    laid.axis(&mut page, scale, &name, |tick| format!("{} %", plain(tick)));
    for ((strip, figure), arm) in laid.strips.iter().zip(&figures).zip(&run.arms) {
        if let (Some(strip), Some(figure)) = (strip, figure) {
            record(&mut page.drawing, &arm.name, figure);
            marks(&mut page.drawing, figure, *strip, scale);
        }
    }
    page.finish()
}

/// Only what occurs.
fn legend(figures: &[Option<ArmLoss>]) -> Vec<(Key, String)> {
    let any = |of: fn(&ArmLoss) -> bool| figures.iter().flatten().any(of);
    let entries = [
        (true, Key::Trial, "one crash"),
        (
            any(|figure| figure.pooled.lost > 0),
            Key::Estimate(Ink::Loss),
            "all crashes, with 95 % interval",
        ),
        (
            any(|figure| figure.pooled.ink() == Ink::Good),
            Key::Mark(Ink::Good),
            "nothing lost",
        ),
        (
            any(|figure| figure.pooled.is_open()),
            Key::Mark(Ink::Muted),
            "nothing lost for certain",
        ),
        (
            any(|figure| {
                let certainty = &figure.certainty;
                matches!(certainty, Certainty::AtMost(_) | Certainty::AtLeast(_))
            }),
            Key::Bound,
            "share of crashes not excluded (95 %)",
        ),
    ];
    entries
        .into_iter()
        .filter(|(occurs, _, _)| *occurs)
        .map(|(_, key, text)| (key, text.to_owned()))
        .collect()
}

fn row(arm: &ArmView<'_>, figure: Option<&ArmLoss>, subject: &Subject) -> Row {
    let Some(figure) = figure else {
        return Row::silent(&arm.name, arm.silence.as_deref().unwrap_or_default());
    };
    let text = sentence(arm, figure, subject);
    if figure.pooled.share().is_none() {
        return Row::silent(&arm.name, &text);
    }
    Row {
        name: arm.name.clone(),
        notes: vec![Note::Words(text, Ink::Text)],
        strip: Some(STRIP),
    }
}

fn record(drawing: &mut Drawing, arm: &str, figure: &ArmLoss) {
    const UNIT: &str = "%";
    let percent = |share: f64| Some(share * 100.0);
    for (id, share) in &figure.trials {
        drawing.record(|| Datum::new(arm, "one crash", percent(*share), UNIT).of_trial(*id));
    }
    let all = || {
        let share = figure.pooled.share().and_then(percent);
        Datum::new(arm, "all crashes", share, UNIT)
    };
    match figure.certainty {
        Certainty::Between(low, high) => {
            drawing.record(|| all().between(percent(low), percent(high)));
        }
        Certainty::AtMost(_) | Certainty::AtLeast(_) | Certainty::Unknown(_) => {
            drawing.record(all);
        }
    }
    match figure.certainty {
        Certainty::AtMost(limit) | Certainty::AtLeast(limit) => {
            drawing
                .record(|| Datum::new(arm, "share of crashes not excluded", percent(limit), UNIT));
        }
        Certainty::Between(..) | Certainty::Unknown(_) => {}
    }
}

fn marks(drawing: &mut Drawing, figure: &ArmLoss, (top, bottom): (f64, f64), scale: Scale) {
    let Some(share) = figure.pooled.share() else {
        return;
    };
    let middle = f64::midpoint(top, bottom);
    let at = |share: f64| scale.at(share * 100.0);
    for (index, (id, share)) in figure.trials.iter().enumerate() {
        let y = middle + jitter(index) * (bottom - top - 8.0);
        drawing.of_trial(*id, |drawing| trial(drawing, (at(*share), y)));
    }
    let ink = figure.pooled.ink();
    match figure.certainty {
        Certainty::Between(low, high) => {
            whisker(drawing, (at(low), at(high)), middle, ink);
        }
        Certainty::AtMost(limit) | Certainty::AtLeast(limit) => {
            bound(drawing, (at(share), at(limit)), middle);
        }
        Certainty::Unknown(_) => {}
    }
    drawing.mark((at(share), middle), 5.5, ink);
}
