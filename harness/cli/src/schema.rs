//! `comeback schema`: prints the JSON Schemas of the documents.

mod reference;

use clap::ValueEnum;
use comeback_analysis::difference::Difference;
use comeback_analysis::history::History;
use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::Outcome;
use comeback_claims::Claims;
use comeback_faults::Faults;

use super::selftest::SelfTest;
use super::{CliError, print};

/// Print the JSON Schema of a document.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback schema experiment > experiment.schema.json\n  comeback schema summary > summary.schema.json\n  comeback schema experiment --markdown > keys.md"
)]
pub(super) struct Args {
    /// Which document
    #[arg(value_enum)]
    document: Document,
    /// Print a page with every key instead, as Markdown
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// An experiment file
    Experiment,
    /// `summary.json` of a run folder
    Summary,
    /// The document of `comeback diff --json`
    Difference,
    /// The document of `comeback list --json` and of a trend (`comeback report RUN RUN… --json`)
    History,
    /// `claims.json` of a folder of claims
    Claims,
    /// `selftest.json` of a folder of a self-test
    Selftest,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let schema = match args.document {
        Document::Experiment => comeback_experiment::json_schema(&Faults),
        Document::Summary => Summary::json_schema(),
        Document::Difference => Difference::json_schema(),
        Document::History => History::json_schema(),
        Document::Claims => Claims::json_schema(),
        Document::Selftest => SelfTest::json_schema(),
    };
    if args.markdown {
        if args.document != Document::Experiment {
            return Err(CliError::Usage(
                "--markdown prints the keys of experiment files alone: say `comeback schema experiment --markdown`".to_owned(),
            ));
        }
        print(reference::markdown(&schema).trim_end());
        return Ok(Outcome::Pass);
    }
    print(&serde_json::to_string_pretty(&schema)?);
    Ok(Outcome::Pass)
}
