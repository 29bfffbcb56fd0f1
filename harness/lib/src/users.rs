//! The users of an experiment: their load, and the description of a session.

use std::time::Duration;

use comeback_model::plan::Writes;

use super::builder::span;
use super::{Experiment, Step};
use comeback_experiment::document::{ExpectPart, IdentityPart, RatePart, SessionPart, StepPart};

/// The users.
impl Experiment {
    /// The request of users without sessions. Default: `GET /`, if there is no session either.
    pub fn operation(mut self, request: impl Into<Step>) -> Self {
        self.document.operation = Some(self.take("operation", request.into()));
        self
    }

    /// Begins a session. A session has [`login`](Self::login), [`act`](Self::act), [`check`](Self::check) and
    /// [`value`](Self::value).
    pub fn login(mut self, request: impl Into<Step>) -> Self {
        self.session().login = self.take("login", request.into());
        self
    }

    /// Changes a session's state. It adds one to a counter, or does what [`writes`](Self::writes) says.
    pub fn act(mut self, request: impl Into<Step>) -> Self {
        self.session().act = self.take("act", request.into());
        self
    }

    /// Shows a session's state, and changes nothing.
    pub fn check(mut self, request: impl Into<Step>) -> Self {
        self.session().check = self.take("check", request.into());
        self
    }

    /// Ends a session.
    pub fn logout(mut self, request: impl Into<Step>) -> Self {
        self.session().logout = Some(self.take("logout", request.into()));
        self
    }

    /// A further request of a session. Steps that name it in [`Step::before`] send it.
    pub fn step(mut self, name: impl Into<String>, request: impl Into<Step>) -> Self {
        let name = name.into();
        let part = self.take(&name, request.into());
        self.session().step.insert(name, part);
        self
    }

    /// Where `check` (and `act`, if it does) shows the state: a JSON pointer (`/visits`), a JSONPath (`$.items[*]`),
    /// `header:NAME`, `cookie:NAME`, `regex:PATTERN` or `body`.
    pub fn value(mut self, place: &str) -> Self {
        match place.parse() {
            Ok(place) => self.session().value = Some(place),
            Err(error) => self.problems.push(format!("value: {error}")),
        }
        self
    }

    /// How `act` changes the state. With a set or a list, each act carries its own `{{ write }}`. Default: a counter.
    pub fn writes(mut self, writes: Writes) -> Self {
        self.session().writes = writes;
        self
    }

    /// Where replies name the user, and the expected name: `("/user", "u{{ session }}")`.
    pub fn identity(mut self, place: &str, name: impl Into<String>) -> Self {
        match place.parse() {
            Ok(at) => {
                let name = name.into();
                self.session().identity = Some(IdentityPart { at, name });
            }
            Err(error) => self.problems.push(format!("identity: {error}")),
        }
        self
    }

    /// Text of the page for a user who is not logged in, if it is neither a 401 nor a 403.
    pub fn logged_out_page(mut self, text: impl Into<String>) -> Self {
        self.session().logged_out_page = Some(ExpectPart {
            body: Some(text.into()),
            ..ExpectPart::default()
        });
        self
    }

    /// Users at a time, each with a session and a connection. Default: 50.
    pub fn sessions(mut self, users: u32) -> Self {
        self.document.load.sessions = Some(users);
        self
    }

    /// Operations per second of all users together. Default: 200.
    pub fn rate(mut self, per_second: f64) -> Self {
        self.document.load.rate = Some(RatePart::PerSecond(per_second));
        self
    }

    /// The rate is measured before the first trial: half of what the server bears is offered, from 5 to 200. Of several arms,
    /// the slowest decides.
    pub fn rate_auto(mut self) -> Self {
        self.document.load.rate = Some(RatePart::Auto);
        self
    }

    /// How long an operation may take, and how late it may start. Default: 2 s.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.document.load.timeout = Some(span(time));
        self
    }

    /// The session. Steps that were not set yet are blank.
    fn session(&mut self) -> &mut SessionPart {
        self.document.session.get_or_insert_default()
    }

    fn take(&mut self, name: &str, step: Step) -> StepPart {
        let problems = step.problems.iter();
        let named = problems.map(|problem| format!("{name}: {problem}"));
        self.problems.extend(named);
        step.part
    }
}
