//! The lines of the view: a pure function of the board, the moment and the room there is.

use comeback_model::event::Phase;
use comeback_model::units::{Elapsed, Span};
use comeback_reports::format::{NOTHING, count, counted, ms, percent, printable, rate};

use super::super::board::{Board, Cell, Now};
use super::text::{Ink, Line};

/// The column behind the labels.
const LABEL: usize = 9;
/// With fewer columns labels and words are shorter.
const WIDE: usize = 76;
/// The column where sparklines begin, in a wide view.
const SPARK: usize = 42;
/// With less room than this there is one line.
const LEAST: Room = Room {
    columns: 24,
    rows: 4,
};
/// So many lines about faults have room: those of a kill and of the recovery after it.
const LANDED: usize = 4;
const SO_FAR: &str = " sessions so far";
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The room of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Room {
    const fn is_wide(self) -> bool {
        self.columns >= WIDE
    }
}

/// Which line goes first where there is no room for all: the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Trial,
    Load,
    Ledger,
    Lost,
    Latency,
    Phase,
    Landed,
    Errors,
    EarlierLanded,
    Rule,
}

/// The whole view, as far as it has room; the terminal keeps one row for the line above it.
pub(super) fn view(board: &Board, now: Elapsed, room: Room) -> Vec<Line> {
    if room.columns < LEAST.columns || room.rows < LEAST.rows {
        return vec![bar(board, now, room)];
    }
    let mut lines = vec![(Weight::Rule, rule(board, room))];
    lines.push((Weight::Trial, trial(board, now, room)));
    if let Some(phase) = board.now.as_ref().and_then(|now| now.phase) {
        lines.push((Weight::Phase, phases(phase, now, room)));
    }
    lines.extend(traffic(board, now, room));
    lines.extend(landed(board.now.as_ref(), room));
    lines.extend(ledger(board, room));
    let most = room.rows - 1;
    while lines.len() > most {
        let weights = lines.iter().map(|(weight, _)| *weight).enumerate();
        let Some((place, _)) = weights.max_by_key(|(place, weight)| (*weight, usize::MAX - place))
        else {
            break;
        };
        lines.remove(place);
    }
    let lines = lines.into_iter().map(|(_, line)| line.cut(room.columns));
    lines.collect()
}

/// One line: for terminals that have no room for more.
pub(super) fn bar(board: &Board, now: Elapsed, room: Room) -> Line {
    let mut line = Line::default();
    if room.columns >= 60 {
        push_bar(&mut line, board, 24);
        line.push(Ink::Plain, " ");
    }
    line.push(
        Ink::Plain,
        format!("{}/{}  {}", board.ended, board.total, words(board)),
    );
    if let Some((phase, _)) = board.now.as_ref().and_then(|now| now.phase) {
        line.push(Ink::Plain, format!(": {}", phase.name()));
    }
    let left = board.left_in_words(now);
    line.cut(room.columns.saturating_sub(left.chars().count() + 1))
        .padded(room.columns.saturating_sub(left.chars().count()))
        .with(Ink::Plain, left)
        .cut(room.columns)
}

fn rule(board: &Board, room: Room) -> Line {
    let name = printable(&board.name);
    let used = name.chars().count() + 4;
    Line::default()
        .with(Ink::Dim, "── ")
        .with(Ink::Bold, name)
        .with(
            Ink::Dim,
            format!(" {}", "─".repeat(room.columns.saturating_sub(used))),
        )
}

fn words(board: &Board) -> String {
    printable(&board.trial)
}

fn trial(board: &Board, now: Elapsed, room: Room) -> Line {
    let counted = format!("{} of {}", count(board.number() as u64), board.total);
    let mut line = label("trial", room).with(Ink::Bold, counted);
    if !board.trial.is_empty() {
        line.push(Ink::Plain, format!("  {}", words(board)));
    }
    let left = board.left_in_words(now);
    if room.is_wide() {
        line = line.cut(SPARK - 2).padded(SPARK);
        let length = room
            .columns
            .saturating_sub(SPARK + left.chars().count() + 2);
        push_bar(&mut line, board, length.min(24));
    }
    let column = room.columns.saturating_sub(left.chars().count());
    line.cut(column.saturating_sub(1))
        .padded(column)
        .with(Ink::Plain, left)
}

