//! `comeback metrics`: every metric that a gate can be about.

use comeback_analysis::verdict::Outcome;
use comeback_model::gate::{METRICS, Metric, Unit};
use serde::Serialize;

use super::{CliError, print};

/// List the metrics of gates: unit, meaning, and an example.
///
/// Write a gate as `--gate 'NAME BOUND'`, or in [gate] of an experiment file. A bound is a number for a count, a percentage
/// for a share, and a time such as 250ms or 2s for a time. METHOD has the exact definitions.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback metrics\n  comeback metrics outage\n  comeback metrics --json | jq '.[].name'"
)]
pub(super) struct Args {
    /// Only metrics whose name has this in it
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// A metric, as it is printed.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    unit: &'static str,
    better: &'static str,
    meaning: &'static str,
    example: String,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let text = args.text.as_deref().unwrap_or_default();
    let listed: Vec<Listed> = METRICS
        .iter()
        .filter(|(name, _)| name.contains(text))
        .map(|(name, metric)| listed(name, *metric))
        .collect();
    if listed.is_empty() {
        return Err(CliError::Usage(format!(
            "no metric has '{text}' in its name: `comeback metrics` lists them all"
        )));
    }
    if args.json {
        print(&serde_json::to_string_pretty(&listed)?);
        return Ok(Outcome::Pass);
    }
    for family in listed.chunk_by(|one, other| one.meaning == other.meaning) {
        for line in lines_of(family) {
            print(&line);
        }
    }
    print(&format!(
        "\nOn the command line: --gate '{}'",
        listed[0].example
    ));
    Ok(Outcome::Pass)
}

/// Metrics of one meaning: their names, what they are, and a gate on one of them.
fn lines_of(family: &[Listed]) -> [String; 3] {
    let first = &family[0];
    let start = first.name.find('.').unwrap_or(first.name.len());
    let mut name = first.name.to_owned();
    for other in &family[1..] {
        name.push(' ');
        name.push_str(other.name.get(start..).unwrap_or(other.name));
    }
    [
        name,
        format!("    {}: {}", first.unit, first.meaning),
        format!("    such as '{}'", first.example),
    ]
}

fn listed(name: &'static str, metric: Metric) -> Listed {
    Listed {
        name,
        unit: match metric.unit() {
            Unit::Count => "count",
            Unit::Share => "share",
            Unit::Ms | Unit::Seconds => "time",
        },
        better: if metric.is_better_when_more() {
            "more"
        } else {
            "less"
        },
        meaning: metric.meaning(),
        example: format!("{name} {}", metric.example()),
    }
}
