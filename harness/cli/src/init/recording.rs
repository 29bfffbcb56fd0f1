//! From a recording to the flow of a session: read, inferred, and, where there is a command, tried out against the server.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use comeback_engine::needs::Remotes;
use comeback_engine::{Reach, Tried};
use comeback_experiment::File;
use comeback_faults::Faults;
use comeback_load::probe::{self, Who};
use comeback_model::plan::Plan;
use comeback_model::units::Span;
use comeback_supervise::output::printable;

use super::flow::{Flow, item};
use super::recorded::{Body, Exchange, Reply, Said, Sifted, Unusable};
use super::{curl, har, infer, openapi};
use crate::{CliError, experiment, options, setup, try_out};

/// The longest recording, in bytes. A HAR file holds the replies, too.
const RECORDING_MAX: u64 = 256 * 1024 * 1024;
/// How long a reply may take when a flow is tried out.
const PATIENCE: Span = Span::from_secs(30);
/// How many of its pages a server is asked for while it may still be starting.
const PAGES_MAX: usize = 4;
/// How often a flow is tried out and inferred anew from what was answered.
const ROUNDS: usize = 3;

/// A flow, and what is to be said about it.
pub(super) struct Inferred {
    pub(super) flow: Flow,
    pub(super) lines: Vec<String>,
    /// Whether it went well against the server; absent if it was not tried.
    pub(super) works: Option<bool>,
}

/// What a form of recording has: requests, and what a document says of them.
type Parsed = (Vec<Exchange>, Said);
/// Reads one form of recording.
type Parser = fn(&str) -> Result<Parsed, Unusable>;

/// The forms, by the flags that name them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forms<'a> {
    pub(super) curl: Option<&'a Path>,
    pub(super) har: Option<&'a Path>,
    pub(super) openapi: Option<&'a Path>,
}

impl<'a> Forms<'a> {
    /// The one that is given, and who reads it.
    fn given(self) -> Option<(&'a Path, Parser)> {
        let curl: Parser = |text| Ok((curl::parse(text)?, Said::default()));
        let forms = [
            (self.curl, curl),
            (self.har, of_har),
            (self.openapi, openapi::parse),
        ];
        let mut forms = forms.into_iter();
        forms.find_map(|(path, parser)| Some((path?, parser)))
    }
}

fn of_har(text: &str) -> Result<Parsed, Unusable> {
    Ok((har::parse(text)?, Said::default()))
}

/// The requests that were recorded.
pub(crate) struct Recording {
    /// Where they are from; - is standard input.
    path: PathBuf,
    sifted: Sifted,
    said: Said,
}

impl Recording {
    /// Reads the recording that was given, if one was.
    pub(super) fn read(forms: Forms<'_>) -> Result<Option<Self>, CliError> {
        let Some((path, parse)) = forms.given() else {
            return Ok(None);
        };
        let text = read_text(path).map_err(|problem| refuse(path, &problem))?;
        Self::parse(path, &text, parse).map(Some)
    }

    /// Reads the text of a HAR file; messages call it by this name.
    pub(crate) fn of_har(name: &str, text: &str) -> Result<Self, CliError> {
        Self::parse(Path::new(name), text, of_har)
    }

    fn parse(path: &Path, text: &str, parse: Parser) -> Result<Self, CliError> {
        let (recorded, said) = parse(text).map_err(|wrong| refuse(path, &wrong))?;
        let recording = Self {
            path: path.to_owned(),
            sifted: Sifted::sift(recorded),
            said,
        };
        // A recording without a session is refused before a server is started for nothing.
        recording.infer(None)?;
        Ok(recording)
    }

    /// Pages that its user looked at, each once: a server of an API may know no path that all servers know.
    pub(super) fn pages(&self) -> Vec<String> {
        let mut pages = Vec::new();
        for asked in &self.sifted.kept {
            let is_new = asked.method == "GET" && asked.path != "/" && !pages.contains(&asked.path);
            if is_new && pages.len() < PAGES_MAX {
                pages.push(asked.path.clone());
            }
        }
        pages
    }

