//! Real stores, started by the test and killed with it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use comeback_supervise::ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::wait_until;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Postgres,
}

impl Kind {
    /// The server that keeps its sessions in it.
    pub(crate) fn server(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }

    /// Whether it is installed; a test ends with a reason where it is not. CI has everything.
    pub(crate) fn is_here(self) -> bool {
        let is_here = match self {
            Self::Redis => redis_server().is_some(),
            Self::Postgres => postgres_programs().is_some(),
        };
        assert!(
            is_here || std::env::var_os("CI").is_none(),
            "{self:?} is not installed: run `cargo xtask install`"
        );
        if !is_here {
            eprintln!("skipped: {self:?} is not installed (`cargo xtask install`)");
        }
        is_here
    }
}

fn redis_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
}

fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let folders = versions.map(|entry| entry.path().join("bin"));
    folders
        .filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .max()
}

/// An address that stays free while the store is away.
fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()))
}

/// A running store.
pub(crate) struct RealStore {
    kind: Kind,
    data: TempDir,
    pub(crate) address: SocketAddr,
    child: Option<Child>,
}

impl RealStore {
    pub(crate) fn start(kind: Kind) -> Self {
        // PostgreSQL runs as a user of its own, which has to reach it.
        let data = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let address = free_address();
        if kind == Kind::Postgres {
            make_cluster(data.path());
        }
        let mut store = Self {
            kind,
            data,
            address,
            child: None,
        };
        store.start_again();
        store
    }

    /// Starts it on the same port and data, and waits until it takes queries.
    pub(crate) fn start_again(&mut self) {
        let mut command = match self.kind {
            Kind::Redis => redis_command(self.data.path(), self.address.port()),
            Kind::Postgres => postgres_command(self.data.path(), self.address.port()),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        self.child = Some(child);
        let mut lines = BufReader::new(output).lines();
        let is_ready = |line: String| line.to_lowercase().contains("ready to accept connections");
        assert!(
            lines.by_ref().any(|line| line.is_ok_and(is_ready)),
            "{:?} did not start",
            self.kind
        );
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// Kills it with SIGKILL and waits until all of it is gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        let helpers = children_of(&child);
        child.kill().unwrap();
        child.wait().unwrap();
        for helper in helpers {
            wait_until("the end of a helper", || {
                !Path::new(&format!("/proc/{helper}")).exists() || is_zombie(&helper)
            });
        }
    }

    /// Makes all of it hang, or go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        for helper in children_of(child) {
            let pid = Pid::from_raw(helper.parse().unwrap()).unwrap();
            // It may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
        kill_process(Pid::from_child(child), signal).unwrap();
    }
}

impl Drop for RealStore {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal(Signal::CONT);
        }
        if let Some(mut child) = self.child.take() {
            // In order, or the memory that PostgreSQL's processes share would stay behind.
            let _ = kill_process(Pid::from_child(&child), Signal::INT);
            let _ = child.wait();
        }
    }
}

fn children_of(child: &Child) -> Vec<String> {
    let pid = child.id();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(str::to_owned).collect()
}

fn is_zombie(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

fn redis_command(data: &Path, port: u16) -> Command {
    let mut command = Command::new(redis_server().unwrap());
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(data);
    command
}

fn make_cluster(data: &Path) {
    let mut initdb = postgres_program("initdb", data);
    if rustix::process::geteuid().is_root() {
        let (user, group) = postgres_user();
        std::os::unix::fs::chown(data, Some(user), Some(group)).unwrap();
    }
    let made = initdb
        .arg("--pgdata")
        .arg(data.join("cluster"))
        .args(["--username", "postgres", "--auth", "trust"])
        .args(["--no-locale", "--no-sync"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn postgres_command(data: &Path, port: u16) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(postgres_programs().unwrap().join("postgres"))
        .arg("-D")
        .arg(data.join("cluster"))
        .args(["-p", &port.to_string()])
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories="]);
    as_postgres(&mut command, data);
    command
}

fn postgres_program(name: &str, data: &Path) -> Command {
    let mut command = Command::new(postgres_programs().unwrap().join(name));
    as_postgres(&mut command, data);
    command
}

/// PostgreSQL refuses to run as root.
fn as_postgres(command: &mut Command, data: &Path) {
    command.current_dir(data).env("LC_ALL", "C");
    if rustix::process::geteuid().is_root() {
        let (user, group) = postgres_user();
        command.uid(user).gid(group);
    }
}

fn postgres_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> = line.expect("a user postgres").split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
