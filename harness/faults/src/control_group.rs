//! Limits of control groups: each node gets a group of its own, with a limit of one resource.
//!
//! Version 1 has a hierarchy for each controller; the groups are made below that of this process. In version 2 they are made
//! below the nearest group whose children have the controller.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_host::cgroups::own_group;
use comeback_host::undo::Undo;
use comeback_model::units::Span;
use rustix::fs::{Access, access};

use crate::act::{Act, ActError, Target};
use crate::degrade::degrade;
use crate::injection::{FaultError, Injection};
use crate::kind::Unavailable;

/// A process may fork while it is moved; its children are moved in the next round.
const ROUNDS: u32 = 100;
/// The file of a group by which processes are moved into it.
const PROCESSES: &str = "cgroup.procs";

/// The version of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// Files of a group, and what is written to each.
type Settings = Vec<(&'static str, String)>;

/// A file of a group, and a line in it that begins with this word. Of a file with one figure the word is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub(crate) file: &'static str,
    pub(crate) word: &'static str,
}

/// A resource that a group limits.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The name of its controller.
    pub(crate) controller: &'static str,
    /// The files to write for a limit, and what to write. The last one says the limit, in its first word. Without a limit: none.
    pub(crate) settings: fn(Version, Option<u64>) -> Settings,
    /// How often the kernel held processes to it.
    pub(crate) counter: fn(Version) -> Counter,
}

impl Resource {
    /// Whether a group with such a limit can be made here.
    pub(crate) fn probe(&self) -> Result<(), Unavailable> {
        let mend =
            "run as a user who may make control groups, with the controllers cpu, memory and pids";
        Parent::find(self).map(drop).map_err(|error| Unavailable {
            reason: format!(
                "no control group with the controller {} can be made: {error}",
                self.controller
            ),
            mend,
        })
    }
}

/// The group below which those of nodes are made.
#[derive(Clone, Debug)]
struct Parent {
    path: PathBuf,
    version: Version,
}

impl Parent {
    fn find(resource: &Resource) -> io::Result<Self> {
        let controller = resource.controller;
        let below = || own_group("").and_then(|own| delegating(&own, controller));
        let parent = match own_group(controller) {
            Some(path) => Self {
                path,
                version: Version::One,
            },
            None => Self {
                path: below().ok_or_else(|| {
                    io::Error::other(format!("no group here has the controller {controller}"))
                })?,
                version: Version::Two,
            },
        };
        access(&parent.path, Access::WRITE_OK)?;
        access(parent.path.join(PROCESSES), Access::WRITE_OK)?;
        Ok(parent)
    }
}

fn delegating(own: &Path, controller: &str) -> Option<PathBuf> {
    let has_it = |group: &&Path| {
        let children = fs::read_to_string(group.join("cgroup.subtree_control"));
        children.is_ok_and(|list| list.split_whitespace().any(|one| one == controller))
    };
    own.ancestors().find(has_it).map(Path::to_owned)
}

/// The limit of one node: of a group of its own.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    parent: Parent,
    resource: &'static Resource,
    limit: u64,
    /// Whether its processes have to reach it while it holds; else it is enough that it holds.
    is_to_be_reached: bool,
    /// The counter when the limit was set.
    before: u64,
}

impl Limit {
    /// A limit for a node.
    ///
    /// # Errors
    /// If no group can be made here.
    pub(crate) fn new(
        resource: &'static Resource,
        limit: u64,
        is_to_be_reached: bool,
    ) -> Result<Self, FaultError> {
        let parent = Parent::find(resource);
        Ok(Self {
            parent: parent.map_err(|error| FaultError::Missed(error.to_string()))?,
            resource,
            limit,
            is_to_be_reached,
            before: 0,
        })
    }

    fn group(&self, on: &dyn Target) -> PathBuf {
        let name = format!("comeback-{}-{}", on.label(), self.resource.controller);
        self.parent.path.join(name)
    }

    /// Sets the limit of a group; without one: none.
    fn set(&self, group: &Path, limit: Option<u64>) -> io::Result<()> {
        let settings = (self.resource.settings)(self.parent.version, limit);
        for (file, text) in settings {
            fs::write(group.join(file), text)?;
        }
        Ok(())
    }

    /// The file that says the limit of a group, what it says, and what it has to say.
    fn said(&self, group: &Path) -> io::Result<(PathBuf, String, String)> {
        let first = |text: &str| {
            let word = text.split_whitespace().next();
            word.unwrap_or_default().to_owned()
        };
        let settings = (self.resource.settings)(self.parent.version, Some(self.limit));
        let (file, wanted) = settings
            .last()
            .map_or(("", ""), |(file, text)| (*file, text));
        let file = group.join(file);
        let said = fs::read_to_string(&file)?;
        Ok((file, first(&said), first(wanted)))
    }

