//! `cpu_quota`: all processes of a node together may use only so much of a processor.

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_group::{Counter, Resource, Version, limit, limit_kind};
use crate::degrade;
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// The span in which a quota is used up, in microseconds: what container runtimes set.
const PERIOD_US: u64 = 100_000;

pub(crate) static CPU: Resource = Resource {
    controller: "cpu",
    settings: |version, limit| {
        let quota = limit.map(|percent| percent * PERIOD_US / 100);
        let quota = quota.map(|quota| quota.to_string());
        match version {
            Version::One => vec![
                ("cpu.cfs_period_us", PERIOD_US.to_string()),
                ("cpu.cfs_quota_us", quota.unwrap_or_else(|| "-1".to_owned())),
            ],
            Version::Two => {
                let quota = quota.unwrap_or_else(|| "max".to_owned());
                vec![("cpu.max", format!("{quota} {PERIOD_US}"))]
            }
        }
    },
    counter: |_| Counter {
        file: "cpu.stat",
        word: "nr_throttled",
    },
};

limit_kind! {
    /// A quota of processor time.
    CpuQuota, "cpu_quota", CPU,
    /// How much of one processor all processes of a node may use together, in percent; 200 is two processors. Default: 50.
    percent = 50 in 1..=100_000 => "it must be 1 to 100000 percent of a processor",
    about: "All processes of a node together may use only so much of a processor.",
    evidence: "The kernel lists every process in the node's control group, and says the group's quota, at first and when it is undone. As a fault it must have been used up, as cpu.stat says.",
    words: |reach, lasts| FaultWords {
        short: "quota".to_owned(),
        noun: format!("a quota of {percent}% of a processor{lasts}"),
        done: format!("a quota of {percent}% of a processor{lasts}"),
        begun: format!("limited to {percent}% of a processor"),
        explained: format!("{reach} may use {percent}% of a processor{lasts}"),
    },
}
