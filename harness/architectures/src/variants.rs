//! The variants that one server is compared in: who holds its listening socket, and who tries again what failed.

use comeback_experiment::document::{ArmPart, RestartPart, RetryPart};
use comeback_model::plan::Listener;
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ArchitectureError;

/// How often an operation is tried again by default.
const TIMES: u32 = 2;
/// The wait before a client's first repetition by default.
const BACKOFF: Span = Span::from_ms(10);

/// The variants that each server takes part in: once for each listener and each of those who try again.
#[derive(Clone, Debug, PartialEq)]
pub struct Variants {
    /// Who holds the listening socket.
    pub listener: Vec<Listener>,
    /// Who tries again what failed.
    pub retry_by: Vec<RetryBy>,
    /// How often it is tried again at most.
    pub times: u32,
    /// The wait before a client's first repetition, which doubles with each.
    pub backoff: Span,
    /// How long a client's try may take; by default as long as the operation.
    pub try_timeout: Option<Span>,
    /// The pause between the confirmed exit and the restart of whatever ended; by default none.
    pub restart_after: Option<Span>,
}

impl Default for Variants {
    fn default() -> Self {
        Self {
            listener: vec![Listener::Own],
            retry_by: vec![RetryBy::None],
            times: TIMES,
            backoff: BACKOFF,
            try_timeout: None,
            restart_after: None,
        }
    }
}

/// Who tries again what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryBy {
    /// Nobody.
    None,
    /// The clients.
    Client,
    /// The clients, whose acts carry an Idempotency-Key.
    ClientKey,
    /// The balancer, where nothing had been sent, or it is a GET.
    Balancer,
}

impl Variants {
    /// Every server in every variant, those of one server beside each other.
    pub(crate) fn of(&self, servers: Vec<ArmPart>) -> Result<Vec<ArmPart>, ArchitectureError> {
        if self.times == 0 && self.retry_by.iter().any(|who| *who != RetryBy::None) {
            return Err(ArchitectureError::NoRepetition);
        }
        let mut arms = Vec::new();
        for mut server in servers {
            if let Some(pause) = self.restart_after {
                restart_all_after(&mut server, pause);
            }
            for listener in &self.listener {
                for retry_by in &self.retry_by {
                    let arm = held_by(server.clone(), *listener);
                    arms.push(self.retried_by(arm, *retry_by)?);
                }
            }
        }
        Ok(arms)
    }

    fn retried_by(&self, arm: ArmPart, who: RetryBy) -> Result<ArmPart, ArchitectureError> {
        let client = |arm: ArmPart, idempotency_key| ArmPart {
            retry: Some(RetryPart {
                times: self.times,
                backoff: Some(self.backoff),
                try_timeout: self.try_timeout,
                idempotency_key,
            }),
            ..arm
        };
        Ok(match who {
            RetryBy::None => arm,
            RetryBy::Client => client(called(arm, "-retry", "clients try again"), false),
            RetryBy::ClientKey => {
                let about = "clients try again with an idempotency key";
                client(called(arm, "-retry-key", about), true)
            }
            RetryBy::Balancer => {
                let mut arm = called(arm, "-balancer-retry", "the balancer tries again");
                let balancer = arm.balancer.as_mut();
                balancer.ok_or(ArchitectureError::NoBalancer)?.retry = Some(self.times);
                arm
            }
        })
    }
}

fn held_by(arm: ArmPart, listener: Listener) -> ArmPart {
    match listener {
        Listener::Own => arm,
        Listener::Held => {
            let mut arm = called(arm, "-held", "the listening socket is held");
            arm.target.listener = Some(Listener::Held);
            arm
        }
    }
}

/// The same under a name of its own.
fn called(mut arm: ArmPart, suffix: &str, about: &str) -> ArmPart {
    arm.name.push_str(suffix);
    if let Some(family) = &mut arm.family {
        family.push_str(suffix);
    }
    let own = arm.about.get_or_insert_default();
    own.push_str("; ");
    own.push_str(about);
    arm
}

fn restart_all_after(arm: &mut ArmPart, pause: Span) {
    let restart = || {
        Some(RestartPart {
            after: Some(pause),
            ..RestartPart::default()
        })
    };
    arm.target.restart = restart();
    if let Some(balancer) = &mut arm.balancer {
        balancer.restart = restart();
    }
    if let Some(cache) = &mut arm.cache {
        cache.restart = restart();
    }
    if let Some(store) = &mut arm.store {
        store.restart = restart();
    }
}
