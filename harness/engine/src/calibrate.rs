//! A calibration: how much load an arm bears, measured on a fresh start of it, by the experiment's own users. Nothing of it is
//! judged; the rate of the run follows from it. Called by [`crate::campaign::calibrate`].
//!
//! First the load is raised in a closed loop, one user at a time, then two, four and so on, until more users get no more done: a
//! closed loop cannot overrun a server, so no step spoils the next one. Then half of the knee is offered in an open loop, as a trial
//! does, and lowered until it is borne. Which load comes next and what follows from it is decided in [`knee`], and what beside the
//! rate follows from it in [`fit`].

mod fit;
mod knee;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comeback_model::operation::{ErrorClass, Operation};
use comeback_model::plan::{Borne, Calibrated, Calibration, LoadStep, Open, Plan, Workload};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::{Elapsed, Span};
use tokio::sync::mpsc;

use self::knee::{Limits, Offered};
use super::context::{Early, Trial};
use super::interrupt::Interrupt;
use super::real::Real;
use super::seams::Processes as _;
use super::trial_loop::TrialLoop;
use super::try_out::{EndedEarly, in_words};
use super::{EngineError, Site};
use crate::load::Generator;
use crate::supervise::scratch::remove_tree;

/// A step of the closed loop ends after so many operations, but not before each of its users had some.
const STEP_OPERATIONS: usize = 50;
const STEP_OPERATIONS_EACH: usize = 4;
/// And after this time, however few there were.
const STEP_LASTS: Span = Span::from_ms(1_200);
/// An offered rate is watched for so many operations, within these bounds.
const OFFERED_OPERATIONS: f64 = 40.0;
const OFFERED_LEAST: Span = Span::from_secs(1);
const OFFERED_MOST: Span = Span::from_secs(3);
/// How often it is looked whether a step is over.
const LOOK: Duration = Duration::from_millis(10);
/// Between the command to begin the load and its first possible arrival.
const LEAD: Span = Span::from_ms(1);
/// The shares of operations that percentiles are above. With fewer than a hundred of them the higher one is the slowest.
const P95: f64 = 0.95;
const P99: f64 = 0.99;
/// How long it is waited, at most, until all sessions are read back.
const READ_BACK: Span = Span::from_secs(10);

/// What was measured of an arm.
#[derive(Debug)]
pub struct Measured {
    /// Its name.
    pub arm: String,
    /// What it bears.
    pub found: Result<Borne, Unmeasured>,
}

/// Why an arm has no rate.
#[derive(Debug)]
pub enum Unmeasured {
    /// It did not start, ended by itself, or opened too few sessions.
    Ended(EndedEarly),
    /// No operation was answered correctly; with the most frequent error, and the status of its reply.
    NothingCorrect(Option<(ErrorClass, Option<u16>)>),
    /// It bears less than the lowest rate.
    TooSlow {
        /// So many operations per second.
        per_second: f64,
        /// Whether the harness itself was late while it was asked.
        disturbed: bool,
    },
}

impl fmt::Display for Unmeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(EndedEarly { problem, tail, .. }) => {
                f.write_str(problem)?;
                for line in tail {
                    write!(f, "\n  | {line}")?;
                }
                Ok(())
            }
            Self::NothingCorrect(error) => {
                f.write_str("none of its operations was answered correctly")?;
                match error {
                    None => Ok(()),
                    Some((class, None)) => write!(f, ": '{}'", class.label()),
                    Some((class, Some(status))) => {
                        write!(f, ": '{}' (status {status})", class.label())
                    }
                }
            }
            Self::TooSlow {
                per_second,
                disturbed,
            } => {
                write!(
                    f,
                    "it bears about {per_second:.1} operations/s with your sessions, and {}/s are the least that a calibration \
                     offers",
                    knee::LEAST_OFFERED
                )?;
                match disturbed {
                    true => f.write_str("; the machine was busy meanwhile"),
                    false => Ok(()),
                }
            }
        }
    }
}

/// One load for all arms, so that they stay comparable: the slowest decides. `None` if nothing was measured.
pub fn choose(plan: &Plan, arms: Vec<Borne>) -> Option<Calibrated> {
    let rates = arms.iter().map(|arm| arm.offered);
    let rate = rates.min_by(f64::total_cmp)?;
    Some(Calibrated {
        rate,
        at_most: rate >= knee::MOST_OFFERED,
        fitted: fit::fit(plan, left_open(plan), (rate, &arms)),
        arms,
    })
}

/// What may be chosen beside the rate.
fn left_open(plan: &Plan) -> Open {
    match plan.calibration {
        Calibration::Wanted(open) => open,
        Calibration::Given | Calibration::Done(_) => Open::default(),
    }
}

