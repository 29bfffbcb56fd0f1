//! `comeback run`: any server, from one line.

mod request;
mod session;

use std::collections::BTreeMap;

use comeback_core::plan::{
    Arm, Fault, Load, Plan, Protocol, Readiness, ReadyProbe, Request, Signal, Stop, Target,
    Windows, Workload,
};
use comeback_core::units::Span;
use comeback_core::verdict::{Gate, Outcome};

use self::session::SessionArgs;
use super::baseline::BaselineArgs;
use super::campaign::Wishes;
use super::options::{Options, parse_gate};
use super::{CliError, campaign};

/// Run any server through crashes.
///
/// The command is started without a shell; {port}, {data} and {replica} are filled in, also in --env.
/// Without --login the load is `GET PATH`, correct when it is answered with a complete 2xx; with it, users log
/// in, change their session's state and look at it. Passes when the server came back in every trial and every
/// --gate holds.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback run -- python3 -m http.server {port} --bind 127.0.0.1\n  \
comeback run --get /health --trials 20 --gate 'time_to_ready.median < 2s' -- ./server --port {port}\n  \
comeback run --ready log:listening --kill TERM --env PORT={port} -- ./server\n  \
comeback run --login 'POST /login {\"user\":\"u{{ session }}\"}' --act 'POST /visit' --check 'GET /me' \
--value /visits --identity '/user=u{{ session }}' --gate 'lost_sessions == 0' -- ./server --port {port}\n  \
comeback run --protocol redis --login 'MSET u:{{ session }} u{{ session }} n:{{ session }} 0' \
--act 'INCR n:{{ session }}' --check 'MGET u:{{ session }} n:{{ session }}' --value /1 \
--identity '/0=u{{ session }}' -- redis-server --port {port} --dir {data}"
)]
pub(super) struct Args {
    /// Path the load asks for
    #[arg(long, value_name = "PATH", default_value = "/", overrides_with = "get")]
    get: String,
    /// When the server is up: http:PATH, tcp, or log:TEXT [default: http:<the path of --get>, or tcp with
    /// --login]
    #[arg(long, value_name = "PROBE", value_parser = parse_ready)]
    ready: Option<ReadyProbe>,
    /// How long the first start may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    ready_within: Span,
    /// Signal sent to the server's process group
    #[arg(long, value_name = "SIGNAL", default_value = "KILL")]
    kill: Signal,
    /// Pause between the confirmed exit and the restart
    #[arg(long, value_name = "TIME", default_value = "0s")]
    restart_after: Span,
    /// Environment variable for the server
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    environment: Vec<(String, String)>,
    /// What the server speaks; a certificate is not verified
    #[arg(long, value_enum, default_value_t = ProtocolArg::Http)]
    protocol: ProtocolArg,
    /// Unix socket the server listens on, such as {data}/app.sock, instead of 127.0.0.1:{port}
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Response header that changes with each start of the server; without it the owner of the
    /// listening socket tells the new process from the old
    #[arg(long, value_name = "HEADER")]
    boot_header: Option<String>,
    /// What the verdict demands, such as 'time_to_ready.median < 2s' or 'error_rate.after <= 0.1%'
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_gate)]
    gates: Vec<Gate>,
    /// Name of the run
    #[arg(long, default_value = "run")]
    name: String,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    baseline: BaselineArgs,
    #[command(flatten)]
    options: Options,
    /// The server and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What the server speaks.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ProtocolArg {
    /// HTTP/1.1
    Http,
    /// HTTP/1.1 over TLS
    Https,
    /// HTTP/2 over TLS
    Http2,
    /// HTTP/2 without TLS
    H2c,
    /// The Redis protocol; requests are commands
    Redis,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::Http => Self::Http,
            ProtocolArg::Https => Self::Https,
            ProtocolArg::Http2 => Self::Http2,
            ProtocolArg::H2c => Self::H2c,
            ProtocolArg::Redis => Self::Redis,
        }
    }
}

/// A service that does not come back passes nothing.
const ALWAYS: &str = "unrecovered == 0";

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let seed = args.options.seed()?;
    let plan = to_plan(&args)?;
    let wishes = Wishes {
        output: &args.options.output,
        baseline: &args.baseline,
        file: None,
    };
    campaign::run(plan, seed, &wishes)
}

