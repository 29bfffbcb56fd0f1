//! `comeback record`: a server with a recorder in front of it, and the experiment file that follows from what its user does.

mod har;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;

use comeback_analysis::verdict::Outcome;
use comeback_engine::discover::{Discovered, meet};
use comeback_infrastructure::balancer;
use comeback_infrastructure::recorder::{self, Tape};
use comeback_model::plan::Protocol;
use comeback_model::units::Span;
use comeback_supervise::output::printable;
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::experiment::TargetArgs;
use super::init::{self, InCustody, Server};
use super::{CliError, print_aside, say, warn};

/// Record a user's session and write an experiment file.
///
/// Starts the server, and a recorder in front of it. Open the address that it prints in a browser, log in, do the same
/// action twice, look at the page that shows its effect, and log out. Then press Enter or Ctrl-C. The file describes
/// these sessions, as that of `init --from-har` does, and the flow is tried out at once: exit code 1 if it does not work yet.
///
/// Only what passes the recorder is recorded, and only HTTP/1.1: no HTTPS, and no WebSockets. Passwords that you type stand in
/// the file, marked as secrets where they are in forms. The flags of the server are those of `run` and `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback record shop.toml -- ./shop --port {port} --data {data}\n  \
comeback record shop.toml --env PORT={port} -- node shop.js\n  \
comeback record shop.toml --for 30s --har shop.har -- ./shop --port {port}"
)]
pub(super) struct Args {
    /// The file to write
    #[arg(value_name = "EXPERIMENT.toml", default_value = "experiment.toml")]
    file: PathBuf,
    /// How long to record at most, such as 30s [default: until Enter or Ctrl-C]
    #[arg(long = "for", value_name = "TIME")]
    within: Option<Span>,
    /// Also write the recording, as a HAR file; it holds passwords and cookies
    #[arg(long, value_name = "HAR")]
    har: Option<PathBuf>,
    /// Port of the recorder on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    #[command(flatten)]
    target: TargetArgs,
    /// The server and its arguments; {port} and {data} are filled in
    #[arg(
        value_name = "COMMAND",
        last = true,
        required = true,
        help_heading = "Server"
    )]
    command: Vec<String>,
}

/// What requests are from, in messages.
const NAME: &str = "the recording";

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    // Seen before the server is started for nothing.
    for file in std::iter::once(&args.file).chain(&args.har) {
        if file.exists() {
            return Err(init::exists(file));
        }
    }
    if args.har.as_ref() == Some(&args.file) {
        return Err(CliError::Usage(
            "--har: it names the experiment file: name another file".to_owned(),
        ));
    }
    let target = args.target.to_part();
    if target.socket.is_some() {
        return Err(CliError::Usage(
            "--socket: the recorder reaches the server at a port: record it with {port} and without --socket, and add the key `socket` \
             to the file afterwards"
                .to_owned(),
        ));
    }
    if let Some(protocol) = target.protocol {
        check_protocol(Some(protocol))?;
    }
    balancer::raise_file_limit()?;
    let server = Server {
        command: &args.command,
        target: &target,
    };
    let taken = init::in_custody(server, "record", async |started| {
        let signals = Signals::listen()?;
        args.record(&started, signals).await
    })?;
    let Taken {
        seen,
        recording,
        address,
        port,
    } = taken;
    for line in har::not_understood(&recording, port) {
        warn(&line);
    }
    let text = har::text(&recording, &address);
    if let Some(path) = &args.har {
        init::write_secret(path, &text)?;
        say(&format!("wrote {}", path.display()));
    }
    if recording.requests.is_empty() {
        return Err(CliError::Usage(format!(
            "{NAME}: no request came: open http://{address} in a browser, and use the server there"
        )));
    }
    let recording = init::Recording::of_har(NAME, &text)?;
    init::complete_recorded(&args.file, (server, &seen), &recording)
}

/// What was seen of a server and passed the recorder.
struct Taken {
    seen: Discovered,
    recording: recorder::Recording,
    /// Where the recorder was.
    address: String,
    /// The server's own port.
    port: u16,
}

