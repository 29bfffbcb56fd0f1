//! The needs of a plan: every program it starts, and the servers from packages.

use std::fs;
use std::path::{Path, PathBuf};

use comeback_model::plan::{Arm, External, Target};

use crate::supervise::external;
use crate::supervise::launch::check_program;
use comeback_host::program::is_executable;

/// Servers that an arm may need, and Debian's packages.
const KNOWN: [Known; 6] = [
    Known("redis-server", "redis-server"),
    Known("haproxy", "haproxy"),
    Known("nginx", "nginx-light"),
    Known("unbound", "unbound"),
    Known("vsftpd", "vsftpd"),
    Known("inetutils-inetd", "inetutils-inetd"),
];
/// What inetd starts for each connection, by its path.
const TELNETD: Known = Known("/usr/sbin/telnetd", "inetutils-telnetd");
const POSTGRES: Known = Known("PostgreSQL", "postgresql");
/// Where Debian keeps one version of PostgreSQL beside the other, out of `PATH`.
pub const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// A server and its package.
#[derive(Clone, Copy, Debug)]
struct Known(&'static str, &'static str);

/// Whether load and faults may go to servers on other machines. A plan cannot allow it: whoever starts a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remotes {
    /// A plan with one is refused.
    Refused,
    /// They may.
    Allowed,
    /// Nothing is sent to any server: none is looked at.
    LeftAlone,
}

/// Sees that every arm can be started, before anything is. An arm that lacks nothing but a server that can be
/// installed is skipped, with the reason, where another arm can run.
///
/// # Errors
/// With the problem of each arm, if one cannot run for any other reason, or none can run.
pub fn check_arms(arms: &mut [Arm], remotes: Remotes) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let mut lacking = Vec::new();
    let mut can_run = false;
    for (place, arm) in arms.iter().enumerate() {
        match check(arm, remotes) {
            _ if arm.skip.is_some() => {}
            Ok(()) => can_run = true,
            Err(Unfit::Lacks(reason)) => lacking.push((place, reason)),
            Err(Unfit::Wrong(reason)) => wrong.push(format!("{}: {reason}", arm.name)),
        }
    }
    if !can_run {
        let told = |(place, reason): &(usize, String)| format!("{}: {reason}", arms[*place].name);
        wrong.extend(lacking.iter().map(told));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    for (place, reason) in lacking {
        arms[place].skip = Some(reason);
    }
    Ok(())
}

/// Skips every arm that cannot be started, with the reason.
pub fn skip_unfit(arms: &mut [Arm]) {
    for arm in arms.iter_mut().filter(|arm| arm.skip.is_none()) {
        if let Err(Unfit::Lacks(reason) | Unfit::Wrong(reason)) = check(arm, Remotes::Refused) {
            arm.skip = Some(reason);
        }
    }
}

/// The folder of PostgreSQL's `initdb` and `postgres`: in `PATH`, or the newest that Debian keeps.
pub fn find_postgres() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(POSTGRES_VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let versions = versions.into_iter().map(|(_, folder)| folder);
    in_path.chain(versions).find(|folder| {
        ["initdb", "postgres"]
            .iter()
            .all(|name| is_executable(&folder.join(name)))
    })
}

/// Why an arm cannot run here.
enum Unfit {
    /// A server is not installed.
    Lacks(String),
    /// Anything else.
    Wrong(String),
}

fn check(arm: &Arm, remotes: Remotes) -> Result<(), Unfit> {
    comeback_load::check_support(arm.target.protocol)
        .map_err(|error| Unfit::Wrong(error.to_string()))?;
    if let Some(external) = &arm.target.external {
        return check_external(external, remotes).map_err(Unfit::Wrong);
    }
    let parts = [
        ("", Some(&arm.target)),
        ("deploy: ", arm.next.as_ref()),
        ("store: ", arm.store.as_ref()),
        ("balancer: ", arm.balancer.as_ref()),
        ("cache: ", arm.cache.as_ref()),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(part, target)| Some((part, target?)));
    let mut lacks = Ok(());
    for (part, target) in parts {
        if let Some(Known(server, package)) = missing(target) {
            lacks = Err(Unfit::Lacks(format!(
                "{part}{server} is not installed: apt-get install {package}"
            )));
        } else {
            check_program(target).map_err(|error| Unfit::Wrong(format!("{part}{error}")))?;
        }
    }
    lacks
}

/// Whether a server that somebody else starts is there, and what starts it again.
fn check_external(external: &External, remotes: Remotes) -> Result<(), String> {
    let remote = external.remote();
    if let Some(address) = remote.filter(|_| remotes == Remotes::Refused) {
        return Err(format!(
            "external.address: {address} is another machine, and load and faults on a machine of others do harm there: if it is yours, or its \
             owner agreed, add --allow-remote to the command. An experiment file cannot allow it"
        ));
    }
    for (key, command) in [("restart", &external.restart), ("kill", &external.kill)] {
        if let Some(words) = command {
            external::check_program(words).map_err(|error| format!("{key}: {error}"))?;
        }
    }
    if remote.is_some() && remotes == Remotes::LeftAlone {
        return Ok(());
    }
    external::check(external).map_err(|error| error.to_string())
}

/// The known server that a target needs and that is not there.
fn missing(target: &Target) -> Option<Known> {
    let words: Vec<&str> = target.command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["{comeback}", "cluster", ..] => find_postgres().is_none().then_some(POSTGRES),
        ["{comeback}", "balance" | "cache", options @ ..] => {
            let with = options.iter().position(|word| *word == "--with")?;
            unless_in_path(options.get(with + 1)?, target)
        }
        ["inetutils-inetd", ..] if !Path::new(TELNETD.0).is_file() => Some(TELNETD),
        [program, ..] => unless_in_path(program, target),
        [] => None,
    }
}

/// A known server, unless it is where the target's own start looks for it.
fn unless_in_path(program: &str, target: &Target) -> Option<Known> {
    let known = KNOWN.into_iter().find(|known| known.0 == program)?;
    let alone = Target {
        command: vec![program.to_owned()],
        ..target.clone()
    };
    check_program(&alone).is_err().then_some(known)
}