/// Measures one arm. `None` when the run shall end.
pub(super) async fn run(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Option<Measured>, EngineError> {
    let data = site.data_of(planned.id);
    let real = Real::of(site);
    let ended = match Trial::prepare((plan, planned), (site, &real), &data, None) {
        Ok(trial) => trial.calibrate(interrupt).await,
        Err(early) => Err(early),
    };
    let _ = real.kill_all();
    real.undo_all()?;
    // What the target locked there does not matter any more: the folder is removed by the warden.
    let _ = remove_tree(&data);
    let found = match ended {
        Ok(found) => found,
        Err(Early::Target(kind)) => Err(Unmeasured::Ended(in_words(&kind))),
        Err(Early::Engine(error)) => return Err(error),
        Err(Early::Interrupted) => return Ok(None),
    };
    let arm = plan.arms[planned.arm.0 as usize].name.clone();
    Ok(Some(Measured { arm, found }))
}

/// Finished operations, handed on by the load's threads.
#[derive(Clone, Debug, Default)]
struct Finished(Arc<Mutex<Vec<Operation>>>);

impl Finished {
    fn add(&self, operations: Vec<Operation>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(operations);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Takes those that were wanted from then on. Others may have been handed on since: the logins before the first step.
    fn take_since(&self, begun: Elapsed) -> Vec<Operation> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *all).into_iter();
        taken.filter(|one| one.intended >= begun).collect()
    }
}

