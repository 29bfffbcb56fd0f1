//! What is left of a run, counted by what the kernel says alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sorts of things, in the order of [`Left`].
pub(super) const SORTS: [&str; 8] = [
    "processes",
    "shared memory",
    "folders",
    "records",
    "sockets",
    "control groups",
    "mounts",
    "tables of nftables",
];

/// What was found, by sort.
pub(super) struct Left(pub(super) [Vec<String>; SORTS.len()]);

/// The places to look at.
pub(super) struct Place {
    /// Everything that was started as a harness, whose control groups carry its number.
    pub(super) harnesses: BTreeSet<i32>,
    known: BTreeSet<String>,
    mounts: BTreeSet<String>,
}

impl Place {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            harnesses: BTreeSet::new(),
            known: BTreeSet::new(),
            mounts: mounts(),
        })
    }

    /// What is there that should not be, and was not counted before.
    pub(super) fn look(&self) -> Left {
        let found = [
            descendants().into_iter().map(told).collect(),
            shared_memory(),
            folders(),
            records(),
            sockets(),
            self.groups(),
            mounts().difference(&self.mounts).cloned().collect(),
            tables(),
        ];
        Left(found.map(|mut sort: Vec<String>| {
            sort.retain(|what| !self.known.contains(what));
            sort
        }))
    }

    /// Does not count this again.
    pub(super) fn know(&mut self, left: &Left) {
        self.known.extend(left.0.iter().flatten().cloned());
    }

    fn groups(&self) -> Vec<String> {
        let is_ours = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let rest = name.and_then(|name| name.strip_prefix("comeback-"));
            let number = rest.and_then(|rest| rest.split('-').next()?.parse().ok());
            number.is_some_and(|number| self.harnesses.contains(&number))
        };
        let folders = below(Path::new("/sys/fs/cgroup"), fs::FileType::is_dir);
        let ours = folders.into_iter().filter(|path| is_ours(path));
        ours.map(|path| path.display().to_string()).collect()
    }
}

/// Everything below a folder of which this is true; links are not followed.
fn below(folder: &Path, is_wanted: fn(&fs::FileType) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                open.push(entry.path());
            }
            if is_wanted(&kind) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Every process that this one, or one below it, started; the dead aside.
pub(super) fn descendants() -> Vec<i32> {
    let own = std::process::id() as i32;
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold anything.
        let Some((pid, rest)) = stat.split_once(" (").and_then(|(pid, rest)| {
            let (_, rest) = rest.rsplit_once(") ")?;
            Some((pid.parse::<i32>().ok()?, rest))
        }) else {
            continue;
        };
        let mut fields = rest.split(' ');
        let state = fields.next().unwrap_or_default();
        let parent = fields.next().and_then(|parent| parent.parse::<i32>().ok());
        if let Some(parent) = parent {
            parents.push((pid, parent, state == "Z" || state == "X"));
        }
    }
    let mut found = vec![own];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(_, other, _)| *other == parent);
        found.extend(children.map(|(pid, _, _)| *pid));
        next += 1;
    }
    found.retain(|pid| {
        *pid != own
            && parents
                .iter()
                .any(|(other, _, is_dead)| other == pid && !is_dead)
    });
    found
}

/// The wardens among them.
pub(super) fn wardens() -> Vec<i32> {
    let mut pids = descendants();
    pids.retain(|pid| words(*pid).contains(" warden --tag "));
    pids
}

fn words(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn told(pid: i32) -> String {
    format!("{pid}: {}", words(pid))
}

/// Segments, semaphores and queues of System V, and files in `/dev/shm`: all of this namespace.
fn shared_memory() -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["shm", "sem", "msg"] {
        let list = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        let entries = list.lines().skip(1);
        found.extend(entries.filter_map(|line| {
            let id = line.split_whitespace().nth(1)?;
            Some(format!("{kind} {id}"))
        }));
    }
    let files = below(Path::new("/dev/shm"), |_| true);
    found.extend(files.iter().map(|path| path.display().to_string()));
    found
}

/// Tables of rules for packets: all of this namespace.
fn tables() -> Vec<String> {
    let listed = Command::new("/usr/sbin/nft")
        .args(["list", "tables"])
        .output();
    let listed = listed.map_or_else(|_| Vec::new(), |output| output.stdout);
    let listed = String::from_utf8_lossy(&listed);
    listed.lines().map(str::to_owned).collect()
}

/// What is in `/tmp` beside what people are meant to keep: the run's folder, without its `data`.
fn folders() -> Vec<String> {
    let mut found: Vec<_> = fs::read_dir("/tmp")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != Path::new(super::WORK) && !is_registry(path))
        .collect();
    let inside = below(Path::new(super::WORK), |_| true);
    found.extend(inside.into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name == ".comeback-scratch" || name == "data" && path.is_dir()
    }));
    found
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

fn is_registry(path: &Path) -> bool {
    path == Path::new(&registry())
}

/// The folder of records, which stays.
pub(super) fn registry() -> String {
    format!("/tmp/comeback-{}", nix::unistd::geteuid())
}

fn records() -> Vec<String> {
    let files = below(Path::new(&registry()), |_| true);
    files
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

/// Sockets that somebody listens on, and any of UDP: all of this namespace.
fn sockets() -> Vec<String> {
    let mut found = Vec::new();
    for (kind, column, state) in [
        ("tcp", 3, Some("0A")),
        ("tcp6", 3, Some("0A")),
        ("udp", 3, None),
        ("udp6", 3, None),
        // The flag of a socket that listens.
        ("unix", 3, Some("00010000")),
    ] {
        let list = fs::read_to_string(format!("/proc/net/{kind}")).unwrap_or_default();
        let lines = list.lines().skip(1).filter(|line| {
            let found = line.split_whitespace().nth(column);
            state.is_none_or(|state| found == Some(state))
        });
        found.extend(lines.map(|line| format!("{kind} {}", line.trim())));
    }
    found
}

fn mounts() -> BTreeSet<String> {
    let list = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = list.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(str::to_owned).collect()
}
