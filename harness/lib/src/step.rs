//! A request of the users, and what its reply must be.

use comeback_model::plan::StatusRange;

use comeback_experiment::document::{StepPart, Text};

/// A request, and what its reply must be: `POST /login {"user":"u{{ session }}"}`, with a body that is JSON, a form
/// (`a=1&b=2`) or text; with the Redis protocol a command, `INCR n:{{ session }}`.
///
/// Every text is a template: `{{ session }}` is the user's number, `{{ login }}` counts its logins, `{{ random }}` is
/// random, `{{ write }}` the value that an act writes; beside them whatever was captured.
///
/// A text alone is a step too: wherever one is wanted, `"GET /me"` does.
///
/// ```
/// let login = comeback::Step::new("POST /login")
///     .form([("user", "u{{ session }}"), ("csrf", "{{ csrf }}")])
///     .before("form")
///     .expect_status(303);
/// # let _ = login;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a step does nothing until an experiment has it"]
pub struct Step {
    pub(super) part: StepPart,
    /// What is wrong with its texts.
    pub(super) problems: Vec<String>,
}

impl Step {
    /// A request such as `POST /login`.
    pub fn new(request: impl Into<String>) -> Self {
        Self {
            part: StepPart::new(request),
            problems: Vec::new(),
        }
    }

    /// Sends a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.part.headers.insert(name.into(), Text::new(value));
        self
    }

    /// Sends JSON, written as text.
    pub fn json(mut self, body: impl Into<String>) -> Self {
        self.part.json = Some(toml::Value::String(body.into()));
        self
    }

    /// Sends a form.
    pub fn form<N: Into<String>, V: Into<String>>(
        mut self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| (name.into(), Text::new(value)));
        self.part.form = Some(fields.collect());
        self
    }

    /// Sends a text as it stands.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        self.part.text = Some(body.into());
        self
    }

    /// A correct reply has this status; called again, this one too. Any 2xx when nothing is said.
    pub fn expect_status(mut self, status: u16) -> Self {
        if (100..=599).contains(&status) {
            let statuses = self.part.expect.status.get_or_insert_default();
            statuses.0.push(StatusRange {
                first: status,
                last: status,
            });
        } else {
            self.problems.push(format!("{status} is no HTTP status"));
        }
        self
    }

    /// A correct reply's body holds this text.
    pub fn expect_body(mut self, text: impl Into<String>) -> Self {
        self.part.expect.body = Some(text.into());
        self
    }

    /// A correct reply has this header, and its value holds this text.
    pub fn expect_header(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let headers = &mut self.part.expect.headers;
        headers.insert(name.into(), Text::new(text));
        self
    }

    /// Keeps something of the reply by a name that later templates use. The place is a JSON pointer (`/csrf`), a
    /// JSONPath (`$.items[*]`), `header:NAME`, `cookie:NAME`, `regex:PATTERN` or `body`.
    pub fn capture(mut self, name: impl Into<String>, place: &str) -> Self {
        let name = name.into();
        match place.parse() {
            Ok(place) => {
                self.part.capture.insert(name, place);
            }
            Err(error) => self.problems.push(format!("capture {name}: {error}")),
        }
        self
    }

    /// Sends another step first, within the same operation; called again, that one too. See
    /// [`Experiment::step`](crate::Experiment::step).
    pub fn before(mut self, name: impl Into<String>) -> Self {
        self.part.before.push(name.into());
        self
    }

    /// Follows so many redirects; the last reply counts. None when nothing is said.
    pub fn follow(mut self, redirects: u32) -> Self {
        self.part.follow = redirects;
        self
    }

    /// Where this step's reply shows the state, if elsewhere than [`Experiment::value`](crate::Experiment::value) says.
    pub fn value(mut self, place: &str) -> Self {
        match place.parse() {
            Ok(place) => self.part.value = Some(place),
            Err(error) => self.problems.push(format!("value: {error}")),
        }
        self
    }
}

impl From<&str> for Step {
    fn from(request: &str) -> Self {
        Self::new(request)
    }
}

impl From<String> for Step {
    fn from(request: String) -> Self {
        Self::new(request)
    }
}
