//! Where programs are: `comeback` itself, for `{comeback}` in commands, since the reference servers live in it; and those of the
//! system.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the program, where the harness lives in another one.
pub const PROGRAM_VARIABLE: &str = "COMEBACK_PROGRAM";
const NAME: &str = "comeback";
/// Where the programs of an administrator are.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

static THIS: OnceLock<()> = OnceLock::new();

/// Says that this process is the program; its `main` does.
pub fn announce() {
    // Twice says no more than once.
    let _ = THIS.set(());
}

/// The program: this one, else the one that the environment variable names, else one beside this process's own program (where
/// Cargo puts it for tests), else one in `PATH`.
pub fn find() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    if THIS.get().is_some() {
        return own;
    }
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE).filter(|value| !value.is_empty()) {
        return Some(named.into());
    }
    // Tests lie in `target/debug/deps`, examples in `target/debug/examples`.
    let beside = own.iter().flat_map(|own| own.ancestors().skip(1).take(2));
    first_in(beside.map(Path::to_owned).chain(path()), NAME)
}

/// A program of the system: in `PATH`, or where root's leads and that of others may not.
pub fn of_system(name: &str) -> Option<PathBuf> {
    first_in(path().into_iter().chain(SYSTEM.map(PathBuf::from)), name)
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    folders.filter(|folder| folder.is_absolute()).collect()
}

fn first_in(folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| is_executable(program))
}

/// Whether a path names a file that may be executed.
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
