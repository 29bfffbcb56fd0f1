//! The record that each run keeps of itself while it runs, in a folder of the user, outside the run's folder.
//!
//! `comeback cleanup` uses it when both harness and warden are gone. It names them, the started processes, and their folders. Its
//! first line is a JSON object. The other lines are the roster's (see `roster.rs`). It is removed when nothing of the run is
//! left.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use comeback_model::plan::secret;
use serde::{Deserialize, Serialize};

use super::cgroup::Cgroup;
use super::proc;

/// How a record's file is named after the run's tag.
const SUFFIX: &str = "lease";
/// Names another folder for records.
const RECORDS_VARIABLE: &str = "COMEBACK_RECORDS";
/// More than any record has; a file that is longer is none.
const LONGEST: u64 = 16 << 20;

/// The first line of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run's tag: the harness, by pid and start time.
    pub tag: String,
    /// The start of the machine in which these pids and times mean something.
    pub boot: String,
    /// The pid namespace in which they do.
    pub namespace: u64,
    /// The session of the harness and its children.
    pub session: i32,
    /// The harness's parents with their sessions: one of them may be handed its orphans.
    pub ancestors: Vec<(i32, i32)>,
    /// The command line of the harness.
    pub command: String,
    /// The folder for what its servers write.
    pub scratch: PathBuf,
    /// Its control group, where it could make one.
    pub cgroup: Option<PathBuf>,
    /// Whether its harness is in that group, too.
    #[serde(default)]
    pub is_inside: bool,
}

/// A record on disk.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// Its first line.
    pub lease: Lease,
    /// The roster's lines.
    pub lines: Vec<String>,
}

impl Lease {
    pub(super) fn new(
        tag: &str,
        scratch: &Path,
        cgroup: Option<&Cgroup>,
        is_inside: bool,
    ) -> io::Result<Self> {
        let own = proc::own_pid();
        Ok(Self {
            tag: tag.to_string(),
            boot: proc::boot()?,
            namespace: proc::pid_namespace(own)?,
            session: proc::stat(own)?.session,
            ancestors: proc::ancestors(own),
            command: secret::mask_words(proc::arguments(own))
                .join(" ")
                .trim_end()
                .to_owned(),
            scratch: scratch.to_owned(),
            cgroup: cgroup.map(|group| group.path().to_owned()),
            is_inside,
        })
    }

    /// Writes it where [`find_all`] looks: the file, to which the roster's lines are appended.
    pub(super) fn write(&self) -> io::Result<(File, PathBuf)> {
        let mut refused = io::Error::other("there is no folder for it");
        for folder in registries() {
            match own_folder(&folder).and_then(|()| self.write_in(&folder)) {
                Ok(written) => return Ok(written),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn write_in(&self, folder: &Path) -> io::Result<(File, PathBuf)> {
        let path = folder.join(format!("{}.{SUFFIX}", self.tag));
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        file.write_all(line.as_bytes())?;
        Ok((file, path))
    }
}

/// Every record of this user, in the order of their names.
pub fn find_all() -> Vec<Stored> {
    let mut paths: Vec<PathBuf> = registries()
        .iter()
        .filter(|folder| is_own_folder(folder))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == SUFFIX))
        .collect();
    paths.sort();
    paths.dedup();
    paths.iter().filter_map(|path| read(path)).collect()
}

/// Reads a record; none where it is another user's, damaged, or no record.
pub(super) fn read(path: &Path) -> Option<Stored> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let lease: Lease = serde_json::from_str(lines.next()?).ok()?;
    let name = path.file_stem()?;
    (*name == *lease.tag).then(|| Stored {
        path: path.to_owned(),
        lines: lines.map(str::to_owned).collect(),
        lease,
    })
}

/// Removes a record; one that is gone is as good.
pub(super) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// The folders that may hold records, the first for new ones: the one that is named, or else one for this user among
/// the temporary files. These outlive a login, as processes do, and not a restart of the machine, as no process does.
fn registries() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(RECORDS_VARIABLE).filter(|name| !name.is_empty()) {
        return vec![named.into()];
    }
    let name = format!("comeback-{}", rustix::process::geteuid().as_raw());
    // A later `comeback cleanup` may have another TMPDIR.
    let mut folders = vec![
        PathBuf::from("/tmp").join(&name),
        std::env::temp_dir().join(&name),
    ];
    folders.dedup();
    folders
}

/// Makes the folder where it is missing.
fn own_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if is_own_folder(folder) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} is not a folder of this user alone", folder.display()),
    ))
}

/// Whether it is a folder, not a link, into which no other user can write records.
fn is_own_folder(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|found| {
        found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.permissions().mode() & 0o022 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::super::tag::RunTag;
    use super::*;

    fn example() -> Lease {
        let tag = RunTag::new().expect("/proc is there");
        Lease::new(tag.as_str(), Path::new("/x/data"), None, false).expect("/proc is there")
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let lease = example();
        let (mut file, path) = lease.write_in(folder.path()).expect("it is written");
        file.write_all(b"started 7 1 0 store 0\n")
            .expect("it is appended");
        let stored = read(&path).expect("it is one");
        assert_eq!(stored.lease, lease);
        assert_eq!(stored.lines, ["started 7 1 0 store 0"]);
    }

    #[test]
    fn a_link_or_a_record_under_another_name_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, path) = example().write_in(folder.path()).expect("it is written");
        let link = folder.path().join("1-2-00000003.lease");
        std::os::unix::fs::symlink(&path, &link).expect("it is made");
        assert!(read(&link).is_none());
        fs::remove_file(&link).expect("it is removed");
        fs::rename(&path, &link).expect("it is renamed");
        assert!(read(&link).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_to_holds_no_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = folder.path().join("open");
        fs::create_dir(&open).expect("it is made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("it is set");
        assert!(own_folder(&open).is_err());
        let own = folder.path().join("own");
        own_folder(&own).expect("it is made");
        own_folder(&own).expect("it is there");
    }
}
