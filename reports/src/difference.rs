//! The difference of two runs, as plain strings for terminals and as Markdown.

use std::cmp::Ordering;
use std::fmt::Write;

use comeback_analysis::difference::{
    ArmDifference, Counted, Difference, MetricDifference, MetricValue, Shift, Standing, Unit,
};

use crate::course::label;
use crate::format::{NOTHING, count_of, ms, percent, plain, printable, seconds};
use crate::markdown::text;
use crate::table::Table;

/// Shown for a figure beyond the horizon.
const BEYOND: &str = "beyond";

/// The metrics that have a name for people; any other is called as gates call it.
const NAMES: [(&str, &str); 12] = [
    ("lost_sessions", "sessions lost"),
    ("lost_writes", "writes lost"),
    ("outage.median", "outage"),
    ("time_to_ready.median", "time to ready"),
    ("time_to_steady.median", "time to steady"),
    ("longest_gap.median", "longest gap"),
    ("outage_area.median", "outage area"),
    ("availability", "availability"),
    ("error_rate.during", "errors during"),
    ("error_rate.after", "errors after"),
    ("latency.after.p50", "latency after, p50"),
    ("latency.after.p99", "latency after, p99"),
];

/// An arm's metrics in both runs: `base`, `new`, what lies between them, and what that comes to. All but the
/// first and the last column are figures. Foreign text in it is printable.
pub fn difference_table(arm: &ArmDifference) -> Table {
    let headers = ["", "base", "new", "difference [95 %]", "δ", "p", ""];
    Table {
        headers: headers.map(str::to_owned).to_vec(),
        rows: arm.metrics.iter().map(row).collect(),
    }
}

/// The two sides of the comparison, a line each.
pub fn difference_heads(difference: &Difference) -> [String; 2] {
    [
        format!("base  {}", printable(&label(&difference.base))),
        format!("new   {}", printable(&label(&difference.new))),
    ]
}

/// The arm and its trials: `shop: 6 trials against 6 of the base`.
pub fn difference_title(arm: &ArmDifference) -> String {
    let (name, other) = (printable(&arm.arm), printable(&arm.base_arm));
    let of = if name == other {
        "the base".to_owned()
    } else {
        format!("'{other}' in the base")
    };
    let crashes = if arm.new_trials == 1 {
        "crash"
    } else {
        "crashes"
    };
    format!(
        "{name}: {} {crashes} against {} of {of}",
        arm.new_trials, arm.base_trials
    )
}

/// The glossary, a line for each word.
pub const DIFFERENCE_LEGEND: [&str; 3] = [
    "difference: new − base; for times the Hodges–Lehmann shift, for all others the difference of the shares of all \
     trials",
    "δ: Cliff's, from −1 to 1; p: p-value of no difference, by Holm's method for all rows",
    "shows from: the smallest difference that so few trials detect in four of five runs",
];

/// Why it ends as it does, in sentences: what is worse by its names, since the table has the figures, then
/// what cannot be told. Foreign text in it is printable.
pub fn difference_reasons(difference: &Difference) -> Vec<String> {
    let is_worse = |metric: &&MetricDifference| metric.standing == Standing::Worse;
    let mut reasons = Vec::new();
    let mut told = 0;
    for arm in &difference.arms {
        let worse: Vec<String> = arm.metrics.iter().filter(is_worse).map(name).collect();
        told += worse.len();
        if !worse.is_empty() {
            reasons.push(format!(
                "{}: worse in {}",
                printable(&arm.arm),
                worse.join("; ")
            ));
        }
    }
    let others = difference.reasons.iter().skip(told);
    reasons.extend(others.map(|reason| printable(reason)));
    reasons
}

/// Both runs as Markdown.
pub fn difference_markdown(difference: &Difference) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "## comeback diff: {}\n", difference.verdict.name());
    for reason in difference_reasons(difference) {
        let _ = writeln!(out, "- {}", text(&reason));
    }
    if !difference.reasons.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "base: {}  ",
        text(&printable(&label(&difference.base)))
    );
    let _ = writeln!(out, "new: {}\n", text(&printable(&label(&difference.new))));
    for arm in &difference.arms {
        let _ = writeln!(out, "### {}\n", text(&difference_title(arm)));
        let table = difference_table(arm);
        markdown_row(&mut out, &table.headers);
        let _ = writeln!(out, "|---|{}---|", "--:|".repeat(table.headers.len() - 2));
        for row in &table.rows {
            markdown_row(&mut out, row);
        }
        out.push('\n');
    }
    for note in &difference.notes {
        let _ = writeln!(out, "{}\n", text(&printable(note)));
    }
    for line in DIFFERENCE_LEGEND {
        let _ = writeln!(out, "- {}", text(line));
    }
    out
}

