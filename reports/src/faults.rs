//! The faults of a plan that has several, side by side: when each came, how long it took to recover from it, what it met, and
//! what is laid to it. A table of its own below the comparison.

use comeback_analysis::summary::{ArmSummary, FaultSummary, SharedLoss, Status, Summary};

use crate::format::{NOTHING, TimeStyle, count, count_of, percent, printable};
use crate::table::Table;

/// Shown for a fault that another one overtook in most trials.
const OVERTAKEN: &str = "not by itself";

const HEADERS: [&str; 10] = [
    "arm",
    "fault",
    "landed",
    "sent, median",
    "outage, median",
    "ready, median",
    "errors during",
    "writes in flight",
    "sessions lost",
    "writes lost",
];

/// The table; nothing where every plan has one fault.
///
/// Foreign text in it is printable, but not escaped for any markup.
pub fn faults(summary: &Summary) -> Option<Table> {
    let arms = summary.arms.iter();
    let rows: Vec<Vec<String>> = arms
        .filter(|arm| arm.status == Status::Measured)
        .flat_map(rows)
        .collect();
    (!rows.is_empty()).then(|| Table {
        headers: HEADERS.map(str::to_owned).to_vec(),
        rows,
    })
}

fn rows(arm: &ArmSummary) -> Vec<Vec<String>> {
    let own = arm.faults.iter().map(|fault| row(arm, fault));
    let shared = arm.shared_losses.iter().map(|loss| shared(arm, loss));
    own.chain(shared).collect()
}

fn row(arm: &ArmSummary, fault: &FaultSummary) -> Vec<String> {
    let beyond = match fault.overtaken {
        0 => "> horizon",
        _ => OVERTAKEN,
    };
    let until_overtaken = TimeStyle::or(beyond);
    vec![
        printable(&arm.name),
        printable(&fault.name),
        count_of(u64::from(fault.landed), u64::from(arm.trials)),
        TimeStyle::steady().median(&fault.sent_ms),
        until_overtaken.median(&fault.outage_ms),
        until_overtaken.median(&fault.time_to_ready_ms),
        fault
            .errors
            .rate
            .map_or_else(|| NOTHING.to_owned(), percent),
        fault
            .writes_in_flight
            .map_or_else(|| NOTHING.to_owned(), count),
        or_more(arm, fault, fault.lost_sessions, |loss| loss.sessions),
        or_more(arm, fault, fault.lost_writes, |loss| loss.writes),
    ]
}

/// Losses attributed to a fault alone, and the most with those attributed to it and others.
fn or_more(
    arm: &ArmSummary,
    fault: &FaultSummary,
    alone: u64,
    of: fn(&SharedLoss) -> u64,
) -> String {
    let shared = arm.shared_losses.iter();
    let shared = shared.filter(|loss| loss.faults.contains(&fault.name));
    match shared.map(of).sum::<u64>() {
        0 => count(alone),
        more => format!("{} to {}", count(alone), count(alone + more)),
    }
}

/// Losses attributed to several faults together.
fn shared(arm: &ArmSummary, loss: &SharedLoss) -> Vec<String> {
    let names: Vec<String> = loss.faults.iter().map(|name| printable(name)).collect();
    let mut row = vec![NOTHING.to_owned(); HEADERS.len()];
    row[0] = printable(&arm.name);
    row[1] = format!("{}: which one is unknown", names.join(" or "));
    row[8] = count(loss.sessions);
    row[9] = count(loss.writes);
    row
}

#[cfg(test)]
mod tests {
    use comeback_analysis::summary::Distribution;

    use super::*;
    use crate::fake;

    fn overtaken() -> FaultSummary {
        FaultSummary {
            name: "kill".to_owned(),
            landed: 2,
            overtaken: 2,
            outage_ms: Distribution {
                n: 2,
                censored: 2,
                ..Distribution::default()
            },
            ..FaultSummary::default()
        }
    }

    #[test]
    fn a_plan_with_one_fault_has_no_table_of_faults() {
        assert_eq!(faults(&fake::single().summary), None);
    }

    #[test]
    fn an_overtaken_fault_has_no_outage_and_a_shared_loss_has_a_row_of_its_own() {
        let mut summary = fake::single().summary;
        summary.arms.truncate(1);
        summary.arms[0].faults = vec![overtaken()];
        summary.arms[0].shared_losses = vec![SharedLoss {
            faults: vec!["kill".to_owned(), "pause".to_owned()],
            sessions: 3,
            writes: 4,
        }];
        let table = faults(&summary).expect("there are several");
        assert_eq!(table.rows[0][4], OVERTAKEN);
        // It is not said to have lost none.
        assert_eq!(table.rows[0][8..], ["0 to 3", "0 to 4"]);
        assert_eq!(table.rows[1][1], "kill or pause: which one is unknown");
        assert_eq!(table.rows[1][8..], ["3", "4"]);
    }
}
