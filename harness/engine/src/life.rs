//! The life of a data folder over the trials of a storm: what one trial leaves to the next. Every other run begins each trial anew.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_model::event::EventKind;
use comeback_model::ids::TrialId;
use comeback_model::plan::Plan;
use comeback_model::units::Elapsed;

use super::context::{Early, Trial, aborted};
use super::placement::Placement;
use super::seams::{Load, Seams};
use super::site::Site;
use crate::load::{Looked, Trigger};
use crate::supervise::scratch::remove_tree;

/// So many operations before the kill, and after the recovery, tell whether the service serves.
const ENOUGH: u64 = 12;
/// How soon it is counted again.
const AGAIN: Duration = Duration::from_millis(1);

/// What the trials of a storm have in common; nothing of it is there in another run.
#[derive(Debug)]
pub(super) struct Life<L> {
    is_storm: bool,
    /// Whether the first loss ends it.
    until_failure: bool,
    /// The data folder.
    data: Option<PathBuf>,
    /// Where the server is.
    placement: Option<Placement>,
    /// How many users the probes have been.
    probe_users: u32,
    /// The load with its sessions.
    load: RefCell<Option<L>>,
    /// Something was lost in the last trial.
    has_lost: RefCell<bool>,
}

impl<L> Life<L> {
    /// The life that begins with the first trial of this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            is_storm: plan.storm.is_some(),
            until_failure: plan.storm.is_some_and(|storm| storm.until_failure),
            data: None,
            placement: None,
            probe_users: 0,
            load: RefCell::default(),
            has_lost: RefCell::default(),
        }
    }

    /// Whether the trials of a storm share it.
    pub(super) const fn is_storm(&self) -> bool {
        self.is_storm
    }

    /// Whether no further trial can go on with it: the last one left no load, since it ended early or the server did not come
    /// back; or it lost something, and that is what was looked for.
    pub(super) fn is_over(&self) -> bool {
        let is_left = self.load.borrow().is_some();
        self.is_storm && (!is_left || self.until_failure && *self.has_lost.borrow())
    }

    /// Where the server was in the trial before.
    pub(super) fn take_placement(&mut self) -> Option<(Placement, u32)> {
        let placement = self.placement.take()?;
        Some((placement, self.probe_users))
    }

    /// The load of the trial before.
    pub(super) fn take_load(&self) -> Option<L> {
        self.load.borrow_mut().take()
    }

    /// The next trial goes on with this load.
    pub(super) fn keep_load(&self, load: L) {
        *self.load.borrow_mut() = Some(load);
    }

    /// The next trial goes on at the place of this one.
    pub(super) fn keep_place_of<S>(&mut self, trial: Trial<'_, S>, data: &Path) {
        if self.is_storm {
            self.probe_users = trial.probe_users.get();
            self.placement = Some(trial.placement);
            self.data = Some(data.to_owned());
        }
    }

    /// Notes what the last look found, and puts it on record.
    pub(super) fn note_looked<S>(&self, trial: &Trial<'_, S>, looked: Looked) {
        if !self.is_storm {
            return;
        }
        let lacking = looked.unsettled + looked.refused;
        *self.has_lost.borrow_mut() = lacking > 0;
        let open = looked.unsettled + looked.failed;
        trial.record(EventKind::SessionsLooked {
            whole: looked.living.saturating_sub(open),
            lacking,
            unknown: looked.failed,
        });
    }

    /// Ends it, and removes its data. What the server locked there is left to the end of the run.
    pub(super) fn end(self) {
        drop(self.load);
        if let Some(data) = self.data {
            let _ = remove_tree(&data);
        }
    }
}

/// The data folder of a trial: in a storm the same for all.
pub(super) fn data_of(plan: &Plan, site: &Site, trial: TrialId) -> PathBuf {
    match plan.storm {
        Some(_) => site.scratch.join("storm"),
        None => site.data_of(trial),
    }
}

/// The load of the trial before goes on in this one. A server may answer its readiness probe before it can work: what is not
/// learned of a session is asked again for as long as the start may take.
pub(super) async fn resume<S: Seams>(
    trial: &Trial<'_, S>,
    load: &mut S::Load,
) -> Result<(), Early> {
    let clock = trial.site.clock;
    let deadline: Elapsed = clock.now() + trial.arm.target.ready.within;
    loop {
        let (id, seed) = (trial.planned.id, trial.planned.load_seed);
        let looked = load.resume((id, seed), deadline).await?;
        if looked.unsettled > 0 {
            return Err(aborted(format!(
                "{} of {} sessions that were whole at the end of the trial before are not known, or lack acknowledged writes, \
                 after the server was stopped and started again without a fault",
                looked.unsettled, looked.living
            )));
        }
        if looked.failed == 0 {
            return Ok(());
        }
        if clock.now() > deadline {
            return Err(aborted(format!(
                "of {} of {} sessions nothing was learned after the server was started again without a fault",
                looked.failed, looked.living
            )));
        }
        tokio::time::sleep(super::trial::OPEN_PAUSE).await;
    }
}

/// The windows of a storm are short: on a slow server, or a busy machine, they last until enough was seen to tell whether the
/// service serves.
pub(super) async fn wait_for_load<S>(trial: &Trial<'_, S>, load: &Trigger) {
    if trial.plan.storm.is_none() {
        return;
    }
    let clock = trial.site.clock;
    let deadline = clock.now() + trial.plan.load.timeout;
    while load.finished() < ENOUGH && clock.now() < deadline {
        tokio::time::sleep(AGAIN).await;
    }
}
