//! `comeback completions` and `comeback man`: files for shells and for `man`, made from the command line's definition.

use std::io::Write as _;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;
use comeback_analysis::verdict::Outcome;

use super::{Cli, CliError, say};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback completions bash > ~/.local/share/bash-completion/completions/comeback\n  comeback completions zsh > ~/.zfunc/_comeback\n  \
comeback completions fish > ~/.config/fish/completions/comeback.fish"
)]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages, one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  comeback man ~/.local/share/man/man1\n  man comeback-run")]
pub(super) struct ManArgs {
    /// The folder that they are written to; it is made where it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "comeback", &mut script);
    // A reader that went away is no failure.
    let _ = std::io::stdout().write_all(&script);
    Ok(Outcome::Pass)
}

pub(super) fn man(args: &ManArgs) -> Result<Outcome, CliError> {
    let unusable = |error: std::io::Error| {
        CliError::Usage(format!(
            "{} cannot be written: {error}",
            args.folder.display()
        ))
    };
    std::fs::create_dir_all(&args.folder).map_err(unusable)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(unusable)?;
    say(&format!(
        "wrote the manual pages to {}",
        args.folder.display()
    ));
    Ok(Outcome::Pass)
}
