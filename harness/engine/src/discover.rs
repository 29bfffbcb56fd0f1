//! Getting acquainted with a server: one start of it, a few harmless questions, one stop. Nothing is measured
//! for the record; what is seen fills in the first draft of an experiment file. Called by `init`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_model::event::Exit;
use comeback_model::ids::{Incarnation, Node, TrialId};
use comeback_model::plan::{Protocol, Readiness, ReadyProbe, Target};
use comeback_model::said::Line;
use comeback_model::units::Span;
use reqwest::Client;

use super::EngineError;
use super::readiness::{NotReady, wait_until_ready};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::control::{client_of, speaks};
use crate::supervise::ports;
use crate::supervise::process::{Addresses, Launch, Process, StartError};
use crate::supervise::tag::RunTag;

/// Paths that servers answer when they are well, by custom; the first that does is taken.
const HEALTH_PATHS: [&str; 8] = [
    "/health", "/healthz", "/ready", "/readyz", "/livez", "/ping", "/status", "/up",
];
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How much of an answer is looked at.
const BODY_MAX: usize = 64 * 1024;

/// The observations of a server.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Its protocol, if known.
    pub protocol: Option<Protocol>,
    /// From its execution to its first accepted connection.
    pub listening_after: Span,
    /// Its reply.
    pub answers: Vec<Answer>,
    /// How it ended when it was asked to, and how long that took.
    pub stopped: (Exit, Span),
}

/// The reply to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The path.
    pub path: String,
    /// The status.
    pub status: u16,
    /// Names of the cookies that it set.
    pub cookies: Vec<String>,
    /// The content's type.
    pub content_type: Option<String>,
}

impl Answer {
    /// Whether it is a 2xx.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Discovered {
    /// A path whose only purpose is to say that the server is well.
    pub fn health(&self) -> Option<&Answer> {
        let mut answers = self.answers.iter();
        answers.find(|answer| answer.path != "/" && answer.is_good())
    }

    /// The reply to the front page.
    pub fn front(&self) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.path == "/")
    }
}

/// Why nothing is known of a server.
#[derive(Debug)]
pub enum DiscoverError {
    /// It could not be started.
    Start(StartError),
    /// It did not come up; with the last lines of its output.
    NotReady(NotReady, Vec<Line>),
    /// The harness failed.
    Engine(EngineError),
}

impl fmt::Display for DiscoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "{error}"),
            Self::NotReady(error, tail) => {
                write!(f, "{error}")?;
                for line in tail {
                    write!(f, "\n  | {}", line.text())?;
                }
                Ok(())
            }
            Self::Engine(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for DiscoverError {}

impl<E: Into<EngineError>> From<E> for DiscoverError {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

/// Starts a target in the folder, asks, and stops it. Its own `ready` is not looked at: it is up when it accepts
/// a connection.
///
/// # Errors
/// When it does not start, or does not listen where it should.
pub async fn discover(
    target: &Target,
    tag: &RunTag,
    folder: &Path,
) -> Result<Discovered, DiscoverError> {
    let clock = Clock::start();
    let port = ports::free_port().map_err(EngineError::Port)?;
    let endpoint = Endpoint::tcp(Protocol::Http, port);
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(|cause| EngineError::folder("create", &data, cause))?;
    let launch = Launch {
        target,
        port,
        data: &data,
        node: Node::default(),
        addresses: &Addresses::default(),
        trial: TrialId(0),
        incarnation: Incarnation(0),
        tag,
        log: PathBuf::from(folder).join("output.log"),
        clock,
        listener: None,
    };
    let mut process = Process::spawn(launch).map_err(DiscoverError::Start)?;
    let readiness = Readiness {
        probe: ReadyProbe::Tcp,
        within: target.ready.within,
    };
    let ready = wait_until_ready(&mut process, &readiness, &endpoint, None, clock)
        .await
        .map_err(|error| DiscoverError::NotReady(error, process.tail()))?;
    let listening_after = ready.at.since(process.executed());
    let (protocol, answers) = ask(port).await;
    let asked = clock.now();
    let stopped = process
        .stop(&target.stop)
        .await
        .map_err(EngineError::Process)?;
    Ok(Discovered {
        protocol,
        listening_after,
        answers,
        stopped: (stopped.exit, stopped.at.since(asked)),
    })
}

/// Its protocol, and its reply.
async fn ask(port: u16) -> (Option<Protocol>, Vec<Answer>) {
    for protocol in Protocol::ALL {
        if let Some(dialect) = protocol.dialect()
            && speaks(&Endpoint::tcp(protocol, port), dialect, ANSWER_WITHIN).await
        {
            return (Some(protocol), Vec::new());
        }
    }
    for protocol in [Protocol::Http, Protocol::Https] {
        let endpoint = Endpoint::tcp(protocol, port);
        let Ok((client, base)) = client_of(&endpoint) else {
            continue;
        };
        let Some(front) = look_at(&client, &base, "/").await else {
            continue;
        };
        let mut answers = vec![front];
        for path in HEALTH_PATHS {
            answers.extend(look_at(&client, &base, path).await);
        }
        return (Some(protocol), answers);
    }
    (None, Vec::new())
}

async fn look_at(client: &Client, base: &str, path: &str) -> Option<Answer> {
    let sent = client.get(format!("{base}{path}")).timeout(ANSWER_WITHIN);
    let mut response = sent.send().await.ok()?;
    let text = |name: &str| {
        let values = response.headers().get_all(name).iter();
        let texts = values.filter_map(|value| Some(value.to_str().ok()?.to_owned()));
        texts.collect::<Vec<_>>()
    };
    let cookies = text("set-cookie");
    let answer = Answer {
        path: path.to_owned(),
        status: response.status().as_u16(),
        cookies: cookies
            .iter()
            .filter_map(|cookie| Some(cookie.split_once('=')?.0.trim().to_owned()))
            .collect(),
        content_type: text("content-type").into_iter().next(),
    };
    // A path whose reply never ends is not a health check.
    let mut read = 0;
    while read <= BODY_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            Ok(None) => return Some(answer),
            Err(_) => return None,
        }
    }
    Some(answer)
}
