//! `process_limit`: all processes of a node together may have only so many threads and processes.

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_group::{Counter, Resource, limit};
use crate::degrade::{self, for_how_long};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

pub(crate) static PROCESSES: Resource = Resource {
    controller: "pids",
    settings: |_, limit| {
        let limit = limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
        vec![("pids.max", limit)]
    },
    counter: |_| Counter {
        file: "pids.events",
        word: "max",
    },
};

/// A limit of processes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProcessLimit {
    /// How many processes and threads a node may have. Those that it has already stay. Default: 16.
    processes: u64,
    /// How long it holds as a fault. A surrounding has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
}

impl Default for ProcessLimit {
    fn default() -> Self {
        Self {
            processes: 16,
            lasts: None,
        }
    }
}

impl Kind for ProcessLimit {
    const NAME: &'static str = "process_limit";
    const ABOUT: &'static str =
        "A node may have only so many processes and threads: a fork beyond them fails.";
    const EVIDENCE: &'static str = "The kernel lists every process in the node's control group, and says the group's limit, at first and when it is undone. As a fault it must have refused a fork, as pids.events says.";
    const AIM: Aim = Aim::AllReplicas;
    const REACH: Reach = Reach::Tree;
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        PROCESSES.probe()
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.processes {
            1..=1_000_000 => degrade::check(self.lasts),
            _ => Err(("processes", "a limit is 1 to 1000000 processes")),
        }
    }

    fn effect(&self) -> Effect {
        degrade::effect(self.lasts)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let (processes, lasts) = (self.processes, for_how_long(self.lasts));
        FaultWords {
            short: "limit".to_owned(),
            noun: format!("a limit of {processes} processes{lasts}"),
            done: format!("a limit of {processes} processes{lasts}"),
            begun: format!("limited to {processes} processes"),
            explained: format!("{reach} may have {processes} processes and threads{lasts}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        limit(on, &PROCESSES, self.processes, self.lasts).await
    }

    async fn release(&self, on: &Injection) -> Result<(), FaultError> {
        degrade::release(on).await
    }
}
