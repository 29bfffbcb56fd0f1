//! Requests that somebody recorded, with the replies where the recording has them. Pure.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// A recorded request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exchange {
    pub(super) method: String,
    /// Host and port, as the recording has them.
    pub(super) host: String,
    /// The path, with the query.
    pub(super) path: String,
    /// What was sent, names in lower case, without cookies.
    pub(super) headers: Vec<(String, String)>,
    /// The cookies that were sent.
    pub(super) cookies: Vec<(String, String)>,
    pub(super) body: Option<Body>,
    /// The client was told to follow redirects.
    pub(super) follows: bool,
    /// The cookies that the reply set.
    pub(super) sets: Vec<(String, String)>,
    pub(super) reply: Option<Reply>,
}

/// A recorded reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body, if the recording has it and it is text.
    pub(super) body: Option<String>,
    /// The body as JSON, if it is a table or a list.
    json: Option<Value>,
}

impl Reply {
    pub(super) fn new(status: u16, headers: Vec<(String, String)>, body: Option<String>) -> Self {
        let text = body.as_deref().unwrap_or_default();
        let json = match text.trim_start().starts_with(['{', '[']) {
            true => serde_json::from_str(text).ok(),
            false => None,
        };
        Self {
            status,
            headers,
            body,
            json,
        }
    }
}

/// What a document says of requests that nobody has sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The place of the login among them, and why it is it.
    pub(super) login: Option<(usize, String)>,
    /// The header in which later requests send a token, and where the login's reply shows it.
    pub(super) token: Option<(String, String)>,
    /// Where the check shows a number.
    pub(super) value: Option<String>,
    /// Where the check names the user.
    pub(super) identity: Option<String>,
    /// Whether all sessions log in as the same user, if that does not depend on a password.
    pub(super) keeps_user: Option<bool>,
    /// What only the user knows.
    pub(super) open: Vec<String>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String),
}

/// Why a recording cannot be used: where, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    /// The line, from 1, if it is about one.
    pub(super) line: Option<usize>,
    pub(super) problem: String,
}

impl Unusable {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self {
            line: None,
            problem: problem.into(),
        }
    }

    pub(super) fn at(line: usize, problem: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl Body {
    /// Reads a body by the type that its request names.
    pub(super) fn read(text: String, kind: Option<&str>) -> Self {
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let looks_like_json = kind.contains("json") || text.trim_start().starts_with(['{', '[']);
        if looks_like_json && let Ok(json) = serde_json::from_str(&text) {
            return Self::Json(json);
        }
        if !kind.contains("x-www-form-urlencoded") {
            return Self::Text(text);
        }
        let fields = form_urlencoded::parse(text.as_bytes());
        let fields: Vec<(String, String)> = fields.map(owned).collect();
        let mut names: Vec<&String> = fields.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        // A form of an experiment has each name once.
        match names.len() == fields.len() {
            true => Self::Form(fields),
            false => Self::Text(text),
        }
    }
}

fn owned((name, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

impl Exchange {
    /// The path without the query.
    pub(super) fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Method and path.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn is_get(&self) -> bool {
        self.method == "GET"
    }

    /// Whether it is the same request as another, as far as method and path go.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.method == other.method && self.place() == other.place()
    }

    /// The values that a user or a program put into it, each with its name: fields, parameters, parts of the path.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        match &self.body {
            Some(Body::Form(form)) => fields.extend(form.iter().cloned()),
            Some(Body::Json(json)) => texts(json, "", &mut fields),
            Some(Body::Text(_)) | None => {}
        }
        if let Some((_, query)) = self.path.split_once('?') {
            fields.extend(form_urlencoded::parse(query.as_bytes()).map(owned));
        }
        fields
    }

    /// Whether the server took it, as far as the recording tells.
    pub(super) fn went_well(&self) -> bool {
        self.reply.as_ref().is_none_or(|reply| reply.status < 400)
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.reply.as_ref().map(|reply| reply.status)
    }

    /// The text of the reply.
    pub(super) fn page(&self) -> Option<&str> {
        self.reply.as_ref()?.body.as_deref()
    }

    /// The reply as JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        self.reply.as_ref()?.json.as_ref()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The path to which the reply redirects, without host and query.
    pub(super) fn leads_to(&self) -> Option<String> {
        let reply = self.reply.as_ref()?;
        if !matches!(reply.status, 301..=303 | 307 | 308) {
            return None;
        }
        let mut headers = reply.headers.iter();
        let (_, location) = headers.find(|(name, _)| name == "location")?;
        let asked = url::Url::parse("http://target")
            .ok()?
            .join(&self.path)
            .ok()?;
        Some(asked.join(location).ok()?.path().to_owned())
    }
}

