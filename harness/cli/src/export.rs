//! `comeback export`: writes the records of a stored run for other programs. One file for each exporter, and a table of them.

mod columns;
mod csv;
mod edn;
mod events;
mod events_csv;
mod jsonl;
mod openmetrics;
mod parquet;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use comeback_analysis::verdict::Outcome;
use comeback_runs::read::Recorded;

use super::CliError;
use super::baseline;

/// Write records or figures of a stored run for other programs.
///
/// An operation is one request of a client: when it was intended, sent and finished, in µs since the run's start, and
/// its outcome.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback export --format jsonl | jq 'select(.error != null)'\n  \
comeback export comeback-runs/latest --out operations.csv\n  comeback export --format parquet --out operations.parquet\n  comeback export --format edn --out history.edn\n  \
comeback export --format openmetrics > comeback.prom"
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    /// Which records, in which form
    #[arg(long, value_name = "FORMAT", value_parser = exporter(), default_value = TABLE[0].name)]
    format: &'static Exporter,
    /// File to write, instead of stdout; must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A way to write the records of a run.
#[derive(Debug)]
struct Exporter {
    /// Its name on the command line.
    name: &'static str,
    /// Its output, in one line.
    about: &'static str,
    /// Says why a run has no such records, and what to do.
    check: fn(&Recorded) -> Result<(), String>,
    /// Writes it, an entry after the other: a run need not fit into memory.
    write: fn(&Recorded, &mut (dyn Write + Send)) -> io::Result<()>,
}

/// All exporters, the default first.
static TABLE: &[Exporter] = &[
    csv::CSV,
    jsonl::JSONL,
    parquet::OPERATIONS,
    events::EVENTS,
    events_csv::EVENTS_CSV,
    parquet::EVENTS,
    edn::EDN,
    openmetrics::OPENMETRICS,
];

/// Reads the name of an exporter.
fn exporter() -> impl TypedValueParser<Value = &'static Exporter> {
    let values = TABLE
        .iter()
        .map(|exporter| PossibleValue::new(exporter.name).help(exporter.about));
    PossibleValuesParser::new(values).try_map(|name| {
        let exporter = TABLE.iter().find(|exporter| exporter.name == name);
        exporter.ok_or("there is none of this name")
    })
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (_, run) = baseline::open("RUN", &args.run)?;
    (args.format.check)(&run).map_err(|problem| {
        let name = args.format.name;
        CliError::Usage(format!(
            "--format {name}: {}: {problem}",
            args.run.display()
        ))
    })?;
    let written = match &args.out {
        None => match write(args.format, &run, io::stdout()) {
            // A closed pipe (`| head`) is not a failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        },
        Some(path) => {
            let file = File::create_new(path).map_err(|error| {
                CliError::Usage(format!(
                    "--out: {} cannot be created: {error}: name a new file, in a folder that exists",
                    path.display()
                ))
            })?;
            write(args.format, &run, file)
        }
    };
    written?;
    Ok(Outcome::Pass)
}

fn write(exporter: &Exporter, run: &Recorded, to: impl Write + Send) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    (exporter.write)(run, &mut to)?;
    to.flush()
}
