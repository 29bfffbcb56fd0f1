//! The effects of a fault on one node: each is confirmed, then recorded.

use comeback_model::event::{EventKind, Phase};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Reach;
use comeback_model::plan::fault::Effect;
use comeback_model::units::Elapsed;

use super::EngineError;
use super::context::Trial;
use super::newcomers;
use super::nodes::{Hold, Running, reply};
use super::on as events;
use super::seams::{On, Process};
use super::words::called;
use comeback_faults::{Act, ActError, ActMethod, FaultError, Looked, NodeCall};

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
            let looked = Looked {
                pid: process.pid(),
                exit,
                not_ended: process.why_not_ended(),
            };
            reply(answer, Ok(looked));
        }
        NodeCall::ConfirmEnd(took_kill, answer) => {
            reply(answer, Ok(confirm_end(trial, fault, running, took_kill)?));
        }
        NodeCall::Pause(reach, answer) => reply(answer, pause(trial, fault, running, reach)?),
        NodeCall::ConfirmStill(reach, answer) => {
            reply(answer, confirm_still(trial, fault, running, reach)?);
        }
        NodeCall::Resume(reach, answer) => reply(answer, resume(trial, fault, running, reach)?),
        NodeCall::Act(reach, act, answer) => {
            reply(answer, apply(trial, fault, running, (reach, act))?);
        }
        NodeCall::Undo(reach, answer) => reply(answer, undo(trial, fault, running, reach)?),
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
    let outside = process.seen_outside();
    let is_elsewhere = outside.is_some();
    let evidence = match &outside {
        Some(outside) => Some(outside.evidence.clone()),
        None => process
            .exit()
            .map(|(exit, _)| format!("process {pid} {exit}")),
    };
    let confirmed = EventKind::FaultConfirmed {
        fault,
        node,
        evidence: evidence.unwrap_or_default(),
        took_kill,
        left,
        alive_us: outside.map(|outside| outside.alive),
    };
    trial.record_at(at, confirmed);
    if let Some(trigger) = trial.trigger.get().filter(|_| is_elsewhere) {
        trigger.note_end_elsewhere();
    }
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
    newcomers::note_effect(trial, fault);
    if begins {
        trial.enter(Phase::Recovery);
    }
    trial.effects.notify_waiters();
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