impl Args {
    /// Starts the server, records until the user says so, and stops the server.
    async fn record(
        &self,
        started: &InCustody<'_>,
        mut signals: Signals,
    ) -> Result<Taken, CliError> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        let listener = listener.map_err(|error| {
            CliError::Usage(format!(
                "--port: the recorder cannot listen on 127.0.0.1:{}: {error}: name another port",
                self.port
            ))
        })?;
        let address = listener.local_addr()?.to_string();
        let meeting = meet(
            started.target,
            started.tag,
            started.folder,
            &[],
            |waiting| print_aside(&waiting),
        );
        let mut met = tokio::select! {
            biased;
            () = signals.any() => return Err(CliError::Interrupted),
            met = meeting => met.map_err(|error| init::unexamined(&error))?,
        };
        check_protocol(met.protocol())?;
        let how = match self.within {
            None => "Press Enter or Ctrl-C to end the recording.".to_owned(),
            Some(within) => format!("The recording ends after {within}, or with Enter or Ctrl-C."),
        };
        print_aside(&format!(
            "comeback: recording: open http://{address} in a browser\n\
             Log in, do the same action twice, look at the page that shows its effect,\n\
             and log out. {how}"
        ));
        let tape = Tape::new(show);
        let port = met.port();
        let (stop, stopped) = oneshot::channel::<()>();
        let recording = recorder::record(listener, port, &tape, async {
            // Its other end is dropped where nobody records any more.
            let _ = stopped.await;
        });
        let mut recording = pin!(recording);
        tokio::select! {
            biased;
            ended = signals.ended() => ended?,
            () = self.over() => {}
            ended = met.exited() => {
                let (exit, tail) = ended.map_err(|error| init::unexamined(&error))?;
                warn(&format!("the server {exit} by itself, and the recording ended with it: start it without Comeback to see why"));
                for line in tail {
                    print_aside(&format!("  | {}", printable(line.text())));
                }
            }
            () = &mut recording => {}
        }
        let finish = async {
            drop(stop);
            recording.await;
            let seen = met.stop(&started.target.stop).await;
            seen.map_err(|error| init::unexamined(&error))
        };
        let seen = tokio::select! {
            biased;
            () = signals.any() => return Err(CliError::Interrupted),
            seen = finish => seen?,
        };
        Ok(Taken {
            seen,
            recording: tape.take(),
            address,
            port,
        })
    }

    /// Returns when the user has pressed Enter, or the time is over.
    async fn over(&self) {
        let time = async {
            match self.within {
                Some(within) => tokio::time::sleep(within.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = enter() => {}
        }
    }
}

/// The signals that end a recording. The first Ctrl-C ends it well.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when the recording is to end, with an error if nothing is to follow.
    async fn ended(&mut self) -> Result<(), CliError> {
        tokio::select! {
            _ = self.interrupt.recv() => Ok(()),
            _ = self.terminate.recv() => Err(CliError::Interrupted),
            _ = self.hang_up.recv() => Err(CliError::Interrupted),
        }
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Returns when a line has come on standard input. The end of the input is none: a script has no Enter.
async fn enter() {
    if !may_read() {
        return std::future::pending().await;
    }
    let (pressed, is_pressed) = oneshot::channel();
    // Not a task of the runtime, whose end would wait for the line.
    std::thread::spawn(move || {
        let mut line = String::new();
        if matches!(io::stdin().lock().read_line(&mut line), Ok(1..)) {
            let _ = pressed.send(());
        }
    });
    if is_pressed.await.is_err() {
        std::future::pending().await
    }
}

/// Whether reading standard input does not stop this process, as the terminal does with one in the background.
fn may_read() -> bool {
    let stdin = io::stdin();
    let in_front = || tcgetpgrp(&stdin) == Ok(getpgrp());
    !stdin.is_terminal() || in_front()
}

/// Only HTTP without TLS passes a recorder.
fn check_protocol(protocol: Option<Protocol>) -> Result<(), CliError> {
    let speaks = match protocol {
        Some(plain) if plain.is_plain_http() => return Ok(()),
        Some(other) => format!("speaks {}", other.spec().label),
        None => "accepts connections, but does not answer HTTP".to_owned(),
    };
    Err(CliError::Usage(format!(
        "the server {speaks}, and only HTTP is recorded: switch TLS off, or export a HAR file from the browser's network tab for \
         `comeback init --from-har`"
    )))
}

/// Shows a request whose reply begins.
fn show(line: &str, status: u16) {
    print_aside(&printable(&format!("  {status} {line}")));
}
