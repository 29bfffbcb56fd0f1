//! Discovers what a server is: one start of it, a few harmless questions, one stop. Nothing is measured
//! for the record; what is seen fills in the first draft of an experiment file. Called by `init`, and by `record`, which
//! has its user in between.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_model::event::Exit;
use comeback_model::ids::{Incarnation, Node, TrialId};
use comeback_model::plan::{Listener, Protocol, Readiness, ReadyProbe, Stop, Target};
use comeback_model::said::Line;
use comeback_model::status::{is_redirect, is_success};
use comeback_model::units::{Elapsed, Span};
use reqwest::Client;

use super::EngineError;
use super::readiness::{NotReady, wait_until_ready};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::control::{client_of, speaks};
use crate::supervise::launch::resolve_endpoint;
use crate::supervise::ports;
use crate::supervise::process::{Addresses, Launch, Process, StartError};
use crate::supervise::socket_activation;
use crate::supervise::tag::RunTag;

/// Paths that servers answer when they are well, by custom; the first that does is taken.
const HEALTH_PATHS: [&str; 9] = [
    "/health",
    "/healthz",
    "/ready",
    "/readyz",
    "/livez",
    "/actuator/health",
    "/ping",
    "/status",
    "/up",
];
/// How long it may take until it answers, from its execution. One that starts slowly fails at first, or knows none of its paths: that
/// is not taken for its answer while there is time.
const STARTS_WITHIN: Span = Span::from_secs(30);
/// After so long without a good answer the caller is told that there is something to wait for.
const TELL_AFTER: Span = Span::from_secs(1);
/// Between two rounds of questions.
const ROUND_PAUSE: Duration = Duration::from_millis(100);
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
    /// From its execution to the replies below: to the first good one, where there was one.
    pub answering_after: Span,
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
        is_success(self.status)
    }
}

impl Discovered {
    /// Whether it has begun to serve: something was answered well, or by a refusal or redirect that only an application gives; and
    /// nothing says that it is still starting.
    fn is_serving(answers: &[Answer]) -> bool {
        let starts = |answer: &Answer| answer.status >= 500;
        let speaks = |answer: &Answer| {
            answer.is_good() || is_redirect(answer.status) || matches!(answer.status, 401 | 403)
        };
        answers.iter().any(speaks) && !answers.iter().any(starts)
    }

