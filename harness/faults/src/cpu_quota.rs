//! `cpu_quota`: for a whole trial, all processes of a node together may use only so much of a processor.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_host::cgroups::own_group;
use comeback_host::undo::Undo;
use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use rustix::fs::{Access, access};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// The span in which a quota is used up, in microseconds: what container runtimes set.
const PERIOD_US: u64 = 100_000;
/// A process may fork while it is moved; its children are moved in the next round.
const ROUNDS: u32 = 100;
/// The file of a group by which processes are moved into it.
const PROCESSES: &str = "cgroup.procs";

/// A quota of processor time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CpuQuota {
    /// How much of one processor all processes of a node may use together, in percent; 200 is two processors. Default: 50.
    percent: u64,
}

impl Default for CpuQuota {
    fn default() -> Self {
        Self { percent: 50 }
    }
}

impl Kind for CpuQuota {
    const NAME: &'static str = "cpu_quota";
    const ABOUT: &'static str =
        "All processes of a node together may use only so much of a processor, for a whole trial.";
    const EVIDENCE: &'static str = "The kernel lists every process in the node's control group, and says the group's quota, at first and when it is undone.";
    const AIM: Aim = Aim::AllReplicas;
    const REACH: Reach = Reach::Tree;
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        Parent::find().map(drop).map_err(|error| Unavailable {
            reason: format!("no control group with a quota can be made: {error}"),
            mend: "run as a user who may make control groups, with the controller cpu",
        })
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.percent {
            1..=100_000 => Ok(()),
            _ => Err(("percent", "a quota is 1 to 100000 percent of a processor")),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Surrounds
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let percent = self.percent;
        FaultWords {
            short: "quota".to_owned(),
            noun: format!("a quota of {percent}% of a processor"),
            done: format!("a quota of {percent}% of a processor"),
            begun: format!("limited to {percent}% of a processor"),
            explained: format!("{reach} may use {percent}% of a processor"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let parent = Parent::find();
        let parent = parent.map_err(|error| FaultError::Missed(error.to_string()))?;
        let quota_us = self.percent * PERIOD_US / 100;
        let limit = |node| {
            let parent = parent.clone();
            on.act(node, Quota { parent, quota_us })
        };
        on.each(on.nodes(), limit).await.map(drop)
    }

    async fn release(&self, on: &Injection) -> Result<(), FaultError> {
        on.each(on.nodes(), |node| on.undo(node)).await.map(drop)
    }
}

/// The group below which those of nodes are made.
#[derive(Clone, Debug)]
struct Parent {
    path: PathBuf,
    is_version_1: bool,
}

impl Parent {
    /// In version 1 the group that this process is in. In version 2 the nearest one above it whose children have the controller.
    fn find() -> io::Result<Self> {
        let parent = match own_group("cpu") {
            Some(path) => Self {
                path,
                is_version_1: true,
            },
            None => Self {
                path: own_group("")
                    .and_then(|own| delegating(&own))
                    .ok_or_else(|| io::Error::other("no group here has the controller cpu"))?,
                is_version_1: false,
            },
        };
        access(&parent.path, Access::WRITE_OK)?;
        access(parent.path.join(PROCESSES), Access::WRITE_OK)?;
        Ok(parent)
    }
}

fn delegating(own: &Path) -> Option<PathBuf> {
    let has_cpu = |group: &&Path| {
        let children = fs::read_to_string(group.join("cgroup.subtree_control"));
        children.is_ok_and(|list| list.split_whitespace().any(|one| one == "cpu"))
    };
    own.ancestors().find(has_cpu).map(Path::to_owned)
}

/// The quota of one node: of a group of its own.
#[derive(Debug)]
struct Quota {
    parent: Parent,
    quota_us: u64,
}

impl Quota {
    fn group(&self, on: &dyn Target) -> PathBuf {
        let name = format!("comeback-cpu-{}", on.label());
        self.parent.path.join(name)
    }

    /// Sets the quota of a group; none is no limit.
    fn set(&self, group: &Path, quota_us: Option<u64>) -> io::Result<()> {
        let quota = quota_us.map(|quota| quota.to_string());
        if self.parent.is_version_1 {
            fs::write(group.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            let none = || "-1".to_owned();
            return fs::write(group.join("cpu.cfs_quota_us"), quota.unwrap_or_else(none));
        }
        let quota = quota.unwrap_or_else(|| "max".to_owned());
        fs::write(group.join("cpu.max"), format!("{quota} {PERIOD_US}"))
    }

    /// The file that says the quota of a group, and what it says.
    fn said(&self, group: &Path) -> io::Result<(PathBuf, String)> {
        let file = group.join(match self.parent.is_version_1 {
            true => "cpu.cfs_quota_us",
            false => "cpu.max",
        });
        let said = fs::read_to_string(&file)?;
        let quota = said.split_whitespace().next().unwrap_or_default();
        Ok((file, quota.to_owned()))
    }
}

/// Whether a process is in a group, as the kernel says; each start of the harness has its own names.
fn is_in(pid: i32, group: &Path) -> io::Result<bool> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let mut groups = groups.lines().map(Path::new);
    Ok(groups.any(|own| own.file_name() == group.file_name()))
}

impl Act for Quota {
    fn lease(&self, on: &dyn Target) -> io::Result<Option<Undo>> {
        Undo::remove_folder(&self.group(on)).map(Some)
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let group = self.group(on);
        match fs::create_dir(&group) {
            // That of an earlier start.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        self.set(&group, Some(self.quota_us))?;
        for _ in 0..ROUNDS {
            let mut are_all_inside = true;
            on.each_process(&mut |pid| {
                if is_in(pid, &group)? {
                    return Ok(());
                }
                are_all_inside = false;
                fs::write(group.join(PROCESSES), pid.to_string())
            })?;
            if are_all_inside {
                break;
            }
        }
        Ok(())
    }

    fn confirm(&self, on: &dyn Target) -> Result<String, ActError> {
        let group = self.group(on);
        let (mut seen, mut outside) = (0, None);
        on.each_process(&mut |pid| {
            seen += 1;
            if !is_in(pid, &group)? {
                outside = Some(pid);
            }
            Ok(())
        })?;
        if let Some(pid) = outside {
            let problem = format!("process {pid} is not in {}", group.display());
            return Err(ActError::Missed(problem));
        }
        let (file, said) = self.said(&group)?;
        let file = file.display();
        if seen == 0 {
            let problem = "no process could be looked at".to_owned();
            return Err(ActError::Missed(problem));
        }
        if said != self.quota_us.to_string() {
            let problem = format!("{file} says {said}, and not {}", self.quota_us);
            return Err(ActError::Missed(problem));
        }
        Ok(format!(
            "{file}: {said} of {PERIOD_US}, every process is in the group"
        ))
    }

    fn undo(&mut self, on: &dyn Target) -> io::Result<()> {
        self.set(&self.group(on), None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::{Waiting, asked_by, asked_of};

    #[tokio::test(start_paused = true)]
    async fn every_node_gets_a_quota_where_there_are_control_groups() {
        let (asked, ended) = asked_by("cpu_quota", &json!({ "percent": 30 })).await;
        match CpuQuota::probe() {
            Ok(()) => assert_eq!(asked_of(&asked, "act").len(), 2),
            Err(_) => assert!(matches!(ended, Err(FaultError::Missed(_)))),
        }
    }

    #[test]
    fn what_is_written_down_removes_the_group_of_a_process_that_had_a_quota() {
        let Ok(parent) = Parent::find() else {
            return;
        };
        let quota_us = 30_000;
        let mut quota = Quota { parent, quota_us };
        let target = Waiting::start();
        let undo = quota.lease(&target).expect("it is one line");
        quota.apply(&target).expect("it may");
        let evidence = quota.confirm(&target).expect("it holds");
        assert!(evidence.contains(": 30000 of 100000"), "{evidence}");
        let group = quota.group(&target);
        quota.undo(&target).expect("it may");
        assert!(matches!(quota.confirm(&target), Err(ActError::Missed(_))));
        drop(target);
        undo.expect("there is something")
            .run()
            .expect("it is empty");
        assert!(!group.exists());
    }

    #[test]
    fn a_process_that_is_not_in_the_group_has_no_quota() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Waiting::start();
        for (is_version_1, file, written) in [
            (true, "cpu.cfs_quota_us", "30000"),
            (false, "cpu.max", "30000 100000"),
        ] {
            let (path, quota_us) = (folder.path().to_owned(), 30_000);
            let parent = Parent { path, is_version_1 };
            let quota = Quota { parent, quota_us };
            let group = quota.group(&target);
            fs::create_dir_all(&group).expect("it is made");
            quota.set(&group, Some(quota_us)).expect("it is written");
            let (file, said) = (group.join(file), "30000".to_owned());
            assert_eq!(fs::read_to_string(&file).expect("it is there"), written);
            assert_eq!(quota.said(&group).expect("it is there"), (file, said));
            let missed = quota.confirm(&target).expect_err("it is elsewhere");
            assert!(format!("{missed:?}").contains("is not in"), "{missed:?}");
        }
    }

    #[test]
    fn in_version_2_the_nearest_group_counts_whose_children_have_the_controller() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("slice/scope/run");
        fs::create_dir_all(&own).expect("it is made");
        assert_eq!(delegating(&own), None);
        let slice = folder.path().join("slice");
        let children = slice.join("cgroup.subtree_control");
        fs::write(children, "cpuset cpu memory\n").expect("it is written");
        assert_eq!(delegating(&own), Some(slice));
    }
}
