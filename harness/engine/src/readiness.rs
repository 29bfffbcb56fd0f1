//! Waiting until a started target is up for the first time.
//!
//! Only this first start is asked at leisure; how soon a restarted one is back is measured by the load
//! generator's probe. Where it does not come up, the message says what was seen and what to do.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use comeback_model::event::Exit;
use comeback_model::ids::BootId;
use comeback_model::plan::{Readiness, ReadyProbe};
use comeback_model::status::is_redirect;
use comeback_model::units::{Elapsed, Span};

use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::control::{Question, Seen};
use crate::supervise::external::{ExternalProcess, Next, RemoteProcess};
use crate::supervise::hints;
use crate::supervise::process::Process;

/// The first pause between two tries; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long the first try may take. It doubles with each that takes longer, so that a server slow in its
/// first answer comes up, and one that swallows a connection is asked again.
const TRY_TAKES: Duration = Duration::from_secs(1);
/// After how long a try that is still waiting is worth a word.
const NOTED_AFTER: Duration = Duration::from_millis(100);

/// A target is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// When that was seen.
    pub at: Elapsed,
    /// Which process answered, if it said so.
    pub boot: Option<BootId>,
}

/// A start, as far as a wait for it must know it.
pub(super) trait Begun {
    /// Since when it is waited for.
    fn begun(&self) -> Elapsed;
    /// Ends with the wanted line of its output. That of a server which others start goes elsewhere.
    fn line(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(std::future::pending())
    }
    /// Ends with it.
    fn exited(&mut self) -> impl Future<Output = io::Result<(Exit, Elapsed)>>;
    /// A hint after its early end.
    fn hint_after_exit(&self, _exit: Exit) -> Option<String> {
        None
    }
    /// A hint when it is not reached.
    fn hint_from_sockets(&self, endpoint: &Endpoint) -> Option<String>;
}

impl Begun for Process {
    fn begun(&self) -> Elapsed {
        self.executed()
    }

    fn line(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(self.output().wait_for_line())
    }

    async fn exited(&mut self) -> io::Result<(Exit, Elapsed)> {
        Self::exited(self).await
    }

    fn hint_after_exit(&self, exit: Exit) -> Option<String> {
        hints::after_exit(self, exit)
    }

    fn hint_from_sockets(&self, endpoint: &Endpoint) -> Option<String> {
        hints::from_sockets(self, endpoint)
    }
}

impl Begun for ExternalProcess {
    fn begun(&self) -> Elapsed {
        self.requested()
    }

    async fn exited(&mut self) -> io::Result<(Exit, Elapsed)> {
        loop {
            if let Next::Exited(exit, at) = self.next().await? {
                return Ok((exit, at));
            }
        }
    }

    fn hint_from_sockets(&self, _endpoint: &Endpoint) -> Option<String> {
        self.missing().map(|missing| missing.to_string())
    }
}

impl Begun for RemoteProcess {
    fn begun(&self) -> Elapsed {
        self.requested()
    }

    async fn exited(&mut self) -> io::Result<(Exit, Elapsed)> {
        loop {
            if let Next::Exited(exit, at) = self.next().await? {
                return Ok((exit, at));
            }
        }
    }

