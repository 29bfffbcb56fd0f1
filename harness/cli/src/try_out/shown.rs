//! Steps of a try as they are shown: secrets hidden, control characters spelt out.

use std::fmt::Write as _;

use comeback_load::probe::{Exchange, Walked, Who};
use comeback_model::plan::secret::{MASK, Secrets};
use comeback_supervise::output::printable;
use serde::{Serialize, Serializer};

use super::{Report, name_of};

/// How much of a line of a body is shown, in characters.
const LINE_SHOWN: usize = 70;
/// What ends a line of a request, with its control characters spelt out.
const END_OF_LINE: &str = "\\x0d";
/// What ends its head.
const END_OF_HEAD: &str = "\\x0d\n\\x0d\n";
/// How much of a body is shown, in bytes.
const BODY_SHOWN: usize = 400;

/// A step.
#[derive(Serialize)]
pub(super) struct Step {
    step: &'static str,
    #[serde(serialize_with = "in_words")]
    who: Who,
    /// Why the reply is not the expected one.
    problem: Option<String>,
    exchanges: Vec<Shown>,
}

/// A request and its reply.
#[derive(Serialize)]
struct Shown {
    request: Vec<String>,
    /// Absent where none came.
    status: Option<u16>,
    reply: Vec<String>,
    took_ms: f64,
}

pub(super) fn steps(walked: &[Walked], secrets: &Secrets) -> Vec<Step> {
    walked
        .iter()
        .map(|walked| Step {
            step: name_of(walked.step),
            who: walked.who,
            problem: walked.problem.as_deref().map(|text| clean(text, secrets)),
            exchanges: walked
                .exchanges
                .iter()
                .map(|one| shown(one, secrets))
                .collect(),
        })
        .collect()
}

const fn name_of_who(who: Who) -> &'static str {
    match who {
        Who::User => "user",
        Who::UserOfBefore => "session of before",
        Who::Nobody => "nobody",
        Who::LoggedOut => "logged out",
    }
}

fn in_words<S: Serializer>(who: &Who, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name_of_who(*who))
}

fn shown(exchange: &Exchange, secrets: &Secrets) -> Shown {
    // Secrets are looked for in the whole, before anything is cut.
    let request = clean(&String::from_utf8_lossy(&exchange.request), secrets);
    let (head, body) = request.split_once(END_OF_HEAD).unwrap_or((&request, ""));
    let mut sent: Vec<String> = head
        .lines()
        .map(|line| line.trim_end_matches(END_OF_LINE))
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{name}: {}", hidden(name, value)),
            None => line.to_owned(),
        })
        .collect();
    sent.extend(lines_of(body));
    let mut came = Vec::new();
    if let Some(reply) = &exchange.reply {
        let headers = reply.headers.iter();
        came.extend(headers.map(|(name, value)| format!("{name}: {}", hidden(name, value))));
        came = came
            .iter()
            .map(|line: &String| clean(line, secrets))
            .collect();
        let body = String::from_utf8_lossy(&reply.body);
        came.extend(lines_of(&clean(&body, secrets)));
    }
    Shown {
        request: sent,
        status: exchange.reply.as_ref().map(|reply| reply.status),
        reply: came,
        took_ms: exchange.took.as_ms(),
    }
}

/// The value of a header, without what proves who somebody is: of a cookie its name and attributes stay.
fn hidden(name: &str, value: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => pair.to_owned(),
    };
    match name.to_ascii_lowercase().as_str() {
        "cookie" => value.split("; ").map(pair).collect::<Vec<_>>().join("; "),
        "set-cookie" => match value.split_once(';') {
            Some((first, rest)) => format!("{};{rest}", pair(first)),
            None => pair(value),
        },
        "authorization" | "proxy-authorization" => match value.split_once(' ') {
            Some((scheme, _)) => format!("{scheme} {MASK}"),
            None => MASK.to_owned(),
        },
        _ => value.to_owned(),
    }
}