/// The texts of a JSON value with the name of each.
fn texts(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, inner)| texts(inner, name, found)),
        Value::Array(items) => items.iter().for_each(|inner| texts(inner, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a request can be sent with this method: an experiment has those of capital letters.
pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The requests that matter, and how many were left out for which reason.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    pub(super) kept: Vec<Exchange>,
    /// Static files.
    pub(super) files: usize,
    /// Requests to other hosts.
    pub(super) elsewhere: usize,
    /// Questions that browsers ask by themselves.
    pub(super) asides: usize,
}

/// Endings of files that are the same for all users.
const STATIC: [&str; 22] = [
    "css",
    "js",
    "mjs",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "ico",
    "webp",
    "avif",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "mp4",
    "webm",
    "mp3",
    "wasm",
    "webmanifest",
    "pdf",
];

impl Sifted {
    /// Leaves out static files, other hosts, and what browsers ask by themselves.
    pub(super) fn sift(exchanges: Vec<Exchange>) -> Self {
        let mut sifted = Self::default();
        let host = own_host(&exchanges);
        for mut exchange in exchanges {
            for cookies in [&mut exchange.cookies, &mut exchange.sets] {
                cookies.retain(|(name, _)| !name.is_empty());
            }
            if exchange.host != host {
                sifted.elsewhere += 1;
            } else if is_static(&exchange) {
                sifted.files += 1;
            } else if matches!(
                exchange.method.as_str(),
                "OPTIONS" | "HEAD" | "CONNECT" | "TRACE"
            ) {
                sifted.asides += 1;
            } else {
                sifted.kept.push(exchange);
            }
        }
        deduce_cookies(&mut sifted.kept);
        sifted
    }
}

/// The host that the recording is about: the one that was sent most changes, and most requests where none was.
fn own_host(exchanges: &[Exchange]) -> String {
    let weight = |host: &str| {
        let of = exchanges.iter().filter(|one| one.host == host);
        let (changes, all) = of.fold((0, 0), |(changes, all), one| {
            (changes + usize::from(!one.is_get()), all + 1)
        });
        (changes, all)
    };
    let mut best: Option<&str> = None;
    for exchange in exchanges {
        let host = exchange.host.as_str();
        if best.is_none_or(|best| best != host && weight(host) > weight(best)) {
            best = Some(host);
        }
    }
    best.unwrap_or_default().to_owned()
}

fn is_static(exchange: &Exchange) -> bool {
    let file = exchange.place().rsplit('/').next().unwrap_or_default();
    let ending = file
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let is_file = ending.is_some_and(|ending| STATIC.contains(&ending.as_str()));
    let headers = exchange.reply.iter().flat_map(|reply| &reply.headers);
    let mut kinds = headers.filter(|(name, _)| name == "content-type");
    let is_media = kinds.any(|(_, kind)| {
        [
            "image/",
            "font/",
            "video/",
            "audio/",
            "text/css",
            "javascript",
        ]
        .iter()
        .any(|media| kind.contains(media))
    });
    exchange.is_get() && (is_file || is_media)
}

/// A cookie that a later request has and this one had not was set by this one's reply, where the recording has no replies or
/// had its cookies removed.
fn deduce_cookies(exchanges: &mut [Exchange]) {
    if exchanges.iter().any(|one| !one.sets.is_empty()) {
        return;
    }
    for at in 1..exchanges.len() {
        let (before, from) = exchanges.split_at_mut(at);
        let (Some(last), Some(next)) = (before.last_mut(), from.first()) else {
            continue;
        };
        let new = next
            .cookies
            .iter()
            .filter(|cookie| !last.cookies.contains(cookie));
        last.sets = new.cloned().collect();
    }
}
