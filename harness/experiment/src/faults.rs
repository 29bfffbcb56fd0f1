//! What is done to the server: as it is written down, and as a plan has it.

use std::collections::BTreeMap;
use std::path::Path;

use comeback_model::plan::{Action, Aim, Drain, Fault, Reach, Signal, Target, Within};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fill;
use super::scalar::{AimPart, DrainTime, Text, Words};

/// How long a balancer may take to drain a replica, where nothing is said.
const DRAIN_WITHIN: Span = Span::from_secs(10);

/// What is done to the server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultPart {
    /// What; a kill when nothing is said.
    pub kind: Option<FaultKind>,
    /// Whom it strikes: `replica:any` (one of them, drawn for each trial; when nothing is said), `replica:0`,
    /// `replicas:all` (when nothing is said of a `rolling_restart` or `deploy`), `balancer`, `cache` or `store`.
    #[schemars(with = "Option<String>")]
    pub target: Option<AimPart>,
    /// Which of its processes: the one that was started alone (`process`), its process group (`group`, when nothing is
    /// said), or all that descend from it, those that left the group too (`tree`, when nothing is said of a `pause`).
    pub to: Option<Reach>,
    /// Whether it waits for a write of the load, if one comes in time (`request`, when nothing is said of a fault that ends
    /// processes), or comes at its moment whatever is under way (`any`).
    pub within: Option<Within>,
    /// Any other signal, in place of `kind`.
    pub signal: Option<Signal>,
    /// How long a `pause` lasts; 1s when nothing is said.
    pub lasts: Option<Span>,
    /// How long the balancer may take to have no request with a replica before a `rolling_restart` or `deploy` stops
    /// that; 10s when nothing is said, `false` to stop it without telling the balancer.
    pub drain: Option<DrainTime>,
    /// How long the load runs undisturbed before, which everything after is compared with; 1s when nothing is said.
    pub at: Option<Span>,
    /// The moment is drawn uniformly from so long after `at`; 250ms when nothing is said.
    pub spread: Option<Span>,
    /// How long its effect may take to be confirmed; beyond it the fault did not land. 5s when nothing is said.
    pub lands_within: Option<Span>,
}

/// A fault, by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// SIGKILL.
    #[default]
    Kill,
    /// A service manager's stop: SIGTERM to all of them, and SIGKILL to those that are there after the grace of `stop`.
    Terminate,
    /// SIGABRT, as from `abort()`.
    Abort,
    /// SIGSEGV, as from a wild pointer.
    Segfault,
    /// All its processes stand still (SIGSTOP), and go on (SIGCONT).
    Pause,
    /// Each replica in turn is drained, stopped as `stop` says, started again and waited for.
    RollingRestart,
    /// A rolling restart that starts another version in place of each replica: what `[deploy]`, or `--deploy`, names.
    Deploy,
}

/// What a deploy replaces the server with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployPart {
    /// Program and arguments, as the target's; the target's own when nothing is said.
    pub command: Option<Words>,
    /// Environment variables, added to the target's.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
}

/// How a balancer is told that a replica is about to be stopped. Each is a command that ends, with the exit code 0,
/// when it is so; `{replica}` (from 0), `{replicas}`, `{port}`, `{data}` (the balancer's) and `{comeback}` are filled in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainPart {
    /// Ends when the replica gets no more requests and has none in flight.
    pub begin: Words,
    /// Ends when the replica gets requests again.
    pub end: Words,
}

impl FaultPart {
    /// What is done, to whom.
    ///
    /// # Errors
    /// With what does not fit together.
    pub(super) fn to_fault(&self) -> Result<Fault, fill::Fault> {
        let action = self.action()?;
        let usual = match action.is_rolling() {
            true => AimPart(Aim::AllReplicas),
            false => AimPart::default(),
        };
        Ok(Fault {
            aim: self.target.unwrap_or(usual).0,
            to: self.to,
            action,
            within: self.within,
            jitter: self.spread.unwrap_or(Span::from_ms(250)),
            lands_within: self.lands_within.unwrap_or(Span::from_secs(5)),
        })
    }

    fn action(&self) -> Result<Action, fill::Fault> {
        let wrong = |part, what: &str| Err((vec![part], what.to_owned()));
        let kind = self.kind.unwrap_or_default();
        let is_roll = matches!(kind, FaultKind::RollingRestart | FaultKind::Deploy);
        if self.kind.is_some() && self.signal.is_some() {
            return wrong("signal", "say kind or signal, not both");
        }
        if self.lasts.is_some() && kind != FaultKind::Pause {
            return wrong("lasts", "only a fault of the kind pause lasts");
        }
        if self.drain.is_some() && !is_roll {
            let what = "only a rolling_restart and a deploy tell the balancer anything";
            return wrong("drain", what);
        }
        if self.lasts == Some(Span::ZERO) {
            return wrong("lasts", "a pause of no length is none");
        }
        if self.drain == Some(DrainTime(Some(Span::ZERO))) {
            return wrong("drain", "it takes some time, or write false");
        }
        Ok(match (self.signal, kind) {
            (Some(signal), _) => Action::Signal(signal),
            (None, FaultKind::Kill) => Action::Signal(Signal::Kill),
            (None, FaultKind::Terminate) => Action::Signal(Signal::Term),
            (None, FaultKind::Abort) => Action::Signal(Signal::Abrt),
            (None, FaultKind::Segfault) => Action::Signal(Signal::Segv),
            (None, FaultKind::Pause) => Action::Pause(self.lasts.unwrap_or(Span::from_secs(1))),
            (None, FaultKind::RollingRestart | FaultKind::Deploy) => Action::Roll {
                drain: self
                    .drain
                    .map_or(Some(DRAIN_WITHIN), |DrainTime(time)| time),
                deploy: kind == FaultKind::Deploy,
            },
        })
    }
}

impl DeployPart {
    /// The target that takes the place of `old`.
    pub(super) fn to_target(
        &self,
        old: &super::document::TargetPart,
        here: Option<&Path>,
        asked: Option<&str>,
    ) -> Result<Target, fill::Fault> {
        if self.command.is_none() && self.environment.is_empty() {
            let what = "say what is new: a command, or an environment";
            return Err((Vec::new(), what.to_owned()));
        }
        let new = super::document::TargetPart {
            command: self.command.clone(),
            environment: self.environment.clone(),
            ..Default::default()
        };
        old.under(&new).to_target(here, asked)
    }
}

impl DrainPart {
    /// The commands, `{here}` filled in.
    pub(super) fn to_drain(&self, here: Option<&Path>) -> Result<Drain, fill::Fault> {
        let words = |part: &'static str, words: &Words| {
            if words.0.is_empty() {
                let what = "it is empty: give a program to run".to_owned();
                return Err((vec!["drain", part], what));
            }
            let filled = words.0.iter().map(|word| fill::fill_here(word, here));
            let filled: Result<Vec<String>, String> = filled.collect();
            filled.map_err(|what| (vec!["drain", part], what))
        };
        Ok(Drain {
            begin: words("begin", &self.begin)?,
            end: words("end", &self.end)?,
        })
    }
}
