//! A session from outside: the request of each step, and the meaning of its reply.
//!
//! Pure: bytes in, meaning out. The oracle is here: it knows the possible states of the session. A step may take several
//! requests: those it names in `before`, its own, and the redirects it follows. Together they are one operation, which a [`Turn`]
//! tracks.

mod classify;
mod explain;
mod known;
mod place;
mod session;
mod shown;
mod step;
mod template;
#[cfg(test)]
mod tests;
mod user;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use comeback_model::operation::{ErrorClass, Outcome, ShownWrites, Step};
use comeback_model::plan::{Request, SessionFlow, Workload, Writes};

use self::place::Place;
use self::step::{Compiler, Expected, Extra, Redirect};
use self::template::{Templates, Values};

pub use self::classify::may_mean_the_same;
pub use self::known::{Known, PageOf};
pub use self::session::Session;
pub use self::shown::Shown;
pub use self::template::BUILT_IN;
pub use self::user::{User, Users};

/// A workload, made ready for a target.
#[derive(Debug)]
pub struct Flow {
    /// What requests give as their host.
    host: String,
    templates: Templates,
    /// All requests: the steps', then the further ones.
    requests: Vec<step::CompiledRequest>,
    steps: Steps,
    session: Option<SessionRules>,
    /// Acts carry an idempotency key.
    keyed: bool,
    /// Users act.
    acts: bool,
    /// The users of the run; unknown where whoever asks does not say.
    users: Option<Users>,
    /// Whether replies had a body so far, where there are no sessions.
    known: Known,
}

/// Where the steps' requests are.
#[derive(Clone, Copy, Debug)]
struct Steps {
    login: Option<usize>,
    act: Option<usize>,
    check: usize,
    logout: Option<usize>,
    browse: Option<usize>,
}

/// How replies within a session are read.
#[derive(Debug)]
struct SessionRules {
    value: Option<Place>,
    writes: Writes,
    identity: Option<(Place, template::Text)>,
    logged_out_page: Option<Expected>,
    /// Whether the server gives known sessions new cookies, once that was seen.
    renews_at_act: Cell<Option<bool>>,
    renews_at_check: Cell<Option<bool>>,
    /// Whether the reply to a change ever showed the counter.
    act_shows: Cell<bool>,
    /// Whether the reply to a logout ever named its user.
    goodbye_names: Cell<bool>,
}

/// The part of a workload that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// The request of users without sessions.
    Operation,
    /// The session as a whole.
    Session,
    /// A step of the session that has a name of its own.
    Login,
    /// The same.
    Act,
    /// The same.
    Check,
    /// The same.
    Logout,
    /// The same.
    Browse,
    /// A further step, by the name that the user gave it.
    Further(String),
}

/// A flow that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The step.
    pub of: Of,
    /// The path of the key in it, such as `["headers", "accept"]`. The last names may be the user's, so they may hold dots.
    pub part: Vec<String>,
    /// The problem.
    pub problem: String,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operation => "request",
            Self::Session => "session",
            Self::Login => "login",
            Self::Act => "act",
            Self::Check => "check",
            Self::Logout => "logout",
            Self::Browse => "browse",
            Self::Further(name) => name,
        })
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.of, self.part.join("."), self.problem)
    }
}

impl std::error::Error for FlowError {}

/// A template that the engine could not fill in.
#[derive(Debug)]
pub struct Unwritable(minijinja::Error);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a request's template failed: {}", self.0)
    }
}

impl std::error::Error for Unwritable {}

/// An operation under way: which of its requests is next.
#[derive(Clone, Debug)]
pub struct Turn {
    step: Step,
    /// Requests still to be sent, the last first.
    left: Vec<usize>,
    /// Redirects that may still be followed.
    redirects: u32,
    redirect: Option<Redirect>,
    /// The path that was asked for last, where a redirect may say its own relative to it.
    asked: Option<String>,
    /// The number of the write it carries; of an act only.
    write: Option<u32>,
    /// Which of its requests was answered wrongly, and which rule the reply broke.
    broke: Option<(usize, classify::Why)>,
}

