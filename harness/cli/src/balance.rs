//! `comeback balance`: starts a load balancer by hand.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_model::units::Span;

use super::choice::choice;
use super::{CliError, print};
use comeback_experiment::document::{self, BalancerKind};
use comeback_infrastructure::balancer::order::{self, Order, OrderError, Standing};
use comeback_infrastructure::balancer::outside::{self, Given, OutsideError, Program};
use comeback_infrastructure::balancer::{self, Options, Policy};

const EXAMPLES: &str = r#"Examples:
  comeback serve memory --port 4001 --data /tmp/a &
  comeback serve memory --port 4002 --data /tmp/b &
  comeback balance --port 8080 --to 127.0.0.1:4001,127.0.0.1:4002 \
      --policy sticky --check /health \
      --data /tmp/lb --control /tmp/lb/control.sock &
  comeback balance drain 1 --data /tmp/lb
  comeback balance --port 8080 --to 127.0.0.1:4001,127.0.0.1:4002 \
      --with haproxy --data /tmp/lb"#;

/// Put a load balancer in front of replicas of a server.
///
/// It listens on 127.0.0.1 until SIGTERM or Ctrl-C, then finishes the requests in flight. It prints events as lines of
/// JSON, with `at_ms` from the machine's monotonic clock. Replies of replicas carry `x-replica: N`, those of the
/// balancer `x-balancer-error: refused|reset|timeout|none-up|malformed|local|client`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<OrderCommand>,
    /// Port on 127.0.0.1
    #[arg(long, required = true)]
    port: Option<u16>,
    /// The replicas, with commas between them
    #[arg(
        long,
        value_name = "ADDRESS:PORT,…",
        value_delimiter = ',',
        required = true
    )]
    to: Vec<SocketAddr>,
    /// Which replica gets a request; `random` takes the less busy one of two; `source-hash` uses the first address in
    /// X-Forwarded-For, or the client's address and port
    #[arg(long, value_parser = choice::<document::Policy>(), default_value = "round-robin")]
    policy: document::Policy,
    /// Path of health checks; any 2xx is good [default: an accepted connection is good]
    #[arg(long, value_name = "PATH")]
    check: Option<String>,
    /// How often each replica is checked [default: 100ms]
    #[arg(long, value_name = "TIME")]
    every: Option<Span>,
    /// How long a check may take [default: 1s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    check_timeout: Option<Span>,
    /// Eject a replica after this many bad checks or broken requests in a row; a refused connection ejects at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    fall: u32,
    /// Use a replica again after this many good checks in a row [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    rise: Option<u32>,
    /// How often a request is sent again to another replica: only if nothing had been sent, or for GET and HEAD without a reply
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    /// How long a replica may take to accept, to begin its reply, and between two pieces of it
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        hide_short_help = true
    )]
    timeout: Span,
    /// How long requests in flight may take after SIGTERM [default: 5s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    drain: Option<Span>,
    /// Name of the cookie of --policy sticky
    #[arg(
        long,
        value_name = "NAME",
        default_value = "comeback_replica",
        hide_short_help = true
    )]
    cookie: String,
    /// Unix socket that takes `drain N`, `return N` and `status`, a line each; with haproxy, HAProxy's own commands
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    control: Option<PathBuf>,
    /// The seed of random choices [default: drawn, and printed]
    #[arg(long, value_name = "S", hide_short_help = true)]
    seed: Option<u64>,
    /// Which balancer; haproxy and nginx keep their configuration in --data
    #[arg(long, value_parser = choice::<BalancerKind>(), default_value = "builtin")]
    with: BalancerKind,
    /// Folder for the configuration of haproxy or nginx; created if missing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Gives a running balancer an order, and waits until it is carried out.
#[derive(Debug, clap::Subcommand)]
enum OrderCommand {
    /// Send a replica no more requests, and wait until it has none in flight
    Drain {
        /// Number of the replica, from 0
        replica: usize,
        #[command(flatten)]
        to: Addressee,
    },
    /// Send a replica requests again, and wait until it is up
    Return {
        /// Number of the replica, from 0
        replica: usize,
        #[command(flatten)]
        to: Addressee,
    },
    /// Print the state of the replicas
    Status {
        #[command(flatten)]
        to: Addressee,
    },
}

