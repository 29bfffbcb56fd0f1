//! The plan: what shall happen, complete and validated before anything is started.
//!
//! A plan comes from the command line (or, one day, a file), is expanded by [`crate::schedule`] and is
//! stored whole in the journal's header, so that a stored run explains itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Span;
use crate::verdict::Gate;

/// What shall happen, with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The experiment's name; part of the output folder's name.
    pub name: String,
    /// What is compared; at least one.
    pub arms: Vec<Arm>,
    /// Trials with a fault, for each arm.
    pub trials: u32,
    /// Trials without a fault, for each arm.
    pub controls: u32,
    /// What is done to the target in each trial with a fault.
    pub fault: Fault,
    /// The users' traffic.
    pub load: Load,
    /// How long each part of a trial lasts.
    pub windows: Windows,
    /// What the verdict demands; empty when the run only measures.
    pub gates: Vec<Gate>,
}

/// One of the things compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// A short unique name.
    pub name: String,
    /// One line for people: where this server keeps its state.
    pub about: String,
    /// The server.
    pub target: Target,
    /// Why this arm cannot run here, and the mend; it is then shown as skipped.
    pub skip: Option<String>,
}

/// A server to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Program and arguments, no shell; `{port}`, `{data}`, `{replica}` and `{comeback}` (this very program,
    /// which holds the reference servers) are filled in at each start.
    pub command: Vec<String>,
    /// Additional environment variables; the same placeholders are filled in.
    pub environment: BTreeMap<String, String>,
    /// When it counts as up for the first time.
    pub ready: Readiness,
    /// How it is stopped at a trial's end.
    pub stop: Stop,
    /// How long after its confirmed exit it is started again.
    pub restart_after: Span,
    /// The response header that names the answering process's start, if the server has one.
    pub boot_header: Option<String>,
}

/// When a started target counts as up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// What is asked of it.
    pub probe: ReadyProbe,
    /// How long it may take before the start has failed.
    pub within: Span,
}

/// What is asked of a target to see whether it is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyProbe {
    /// A `GET` of this path is answered with a 2xx.
    Http(String),
    /// A TCP connection is accepted.
    Tcp,
    /// A line of its output contains this text.
    Log(String),
}

/// How a target is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// The signal asked with first.
    pub signal: Signal,
    /// How long it may take before SIGKILL.
    pub grace: Span,
}

/// What is done to the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Sent to the target's whole process group.
    pub signal: Signal,
    /// The signal is sent at a uniformly drawn moment of this length after the baseline's end.
    pub jitter: Span,
    /// How long the exit may take to be confirmed; beyond it the fault did not land.
    pub lands_within: Span,
}

/// The users' traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// What each user does.
    pub workload: Workload,
    /// Users, each with one session and one connection at a time.
    pub clients: u32,
    /// Operations per second, all users together.
    pub rate: f64,
    /// How the operations are spread over time.
    pub arrivals: Arrivals,
    /// How long an operation may take, and how late it may start.
    pub timeout: Span,
    /// Threads that drive the load.
    pub workers: u32,
    /// The least share of the scheduled baseline operations that must be sent, else the trial is void.
    pub floor: f64,
}

/// How operations are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent users: exponentially distributed gaps.
    Poisson,
    /// Evenly spaced.
    Constant,
}

/// What each user does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Users with sessions: log in, change state, look, log out.
    Sessions(Box<SessionFlow>),
    /// No sessions: each operation is this request, correct when it is answered with a 2xx.
    Stateless(Request),
}

/// How a session looks from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionFlow {
    /// Begins a session; its acknowledgement is where the session counts from.
    pub login: Request,
    /// An acknowledged change of state: adds one to the session's counter.
    pub act: Request,
    /// Reads the counter and changes nothing.
    pub check: Request,
    /// Ends the session, where the server can do that.
    pub logout: Option<Request>,
    /// JSON pointer to the counter in the replies to `act` and `check`.
    pub value: String,
    /// JSON pointer to the user's name in every reply, and how the name of client n is written.
    pub identity: Option<Identity>,
    /// How often each step comes up, in shares of their sum.
    pub mix: Mix,
}

/// Who the server believes the user to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// JSON pointer to the name.
    pub pointer: String,
    /// The name expected, with `{{session}}` for the client's number.
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
}