/// The next action after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another request of the same operation.
    Again,
    /// The operation is over.
    Done(ReplyMeaning),
}

/// The meaning of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyMeaning {
    /// Whether the operation took effect.
    pub outcome: Outcome,
    /// The problem of the reply.
    pub error: Option<ErrorClass>,
    /// The counter it gave.
    pub value: Option<u64>,
    /// The writes it showed.
    pub found: Option<Box<ShownWrites>>,
}

impl ReplyMeaning {
    /// An operation that failed.
    pub const fn failed(outcome: Outcome, class: ErrorClass) -> Self {
        Self {
            outcome,
            error: Some(class),
            value: None,
            found: None,
        }
    }

    const fn acknowledged(value: Option<u64>) -> Self {
        Self {
            outcome: Outcome::Acknowledged,
            error: None,
            value,
            found: None,
        }
    }
}

impl Flow {
    /// The same, sent to another address than 127.0.0.1.
    #[must_use]
    pub fn sent_to(mut self, address: SocketAddr) -> Self {
        self.host = address.to_string();
        self
    }

    /// Makes a workload's requests ready to be sent to `port` of 127.0.0.1.
    ///
    /// # Errors
    /// If a template, a place or a pattern of it is none, or a step names another that is not there.
    pub fn new(workload: &Workload, port: u16) -> Result<Self, FlowError> {
        let mut flow = Self {
            host: format!("127.0.0.1:{port}"),
            templates: Templates::new(),
            requests: Vec::new(),
            steps: Steps {
                login: None,
                act: None,
                check: 0,
                logout: None,
                browse: None,
            },
            session: None,
            keyed: false,
            acts: false,
            users: None,
            known: Known::default(),
        };
        match workload {
            Workload::Stateless(request) => {
                flow.steps.check = flow.add(Of::Operation, request, &BTreeMap::new(), &[])?;
            }
            Workload::Sessions(session) => flow.add_session(session)?,
        }
        Ok(flow)
    }

    /// Gives each act its own `Idempotency-Key`, the same in all its tries.
    #[must_use]
    pub fn with_idempotency_keys(self, keyed: bool) -> Self {
        Self { keyed, ..self }
    }

    /// Takes the names of these users alone for those of the run. Without it any number that a name may have is one of its users'.
    #[must_use]
    pub fn among(self, users: Users) -> Self {
        let users = Some(users);
        Self { users, ..self }
    }

    /// Judges the bodies of pages and the names of users by what is known of them, and adds to it. Without it nobody else learns from
    /// them.
    #[must_use]
    pub fn knowing(self, known: Known) -> Self {
        Self { known, ..self }
    }

    fn add_session(&mut self, flow: &SessionFlow) -> Result<(), FlowError> {
        self.acts = flow.mix.act > 0;
        let mut places = BTreeMap::new();
        for (name, request) in &flow.more {
            if let Some(further) = request.before.first() {
                return Err(FlowError {
                    of: Of::Further(name.clone()),
                    part: vec!["before".to_owned()],
                    problem: format!(
                        "a further step cannot name another one ('{further}'): name both in the before of the step that needs them"
                    ),
                });
            }
            // The names that it may use depend on the step that sends it: steps before the login have no captured values yet.
            let for_login = flow.login.before.contains(name);
            let known = if for_login {
                captured_before(flow, &flow.login, name)
            } else {
                all_captured(flow)
            };
            places.insert(
                name.clone(),
                self.add(Of::Further(name.clone()), request, &BTreeMap::new(), &known)?,
            );
        }
        let at_login = captured_before(flow, &flow.login, "");
        self.steps.login = Some(self.add(Of::Login, &flow.login, &places, &at_login)?);
        let mut within = at_login;
        within.extend(flow.login.capture.keys().cloned());
        let known = |request: &Request| {
            let mut known = within.clone();
            known.extend(captured_before(flow, request, ""));
            known
        };
        self.steps.act = Some(self.add(Of::Act, &flow.act, &places, &known(&flow.act))?);
        self.steps.check = self.add(Of::Check, &flow.check, &places, &known(&flow.check))?;
        if let Some(logout) = &flow.logout {
            self.steps.logout = Some(self.add(Of::Logout, logout, &places, &known(logout))?);
        }
        if let Some(browse) = &flow.browse {
            // Who has no session browses, too: nothing was captured for him.
            self.steps.browse = Some(self.add(Of::Browse, browse, &places, &[])?);
        }
        self.session = Some(self.session_rules(flow, &within)?);
        Ok(())
    }