fn to_plan(args: &Args) -> Result<Plan, CliError> {
    let has_port = |text: &str| text.contains("{port}");
    let socket = args.socket.as_deref();
    if let Some(socket) = socket
        && !args.command.iter().any(|part| part.contains(socket))
        && !args
            .environment
            .iter()
            .any(|(_, value)| value.contains(socket))
    {
        return Err(CliError::Usage(format!(
            "the server would not know its socket: write {socket} in the command or in the environment too"
        )));
    }
    if socket.is_none()
        && !args.command.iter().any(|part| has_port(part))
        && !args.environment.iter().any(|(_, value)| has_port(value))
    {
        return Err(CliError::Usage(
            "the server would not know its port: write {port} in the command (--port {port}) or in the \
             environment (--env PORT={port})"
                .to_owned(),
        ));
    }
    if !args.get.starts_with('/') {
        return Err(CliError::Usage(format!(
            "--get: '{}' is not a path: it must begin with /",
            args.get
        )));
    }
    if args.name.is_empty() || args.name.contains(['/', '\0']) {
        return Err(CliError::Usage(
            "--name: must be usable as a folder's name".to_owned(),
        ));
    }
    let protocol = args.protocol.into();
    let sessions = args.session.to_workload(protocol)?;
    let has_sessions = sessions.is_some();
    if protocol == Protocol::Redis && !has_sessions {
        return Err(CliError::Usage(
            "--protocol redis: say with --login, --act and --check which commands are sent"
                .to_owned(),
        ));
    }
    let get = || Workload::Stateless(Box::new(Request::new("GET", &args.get)));
    let workload = sessions.unwrap_or_else(get);
    let always = parse_gate(ALWAYS).map_err(CliError::Usage)?;
    let gates = std::iter::once(always).chain(args.gates.iter().cloned());
    let trials = args.options.trials.unwrap_or(6);
    Ok(Plan {
        name: args.name.clone(),
        arms: vec![Arm {
            name: args.name.clone(),
            about: args.command.join(" "),
            target: to_target(args, has_sessions),
            baseline: None,
            skip: None,
        }],
        trials,
        extend_to: args.options.extend_to.unwrap_or(trials),
        controls: 1,
        fault: Fault {
            signal: args.kill,
            jitter: Span::from_ms(250),
            lands_within: Span::from_secs(5),
        },
        load: Load {
            workload,
            clients: args.options.sessions.unwrap_or(50),
            rate: args.options.rate.unwrap_or(200.0),
            arrivals: args.options.arrivals(),
            timeout: args.options.timeout,
            objective: None,
            workers: 1,
            floor: 0.9,
        },
        windows: Windows {
            warm_up: Span::from_ms(300),
            baseline: Span::from_secs(1),
            settle: Span::from_secs(2),
            horizon: args.options.horizon,
            window: Span::from_ms(100),
            steady_for: Span::from_secs(1),
        },
        gates: gates.collect(),
    })
}

fn to_target(args: &Args, has_sessions: bool) -> Target {
    // Whether it can work is seen when the sessions are opened.
    let ready = args.ready.clone().unwrap_or_else(|| match has_sessions {
        true => ReadyProbe::Tcp,
        false => ReadyProbe::Http(args.get.clone()),
    });
    Target {
        command: args.command.clone(),
        protocol: args.protocol.into(),
        socket: args.socket.clone(),
        environment: args.environment.iter().cloned().collect::<BTreeMap<_, _>>(),
        ready: Readiness {
            probe: ready,
            within: args.ready_within,
        },
        stop: Stop {
            signal: Signal::Term,
            grace: Span::from_secs(5),
        },
        restart_after: args.restart_after,
        boot_header: args.boot_header.clone(),
    }
}

fn parse_ready(text: &str) -> Result<ReadyProbe, String> {
    match text.split_once(':') {
        None if text == "tcp" => Ok(ReadyProbe::Tcp),
        Some(("http", path)) if path.starts_with('/') => Ok(ReadyProbe::Http(path.to_owned())),
        Some(("log", line)) if !line.is_empty() => Ok(ReadyProbe::Log(line.to_owned())),
        _ => Err("use http:/path, tcp, or log:text of a line".to_owned()),
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}
