//! `power_loss`: the nodes are killed, and their disks drop all that was not synced, before they are started again.
//!
//! SIGKILL leaves the kernel's caches as they are, so that a missing fsync never shows. Here the data folder lies on a disk of our
//! own for the whole trial, which knows what is durable.

use std::fs::OpenOptions;

use comeback_host::program;
use comeback_model::plan::fault::{DiskModel, Effect, Ending, FaultWords, Needs, Reach, Within};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::ending::kill_all;
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// The device by which a process is a file system.
const DEVICE: &str = "/dev/fuse";

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
        if let Some(error) = refusal(try_mount()) {
            let mend = "run as root, in a container with --cap-add SYS_ADMIN and, where AppArmor refuses it, --security-opt apparmor=unconfined";
            return unavailable(format!("a FUSE mount is refused: {error}"), mend);
        }
        if program::of_system("umount").is_none() {
            return unavailable(
                "there is no program umount".to_owned(),
                "install it: apt-get install mount",
            );
        }
        Ok(())
    }

    fn effect(&self) -> Effect {
        Effect::Ends(Ending::AtOnce)
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
        kill_all(on).await?;
        for node in on.nodes() {
            on.act(*node, Cut::default()).await?;
        }
        Ok(())
    }
}

/// Asks for a mount that lacks the descriptor of its process, so that nothing is ever mounted. Whether one may mount at all is
/// decided before that is missed: by the security modules, then by the capability.
fn try_mount() -> nix::Result<()> {
    let none = None::<&str>;
    mount(none, "/", Some("fuse"), MsFlags::empty(), none)
}

/// Why this process may not mount, by what became of the try.
fn refusal(tried: nix::Result<()>) -> Option<Errno> {
    tried.err().filter(|error| *error != Errno::EINVAL)
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

    /// What the drop takes is no part of the recovery.
    fn completes(&self) -> bool {
        true
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let none = || ActError::Missed("its data folder is not on a disk that forgets".to_owned());
        let disk = on.disk().ok_or_else(none)?;
        // ext4 writes its journal out every five seconds: what is right before that need not be right after it.
        let commits = disk.model() == DiskModel::Ext4 && on.draws().below(2) == 0;
        self.evidence = Some(disk.cut_power(commits)?);
        Ok(())
    }

    fn confirm(&self, _on: &dyn Target) -> Result<String, ActError> {
        let none = || ActError::Missed("the disk dropped nothing".to_owned());
        self.evidence.clone().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::path::Path;

    use comeback_model::schedule::Draws;
    use serde_json::json;

    use super::*;
    use crate::act::Disk;
    use crate::tests::{asked_by, asked_of};

    /// A disk that notes how it was cut, and the node that lies on it.
    #[derive(Debug)]
    struct Noted {
        model: DiskModel,
        seed: u64,
        committed: Cell<Option<bool>>,
    }

    impl Disk for Noted {
        fn model(&self) -> DiskModel {
            self.model
        }

        fn cut_power(&self, commits: bool) -> Result<String, ActError> {
            self.committed.set(Some(commits));
            Ok(String::new())
        }

        fn check(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Target for Noted {
        fn pid(&self) -> i32 {
            0
        }

        fn each_process(&self, _call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()> {
            Ok(())
        }

        fn label(&self) -> String {
            String::new()
        }

        fn data(&self) -> &Path {
            Path::new("/")
        }

        fn disk(&self) -> Option<&dyn Disk> {
            Some(self)
        }

        fn port(&self) -> Option<u16> {
            None
        }

        fn draws(&self) -> Draws {
            Draws::new(self.seed)
        }
    }

    #[test]
    fn a_mount_is_refused_by_whatever_does_not_come_to_look_at_its_options() {
        assert_eq!(refusal(Err(Errno::EINVAL)), None);
        // AppArmor, no capability, no FUSE in the kernel.
        for error in [Errno::EACCES, Errno::EPERM, Errno::ENODEV] {
            assert_eq!(refusal(Err(error)), Some(error));
        }
    }

    #[test]
    fn the_try_mounts_nothing() {
        let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let fuse = || {
            mounts()
                .lines()
                .filter(|line| line.contains(" / / "))
                .count()
        };
        let before = fuse();
        assert!(try_mount().is_err());
        assert_eq!(fuse(), before);
    }

    /// How many of 40 losses come right after a commit.
    fn committed(model: DiskModel) -> usize {
        let cut = |seed| {
            let committed = Cell::new(None);
            let on = Noted {
                model,
                seed,
                committed,
            };
            Cut::default().apply(&on).expect("it is cut");
            on.committed.get().expect("it was")
        };
        assert_eq!(cut(1), cut(1));
        (0..40).filter(|seed| cut(*seed)).count()
    }

    #[test]
    fn about_half_of_the_losses_of_ext4_come_right_after_a_commit_and_none_of_the_others() {
        assert!((10..30).contains(&committed(DiskModel::Ext4)));
        assert_eq!(committed(DiskModel::Strict), 0);
        assert_eq!(committed(DiskModel::Lazy), 0);
    }

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
