//! `comeback doctor`: tries what this machine can do.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comeback_analysis::measure::{LEAST_STOLEN, MOST_STOLEN, MOST_WAITED};
use comeback_analysis::verdict::Outcome;
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;

use super::table::wrapped;
use super::{CliError, print};
use comeback_host::machine;
use comeback_host::pressure::{self, Cores};
use comeback_model::units::Span;

/// What is found stands so far behind the mark.
const BEHIND_MARK: u16 = 9;

/// Show what this machine can do, by trying it.
///
/// Exits 0 if comeback can run here, 4 if something it needs is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  comeback doctor\n  comeback doctor --json")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    works: bool,
    found: String,
    /// Its meaning for results on this machine.
    meaning: &'static str,
    /// What is to be done about it, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let here = Path::new(".");
    let machine = machine::describe(here);
    let findings = [
        check(
            "process descriptors",
            "exits are noticed at once",
            try_pidfd(),
        ),
        check(
            "adopting orphans",
            "detached processes of a target are found and ended",
            try_subreaper(),
        ),
        check(
            "holding processes",
            "everything that a run starts is ended, even if detached",
            Ok(try_holding()),
        ),
        check(
            "reading /proc",
            "the owner of a listening socket is known",
            try_proc(),
        ),
        check(
            "open files",
            "the most sessions a run can have",
            open_files(),
        ),
        check(
            "local ports",
            "the most connections a run can hold or leave behind",
            local_ports(),
        ),
        busy(),
        check(
            "timer lateness",
            "operations start at least this late",
            timer_lateness(),
        ),
        check(
            "process start",
            "a restart takes at least this long",
            start_cost(),
        ),
        check(
            "fsync",
            "a durable acknowledgement takes at least this long, in this folder",
            fsync_cost(here),
        ),
    ];
    if args.json {
        let document = serde_json::json!({ "machine": machine, "findings": findings });
        print(&serde_json::to_string_pretty(&document)?);
    } else {
        let machine = format!(
            "{} · {} cores · {} MiB · {} · {}",
            machine.system,
            machine.cores,
            machine.memory_mib,
            machine.processor,
            machine.data_filesystem
        );
        print(&wrapped(&machine, 0));
        for finding in &findings {
            let mark = match (finding.works, &finding.advice) {
                (false, _) => "MISSING",
                (true, Some(_)) => "BUSY   ",
                (true, None) => "ok     ",
            };
            let found = wrapped(&format!("{}: {}", finding.name, finding.found), BEHIND_MARK);
            let meaning = wrapped(finding.meaning, BEHIND_MARK);
            let indent = " ".repeat(BEHIND_MARK.into());
            print(&format!("{mark}  {found}\n{indent}{meaning}"));
            if let Some(advice) = &finding.advice {
                print(&format!("{indent}{}", wrapped(advice, BEHIND_MARK)));
            }
        }
    }
    match findings.iter().find(|finding| !finding.works) {
        None => Ok(Outcome::Pass),
        Some(missing) => Err(CliError::Harness(
            format!("{} does not work here: {}", missing.name, missing.found).into(),
        )),
    }
}

fn check(name: &'static str, meaning: &'static str, tried: io::Result<String>) -> Finding {
    let works = tried.is_ok();
    let found = tried.unwrap_or_else(|error| error.to_string());
    Finding {
        name,
        works,
        found,
        meaning,
        advice: None,
    }
}

/// How long it is watched what else this machine does.
const WATCHED: Duration = Duration::from_secs(1);
/// From so many tasks on that run or want to, for each core, a machine is busy. It is a mean of a minute, so it is asked only where
/// the kernel does not say who waits now.
const LOAD_PER_CORE: f64 = 1.0;

/// What else this machine does.
#[derive(Clone, Copy, Debug, Default)]
struct Other {
    load_per_core: Option<f64>,
    stolen: Option<f64>,
    waited: Option<f64>,
}

impl Other {
    fn watch() -> Self {
        let (begin, begun) = (pressure::cores(), Instant::now());
        std::thread::sleep(WATCHED);
        let lasted = begun.elapsed().as_secs_f64();
        let between = |begin: Span, end: Span| end.as_secs() - begin.as_secs();
        let cores = begin.zip(pressure::cores());
        let waited = |(begin, end): (Cores, Cores)| Some((begin.waited?, end.waited?));
        Self {
            load_per_core: pressure::load_per_core(),
            stolen: cores.map(|(begin, end)| {
                let stolen = between(begin.stolen, end.stolen);
                let wanted = between(begin.wanted, end.wanted);
                match stolen < LEAST_STOLEN.as_secs() {
                    true => 0.0,
                    false => stolen / wanted.max(f64::MIN_POSITIVE),
                }
            }),
            waited: cores
                .and_then(waited)
                .map(|(begin, end)| (between(begin, end) / lasted).min(1.0)),
        }
    }

    fn told(self) -> String {
        let percent = |share: Option<f64>| {
            share.map_or_else(
                || "not told".to_owned(),
                |share| format!("{:.0} %", share * 100.0),
            )
        };
        let load = self.load_per_core;
        let load = load.map_or_else(|| "not told".to_owned(), |load| format!("{load:.1}"));
        format!(
            "load {load} for each core, stolen cores (steal) {}, some task waits for a core {} of the time",
            percent(self.stolen),
            percent(self.waited)
        )
    }

