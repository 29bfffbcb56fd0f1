//! `memory_limit`: all processes of a node together may take only so much more memory.
//!
//! The kernel charges a group with what is allocated in it, not with what its processes had before. Beyond the limit it first
//! drops what it can read again, and then kills a process (the OOM killer).

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_group::{Counter, Resource, Version, limit};
use crate::degrade::{self, for_how_long};
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

/// A limit of memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemoryLimit {
    /// How much memory all processes of a node may take beyond what they have, in MiB. Default: 64.
    mib: u64,
    /// How long it holds as a fault. A surrounding has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
}

impl Default for MemoryLimit {
    fn default() -> Self {
        Self {
            mib: 64,
            lasts: None,
        }
    }
}

impl Kind for MemoryLimit {
    const NAME: &'static str = "memory_limit";
    const ABOUT: &'static str = "All processes of a node together may take only so much more memory: beyond it the kernel kills one.";
    const EVIDENCE: &'static str = "The kernel lists every process in the node's control group, and says the group's limit, at first and when it is undone. As a fault it must have been reached, as memory.failcnt or memory.events says, or have ended the node.";
    const AIM: Aim = Aim::AllReplicas;
    const REACH: Reach = Reach::Tree;
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        MEMORY.probe()
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.mib {
            1..=1_048_576 => degrade::check(self.lasts),
            _ => Err(("mib", "a limit is 1 to 1048576 MiB")),
        }
    }

    fn effect(&self) -> Effect {
        degrade::effect(self.lasts)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let (mib, lasts) = (self.mib, for_how_long(self.lasts));
        FaultWords {
            short: "limit".to_owned(),
            noun: format!("a limit of {mib} MiB{lasts}"),
            done: format!("a limit of {mib} MiB of memory{lasts}"),
            begun: format!("limited to {mib} MiB more"),
            explained: format!("{reach} may take {mib} MiB of memory beyond what they have{lasts}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        limit(on, &MEMORY, self.mib, self.lasts).await
    }

    async fn release(&self, on: &Injection) -> Result<(), FaultError> {
        degrade::release(on).await
    }
}
