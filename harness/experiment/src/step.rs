//! A request and its expected reply: the keys, and how they become part of a plan.

use std::collections::BTreeMap;

use comeback_model::plan::{Body, Call, Dialect, Expect, Extract, Protocol, Request};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use super::json::to_template;
use super::problem::PartProblem;
use super::request::{parse_command, parse_request};
use super::scalar::{Statuses, Text};
use super::table::{Part, Unwritable};

/// A request and its expected reply. Texts are templates: `{{ session }}` is the number of the user, `{{ login }}` counts its
/// logins, `{{ random }}` is random, `{{ write }}` is the value that an act writes. Captured names can be used, too.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepPart {
    /// Method and path, such as `POST /login`. With `protocol = "redis"`, a command such as `INCR n:{{ session }}`.
    pub request: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body as JSON: a table or list whose texts are templates, or one text that is a template of JSON.
    #[schemars(with = "Option<serde_json::Value>")]
    pub json: Option<Value>,
    /// The body as a form.
    pub form: Option<BTreeMap<String, Text>>,
    /// The body as text.
    pub text: Option<String>,
    /// The correct reply. Default: any 2xx.
    #[serde(default)]
    pub expect: ExpectPart,
    /// Values taken from the reply, by the names that later templates use.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub capture: BTreeMap<String, Extract>,
    /// Names of steps that are sent before this one, within the same operation.
    #[serde(default)]
    pub before: Vec<String>,
    /// How many redirects are followed. The last reply counts. Default: 0.
    #[serde(default)]
    pub follow: u32,
    /// Where this reply shows the state. Default: the `value` of the session.
    #[schemars(with = "Option<String>")]
    pub value: Option<Extract>,
}

/// Conditions on a reply.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectPart {
    /// A status such as 200, a class such as `"2xx"`, or a list of them.
    pub status: Option<Statuses>,
    /// Text that the body must contain, a template.
    pub body: Option<String>,
    /// Headers that must be present, each with text that its value must contain, a template.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
}

impl StepPart {
    /// A request with nothing but its line.
    pub fn new(request: impl Into<String>) -> Self {
        Self {
            request: request.into(),
            ..Self::default()
        }
    }

    pub(super) fn to_request(&self, protocol: Protocol) -> Result<Request, PartProblem> {
        let invalid = |part, what: String| (vec![part], what);
        let request = match protocol.dialect() {
            Some(dialect) => self.to_command(dialect)?,
            None => {
                let mut request =
                    parse_request(&self.request).map_err(|what| invalid("request", what))?;
                self.add_to(&mut request.call)?;
                request
            }
        };
        Ok(Request {
            before: self.before.clone(),
            follow: self.follow,
            expect: self.expect.to_expect(),
            capture: self.capture.clone(),
            value: self.value.clone(),
            ..request
        })
    }

    fn to_command(&self, dialect: Dialect) -> Result<Request, PartProblem> {
        let has_http = self.json.is_some() || self.form.is_some() || self.text.is_some();
        if has_http || !self.headers.is_empty() {
            let name = dialect.spec().name;
            let what = format!("a {name} command has no headers and no body: write all of it here");
            return Err((vec!["request"], what));
        }
        Ok(parse_command(dialect, &self.request))
    }

    /// Headers and body of an HTTP request.
    fn add_to(&self, call: &mut Call) -> Result<(), PartProblem> {
        let Call::Http { headers, body, .. } = call else {
            return Ok(());
        };
        *headers = texts(&self.headers);
        let mut bodies: Vec<(&'static str, Body)> = Vec::new();
        bodies.extend(body.take().map(|body| ("request", body)));
        let json = self.json.as_ref().map(to_template).map(Body::Json);
        bodies.extend(json.map(|body| ("json", body)));
        let form = self.form.as_ref().map(texts).map(Body::Form);
        bodies.extend(form.map(|body| ("form", body)));
        let text = self.text.clone().map(Body::Text);
        bodies.extend(text.map(|body| ("text", body)));
        if let [(first, _), (second, _), ..] = bodies.as_slice() {
            let what = format!("a request has one body, and {first} already gives one");
            return Err((vec![*second], what));
        }
        *body = bodies.pop().map(|(_, body)| body);
        Ok(())
    }
}

impl ExpectPart {
    pub(super) fn to_expect(&self) -> Expect {
        Expect {
            status: self
                .status
                .as_ref()
                .map(|statuses| statuses.0.clone())
                .unwrap_or_default(),
            body: self.body.clone(),
            headers: texts(&self.headers),
        }
    }
}

fn texts(from: &BTreeMap<String, Text>) -> BTreeMap<String, String> {
    let texts = from.iter();
    texts
        .map(|(name, text)| (name.clone(), text.text.clone()))
        .collect()
}

/// The way back from a plan.
pub(super) fn table(request: &Request) -> Result<Table, Unwritable> {
    let mut part = Part::default();
    match &request.call {
        Call::Http {
            method,
            path,
            headers,
            body,
        } => {
            part.put("request", format!("{method} {path}"))?;
            part.put_some_texts("headers", headers)?;
            match body {
                Some(Body::Json(template)) => part.put("json", template)?,
                Some(Body::Form(fields)) => part.put("form", fields)?,
                Some(Body::Text(template)) => part.put("text", template)?,
                None => {}
            }
        }
        Call::Command(command) => part.put("request", command.words.join(" "))?,
    }
    part.put("before", &request.before)?;
    part.put("follow", request.follow)?;
    part.put("expect", expected(&request.expect)?)?;
    part.put_some_texts("capture", &request.capture)?;
    part.put_some("value", request.value.as_ref())?;
    Ok(part.0)
}

/// The way back from a plan.
pub(super) fn expected(expect: &Expect) -> Result<Table, Unwritable> {
    let mut part = Part::default();
    let statuses = expect.status.iter().map(|range| match range.first {
        first if first == range.last => Value::from(i64::from(first)),
        _ => Value::from(range.to_string()),
    });
    let statuses: Vec<Value> = statuses.collect();
    if !statuses.is_empty() {
        part.put("status", statuses)?;
    }
    part.put_some("body", expect.body.as_ref())?;
    part.put_some_texts("headers", &expect.headers)?;
    Ok(part.0)
}