    fn advice(self) -> Option<String> {
        let above = |found: Option<f64>, most: f64| found.is_some_and(|found| found >= most);
        let is_stolen = above(self.stolen, MOST_STOLEN);
        let is_busy = match self.waited {
            Some(_) => above(self.waited, MOST_WAITED),
            None => above(self.load_per_core, LOAD_PER_CORE),
        };
        let mend = match (is_stolen, is_busy) {
            (false, false) => return None,
            (true, _) => "use a machine whose cores nobody else gets",
            (false, true) => "end other work first, such as builds, or use another machine",
        };
        Some(format!(
            "this machine is too busy to judge times: {mend}. Losses are judged all the same"
        ))
    }
}

/// A run works on a busy machine, too.
fn busy() -> Finding {
    let other = Other::watch();
    Finding {
        name: "other work",
        works: true,
        found: other.told(),
        meaning: "times of a busy machine are not judged",
        advice: other.advice(),
    }
}

fn try_pidfd() -> io::Result<String> {
    let own = rustix::process::getpid();
    rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty())?;
    Ok("available".to_owned())
}

fn try_subreaper() -> io::Result<String> {
    comeback_supervise::process::adopt_orphans()?;
    Ok("available".to_owned())
}

/// A run works without it, too.
fn try_holding() -> String {
    comeback_supervise::cgroup::try_out().unwrap_or_else(|error| {
        format!(
            "{error}: by group, tag and parents instead (a daemon may escape a SIGKILL of comeback)"
        )
    })
}

fn try_proc() -> io::Result<String> {
    let environment = std::fs::read("/proc/self/environ")?;
    let sockets = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(format!(
        "{} bytes of environment, {} sockets",
        environment.len(),
        sockets.lines().count() - 1
    ))
}

fn open_files() -> io::Result<String> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(format!("{soft} (at most {hard})"))
}

fn local_ports() -> io::Result<String> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut bounds = range
        .split_whitespace()
        .filter_map(|bound| bound.parse::<u32>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), Some(high)) => Ok(format!("{} ({low} to {high})", high - low + 1)),
        _ => Err(io::Error::other("the range cannot be read")),
    }
}

/// How late a timer fires here: the scheduler's noise, too.
pub(super) fn timer_lateness() -> io::Result<String> {
    let mut late = comeback_load::measure_lateness(300, Duration::from_millis(1))?;
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    Ok(format!(
        "median {:.3} ms, p99 {:.3} ms over {}",
        at(0.5),
        at(0.99),
        late.len()
    ))
}

fn start_cost() -> io::Result<String> {
    median_ms(20, || {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn()?;
        child.wait().map(drop)
    })
}

fn fsync_cost(folder: &Path) -> io::Result<String> {
    let path = folder.join(format!(".comeback-doctor-{}", std::process::id()));
    let mut file = File::create_new(&path)?;
    let measured = median_ms(20, || {
        file.write_all(&[0; 256])?;
        file.sync_data()
    });
    std::fs::remove_file(&path)?;
    measured
}

fn median_ms(times: usize, mut what: impl FnMut() -> io::Result<()>) -> io::Result<String> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        what()?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    let median = comeback_statistics::median(&took).unwrap_or(f64::NAN);
    Ok(format!("median {median:.2} ms over {times}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_told_with_what_to_do() {
        let quiet = Other {
            load_per_core: Some(0.4),
            stolen: Some(0.02),
            waited: Some(0.2),
        };
        let stolen = Some("use a machine whose cores nobody else gets");
        let other_work = Some("end other work first");
        for (other, told) in [
            (quiet, None),
            (Other::default(), None),
            (
                Other {
                    load_per_core: Some(9.0),
                    ..quiet
                },
                None,
            ),
            (
                Other {
                    load_per_core: Some(1.0),
                    waited: None,
                    ..quiet
                },
                other_work,
            ),
            (
                Other {
                    waited: Some(0.5),
                    ..quiet
                },
                other_work,
            ),
            (
                Other {
                    stolen: Some(0.1),
                    ..quiet
                },
                stolen,
            ),
            (
                Other {
                    stolen: Some(0.3),
                    waited: Some(0.9),
                    ..quiet
                },
                stolen,
            ),
        ] {
            let advice = other.advice();
            assert_eq!(advice.is_some(), told.is_some(), "{other:?}: {advice:?}");
            let advice = advice.unwrap_or_default();
            assert!(
                advice.contains(told.unwrap_or_default()),
                "{other:?}: {advice}"
            );
        }
        assert_eq!(
            quiet.told(),
            "load 0.4 for each core, stolen cores (steal) 2 %, some task waits for a core 20 % of the time"
        );
    }

    #[test]
    fn what_else_the_machine_does_is_seen() {
        let other = Other::watch();
        assert!(
            other.load_per_core.is_some() && other.stolen.is_some(),
            "{other:?}"
        );
    }
}
