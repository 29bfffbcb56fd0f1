//! Memory that processes share and that outlives them: segments of System V, and files in `/dev/shm`.
//!
//! A killed server cannot remove it. A run removes it when no process uses it any more, and only if a process of the run created
//! or mapped it after the run began.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::proc;

/// Where the kernel lists the segments of System V.
const SEGMENTS: &str = "/proc/sysvipc/shm";
/// Where files of shared memory lie.
const FILES: &str = "/dev/shm";
/// The starts of processes are known to about a second.
const VAGUE: Duration = Duration::from_secs(2);

/// Shared memory, by the name that removes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shared {
    /// A segment of System V.
    Segment(u64),
    /// A file in `/dev/shm`.
    File(PathBuf),
}

impl Shared {
    /// As [`Self::parse`] reads it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Segment(id) => format!("segment {id}"),
            Self::File(path) => format!("file {}", path.display()),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("segment", id) => id.parse().ok().map(Self::Segment),
            ("file", path) => is_shared_file(path).then(|| Self::File(path.into())),
            _ => None,
        }
    }
}

/// What these processes have mapped.
pub(super) fn mapped_by(pids: impl IntoIterator<Item = i32>) -> Vec<Shared> {
    let mut found: Vec<_> = pids.into_iter().flat_map(mapped).collect();
    found.sort();
    found.dedup();
    found
}

fn mapped(pid: i32) -> Vec<Shared> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().filter_map(mapping).collect()
}

/// The shared memory of a line of `maps`: address, rights, offset, device, inode, and what is mapped.
fn mapping(line: &str) -> Option<Shared> {
    let mut fields = line.splitn(6, ' ').filter(|field| !field.is_empty());
    // The number of a segment is in place of the inode.
    let inode = fields.nth(4)?;
    let name = fields.next()?.trim_start();
    if name.starts_with("/SYSV") {
        return inode.parse().ok().map(Shared::Segment);
    }
    is_shared_file(name).then(|| Shared::File(name.into()))
}

fn is_shared_file(name: &str) -> bool {
    let below = name
        .strip_prefix(FILES)
        .and_then(|rest| rest.strip_prefix('/'));
    below.is_some_and(|rest| !rest.contains('/') && !rest.ends_with(" (deleted)"))
}

/// Segments that one of these processes created since `begun`, in clock ticks.
pub(super) fn made_by(pids: &[i32], begun: u64) -> Vec<Shared> {
    let Some(since) = since(begun) else {
        return Vec::new();
    };
    let made = segments().into_iter().filter(|segment| {
        pids.contains(&segment.maker) && segment.made >= since && proc::stat(segment.maker).is_err()
    });
    made.map(|segment| Shared::Segment(segment.id)).collect()
}

/// Those of them that exist, were created since `begun`, and are not in use.
pub(super) fn unused(of: impl IntoIterator<Item = Shared>, begun: u64) -> Vec<Shared> {
    let Some(since) = since(begun) else {
        return Vec::new();
    };
    let mut of: Vec<_> = of.into_iter().collect();
    if of.is_empty() {
        return of;
    }
    let segments = segments();
    let in_use = match of.iter().any(|shared| matches!(shared, Shared::File(_))) {
        true => mapped_by(proc::all().unwrap_or_default().iter().map(|stat| stat.pid)),
        false => Vec::new(),
    };
    of.retain(|shared| match shared {
        Shared::Segment(id) => segments
            .iter()
            .any(|found| found.id == *id && found.users == 0 && found.made >= since),
        Shared::File(path) => !in_use.contains(shared) && is_file_since(path, since),
    });
    of
}

/// Removes it.
pub(super) fn remove(shared: &Shared) -> bool {
    match shared {
        // The system call needs `unsafe`. This program comes with `ipcs`.
        Shared::Segment(id) => Command::new("ipcrm")
            .args(["-m", &id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
        Shared::File(path) => fs::remove_file(path).is_ok(),
    }
}

fn since(begun: u64) -> Option<SystemTime> {
    proc::time_of(begun)?.checked_sub(VAGUE)
}

fn is_file_since(path: &Path, since: SystemTime) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    let own = rustix::process::geteuid();
    found.is_file()
        && (own.is_root() || found.uid() == own.as_raw())
        && found.created().is_ok_and(|made| made >= since)
}

struct Segment {
    id: u64,
    maker: i32,
    users: u64,
    made: SystemTime,
}

fn segments() -> Vec<Segment> {
    parse_segments(&fs::read_to_string(SEGMENTS).unwrap_or_default())
}

fn parse_segments(list: &str) -> Vec<Segment> {
    let mut lines = list.lines();
    let names: Vec<_> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name| names.iter().position(|other| *other == name);
    let (Some(id), Some(maker), Some(users), Some(made)) = (
        column("shmid"),
        column("cpid"),
        column("nattch"),
        column("ctime"),
    ) else {
        return Vec::new();
    };
    let read = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Segment {
            id: number(id)?,
            maker: i32::try_from(number(maker)?).ok()?,
            users: number(users)?,
            made: SystemTime::UNIX_EPOCH + Duration::from_secs(number(made)?),
        })
    };
    lines.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_found_among_what_is_mapped() {
        let segment =
            "7f00-7f01 rw-s 00000000 00:01 98304                      /SYSV0052e2c1 (deleted)";
        assert_eq!(mapping(segment), Some(Shared::Segment(98_304)));
        let file = "7f00-7f01 rw-s 00000000 00:19 3   /dev/shm/PostgreSQL.12";
        assert_eq!(mapping(file), Shared::parse("file /dev/shm/PostgreSQL.12"));
        for line in [
            "7f00-7f01 rw-p 00000000 00:00 0 ",
            "7f00-7f01 rw-p 00000000 00:00 0          [heap]",
            "7f00-7f01 r-xp 00000000 08:01 77         /usr/bin/sleep",
            "7f00-7f01 rw-s 00000000 00:19 3          /dev/shm/gone (deleted)",
            "7f00-7f01 rw-s 00000000 00:19 3          /dev/shm/a/b",
        ] {
            assert_eq!(mapping(line), None, "{line}");
        }
        assert_eq!(Shared::parse("file /etc/passwd"), None);
        assert_eq!(Shared::parse("file /dev/shm/../../etc/passwd"), None);
    }

    #[test]
    fn what_is_older_than_the_run_is_not_its() {
        let list = "       key      shmid perms  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime\n\
                    5432001      98304   600    56    77    77      1   104   104   104   104          1          0 1700000000\n";
        let found = parse_segments(list);
        assert_eq!(
            (found[0].id, found[0].maker, found[0].users),
            (98_304, 77, 1)
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(!is_file_since(file.path(), SystemTime::now() + VAGUE));
    }
}
