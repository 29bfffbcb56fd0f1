//! Writes a run of any size, to see what it costs to read and judge. Called by `harness/benches/scale.sh`.
//!
//! ```text
//! cargo run --release -p comeback-model --features testing --example enlarge -- FROM TO TRIALS OPERATIONS
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use comeback_model::journal;

const EVENTS: &str = "journal.jsonl";
const OPERATIONS: &str = "operations.csv";

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let mut next = || words.next().ok_or("say: enlarge FROM TO TRIALS OPERATIONS");
    let (from, to) = (PathBuf::from(next()?), PathBuf::from(next()?));
    let trials = next()?.to_string_lossy().parse()?;
    let operations = next()?.to_string_lossy().parse()?;
    let open = |name: &str| File::open(from.join(name)).map(BufReader::new);
    let stored = journal::read(open(EVENTS)?, open(OPERATIONS)?)?;
    fs::create_dir_all(&to)?;
    let create = |name: &str| File::create_new(to.join(name)).map(BufWriter::new);
    let (lines, rows) = (create(EVENTS)?, create(OPERATIONS)?);
    journal::write_enlarged(stored, (trials, operations), lines, rows)?;
    Ok(())
}
