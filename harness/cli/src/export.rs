//! `comeback export`: a stored run's operations, for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_model::journal;
use comeback_model::operation::Operation;

use super::CliError;
use super::baseline::Stored;

/// Write a stored run's operations as CSV or JSON Lines.
///
/// One row for each thing a client did: when it was intended, sent and finished, in µs since the run's start,
/// and what came of it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback export --format jsonl | jq 'select(.error != null)'\n  \
comeback export comeback-runs/latest --out operations.csv"
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// File to write, instead of stdout; must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How many rows are formatted at once.
const ROWS: usize = 1_000;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Comma-separated values, with a header row
    Csv,
    /// A JSON object on each line
    Jsonl,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let stored = Stored::read("RUN", &args.run)?;
    let operations = &stored.journal().operations;
    let written = match &args.out {
        None => match write(args.format, operations, io::stdout().lock()) {
            // A reader that went away (`| head`) is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        },
        Some(path) => {
            let file = File::create_new(path).map_err(|error| {
                CliError::Usage(format!("--out: {} cannot be made: {error}", path.display()))
            })?;
            write(args.format, operations, file)
        }
    };
    written?;
    Ok(Outcome::Pass)
}

fn write(format: Format, operations: &[Operation], to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    match format {
        Format::Csv => {
            // A chunk at a time: the library's error would hide what kind of error the writer had.
            for (place, chunk) in operations.chunks(ROWS).enumerate() {
                let mut rows = Vec::new();
                journal::write_operations(&mut rows, chunk, place == 0)
                    .map_err(io::Error::other)?;
                to.write_all(&rows)?;
            }
        }
        Format::Jsonl => {
            for operation in operations {
                journal::write_line(&mut to, operation)?;
            }
        }
    }
    to.flush()
}
