//! `process_limit`: all processes of a node together may have only so many threads and processes.

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_group::{Counter, Resource, limit, limit_kind};
use crate::degrade;
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

limit_kind! {
    /// A limit of processes.
    ProcessLimit, "process_limit", PROCESSES,
    /// How many processes and threads a node may have. Those that it has already stay. Default: 16.
    processes = 16 in 1..=1_000_000 => "it must be 1 to 1000000 processes",
    about: "A node may have only a limited number of processes and threads: a fork beyond them fails.",
    evidence: "The kernel lists every process in the node's control group, and says the group's limit, at first and when it is undone. As a fault it must have refused a fork, as pids.events says.",
    words: |reach, lasts| FaultWords {
        short: "limit".to_owned(),
        noun: format!("a limit of {processes} processes{lasts}"),
        done: format!("a limit of {processes} processes{lasts}"),
        begun: format!("limited to {processes} processes"),
        explained: format!("{reach} may have {processes} processes and threads{lasts}"),
    },
}
