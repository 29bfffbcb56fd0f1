//! The comparison: one row for each arm. Cells are plain strings for the terminal, or separate parts for documents with more
//! room.

use comeback_analysis::summary::{
    ArmSummary, BlindSummary, CacheSummary, ControlSummary, Distribution, ErrorRate,
    JourneySummary, LossShare, SessionCounts, Status, Summary, WriteCounts,
};
use comeback_model::units::Span;

use crate::format::{NOTHING, TimeStyle, count, count_of, counted, ms, percent, printable};

/// A table of plain strings, every row as long as the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The content of each column.
    pub headers: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// The arms of a run side by side. An arm without figures says why in the first column after its name.
///
/// Foreign text in it is printable, but not escaped for any markup.
pub fn comparison(summary: &Summary) -> Table {
    let columns: Vec<Column> = Column::of(summary)
        .into_iter()
        .filter(|column| !column.needs_room())
        .collect();
    let headers = std::iter::once("arm".to_owned())
        .chain(columns.iter().map(|column| column.header().to_owned()))
        .collect();
    let rows = summary
        .arms
        .iter()
        .map(|arm| {
            let mut row = vec![printable(&arm.name)];
            row.extend(columns.iter().map(|column| column.cell(arm, None).plain()));
            if let Some(silence) = summary_silence(arm) {
                row[1..].fill(NOTHING.to_owned());
                row[1] = silence;
            }
            row
        })
        .collect();
    Table { headers, rows }
}

fn summary_silence(arm: &ArmSummary) -> Option<String> {
    match (arm.status, &arm.reason) {
        (Status::Measured, _) => None,
        (Status::Skipped, Some(reason)) => Some(format!("skipped: {}", printable(reason))),
        (Status::Skipped, None) => Some("no trial counts".to_owned()),
    }
}

/// The columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Sessions,
    Writes,
    Errors,
    /// From the kill to ready.
    Outage,
    /// Clients failed while the health check said ready; only where one was asked.
    Blind,
    Steady,
    Gap,
    Area,
    /// Operations of journeys that were not torn.
    Journeys,
    Control,
    /// Only if there is a cache, and only in the terminal: a page has room to say it in a sentence.
    Cache,
}

impl Column {
    pub(crate) const ALL: [Self; 10] = [
        Self::Sessions,
        Self::Writes,
        Self::Errors,
        Self::Outage,
        Self::Blind,
        Self::Steady,
        Self::Gap,
        Self::Area,
        Self::Journeys,
        Self::Control,
    ];