impl Trial<'_, Real> {
    async fn calibrate(
        &self,
        interrupt: &mut Interrupt,
    ) -> Result<Result<Borne, Unmeasured>, Early> {
        let mut nodes = TrialLoop::new(self, interrupt, mpsc::unbounded_channel());
        let begun = self.site.clock.now();
        nodes.start_all().await?;
        let ready_ms = self.site.clock.now().since(begun).as_ms();
        let found = nodes.run(self.measure_capacity()).await??;
        let found = found.map(|borne| Borne { ready_ms, ..borne });
        nodes.release_all().await?;
        nodes.stop_all().await?;
        Ok(found)
    }

    async fn measure_capacity(&self) -> Result<Result<Borne, Unmeasured>, Early> {
        let finished = Finished::default();
        let sink = finished.clone();
        let mut setup = self.setup();
        // How many log in at once follows from the rate and the time-out, and nothing is known yet: as many as the lowest rate has.
        let patience_ms = fit::longest_timeout_ms(self.plan.load.timeout, left_open(self.plan));
        setup.load.rate = knee::LEAST_OFFERED * setup.load.timeout.as_ms() / patience_ms;
        setup.load.timeout = Span::from_us((patience_ms * 1_000.0) as u64);
        // No fault comes.
        setup.newcomers = false;
        let mut load =
            Generator::start(&setup, move |done| sink.add(done)).map_err(EngineError::Load)?;
        let clock = self.site.clock;
        let begun = clock.now();
        self.open_sessions(&mut load).await?;
        let opened = clock.now().since(begun);
        let mut found = self.find_rate(&mut load, &finished).await?;
        load.finish().map_err(EngineError::Load)?;
        if let Ok(borne) = &mut found {
            borne.opened_ms = self.time_to_open(borne, opened).await?.as_ms();
        }
        Ok(found)
    }

    /// How long it takes to open all sessions and to read them back with as many at a time as at the rate that was found. As they were
    /// opened at first it took longer, and that is told where they cannot be opened again.
    async fn time_to_open(&self, borne: &Borne, at_first: Span) -> Result<Span, Early> {
        if !matches!(self.plan.load.workload, Workload::Sessions(_)) {
            return Ok(at_first);
        }
        let open = left_open(self.plan);
        let mut setup = self.setup();
        setup.load.rate = borne.offered;
        // All of them log in at once: no fault comes.
        setup.newcomers = false;
        let timeout_ms = fit::timeout_ms(setup.load.timeout.as_ms(), open, borne.took_ms_p99);
        setup.load.timeout = Span::from_us((timeout_ms * 1_000.0) as u64);
        let mut load = Generator::start(&setup, |_| {}).map_err(EngineError::Load)?;
        let clock = self.site.clock;
        let begun = clock.now();
        let opened = load.open().await.map_err(EngineError::Load)?;
        let again = clock.now().since(begun);
        let begun = clock.now();
        let looked = load.look_at_sessions(1, begun + READ_BACK).await;
        looked.map_err(EngineError::Load)?;
        let read = clock.now().since(begun);
        load.finish().map_err(EngineError::Load)?;
        self.see_early_end()?;
        Ok(match opened.open == opened.wanted {
            true => again + read,
            false => at_first + read,
        })
    }

    async fn find_rate(
        &self,
        load: &mut Generator,
        finished: &Finished,
    ) -> Result<Result<Borne, Unmeasured>, Early> {
        let given_ms = self.plan.load.timeout.as_ms();
        let mut limits = Limits {
            clients: self.plan.load.clients,
            timeout_ms: given_ms,
        };
        let (mut steps, mut seen) = (Vec::new(), None);
        while let Some(at_once) = knee::next_load(&steps, limits) {
            let (step, error) = self.measure_step(load, finished, at_once).await?;
            self.see_early_end()?;
            if step.correct == 0 && steps.is_empty() {
                return Ok(Err(Unmeasured::NothingCorrect(error)));
            }
            if steps.is_empty() {
                let open = left_open(self.plan);
                limits.timeout_ms = fit::timeout_ms(given_ms, open, step.took_ms_p95);
            }
            steps.push(step);
            seen = error.or(seen);
        }
        let Some(knee) = knee::knee(&steps, limits) else {
            return Ok(Err(Unmeasured::NothingCorrect(seen)));
        };
        let mut late_ms_p95 = 0.0_f64;
        let mut disturbed = false;
        let mut next = knee::rate_of(knee);
        while let Some(rate) = next {
            let (offered, late_ms) = self.offer(load, finished, rate).await?;
            late_ms_p95 = late_ms_p95.max(late_ms);
            self.see_early_end()?;
            let borne = Borne {
                arm: self.arm.name.clone(),
                per_second: knee.per_second,
                at_least: knee.at_least,
                offered: rate,
                late_ms_p95,
                took_ms_p99: offered.took_ms_p99,
                ready_ms: 0.0,
                opened_ms: 0.0,
                steps: steps.clone(),
            };
            if knee::is_borne(offered, steps[0], self.plan.load.floor, limits) {
                return Ok(Ok(borne));
            }
            disturbed = borne.was_disturbed();
            next = knee::less_than(rate);
        }
        Ok(Err(Unmeasured::TooSlow {
            per_second: knee.per_second,
            disturbed,
        }))
    }

    /// A closed loop of so many users; with the most frequent error.
    async fn measure_step(
        &self,
        load: &mut Generator,
        finished: &Finished,
        at_once: u32,
    ) -> Result<(LoadStep, Option<(ErrorClass, Option<u16>)>), Early> {
        let clock = self.site.clock;
        finished.forget();
        let begun = clock.now();
        load.saturate(at_once);
        let wanted = STEP_OPERATIONS.max(at_once as usize * STEP_OPERATIONS_EACH);
        while finished.count() < wanted && clock.now() < begun + STEP_LASTS {
            tokio::time::sleep(LOOK).await;
        }
        load.stop().await.map_err(EngineError::Load)?;
        let operations = finished.take_since(begun);
        let correct = operations.iter().filter(|one| one.is_correct());
        // All that was begun counts, and so does the time until it was done.
        let last = correct.clone().map(|one| one.finished).max();
        let took = last.map_or(Span::ZERO, |last| last.since(begun));
        let latencies = correct.map(|one| one.finished.since(one.intended).as_ms());
        let mut latencies: Vec<f64> = latencies.collect();
        let count = latencies.len();
        let step = LoadStep {
            at_once,
            per_second: match took.as_secs() > 0.0 {
                true => count as f64 / took.as_secs(),
                false => 0.0,
            },
            correct: count as u64,
            failed: (operations.len() - count) as u64,
            took_ms_p95: percentile(P95, &mut latencies),
            took_ms_p99: percentile(P99, &mut latencies),
        };
        Ok((step, most_frequent(&operations)))
    }

    /// An open loop at a rate, and how late the harness handed its operations out.
    async fn offer(
        &self,
        load: &mut Generator,
        finished: &Finished,
        rate: f64,
    ) -> Result<(Offered, f64), Early> {
        let lasts = Span::from_ms((OFFERED_OPERATIONS / rate * 1_000.0) as u64);
        let lasts = lasts.max(OFFERED_LEAST).min(OFFERED_MOST);
        finished.forget();
        let begin = self.site.clock.now() + LEAD;
        load.run_at(begin, rate);
        let end = begin + lasts;
        tokio::time::sleep_until(self.site.clock.instant(end)).await;
        load.stop().await.map_err(EngineError::Load)?;
        let operations = finished.take_since(begin);
        let sent = operations.iter().filter_map(|one| one.sent);
        let correct = operations.iter().filter(|one| one.is_correct());
        let latencies = correct.map(|one| one.finished.since(one.intended).as_ms());
        let mut latencies: Vec<f64> = latencies.collect();
        let late = operations
            .iter()
            .map(|one| one.dispatched.since(one.intended).as_ms());
        let mut late: Vec<f64> = late.collect();
        let offered = Offered {
            scheduled: operations.len() as u64,
            sent: sent.filter(|sent| *sent < end).count() as u64,
            correct: latencies.len() as u64,
            took_ms_p95: percentile(P95, &mut latencies),
            took_ms_p99: percentile(P99, &mut latencies),
        };
        Ok((offered, percentile(P95, &mut late)))
    }
}

/// The nearest rank; 0 of nothing.
fn percentile(share: f64, values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn most_frequent(operations: &[Operation]) -> Option<(ErrorClass, Option<u16>)> {
    let mut met: BTreeMap<(ErrorClass, Option<u16>), u64> = BTreeMap::new();
    for operation in operations {
        if let Some(class) = operation.error {
            *met.entry((class, operation.status)).or_default() += 1;
        }
    }
    let most = met.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(met, _)| met)
}
