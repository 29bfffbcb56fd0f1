//! `comeback diff`: compares two stored runs.

use std::path::PathBuf;

use comeback_analysis::difference::Difference;
use comeback_analysis::difference::compare;
use comeback_analysis::verdict::Outcome;
use comeback_model::gate::Gate;
use comeback_reports::format::printable;
use comeback_reports::{
    DIFFERENCE_LEGEND, difference_heads, difference_markdown, difference_reasons, difference_table,
    difference_title,
};

use super::baseline::Stored;
use super::color::{self, ColorChoice};
use super::options::parse_gate;
use super::table::{Style, table};
use super::{CliError, print, say};

/// Compare two stored runs.
///
/// For each arm and metric: both figures, the difference with its interval, the size of the effect, and the smallest
/// difference that so few trials can show. Times and rates are compared only if both runs have the same machine, load,
/// windows and fault. Exits 0 if nothing became worse than allowed, 1 if something did, 3 if that cannot be told.
/// Allowed are +20 % or +100 ms, whichever is more, one percentage point of a rate, and no additional loss. The service
/// must have come back from every fault, and nobody may have been shown another user's content.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback diff main-run comeback-runs/latest\n  \
comeback diff main-run new-run --gate 'time_to_ready.median <= baseline + 50% + 200ms'\n  \
comeback diff main-run new-run --markdown >> $GITHUB_STEP_SUMMARY"
)]
pub(super) struct Args {
    /// Folder of the earlier run
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Folder of the run compared with it
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How much worse a metric may become: 'METRIC <= baseline + …'; also adds a metric
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_relative)]
    gates: Vec<Gate>,
    /// Print the document instead of the table (its schema: `comeback schema difference`)
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown instead of the table
    #[arg(long)]
    markdown: bool,
    /// When to color; NO_COLOR and CLICOLOR_FORCE are honored
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let base = Stored::read("BASE", &args.base)?;
    let new = Stored::read("NEW", &args.new)?;
    if base.is_of(new.header()) {
        return Err(CliError::Usage(format!(
            "{} and {} are the same run: name two runs",
            args.base.display(),
            args.new.display()
        )));
    }
    let difference = compare(base.analysis(), new.analysis(), &args.gates);
    if args.json {
        print(&serde_json::to_string_pretty(&difference)?);
    } else if args.markdown {
        print(difference_markdown(&difference).trim_end());
    } else {
        show(&difference, args.color);
    }
    Ok(difference.verdict)
}

fn show(difference: &Difference, color: ColorChoice) {
    for head in difference_heads(difference) {
        say(&head);
    }
    for arm in &difference.arms {
        say(&format!("\n{}", difference_title(arm)));
        print(&table(&difference_table(arm), Style::Figures));
    }
    if !difference.arms.is_empty() {
        say(&format!("{}\n", DIFFERENCE_LEGEND.join("\n")));
    }
    for note in &difference.notes {
        say(&printable(note));
    }
    let outcome = color::outcome(difference.verdict, color.wants_color());
    let meaning = match difference.verdict {
        Outcome::Pass => " (nothing is worse than allowed)",
        Outcome::Fail | Outcome::Inconclusive | Outcome::Measured => "",
    };
    say(&format!("verdict: {outcome}{meaning}"));
    for reason in difference_reasons(difference) {
        say(&format!("  {reason}"));
    }
}

fn parse_relative(text: &str) -> Result<Gate, String> {
    let gate = parse_gate(text)?;
    if gate.needs_baseline() {
        return Ok(gate);
    }
    Err(format!(
        "'{text}' does not compare: write such as 'time_to_ready.median <= baseline + 20% + 100ms'; \
         a bound is judged by the run itself (comeback run --gate)"
    ))
}
