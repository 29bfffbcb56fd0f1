//! Real balancers in the builtin one's place: HAProxy and nginx, with a configuration that says the same.
//!
//! The configuration is written into a folder, told together with the program's version, and the program takes this
//! process's place, so that whoever supervises it has HAProxy's or nginx's pid. What a program cannot do is refused by
//! name before anything is written.
//!
//! Replies carry the builtin balancer's headers, as near as the programs come: `x-replica` on each reply of a replica,
//! `x-balancer-error` on each of the balancer. HAProxy answers 503 where the builtin balancer says 502 `refused`; nginx
//! answers 502 where it says 503 `none-up`. The header tells them apart.

mod haproxy;
pub(crate) mod nginx;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Options, socket};

/// A balancer that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// HAProxy, in the foreground, one thread. SIGTERM ends it at once, SIGUSR1 after what is in flight.
    Haproxy,
    /// nginx, in the foreground, a master and one worker. SIGTERM ends it at once, SIGQUIT after what is in flight;
    /// SIGKILL must go to the whole process group.
    Nginx,
}

impl Program {
    /// The program's name on the path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    /// The Debian package that brings it.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx-light",
        }
    }
}

/// Flags that were given though they have a default: what is said in so many words must not be ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// `--check`, `--check-timeout`, `--every` or `--rise`.
    pub checks: bool,
    /// `--drain`.
    pub drain: bool,
    /// `--control`.
    pub control: bool,
    /// `--seed`.
    pub seed: bool,
}

/// Why a program cannot take the builtin balancer's place.
#[derive(Debug)]
pub enum OutsideError {
    /// It cannot do what is asked.
    Unsupported(String),
    /// It is not installed.
    Missing(Program),
    /// A file or process failed.
    Failed(String, io::Error),
}

impl fmt::Display for OutsideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => f.write_str(what),
            Self::Missing(program) => write!(
                f,
                "{} is not installed: apt-get install {}",
                program.name(),
                program.package()
            ),
            Self::Failed(what, _) => f.write_str(what),
        }
    }
}

impl std::error::Error for OutsideError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(_, error) => Some(error),
            Self::Unsupported(_) | Self::Missing(_) => None,
        }
    }
}

/// A program that is ready to take this process's place.
#[derive(Debug)]
pub struct Prepared {
    /// Its version, in its own words.
    pub version: String,
    /// The path of its configuration.
    pub path: PathBuf,
    /// Its configuration.
    pub configuration: String,
    command: Command,
}

/// Writes the configuration of a program into `folder`, which is made where it is missing.
///
/// # Errors
/// If it cannot do what is asked, is not installed, or the folder cannot be written.
pub fn prepare(
    program: Program,
    options: &Options,
    given: Given,
    folder: &Path,
) -> Result<Prepared, OutsideError> {
    if let Some(what) = unsupported(program, options, given) {
        return Err(OutsideError::Unsupported(what));
    }
    let configuration = match program {
        Program::Haproxy => haproxy::configuration(options),
        Program::Nginx => nginx::configuration(options, rustix::process::geteuid().is_root()),
    };
    let mut prepared = install(program, configuration, folder)?;
    if let Some(control) = &options.control {
        let place = socket::split(control).and_then(|(folder, _)| folder.canonicalize());
        let what = format!("cannot put a control socket at {}", control.display());
        prepared
            .command
            .current_dir(place.map_err(|error| OutsideError::Failed(what, error))?);
    }
    Ok(prepared)
}

/// Writes a configuration into `folder`, which is made where it is missing, and gets its program ready.
///
/// # Errors
/// If the program is not installed, or the folder cannot be written.
pub(crate) fn install(
    program: Program,
    configuration: String,
    folder: &Path,
) -> Result<Prepared, OutsideError> {
    let failed = |what: String| move |error| OutsideError::Failed(what, error);
    let version = version(program)?;
    fs::create_dir_all(folder).map_err(failed(format!("cannot make {}", folder.display())))?;
    // Both programs resolve relative paths against folders of their own.
    let folder = folder
        .canonicalize()
        .map_err(failed(format!("cannot use {}", folder.display())))?;
    let path = folder.join(format!("{}.conf", program.name()));
    fs::write(&path, &configuration).map_err(failed(format!("cannot write {}", path.display())))?;
    let mut command = Command::new(program.name());
    command.args(match program {
        Program::Haproxy => haproxy::arguments(&path),
        Program::Nginx => nginx::arguments(&folder, &path),
    });
    command.current_dir(&folder);
    Ok(Prepared {
        version,
        path,
        configuration,
        command,
    })
}

impl Prepared {
    /// Lets the program take this process's place; returns only when that fails.
    #[must_use]
    pub fn exec(mut self) -> OutsideError {
        let name = self.command.get_program().to_owned();
        let error = self.command.exec();
        OutsideError::Failed(format!("cannot start {}", name.display()), error)
    }
}

fn unsupported(program: Program, options: &Options, given: Given) -> Option<String> {
    let name = program.name();
    if given.drain {
        return Some(format!(
            "--drain works only with the builtin balancer, for SIGTERM ends {name} at once: remove it, or use --with builtin"
        ));
    }
    if given.seed {
        return Some(format!(
            "--seed works only with the builtin balancer, for {name} takes no seed: remove it, or use --with builtin"
        ));
    }
    match program {
        Program::Haproxy => None,
        Program::Nginx => nginx::unsupported(options, given),
    }
}

/// The program's version, in its own words.
fn version(program: Program) -> Result<String, OutsideError> {
    // HAProxy prints it on stdout, nginx on stderr.
    let output = Command::new(program.name())
        .arg("-v")
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OutsideError::Missing(program),
            _ => OutsideError::Failed(format!("cannot run {} -v", program.name()), error),
        })?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    Ok(told.lines().next().unwrap_or_default().to_owned())
}
