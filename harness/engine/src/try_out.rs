//! A try: the target is started, a user goes the whole way through the flow, the target is stopped and started again, and
//! the same is done once more. Nothing is measured and nothing is judged; what was seen is handed to the caller. Called by
//! [`crate::campaign::try_out`].

use std::time::Duration;

use comeback_model::event::EventKind;
use comeback_model::ids::{ArmId, Node};
use comeback_model::plan::{Plan, Workload};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::Span;
use tokio::sync::mpsc;

use super::context::{Early, Trial, aborted};
use super::interrupt::Interrupt;
use super::real::Real;
use super::seams::Processes as _;
use super::trial_loop::TrialLoop;
use super::{EngineError, Site, recovery};
use crate::load::probe::{Left, Probe, ProbeError, Walk, Walked, Who};
use crate::supervise::disk::backing_of;
use crate::supervise::scratch::remove_tree;

/// How long users try before it is said that the flow does not work.
const TRY_FOR: Span = Span::from_secs(3);
/// Between two of them.
const TRY_PAUSE: Duration = Duration::from_millis(300);

/// What was seen of one arm.
#[derive(Debug)]
pub struct Tried {
    /// Which.
    pub arm: ArmId,
    /// The user's way after the first start; before a run also that of another user, who logs out.
    pub first: Vec<Walked>,
    /// The look at the first user's session after the restart, and another user's whole way.
    pub restarted: Vec<Walked>,
    /// Whether it was stopped after its first start, to be started once more.
    pub was_restarted: bool,
    /// Why it ended before all of that was done: a start that failed, or an end that nobody asked for.
    pub ended_early: Option<EndedEarly>,
}

/// Why a try ended early.
#[derive(Debug)]
pub struct EndedEarly {
    /// The node.
    pub node: Option<Node>,
    /// What happened, in words.
    pub problem: String,
    /// The last lines of its output.
    pub tail: Vec<String>,
}

/// How far a try goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the check by nobody, on the first start.
    FirstStart,
    /// Before a run: two users on the first start, of which one logs out, and another one after a restart.
    BeforeRun,
    /// Through a restart, to the check after the logout.
    Restart,
}

