//! What users do: requests as templates, and how a session looks from outside.
//!
//! Paths, headers and bodies are templates (minijinja); see `METHOD.md` for the names that they may use.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dialect, Extract};

/// The operations of each user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Users with sessions: log in, change state, look, log out.
    Sessions(Box<SessionFlow>),
    /// No sessions: each operation is this request, correct when its reply is as expected.
    Stateless(Box<Request>),
}

/// How a session looks from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionFlow {
    /// Begins a session; its acknowledgement is where the session counts from.
    pub login: Request,
    /// An acknowledged change of state.
    pub act: Request,
    /// Reads the state and changes nothing.
    pub check: Request,
    /// Ends the session, where the server can do that.
    pub logout: Option<Request>,
    /// Requests a page that is the same for all users. Its reply is not part of the session.
    #[serde(default)]
    pub browse: Option<Request>,
    /// Further requests by name, sent by the steps that name them in `before`.
    pub more: BTreeMap<String, Request>,
    /// Where `act` and `check` show the state, unless a step says otherwise.
    pub value: Option<Extract>,
    /// What `act` changes, and so how `check` is read.
    pub writes: Writes,
    /// The place of the user's name in every reply, and the expected name of client n.
    pub identity: Option<Identity>,
    /// How a page for somebody who is not logged in looks, where it is a 2xx or a redirect.
    #[serde(alias = "stranger")]
    pub logged_out_page: Option<Expect>,
    /// How often each step comes up, in shares of their sum.
    pub mix: Mix,
}

/// How `act` changes the state, and so how the state is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// Adds one to a counter, which `act` and `check` show.
    #[default]
    Counter,
    /// Adds its own value `{{ write }}` to a set, which `check` shows. Lost and phantom writes can be distinguished.
    Set,
    /// Appends its own value `{{ write }}` to a list, which `check` shows. Duplicated writes can be distinguished, too.
    List,
}

/// Who the server believes the user to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Where the name is.
    pub at: Extract,
    /// The name expected, a template.
    pub name: String,
}

/// How often each step comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Share of acknowledged changes.
    pub act: u32,
    /// Share of looks.
    pub check: u32,
    /// Share of logouts, each followed by a login.
    pub logout: u32,
    /// The share of requests of pages that are the same for all users.
    #[serde(default)]
    pub browse: u32,
}

/// A request, and what its reply must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The sent request.
    pub call: Call,
    /// Names of further requests sent first, in this order, within the same operation.
    pub before: Vec<String>,
    /// How many redirects are followed, as a browser would; the last reply counts.
    pub follow: u32,
    /// Conditions on a correct reply.
    pub expect: Expect,
    /// Values taken from the reply, by the names that later templates use.
    pub capture: BTreeMap<String, Extract>,
    /// Where this reply shows the state; else where the session's `value` says.
    pub value: Option<Extract>,
}

/// The sent request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// An HTTP request.
    Http {
        /// `GET`, `POST`, …
        method: String,
        /// Path and query, a template.
        path: String,
        /// Header names and templates of their values.
        headers: BTreeMap<String, String>,
        /// The body, if there is one.
        body: Option<Body>,
    },
    /// A command of a protocol without paths and headers.
    #[serde(untagged)]
    Command(Command),
}

/// A command. It is stored as its dialect with its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    into = "BTreeMap<Dialect, Vec<String>>",
    try_from = "BTreeMap<Dialect, Vec<String>>"
)]
pub struct Command {
    /// Which protocol it belongs to.
    pub dialect: Dialect,
    /// Its name and arguments, each a template.
    pub words: Vec<String>,
}

impl From<Command> for BTreeMap<Dialect, Vec<String>> {
    fn from(command: Command) -> Self {
        Self::from([(command.dialect, command.words)])
    }
}

impl TryFrom<BTreeMap<Dialect, Vec<String>>> for Command {
    type Error = &'static str;