/// A request; `{{session}}` in path and body becomes the client's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// A JSON body, if there is one.
    pub body: Option<String>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
        }
    }

    /// The same request with a body.
    pub fn with_body(self, body: &str) -> Self {
        Self {
            body: Some(body.to_owned()),
            ..self
        }
    }
}

/// How long each part of a trial lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Load before anything is measured.
    pub warm_up: Span,
    /// Load that everything after the fault is compared with.
    pub baseline: Span,
    /// Load after the first correct reply of the new process.
    pub settle: Span,
    /// How long recovery may take before it is given up and recorded as beyond this.
    pub horizon: Span,
    /// The length w over which goodput, errors and latency are summed for `time to steady`.
    pub window: Span,
    /// The length y for which the service must stay as good as its baseline to be steady.
    pub steady_for: Span,
}

/// A signal, by its name without `SIG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGKILL: cannot be caught.
    Kill,
    /// SIGTERM: the polite request to end.
    Term,
    /// SIGINT, as from Ctrl-C.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGABRT, as from `abort()`.
    Abrt,
    /// SIGSEGV, as from a wild pointer.
    Segv,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
}

impl Signal {
    /// Every signal that can be asked for.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Term,
        Self::Int,
        Self::Quit,
        Self::Hup,
        Self::Abrt,
        Self::Segv,
        Self::Usr1,
        Self::Usr2,
    ];

    /// The name without `SIG`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Abrt => "ABRT",
            Self::Segv => "SEGV",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
        }
    }

    /// The number on Linux (x86 and Arm).
    pub const fn number(self) -> i32 {
        match self {
            Self::Kill => 9,
            Self::Term => 15,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Hup => 1,
            Self::Abrt => 6,
            Self::Segv => 11,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

impl std::str::FromStr for Signal {
    type Err = String;

    /// Reads `KILL`, `SIGKILL`, `kill` or `9`.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL
            .into_iter()
            .find(|signal| signal.name() == name || signal.number().to_string() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|signal| signal.name()).collect();
                format!(
                    "'{text}' is not a signal known here: use one of {}",
                    names.join(", ")
                )
            })
    }
}

/// A plan that cannot be carried out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Which part of the plan, in the words of the command line.
    pub field: &'static str,
    /// What is wrong, and the mend.
    pub problem: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for PlanError {}

/// Bounds of what one machine can drive; beyond them figures would be about the generator.
const MAX_CLIENTS: u32 = 15_000;
const MAX_RATE: f64 = 100_000.0;

impl Plan {
    /// Checks everything that can be known before something is started.
    ///
    /// # Errors
    /// The first part that cannot be carried out, with the mend.
    pub fn validate(&self) -> Result<(), PlanError> {
        let wrong = |field, problem: &str| {
            Err(PlanError {
                field,
                problem: problem.to_owned(),
            })
        };
        if self.arms.is_empty() {
            return wrong("arms", "there is nothing to run: name at least one");
        }
        for (index, arm) in self.arms.iter().enumerate() {
            if self.arms[..index]
                .iter()
                .any(|other| other.name == arm.name)
            {
                return wrong("arms", &format!("'{}' is named twice", arm.name));
            }
            if arm
                .target
                .command
                .first()
                .is_none_or(|program| program.is_empty())
            {
                return wrong("command", "it is empty: give a program to start");
            }
        }
        if self.trials == 0 {
            return wrong("trials", "at least one trial is needed");
        }
        let load = &self.load;
        if load.clients == 0 || load.clients > MAX_CLIENTS {
            return wrong("sessions", &format!("must be from 1 to {MAX_CLIENTS}"));
        }
        if !(load.rate > 0.0 && load.rate <= MAX_RATE) {
            return wrong(
                "rate",
                &format!("must be above 0 and at most {MAX_RATE} per second"),
            );
        }
        if load.timeout == Span::ZERO {
            return wrong("timeout", "must be longer than 0s");
        }
        if load.workers == 0 || load.workers > load.clients {
            return wrong(
                "workers",
                "must be at least 1 and at most the number of sessions",
            );
        }
        if let Workload::Sessions(flow) = &load.workload
            && flow.mix.act + flow.mix.check == 0
        {
            return wrong("mix", "act and check cannot both be 0");
        }
        let windows = &self.windows;
        if windows.window == Span::ZERO || windows.baseline.as_us() < 2 * windows.window.as_us() {
            return wrong("baseline", "must hold at least two windows");
        }
        if windows.settle < windows.steady_for || windows.steady_for < windows.window {
            return wrong(
                "settle",
                "must be at least as long as the time the service must stay steady",
            );
        }
        if windows.horizon == Span::ZERO {
            return wrong("horizon", "must be longer than 0s");
        }
        for arm in &self.arms {
            if arm.target.restart_after >= windows.horizon {
                return wrong(
                    "horizon",
                    "must be longer than the pause before the restart",
                );
            }
        }
        Ok(())
    }
}