    fn session_rules(
        &mut self,
        flow: &SessionFlow,
        known: &[String],
    ) -> Result<SessionRules, FlowError> {
        let place = |part: &[&str], extract| {
            Place::new(extract).map_err(|problem| FlowError {
                of: Of::Session,
                part: part.iter().map(|key| (*key).to_owned()).collect(),
                problem,
            })
        };
        let value = flow
            .value
            .as_ref()
            .map(|at| place(&["value"], at))
            .transpose()?;
        let mut compiler = Compiler {
            templates: &mut self.templates,
            of: Of::Session,
            known,
        };
        let identity = match &flow.identity {
            None => None,
            Some(identity) => {
                let at = place(&["identity", "at"], &identity.at)?;
                let name =
                    compiler.text(&["identity", "name"], &identity.name, template::Into::Text)?;
                Some((at, name))
            }
        };
        let logged_out_page = flow
            .logged_out_page
            .as_ref()
            .filter(|page| !page.is_empty());
        Ok(SessionRules {
            value,
            writes: flow.writes,
            identity,
            logged_out_page: logged_out_page
                .map(|page| compiler.expect(&["logged_out_page"], page))
                .transpose()?,
            renews_at_act: Cell::new(None),
            renews_at_check: Cell::new(None),
            act_shows: Cell::new(false),
            goodbye_names: Cell::new(false),
        })
    }

    /// Compiles a request; its place.
    fn add(
        &mut self,
        of: Of,
        request: &Request,
        places: &BTreeMap<String, usize>,
        known: &[String],
    ) -> Result<usize, FlowError> {
        let before = request
            .before
            .iter()
            .map(|further| {
                places.get(further).copied().ok_or_else(|| FlowError {
                    of: of.clone(),
                    part: vec!["before".to_owned()],
                    problem: format!("there is no step '{further}': describe it as [session.step.{further}], or correct the name"),
                })
            })
            .collect::<Result<_, _>>()?;
        let mut compiler = Compiler {
            templates: &mut self.templates,
            of,
            known,
        };
        let step = compiler.step(request, before)?;
        self.requests.push(step);
        Ok(self.requests.len() - 1)
    }

    /// Whether clients log in.
    pub const fn has_sessions(&self) -> bool {
        self.session.is_some()
    }

    /// Whether replies name their users.
    pub fn names_users(&self) -> bool {
        let rules = self.session.as_ref();
        rules.is_some_and(|rules| rules.identity.is_some())
    }

    /// Whether users log out.
    pub const fn has_logout(&self) -> bool {
        self.steps.logout.is_some()
    }

    /// The response headers, in lower case, that replies are looked at for.
    pub fn headers(&self) -> Vec<String> {
        let rules = self.session.as_ref();
        let identity = rules
            .and_then(|rules| rules.identity.as_ref())
            .map(|(at, _)| at);
        let value = rules.and_then(|rules| rules.value.as_ref());
        let logged_out_page = rules.and_then(|rules| rules.logged_out_page.as_ref());
        let mut names: Vec<String> = self
            .requests
            .iter()
            .flat_map(step::CompiledRequest::headers)
            .collect();
        names.extend(
            identity
                .into_iter()
                .chain(value)
                .filter_map(Place::header)
                .map(str::to_owned),
        );
        names.extend(
            logged_out_page
                .into_iter()
                .flat_map(Expected::headers)
                .map(str::to_ascii_lowercase),
        );
        names.sort();
        names.dedup();
        names
    }