/// A fault other than by a signal is begun with a node.
fn note_begin<S>(trial: &Trial<'_, S>, fault: FaultId, node: Node) {
    let begun = trial.begun_by(fault);
    events::record(trial, fault, trial.site.clock.now());
    trial.record(EventKind::FaultRequested { fault, node, begun });
    newcomers::note_begun(trial, fault);
    let mut progress = trial.progress.borrow_mut();
    progress.begin(fault, node, trial.site.clock.now());
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
    let is_first = running.hold != Hold::Held(fault);
    let may = match is_first {
        true => running.check_free_for(fault),
        false => refuse_ended(process, "ended while it stood still"),
    };
    if let Err(missed) = may {
        return Ok(Err(missed));
    }
    if is_first {
        running.hold = Hold::Held(fault);
        note_begin(trial, fault, node);
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

/// Does something to a node, and puts on record what shows it.
fn apply<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    (reach, mut act): (Reach, Box<dyn Act>),
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    let node = process.node();
    if act.is_for_ended() == process.is_running() {
        let state = match process.is_running() {
            true => "still ran when the fault needed its end",
            false => "had ended before the fault",
        };
        return missed(format!("{} {state}", called(node)));
    }
    let effect = trial.fault(fault)?.effect;
    if effect.degrades() {
        if let Err(missed) = running.check_free_for(fault) {
            return Ok(Err(missed));
        }
        note_begin(trial, fault, node);
    }
    let process = &running.process;
    let on = on(trial, fault, node, reach);
    let mut evidence = String::new();
    for method in [ActMethod::Apply, ActMethod::Confirm] {
        match process.carry_out(method, act.as_mut(), on.clone()) {
            Ok(shown) => evidence = shown,
            Err(ActError::Missed(problem)) => return missed(problem),
            Err(ActError::Failed(cause)) => return Err(EngineError::Process(cause)),
        }
    }
    let completes = act.completes();
    running.acts.push((fault, act));
    let at = trial.site.clock.now();
    trial.record_at(at, has_acted(effect, (fault, node), evidence, completes));
    if effect.degrades() {
        running.hold = Hold::Held(fault);
        trial.progress.borrow_mut().faulted(fault, node).is_degraded = true;
        note_effect(trial, (fault, node), at, false);
    } else if completes {
        trial.progress.borrow_mut().faulted(fault, node).at = Some(at);
    }
    Ok(Ok(()))
}

/// The conditions of a node are as before, or it has ended under them: from now on it may be back.
fn note_restored<S>(trial: &Trial<'_, S>, (fault, node): (FaultId, Node), has_ended: bool) {
    let at = trial.site.clock.now();
    let mut progress = trial.progress.borrow_mut();
    let faulted = progress.faulted(fault, node);
    (faulted.at, faulted.is_degraded, faulted.has_ended) = (Some(at), false, has_ended);
    drop(progress);
    trial.effects.notify_waiters();
}

/// The event of an act that has its effect.
fn has_acted(
    effect: Effect,
    (fault, node): (FaultId, Node),
    evidence: String,
    completes: bool,
) -> EventKind {
    match effect {
        Effect::Surrounds => EventKind::SurroundingApplied {
            fault,
            node,
            evidence,
        },
        Effect::Degrades(_) => EventKind::TargetDegraded {
            fault,
            node,
            evidence,
        },
        Effect::Ends(_) | Effect::StandsStill(_) | Effect::Replaces => EventKind::FaultActed {
            fault,
            node,
            evidence,
            completes,
        },
    }
}

/// Undoes what a fault did to a node, if it had its effect until now. One that the conditions ended is to be started again.
fn undo<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    running: &mut Running<impl Process>,
    reach: Reach,
) -> Result<Result<(), FaultError>, EngineError> {
    let process = &running.process;
    let node = process.node();
    let effect = trial.fault(fault)?.effect;
    let on = on(trial, fault, node, reach);
    let its = |(of, _): &mut (FaultId, Box<dyn Act>)| *of == fault;
    for (_, mut act) in running.acts.extract_if(.., its) {
        if effect.degrades() && !process.is_running() {
            note_restored(trial, (fault, node), true);
            let undone = process.carry_out(ActMethod::Undo, act.as_mut(), on.clone());
            if let Err(ActError::Failed(cause)) = undone {
                return Err(EngineError::Process(cause));
            }
            continue;
        }
        let mut evidence = String::new();
        for method in [ActMethod::Conclude, ActMethod::Undo] {
            match process.carry_out(method, act.as_mut(), on.clone()) {
                Ok(shown) if method == ActMethod::Conclude => evidence = shown,
                Ok(_) => {}
                Err(ActError::Missed(problem)) => {
                    let (what, node) = (&trial.fault(fault)?.words.noun, called(node));
                    return missed(format!("{what} did not hold for {node}: {problem}"));
                }
                Err(ActError::Failed(cause)) => return Err(EngineError::Process(cause)),
            }
        }
        match effect {
            Effect::Surrounds => trial.record(EventKind::SurroundingRemoved { fault, node }),
            Effect::Degrades(_) => {
                running.hold = Hold::Free;
                note_restored(trial, (fault, node), false);
                trial.record(EventKind::TargetRestored {
                    fault,
                    node,
                    evidence,
                });
            }
            Effect::Ends(_) | Effect::StandsStill(_) | Effect::Replaces => {}
        }
    }
    // A further start has none of it.
    if trial.progress.borrow().of(fault, node).is_degraded {
        note_restored(trial, (fault, node), !running.process.is_running());
    }
    Ok(Ok(()))
}

fn on<'a, S>(trial: &'a Trial<'_, S>, fault: FaultId, node: Node, reach: Reach) -> On<'a> {
    let slot = trial.placement.slot(node);
    On {
        reach,
        data: &slot.data,
        disk: slot.disk.as_deref(),
        port: slot.endpoint.socket.is_none().then_some(slot.endpoint.port),
        proxy: slot.proxy.as_ref().map(|proxy| proxy.control.as_str()),
        draws: trial.planned.draws(fault, node),
    }
}

fn missed(problem: String) -> Result<Result<(), FaultError>, EngineError> {
    Ok(Err(FaultError::Missed(problem)))
}