fn push_bar(line: &mut Line, board: &Board, length: usize) {
    let done = length * board.ended.min(board.total) / board.total.max(1);
    line.push(Ink::Good, "━".repeat(done));
    line.push(Ink::Dim, "─".repeat(length - done));
}

fn phases((present, since): (Phase, Elapsed), now: Elapsed, room: Room) -> Line {
    let lasted = format!(" {:.0} s", now.since(since).as_secs().floor());
    let mut line = label("phase", room);
    if !room.is_wide() {
        let place = Phase::ALL.iter().position(|phase| *phase == present);
        line.push(Ink::Accent, format!("▸{}", present.name()));
        line.push(Ink::Plain, lasted);
        let (place, all) = (place.map_or(0, |place| place + 1), Phase::ALL.len());
        line.push(Ink::Dim, format!("  ({place} of {all})"));
        return line;
    }
    for phase in Phase::ALL {
        match phase.cmp(&present) {
            std::cmp::Ordering::Less => line.push(Ink::Good, format!("{} ", phase.name())),
            std::cmp::Ordering::Equal => {
                line.push(Ink::Accent, format!("▸{} ", phase.name()));
            }
            std::cmp::Ordering::Greater => line.push(Ink::Dim, format!("{} ", phase.name())),
        }
    }
    line
}

/// The load of now, and of the last seconds.
fn traffic(board: &Board, now: Elapsed, room: Room) -> Vec<(Weight, Line)> {
    let Some((begun, end)) = board.load else {
        let line = label("load", room).with(Ink::Dim, "not yet");
        return vec![(Weight::Load, line)];
    };
    let shown_until = end.map_or(now, |end| now.min(end));
    let last = board.last_second(now);
    let mut load = label("load", room);
    let mut latency = label(if room.is_wide() { "latency" } else { "lat." }, room);
    let mut errors = label("errors", room);
    match (end, last) {
        (Some(_), _) => load.push(Ink::Dim, "over"),
        (None, None) => load.push(Ink::Dim, format!("begins: {}/s", rate(board.offered))),
        (None, Some(last)) => {
            let of = format!(" of {}/s answered", rate(board.offered));
            let short = format!(" of {}/s", rate(board.offered));
            load.push(Ink::Bold, count(last.correct_per_s.round() as u64));
            load.push(Ink::Plain, if room.is_wide() { of } else { short });
            let (ink, failed) = match last.failed {
                Some(share) if share > 0.0 => (Ink::Bad, percent(share)),
                Some(_) => (Ink::Plain, "none".to_owned()),
                None => (Ink::Dim, NOTHING.to_owned()),
            };
            match room.is_wide() {
                true => errors.push(ink, failed),
                false => load.push(ink, format!("  errors {failed}")),
            }
            let time =
                |span: Option<Span>| span.map_or(NOTHING.to_owned(), |span| ms(span.as_ms()));
            latency.push(
                Ink::Plain,
                match room.is_wide() {
                    true => format!(
                        "median {}, slowest {}",
                        time(last.median),
                        time(last.slowest)
                    ),
                    false => time(last.median),
                },
            );
        }
    }
    let column = match room.is_wide() {
        true => SPARK,
        false => 18,
    };
    let columns = room.columns.saturating_sub(column);
    let cells = board.window.cells(begun, shown_until, columns);
    latency = latency.cut(column - 1).padded(column);
    push_sparkline(&mut latency, &cells);
    let mut lines = vec![(Weight::Load, load), (Weight::Latency, latency)];
    if room.is_wide() {
        errors = errors.cut(column - 1).padded(column);
        push_errors(&mut errors, &cells);
        lines.push((Weight::Errors, errors));
    }
    lines
}

