//! What a trend says of changes, as sentences for the page and the terminal.

use comeback_analysis::history::{Change, Figure, Found, History, Row};

use crate::format::{counted, ms, plain, printable};

/// Every change, each as a sentence that begins in the middle; then what was asked without one, and where runs are too few.
pub fn changes(history: &History) -> Vec<String> {
    let rows = history.rows.iter();
    let changed = rows.filter_map(|row| match &row.result {
        Found::Changed(change) => Some(told(history, row, change)),
        Found::TooFew { .. } | Found::Same | Found::Unseen { .. } => None,
    });
    let mut sentences: Vec<String> = changed.collect();
    let asked = |is_in: fn(&Found) -> bool| -> Vec<&Row> {
        history
            .rows
            .iter()
            .filter(|row| is_in(&row.result))
            .collect()
    };
    let calm = asked(|found| matches!(found, Found::Same | Found::Unseen { .. }));
    if !calm.is_empty() {
        sentences.push(format!("no change is seen in {}", figures_of(&calm)));
    }
    let short = asked(|found| matches!(found, Found::TooFew { .. }));
    let most = short.iter().map(|row| row.runs.len()).max();
    if let (Some(most), Some(Found::TooFew { needed })) =
        (most, short.first().map(|row| &row.result))
    {
        sentences.push(format!(
            "not enough runs to look for a change in {}: {} in a row may be compared, and it takes {needed}",
            figures_of(&short),
            match most {
                most if short.iter().all(|row| row.runs.len() == most) => counted(most as u64, "run"),
                most => format!("at most {}", counted(most as u64, "run")),
            }
        ));
    }
    if sentences.is_empty() {
        sentences.push("no two runs may be compared, so no change is looked for".to_owned());
    }
    sentences
}

/// `the outage of memory`, `6 figures of memory, token`.
fn figures_of(rows: &[&Row]) -> String {
    if let [row] = rows {
        return of_arm(row);
    }
    let mut arms: Vec<String> = rows.iter().map(|row| printable(&row.arm)).collect();
    arms.dedup();
    let figures = counted(rows.len() as u64, "figure");
    format!("{figures} of {}", arms.join(", "))
}

/// Of a row: `the outage of memory`.
fn of_arm(row: &Row) -> String {
    let figure = match row.figure {
        Figure::Outage => "the outage",
        Figure::SessionLoss => "the share of lost sessions",
        Figure::WriteLoss => "the share of lost writes",
    };
    format!("{figure} of {}", printable(&row.arm))
}

/// `the outage of memory rose between nightly-3 and nightly-4 by 12 ms [8.0 ms, 17 ms]`.
fn told(history: &History, row: &Row, change: &Change) -> String {
    let shown = |figure: f64| match row.figure {
        Figure::Outage => ms(figure),
        // A difference of percentages.
        Figure::SessionLoss | Figure::WriteLoss => {
            format!("{} points", plain((figure * 1_000.0).round() / 10.0))
        }
    };
    // What fell by 12 lies between so much and so much less.
    let (by, low, high) = match change.rose {
        true => (change.by, change.low, change.high),
        false => {
            let turned = |figure: Option<f64>| figure.map(|figure| -figure);
            (turned(change.by), turned(change.high), turned(change.low))
        }
    };
    let open = || "open".to_owned();
    let by = match by {
        None => String::new(),
        Some(by) => format!(
            " by {} [{}, {}]",
            shown(by),
            low.map_or_else(open, shown),
            high.map_or_else(open, shown)
        ),
    };
    let name = |folder: &str| {
        let mut runs = history.runs.iter();
        let run = runs.find(|run| run.folder == folder);
        let label = run.and_then(|run| run.label.clone());
        printable(&label.unwrap_or_else(|| folder.to_owned()))
    };
    format!(
        "{} {} between {} and {}{by} (p = {}, {})",
        of_arm(row),
        if change.rose { "rose" } else { "fell" },
        name(&change.last_before),
        name(&change.first_after),
        plain((change.p_value * 10_000.0).ceil() / 10_000.0),
        counted(row.runs.len() as u64, "run"),
    )
}
