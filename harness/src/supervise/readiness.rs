//! Waiting until a started target is up for the first time.
//!
//! Only this first start is asked at leisure; how soon a restarted one is back is measured by the load
//! generator's probe. Where it does not come up, the message says what was seen and what to do.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use comeback_core::event::Exit;
use comeback_core::ids::BootId;
use comeback_core::plan::{Protocol, Readiness, ReadyProbe};
use comeback_core::units::{Elapsed, Span};
use reqwest::{Client, redirect, retry};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use super::hints;
use super::process::Process;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::tls;

/// The first pause between two tries; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long the first try may take. It doubles with each that takes longer, so that a server slow in its
/// first answer comes up, and one that swallows a connection is asked again.
const TRY_TAKES: Duration = Duration::from_secs(1);
/// After how long a try that is still waiting is worth a word.
const NOTED_AFTER: Duration = Duration::from_millis(100);
/// How much of an answer is read; a server should not see its answer cut off where that can be helped.
const BODY_MAX: usize = 64 * 1024;

/// A target is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// When that was seen.
    pub at: Elapsed,
    /// Which process answered, if it said so.
    pub boot: Option<BootId>,
}

/// A target did not come up. Its last lines of output are [`Process::tail`].
#[derive(Debug)]
pub enum NotReady {
    /// It ended before.
    Exited {
        /// How.
        exit: Exit,
        /// When, from its start.
        after: Span,
        /// What it may mean.
        hint: Option<String>,
    },
    /// It took too long.
    TooLate {
        /// How long it had.
        within: Span,
        /// What was asked of it.
        asked: String,
        /// What the last try saw.
        last: String,
        /// What it may mean.
        hint: Option<String>,
    },
    /// It could not be watched, or nothing could be asked.
    Failed(io::Error),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self {
            Self::Exited { exit, after, hint } => {
                let ms = after.as_ms().round();
                write!(f, "it {exit} after {ms} ms, before it was ready")?;
                hint
            }
            Self::TooLate {
                within,
                asked,
                last,
                hint,
            } => {
                write!(f, "it was not ready within {within}: {asked}: {last}")?;
                hint
            }
            Self::Failed(cause) => {
                write!(f, "whether it is ready could not be seen: {cause}")?;
                &None
            }
        };
        match hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NotReady {}

/// How the wait ended.
enum Ended {
    Ready(Ready),
    Exited(Exit, Elapsed),
    TooLate,
}

/// Asks a target until it is up; `boot_header` names the header with its boot id.
///
/// It is asked in its own protocol. Redis knows no paths: `PING` takes the place of the request, and `+PONG`
/// is the answer of one that is up. One that first wants a password does not give it: that one's probe is
/// `tcp` or a line of its output.
///
/// # Errors
/// As soon as it ends, or when its time is over (it counts from its execution), with what was seen.
pub async fn wait_until_ready(
    process: &mut Process,
    readiness: &Readiness,
    endpoint: &Endpoint,
    boot_header: Option<&str>,
    clock: Clock,
) -> Result<Ready, NotReady> {
    let deadline = clock.instant(process.executed() + readiness.within);
    let mut last = match readiness.probe {
        ReadyProbe::Http(_) | ReadyProbe::Tcp => "no answer yet".to_owned(),
        ReadyProbe::Log(_) => "there was none".to_owned(),
    };
    let line = process.output().wait_for_line();
    let answered = async {
        let boot = match &readiness.probe {
            ReadyProbe::Http(_) if endpoint.protocol == Protocol::Redis => {
                ask_until_up(&mut last, |within| ping(endpoint, within)).await
            }
            ReadyProbe::Http(path) => {
                let asker = HttpAsker::new(endpoint, path, boot_header)?;
                ask_until_up(&mut last, |within| asker.ask(within)).await
            }
            ReadyProbe::Tcp => ask_until_up(&mut last, |within| connect(endpoint, within)).await,
            ReadyProbe::Log(_) => {
                line.await;
                None
            }
        };
        let at = clock.now();
        Ok(Ended::Ready(Ready { at, boot }))
    };
    let ended = tokio::select! {
        biased;
        exited = process.exited() => exited.map(|(exit, at)| Ended::Exited(exit, at)),
        answered = answered => answered,
        () = tokio::time::sleep_until(deadline.into()) => Ok(Ended::TooLate),
    };
    match ended.map_err(NotReady::Failed)? {
        Ended::Ready(ready) => Ok(ready),
        Ended::Exited(exit, at) => Err(NotReady::Exited {
            exit,
            after: at.since(process.executed()),
            hint: hints::after_exit(process, exit),
        }),
        Ended::TooLate => Err(NotReady::TooLate {
            within: readiness.within,
            asked: describe(&readiness.probe, endpoint),
            last,
            hint: hints::from_sockets(process, endpoint),
        }),
    }
}

/// What a target that is up calls itself, asked once by its readiness probe; none when it does not say so, or does not
/// answer as one that is up.
///
/// # Errors
/// When nothing can be asked.
pub async fn boot_of(
    readiness: &Readiness,
    endpoint: &Endpoint,
    boot_header: Option<&str>,
) -> io::Result<Option<BootId>> {
    let (ReadyProbe::Http(path), false) = (&readiness.probe, endpoint.protocol == Protocol::Redis)
    else {
        return Ok(None);
    };
    let asker = HttpAsker::new(endpoint, path, boot_header)?;
    Ok(match asker.ask(TRY_TAKES).await {
        Seen::Up(boot) => boot,
        Seen::Not(_) | Seen::NothingInTime => None,
    })
}

/// A target's own health check, to be asked again and again.
pub struct HealthCheck(Asked);

enum Asked {
    Http(HttpAsker),
    Ping(Endpoint),
}

impl HealthCheck {
    /// The check that a target declares; none where it has no more to say than that it listens.
    ///
    /// # Errors
    /// When nothing can be asked.
    pub fn of(readiness: &Readiness, endpoint: &Endpoint) -> io::Result<Option<Self>> {
        Ok(match &readiness.probe {
            ReadyProbe::Http(_) if endpoint.protocol == Protocol::Redis => {
                Some(Self(Asked::Ping(endpoint.clone())))
            }
            ReadyProbe::Http(path) => {
                let asker = HttpAsker::new(endpoint, path, None)?;
                Some(Self(Asked::Http(asker)))
            }
            ReadyProbe::Tcp | ReadyProbe::Log(_) => None,
        })
    }

