//! The flow of a session, as an experiment file says it. Pure.

use std::fmt::Write as _;

use comeback_supervise::output::printable;
use serde_json::Value;

use crate::table::lines;

/// A flow that was inferred.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flow {
    pub(super) value: Option<String>,
    /// Acts add entries of their own, and no number.
    pub(super) adds_entries: bool,
    /// The place of the user's name, and the name.
    pub(super) identity: Option<(String, String)>,
    /// The path to which logged-out users are redirected.
    pub(super) logged_out_page: Option<String>,
    pub(super) pages: Vec<DraftRequest>,
    pub(super) login: DraftRequest,
    pub(super) act: Option<DraftRequest>,
    pub(super) check: Option<DraftRequest>,
    pub(super) logout: Option<DraftRequest>,
    /// What was taken for what, and why.
    pub(super) told: Vec<(String, String)>,
    /// What could not be inferred, and what to do.
    pub(super) open: Vec<String>,
    /// The places of the steps' requests in the recording.
    pub(super) roles: Vec<(String, usize)>,
}

/// One of its requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DraftRequest {
    pub(super) name: String,
    pub(super) request: String,
    /// Name, value, and whether it is a secret.
    pub(super) headers: Vec<(String, String, bool)>,
    pub(super) content: Option<Content>,
    /// The expected status, if it is no 2xx.
    pub(super) status: Option<u16>,
    pub(super) capture: Vec<(String, String)>,
    pub(super) before: Vec<String>,
    pub(super) follow: usize,
}

/// A body, its texts being templates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Json(Value),
    /// Name, value, and whether it is a secret.
    Form(Vec<(String, String, bool)>),
    Text(String),
}

/// The width of a terminal, and of a comment.
const WIDTH: usize = 80;

impl Flow {
    /// The same flow, whose steps stand in the recording where those of `other` do.
    pub(super) fn with_roles_of(self, other: &Self) -> Self {
        Self {
            roles: other.roles.clone(),
            ..self
        }
    }

    /// The part of the file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for open in &self.open {
            let line = format!("not inferred: {open}");
            for line in lines(&printable(&line), WIDTH - 2) {
                let _ = writeln!(text, "# {line}");
            }
        }
        text.push_str("[session]\n");
        match &self.value {
            Some(value) => line(&mut text, "value", &quoted(value)),
            None => text.push_str("# value = \"/visits\"\n"),
        }
        if self.adds_entries {
            line(&mut text, "writes", "\"list\"");
        }
        match &self.identity {
            Some((at, name)) => {
                let identity = format!("{{ at = {}, name = {} }}", quoted(at), quoted(name));
                line(&mut text, "identity", &identity);
            }
            None => text.push_str("# identity = { at = \"/user\", name = \"u{{ session }}\" }\n"),
        }
        match &self.logged_out_page {
            Some(page) => {
                let page = format!("{{ headers = {{ location = {} }} }}", quoted(page));
                line(&mut text, "logged_out_page", &page);
            }
            None => text.push_str(
                "# logged_out_page = { headers = { location = \"/login\" } }   # if logged-out users get no 401 or 403\n",
            ),
        }
        let fallback = DraftRequest {
            request: "GET /".to_owned(),
            ..DraftRequest::default()
        };
        let check = self.check.as_ref().unwrap_or(&fallback);
        if self.act.is_none() {
            line(&mut text, "mix", "{ act = 0, check = 100 }");
        }
        for page in &self.pages {
            page.write(&mut text, &format!("step.{}", page.name));
        }
        self.login.write(&mut text, "login");
        self.act.as_ref().unwrap_or(check).write(&mut text, "act");
        check.write(&mut text, "check");
        if let Some(logout) = &self.logout {
            logout.write(&mut text, "logout");
        }
        text
    }

    /// What was taken for what, and what is open, for a terminal.
    pub(super) fn tell(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, found) in &self.told {
            lines.extend(item(what, found));
        }
        for open in &self.open {
            lines.extend(item("open", open));
        }
        lines
    }
}

/// A line with its label, folded at the width of a terminal.
pub(super) fn item(label: &str, text: &str) -> Vec<String> {
    const LABEL: usize = 12;
    let lines = lines(&printable(text), WIDTH - LABEL - 2)
        .into_iter()
        .enumerate();
    let labelled = lines.map(|(number, line)| match number {
        0 => format!("  {label:<LABEL$}{line}"),
        _ => format!("  {:<LABEL$}{line}", ""),
    });
    labelled.collect()
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

/// A table of texts, of which some may be secret.
fn table(fields: impl Iterator<Item = (String, String, bool)>) -> String {
    let fields = fields.map(|(name, value, is_secret)| match is_secret {
        true => format!(
            "{} = {{ value = {}, secret = true }}",
            key(&name),
            quoted(&value)
        ),
        false => format!("{} = {}", key(&name), quoted(&value)),
    });
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl DraftRequest {
    fn write(&self, text: &mut String, name: &str) {
        let _ = writeln!(text, "\n[session.{name}]");
        let pairs = |pairs: &[(String, String)]| {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(name, value)| (name.clone(), value.clone(), false))
                .collect();
            table(pairs.into_iter())
        };
        if !self.before.is_empty() {
            let names: Vec<String> = self.before.iter().map(|name| quoted(name)).collect();
            line(text, "before", &format!("[{}]", names.join(", ")));
        }
        line(text, "request", &quoted(&self.request));
        if !self.headers.is_empty() {
            line(text, "headers", &table(self.headers.iter().cloned()));
        }
        match &self.content {
            None => {}
            Some(Content::Form(fields)) => line(text, "form", &table(fields.iter().cloned())),
            Some(Content::Text(body)) => line(text, "text", &quoted(body)),
            // TOML has no null; a text is taken as JSON.
            Some(Content::Json(json)) => {
                let value = toml::Value::try_from(json).ok();
                let value = value.filter(|value| value.is_table() || value.is_array());
                let value = value.unwrap_or_else(|| toml::Value::from(json.to_string()));
                line(text, "json", &value.to_string());
            }
        }
        if self.follow > 0 {
            line(text, "follow", &self.follow.to_string());
        }
        if let Some(status) = self.status {
            line(text, "expect", &format!("{{ status = {status} }}"));
        }
        if !self.capture.is_empty() {
            line(text, "capture", &pairs(&self.capture));
        }
    }
}