    fn infer(&self, keeps_user: Option<bool>) -> Result<Flow, CliError> {
        infer::infer(&self.sifted.kept, keeps_user, &self.said)
            .map_err(|wrong| refuse(&self.path, &wrong))
    }
}

fn refuse(path: &Path, problem: &dyn fmt::Display) -> CliError {
    CliError::Usage(format!("{}: {problem}", path.display()))
}

fn read_text(path: &Path) -> Result<String, String> {
    let from: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(|error| error.to_string())?),
    };
    let mut bytes = Vec::new();
    let read = from.take(RECORDING_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > RECORDING_MAX {
        return Err("it is larger than 256 MiB: record only the login and one action".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text: is it the right file?".to_owned())
}

/// How the file is written, and whether the server's command is known.
pub(super) struct Writer<'a> {
    pub(super) file: &'a Path,
    pub(super) has_command: bool,
    pub(super) text: &'a dyn Fn(&Flow) -> String,
}

impl Writer<'_> {
    /// Infers the flow. With a command, the one that works is taken.
    pub(super) fn infer(&self, recording: &Recording) -> Result<Inferred, CliError> {
        let by_default = recording.infer(None)?;
        let mut best = match self.has_command {
            false => {
                self.plan(&by_default)?;
                Attempt {
                    flow: by_default,
                    tried: None,
                }
            }
            true => self.best(recording, &by_default)?,
        };
        if let Some(Ok(())) = best.tried {
            // The server has decided what the document left open.
            let open = &recording.said.open;
            best.flow.open.retain(|line| !open.contains(line));
        }
        let mut lines = vec![left_out(&recording.sifted, &recording.path)];
        lines.extend(best.flow.tell());
        match &best.tried {
            None => {}
            Some(Ok(())) => {
                let works = "the server answers this flow as the file describes it";
                lines.extend(item("tried", works));
            }
            Some(Err(problem)) => {
                lines.extend(item("tried", &format!("it does not work yet: {problem}")));
            }
        }
        Ok(Inferred {
            works: best.tried.as_ref().map(Result::is_ok),
            flow: best.flow,
            lines,
        })
    }

    /// Whether the server takes any user shows only when it is asked.
    fn best(&self, recording: &Recording, by_default: &Flow) -> Result<Attempt, CliError> {
        let numbered = recording.infer(Some(false))?;
        let recorded = recording.infer(Some(true))?;
        let names_a_user = recorded.text() != numbered.text();
        let first = self.attempt(recording, numbered, false)?;
        if first.is_complete() || !names_a_user {
            return Ok(first);
        }
        let is_default = recorded.text() == by_default.text();
        let second = self.attempt(recording, recorded, true)?;
        let works = |attempt: &Attempt| attempt.rank().0;
        Ok(
            match second.rank() > first.rank() || is_default && !works(&first) {
                true => second,
                false => first,
            },
        )
    }

    /// Tries a flow out. Where the recording has no replies, it is inferred again from those of the server.
    fn attempt(
        &self,
        recording: &Recording,
        flow: Flow,
        keeps_user: bool,
    ) -> Result<Attempt, CliError> {
        let recorded = &recording.sifted.kept;
        // The requests that were sent have other places.
        let said = Said {
            login: None,
            ..recording.said.clone()
        };
        let has_replies = recorded.iter().any(|one| one.page().is_some());
        let mut flow = flow;
        let mut tried = self.walk(&flow)?;
        for _ in 1..ROUNDS {
            let Some(walked) = tried.as_ref().filter(|_| !has_replies) else {
                break;
            };
            match infer::infer(&merged(recorded, &flow, walked), Some(keeps_user), &said) {
                Ok(next) if next.text() != flow.text() => {
                    flow = next.with_roles_of(&flow);
                    tried = self.walk(&flow)?;
                }
                Ok(_) | Err(_) => break,
            }
        }
        Ok(Attempt {
            flow,
            tried: tried.map(|tried| match problem_of(&tried) {
                None => Ok(()),
                Some(problem) => Err(problem),
            }),
        })
    }

    /// The plan of the file with this flow.
    fn plan(&self, flow: &Flow) -> Result<Plan, CliError> {
        let file = File::parse(self.file, (self.text)(flow), &Faults);
        let resolved = file.and_then(|file| file.resolve(&Faults));
        Ok(resolved.map_err(experiment::refuse)?.plan)
    }

    /// Takes a user through the flow.
    fn walk(&self, flow: &Flow) -> Result<Option<Tried>, CliError> {
        let mut plan = self.plan(flow)?;
        setup::check_servers(&mut plan, Remotes::Refused)?;
        // The first requests to a cold server may take long, and nothing is measured here.
        plan.load.timeout = plan.load.timeout.max(PATIENCE);
        let tried = try_out::walk(&plan, options::seed(None)?, Reach::FirstStart)?;
        Ok(tried.into_iter().next())
    }
}

