//! `cargo xtask kills`: kills the harness at random instants over every kind of run, and counts what is left of it.
//!
//! The campaign has network, shared memory, mounts and `/tmp` for itself, in namespaces of its own, so that all that is
//! left there is its own. It adopts every orphan of its runs (a subreaper), so that each process that is left is a
//! descendant of this one, whatever it did to its session, group and environment. None of this is what the harness
//! itself goes by. Before the first kill one thing of each sort is left behind on purpose, and must be counted.

mod kinds;
mod left;
mod plant;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use self::kinds::{KINDS, Kind};
use self::left::{Left, Place, SORTS};
use crate::Failed;

/// Where the campaign works, in a `/tmp` of its own.
const WORK: &str = "/tmp/kills";
/// How long the warden, or `cleanup`, may take.
const UNDONE_WITHIN: Duration = Duration::from_secs(40);
/// How long the kernel may take to end what `cleanup` killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// A run that ends before its kill is tried again this often, each time to be killed earlier.
const TRIES: u32 = 6;

/// How many kills, of what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// SIGKILLs of the harness, over all kinds of run
    #[arg(long, value_name = "N", default_value_t = 300)]
    kills: u32,
    /// SIGKILLs of harness and warden together, each followed by `comeback cleanup --yes`
    #[arg(long, value_name = "N", default_value_t = 50)]
    both: u32,
    /// Which kinds of run [default: all]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// What the instants follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program [default: that of this workspace, which is built first]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Set when it has its namespaces
    #[arg(long, hide = true)]
    inside: bool,
}

/// Whom a kill hits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hit {
    Harness,
    Both,
}

pub(crate) fn kills(args: &Args) -> Result<(), Failed> {
    let kinds = chosen(&args.kinds)?;
    let Some(program) = args.program.as_ref().filter(|_| args.inside) else {
        return go_inside(args);
    };
    let failed = |error: io::Error| Failed(format!("the campaign failed: {error}"));
    let mut campaign = Campaign::begin(program, args.seed).map_err(failed)?;
    plant::try_out(&mut campaign.place).map_err(Failed)?;
    let harness = (0..args.kills).map(|_| Hit::Harness);
    let both = (0..args.both).map(|_| Hit::Both);
    for (hit, kind) in harness.chain(both).zip(kinds.iter().cycle()) {
        campaign.inject(kind, hit).map_err(failed)?;
    }
    let text = campaign.table(&kinds);
    io::stdout().write_all(text.as_bytes()).map_err(failed)?;
    match campaign.tallies.values().all(Tally::is_clean) {
        true => Ok(()),
        false => Err(Failed("something was left behind".to_owned())),
    }
}

/// One kill of each kind, of the program that the tests built: of the first ones the harness alone, of the others with its warden.
pub(crate) fn few() -> Result<(), Failed> {
    let both = 4;
    crate::run(
        &format!(
            "cargo xtask kills --kills {} --both {both} --program target/debug/comeback",
            KINDS.len() - both
        ),
        &[],
    )
}

fn chosen(names: &[String]) -> Result<Vec<&'static Kind>, Failed> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !KINDS.iter().any(|kind| kind.name == **name))
    {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let known = known.join(", ");
        return Err(Failed(format!("there is no kind '{unknown}', but {known}")));
    }
    let is_wanted = |kind: &&Kind| names.is_empty() || names.iter().any(|name| name == kind.name);
    Ok(KINDS.iter().filter(is_wanted).collect())
}

