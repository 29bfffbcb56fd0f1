//! Replicas side by side: the work of each, its downtime, and the balancer's observations. A second table below the comparison,
//! for arms with several nodes.

use comeback_analysis::summary::{
    ArmSummary, Distribution, NodesSummary, ReplicaAvailability, Status, Summary,
};

use crate::format::{NOTHING, TimeStyle, count, percent, printable};
use crate::table::Table;

/// Shown if trials have no such figure.
const NOT_KNOWN: &str = "not known";

/// From this many replicas on only the range of their availability is shown.
const RANGE_FROM: usize = 5;

const HEADERS: [&str; 8] = [
    "arm",
    "available",
    "each replica",
    "when faulted",
    "partly down, median",
    "all down, median",
    "balancer: detects, returns",
    "sessions' requests kept, control",
];

/// The table; nothing where every server is all there is.
///
/// Foreign text in it is printable, but not escaped for any markup.
pub fn replicas(summary: &Summary) -> Option<Table> {
    let arms = summary.arms.iter();
    let rows: Vec<Vec<String>> = arms
        .filter(|arm| arm.status == Status::Measured)
        .filter_map(|arm| Some(row(arm, arm.nodes.as_ref()?)))
        .collect();
    (!rows.is_empty()).then(|| Table {
        headers: HEADERS.map(str::to_owned).to_vec(),
        rows,
    })
}

/// Why an arm's figures about the balancer are missing, or not over all trials; as sentences without a full stop.
pub(crate) fn unknown(nodes: &NodesSummary) -> Vec<String> {
    let figures = [
        (
            "detects",
            nodes.balancer_detect_ms.n,
            &nodes.balancer_detect_unknown,
        ),
        (
            "returns",
            nodes.balancer_return_ms.n,
            &nodes.balancer_return_unknown,
        ),
    ];
    let told = figures.into_iter().flat_map(|(what, known, reasons)| {
        let others = if known > 0 { " in other trials" } else { "" };
        reasons.iter().map(move |reason| {
            let reason = printable(reason);
            format!("when the balancer {what} is not known{others}: {reason}")
        })
    });
    told.collect()
}

fn row(arm: &ArmSummary, nodes: &NodesSummary) -> Vec<String> {
    let down = |times: &Distribution| TimeStyle::until_the_end().median(times);
    vec![
        printable(&arm.name),
        share(arm.availability.rate),
        each(nodes),
        faulted(nodes.faulted),
        down(&nodes.partial_downtime_ms),
        down(&nodes.total_downtime_ms),
        balancer(nodes),
        continuity(arm),
    ]
}

fn share(rate: Option<f64>) -> String {
    rate.map_or_else(|| NOTHING.to_owned(), percent)
}

/// `0: 71 %, 1: 61 %`, or from the least to the most of many.
fn each(nodes: &NodesSummary) -> String {
    let mut rates: Vec<(u32, Option<f64>)> = nodes
        .availability
        .iter()
        .filter_map(|(name, replica)| {
            Some((name.strip_prefix("replica-")?.parse().ok()?, replica.rate))
        })
        .collect();
    rates.sort_unstable_by_key(|(number, _)| *number);
    if rates.len() < RANGE_FROM {
        let each = rates
            .iter()
            .map(|(number, rate)| format!("{number}: {}", share(*rate)));
        return each.collect::<Vec<_>>().join(", ");
    }
    let known = || rates.iter().filter_map(|(_, rate)| *rate);
    let least = known().min_by(f64::total_cmp);
    let most = known().max_by(f64::total_cmp);
    format!("{} to {} of {}", share(least), share(most), rates.len())
}

fn faulted(replica: ReplicaAvailability) -> String {
    match replica.rate {
        None => NOTHING.to_owned(),
        Some(rate) => format!("{} ({} failed)", percent(rate), count(replica.failed)),
    }
}

/// When it last sent a request to a faulted replica, and when it sent one again.
fn balancer(nodes: &NodesSummary) -> String {
    let figure = |times: &Distribution, unknown: &[String]| match (times.n, unknown) {
        (0, []) => NOTHING.to_owned(),
        (0, _) => NOT_KNOWN.to_owned(),
        _ => TimeStyle::until_the_end().median(times),
    };
    let detects = figure(&nodes.balancer_detect_ms, &nodes.balancer_detect_unknown);
    let returns = figure(&nodes.balancer_return_ms, &nodes.balancer_return_unknown);
    match detects == returns && detects == NOTHING {
        true => detects,
        false => format!("{detects}, {returns}"),
    }
}

fn continuity(arm: &ArmSummary) -> String {
    let continuity = &arm.control.continuity;
    match continuity.rate {
        None => NOTHING.to_owned(),
        Some(rate) => format!("{} of {}", percent(rate), count(continuity.sent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(n: u32, median: Option<f64>) -> Distribution {
        Distribution {
            n,
            median,
            ..Distribution::default()
        }
    }

    #[test]
    fn what_is_not_known_of_the_balancer_is_never_a_number() {
        let mut nodes = NodesSummary::default();
        assert_eq!(balancer(&nodes), NOTHING);
        nodes.balancer_detect_unknown = vec!["it does not say".to_owned()];
        nodes.balancer_return_ms = seen(2, Some(61.0));
        assert_eq!(balancer(&nodes), "not known, 61 ms");
        assert_eq!(
            unknown(&nodes),
            ["when the balancer detects is not known: it does not say"]
        );
        nodes.balancer_detect_ms = seen(1, Some(-0.4));
        nodes.balancer_return_ms = seen(2, None);
        assert_eq!(balancer(&nodes), "−0.4 ms, not before the end");
        assert!(unknown(&nodes)[0].contains("in other trials"));
    }

    #[test]
    fn few_replicas_are_told_one_by_one_and_many_by_their_range() {
        let with = |rates: &[Option<f64>]| NodesSummary {
            availability: (0..)
                .zip(rates)
                .map(|(number, rate)| {
                    let replica = ReplicaAvailability {
                        rate: *rate,
                        ..ReplicaAvailability::default()
                    };
                    (format!("replica-{number}"), replica)
                })
                .collect(),
            ..NodesSummary::default()
        };
        let few = with(&[Some(0.5), None, Some(1.0)]);
        assert_eq!(each(&few), "0: 50 %, 1: –, 2: 100 %");
        let mut many = [Some(0.75); 12];
        (many[2], many[11]) = (Some(0.5), Some(1.0));
        assert_eq!(each(&with(&many)), "50 % to 100 % of 12");
        assert_eq!(each(&with(&[None; 5])), "– to – of 5");
    }
}