    /// The counter: its file and what it says.
    fn count(&self, group: &Path) -> io::Result<(PathBuf, u64)> {
        let Counter { file, word } = (self.resource.counter)(self.parent.version);
        let file = group.join(file);
        let said = fs::read_to_string(&file)?;
        let mut lines = said.lines();
        let count = lines.find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
        let problem = || io::Error::other(format!("{} has no count: {said}", file.display()));
        Ok((file.clone(), count.ok_or_else(problem)?))
    }
}

/// Whether a process is in a group, as the kernel says; each start of the harness has its own names.
fn is_in(pid: i32, group: &Path) -> io::Result<bool> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let mut groups = groups.lines().map(Path::new);
    Ok(groups.any(|own| own.file_name() == group.file_name()))
}

impl Act for Limit {
    fn lease(&self, on: &dyn Target) -> io::Result<Option<Undo>> {
        Undo::remove_folder(&self.group(on)).map(Some)
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let group = self.group(on);
        match fs::create_dir(&group) {
            // That of an earlier start, or of another fault.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        self.before = self.count(&group)?.1;
        self.set(&group, Some(self.limit))?;
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
        let (file, said, wanted) = self.said(&group)?;
        let file = file.display();
        if seen == 0 {
            let problem = "no process could be looked at".to_owned();
            return Err(ActError::Missed(problem));
        }
        if said != wanted {
            let problem = format!("{file} says {said}, and not {wanted}");
            return Err(ActError::Missed(problem));
        }
        Ok(format!("{file}: {said}, every process is in the group"))
    }

    fn conclude(&self, on: &dyn Target) -> Result<String, ActError> {
        let held = self.confirm(on)?;
        let (file, count) = self.count(&self.group(on))?;
        let file = file.display();
        match count.saturating_sub(self.before) {
            0 if self.is_to_be_reached => Err(ActError::Missed(format!(
                "the limit was never reached, {file} says: set a lower limit"
            ))),
            times => Ok(format!("{held}; it was reached {times} times, {file} says")),
        }
    }

    fn undo(&mut self, on: &dyn Target) -> io::Result<()> {
        self.set(&self.group(on), None)
    }
}

/// A kind that limits a resource of each node by a control group.
macro_rules! limit_kind {
    (
        $(#[$about:meta])* $kind:ident, $name:literal, $resource:expr,
        $(#[$meaning:meta])* $field:ident = $default:literal in $range:pat => $beyond:literal,
        about: $line:literal,
        evidence: $evidence:literal,
        words: |$reach:ident, $lasts:ident| $words:expr $(,)?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $kind {
            $(#[$meaning])*
            $field: u64,
            /// How long it holds as a fault. A surrounding has no end.
            #[serde(skip_serializing_if = "Option::is_none")]
            lasts: Option<Span>,
        }

        impl Default for $kind {
            fn default() -> Self {
                Self { $field: $default, lasts: None }
            }
        }

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $line;
            const EVIDENCE: &'static str = $evidence;
            const AIM: Aim = Aim::AllReplicas;
            const REACH: Reach = Reach::Tree;
            const SURROUNDS: bool = true;

            fn probe() -> Result<(), Unavailable> {
                $resource.probe()
            }

            fn check(&self) -> Result<(), (&'static str, &'static str)> {
                match self.$field {
                    $range => degrade::check(self.lasts),
                    _ => Err((stringify!($field), $beyond)),
                }
            }

            fn effect(&self) -> Effect {
                degrade::effect(self.lasts)
            }

            fn words(&self, $reach: Reach) -> FaultWords {
                let ($field, $lasts) = (self.$field, degrade::for_how_long(self.lasts));
                $words
            }

            async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
                limit(on, &$resource, self.$field, self.lasts).await
            }
        }
    };
}
pub(crate) use limit_kind;

/// Limits every node: for a while, or as a surrounding.
///
/// # Errors
/// When the limit had no effect.
pub(crate) async fn limit(
    on: &Injection,
    resource: &'static Resource,
    limit: u64,
    lasts: Option<Span>,
) -> Result<(), FaultError> {
    let limit = Limit::new(resource, limit, lasts.is_some())?;
    degrade(on, lasts, || limit.clone()).await
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::cpu_quota::CPU;
    use crate::memory_limit::MEMORY;
    use crate::process_limit::PROCESSES;
    use crate::tests::{Waiting, asked_by, asked_of};

    /// How long a busy machine may take to let a process reach its limit.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn missed(answer: Result<String, ActError>) -> String {
        match answer {
            Err(ActError::Missed(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_node_gets_a_limit_and_a_fault_lifts_it_when_its_time_is_over() {
        for (kind, resource) in [
            ("cpu_quota", &CPU),
            ("memory_limit", &MEMORY),
            ("process_limit", &PROCESSES),
        ] {
            for (parameters, undone) in [(json!({}), 0), (json!({ "lasts": "2s" }), 2)] {
                let (asked, ended) = asked_by(kind, &parameters).await;
                if resource.probe().is_err() {
                    assert!(matches!(ended, Err(FaultError::Missed(_))));
                    continue;
                }
                assert_eq!(ended, Ok(()), "{kind}");
                assert_eq!(asked_of(&asked, "act").len(), 2, "{kind}");
                let undo = asked_of(&asked, "undo");
                assert_eq!(undo.len(), undone, "{kind}");
            }
        }
    }

    /// A script under a limit: nothing is reached before it goes on, and something is after that.
    #[expect(
        clippy::disallowed_methods,
        reason = "a kernel's counter goes by no clock of ours"
    )]
    fn reaches(resource: &'static Resource, limit: u64, script: &str) {
        let Ok(mut limit) = Limit::new(resource, limit, true) else {
            return;
        };
        let mut target = Waiting::run(script);
        let undo = limit.lease(&target).expect("it is one line");
        limit.apply(&target).expect("it may");
        let evidence = limit.confirm(&target).expect("it holds");
        assert!(
            evidence.contains("every process is in the group"),
            "{evidence}"
        );
        let problem = missed(limit.conclude(&target));
        assert!(problem.contains("was never reached"), "{problem}");
        target.go_on();
        let began = Instant::now();
        let concluded = loop {
            match limit.conclude(&target) {
                Ok(evidence) => break evidence,
                Err(_) => assert!(began.elapsed() < PATIENCE, "{}", resource.controller),
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert!(concluded.contains("it was reached"), "{concluded}");
        let group = limit.group(&target);
        limit.undo(&target).expect("it may");
        let problem = missed(limit.confirm(&target));
        assert!(problem.contains("says"), "{problem}");
        drop(target);
        undo.expect("there is something")
            .run()
            .expect("it is empty");
        assert!(!group.exists());
    }

    #[test]
    fn a_busy_process_uses_up_its_quota() {
        reaches(&CPU, 5, "read go; while :; do :; done");
    }

    #[test]
    fn a_process_that_allocates_reaches_its_limit_of_memory() {
        // One line of 300 MB, which tail holds. What the shell itself needs is little beside the limit, so it is not killed.
        let script =
            "read go; while :; do head -c 300000000 /dev/zero | tail -n 1; sleep 0.1; done";
        reaches(&MEMORY, 64, script);
    }

    #[test]
    fn a_process_that_forks_reaches_its_limit_of_processes() {
        reaches(&PROCESSES, 1, "read go; while :; do /bin/true; done");
    }

    #[test]
    fn a_process_that_is_not_in_the_group_has_no_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Waiting::run("read go");
        for (version, resource, file, written, counter) in [
            (Version::One, &CPU, "cpu.cfs_quota_us", "30000", "cpu.stat"),
            (Version::Two, &CPU, "cpu.max", "30000 100000", "cpu.stat"),
            (
                Version::One,
                &MEMORY,
                "memory.limit_in_bytes",
                "31457280",
                "memory.failcnt",
            ),
            (
                Version::Two,
                &MEMORY,
                "memory.max",
                "31457280",
                "memory.events",
            ),
            (Version::Two, &PROCESSES, "pids.max", "30", "pids.events"),
        ] {
            let path = folder.path().to_owned();
            let mut limit = Limit {
                parent: Parent { path, version },
                resource,
                limit: 30,
                is_to_be_reached: true,
                before: 0,
            };
            let group = limit.group(&target);
            fs::create_dir_all(&group).expect("it is made");
            limit.set(&group, Some(30)).expect("it is written");
            let said = fs::read_to_string(group.join(file)).expect("it is there");
            assert_eq!(said, written);
            let (at, said, wanted) = limit.said(&group).expect("it is there");
            assert_eq!((at, said), (group.join(file), wanted));
            let problem = missed(limit.confirm(&target));
            assert!(problem.contains("is not in"), "{problem}");
            let word = (resource.counter)(version).word;
            let lines = format!("low 7\nnr_periods 9\n{word} 3\n");
            fs::write(
                group.join(counter),
                if word.is_empty() { "3\n" } else { &lines },
            )
            .expect("it is written");
            let (at, count) = limit.count(&group).expect("it is there");
            assert_eq!((at, count), (group.join(counter), 3));
            limit.undo(&target).expect("it is written");
            let (_, said, _) = limit.said(&group).expect("it is there");
            assert!(["max", "-1"].contains(&&said[..]), "{said}");
        }
    }

    #[test]
    fn in_version_2_the_nearest_group_counts_whose_children_have_the_controller() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("slice/scope/run");
        fs::create_dir_all(&own).expect("it is made");
        assert_eq!(delegating(&own, "cpu"), None);
        let slice = folder.path().join("slice");
        let children = slice.join("cgroup.subtree_control");
        fs::write(children, "cpuset cpu memory\n").expect("it is written");
        assert_eq!(delegating(&own, "cpu"), Some(slice.clone()));
        assert_eq!(delegating(&own, "pids"), None);
        assert_eq!(delegating(&own, "memory"), Some(slice));
    }
}