fn markdown_row(out: &mut String, cells: &[String]) {
    out.push('|');
    for cell in cells {
        let _ = write!(out, " {} |", text(cell));
    }
    out.push('\n');
}

/// A metric's name for people.
fn name(metric: &MetricDifference) -> String {
    let name = NAMES.iter().find(|(known, _)| *known == metric.metric);
    name.map_or_else(
        || metric.metric.replace(['_', '.'], " "),
        |(_, name)| (*name).to_owned(),
    )
}

fn row(metric: &MetricDifference) -> Vec<String> {
    let name = name(metric);
    let is_count = name.ends_with(" lost") || metric.metric.contains("_sessions");
    let value = |figure: &MetricValue| value(metric.unit, figure, is_count);
    vec![
        name,
        value(&metric.base),
        value(&metric.new),
        metric.shift.map_or_else(
            || NOTHING.to_owned(),
            |shift| shift_with_interval(metric.unit, shift),
        ),
        metric.cliffs_delta.map_or_else(String::new, delta),
        metric.p_holm.map_or_else(String::new, p_value),
        remark(metric),
    ]
}

/// A figure of one run.
fn value(unit: Unit, figure: &MetricValue, is_count: bool) -> String {
    let Some(value) = figure.value else {
        return NOTHING.to_owned();
    };
    if let Some(Counted {
        part,
        whole,
        undecided,
        doubted,
    }) = figure.counted
    {
        let shown = if is_count {
            count_of(part, whole)
        } else {
            percent(value)
        };
        let open = [(undecided, "undecided"), (doubted, "doubted")];
        let open: Vec<String> = open
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, name)| format!("{number} {name}"))
            .collect();
        return match open.is_empty() {
            true => shown,
            false => format!("{shown} ({})", open.join(", ")),
        };
    }
    let shown = match unit {
        _ if value.is_infinite() => BEYOND.to_owned(),
        Unit::Ms => ms(value),
        Unit::Seconds => seconds(value),
        Unit::Share => percent(value),
    };
    match figure.beyond {
        0 => shown,
        _ if value.is_infinite() => shown,
        beyond => format!("{shown} ({beyond} beyond)"),
    }
}

/// `+300 ms [+297, +302]`, `none` where both are the same for certain; in words where the one or the other lies beyond
/// what was waited for.
fn shift_with_interval(unit: Unit, shift: Shift) -> String {
    match (shift.estimate, shift.low, shift.high) {
        (Some(f64::INFINITY), _, _) => return "beyond now".to_owned(),
        (Some(f64::NEG_INFINITY), _, _) => return "no more beyond".to_owned(),
        (None, None | Some(f64::NEG_INFINITY), None | Some(f64::INFINITY)) => {
            return "beyond in both".to_owned();
        }
        (Some(_) | None, _, _) => {}
    }
    let ends = [shift.low, shift.high].map(|end| end.unwrap_or(f64::NAN));
    let style = Style::of(unit, ends, shift.estimate);
    let estimate = shift
        .estimate
        .map_or_else(|| "?".to_owned(), |value| style.signed(value));
    if ends == [0.0, 0.0] {
        return "none".to_owned();
    }
    let estimate = format!("{estimate}{}", style.suffix);
    if ends[0] == ends[1] {
        return estimate;
    }
    let [low, high] = ends.map(|end| style.signed(end));
    format!("{estimate} [{low}, {high}]")
}

/// How the numbers of one difference are written: alike.
struct Style {
    factor: f64,
    suffix: &'static str,
    decimals: usize,
}

impl Style {
    fn of(unit: Unit, ends: [f64; 2], estimate: Option<f64>) -> Self {
        let (factor, suffix) = match unit {
            Unit::Ms => (1.0, " ms"),
            Unit::Seconds => (1.0, " s"),
            Unit::Share => (100.0, " points"),
        };
        let largest = ends
            .into_iter()
            .chain(estimate)
            .filter(|value| value.is_finite())
            .fold(0.0_f64, |largest, value| largest.max(value.abs() * factor));
        let decimals = match (unit, largest) {
            (Unit::Seconds, size) if size < 10.0 => 2,
            (_, size) if size >= 9.95 => 0,
            (_, size) if size >= 0.95 || size == 0.0 => 1,
            (Unit::Share, size) if size < 0.095 => 3,
            _ => 2,
        };
        Self {
            factor,
            suffix,
            decimals,
        }
    }