/// Which balancer, and its time limit.
#[derive(Debug, clap::Args)]
struct Addressee {
    /// Folder of the balancer: builtin and haproxy take orders at `control.sock` in it (--control), nginx keeps its
    /// configuration and pid there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which balancer it is
    #[arg(long, value_parser = choice::<BalancerKind>(), default_value = "builtin")]
    with: BalancerKind,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    within: Span,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OrderCommand {
    fn give(&self) -> Result<Outcome, CliError> {
        let (order, to) = match self {
            Self::Drain { replica, to } => (Order::Drain(*replica), to),
            Self::Return { replica, to } => (Order::Return(*replica), to),
            Self::Status { to } => (Order::Status, to),
        };
        let standings = order::give(program(to.with), &to.data, order, to.within.into());
        let standings = standings.map_err(|error| match &error {
            OrderError::Unknown { .. } => usage(error.to_string()),
            _ => io::Error::other(error).into(),
        })?;
        if to.json {
            print(&serde_json::to_string(&standings).map_err(io::Error::other)?);
            return Ok(Outcome::Pass);
        }
        for standing in &standings {
            print(&line_of(standing));
        }
        Ok(Outcome::Pass)
    }
}

/// `replica 1  127.0.0.1:4002  draining, 0 in flight`
fn line_of(standing: &Standing) -> String {
    let state = match (standing.draining, standing.up) {
        (true, _) => "draining",
        (false, true) => "up",
        (false, false) => "down",
    };
    let in_flight = standing
        .in_flight
        .map_or_else(String::new, |count| format!(", {count} in flight"));
    let (index, address) = (standing.index, &standing.address);
    format!("replica {index}  {address}  {state}{in_flight}")
}

/// The balancer of another project.
const fn program(with: BalancerKind) -> Option<Program> {
    match with {
        BalancerKind::Builtin => None,
        BalancerKind::Haproxy => Some(Program::Haproxy),
        BalancerKind::Nginx => Some(Program::Nginx),
    }
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if let Some(order) = &args.order {
        return order.give();
    }
    let options = args.options()?;
    balancer::raise_file_limit()?;
    match program(args.with) {
        None => {
            balancer::run(&options, Box::new(print))?;
            Ok(Outcome::Pass)
        }
        Some(program) => Err(args.become_program(program, &options)),
    }
}

impl Args {
    /// The options, complete and validated.
    fn options(&self) -> Result<Options, CliError> {
        // Without it only an order is parsed.
        let port = self.port.ok_or_else(|| usage("--port is missing"))?;
        self.check_addresses(port)?;
        self.check_texts()?;
        let or = |span: Option<Span>, default| span.unwrap_or(default);
        let every = or(self.every, Span::from_ms(100));
        let check_timeout = or(self.check_timeout, Span::from_secs(1));
        for (flag, span) in [
            ("--every", every),
            ("--check-timeout", check_timeout),
            ("--timeout", self.timeout),
        ] {
            if span < Span::from_ms(1) {
                return Err(usage(format!("{flag} {span} is too short: at least 1ms")));
            }
        }
        Ok(Options {
            port,
            to: self.to.clone(),
            policy: match self.policy {
                document::Policy::RoundRobin => Policy::RoundRobin,
                document::Policy::LeastConnections => Policy::LeastConnections,
                document::Policy::Random => Policy::Random,
                document::Policy::SourceHash => Policy::SourceHash,
                document::Policy::Sticky => Policy::Sticky,
            },
            cookie: self.cookie.clone(),
            check: self.check.clone(),
            every: every.into(),
            check_timeout: check_timeout.into(),
            fall: self.fall,
            rise: self.rise.unwrap_or(1),
            retry: self.retry,
            timeout: self.timeout.into(),
            drain: or(self.drain, Span::from_secs(5)).into(),
            control: self.control.as_deref().map(control).transpose()?,
            seed: super::options::seed(self.seed.map(comeback_model::ids::Seed))?.0,
        })
    }

    fn check_addresses(&self, port: u16) -> Result<(), CliError> {
        if port == 0 {
            return Err(usage("--port 0 is not a port: give the port for clients"));
        }
        for (index, address) in self.to.iter().enumerate() {
            if address.port() == 0 {
                return Err(usage(format!("--to {address}: 0 is not a port")));
            }
            if address.port() == port && address.ip().is_loopback() {
                return Err(usage(format!("--to {address} is the balancer itself")));
            }
            if self.to[..index].contains(address) {
                return Err(usage(format!("--to names {address} twice")));
            }
        }
        Ok(())
    }

    /// What ends up in headers, or in the configuration of another program, has no room for anything else.
    fn check_texts(&self) -> Result<(), CliError> {
        if let Some(path) = &self.check
            && !(path.starts_with('/')
                && path
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~?=&%+:@,".contains(&byte)))
        {
            return Err(usage(format!(
                "--check {path:?} is not a path: write one like /health, anything unusual as %XX"
            )));
        }
        let cookie = &self.cookie;
        if cookie.is_empty()
            || !cookie
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            return Err(usage(format!(
                "--cookie {cookie:?} is not a name: letters, digits, and - _ . are allowed"
            )));
        }
        Ok(())
    }

    /// Replaces this process by the program. It returns only if that failed, with the reason.
    fn become_program(&self, program: Program, options: &Options) -> CliError {
        let Some(folder) = &self.data else {
            let name = program.name();
            return usage(format!(
                "--with {name} needs --data DIR for its configuration"
            ));
        };
        let given = Given {
            checks: self.check.is_some()
                || self.every.is_some()
                || self.check_timeout.is_some()
                || self.rise.is_some(),
            drain: self.drain.is_some(),
            control: self.control.is_some(),
            seed: self.seed.is_some(),
        };
        match outside::prepare(program, options, given, folder) {
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

/// The absolute path of the control socket, as text that needs no quotes.
fn control(path: &Path) -> Result<PathBuf, CliError> {
    let path = std::path::absolute(path)?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\#$".contains(&byte);
    if path.to_str().is_some_and(|text| text.bytes().all(is_plain)) {
        return Ok(path);
    }
    Err(usage(format!(
        "--control {path:?} has spaces, quotes or signs that a configuration cannot hold: name another path"
    )))
}

fn usage(problem: impl Into<String>) -> CliError {
    CliError::Usage(problem.into())
}
