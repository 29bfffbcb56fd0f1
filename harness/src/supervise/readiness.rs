//! When a started target counts as up for the first time. The recovery is measured elsewhere (the load's
//! probe); this is only the way into a trial.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use comeback_core::event::Exit;
use comeback_core::ids::BootId;
use comeback_core::plan::{Readiness, ReadyProbe};
use comeback_core::units::{Elapsed, Span};
use tokio::net::TcpStream;

use super::ownership::addresses_of;
use super::process::Process;
use crate::clock::Clock;

/// Pause between two tries: it grows from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(20);
/// How long one try may take.
const TRY_WITHIN: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Debug)]
pub struct Wait<'a> {
    /// What is asked, and for how long.
    pub readiness: &'a Readiness,
    /// The target's port on 127.0.0.1.
    pub port: u16,
    /// The response header that names the process.
    pub boot_header: Option<&'a str>,
    /// The run's clock.
    pub clock: Clock,
}

/// A target is up.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Since when, at the latest.
    pub at: Elapsed,
    /// Which process answers, if it says so.
    pub boot: Option<BootId>,
}

/// A target did not come up.
#[derive(Debug)]
pub enum NotReady {
    /// It ended.
    Exited(Exit),
    /// The time was over.
    TooLate {
        /// How long was waited.
        within: Span,
        /// What the last try saw.
        last: String,
        /// Where it listens instead, as a sentence.
        hint: String,
    },
    /// The harness could not ask.
    Harness(String),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit) => write!(f, "the target {exit} before it was ready"),
            Self::TooLate { within, last, hint } => {
                write!(f, "the target was not ready within {within} (last try: {last}){hint}")
            }
            Self::Harness(problem) => write!(f, "its readiness could not be asked: {problem}"),
        }
    }
}

/// Waits until the target answers its readiness probe, ends, or the time is over.
///
/// # Errors
/// When it does not come up; with what was seen instead.
pub async fn wait_until_ready(process: &mut Process, wait: &Wait<'_>) -> Result<Ready, NotReady> {
    let asker = Asker::new(wait).map_err(|error| NotReady::Harness(error.to_string()))?;
    let deadline = tokio::time::sleep(wait.readiness.within.into());
    let mut deadline = std::pin::pin!(deadline);
    let mut pause = FIRST_PAUSE;
    let mut last = "none was made".to_owned();
    loop {
        tokio::select! {
            biased;
            exited = process.exited() => {
                return Err(match exited {
                    Ok((exit, _)) => NotReady::Exited(exit),
                    Err(error) => NotReady::Harness(error.to_string()),
                });
            }
            asked = asker.ask() => match asked {
                Ok(boot) => return Ok(Ready { at: wait.clock.now(), boot }),
                Err(problem) => last = problem,
            },
            () = &mut deadline => return Err(too_late(process, wait, last)),
        }
        tokio::select! {
            biased;
            () = wanted_line(process, &wait.readiness.probe) => {
                return Ok(Ready { at: wait.clock.now(), boot: None });
            }
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
        }
    }
}

async fn wanted_line(process: &mut Process, probe: &ReadyProbe) {
    match probe {
        ReadyProbe::Log(_) => process.wanted_line().await,
        ReadyProbe::Http(_) | ReadyProbe::Tcp => std::future::pending().await,
    }
}

fn too_late(process: &Process, wait: &Wait<'_>, last: String) -> NotReady {
    let elsewhere: Vec<String> = addresses_of(&[process.pid()])
        .into_iter()
        .filter(|address| address.port() != wait.port)
        .map(|address| address.to_string())
        .collect();
    let hint = if elsewhere.is_empty() {
        String::new()
    } else {
        format!(
            "; it listens on {}, not on port {}: does its command use {{port}}?",
            elsewhere.join(", "),
            wait.port
        )
    };
    NotReady::TooLate {
        within: wait.readiness.within,
        last,
        hint,
    }
}

/// One readiness probe, ready to be repeated.
struct Asker<'a> {
    probe: &'a ReadyProbe,
    port: u16,
    boot_header: Option<&'a str>,
    client: reqwest::Client,
}

impl<'a> Asker<'a> {
    fn new(wait: &Wait<'a>) -> reqwest::Result<Self> {
        // A fresh connection for each try, and nothing done behind our back.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .timeout(TRY_WITHIN)
            .build()?;
        Ok(Self {
            probe: &wait.readiness.probe,
            port: wait.port,
            boot_header: wait.boot_header,
            client,
        })
    }

    async fn ask(&self) -> Result<Option<BootId>, String> {
        match self.probe {
            ReadyProbe::Http(path) => self.ask_http(path).await,
            ReadyProbe::Tcp => match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await {
                Ok(_) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            ReadyProbe::Log(text) => Err(format!("no line with '{text}'")),
        }
    }

    async fn ask_http(&self, path: &str) -> Result<Option<BootId>, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let reply = self.client.get(url).send().await.map_err(|error| innermost(&error))?;
        if !reply.status().is_success() {
            return Err(format!("GET {path}: HTTP {}", reply.status().as_u16()));
        }
        let boot = self.boot_header.and_then(|name| reply.headers().get(name));
        Ok(boot.map(|value| BootId::from_header(value.as_bytes())))
    }
}

/// The library wraps the one thing of interest in many words.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