    /// Begins an operation.
    pub fn begin(&self, step: Step, session: &mut Session) -> Turn {
        let place = self.place(step);
        let request = &self.requests[place];
        let mut left = vec![place];
        left.extend(request.before.iter().rev());
        Turn {
            step,
            left,
            redirects: request.follow,
            redirect: None,
            asked: None,
            write: (step == Step::Act).then(|| session.next_write()),
            broke: None,
        }
    }

    fn place(&self, step: Step) -> usize {
        let Steps {
            login,
            act,
            check,
            logout,
            browse,
        } = self.steps;
        match step {
            Step::Login => login,
            Step::Act => act,
            Step::Logout => logout,
            Step::Get => browse,
            Step::Check | Step::ReadBack => Some(check),
        }
        // A step the workload does not have is never scheduled; were it, looking is harmless.
        .unwrap_or(check)
    }

    fn request_of(&self, turn: &Turn) -> &step::CompiledRequest {
        let place = turn.left.last().copied();
        &self.requests[place.unwrap_or_else(|| self.place(turn.step))]
    }

    /// Writes the turn's next request behind what `out` holds.
    ///
    /// # Errors
    /// If a template fails on the values it finds.
    pub fn write_request(
        &self,
        turn: &mut Turn,
        user: User,
        session: &mut Session,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let start = out.len();
        session.count_request();
        let values = Values {
            user,
            session,
            write: turn.write,
        };
        let is_own = turn.is_at_its_own();
        let key = turn.write.filter(|_| self.keyed && is_own);
        let extra = Extra {
            idempotency_key: key.map(|write| user::write_token(user, write)),
            redirect: turn.redirect.as_ref(),
        };
        self.request_of(turn)
            .write((&self.host, &self.templates), &values, &extra, out)
            .map_err(Unwritable)?;
        if turn.redirects > 0 {
            turn.asked = path_of(&out[start..]);
        }
        Ok(())
    }

    /// The number of the write that an operation carries on record.
    pub fn write_of(&self, turn: &Turn) -> Option<u32> {
        match self.session.as_ref()?.writes {
            Writes::Counter => None,
            Writes::Set | Writes::List => turn.write,
        }
    }
}

impl Turn {
    /// Whether its own request is under way, or what that was redirected to: those before it change nothing.
    pub const fn is_at_its_own(&self) -> bool {
        self.left.len() == 1
    }

    /// Whether the operation took effect, when the exchange of its present request breaks; `left` tells whether
    /// a byte of it had left.
    pub fn outcome_if_broken(&self, left: bool) -> Outcome {
        let own = self.is_at_its_own();
        match (own, self.redirect.is_some(), left) {
            // A request before its own changes nothing.
            (false, _, _) | (true, false, false) => Outcome::Rejected,
            // Its own was answered, or may have arrived.
            (true, true, _) | (true, false, true) => Outcome::Indeterminate,
        }
    }
}

/// The path of a request as it was written.
fn path_of(request: &[u8]) -> Option<String> {
    let mut words = request.split(|byte| *byte == b' ');
    let path = std::str::from_utf8(words.nth(1)?).ok()?;
    Some(path.to_owned())
}

/// Names that the requests sent before `request` capture, up to the one named `until`.
fn captured_before(flow: &SessionFlow, request: &Request, until: &str) -> Vec<String> {
    request
        .before
        .iter()
        .take_while(|name| *name != until)
        .filter_map(|name| flow.more.get(name))
        .flat_map(|further| further.capture.keys().cloned())
        .collect()
}

fn all_captured(flow: &SessionFlow) -> Vec<String> {
    let more = flow.more.values();
    [&flow.login]
        .into_iter()
        .chain(more)
        .flat_map(|request| request.capture.keys().cloned())
        .collect()
}
