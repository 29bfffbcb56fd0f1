//! The effects of a fault on one node: each is confirmed, then recorded.

use comeback_model::event::{EventKind, Phase};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Reach;
use comeback_model::units::Elapsed;

use super::EngineError;
use super::context::Trial;
use super::nodes::{Hold, Running, called, reply};
use super::seams::Process;
use comeback_faults::{FaultError, NodeCall};

/// Carries out a fault's call for a node.
pub(super) fn act<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    call: NodeCall,
) -> Result<(), EngineError> {
    let process = &mut running.process;
    match call {
        NodeCall::AwaitEnd(of, answer) => running.answer_when_ended(of, answer),
        NodeCall::TakeNewcomers(answer) => {
            let found = process.take_newcomers();
            reply(answer, Ok(found.map_err(EngineError::Process)?));
        }
        NodeCall::KillRest(answer) => {
            let killed = process.kill_rest();
            reply(answer, Ok(killed.map_err(EngineError::Process)?));
        }
        NodeCall::LookAt(answer) => {
            let exit = process.exit().map(|(exit, _)| exit);
            reply(answer, Ok((process.pid(), exit)));
        }
        NodeCall::ConfirmEnd(took_kill, answer) => {
            reply(answer, Ok(confirm_end(trial, fault, running, took_kill)?));
        }
        NodeCall::Pause(reach, answer) => reply(answer, pause(trial, fault, running, reach)?),
        NodeCall::ConfirmStill(reach, answer) => {
            reply(answer, confirm_still(trial, fault, running, reach)?);
        }
        NodeCall::Resume(reach, answer) => reply(answer, resume(trial, fault, running, reach)?),
        NodeCall::LimitDescriptors(reach, limit, answer) => {
            reply(
                answer,
                limit_descriptors(trial, fault, running, (reach, limit))?,
            );
        }
        NodeCall::LiftDescriptorLimit(reach, limit, answer) => {
            reply(
                answer,
                lift_descriptor_limit(trial, fault, running, (reach, limit))?,
            );
        }
        NodeCall::HowToStop(answer) => {
            reply(answer, Ok(trial.target_now(process.node()).stop.clone()));
        }
    }
    Ok(())
}

/// Puts on record that a node has ended by the fault, and what lives on in spite of it; when the last of it ended.
fn confirm_end<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    took_kill: Vec<i32>,
) -> Result<Elapsed, EngineError> {
    let process = &mut running.process;
    let left = process.survivors().map_err(EngineError::Process)?;
    let ended = process.exit().map(|(_, at)| at);
    let at = ended.max(process.last_end_of_others());
    let at = at.unwrap_or_else(|| trial.site.clock.now());
    let node = process.node();
    let pid = process.pid();
    let evidence = process
        .exit()
        .map(|(exit, _)| format!("process {pid} {exit}"));
    let confirmed = EventKind::FaultConfirmed {
        fault,
        node,
        evidence: evidence.unwrap_or_default(),
        took_kill,
        left,
    };
    trial.record_at(at, confirmed);
    note_effect(trial, (fault, node), at, true);
    Ok(at)
}

/// The effect of a fault on a node was confirmed; with the last of the first fault, the recovery begins.
fn note_effect<S>(
    trial: &Trial<'_, S>,
    (fault, node): (FaultId, Node),
    at: Elapsed,
    has_ended: bool,
) {
    let begins = {
        let mut progress = trial.progress.borrow_mut();
        let old_boots = progress.boots.get(&node).cloned().unwrap_or_default();
        let faulted = progress.faulted(fault, node);
        (faulted.at, faulted.has_ended) = (Some(at), has_ended);
        faulted.old_boots = old_boots;
        progress.phase == Some(Phase::Fault)
            && progress.is_confirmed(fault, trial.faulted_by(fault))
    };
    if begins {
        trial.enter(Phase::Recovery);
    }
}

/// Whether the process is there to be paused or resumed.
fn refuse_ended(process: &impl Process, when: &str) -> Result<(), FaultError> {
    match process.is_running() {
        true => Ok(()),
        false => Err(FaultError::Missed(format!(
            "{} {when}",
            called(process.node())
        ))),
    }
}

