//! Where the `comeback` program is, for `{comeback}` in commands: the reference servers live in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the program, where the harness lives in another one.
pub const PROGRAM_VARIABLE: &str = "COMEBACK_PROGRAM";
const NAME: &str = "comeback";

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
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = beside.map(Path::to_owned).collect();
    folders.extend(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
    let mut programs = folders.into_iter().map(|folder| folder.join(NAME));
    programs.find(|program| is_executable(program))
}

/// Whether a path names a file that may be executed.
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