/// A small valid plan with two arms, for the tests of this crate.
#[cfg(test)]
pub(crate) fn test_plan() -> Plan {
    let arm = |name: &str| Arm {
        name: name.to_owned(),
        about: String::new(),
        target: Target {
            command: vec!["./server".to_owned()],
            environment: BTreeMap::new(),
            ready: Readiness {
                probe: ReadyProbe::Http("/health".to_owned()),
                within: Span::from_secs(10),
            },
            stop: Stop {
                signal: Signal::Term,
                grace: Span::from_secs(5),
            },
            restart_after: Span::ZERO,
            boot_header: Some("x-boot-id".to_owned()),
        },
        skip: None,
    };
    Plan {
        name: "test".to_owned(),
        arms: vec![arm("first"), arm("second")],
        trials: 3,
        controls: 1,
        fault: Fault {
            signal: Signal::Kill,
            jitter: Span::from_ms(500),
            lands_within: Span::from_secs(5),
        },
        load: Load {
            workload: Workload::Sessions(Box::new(SessionFlow {
                login: Request::new("POST", "/login").with_body(r#"{"user":"u{{session}}"}"#),
                act: Request::new("POST", "/visit"),
                check: Request::new("GET", "/me"),
                logout: Some(Request::new("POST", "/logout")),
                value: "/visits".to_owned(),
                identity: Some(Identity {
                    pointer: "/user".to_owned(),
                    name: "u{{session}}".to_owned(),
                }),
                mix: Mix {
                    act: 70,
                    check: 25,
                    logout: 5,
                },
            })),
            clients: 10,
            rate: 100.0,
            arrivals: Arrivals::Poisson,
            timeout: Span::from_secs(2),
            workers: 1,
            floor: 0.9,
        },
        windows: Windows {
            warm_up: Span::from_ms(200),
            baseline: Span::from_secs(1),
            settle: Span::from_secs(1),
            horizon: Span::from_secs(30),
            window: Span::from_ms(100),
            steady_for: Span::from_ms(500),
        },
        gates: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_the_name_of_its_flag() {
        type Spoil = fn(&mut Plan);
        let cases: [(&str, Spoil); 12] = [
            ("arms", |plan| plan.arms.clear()),
            ("arms", |plan| plan.arms[1].name = "first".to_owned()),
            ("command", |plan| plan.arms[0].target.command.clear()),
            ("trials", |plan| plan.trials = 0),
            ("sessions", |plan| plan.load.clients = 0),
            ("rate", |plan| plan.load.rate = f64::NAN),
            ("timeout", |plan| plan.load.timeout = Span::ZERO),
            ("workers", |plan| plan.load.workers = 11),
            ("baseline", |plan| {
                plan.windows.baseline = plan.windows.window
            }),
            ("settle", |plan| plan.windows.settle = Span::from_ms(10)),
            ("horizon", |plan| plan.windows.horizon = Span::ZERO),
            ("horizon", |plan| {
                plan.arms[1].target.restart_after = plan.windows.horizon;
            }),
        ];
        assert_eq!(test_plan().validate(), Ok(()));
        for (field, spoil) in cases {
            let mut plan = test_plan();
            spoil(&mut plan);
            assert_eq!(plan.validate().expect_err(field).field, field);
        }
    }

    #[test]
    fn signals_are_read_by_name_and_number() {
        for text in ["KILL", "SIGKILL", "kill", "9"] {
            assert_eq!(text.parse(), Ok(Signal::Kill), "{text}");
        }
        assert!("WINCH".parse::<Signal>().is_err());
    }
}