    /// Whether it says in time that the target is ready; asked on a connection of its own.
    pub async fn says_ready(&self, within: Duration) -> bool {
        let seen = match &self.0 {
            Asked::Http(asker) => asker.ask(within).await,
            Asked::Ping(endpoint) => ping(endpoint, within).await,
        };
        matches!(seen, Seen::Up(_))
    }
}

fn describe(probe: &ReadyProbe, endpoint: &Endpoint) -> String {
    match probe {
        ReadyProbe::Http(_) if endpoint.protocol == Protocol::Redis => {
            format!("PING on {endpoint}")
        }
        ReadyProbe::Http(path) => format!("GET {path} on {endpoint}"),
        ReadyProbe::Tcp => format!("a connection to {endpoint}"),
        ReadyProbe::Log(text) => format!("a line with '{text}'"),
    }
}

/// What one try saw.
enum Seen {
    Up(Option<BootId>),
    Not(String),
    NothingInTime,
}

/// Tries until one succeeds; `last` tells what the last one saw.
async fn ask_until_up<F: Future<Output = Seen>>(
    last: &mut String,
    ask: impl Fn(Duration) -> F,
) -> Option<BootId> {
    let (mut pause, mut within) = (PAUSE_MIN, TRY_TAKES);
    loop {
        let mut asking = pin!(ask(within));
        let seen = match tokio::time::timeout(NOTED_AFTER, &mut asking).await {
            Ok(seen) => seen,
            // Noted now: should time be up before its end, this is what the last try saw.
            Err(_) => {
                "it was asked, and had not answered yet".clone_into(last);
                asking.await
            }
        };
        match seen {
            Seen::Up(boot) => return boot,
            Seen::Not(what) => *last = what,
            Seen::NothingInTime => {
                *last = format!("no answer within {} s", within.as_secs());
                within *= 2;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn connect(endpoint: &Endpoint, within: Duration) -> Seen {
    let connecting = async {
        match &endpoint.socket {
            None => TcpStream::connect(endpoint.tcp_address()).await.map(drop),
            Some(path) => UnixStream::connect(path).await.map(drop),
        }
    };
    match tokio::time::timeout(within, connecting).await {
        Ok(Ok(())) => Seen::Up(None),
        Ok(Err(error)) => Seen::Not(error.to_string()),
        Err(_) => Seen::NothingInTime,
    }
}

/// What `PING` is answered with by a server that has loaded its data.
const PONG: &str = "+PONG";
/// The longest answer to `PING` that is looked at.
const PONG_MAX: u64 = 256;

/// Whether a server answers Redis's `PING`, and it is not one that only happens to listen.
pub async fn speaks_redis(endpoint: &Endpoint, within: Duration) -> bool {
    matches!(ping(endpoint, within).await, Seen::Up(_))
}

async fn ping(endpoint: &Endpoint, within: Duration) -> Seen {
    let asking = async {
        match &endpoint.socket {
            None => ask_ping(TcpStream::connect(endpoint.tcp_address()).await?).await,
            Some(path) => ask_ping(UnixStream::connect(path).await?).await,
        }
    };
    match tokio::time::timeout(within, asking).await {
        Ok(Ok(answer)) if answer == PONG => Seen::Up(None),
        Ok(Ok(answer)) => Seen::Not(format!("it answered '{}'", answer.escape_default())),
        Ok(Err(error)) => Seen::Not(error.to_string()),
        Err(_) => Seen::NothingInTime,
    }
}

/// The first line of the answer.
async fn ask_ping(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
    let mut line = String::new();
    BufReader::new(stream.take(PONG_MAX))
        .read_line(&mut line)
        .await?;
    Ok(line.trim_end().to_owned())
}

/// A full client for an endpoint that speaks HTTP, each request on a connection of its own, and what its URLs
/// begin with. It follows no redirect and tries nothing twice.
///
/// # Errors
/// When TLS or the client cannot be set up.
pub fn client_of(endpoint: &Endpoint) -> io::Result<(Client, String)> {
    // The configuration is given even where nothing is encrypted: the client's own would need a default
    // for the whole program.
    let tls = tls::client_config(endpoint.protocol).map_err(io::Error::other)?;
    let mut client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .tls_backend_preconfigured(tls);
    client = match endpoint.protocol {
        Protocol::Http | Protocol::Https | Protocol::Redis => client.http1_only(),
        Protocol::Http2 | Protocol::H2c => client.http2_prior_knowledge(),
    };
    if let Some(path) = &endpoint.socket {
        client = client.unix_socket(path.as_path());
    }
    let client = client.build().map_err(io::Error::other)?;
    let scheme = if endpoint.is_encrypted() {
        "https"
    } else {
        "http"
    };
    Ok((client, format!("{scheme}://127.0.0.1:{}", endpoint.port)))
}

/// Asks over HTTP, each time on a connection of its own.
struct HttpAsker {
    client: Client,
    url: String,
    boot_header: Option<String>,
}

impl HttpAsker {
    fn new(endpoint: &Endpoint, path: &str, boot_header: Option<&str>) -> io::Result<Self> {
        let (client, base) = client_of(endpoint)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            client,
            url: format!("{base}{slash}{path}"),
            boot_header: boot_header.map(str::to_owned),
        })
    }

    async fn ask(&self, within: Duration) -> Seen {
        let sent = self.client.get(&self.url).timeout(within).send();
        let mut response = match sent.await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Seen::NothingInTime,
            Err(error) => return Seen::Not(root_cause(&error)),
        };
        if !response.status().is_success() {
            return Seen::Not(format!("it answered {}", response.status()));
        }
        let boot = self.boot_header.as_deref().and_then(|name| {
            let value = response.headers().get(name)?;
            Some(BootId::from_header(value.as_bytes()))
        });
        let mut read = 0;
        while read <= BODY_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Seen::NothingInTime,
                Err(error) => {
                    let cause = root_cause(&error);
                    return Seen::Not(format!("its answer broke off: {cause}"));
                }
            }
        }
        Seen::Up(boot)
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
