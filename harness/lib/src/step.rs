//! A request of the users, and what its reply must be.

use comeback_model::plan::StatusRange;

use comeback_experiment::document::{StepPart, Text};

/// A request and its expected reply: `POST /login {"user":"u{{ session }}"}`, with a body that is JSON, a form
/// (`a=1&b=2`) or text. With the Redis protocol it is a command, `INCR n:{{ session }}`.
///
/// Every text is a template: `{{ session }}` is the number of the user, `{{ login }}` counts its logins, `{{ random }}` is
/// random, `{{ write }}` is the value that an act writes. Captured names can be used, too.
///
/// A text alone is a step, too: `"GET /me"`.
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
    /// Problems with its texts.
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

    /// Sends a text unchanged.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        self.part.text = Some(body.into());
        self
    }

    /// A correct reply has this status. Further calls allow further ones. Default: any 2xx.
    pub fn expect_status(mut self, status: u16) -> Self {
        if (100..=599).contains(&status) {
            let statuses = self.part.expect.status.get_or_insert_default();
            statuses.0.push(StatusRange {
                first: status,
                last: status,
            });
        } else {
            self.problems.push(format!(
                "{status} is not an HTTP status: give a number from 100 to 599"
            ));
        }
        self
    }

    /// The body of a correct reply contains this text.
    pub fn expect_body(mut self, text: impl Into<String>) -> Self {
        self.part.expect.body = Some(text.into());
        self
    }

    /// A correct reply has this header, and its value contains this text.
    pub fn expect_header(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let headers = &mut self.part.expect.headers;
        headers.insert(name.into(), Text::new(text));
        self
    }

    /// Takes a value from the reply, for later templates to use by this name. The place is a JSON pointer (`/csrf`), a
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

    /// Sends another step first, within the same operation. Further calls add further ones. See
    /// [`Experiment::step`](crate::Experiment::step).
    pub fn before(mut self, name: impl Into<String>) -> Self {
        self.part.before.push(name.into());
        self
    }

    /// Follows this many redirects. The last reply counts. Default: none.
    pub fn follow(mut self, redirects: u32) -> Self {
        self.part.follow = redirects;
        self
    }

    /// Where the reply of this step shows the state. Default: [`Experiment::value`](crate::Experiment::value).
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