    fn try_from(stored: BTreeMap<Dialect, Vec<String>>) -> Result<Self, Self::Error> {
        let mut stored = stored.into_iter();
        match (stored.next(), stored.next()) {
            (Some((dialect, words)), None) => Ok(Self { dialect, words }),
            _ => Err("a call is one command"),
        }
    }
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A template of JSON.
    Json(String),
    /// Names and templates of their values, sent as `application/x-www-form-urlencoded`.
    Form(BTreeMap<String, String>),
    /// A template of anything; its type goes into `headers`.
    Text(String),
}

/// Conditions on a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// Status codes; without any, every 2xx (for the logged-out page: any).
    pub status: Vec<StatusRange>,
    /// Text the body must contain, a template.
    pub body: Option<String>,
    /// Headers that must be there, each with text its value must contain, a template.
    pub headers: BTreeMap<String, String>,
}

/// Status codes from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl StatusRange {
    /// Whether a status is among them.
    pub const fn contains(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

/// `200`, `2xx` or `200 to 204`.
impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        match (first % 100, last.saturating_sub(first)) {
            (_, 0) => write!(f, "{first}"),
            (0, 99) => write!(f, "{}xx", first / 100),
            _ => write!(f, "{first} to {last}"),
        }
    }
}

impl Expect {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Request {
    /// An HTTP request without headers and body, correct when it is answered with a 2xx.
    pub fn new(method: &str, path: &str) -> Self {
        Self::of(Call::Http {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: BTreeMap::new(),
            body: None,
        })
    }

    /// A request about which nothing more is said.
    pub const fn of(call: Call) -> Self {
        Self {
            call,
            before: Vec::new(),
            follow: 0,
            expect: Expect {
                status: Vec::new(),
                body: None,
                headers: BTreeMap::new(),
            },
            capture: BTreeMap::new(),
            value: None,
        }
    }

    /// The same HTTP request with a body of JSON.
    #[must_use]
    pub fn with_json(mut self, json: &str) -> Self {
        if let Call::Http { body, .. } = &mut self.call {
            *body = Some(Body::Json(json.to_owned()));
        }
        self
    }
}

impl SessionFlow {
    /// The share of the load's operations that are changes; none where it makes none.
    pub fn share_of_acts(&self) -> Option<f64> {
        let Mix {
            act,
            check,
            logout,
            browse,
        } = self.mix;
        let logout = self.logout.as_ref().map_or(0, |_| logout);
        let browse = self.browse.as_ref().map_or(0, |_| browse);
        let all: u64 = [act, check, logout, browse].map(u64::from).iter().sum();
        (act > 0).then(|| f64::from(act) / all as f64)
    }

    /// The flow of the reference servers' contract: a user with a counter.
    pub fn reference() -> Self {
        Self {
            login: Request::new("POST", "/login").with_json(r#"{"user":"u{{ session }}"}"#),
            act: Request::new("POST", "/visit"),
            check: Request::new("GET", "/me"),
            logout: Some(Request::new("POST", "/logout")),
            browse: None,
            more: BTreeMap::new(),
            value: Some(Extract::Pointer("/visits".to_owned())),
            writes: Writes::Counter,
            identity: Some(Identity {
                at: Extract::Pointer("/user".to_owned()),
                name: "u{{ session }}".to_owned(),
            }),
            logged_out_page: None,
            mix: Mix {
                act: 70,
                check: 28,
                logout: 2,
                browse: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_stored_under_the_name_of_its_dialect() {
        let command = Call::Command(Command {
            dialect: Dialect::Redis,
            words: vec!["PING".to_owned()],
        });
        let stored = serde_json::json!({ "redis": ["PING"] });
        assert_eq!(serde_json::to_value(&command).ok(), Some(stored.clone()));
        assert_eq!(serde_json::from_value::<Call>(stored).ok(), Some(command));
        let http = Request::new("GET", "/").call;
        let stored = serde_json::to_value(&http).expect("a call");
        assert_eq!(serde_json::from_value::<Call>(stored).ok(), Some(http));
        for wrong in ["{}", r#"{"telnet": ["a"]}"#, r#"{"redis": "a"}"#] {
            assert!(serde_json::from_str::<Call>(wrong).is_err(), "{wrong}");
        }
    }
}