    /// All columns that there are.
    pub(crate) fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain([Self::Cache])
    }

    /// The columns that apply to a run.
    pub(crate) fn of(summary: &Summary) -> Vec<Self> {
        let mut columns = Self::ALL.to_vec();
        if summary.arms.iter().any(|arm| arm.cache.is_some()) {
            columns.push(Self::Cache);
        }
        columns
    }

    /// All columns that apply to a run, where there is room for them.
    pub(crate) fn on_page(summary: &Summary) -> Vec<Self> {
        let is_known = |column: &Self| match column {
            Self::Blind => summary.arms.iter().any(|arm| arm.blind_time.is_some()),
            Self::Journeys => summary.arms.iter().any(|arm| arm.journeys.is_some()),
            _ => true,
        };
        Self::ALL.into_iter().filter(is_known).collect()
    }

    /// Whether a terminal has no place for it.
    const fn needs_room(self) -> bool {
        matches!(self, Self::Gap | Self::Journeys | Self::Blind)
    }

    /// Its header.
    pub(crate) const fn header(self) -> &'static str {
        match self {
            Self::Sessions => "sessions lost",
            Self::Writes => "writes lost",
            Self::Errors => "errors during",
            Self::Outage => "outage, median [95 %]",
            Self::Blind => "blind time, median",
            Self::Steady => "steady, median",
            Self::Gap => "longest gap, median",
            Self::Area => "outage area, median",
            Self::Journeys => "action-weighted goodput",
            Self::Control => "control",
            Self::Cache => "cache hits",
        }
    }

    /// What its header means, where that is no word of more than the table.
    pub(crate) const fn word(self) -> Option<ColumnWord> {
        let word = ColumnWord {
            term: self.header(),
            forms: &[],
            meaning: "",
            occurs: |_| true,
        };
        let word = match self {
            Self::Errors => ColumnWord {
                forms: &["error rate"],
                meaning: "The share of failed operations among those in flight at the crash or due between it and ready. The \
                          schedule does not wait for the server.",
                ..word
            },
            Self::Blind => ColumnWord {
                term: "blind time",
                forms: &["blind time, median"],
                meaning: "How long clients failed from the crash on while the server's own health check said ready. The check is \
                          asked every 20 ms at most. In brackets: the possible additional time.",
                occurs: |summary| summary.arms.iter().any(|arm| arm.blind_time.is_some()),
            },
            Self::Gap => ColumnWord {
                term: "longest gap",
                forms: &["longest gap, median"],
                meaning: "The longest time between two correct replies, or from the last one to the end of the load.",
                ..word
            },
            Self::Area => ColumnWord {
                term: "outage area",
                forms: &["outage area, median", "slow part"],
                meaning: "Missing goodput after the crash, as equivalent seconds of full outage: failed operations, and correct \
                          ones that were slow. The slow part is the latter.",
                ..word
            },
            Self::Journeys => ColumnWord {
                forms: &["journeys torn", "torn"],
                meaning: "A journey is everything that a user does in one session, from the login to the logout or the end of the \
                          load. One failed operation from the crash on, or a lost or reset session, tears the whole journey. The \
                          figure is the share of operations in journeys that were not torn. In brackets: its 95 % interval, from \
                          six trials on.",
                ..word
            },
            Self::Cache => ColumnWord {
                meaning: "The share of replies that the shared cache served without asking the server, among all that it had \
                          stored or could store. If it serves another user's content even once, the run fails.",
                occurs: |summary| summary.arms.iter().any(|arm| arm.cache.is_some()),
                ..word
            },
            // The glossary has these among the words that the whole report uses.
            Self::Sessions | Self::Writes | Self::Outage | Self::Steady | Self::Control => {
                return None;
            }
        };
        Some(word)
    }

    /// The figure of an arm that has figures.
    pub(crate) fn cell(self, arm: &ArmSummary, horizon: Option<Span>) -> Cell {
        let after_fault = TimeStyle::after_fault(horizon);
        match self {
            Self::Sessions => sessions(&arm.sessions, arm.session_loss),
            Self::Writes => writes(&arm.writes, &arm.sessions, arm.write_loss),
            Self::Errors => errors(&arm.errors.during),
            Self::Outage => Cell {
                note: after_fault.interval(&arm.outage_ms),
                ..Cell::median(&after_fault, &arm.outage_ms)
            },
            Self::Blind => blind(arm.blind_time.as_ref()),
            Self::Steady => Cell::median(&TimeStyle::steady(), &arm.time_to_steady_ms),
            Self::Gap => Cell::median(&after_fault, &arm.longest_gap_ms),
            Self::Area => Cell::median(&TimeStyle::area(), &arm.outage_area_s),
            Self::Journeys => journeys(arm.journeys.as_ref(), arm.control.journeys.as_ref()),
            Self::Control => control(&arm.control),
            Self::Cache => cache(arm.cache.as_ref()),
        }
    }
}

/// The word that a column's header stands for.
pub(crate) struct ColumnWord {
    /// As the glossary has it.
    pub(crate) term: &'static str,
    /// Its other forms in the report, the header among them.
    pub(crate) forms: &'static [&'static str],
    /// Its meaning.
    pub(crate) meaning: &'static str,
    /// Whether a run has such a thing.
    pub(crate) occurs: fn(&Summary) -> bool,
}

/// Whether a figure calls for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It just is.
    #[default]
    Plain,
    /// Nothing was lost.
    Good,
    /// Something was.
    Bad,
}

/// A figure and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// The figure.
    pub(crate) main: String,
    /// How sure it is.
    pub(crate) note: Option<String>,
    /// A remark that must be read with it.
    pub(crate) beside: Option<String>,
    /// Its parts, if there is room for them.
    pub(crate) parts: Option<String>,
    /// Whether it calls for attention.
    pub(crate) tone: Tone,
    /// The figure as a number, by which arms are sorted: infinite for what did not happen, nothing where nothing is known.
    pub(crate) key: Option<f64>,
}

impl Cell {
    fn new(main: String) -> Self {
        Self {
            main,
            ..Self::default()
        }
    }