/// The slowest operation of each half second, from the fastest of them to the slowest by their logarithms. Where all failed stands a
/// cross.
fn push_sparkline(line: &mut Line, cells: &[Cell]) {
    let slowest = cells.iter().filter_map(|cell| cell.slowest);
    let log = |span: Span| (span.as_us().max(1) as f64).ln();
    let (low, high) = slowest
        .map(log)
        .fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    // Noise is not drawn as if it were news: the scale has a factor of ten at least.
    let scale = (high - low).max(std::f64::consts::LN_10);
    for cell in cells {
        match cell.slowest {
            Some(span) => {
                let place = ((log(span) - low) / scale * 7.0).round() as usize;
                let ink = if cell.failed > 0 {
                    Ink::Bad
                } else {
                    Ink::Plain
                };
                line.push(ink, BARS[place.min(7)].to_string());
            }
            None if cell.failed > 0 => line.push(Ink::Bad, "×"),
            None => line.push(Ink::Dim, "·"),
        }
    }
}

/// The share of each half second's operations that failed.
fn push_errors(line: &mut Line, cells: &[Cell]) {
    for cell in cells {
        let finished = cell.correct + cell.failed;
        match cell.failed {
            0 => line.push(Ink::Dim, "·"),
            failed => {
                let share = f64::from(failed) / f64::from(finished);
                let place = (share * 8.0).ceil() as usize;
                line.push(Ink::Bad, BARS[place.clamp(1, 8) - 1].to_string());
            }
        }
    }
}

fn landed(now: Option<&Now>, room: Room) -> Vec<(Weight, Line)> {
    let Some(now) = now.filter(|now| !now.landed.is_empty()) else {
        return vec![(
            Weight::Landed,
            label("fault", room).with(Ink::Dim, "none yet"),
        )];
    };
    let shown = now.landed.len().min(LANDED);
    let last = shown - 1;
    let lines = now
        .landed
        .iter()
        .skip(now.landed.len() - shown)
        .enumerate()
        .map(|(place, (since, words))| {
            let line = label(if place == 0 { "fault" } else { "" }, room)
                .with(Ink::Dim, format!("{:.2} s  ", since.as_secs()))
                .with(Ink::Plain, printable(words));
            match place == last {
                true => (Weight::Landed, line),
                false => (Weight::EarlierLanded, line),
            }
        });
    lines.collect()
}

fn ledger(board: &Board, room: Room) -> Vec<(Weight, Line)> {
    let ledger = &board.ledger;
    let line = label("ledger", room);
    let wide = room.is_wide();
    let line = match (board.has_sessions, wide) {
        (true, true) => line.with(
            Ink::Plain,
            format!(
                "{} logged in, {} acknowledged",
                counted(ledger.logins, "session"),
                counted(ledger.writes, "write"),
            ),
        ),
        (true, false) => line.with(
            Ink::Plain,
            format!(
                "{} logins, {} writes",
                count(ledger.logins),
                count(ledger.writes)
            ),
        ),
        (false, _) => line.with(
            Ink::Plain,
            format!("{} answered correctly", counted(ledger.answers, "request")),
        ),
    };
    let mut lines = vec![(Weight::Ledger, line)];
    if board.has_sessions && !board.is_storm {
        lines.push((Weight::Lost, lost(board, room)));
    }
    lines
}

/// The sessions that were not found after a fault, arm by arm.
fn lost(board: &Board, room: Room) -> Line {
    let mut line = label("lost", room);
    let told = board.arms.iter().filter(|arm| arm.found.looked_at > 0);
    let mut separator = "";
    for arm in told {
        let ink = if arm.found.gone > 0 {
            Ink::Bad
        } else {
            Ink::Good
        };
        line.push(Ink::Plain, format!("{separator}{} ", printable(&arm.name)));
        line.push(
            ink,
            format!("{}/{}", count(arm.found.gone), count(arm.found.looked_at)),
        );
        separator = ", ";
    }
    match separator {
        "" if room.is_wide() => line.with(Ink::Dim, "known after the first trial with a fault"),
        "" => line.with(Ink::Dim, "not known yet"),
        _ if room.is_wide() && line.width() + SO_FAR.len() <= room.columns => {
            line.with(Ink::Dim, SO_FAR)
        }
        _ => line,
    }
}

fn label(text: &str, room: Room) -> Line {
    let column = if room.is_wide() { LABEL } else { LABEL - 2 };
    Line::default().with(Ink::Dim, text).padded(column)
}
