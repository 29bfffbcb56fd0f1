//! The control groups that this process is in.

use std::fs;
use std::path::{Path, PathBuf};

/// The group that this process is in, as a folder: of version 1 in the hierarchy of this controller, of version 2 where the name
/// is empty. None where that is not mounted.
pub fn own_group(controller: &str) -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    group_in(&own, &mounts, controller)
}

fn group_in(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|one| one == controller);
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        has(controllers).then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let before: Vec<_> = before.split(' ').collect();
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let is_it = match controller {
            "" => kind == "cgroup2",
            _ => kind == "cgroup" && has(options),
        };
        is_it.then_some((*before.get(3)?, *before.get(4)?))
    })?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    Some(Path::new(point).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_this_process_is_found_in_each_hierarchy() {
        let own = "8:pids:/user\n6:freezer,x:/a/b\n0::/docker/ab/run\n";
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
            41 31 0:38 /docker/ab /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw\n";
        let found = |controller| group_in(own, mounts, controller);
        assert_eq!(found(""), Some("/sys/fs/cgroup/unified/run".into()));
        assert_eq!(found("freezer"), Some("/sys/fs/cgroup/freezer/a/b".into()));
        assert_eq!(found("pids"), None);
        assert_eq!(found("cpu"), None);
        assert_eq!(group_in("", mounts, "freezer"), None);
        assert_eq!(group_in(own, "", "freezer"), None);
    }
}
