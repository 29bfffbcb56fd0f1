//! `memory_limit`: all processes of a node together may take only so much more memory.
//!
//! The kernel charges a group with what is allocated in it, not with what its processes had before. Beyond the limit it first
//! drops what it can read again, and then kills a process (the OOM killer).

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_group::{Counter, Resource, Version, limit, limit_kind};
use crate::degrade;
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// In the kernel's unit.
const BYTES_PER_MIB: u64 = 1 << 20;

pub(crate) static MEMORY: Resource = Resource {
    controller: "memory",
    settings: |version, limit| {
        let bytes = limit.map(|mib| (mib * BYTES_PER_MIB).to_string());
        match version {
            Version::One => vec![(
                "memory.limit_in_bytes",
                bytes.unwrap_or_else(|| "-1".to_owned()),
            )],
            Version::Two => vec![("memory.max", bytes.unwrap_or_else(|| "max".to_owned()))],
        }
    },
    counter: |version| match version {
        Version::One => Counter {
            file: "memory.failcnt",
            word: "",
        },
        Version::Two => Counter {
            file: "memory.events",
            word: "max",
        },
    },
};

limit_kind! {
    /// A limit of memory.
    MemoryLimit, "memory_limit", MEMORY,
    /// How much memory all processes of a node may take beyond what they have, in MiB. Default: 64.
    mib = 64 in 1..=1_048_576 => "it must be 1 to 1048576 MiB",
    about: "All processes of a node together may take only so much more memory: beyond it the kernel kills one.",
    evidence: "The kernel lists every process in the node's control group, and says the group's limit, at first and when it is undone. As a fault it must have been reached, as memory.failcnt or memory.events says, or have ended the node.",
    words: |reach, lasts| FaultWords {
        short: "limit".to_owned(),
        noun: format!("a limit of {mib} MiB{lasts}"),
        done: format!("a limit of {mib} MiB of memory{lasts}"),
        begun: format!("limited to {mib} MiB more"),
        explained: format!("{reach} may take {mib} MiB of memory beyond what they have{lasts}"),
    },
}
