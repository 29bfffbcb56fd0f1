//! `power_loss`: the nodes are killed, and their disks drop all that was not synced, before they are started again.
//!
//! SIGKILL leaves the kernel's caches as they are, so that a missing fsync never shows. Here the data folder lies on a disk of our
//! own for the whole trial, which knows what is durable.

use std::fs::OpenOptions;

use comeback_host::program;
use comeback_model::plan::Signal;
use comeback_model::plan::fault::{
    DiskModel, Effect, Ending as Ends, FaultWords, Needs, Reach, Within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::ending::{Ending, end_all};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// The device by which a process is a file system.
const DEVICE: &str = "/dev/fuse";
/// The capability to mount, by its number in the kernel's mask.
const SYS_ADMIN: u64 = 21;

/// SIGKILL, and the disk forgets.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PowerLoss {
    /// What the disk keeps of files and names that were not synced: as `ext4`, `strict` (a name only if its folder was synced) or
    /// `lazy` (every name). Default: ext4.
    disk: DiskModel,
}

impl Kind for PowerLoss {
    const NAME: &'static str = "power_loss";
    const ABOUT: &'static str =
        "SIGKILL, and the disk drops all that was not synced before the next start.";
    const EVIDENCE: &'static str = "Each process was reaped; of two files on the same disk the one that was not synced is gone, and the \
         one that was is there.";
    const REACH: Reach = Reach::Tree;
    const WITHIN: Within = Within::Request;

    fn probe() -> Result<(), Unavailable> {
        let unavailable = |reason, mend| Err(Unavailable { reason, mend });
        if let Err(error) = OpenOptions::new().read(true).write(true).open(DEVICE) {
            let mend = "load the kernel's module fuse, and allow the device (docker: --device /dev/fuse --cap-add SYS_ADMIN)";
            return unavailable(format!("{DEVICE} cannot be opened: {error}"), mend);
        }
        if !may_mount() {
            let mend = "run as root, in a container with --cap-add SYS_ADMIN";
            return unavailable("this user may not mount a file system".to_owned(), mend);
        }
        if program::of_system("umount").is_none() {
            return unavailable("there is no umount".to_owned(), "apt-get install mount");
        }
        Ok(())
    }

    fn effect(&self) -> Effect {
        Effect::Ends(Ends::AtOnce)
    }

    fn needs(&self) -> Needs {
        Needs {
            disk: Some(self.disk),
            ..Needs::default()
        }
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let disk = self.disk;
        FaultWords {
            short: "power loss".to_owned(),
            noun: format!("a power loss (disk: {disk})"),
            done: format!("SIGKILL to {reach}, and what was not synced dropped (disk: {disk})"),
            begun: "SIGKILL sent".to_owned(),
            explained: format!(
                "SIGKILL to {reach} of the faulted nodes, and their disk ({disk}) drops all that was not synced before they \
                 start again"
            ),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let signal = Signal::Kill;
        let ending = Ending {
            signal,
            grace: None,
        };
        let endings: Vec<_> = on.nodes().iter().map(|node| (*node, ending)).collect();
        end_all(on, &endings, signal).await?;
        for node in on.nodes() {
            on.act(*node, Cut::default()).await?;
        }
        Ok(())
    }
}

/// Whether this process may mount.
fn may_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << SYS_ADMIN) != 0)
}

/// Has the disk of a node that has ended drop what is not durable.
#[derive(Debug, Default)]
struct Cut {
    evidence: Option<String>,
}

impl Act for Cut {
    fn is_for_ended(&self) -> bool {
        true
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let none = || ActError::Missed("its data lies on no disk that forgets".to_owned());
        self.evidence = Some(on.disk().ok_or_else(none)?.cut_power()?);
        Ok(())
    }

    fn confirm(&self, _on: &dyn Target) -> Result<String, ActError> {
        let none = || ActError::Missed("the disk dropped nothing".to_owned());
        self.evidence.clone().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::tests::{asked_by, asked_of};

    #[tokio::test(start_paused = true)]
    async fn each_disk_forgets_after_the_confirmed_end_of_all_nodes() {
        let (asked, ended) = asked_by("power_loss", &json!({ "disk": "lazy" })).await;
        assert_eq!(ended, Ok(()));
        let order: Vec<&str> = asked.iter().map(|(what, _, _)| *what).collect();
        assert_eq!(order[order.len() - 3..], ["confirm end", "act", "act"]);
        assert_eq!(asked_of(&asked, "confirm end").len(), 2);
        assert_eq!(asked_of(&asked, "signal").len(), 2);
    }
}