    fn hint_from_sockets(&self, _endpoint: &Endpoint) -> Option<String> {
        self.missing()
    }
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
        /// A hint.
        hint: Option<String>,
    },
    /// It took too long.
    TooLate {
        /// How long it had.
        within: Span,
        /// The readiness probe.
        asked: String,
        /// The observation of the last try.
        last: String,
        /// A hint.
        hint: Option<String>,
    },
    /// It answers, but who that is cannot be told.
    Another(String),
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
            Self::Another(problem) => {
                f.write_str(problem)?;
                &None
            }
            Self::Failed(cause) => {
                write!(f, "its readiness could not be checked: {cause}")?;
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

/// Asks a target until it is up, in its own protocol; `boot_header` names the header with its boot id.
///
/// # Errors
/// As soon as it ends, or after its time limit (from its execution), with the last observation.
pub async fn wait_until_ready(
    process: &mut Process,
    readiness: &Readiness,
    endpoint: &Endpoint,
    boot_header: Option<&str>,
    clock: Clock,
) -> Result<Ready, NotReady> {
    wait_for(process, (readiness, endpoint, boot_header), clock).await
}

/// The same for any start.
pub(super) async fn wait_for(
    process: &mut impl Begun,
    (readiness, endpoint, boot_header): (&Readiness, &Endpoint, Option<&str>),
    clock: Clock,
) -> Result<Ready, NotReady> {
    let deadline = clock.instant(process.begun() + readiness.within);
    let question =
        Question::new(&readiness.probe, endpoint, boot_header).map_err(NotReady::Failed)?;
    let mut met = Met {
        last: match &question {
            Some(_) => "no answer yet".to_owned(),
            None => "there was none".to_owned(),
        },
        before: None,
        mend: None,
    };
    let line = process.line();
    let answered = async {
        let boot = match &question {
            Some(question) => ask_until_up(question, &mut met).await,
            None => {
                line.await;
                None
            }
        };
        let at = clock.now();
        Ended::Ready(Ready { at, boot })
    };
    let ended = tokio::select! {
        biased;
        exited = process.exited() => exited.map(|(exit, at)| Ended::Exited(exit, at)),
        answered = answered => Ok(answered),
        () = tokio::time::sleep_until(deadline) => Ok(Ended::TooLate),
    };
    match ended.map_err(NotReady::Failed)? {
        Ended::Ready(ready) => Ok(ready),
        Ended::Exited(exit, at) => Err(NotReady::Exited {
            exit,
            after: at.since(process.begun()),
            hint: process.hint_after_exit(exit),
        }),
        Ended::TooLate => Err(NotReady::TooLate {
            within: readiness.within,
            asked: match (&question, &readiness.probe) {
                (Some(question), _) => question.to_string(),
                (None, ReadyProbe::Log(text)) => format!("a line with '{text}'"),
                (None, ReadyProbe::Http(_) | ReadyProbe::Tcp) => "a line".to_owned(),
            },
            last: met.last,
            hint: process
                .hint_from_sockets(endpoint)
                .or_else(|| met.mend.map(str::to_owned)),
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
    let question = Question::new(&readiness.probe, endpoint, boot_header)?;
    let Some(question) = question.filter(Question::tells_boot) else {
        return Ok(None);
    };
    Ok(match question.ask(TRY_TAKES).await {
        Seen::Up(boot) => boot,
        Seen::Answered { .. } | Seen::Not(_) | Seen::NothingInTime => None,
    })
}

/// The observations of the tries.
struct Met {
    /// Of the last one, behind the last that came to something.
    last: String,
    /// Of the last one that came to something.
    before: Option<String>,
    /// What to do about that.
    mend: Option<&'static str>,
}

/// What to do where a page that asks whether a server is up is answered like this, and stays so.
const fn mend(status: u16) -> Option<&'static str> {
    match status {
        404 | 405 | 410 => Some(
            "nothing is at this path: name one that is answered with a 2xx (--ready http:/PATH, or `ready` in [target]), or wait for \
             the port alone (--ready tcp)",
        ),
        401 | 403 => Some(
            "it asks for a login there: name a path that anybody may see (--ready http:/PATH, or `ready` in [target]), or wait for \
             the port alone (--ready tcp)",
        ),
        redirect if is_redirect(redirect) => Some(
            "it redirects, which is not followed: name the path that it leads to (--ready http:/PATH, or `ready` in [target])",
        ),
        _ => None,
    }
}

impl Met {
    /// A try came to something, for which there may be a mend.
    fn end(&mut self, what: String, mend: Option<&'static str>) {
        self.before = Some(what.clone());
        self.last = what;
        self.mend = mend;
    }

    /// A try has come to nothing so far.
    fn wait(&mut self, what: &str) {
        self.last = match &self.before {
            Some(before) => format!("{before}; later {what}"),
            None => what.to_owned(),
        };
    }
}

/// Tries until one succeeds.
async fn ask_until_up(question: &Question, met: &mut Met) -> Option<BootId> {
    let (mut pause, mut within) = (PAUSE_MIN, TRY_TAKES);
    loop {
        let mut asking = pin!(question.ask(within));
        let seen = match tokio::time::timeout(NOTED_AFTER, &mut asking).await {
            Ok(seen) => seen,
            // Noted now: if time is up before its end, this is the last observation.
            Err(_) => {
                met.wait("it was asked, and had not answered yet");
                asking.await
            }
        };
        match seen {
            Seen::Up(boot) => return boot,
            Seen::Answered { what, status } => met.end(what, status.and_then(mend)),
            Seen::Not(what) => met.end(what, None),
            Seen::NothingInTime => {
                met.wait(&format!("no answer within {} s", within.as_secs()));
                within *= 2;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_that_is_under_way_at_the_end_hides_nothing_of_those_before() {
        let mut met = Met {
            last: "no answer yet".to_owned(),
            before: None,
            mend: None,
        };
        let waits = "it was asked, and had not answered yet";
        met.wait(waits);
        assert_eq!(met.last, waits);
        met.end("it answered 503 Service Unavailable".to_owned(), mend(503));
        assert_eq!(met.mend, None);
        met.end("connection reset".to_owned(), None);
        assert_eq!(met.last, "connection reset");
        met.wait(waits);
        assert_eq!(
            met.last,
            "connection reset; later it was asked, and had not answered yet"
        );
    }
}