/// Stops every process of a node where it is; the first time that is the fault.
fn pause<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    reach: Reach,
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    let node = process.node();
    let is_first = running.hold != Hold::Still(fault);
    let may = match is_first {
        true => running.check_free_for(fault),
        false => refuse_ended(process, "ended while it stood still"),
    };
    if let Err(missed) = may {
        return Ok(Err(missed));
    }
    if is_first {
        running.hold = Hold::Still(fault);
        let begun = trial.begun_by(fault);
        trial.record(EventKind::FaultRequested { fault, node, begun });
        let mut progress = trial.progress.borrow_mut();
        progress.faulted(fault, node).begun = Some(trial.site.clock.now());
    }
    let process = &running.process;
    process.pause(reach).map_err(EngineError::Process)?;
    Ok(Ok(()))
}

/// Puts on record that every thread of a node stands still, if each does.
fn confirm_still<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &Running<impl Process>,
    reach: Reach,
) -> Result<Result<Option<Elapsed>, FaultError>, EngineError> {
    let process = &running.process;
    if let Err(ended) = refuse_ended(process, "ended while it stood still") {
        return Ok(Err(ended));
    }
    if !process.stands_still(reach).map_err(EngineError::Process)? {
        return Ok(Ok(None));
    }
    let (node, at) = (process.node(), trial.site.clock.now());
    let evidence = format!("/proc: every thread of {reach} is stopped");
    let paused = EventKind::TargetPaused {
        fault,
        node,
        evidence,
    };
    trial.record_at(at, paused);
    note_effect(trial, (fault, node), at, false);
    Ok(Ok(Some(at)))
}

/// Lets every process of a node go on.
fn resume<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    reach: Reach,
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    if let Err(ended) = refuse_ended(process, "ended while it stood still") {
        return Ok(Err(ended));
    }
    // One may answer before the call has returned.
    let (node, at) = (process.node(), trial.site.clock.now());
    process.resume(reach).map_err(EngineError::Process)?;
    running.hold = Hold::Free;
    if trial.progress.borrow().of(fault, node).at.is_some() {
        trial.record_at(at, EventKind::TargetResumed { fault, node });
    }
    Ok(Ok(()))
}

/// Why the limit is not seen to hold: a process of the node that may have more descriptors open, or none that can be looked at.
fn not_limited(
    process: &impl Process,
    (reach, limit): (Reach, u64),
) -> Result<Option<String>, EngineError> {
    let limits = process
        .descriptor_limits(reach)
        .map_err(EngineError::Process)?;
    if limits.is_empty() {
        let node = called(process.node());
        return Ok(Some(format!("no process of {node} could be looked at")));
    }
    let mut above = limits.into_iter();
    let above = above.find(|(_, soft)| soft.is_none_or(|soft| soft > limit));
    Ok(above.map(|(pid, soft)| {
        let soft = soft.map_or_else(|| "any number of".to_owned(), |soft| soft.to_string());
        format!("process {pid} may have {soft} descriptors open, and not only {limit}")
    }))
}

/// Limits the open descriptors of every process of a node, and reads the limits back.
fn limit_descriptors<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    (reach, limit): (Reach, u64),
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    if let Err(ended) = refuse_ended(process, "had ended before its descriptors were limited") {
        return Ok(Err(ended));
    }
    let before = process
        .limit_descriptors(reach, limit)
        .map_err(EngineError::Process)?;
    running.limit_before.get_or_insert(before);
    let process = &running.process;
    if let Some(problem) = not_limited(process, (reach, limit))? {
        return Ok(Err(FaultError::Missed(problem)));
    }
    let evidence = format!(
        "/proc/{}/limits: max open files at most {limit}",
        process.pid()
    );
    trial.record(EventKind::SurroundingApplied {
        fault,
        node: process.node(),
        evidence,
    });
    Ok(Ok(()))
}

/// Sets the limit back to what it was before, if it held until now.
fn lift_descriptor_limit<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    limited: (Reach, u64),
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    let Some(before) = running.limit_before.take() else {
        return Ok(Ok(()));
    };
    if let Some(problem) = not_limited(process, limited)? {
        let node = process.node();
        return Ok(Err(FaultError::Missed(format!(
            "the limit of {} did not hold: {problem}",
            called(node)
        ))));
    }
    process
        .lift_descriptor_limit(limited.0, before)
        .map_err(EngineError::Process)?;
    let node = process.node();
    trial.record(EventKind::SurroundingRemoved { fault, node });
    Ok(Ok(()))
}
