//! `comeback run`: any server, from a file or from one line.

use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_model::ids::Seed;

use super::against::{self, AgainstArgs};
use super::baseline::BaselineArgs;
use super::campaign::RunOptions;
use super::experiment::{What, chooses_no_rate, usage};
use super::options::{self, Consent, Options};
use super::shard::Sharing;
use super::{CliError, campaign};
use comeback_experiment::resolve;
use comeback_faults::Faults;

const EXAMPLES: &str = r#"Examples:
  comeback run shop.toml
  comeback run -- python3 -m http.server {port} --bind 127.0.0.1
  comeback run --get /health --gate 'outage.median < 2s' -- ./server {port}
  comeback run --login 'POST /login {"user":"u{{ session }}"}' \
      --act 'POST /visit' --check 'GET /me' --value /visits \
      --identity '/user=u{{ session }}' -- ./server --port {port}"#;

const MORE_EXAMPLES: &str = r#"  comeback run --ready log:listening --kill TERM --env PORT={port} -- ./server
  comeback run shop.toml --against origin/main --build 'make server'
  comeback run shop.toml --storm --kills 1000 --until-failure
  comeback run shop.toml --trials 30 -- ./other-build --port {port}
  comeback run shop.toml --trials 640 --rate 200 --seed 7 --shard 3/64
  comeback run --protocol redis \
      --login 'MSET u:{{ session }} u{{ session }} n:{{ session }} 0' \
      --act 'INCR n:{{ session }}' \
      --check 'MGET u:{{ session }} n:{{ session }}' --value /1 \
      --identity '/0=u{{ session }}' -- redis-server --port {port} --dir {data}"#;

/// Run any server through crashes.
///
/// Takes an experiment file, or flags and a command. The command is started without a shell; {port}, {data} and
/// {replica} are filled in, also in --env. Without --login, the load is `GET PATH`, and a complete 2xx is correct.
/// With --login, users log in, change the state of their session and read it.
/// The run passes if every gate holds. By default, the server must come back in every trial, lose no session and no
/// write, and, with --identity, show nobody another user's content. With --logout, no logged-out session may come back. A --gate of the same metric replaces a default gate; --no-gates drops all of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{MORE_EXAMPLES}")
)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    baseline: BaselineArgs,
    #[command(flatten)]
    against: AgainstArgs,
    /// Skip the check of the flow before the first trial
    ///
    /// The check takes a few users through the flow, and ends the run at once if a reply is not as described.
    #[arg(long, help_heading = "Load and trials", hide_short_help = true)]
    no_preflight: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    options: Options,
    /// The server and its arguments; replaces the file's command
    #[arg(
        last = true,
        required_unless_present = "experiment",
        value_name = "COMMAND",
        help_heading = None::<&str>
    )]
    command: Vec<String>,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let Options {
        size,
        shard,
        output,
        watch,
    } = &args.options;
    let (mut document, origin) = args.what.document(size, &args.command)?;
    document.beside_revision = args.against.is_asked();
    // Shards must all have the same rate.
    if shard.is_none() {
        What::leave_rate_open(&mut document);
    }
    let has_default_rate = chooses_no_rate(&document);
    let compares = args.against.is_asked() || args.baseline.baseline.is_some();
    if document.storm.is_some() && compares {
        let what = "--storm: a storm looks for a loss of one server and compares it with nothing: remove --against and --baseline";
        return Err(CliError::Usage(what.to_owned()));
    }
    let mut resolved = resolve(&document, &origin, &Faults).map_err(usage)?;
    let sharing = Sharing {
        asked: *shard,
        plan: &resolved.plan,
        seed: size.seed.map(Seed).or(resolved.seed),
        baseline: &args.baseline,
        against: args.against.is_asked(),
    };
    let shard = sharing.choose()?;
    output.tell_default_gates(&resolved.default_gates);
    if has_default_rate {
        let why = match shard.is_some() {
            true => {
                "of a shard: all shards need the same rate. A run without --shard measures what the server can do"
            }
            false => {
                "for a server that others start and may use: `rate = \"auto\"` below [load] in the file measures what it can do"
            }
        };
        let rate = resolved.plan.load.rate;
        output.tell(&format!(
            "rate: {rate}/s, the default {why}, and --rate gives a number"
        ));
    }
    let seed = options::seed(size.seed.map(Seed).or(resolved.seed))?;
    // It is removed when this is dropped, whatever happens before.
    let _worktree = against::prepare(&args.against, &document, &origin, &mut resolved, output)?;
    let file: Option<PathBuf> = args.what.experiment;
    let file = file.map(|path| path.display().to_string());
    let options = RunOptions {
        output,
        baseline: &args.baseline,
        shard,
        preflight: !args.no_preflight,
        file: file.as_deref(),
        remotes: args.consent.remotes(),
        addresses: watch.addresses(),
    };
    campaign::run(resolved.plan, seed, &options)
}
