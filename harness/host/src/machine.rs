//! The machine a run takes place on, as far as figures depend on it.

use std::path::Path;

use comeback_model::journal::Machine;

/// Describes this machine. Anything that cannot be read is `unknown`, not an error.
pub fn describe(data: &Path) -> Machine {
    Machine {
        system: system().unwrap_or_else(unknown),
        processor: processor().unwrap_or_else(unknown),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32),
        memory_mib: memory_mib().unwrap_or(0),
        data_filesystem: filesystem_of(data).unwrap_or_else(unknown),
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
        .to_owned(),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn system() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(format!("Linux {}", release.trim()))
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))?
        .trim_start_matches([' ', '\t', ':']);
    Some(name.to_owned())
}

fn memory_mib() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The type of the file system that holds `path`: the mount point with the longest matching prefix.
fn filesystem_of(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}
