//! `comeback cache`: starts a shared HTTP cache by hand.

use std::net::SocketAddr;
use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_model::units::Span;

use super::choice::choice;
use super::{CliError, print};
use comeback_experiment::document::CacheKind;
use comeback_infrastructure::balancer;
use comeback_infrastructure::balancer::outside::OutsideError;
use comeback_infrastructure::cache::{self, Options, StaleIfError, outside};

/// Put a shared HTTP cache in front of a server or its balancer.
///
/// It listens on 127.0.0.1 until SIGTERM or Ctrl-C, then finishes the requests in flight. It stores and serves by RFC
/// 9111. `Cache-Status` of each reply (RFC 9211) says whether it was stored: `hit`, or `fwd=…` and the reason. It prints
/// events as lines of JSON.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback serve memory --port 4001 --data /tmp/a &\n  \
comeback cache --port 8080 --to 127.0.0.1:4001 --stale-if-error 60s\n  \
comeback cache --port 8080 --to 127.0.0.1:4001 --with nginx --data /tmp/cache"
)]
pub(super) struct Args {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// The server, or its balancer
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// How long a stale reply is served while the server fails, if the reply does not say so itself: a time, or
    /// `always` [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = parse_stale)]
    stale_if_error: Option<StaleIfError>,
    /// Wrong on purpose: store every 200 reply to GET for this time, whatever its Cache-Control, Expires and Set-Cookie
    /// say; users are then shown each other's pages
    #[arg(long, value_name = "TIME")]
    ignore_private: Option<Span>,
    /// Size of the cache in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    memory: u32,
    /// How long the server may take to accept, to begin its reply, and between two pieces of it
    #[arg(long, value_name = "TIME", default_value = "2s")]
    timeout: Span,
    /// How long requests in flight may take after SIGTERM [default: 5s]
    #[arg(long, value_name = "TIME")]
    drain: Option<Span>,
    /// Which cache; nginx keeps its configuration in --data
    #[arg(long, value_parser = choice::<CacheKind>(), default_value = "builtin")]
    with: CacheKind,
    /// Folder for the configuration and the stored replies of nginx; created if missing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn parse_stale(text: &str) -> Result<StaleIfError, String> {
    match text {
        "always" => Ok(StaleIfError::Always),
        time => match time.parse::<Span>() {
            Ok(time) => Ok(StaleIfError::For(time.into())),
            Err(error) => Err(format!("{error}; or write always")),
        },
    }
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let options = args.options()?;
    balancer::raise_file_limit()?;
    match args.with {
        CacheKind::Builtin => {
            cache::run(&options, Box::new(print))?;
            Ok(Outcome::Pass)
        }
        CacheKind::Nginx => Err(args.become_nginx(&options)),
    }
}

impl Args {
    /// The options, complete and validated.
    fn options(&self) -> Result<Options, CliError> {
        if self.port == 0 {
            return Err(usage("--port 0 is not a port: give the port for clients"));
        }
        if self.to.port() == 0 {
            return Err(usage(format!("--to {}: 0 is not a port", self.to)));
        }
        if self.to.port() == self.port && self.to.ip().is_loopback() {
            return Err(usage(format!("--to {} is the cache itself", self.to)));
        }
        if self.timeout < Span::from_ms(1) {
            return Err(usage(format!(
                "--timeout {} is too short: at least 1ms",
                self.timeout
            )));
        }
        if let Some(time) = self.ignore_private
            && time < Span::from_secs(1)
        {
            return Err(usage(format!(
                "--ignore-private {time} is too short: caches count in seconds, at least 1s"
            )));
        }
        Ok(Options {
            port: self.port,
            to: self.to,
            stale_if_error: self.stale_if_error,
            ignore_private: self.ignore_private.map(Into::into),
            memory: u64::from(self.memory) << 20,
            timeout: self.timeout.into(),
            drain: self.drain.unwrap_or(Span::from_secs(5)).into(),
        })
    }

    /// Replaces this process by nginx. It returns only if that failed, with the reason.
    fn become_nginx(&self, options: &Options) -> CliError {
        let Some(folder) = &self.data else {
            return usage("--with nginx needs --data DIR for its configuration");
        };
        match outside::prepare(options, self.drain.is_some(), folder) {
            Ok(prepared) => {
                print(&prepared.version);
                print(&format!("# {}", prepared.path.display()));
                print(&prepared.configuration);
                prepared.exec().into()
            }
            Err(OutsideError::Failed(what, error)) => OutsideError::Failed(what, error).into(),
            Err(refused) => usage(refused.to_string()),
        }
    }
}

fn usage(problem: impl Into<String>) -> CliError {
    CliError::Usage(problem.into())
}