    fn plain(&self, value: f64) -> String {
        format!(
            "{}{}",
            self.signed(value).trim_start_matches('+'),
            self.suffix
        )
    }

    fn signed(&self, value: f64) -> String {
        if value.is_nan() {
            return "?".to_owned();
        }
        if value.is_infinite() {
            return "open".to_owned();
        }
        let Self { decimals, .. } = self;
        let size = value.abs() * self.factor;
        let size = match size {
            // Separators, as all figures of a report have them.
            size if size >= 1_000.0 => plain(size.round()),
            size => format!("{size:.decimals$}"),
        };
        // A value that rounds to zero has no sign.
        let is_zero = size.chars().all(|c| matches!(c, '0' | '.'));
        match (is_zero, value < 0.0) {
            (true, _) => size,
            (false, true) => format!("−{size}"),
            (false, false) => format!("+{size}"),
        }
    }
}

fn delta(delta: f64) -> String {
    Style {
        factor: 1.0,
        suffix: "",
        decimals: 2,
    }
    .signed(delta)
}

fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".to_owned(),
        p if p < 0.1 => format!("{p:.3}"),
        p if p >= 0.995 => "1".to_owned(),
        p => format!("{p:.2}"),
    }
}

/// A difference in a few words.
fn remark(metric: &MetricDifference) -> String {
    let allowed = || match metric.allowed {
        Some(allowed) if allowed.is_infinite() => "any".to_owned(),
        Some(allowed) if allowed > 0.0 => {
            let sign = if metric.more_is_better { "−" } else { "+" };
            let style = Style::of(metric.unit, [allowed, allowed], None);
            format!("{sign}{}", style.plain(allowed))
        }
        Some(_) | None => "nothing more".to_owned(),
    };
    match metric.standing {
        Standing::Worse => format!("✗ worse; {} allowed", allowed()),
        Standing::Unknown => "? cannot be judged".to_owned(),
        Standing::NotCompared => "– not compared".to_owned(),
        Standing::NotAsked => match direction(metric) {
            "" => "· not judged".to_owned(),
            other => format!("· {other}; not judged"),
        },
        Standing::WithinAllowed => match direction(metric) {
            "worse" => format!("✓ worse, but within {}", allowed()),
            "same" | "" => format!("✓ {}", sameness(metric)),
            other => format!("✓ {other}"),
        },
    }
}

/// Which way the whole interval lies.
fn direction(metric: &MetricDifference) -> &'static str {
    let ends = metric
        .shift
        .and_then(|shift| Some((shift.low?, shift.high?)));
    match (ends, metric.more_is_better) {
        (None, _) => "",
        (Some((low, _)), false) if low > 0.0 => "worse",
        (Some((low, _)), true) if low > 0.0 => "better",
        (Some((_, high)), false) if high < 0.0 => "better",
        (Some((_, high)), true) if high < 0.0 => "worse",
        (Some(_), _) => "same",
    }
}

