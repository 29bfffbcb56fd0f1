//! From an experiment to its report.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use comeback_analysis::verdict;
use comeback_model::event::Event;
use comeback_model::ids::Seed;
use comeback_model::plan::{Listener, Plan, Target};

use super::Experiment;
use super::error::Error;
use super::place::{self, Turn};
use super::report::Report;
use comeback_engine::campaign::{self, Host, TooFewFiles};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::needs::{self, Remotes};
use comeback_engine::{Ended, Measured, choose};
use comeback_experiment::Resolved;
use comeback_host::program;
use comeback_runs::finish;
use comeback_runs::read::analyze;
use comeback_runs::{Hooks, folder};
use comeback_supervise::tag::RunTag;

impl Experiment {
    /// Runs it on a thread of its own. It needs no particular runtime. If the future is dropped, the run is ended early and
    /// cleaned up.
    ///
    /// # Errors
    /// If the experiment is invalid, or the harness fails. A server that does not come back is a verdict, not an error.
    ///
    /// # Panics
    /// If the harness panics.
    pub async fn run(self) -> Result<Report, Error> {
        let (guard, interrupt) = Interrupt::by_hand();
        let (done, is_done) = oneshot::channel();
        let thread = start(self, interrupt, move || {
            // The waiting future may have been dropped.
            let _ = done.send(());
        })?;
        // An error is a panic, which goes on in the join.
        let _ = is_done.await;
        let ended = join(thread);
        drop(guard);
        ended
    }

    /// The same for code that is not asynchronous.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    ///
    /// # Panics
    /// As [`Experiment::run`].
    pub fn run_blocking(self) -> Result<Report, Error> {
        let (guard, interrupt) = Interrupt::by_hand();
        let ended = join(start(self, interrupt, || ())?);
        drop(guard);
        ended
    }
}

/// Runs an experiment on a thread of its own, because it has a runtime, which cannot be nested in another one. `done` is told
/// when it has ended.
fn start(
    experiment: Experiment,
    interrupt: Interrupt,
    done: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<Result<Report, Error>>, Error> {
    std::thread::Builder::new()
        .name("comeback".to_owned())
        .spawn(move || {
            let ended = carry_out(experiment, interrupt);
            done();
            ended
        })
        .map_err(Error::harness)
}

/// Joins such a thread. A panic in it continues here.
fn join(thread: JoinHandle<Result<Report, Error>>) -> Result<Report, Error> {
    match thread.join() {
        Ok(ended) => ended,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn carry_out(experiment: Experiment, interrupt: Interrupt) -> Result<Report, Error> {
    let Resolved { mut plan, seed, .. } = experiment.resolve()?;
    check(&mut plan)?;
    let seed = seed.map_or_else(campaign::draw_seed, Ok);
    let seed = seed.map_err(Error::harness)?;
    let root = place::root();
    let turn = match experiment.takes_turns {
        true => match Turn::wait(&root, &interrupt)? {
            None => return Err(given_up()),
            turn => turn,
        },
        false => None,
    };
    if plan.calibration.is_wanted() {
        calibrate(&mut plan, seed, &root, &interrupt)?;
    }
    let chosen = experiment.out.as_deref();
    let folder = create_folder(&root, chosen, &plan.name)?;
    let judged = run_and_judge(plan, seed, &folder, interrupt);
    drop(turn);
    let judged = judged.map_err(|error| error.recorded_in(folder.clone()))?;
    Ok(Report::new(judged, folder, chosen.is_some()))
}

/// Measures the rate of a plan that wants it, in a folder that is removed.
fn calibrate(plan: &mut Plan, seed: Seed, root: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    let named = |number| format!("calibration-{number}");
    let folder = folder::create_next(root, named).map_err(Error::harness)?;
    let started = jiff::Timestamp::now().to_string();
    let header = campaign::header(plan.clone(), seed, started, root);
    let listen = |_: &RunTag| Ok(interrupt.clone());
    let measured = campaign::calibrate(&header, &folder, (Host::Guest, listen), |_| ());
    let mut arms = Vec::new();
    for Measured { arm, found } in measured.map_err(Error::harness)?.ok_or_else(given_up)? {
        let borne = found.map_err(|why| {
            let mut problem = format!("rate: {arm}: {why}");
            plan.secrets().hide(&mut problem);
            Error::usage(problem)
        })?;
        arms.push(borne);
    }
    let nothing = || Error::usage("rate: no arm of this experiment can run here".to_owned());
    let calibrated = choose(plan, arms).ok_or_else(nothing)?;
    calibrated.apply_to(plan);
    Ok(())
}

fn run_and_judge(
    plan: Plan,
    seed: Seed,
    folder: &Path,
    interrupt: Interrupt,
) -> Result<finish::Judged, Error> {
    let started = jiff::Timestamp::now();
    let header = campaign::header(plan, seed, started.to_string(), folder);
    let hooks = Hooks {
        host: Host::Guest,
        listen: |_: &RunTag| Ok(interrupt),
        follow: |_: &Event| (),
    };
    match comeback_runs::run(&header, folder, hooks).map_err(Error::harness)? {
        Ended::Complete => {}
        Ended::Interrupted => return Err(given_up()),
    }
    let analysis = analyze(folder).map_err(Error::harness)?;
    finish::judge_and_draw(analysis, folder).map_err(Error::harness)
}

/// Nobody waits for the result any more.
fn given_up() -> Error {
    Error::harness("it was cancelled before its end")
}

/// Problems of this machine or this process that would make the run fail.
fn check(plan: &mut Plan) -> Result<(), Error> {
    let mut problems = Vec::new();
    for arm in plan.arms.iter().filter(|arm| arm.skip.is_none()) {
        let mut parts = arm.nodes().map(|node| arm.target_of(node));
        if parts.any(wants_program) && program::find().is_none() {
            problems.push(format!(
                "{}: {{comeback}}, also needed for a held listener, is the comeback program, and it is not in PATH: \
                 install it, or set {} to its path",
                arm.name,
                program::PROGRAM_VARIABLE
            ));
        }
    }
    if problems.is_empty() {
        problems.extend(
            needs::check_arms(&mut plan.arms, Remotes::Refused)
                .err()
                .unwrap_or_default(),
        );
    }
    if let Some(arm) = verdict::arm_without_baseline(plan) {
        problems.push(format!(
            "gate: one compares '{arm}' with a baseline, and there is none: make both arms of an experiment file"
        ));
    }
    problems.extend(campaign::check_faults(plan).err());
    let files = campaign::check_files(plan).map_err(Error::harness)?;
    if let Err(TooFewFiles { needed, limit }) = files {
        problems.push(format!(
            "sessions: {} need {needed} open files, and the limit of this process is {limit}: use fewer, or raise \
             the limit with `ulimit -n`",
            plan.load.clients
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Usage(problems))
    }
}

fn wants_program(target: &Target) -> bool {
    if target.listener == Listener::Held {
        return true;
    }
    let mut texts = target.command.iter().chain(target.environment.values());
    texts.any(|text| text.contains("{comeback}"))
}

fn create_folder(root: &Path, chosen: Option<&Path>, name: &str) -> Result<PathBuf, Error> {
    match chosen {
        Some(folder) => match folder::claim(folder) {
            Ok(()) => std::path::absolute(folder).map_err(Error::harness),
            Err(error) => Err(Error::usage(format!("out: {error}"))),
        },
        None => {
            folder::create_next(root, |number| format!("{name}-{number}")).map_err(Error::harness)
        }
    }
}