    /// A path whose only purpose is to say that the server is well.
    pub fn health(&self) -> Option<&Answer> {
        let mut answers = self.answers.iter();
        answers.find(|answer| HEALTH_PATHS.contains(&&*answer.path) && answer.is_good())
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

/// A server that has been asked and still runs. Dropping it ends the server.
#[derive(Debug)]
pub struct Met {
    process: Process,
    clock: Clock,
    port: u16,
    protocol: Option<Protocol>,
    listening_after: Span,
    answering_after: Span,
    answers: Vec<Answer>,
}

impl Met {
    /// Its port on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its protocol, if known.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Waits for its end, and says how it ended, with the last lines of its output. May be given up and asked again.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub async fn exited(&mut self) -> Result<(Exit, Vec<Line>), DiscoverError> {
        let (exit, _) = self.process.exited().await.map_err(EngineError::Process)?;
        Ok((exit, self.process.tail()))
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub async fn stop(mut self, stop: &Stop) -> Result<Discovered, DiscoverError> {
        let asked = self.clock.now();
        let stopped = self
            .process
            .stop(stop)
            .await
            .map_err(EngineError::Process)?;
        Ok(Discovered {
            protocol: self.protocol,
            listening_after: self.listening_after,
            answering_after: self.answering_after,
            answers: self.answers,
            stopped: (stopped.exit, stopped.at.since(asked)),
        })
    }
}

/// Starts a target in the folder, asks until it answers well, and stops it. The path of its own `ready` is asked, too, and its protocol first
/// of all. `pages` are paths that its users ask for, if they are known: it may know no other. `wait` is told once if the first answers are
/// not good.
///
/// # Errors
/// When it does not start, or does not listen where it should.
pub async fn discover(
    target: &Target,
    tag: &RunTag,
    folder: &Path,
    pages: &[String],
    wait: impl FnMut(String),
) -> Result<Discovered, DiscoverError> {
    meet(target, tag, folder, pages, wait)
        .await?
        .stop(&target.stop)
        .await
}

/// The same without the stop.
///
/// # Errors
/// When it does not start, or does not listen where it should.
pub async fn meet(
    target: &Target,
    tag: &RunTag,
    folder: &Path,
    pages: &[String],
    wait: impl FnMut(String),
) -> Result<Met, DiscoverError> {
    let clock = Clock::start();
    let port = ports::free_port().map_err(EngineError::Port)?;
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(|cause| EngineError::folder("create", &data, cause))?;
    let endpoint =
        resolve_endpoint(target, port, &data, Node::default()).map_err(DiscoverError::Start)?;
    let held = match target.listener {
        Listener::Own => None,
        Listener::Held => Some(socket_activation::hold(&endpoint).map_err(|cause| {
            DiscoverError::Start(StartError::Listener {
                endpoint: endpoint.clone(),
                cause,
            })
        })?),
    };
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
        listener: held.as_ref(),
    };
    let mut process = Process::spawn(launch).map_err(DiscoverError::Start)?;
    let readiness = Readiness {
        probe: ReadyProbe::Tcp,
        within: STARTS_WITHIN.max(target.ready.within),
    };
    let ready = wait_until_ready(&mut process, &readiness, &endpoint, None, clock)
        .await
        .map_err(|error| DiscoverError::NotReady(error, process.tail()))?;
    let listening_after = ready.at.since(process.executed());
    let executed = process.executed();
    let said = match &target.ready.probe {
        ReadyProbe::Http(path) => Some(path.as_str()),
        ReadyProbe::Tcp | ReadyProbe::Log(_) => None,
    };
    let is_asked_anyway = |path: &&str| *path == "/" || HEALTH_PATHS.contains(path);
    let pages = said.into_iter().chain(pages.iter().map(String::as_str));
    let pages: Vec<&str> = pages.filter(|path| !is_asked_anyway(path)).collect();
    let until = executed + readiness.within;
    let asking = ask_until_serving((&endpoint, &pages), clock, until, wait);
    let ended = tokio::select! {
        biased;
        ended = process.exited() => Err(ended),
        asked = asking => Ok(asked),
    };
    let (protocol, answers) = match ended {
        Ok(asked) => asked,
        Err(ended) => {
            let (exit, at) = ended.map_err(EngineError::Process)?;
            let ended = NotReady::Exited {
                exit,
                after: at.since(executed),
                hint: None,
            };
            return Err(DiscoverError::NotReady(ended, process.tail()));
        }
    };
    Ok(Met {
        answering_after: clock.now().since(executed),
        process,
        clock,
        port,
        protocol,
        listening_after,
        answers,
    })
}

/// Asks until it has begun to serve, or its time is over; then the last answers are taken as they are.
async fn ask_until_serving(
    whom: (&Endpoint, &[&str]),
    clock: Clock,
    until: Elapsed,
    mut wait: impl FnMut(String),
) -> (Option<Protocol>, Vec<Answer>) {
    let begun = clock.now();
    let mut is_told = false;
    loop {
        let (protocol, answers) = ask(whom).await;
        let is_dialect = protocol.is_some_and(|protocol| protocol.dialect().is_some());
        let now = clock.now();
        if is_dialect || Discovered::is_serving(&answers) || now >= until {
            return (protocol, answers);
        }
        if !is_told && now >= begun + TELL_AFTER {
            is_told = true;
            wait(format!(
                "the server listens, but {}; waiting up to {:.0} s more for a 2xx, in case it is still starting",
                seen_so_far(&answers),
                until.since(now).as_secs()
            ));
        }
        tokio::time::sleep(ROUND_PAUSE).await;
    }
}

/// What it answers, in words.
fn seen_so_far(answers: &[Answer]) -> String {
    let shown = |answer: &Answer| format!("answers GET {} with {}", answer.path, answer.status);
    let unwell = answers.iter().find(|answer| answer.status >= 500);
    let first = unwell.or_else(|| answers.first());
    first.map_or_else(|| "does not answer".to_owned(), shown)
}

/// Its protocol, and its reply.
async fn ask((target, pages): (&Endpoint, &[&str])) -> (Option<Protocol>, Vec<Answer>) {
    let speaking = |protocol| Endpoint {
        protocol,
        ..target.clone()
    };
    for protocol in Protocol::ALL {
        if let Some(dialect) = protocol.dialect()
            && speaks(&speaking(protocol), dialect, ANSWER_WITHIN).await
        {
            return (Some(protocol), Vec::new());
        }
    }
    let guessed = |protocol: &Protocol| protocol.spec().wire.is_guessed();
    let first = Some(target.protocol).filter(|protocol| protocol.dialect().is_none());
    let others = Protocol::ALL.into_iter().filter(guessed);
    for protocol in first.into_iter().chain(others) {
        let endpoint = speaking(protocol);
        let Ok((client, base)) = client_of(&endpoint) else {
            continue;
        };
        let Some(front) = look_at(&client, &base, "/").await else {
            continue;
        };
        let mut answers = vec![front];
        for path in HEALTH_PATHS.into_iter().chain(pages.iter().copied()) {
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
