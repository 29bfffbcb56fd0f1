//! The load: its settings, their defaults and their limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Broken, Field, invalid};
use super::path::validate_path;
use super::{Call, Mix, Workload};
use crate::units::Span;

/// Bounds of what one machine can drive; beyond them figures would be about the generator.
const MAX_CLIENTS: u32 = 15_000;
const MAX_RATE: f64 = 100_000.0;
/// More looks at each session tell nothing more.
const MAX_LOOKS: u32 = 100;
/// Shares beyond this are a slip, and their sum must stay a number.
const MAX_SHARE: u32 = 1_000_000;

/// The users' traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The operations of each user.
    pub workload: Workload,
    /// Users, each with one session and one connection at a time.
    pub clients: u32,
    /// Operations per second, all users together.
    pub rate: f64,
    /// How the operations are spread over time.
    pub arrivals: Arrivals,
    /// How long an operation may take, and how late it may start.
    pub timeout: Span,
    /// A correct reply within this time from its intended time counts as available. Default: `timeout`.
    pub objective: Option<Span>,
    /// Whether a user's connection is kept from one operation to the next.
    #[serde(default = "yes")]
    pub keep_alive: bool,
    /// How often each session is looked at after the recovery, at most; once in runs of before there were several.
    #[serde(default = "super::one")]
    pub looks: u32,
    /// Threads that drive the load.
    pub workers: u32,
    /// The least share of the scheduled baseline operations that must be sent, else the trial is void.
    pub floor: f64,
}

impl Load {
    /// A session that fails in so many looks while the server answers others is broken. One that fails in fewer may be one that it had no
    /// time for.
    pub const LOOKS_WITHOUT_ANSWER: u32 = 3;

    /// The traffic of an experiment that sets nothing about it.
    pub const fn of(workload: Workload) -> Self {
        Self {
            workload,
            clients: 50,
            rate: 200.0,
            arrivals: Arrivals::Poisson,
            timeout: Span::from_secs(2),
            objective: None,
            keep_alive: true,
            looks: 8,
            workers: 1,
            floor: 0.9,
        }
    }

    pub(super) fn validate(&self, broken: &mut Broken) {
        if self.clients == 0 || self.clients > MAX_CLIENTS {
            broken.add(invalid(
                Field::Load("sessions"),
                format!("must be from 1 to {MAX_CLIENTS}"),
            ));
        }
        if !(self.rate > 0.0 && self.rate <= MAX_RATE) {
            broken.add(invalid(
                Field::Load("rate"),
                format!("must be above 0 and at most {MAX_RATE} per second"),
            ));
        }
        if self.timeout == Span::ZERO {
            broken.add(invalid(
                Field::Load("timeout"),
                "must be longer than 0s: write a length such as 2s",
            ));
        }
        if self.objective == Some(Span::ZERO) {
            broken.add(invalid(
                Field::Load("objective"),
                "must be longer than 0s: write a length such as 500ms",
            ));
        }
        let too_many = self.clients > 0 && self.workers > self.clients;
        if self.workers == 0 || too_many {
            broken.add(invalid(
                Field::Load("workers"),
                "must be at least 1 and at most the number of sessions",
            ));
        }
        if self.looks == 0 || self.looks > MAX_LOOKS {
            broken.add(invalid(
                Field::Load("looks"),
                format!("must be from 1 to {MAX_LOOKS}"),
            ));
        }
        // A load that may miss everything would let an idle trial count.
        if !(self.floor > 0.0 && self.floor <= 1.0) {
            broken.add(invalid(
                Field::Load("floor"),
                "must be above 0 and at most 1",
            ));
        }
        match &self.workload {
            Workload::Sessions(flow) => {
                let Mix {
                    act,
                    check,
                    logout,
                    browse,
                } = flow.mix;
                let shares = [
                    ("act", act),
                    ("check", check),
                    ("logout", logout),
                    ("browse", browse),
                ];
                for (key, _) in shares.iter().filter(|(_, share)| *share > MAX_SHARE) {
                    broken.add(invalid(
                        Field::MixShare(key),
                        format!(
                            "shares of more than {MAX_SHARE} say nothing more: write smaller ones, such as act = 1 and check = 4"
                        ),
                    ));
                }
                if act + check == 0 {
                    broken.add(invalid(
                        Field::Mix,
                        "act and check cannot both be 0: give one of them a share, such as check = 1",
                    ));
                }
            }
            Workload::Stateless(request) => {
                if let Call::Http { path, .. } = &request.call {
                    broken.add(validate_path(Field::Get, path));
                }
            }
        }
    }
}

/// How operations are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent users: exponentially distributed gaps.
    Poisson,
    /// Evenly spaced.
    Constant,
}

const fn yes() -> bool {
    true
}
