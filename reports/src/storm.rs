//! A storm in one row: its kills, those that met a write, and those that took something. A table of its own below the comparison.

use comeback_analysis::summary::{ArmSummary, StormSummary, Summary};

use crate::format::{NOTHING, count, percent, printable};
use crate::table::Table;

const HEADERS: [&str; 9] = [
    "storm",
    "kills",
    "met a write",
    "with a loss",
    "share, 95 %",
    "undecided",
    "killed while idle",
    "verified after each kill",
    "kills/s",
];

/// The table; nothing where the run is no storm.
///
/// Foreign text in it is printable, but not escaped for any markup.
pub fn storm(summary: &Summary) -> Option<Table> {
    let arms = summary.arms.iter();
    let rows: Vec<Vec<String>> = arms
        .filter_map(|arm| Some(row(arm, arm.storm.as_ref()?)))
        .collect();
    (!rows.is_empty()).then(|| Table {
        headers: HEADERS.map(str::to_owned).to_vec(),
        rows,
    })
}

fn row(arm: &ArmSummary, storm: &StormSummary) -> Vec<String> {
    let bounds = storm.loss_share_low.zip(storm.loss_share_high);
    let share = match bounds {
        Some((_, high)) if storm.kills_with_a_loss == 0 => format!("below {}", percent(high)),
        Some((low, high)) => format!("{} to {}", percent(low), percent(high)),
        None => NOTHING.to_owned(),
    };
    let rate = storm.kills_per_second;
    vec![
        printable(&arm.name),
        count(storm.kills),
        count(storm.kills_that_met_a_write),
        count(storm.kills_with_a_loss),
        share,
        count(storm.kills_undecided),
        format!(
            "{}, {} with a loss",
            count(storm.idle_kills),
            count(storm.idle_kills_with_a_loss)
        ),
        format!(
            "{} sessions, {} writes",
            count(storm.sessions_verified),
            count(storm.writes_verified)
        ),
        rate.map_or_else(|| NOTHING.to_owned(), |rate| format!("{rate:.1}")),
    ]
}

#[cfg(all(test, feature = "charts"))]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn a_storm_has_a_row_and_another_run_has_none() {
        let mut summary = fake::single().summary;
        assert_eq!(storm(&summary), None);
        let tally = StormSummary {
            kills: 1_000,
            kills_that_met_a_write: 990,
            idle_kills: 750,
            loss_share: Some(0.0),
            loss_share_low: Some(0.0),
            loss_share_high: Some(0.003),
            sessions_verified: 8_000,
            writes_verified: 12_000,
            kills_per_second: Some(16.04),
            ..StormSummary::default()
        };
        summary.arms[0].storm = Some(tally.clone());
        let table = storm(&summary).expect("it is one");
        assert_eq!(
            table.rows[0][1..],
            [
                "1,000",
                "990",
                "0",
                "below 0.30 %",
                "0",
                "750, 0 with a loss",
                "8,000 sessions, 12,000 writes",
                "16.0"
            ]
        );
        summary.arms[0].storm = Some(StormSummary {
            kills_with_a_loss: 2,
            loss_share_low: Some(0.0005),
            loss_share_high: Some(0.007),
            ..tally
        });
        let table = storm(&summary).expect("it is one");
        assert_eq!(table.rows[0][4], "0.050 % to 0.70 %");
    }
}