/// A flow, and how it went.
struct Attempt {
    flow: Flow,
    tried: Option<Result<(), String>>,
}

impl Attempt {
    /// Better ones are greater.
    fn rank(&self) -> (bool, bool, bool) {
        let works = matches!(self.tried, Some(Ok(())));
        (
            works,
            self.flow.value.is_some(),
            self.flow.identity.is_some(),
        )
    }

    fn is_complete(&self) -> bool {
        self.rank() == (true, true, true)
    }
}

fn left_out(sifted: &Sifted, path: &Path) -> String {
    let counted = [
        (sifted.files, "for static files"),
        (sifted.elsewhere, "to other hosts"),
        (sifted.asides, "that change and show nothing"),
    ];
    let counted = counted.iter().filter(|(count, _)| *count > 0);
    let counted: Vec<String> = counted
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let read = sifted.kept.len();
    let plural = if read == 1 { "" } else { "s" };
    let left_out = match counted.is_empty() {
        true => String::new(),
        false => format!("; left out: {}", counted.join(", ")),
    };
    let path = match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => printable(&path.display().to_string()),
    };
    format!("{read} request{plural} of {path}{left_out}")
}

/// What went wrong first.
fn problem_of(tried: &Tried) -> Option<String> {
    if let Some(ended) = &tried.ended_early {
        return Some(ended.problem.clone());
    }
    let mut users = tried.first.iter().filter(|one| one.who == Who::User);
    users.find_map(|one| one.problem.clone())
}

/// The requests that were sent, with what the server answered, and behind them those recorded ones that were not sent.
fn merged(recorded: &[Exchange], flow: &Flow, tried: &Tried) -> Vec<Exchange> {
    let of = |who: Who| tried.first.iter().filter(move |one| one.who == who);
    let nobody = of(Who::Nobody).flat_map(|one| &one.exchanges);
    let user = of(Who::User).flat_map(|one| &one.exchanges);
    let mut seen: Vec<Exchange> = nobody.chain(user).filter_map(answered).collect();
    let sent: BTreeSet<&str> = of(Who::User)
        .map(|one| try_out::name_of(one.step))
        .collect();
    for (name, at) in &flow.roles {
        if !sent.contains(name.as_str()) {
            seen.extend(recorded.get(*at).cloned());
        }
    }
    seen
}

/// A request of a walk, as if it had been recorded.
fn answered(exchange: &probe::Exchange) -> Option<Exchange> {
    let request = String::from_utf8_lossy(&exchange.request);
    let (head, body) = request.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let of = |wanted: &str| {
        let mut headers = headers.iter();
        headers
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let cookies = of("cookie").unwrap_or_default().split("; ");
    let cookies = cookies.filter_map(|pair| pair.split_once('='));
    let reply = exchange.reply.as_ref().map(|reply| {
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        Reply::new(reply.status, reply.headers.clone(), Some(body))
    });
    Some(Exchange {
        body: (!body.is_empty()).then(|| Body::read(body.to_owned(), of("content-type"))),
        cookies: cookies
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        sets: reply
            .as_ref()
            .map(|reply| har::set_by(&reply.headers))
            .unwrap_or_default(),
        headers: headers
            .iter()
            .filter(|(name, _)| name != "cookie")
            .cloned()
            .collect(),
        host: String::new(),
        follows: false,
        method,
        path,
        reply,
    })
}