/// That no difference was seen, and what could not have been.
fn sameness(metric: &MetricDifference) -> String {
    if let Some(share) = metric.possible_share_of_crashes {
        return format!("none; ≤ {} of crashes", percent(share));
    }
    match metric.detectable {
        None => match metric.base.value.partial_cmp(&metric.new.value) {
            Some(Ordering::Equal) | None => "same".to_owned(),
            Some(order) if (order == Ordering::Greater) == metric.more_is_better => {
                "not surely worse".to_owned()
            }
            Some(_) => "no worse".to_owned(),
        },
        Some(detectable) => {
            let style = Style::of(metric.unit, [detectable, detectable], None);
            format!("same; shows from {}", style.plain(detectable))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(unit: Unit, shift: Option<(f64, f64, f64)>, standing: Standing) -> MetricDifference {
        MetricDifference {
            metric: "time_to_ready.median".to_owned(),
            unit,
            more_is_better: false,
            base: MetricValue {
                value: Some(6.7),
                trials: 6,
                ..MetricValue::default()
            },
            new: MetricValue {
                value: Some(f64::INFINITY),
                trials: 6,
                beyond: 4,
                counted: None,
            },
            shift: shift.map(|(estimate, low, high)| Shift {
                estimate: Some(estimate),
                low: Some(low),
                high: Some(high),
            }),
            cliffs_delta: Some(1.0),
            p_value: Some(0.002),
            p_holm: Some(0.019),
            detectable: None,
            possible_share_of_crashes: None,
            allowed: Some(100.0),
            standing,
            detail: None,
        }
    }

    #[test]
    fn numbers_of_one_difference_are_written_alike() {
        for (unit, (estimate, low, high), text) in [
            (Unit::Ms, (299.6, 297.5, 301.6), "+300 ms [+298, +302]"),
            (Unit::Ms, (0.21, -0.5, 1.4), "+0.2 ms [−0.5, +1.4]"),
            (Unit::Ms, (0.2, -12.0, f64::INFINITY), "0 ms [−12, open]"),
            (
                Unit::Ms,
                (2_300.0, 1_200.0, 5_000.0),
                "+2,300 ms [+1,200, +5,000]",
            ),
            (
                Unit::Ms,
                (f64::INFINITY, 4_000.0, f64::INFINITY),
                "beyond now",
            ),
            (
                Unit::Ms,
                (f64::NEG_INFINITY, f64::NEG_INFINITY, -4_000.0),
                "no more beyond",
            ),
            (Unit::Seconds, (0.3, 0.29, 0.31), "+0.30 s [+0.29, +0.31]"),
            (
                Unit::Share,
                (-0.039, -0.041, 0.001),
                "−3.9 points [−4.1, +0.1]",
            ),
            (
                Unit::Share,
                (0.0004, 0.0, 0.0009),
                "+0.040 points [0.000, +0.090]",
            ),
            (Unit::Share, (1.0, 1.0, 1.0), "+100 points"),
            (Unit::Share, (0.0, 0.0, 0.0), "none"),
        ] {
            let shift = Shift {
                estimate: Some(estimate),
                low: Some(low),
                high: Some(high),
            };
            assert_eq!(shift_with_interval(unit, shift), text);
        }
    }

    #[test]
    fn two_counts_that_differ_are_not_called_the_same() {
        for (base, new, text) in [
            (100.0, 0.0, "✓ no worse"),
            (0.0, 1.0, "✓ not surely worse"),
            (2.0, 2.0, "✓ same"),
        ] {
            let mut metric = metric(Unit::Ms, None, Standing::WithinAllowed);
            (metric.detectable, metric.possible_share_of_crashes) = (None, None);
            (metric.base.value, metric.new.value) = (Some(base), Some(new));
            assert_eq!(remark(&metric), text);
        }
    }

    #[test]
    fn a_row_says_what_a_difference_comes_to() {
        let shift = Some((299.6, 297.5, 301.6));
        assert_eq!(
            row(&metric(Unit::Ms, shift, Standing::Worse)),
            [
                "time to ready",
                "6.7 ms",
                "beyond",
                "+300 ms [+298, +302]",
                "+1.00",
                "0.019",
                "✗ worse; +100 ms allowed"
            ]
        );
        let near = Some((1.0, 0.5, 1.5));
        for (shift, standing, text) in [
            (near, Standing::WithinAllowed, "✓ worse, but within +100 ms"),
            (
                Some((-1.0, -2.0, -0.5)),
                Standing::WithinAllowed,
                "✓ better",
            ),
            (
                Some((0.0, -2.0, 0.5)),
                Standing::WithinAllowed,
                "✓ same; shows from 12 ms",
            ),
            (
                Some((0.0, 0.0, 0.0)),
                Standing::WithinAllowed,
                "✓ none; ≤ 39 % of crashes",
            ),
            (None, Standing::Unknown, "? cannot be judged"),
            (None, Standing::NotCompared, "– not compared"),
            (near, Standing::NotAsked, "· worse; not judged"),
        ] {
            let mut metric = metric(Unit::Ms, shift, standing);
            let ends = shift.map(|(_, low, high)| (low, high));
            metric.detectable = (ends == Some((-2.0, 0.5))).then_some(11.9);
            metric.possible_share_of_crashes = (ends == Some((0.0, 0.0))).then_some(0.393);
            assert_eq!(remark(&metric), text);
        }
    }
}
