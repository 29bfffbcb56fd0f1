//! PostgreSQL as a store: a cluster of its own, made if there is none, and the server in place of this process.
//!
//! Whoever starts this supervises the postmaster itself. It runs as an ordinary user, as PostgreSQL demands.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::User;

/// The user that packages make for PostgreSQL, which refuses to run as root.
const USER: &str = "postgres";
/// How long the processes of a killed server may take to notice it: they finish their statement first.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Why there is no server.
#[derive(Debug)]
pub enum ClusterError {
    /// Root may not run it, and there is no user for it.
    NoUser,
    /// Its user cannot reach the data folder.
    Unreachable {
        /// The folder on the way that keeps it out.
        folder: PathBuf,
    },
    /// A file or folder could not be used.
    File {
        /// The attempt, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// `initdb` did not make a cluster.
    Initdb {
        /// What it said.
        said: String,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl ClusterError {
    /// Whether nothing but another machine or another folder helps.
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::NoUser | Self::Unreachable { .. } => true,
            Self::File { .. } | Self::Initdb { .. } | Self::Start { .. } => false,
        }
    }

    fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::File {
            action,
            path: path.to_owned(),
            cause,
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser => write!(
                f,
                "PostgreSQL does not run as root, and there is no user '{USER}' that it could run as: add one, or \
                 start this as another user"
            ),
            Self::Unreachable { folder } => write!(
                f,
                "PostgreSQL does not run as root, and its user '{USER}' may not enter {}: choose a data folder (of a \
                 run: --out) that everybody can reach, or start this as another user",
                folder.display()
            ),
            Self::File { action, path, .. } => write!(f, "failed to {action} {}", path.display()),
            Self::Initdb { said } => write!(f, "initdb created no database: {said}"),
            Self::Start { program, .. } => write!(f, "failed to start {}", program.display()),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } | Self::Start { cause, .. } => Some(cause),
            Self::NoUser | Self::Unreachable { .. } | Self::Initdb { .. } => None,
        }
    }
}

/// The settings of a PostgreSQL server.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The folder of `initdb` and `postgres`.
    pub programs: PathBuf,
    /// The folder of the cluster, which is made if there is none.
    pub data: PathBuf,
    /// The folder around `data` whose folders may be opened to the server's user, if there is one.
    pub opened: Option<PathBuf>,
    /// The port on 127.0.0.1.
    pub port: u16,
}

/// Serves on 127.0.0.1 with a cluster of its own; returns only when it cannot.
///
/// # Errors
/// If there is no user for PostgreSQL, or no folder it can use.
pub fn run(setup: Setup) -> Result<Infallible, ClusterError> {
    let data = std::path::absolute(&setup.data).map_err(ClusterError::file("find", &setup.data))?;
    let site = Site {
        owner: owner()?,
        cluster: data.join("cluster"),
        programs: setup.programs,
        opened: setup.opened,
        data,
    };
    site.prepare()?;
    site.make_cluster()?;
    site.wait_for_the_last();
    site.serve(setup.port)
}

/// Who it runs as when this is root.
fn owner() -> Result<Option<User>, ClusterError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name(USER).ok().flatten();
    user.map(Some).ok_or(ClusterError::NoUser)
}

struct Site {
    owner: Option<User>,
    data: PathBuf,
    cluster: PathBuf,
    programs: PathBuf,
    opened: Option<PathBuf>,
}

impl Site {
    /// The data folder, which the server's user owns and can reach.
    fn prepare(&self) -> Result<(), ClusterError> {
        let data = &self.data;
        fs::create_dir_all(data).map_err(ClusterError::file("create", data))?;
        let Some(owner) = &self.owner else {
            return Ok(());
        };
        let (uid, gid) = (owner.uid.as_raw(), owner.gid.as_raw());
        std::os::unix::fs::chown(data, Some(uid), Some(gid))
            .map_err(ClusterError::file("give away", data))?;
        for folder in data.ancestors() {
            let found = fs::metadata(folder).map_err(ClusterError::file("look at", folder))?;
            let may_enter = match (found.uid() == uid, found.gid() == gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if found.permissions().mode() & may_enter != 0 {
                continue;
            }
            if !self
                .opened
                .as_ref()
                .is_some_and(|opened| folder.starts_with(opened))
            {
                return Err(ClusterError::Unreachable {
                    folder: folder.to_owned(),
                });
            }
            // A run's folders are closed to others: its group may pass, and read nothing.
            std::os::unix::fs::chown(folder, None, Some(gid))
                .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o710)))
                .map_err(ClusterError::file("open", folder))?;
        }
        Ok(())
    }

    /// Makes the cluster, all or nothing: a half-made one is begun anew.
    fn make_cluster(&self) -> Result<(), ClusterError> {
        if self.cluster.is_dir() {
            return Ok(());
        }
        let half = self.data.join("cluster.new");
        if half.exists() {
            fs::remove_dir_all(&half).map_err(ClusterError::file("remove", &half))?;
        }
        let mut initdb = self.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&half)
            .args(["--username", "postgres", "--auth", "trust"])
            .args(["--no-locale", "--encoding", "UTF8"]);
        let made = initdb
            .output()
            .map_err(|cause| self.not_started("initdb", cause))?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(ClusterError::Initdb { said });
        }
        fs::rename(&half, &self.cluster).map_err(ClusterError::file("rename", &half))?;
        // Its new name is to outlast a power loss as all does that PostgreSQL writes.
        let synced = fs::File::open(&self.data).and_then(|data| data.sync_all());
        synced.map_err(ClusterError::file("sync", &self.data))
    }

    /// Waits for the processes of a server that was killed here. They are in groups of their own, so they end only
    /// when they notice; a new server refuses to start before, since they still use the memory that they share.
    fn wait_for_the_last(&self) {
        let Some(memory) = shared_memory(&self.cluster) else {
            return;
        };
        let deadline = Instant::now() + GONE_WITHIN;
        while is_attached(&memory) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
    }

    fn serve(&self, port: u16) -> Result<Infallible, ClusterError> {
        let mut server = self.command("postgres");
        server
            .arg("-D")
            .arg(&self.cluster)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            // None: a path in a run's folder is easily longer than a socket's may be.
            .args(["-c", "unix_socket_directories="])
            // In its data folder, which is removed: a killed server leaves files in /dev/shm.
            .args(["-c", "dynamic_shared_memory_type=mmap"])
            .args(["-c", "fsync=on"])
            .args(["-c", "synchronous_commit=on"]);
        let cause = server.exec();
        Err(self.not_started("postgres", cause))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .current_dir(&self.data)
            // Its words are waited for.
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if let Some(owner) = &self.owner {
            command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
        }
        command
    }

    fn not_started(&self, name: &str, cause: io::Error) -> ClusterError {
        ClusterError::Start {
            program: self.programs.join(name),
            cause,
        }
    }
}

/// The number of the shared memory that the last server of a cluster made, when it did not end well.
fn shared_memory(cluster: &Path) -> Option<String> {
    let lock = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    // Its seventh line: the key and the number.
    let number = lock.lines().nth(6)?.split_whitespace().nth(1)?;
    Some(number.to_owned())
}

/// Whether any process has this shared memory, as the kernel lists it.
fn is_attached(memory: &str) -> bool {
    let list = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let mut lines = list.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name| names.iter().position(|other| *other == name);
    let (Some(id), Some(users)) = (column("shmid"), column("nattch")) else {
        return false;
    };
    lines.any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(id) == Some(&memory) && fields.get(users).is_some_and(|users| *users != "0")
    })
}
