//! The life of a data folder over the trials of a storm: what one trial leaves to the next. Every other run begins each trial anew.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_model::event::EventKind;
use comeback_model::ids::{Node, TrialId};
use comeback_model::plan::{Plan, Reach};
use comeback_model::units::Elapsed;

use super::context::{Early, Former, Trial, aborted};
use super::placement::Placement;
use super::seams::Load;
use super::site::Site;
use crate::load::{Looked, Trigger};
use crate::supervise::scratch::remove_tree;

/// So many operations before the kill, and after the recovery, tell whether the service serves.
const ENOUGH: u64 = 12;
/// Between two looks at a session that is not as it was.
const LOOK_PAUSE: Duration = Duration::from_millis(25);
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
    has_lost: Cell<bool>,
    /// The last trial ended with a kill of the idle server.
    was_killed: Cell<bool>,
}

impl<L: Load> Life<L> {
    /// The life that begins with the first trial of this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            is_storm: plan.storm.is_some(),
            until_failure: plan.storm.is_some_and(|storm| storm.until_failure),
            data: None,
            placement: None,
            probe_users: 0,
            load: RefCell::default(),
            has_lost: Cell::default(),
            was_killed: Cell::default(),
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
        self.is_storm && (!is_left || self.until_failure && self.has_lost.get())
    }

    /// What the next trial takes over from the trial before.
    pub(super) fn take_former(&mut self) -> Option<Former> {
        Some(Former {
            placement: self.placement.take()?,
            probe_users: self.probe_users,
            was_killed: self.was_killed(),
        })
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
        let lacking = looked.undecided + looked.refused;
        self.has_lost.set(lacking > 0);
        let open = looked.undecided + looked.failed;
        trial.record(EventKind::SessionsLooked {
            whole: looked.living.saturating_sub(open),
            lacking,
            unknown: looked.failed,
        });
    }

    /// Whether the trial ends with a kill of the idle server: what a process has recovered must outlive its own kill, too. A plan that
    /// kills the started process alone leaves its workers time, which a kill of them all would not.
    pub(super) fn ends_by_kill<S>(&self, trial: &Trial<'_, S>) -> bool {
        let reaches_all = trial.plan.first_fault().reach != Reach::Process;
        let goes_on = self.load.borrow().is_some();
        let by_kill = self.is_storm && goes_on && reaches_all && trial.planned.ends_by_kill();
        self.was_killed.set(by_kill);
        by_kill
    }

    /// Whether the last trial ended so.
    pub(super) const fn was_killed(&self) -> bool {
        self.was_killed.get()
    }

    /// The load of the trial before goes on in this one. A server may answer its readiness probe before it can work: what is not
    /// learned of a session is asked again for as long as the start may take, and what speaks against the server in some rounds.
    pub(super) async fn resume<S>(&self, trial: &Trial<'_, S>, load: &mut L) -> Result<(), Early> {
        let clock = trial.site.clock;
        let deadline: Elapsed = clock.now() + trial.start_within(Node::default());
        let mut living = None;
        let mut rounds = 0;
        let looked = loop {
            let (id, seed) = (trial.planned.id, trial.planned.load_seed);
            let looked = load.resume((id, seed), deadline).await?;
            living.get_or_insert(looked.living);
            rounds += u32::from(looked.undecided > 0);
            let is_decided = looked.undecided == 0 && looked.failed == 0;
            let is_told = rounds >= trial.plan.load.looks && looked.undecided > 0;
            if is_decided || is_told || clock.now() > deadline {
                break looked;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        };
        let living = living.unwrap_or(0);
        let open = looked.undecided + looked.failed;
        trial.record(EventKind::SessionsResumed {
            after_kill: trial.is_after_kill,
            whole: living.saturating_sub(open),
            refused: looked.gone,
            older: looked.older,
            anothers: looked.anothers,
            odd: looked.odd(),
            unknown: looked.failed,
        });
        why_not_resumed(looked, living, trial.is_after_kill).map_or(Ok(()), |why| Err(aborted(why)))
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

/// Why the sessions of the trial before cannot be gone on with.
fn why_not_resumed(looked: Looked, living: u32, after_kill: bool) -> Option<String> {
    let after = match after_kill {
        true => "after the idle server was killed and started again",
        false => "after the server was stopped and started again without a fault",
    };
    let lacking = looked.gone + looked.older + looked.anothers;
    let (many, what) = match (lacking, looked.odd(), looked.failed) {
        (0, 0, 0) => return None,
        (0, 0, failed) => (failed, "did not answer"),
        (0, odd, _) => (odd, "show what they did not at the last look"),
        (lacking, _, _) => (lacking, "are not known, or lack acknowledged writes,"),
    };
    Some(format!(
        "{many} of {living} sessions that were whole at the end of the trial before {what} {after}"
    ))
}

/// The windows of a storm are short: on a slow server, or a busy machine, the load before the kill lasts until enough was seen.
pub(super) async fn wait_for_load<S>(trial: &Trial<'_, S>, load: &Trigger) {
    wait_until(trial, |_| load.finished() >= ENOUGH).await;
}

/// Likewise the load after the recovery, until enough was served to tell that the service is back. A service may fail for some time
/// after its first correct reply: whether it goes on to is not known before as long a time.
pub(super) async fn wait_until_served<S>(trial: &Trial<'_, S>, load: &Trigger) {
    wait_until(trial, |now| load.has_served(ENOUGH, now)).await;
}

async fn wait_until<S>(trial: &Trial<'_, S>, is_enough: impl Fn(Elapsed) -> bool) {
    if trial.plan.storm.is_none() {
        return;
    }
    let clock = trial.site.clock;
    let deadline = clock.now() + trial.plan.load.timeout;
    while !is_enough(clock.now()) && clock.now() < deadline {
        tokio::time::sleep(AGAIN).await;
    }
}