/// Tries one arm of a plan. `None` when the run shall end.
pub(super) async fn run(
    (plan, planned, reach): (&Plan, &PlannedTrial, Reach),
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Option<Tried>, EngineError> {
    let data = site.data_of(planned.id);
    let real = Real::of(site);
    let mut tried = Tried {
        arm: planned.arm,
        first: Vec::new(),
        restarted: Vec::new(),
        was_restarted: false,
        ended_early: None,
    };
    let ended = match Trial::prepare((plan, planned), (site, &real), &data, None) {
        Ok(trial) => trial.try_out(reach, interrupt, &mut tried).await,
        Err(early) => Err(early),
    };
    let _ = real.kill_all();
    // A disk that is still mounted could keep whoever looks into the folder waiting for good.
    real.undo_all()?;
    // What the target locked there does not matter any more: the run's folder is removed by the warden.
    let _ = remove_tree(&data).and_then(|()| remove_tree(&backing_of(&data)));
    match ended {
        Ok(()) => Ok(Some(tried)),
        Err(Early::Target(kind)) => {
            tried.ended_early = Some(in_words(&kind));
            Ok(Some(tried))
        }
        Err(Early::Engine(error)) => Err(error),
        Err(Early::Interrupted) => Ok(None),
    }
}

impl Trial<'_, Real> {
    async fn try_out(
        &self,
        reach: Reach,
        interrupt: &mut Interrupt,
        tried: &mut Tried,
    ) -> Result<(), Early> {
        let mut nodes = TrialLoop::new(self, interrupt, mpsc::unbounded_channel());
        nodes.start_all().await?;
        let walk = nodes.run(self.walk_when_it_works(false)).await??;
        tried.first = walk.steps;
        // Where even this does not fit, nothing else is asked.
        let fits = tried.first.iter().all(is_as_described);
        if reach == Reach::BeforeRun && fits && self.has_logout() {
            let goodbye = nodes.run(self.walk_when_it_works(true)).await??;
            tried.first.extend(goodbye.steps);
        }
        self.see_early_end()?;
        nodes.stop_all().await?;
        drop(nodes);
        let is_asked = match reach {
            Reach::FirstStart => false,
            Reach::BeforeRun => fits,
            Reach::Restart => true,
        };
        // What somebody else started is not stopped to be tried.
        if !is_asked || self.plan.is_external() {
            return Ok(());
        }
        tried.was_restarted = true;
        let mut nodes = TrialLoop::new(self, interrupt, mpsc::unbounded_channel());
        nodes.start_all().await?;
        if let Some(mut left) = walk.session {
            let looked = nodes.run(self.look_again(&mut left)).await??;
            tried.restarted.push(looked);
        }
        let walk = match reach {
            Reach::BeforeRun => nodes.run(self.walk_when_it_works(false)).await??,
            Reach::FirstStart | Reach::Restart => nodes.run(self.walk(true)).await??,
        };
        tried.restarted.extend(walk.steps);
        self.see_early_end()?;
        nodes.stop_all().await
    }

    /// Whether its users log out.
    fn has_logout(&self) -> bool {
        match &self.plan.load.workload {
            Workload::Sessions(flow) => flow.logout.is_some(),
            Workload::Stateless(_) => false,
        }
    }

    /// A node that ended while the user was on the way.
    pub(super) fn see_early_end(&self) -> Result<(), Early> {
        match self.progress.borrow_mut().ended_early.take() {
            Some(problem) => Err(aborted(problem)),
            None => Ok(()),
        }
    }

    /// A server may answer its readiness probe before it can work, and one wrong reply may be chance: another user tries a
    /// few times more.
    async fn walk_when_it_works(&self, to_the_end: bool) -> Result<Walk, Early> {
        let mut walk = self.walk(to_the_end).await?;
        let until = self.site.clock.now() + TRY_FOR;
        while self.site.clock.now() < until {
            if walk.steps.iter().all(is_as_described) {
                break;
            }
            tokio::time::sleep(TRY_PAUSE).await;
            walk = self.walk(to_the_end).await?;
        }
        Ok(walk)
    }

    async fn walk(&self, to_the_end: bool) -> Result<Walk, Early> {
        let probe = self.walker()?;
        probe.walk(to_the_end).await.map_err(of_probe)
    }

    async fn look_again(&self, left: &mut Left) -> Result<Walked, Early> {
        let probe = self.walker()?;
        probe.look_again(left).await.map_err(of_probe)
    }

    /// Who asks as a client would.
    fn walker(&self) -> Result<Probe<'_>, Early> {
        let setup = recovery::setup_of(self, self.arm.front());
        Ok(Probe::with_transcript(setup).map_err(EngineError::Probe)?)
    }
}

/// Whether a user's step was answered as it is described; what others are told is another matter.
fn is_as_described(walked: &Walked) -> bool {
    walked.problem.is_none() || walked.who != Who::User
}

pub(super) fn of_probe(error: ProbeError) -> Early {
    let cause = match error {
        ProbeError::Harness(cause) => cause,
        ProbeError::Unattributable(problem) => std::io::Error::other(problem),
    };
    EngineError::Probe(cause).into()
}

pub(super) fn in_words(kind: &EventKind) -> EndedEarly {
    match kind {
        EventKind::TargetStartFailed {
            node,
            problem,
            tail,
            ..
        } => EndedEarly {
            node: Some(*node),
            problem: format!("it did not come up: {problem}"),
            tail: tail.iter().map(|line| line.text().to_owned()).collect(),
        },
        EventKind::TrialAborted { reason } => EndedEarly {
            node: None,
            problem: reason.clone(),
            tail: Vec::new(),
        },
        other => EndedEarly {
            node: None,
            problem: format!("{other:?}"),
            tail: Vec::new(),
        },
    }
}