/// A line that is no wider than a terminal.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// The beginning of a body, line by line.
fn lines_of(body: &str) -> Vec<String> {
    let mut end = body.len().min(BODY_SHOWN);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let mut lines: Vec<String> = body[..end].lines().map(cut).collect();
    if end < body.len() {
        lines.push(format!("… {} more bytes", body.len() - end));
    }
    lines
}

fn clean(text: &str, secrets: &Secrets) -> String {
    let mut text = text.to_owned();
    secrets.hide(&mut text);
    printable(&text)
}

/// Steps that failed, with what was sent and answered.
pub(super) fn failed(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        write_step(&mut text, step, false);
    }
    text
}

/// All of it, for people.
pub(super) fn text(report: &Report, brief: bool) -> String {
    let mut text = String::new();
    let arm = printable(&report.arm);
    for (when, steps) in [
        ("first start", &report.first_start),
        ("after a restart", &report.after_restart),
    ] {
        if !steps.is_empty() {
            let _ = writeln!(text, "{arm}, {when}");
        }
        for step in steps {
            write_step(&mut text, step, brief);
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    if let Some(problem) = &report.problem {
        let _ = writeln!(text, "{arm}: {}", printable(problem));
    }
    text.trim_end().to_owned()
}

fn write_step(text: &mut String, step: &Step, brief: bool) {
    let line = step.exchanges.first().and_then(|one| one.request.first());
    let asked = line.map_or("", |line| line.trim_end_matches(" HTTP/1.1"));
    let status = step
        .exchanges
        .last()
        .map_or_else(String::new, |one| match one.status {
            Some(status) => status.to_string(),
            None => "no reply".to_owned(),
        });
    let took: f64 = step.exchanges.iter().map(|one| one.took_ms).sum();
    let mark = mark(step);
    let name = match step.who {
        Who::User => step.step.to_owned(),
        who => format!("{}, {}", step.step, name_of_who(who)),
    };
    let _ = writeln!(
        text,
        "  {mark} {name:<23} {asked:<28} {status:>8} {took:>7.1} ms"
    );
    if let Some(note) = note(step) {
        let _ = writeln!(text, "      {note}");
    }
    let is_wrong = step.who == Who::User && step.problem.is_some();
    if brief && !is_wrong {
        return;
    }
    for exchange in &step.exchanges {
        for line in &exchange.request {
            let _ = writeln!(text, "      > {line}");
        }
        if let Some(status) = exchange.status {
            let _ = writeln!(text, "      < {status}");
        }
        for line in &exchange.reply {
            let _ = writeln!(text, "      < {line}");
        }
    }
}

/// `ok`, `!!` where the flow is wrong, `--` where the reply says something of the server.
fn mark(step: &Step) -> &'static str {
    match (step.who, &step.problem) {
        (Who::User, Some(_)) => "!!",
        (Who::UserOfBefore, Some(_)) => "--",
        (Who::Nobody | Who::LoggedOut, None) => "!!",
        (Who::User | Who::UserOfBefore, None) | (Who::Nobody | Who::LoggedOut, Some(_)) => "ok",
    }
}

/// What a step says of the server, where that is more than that it went well.
fn note(step: &Step) -> Option<String> {
    match (step.who, &step.problem) {
        (Who::User, problem) => problem.clone(),
        (Who::UserOfBefore, Some(problem)) => Some(format!(
            "the session did not outlive the restart: {problem}"
        )),
        (Who::UserOfBefore, None) => Some("the session outlived the restart".to_owned()),
        (Who::Nobody, Some(_)) => {
            Some("refused, as somebody who never logged in should be".to_owned())
        }
        (Who::LoggedOut, Some(_)) => {
            Some("refused, as somebody who logged out should be".to_owned())
        }
        (Who::Nobody | Who::LoggedOut, None) => None,
    }
}
