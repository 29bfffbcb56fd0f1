//! The binary: the only place that ends the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    comeback::cli::main()
}
