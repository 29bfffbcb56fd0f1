//! `descriptor_limit`: no process of the nodes may have more than so many descriptors open.
//!
//! As a surrounding the hard limit is lowered with the soft one: many runtimes (Go, the JVM) raise their soft limit to the hard
//! one when they start. Only a privileged process can raise its hard limit again. A fault lowers the soft limit alone, so that
//! it can be undone.

use std::{fs, io};

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use comeback_model::units::Span;
use rustix::process::{Pid, Resource, Rlimit, getpid, prlimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::degrade::{self, degrade, for_how_long};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// Fewer than these no server can start with: its standard streams, a listening socket, a library to load.
const LEAST: u64 = 8;

/// A limit of open descriptors.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DescriptorLimit {
    /// How many descriptors each process may have open, sockets and files together. Default: 64.
    open: u64,
    /// How long it holds as a fault. A surrounding has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
}

impl Default for DescriptorLimit {
    fn default() -> Self {
        Self {
            open: 64,
            lasts: None,
        }
    }
}

impl Kind for DescriptorLimit {
    const NAME: &'static str = "descriptor_limit";
    const ABOUT: &'static str = "Every process may have only a limited number of descriptors open.";
    const EVIDENCE: &'static str = "/proc/PID/limits of every process says no more than was set, at first and when it is undone. As a fault, a process must have as many open as it may when it is undone.";
    const AIM: Aim = Aim::AllReplicas;
    const REACH: Reach = Reach::Tree;
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        // Sets its own limit as it would set another's, to what it is.
        let own = getpid().as_raw_pid();
        let tried = limits_of(own).and_then(|limits| set(own, limits));
        tried.map_err(|error| Unavailable {
            reason: format!(
                "a process's limit of open descriptors cannot be set and read: {error}"
            ),
            mend: "allow prlimit(2), and mount /proc",
        })
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.open {
            0..LEAST => Err((
                "open",
                "it must be at least 8, for with fewer no server can start",
            )),
            _ => degrade::check(self.lasts),
        }
    }

    fn effect(&self) -> Effect {
        degrade::effect(self.lasts)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let (open, lasts) = (self.open, for_how_long(self.lasts));
        FaultWords {
            short: "limit".to_owned(),
            noun: format!("a limit of {open} descriptors{lasts}"),
            done: format!("a limit of {open} open descriptors{lasts}"),
            begun: format!("limited to {open} descriptors"),
            explained: format!("{reach} may have {open} descriptors open{lasts}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let limit = || Limit {
            open: self.open,
            is_fault: self.lasts.is_some(),
            before: None,
        };
        degrade(on, self.lasts, limit).await
    }
}

/// The limit of one node.
#[derive(Debug)]
struct Limit {
    open: u64,
    /// Whether it holds for a while only.
    is_fault: bool,
    /// What the limits of the started process were.
    before: Option<Rlimit>,
}

impl Act for Limit {
    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let most = |limit: Option<u64>| Some(limit.map_or(self.open, |limit| limit.min(self.open)));
        Ok(on.each_process(&mut |pid| {
            let now = limits_of(pid)?;
            if pid == on.pid() {
                self.before = Some(now);
            }
            let maximum = match self.is_fault {
                true => now.maximum,
                false => most(now.maximum),
            };
            let current = most(now.current);
            set(pid, Rlimit { current, maximum })
        })?)
    }

    fn confirm(&self, on: &dyn Target) -> Result<String, ActError> {
        let mut soft_limits = Vec::new();
        on.each_process(&mut |pid| {
            soft_limits.push((pid, limits_of(pid)?.current));
            Ok(())
        })?;
        if let Some(problem) = not_limited(&soft_limits, self.open) {
            return Err(ActError::Missed(problem));
        }
        let (pid, open) = (on.pid(), self.open);
        Ok(format!("/proc/{pid}/limits: max open files at most {open}"))
    }

    fn conclude(&self, on: &dyn Target) -> Result<String, ActError> {
        let held = self.confirm(on)?;
        if !self.is_fault {
            return Ok(held);
        }
        let mut most = 0;
        on.each_process(&mut |pid| {
            let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
            most = most.max(open);
            Ok(())
        })?;
        match most >= self.open {
            true => Ok(format!("{held}; a process has {most} open")),
            false => Err(ActError::Missed(format!(
                "no process had more than {most} descriptors open: set a lower limit"
            ))),
        }
    }

    fn undo(&mut self, on: &dyn Target) -> io::Result<()> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let undone = on.each_process(&mut |pid| match set(pid, before) {
            // Where the harness may not raise a hard limit, it stays as it is.
            Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            lifted => lifted,
        });
        match undone {
            // All have ended, and their limits with them.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            undone => undone,
        }
    }
}

/// Why the limit is not seen to hold: a process that may have more descriptors open, or none that can be looked at.
fn not_limited(soft_limits: &[(i32, Option<u64>)], open: u64) -> Option<String> {
    if soft_limits.is_empty() {
        return Some("no process could be looked at".to_owned());
    }
    let mut above = soft_limits.iter();
    let (pid, soft) = above.find(|(_, soft)| soft.is_none_or(|soft| soft > open))?;
    let soft = soft.map_or_else(|| "any number of".to_owned(), |soft| soft.to_string());
    Some(format!(
        "process {pid} may have {soft} descriptors open, and not only {open}"
    ))
}

/// The limits of a process's open descriptors, as the kernel says; `None` is no limit.
fn limits_of(pid: i32) -> io::Result<Rlimit> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"));
    let mut values = line.into_iter().flat_map(str::split_whitespace);
    let mut value = || values.next().and_then(|value| value.parse().ok());
    let (current, maximum) = (value(), value());
    Ok(Rlimit { current, maximum })
}

fn set(pid: i32, limits: Rlimit) -> io::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    prlimit(Some(pid), Resource::Nofile, limits)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::{Waiting, asked_by, asked_of};

    fn soft_limit(target: &Waiting) -> Option<u64> {
        limits_of(target.pid()).expect("it lives").current
    }

    #[tokio::test(start_paused = true)]
    async fn every_node_is_limited() {
        let (asked, ended) = asked_by("descriptor_limit", &json!({ "open": 16 })).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(asked_of(&asked, "act").len(), 2);
    }

    #[test]
    fn a_process_is_limited_and_may_have_as_many_as_before_when_that_is_undone() {
        let target = Waiting::start();
        let before = soft_limit(&target);
        let mut limit = Limit {
            open: 16,
            is_fault: false,
            before: None,
        };
        assert!(matches!(limit.confirm(&target), Err(ActError::Missed(_))));
        limit.apply(&target).expect("it may be lowered");
        assert_eq!(soft_limit(&target), Some(16));
        let evidence = limit.confirm(&target).expect("it holds");
        assert!(evidence.ends_with("limits: max open files at most 16"));
        limit.undo(&target).expect("it is undone");
        // Without privileges the hard limit cannot be raised again.
        assert!([before, Some(16)].contains(&soft_limit(&target)));
    }

    #[test]
    fn a_limit_that_a_process_lowers_itself_holds_and_one_that_it_raises_does_not() {
        assert_eq!(not_limited(&[(7, Some(8)), (8, Some(16))], 16), None);
        let above = not_limited(&[(7, Some(16)), (8, Some(1_024))], 16);
        assert_eq!(
            above.as_deref(),
            Some("process 8 may have 1024 descriptors open, and not only 16")
        );
        let any = not_limited(&[(7, None)], 16).expect("it has none");
        assert!(any.starts_with("process 7 may have any number of"), "{any}");
        assert!(not_limited(&[], 16).is_some());
    }
}