/// Builds the program, and starts this one again in namespaces of its own.
fn go_inside(args: &Args) -> Result<(), Failed> {
    if args.program.is_none() {
        crate::run("cargo build --workspace --bin comeback", &[])?;
    }
    let own = std::env::current_exe().map_err(|error| Failed(error.to_string()))?;
    let mut command = Command::new(if is_root() { "unshare" } else { "sudo" });
    if !is_root() {
        command.arg("unshare");
    }
    command.args(["--ipc", "--net", "--mount", "--propagation", "private"]);
    let prepare = "mount -t tmpfs none /dev/shm && mount -t tmpfs -o mode=1777 none /tmp && ip link set lo up && exec \"$@\"";
    command.args(["sh", "-c", prepare, "sh"]).arg(own);
    command.args(std::env::args_os().skip(1)).arg("--inside");
    if args.program.is_none() {
        command.args(["--program", "target/debug/comeback"]);
    }
    crate::finish("the campaign of kills", &mut command)
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// What came of the kills of a kind.
#[derive(Default)]
struct Tally {
    kills: u32,
    missed: u32,
    left: [usize; SORTS.len()],
    refused: u32,
}

impl Tally {
    fn is_clean(&self) -> bool {
        self.kills > 0 && self.refused == 0 && self.left.iter().all(|left| *left == 0)
    }
}

struct Campaign {
    place: Place,
    program: PathBuf,
    random: u64,
    runs: u32,
    tallies: BTreeMap<(Hit, &'static str), Tally>,
}

impl Campaign {
    fn begin(program: &Path, seed: u64) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        fs::create_dir(WORK)?;
        Ok(Self {
            place: Place::new()?,
            program: program.canonicalize()?,
            random: seed,
            runs: 0,
            tallies: BTreeMap::new(),
        })
    }

    /// Kills one run of a kind, and counts what is left.
    fn inject(&mut self, kind: &'static Kind, hit: Hit) -> io::Result<()> {
        let mut most = kind.lasts;
        for _ in 0..TRIES {
            let at = most.mul_f64(self.draw());
            let (was_hit, left, refused) = self.kill_one(kind, hit, at)?;
            let tally = self.tallies.entry((hit, kind.name)).or_default();
            tally.refused += u32::from(refused.is_some());
            for (sum, sort) in tally.left.iter_mut().zip(&left.0) {
                *sum += sort.len();
            }
            self.tell(kind, hit, at, &left, refused.as_deref());
            let tally = self.tallies.entry((hit, kind.name)).or_default();
            if was_hit {
                tally.kills += 1;
                return Ok(());
            }
            tally.missed += 1;
            most = most.div_f64(2.0);
        }
        Ok(())
    }

    fn kill_one(
        &mut self,
        kind: &Kind,
        hit: Hit,
        at: Duration,
    ) -> io::Result<(bool, Left, Option<String>)> {
        self.runs += 1;
        let folder = PathBuf::from(format!("{WORK}/{}", self.runs));
        fs::create_dir(&folder)?;
        let mut command = Command::new(&self.program);
        command.args(kind.words(&self.program));
        let harness = self.start(command, &folder)?;
        self.place.harnesses.insert(harness);
        let started = Instant::now();
        let mut has_ended = false;
        while started.elapsed() < at && !has_ended {
            std::thread::sleep(PAUSE.min(at.saturating_sub(started.elapsed())));
            has_ended = reap().contains(&harness);
        }
        if !has_ended {
            let wardens = match hit {
                Hit::Harness => Vec::new(),
                Hit::Both => left::wardens(),
            };
            // A stopped warden would go on when its parent dies: it is killed first, and the harness at once after.
            for pid in wardens.into_iter().chain([harness]) {
                // One that has just ended is as good.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        let refused = match hit {
            Hit::Harness => None,
            Hit::Both => self.clean(&folder)?,
        };
        let patience = match hit {
            Hit::Harness => UNDONE_WITHIN,
            Hit::Both => GONE_WITHIN,
        };
        let deadline = Instant::now() + patience;
        while !left::descendants().is_empty() && Instant::now() < deadline {
            reap();
            std::thread::sleep(PAUSE);
        }
        reap();
        let left = self.place.look();
        // What is left is counted once.
        for pid in left::descendants() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.place.know(&left);
        fs::remove_dir_all(&folder)?;
        Ok((!has_ended, left, refused))
    }

    fn start(&self, mut command: Command, folder: &Path) -> io::Result<i32> {
        let said = File::options()
            .create(true)
            .append(true)
            .open(folder.join("said"))?;
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        Ok(command.spawn()?.id() as i32)
    }

    /// `comeback cleanup --yes`: what it said, if it failed.
    fn clean(&self, folder: &Path) -> io::Result<Option<String>> {
        let mut command = Command::new(&self.program);
        command.args(["cleanup", "--yes"]);
        fs::write(folder.join("said"), "")?;
        let cleaner = self.start(command, folder)?;
        let deadline = Instant::now() + UNDONE_WITHIN;
        loop {
            match waitpid(Pid::from_raw(cleaner), Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, 0) => return Ok(None),
                WaitStatus::StillAlive if Instant::now() < deadline => std::thread::sleep(PAUSE),
                _ => return Ok(Some(fs::read_to_string(folder.join("said"))?)),
            }
        }
    }

    fn tell(&self, kind: &Kind, hit: Hit, at: Duration, left: &Left, refused: Option<&str>) {
        let whom = match hit {
            Hit::Harness => "harness",
            Hit::Both => "harness and warden",
        };
        let line = format!(
            "xtask: run {}: {}: {whom} killed after {:.3} s",
            self.runs,
            kind.name,
            at.as_secs_f64()
        );
        if self.runs.is_multiple_of(25) {
            crate::say(&line);
        }
        if let Some(said) = refused {
            crate::say(&format!("{line}: cleanup failed: {said}"));
        }
        for (sort, found) in SORTS.iter().zip(&left.0) {
            for what in found {
                crate::say(&format!("{line}: left ({sort}): {what}"));
            }
        }
    }

    /// A number from 0 to 1.
    fn draw(&mut self) -> f64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        f64::from(high) / f64::from(u32::MAX)
    }

    fn table(&self, kinds: &[&'static Kind]) -> String {
        let mut text = format!(
            "| kind of run | killed | kills | ended before | {} | cleanup failed |\n|---|---|---|---|{}---|\n",
            SORTS.join(" | "),
            "---|".repeat(SORTS.len())
        );
        for (hit, whom) in [(Hit::Harness, "harness"), (Hit::Both, "harness and warden")] {
            for kind in kinds {
                let Some(tally) = self.tallies.get(&(hit, kind.name)) else {
                    continue;
                };
                let left: Vec<_> = tally.left.iter().map(usize::to_string).collect();
                text += &format!(
                    "| {} | {whom} | {} | {} | {} | {} |\n",
                    kind.name,
                    tally.kills,
                    tally.missed,
                    left.join(" | "),
                    tally.refused
                );
            }
        }
        text
    }
}

/// Takes the ends of all children that have ended: whose they are.
fn reap() -> BTreeSet<i32> {
    let mut ended = BTreeSet::new();
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        match (status, status.pid()) {
            (WaitStatus::StillAlive, _) | (_, None) => break,
            (_, Some(pid)) => ended.insert(pid.as_raw()),
        };
    }
    ended
}