    /// The median of these times.
    fn median(style: &TimeStyle, times: &Distribution) -> Self {
        Self {
            key: (times.n > 0).then(|| times.median.unwrap_or(f64::INFINITY)),
            ..Self::new(style.median(times))
        }
    }

    /// All of it but the parts, on one line.
    pub(crate) fn plain(&self) -> String {
        let mut text = self.main.clone();
        if let Some(note) = &self.note {
            text.push(' ');
            text.push_str(note);
        }
        if let Some(beside) = &self.beside {
            text.push_str("; ");
            text.push_str(beside);
        }
        text
    }
}

/// The counts that are not zero: `2 undecided, 1 reset`.
fn named(counts: &[(u64, &str)]) -> Option<String> {
    let named: Vec<String> = counts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{} {name}", count(*number)))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

fn loss(lost: u64, acknowledged: u64, known: LossShare) -> Cell {
    if acknowledged == 0 {
        return Cell::new("none acknowledged".to_owned());
    }
    let (note, tone) = if lost == 0 {
        (
            known
                .loss_not_excluded
                .map(|bound| format!("≤ {} of crashes", percent(bound))),
            Tone::Good,
        )
    } else {
        (known.share.map(percent), Tone::Bad)
    };
    Cell {
        main: count_of(lost, acknowledged),
        note: note.map(|note| format!("({note})")),
        tone,
        key: if lost == 0 { Some(0.0) } else { known.share },
        ..Cell::default()
    }
}

/// The other fates of sessions, beside being lost.
pub(crate) fn sessions_beside(sessions: &SessionCounts) -> Option<String> {
    named(&[
        (sessions.name_another(), "wrong identity"),
        (sessions.honoured_logouts(), "zombie"),
        (sessions.reset, "reset"),
        (sessions.undecided, "undecided"),
        (sessions.lost_doubted, "doubted"),
        (sessions.reset_doubted, "doubted reset"),
        (sessions.zombie_doubted, "doubted zombie"),
    ])
}

/// The other fates of writes, beside being lost.
pub(crate) fn writes_beside(writes: &WriteCounts) -> Option<String> {
    named(&[
        (writes.duplicated, "duplicated"),
        (writes.phantom, "phantom"),
        (writes.unverifiable, "unverifiable"),
        (writes.unverified, "unverified"),
        (writes.lost_doubted, "doubted"),
    ])
}

/// The sessions that an arm lost.
pub(crate) fn sessions(sessions: &SessionCounts, known: LossShare) -> Cell {
    let cell = unless_open(
        loss(sessions.lost, sessions.acknowledged, known),
        (sessions.lost, sessions.lost_doubted),
        sessions,
    );
    let wrong = sessions.name_another() + sessions.honoured_logouts() + sessions.reset;
    Cell {
        beside: sessions_beside(sessions),
        parts: named(&[
            (sessions.rejected, "rejected"),
            (sessions.recreated, "re-created"),
            (sessions.broken, "broken"),
            (sessions.known_later, "known at a later look only"),
            (sessions.ambiguous, "ambiguous"),
        ]),
        tone: match cell.tone {
            _ if wrong > 0 => Tone::Bad,
            // A session without an answer may be lost after all, and so may one that is doubted.
            Tone::Good if sessions.undecided > 0 || sessions.doubted() > 0 => Tone::Plain,
            tone => tone,
        },
        ..cell
    }
}

/// While sessions are undecided or others are doubted, none is said to be kept, and no bound is shown.
fn unless_open(cell: Cell, (lost, doubted): (u64, u64), sessions: &SessionCounts) -> Cell {
    if sessions.undecided == 0 && doubted == 0 || lost > 0 {
        return cell;
    }
    match sessions.undecided > 0 && sessions.undecided == sessions.acknowledged {
        true => Cell::new("unknown".to_owned()),
        false => Cell::new("none for certain".to_owned()),
    }
}

/// The writes that an arm lost.
pub(crate) fn writes(writes: &WriteCounts, sessions: &SessionCounts, known: LossShare) -> Cell {
    let cell = unless_open(
        loss(writes.lost, writes.acknowledged, known),
        (writes.lost, writes.lost_doubted),
        sessions,
    );
    let cell = match (writes.unverifiable, writes.lost) {
        (0, _) | (_, 1..) => cell,
        (_, 0) => Cell::new("none for certain".to_owned()),
    };
    let wrong = writes.duplicated.saturating_add(writes.phantom);
    Cell {
        beside: writes_beside(writes),
        parts: named(&[(writes.indeterminate, "indeterminate")]),
        tone: match cell.tone {
            _ if wrong > 0 => Tone::Bad,
            Tone::Good if writes.kept < writes.acknowledged => Tone::Plain,
            tone => tone,
        },
        ..cell
    }
}

fn errors(errors: &ErrorRate) -> Cell {
    let Some(rate) = errors.rate else {
        return Cell::new(NOTHING.to_owned());
    };
    let mut classes: Vec<(&String, &f64)> = errors.by_class.iter().collect();
    classes.sort_by(|a, b| b.1.total_cmp(a.1));
    let parts: Vec<String> = classes
        .into_iter()
        .take(3)
        .map(|(class, share)| format!("{} {}", printable(class).replace('_', " "), percent(*share)))
        .collect();
    Cell {
        parts: (!parts.is_empty()).then(|| parts.join(", ")),
        key: Some(rate),
        ..Cell::new(percent(rate))
    }
}

/// How long it was for certain, and how much more it may have been.
fn blind(blind: Option<&BlindSummary>) -> Cell {
    let measured = blind.and_then(|blind| Some((blind.ms.median?, blind.error_ms.max)));
    let Some((median, error)) = measured else {
        return Cell::new("not measured".to_owned());
    };
    Cell {
        note: Some(format!("(+{} at most)", ms(error))),
        key: Some(median),
        ..Cell::new(ms(median))
    }
}

/// The share of operations in journeys that were not torn, and how many were; in brackets the interval.
fn journeys(journeys: Option<&JourneySummary>, control: Option<&JourneySummary>) -> Cell {
    let Some((journeys, goodput)) = journeys.and_then(|own| Some((own, own.goodput?))) else {
        return Cell::new(NOTHING.to_owned());
    };
    let interval = journeys.low.zip(journeys.high);
    let undecided =
        (journeys.undecided > 0).then(|| format!("{} undecided", count(journeys.undecided)));
    let torn = |own: &JourneySummary| format!("{} torn", count_of(own.torn, own.journeys));
    let mut parts = vec![torn(journeys)];
    parts.extend(control.map(|control| format!("without a fault {}", torn(control))));
    Cell {
        note: interval.map(|(low, high)| format!("[{}, {}]", percent(low), percent(high))),
        beside: undecided,
        parts: Some(parts.join(", ")),
        key: Some(goodput),
        ..Cell::new(percent(goodput))
    }
}

fn cache(cache: Option<&CacheSummary>) -> Cell {
    let Some(cache) = cache else {
        return Cell::new(NOTHING.to_owned());
    };
    let (main, note) = match cache.hit_rate {
        Some(rate) => (
            percent(rate),
            Some(format!("({})", count_of(cache.hits, cache.look_ups))),
        ),
        None => ("nothing to keep".to_owned(), None),
    };
    let anothers = (cache.another_users > 0)
        .then(|| format!("another user's content {} ×", count(cache.another_users)));
    Cell {
        note,
        tone: match anothers {
            Some(_) => Tone::Bad,
            None => Tone::Plain,
        },
        beside: anothers,
        ..Cell::new(main)
    }
}

fn control(control: &ControlSummary) -> Cell {
    if control.trials == 0 {
        return Cell::new("none ran".to_owned());
    }
    let failed = control.errors.rate.unwrap_or(0.0);
    let mut troubles: Vec<String> = named(&[
        (control.sessions.lost, "sessions lost"),
        (control.writes.lost, "writes lost"),
    ])
    .into_iter()
    .collect();
    troubles.extend(sessions_beside(&control.sessions));
    // What users wrote who logged out nobody looks at, with a fault or without.
    let seen = WriteCounts {
        unverified: 0,
        ..control.writes
    };
    troubles.extend(writes_beside(&seen));
    if failed > 0.0 {
        troubles.push(format!("errors {}", percent(failed)));
    }
    let (main, tone) = if troubles.is_empty() {
        ("clean".to_owned(), Tone::Good)
    } else {
        (troubles.join(", "), Tone::Bad)
    };
    Cell {
        note: Some(format!("({})", counted(u64::from(control.trials), "trial"))),
        tone,
        ..Cell::new(main)
    }
}
