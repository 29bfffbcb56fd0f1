//! Events that faults wait for: of the load, or of a faulted node.
//!
//! A signal is fired at an event of the load by the client that comes to it, on its own thread. Before every other fault the event is
//! waited for, and the fault is begun at once.

use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;

use comeback_model::event::{Mark, Met};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::fault::{Fault, On, OnEvent};
use comeback_model::units::Elapsed;
use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::EngineError;
use super::came::Came;
use super::context::Trial;
use super::seams::SeenEnd;
use super::words::called;
use crate::load::{Awaiting, OnCounted, Wanted};
use comeback_faults::{FaultError, Injection, Sighting};

/// Puts on record for which event a fault had waited that is begun now.
pub(super) fn record<S>(trial: &Trial<'_, S>, fault: FaultId, begun: Elapsed) {
    let came = trial.progress.borrow_mut().events.remove(&fault);
    if let Some(came) = came {
        trial.record_at(begun, came.aimed(fault, begun));
    }
}

/// The event of the load that a fault's signal is fired at, and until when it may come.
pub(super) fn of_load<S>(trial: &Trial<'_, S>, id: FaultId) -> Option<(Wanted, Instant)> {
    let on = trial.plan.fault(id)?.on.as_ref()?;
    let (mark, nth) = on.event.of_load()?;
    let (_, share) = trial.planned.aim(id);
    let nth = trial.planned.nth(id, nth);
    Some((Wanted { mark, nth, share }, deadline(trial, on)))
}

fn deadline<S>(trial: &Trial<'_, S>, on: &On) -> Instant {
    let clock = trial.site.clock;
    clock.instant(clock.now() + on.comes_within)
}

/// Waits in front of a fault until its event has come, if it waits for one.
pub(super) async fn await_event<S>(
    trial: &Trial<'_, S>,
    id: FaultId,
    hands: &Injection,
) -> Result<(), FaultError> {
    let Some(fault) = trial.plan.fault(id) else {
        return Ok(());
    };
    let Some(on) = &fault.on else {
        return Ok(());
    };
    let begun = trial.site.clock.now();
    let deadline = deadline(trial, on);
    let came = match &on.event {
        // Its signal is fired at the event itself.
        OnEvent::Acknowledgement(_) | OnEvent::Sent(_) if fault.effect.ends() => return Ok(()),
        OnEvent::Acknowledgement(_) | OnEvent::Sent(_) => await_load(trial, id).await?,
        OnEvent::Log(text) => {
            let sighting = first(hands, Some(text), deadline).await;
            let Some(sighting) = sighting else {
                return Err(FaultError::Missed(no_line(hands, text, on)));
            };
            let Sighting {
                at,
                node,
                incarnation,
                line,
            } = sighting;
            let met = Met::Line {
                node,
                incarnation,
                line: line.unwrap_or_default(),
            };
            Came::of_node(begun, at, met)
        }
        OnEvent::Start(into) => {
            let mut seen = hands.watch(None);
            let Some(mut sighting) = next(&mut seen, deadline).await else {
                return Err(FaultError::Missed(no_start(hands, on)));
            };
            // If it ends before that and is started once more, the time begins anew.
            let due = loop {
                let due = sighting.at + *into;
                match next(&mut seen, trial.site.clock.instant(due)).await {
                    Some(further) if further.node == sighting.node => sighting = further,
                    Some(_of_another) => {}
                    None => break due,
                }
            };
            let Sighting {
                node, incarnation, ..
            } = sighting;
            Came::of_node(begun, due, Met::Start { node, incarnation })
        }
    };
    trial.progress.borrow_mut().events.insert(id, came);
    Ok(())
}

/// The first of what is seen of its nodes, if it is in time.
async fn first(hands: &Injection, text: Option<&str>, deadline: Instant) -> Option<Sighting> {
    next(&mut hands.watch(text), deadline).await
}

/// The next that is seen until then.
async fn next(seen: &mut UnboundedReceiver<Sighting>, until: Instant) -> Option<Sighting> {
    timeout_at(until, seen.recv()).await.ok().flatten()
}

/// Waits for an event of the load.
async fn await_load<S>(trial: &Trial<'_, S>, id: FaultId) -> Result<Came, FaultError> {
    let Some((Wanted { mark, .. }, _)) = of_load(trial, id) else {
        return Err(FaultError::Abandoned);
    };
    let begun = trial.site.clock.now();
    let (tell, told) = oneshot::channel();
    let happens: OnCounted = Box::new(move |passed, met| {
        // Nobody may listen any more.
        let _ = tell.send((passed, met));
    });
    let came = count(trial, id, (happens, Vec::new()), told).await.ok();
    let came = came.ok_or(FaultError::Abandoned)??;
    Ok(Came::of_load(begun, mark, came))
}

/// Has something happen at the event of the load that a fault waits for, and waits until it has told so; it does not happen where the
/// event never comes, or one of these nodes ends before it.
pub(super) async fn count<S, T>(
    trial: &Trial<'_, S>,
    id: FaultId,
    (happens, ends): (OnCounted, Vec<(Node, SeenEnd)>),
    told: oneshot::Receiver<T>,
) -> Result<Result<T, FaultError>, EngineError> {
    let (Some((wanted, deadline)), Some(trigger)) = (of_load(trial, id), trial.trigger.get())
    else {
        let none = "the fault waits for an event of a load that there is not";
        return Err(EngineError::Process(io::Error::other(none)));
    };
    let awaiting = trigger.count(wanted, happens);
    let missed = unless(awaiting, told, async {
        tokio::select! {
            biased;
            ended = first_end(ends) => ended.map(Some),
            () = tokio::time::sleep_until(deadline) => Ok(None),
        }
    });
    Ok(missed.await?.map_err(|(so_far, ended)| {
        FaultError::Missed(match ended {
            Some(node) => ended_before(node),
            None => too_few(wanted, so_far),
        })
    }))
}

/// What was told; or, when this comes first, how many events had come by then.
async fn unless<T, N>(
    awaiting: Awaiting,
    mut told: oneshot::Receiver<T>,
    comes: impl Future<Output = io::Result<N>>,
) -> Result<Result<T, (u32, N)>, EngineError> {
    let told = tokio::select! {
        biased;
        told = &mut told => told,
        came = comes => {
            let came = came.map_err(EngineError::Process)?;
            match awaiting.give_up() {
                Some(so_far) => return Ok(Err((so_far, came))),
                // The event came at this very moment.
                None => told.await,
            }
        }
    };
    let ended = "a load worker ended at the event of the fault";
    told.map(Ok)
        .map_err(|_| EngineError::Process(io::Error::other(ended)))
}

/// The first of these nodes to end. Pending for good when there is none.
async fn first_end(mut ends: Vec<(Node, SeenEnd)>) -> io::Result<Node> {
    poll_fn(|context| {
        for (node, end) in &mut ends {
            if let Poll::Ready(ended) = end.as_mut().poll(context) {
                return Poll::Ready(ended.map(|()| *node));
            }
        }
        Poll::Pending
    })
    .await
}

fn ended_before(node: Node) -> String {
    format!(
        "{} ended by itself while the event of the fault was waited for",
        called(node)
    )
}

fn too_few(Wanted { mark, nth, .. }: Wanted, so_far: u32) -> String {
    let what = match mark {
        Mark::Reply => "acknowledged",
        Mark::Request => "sent and waited for",
    };
    format!(
        "its event never came: of {nth} writes that it waited for only {so_far} were {what} in time: raise the rate or comes_within, \
         or lower nth"
    )
}

fn no_line(hands: &Injection, text: &str, On { comes_within, .. }: &On) -> String {
    format!(
        "its event never came: no line of the output of {} contained {text:?} within {comes_within}: compare matches with the logs of \
         the run, or raise comes_within",
        names(hands)
    )
}

fn no_start(hands: &Injection, On { comes_within, .. }: &On) -> String {
    format!(
        "its event never came: {} was not started again within {comes_within}: have an earlier fault end it, or raise comes_within",
        names(hands)
    )
}

fn names(hands: &Injection) -> String {
    let names = hands.nodes().iter().map(|node: &Node| called(*node));
    names.collect::<Vec<_>>().join(" or ")
}

/// A trial without a fault lasts as long as the longest with one: it counts up to the last event of each range, and waits for a line of
/// output all the time that it may take.
pub(super) async fn wait_out<S>(trial: &Trial<'_, S>, baseline_end: Elapsed) {
    let mut begin = baseline_end;
    for stretch in trial.plan.stretches() {
        wait_out_stretch(trial, stretch, begin).await;
        begin = trial.site.clock.now();
    }
}

async fn wait_out_stretch<S>(
    trial: &Trial<'_, S>,
    stretch: Vec<(FaultId, &Fault)>,
    begin: Elapsed,
) {
    let clock = trial.site.clock;
    let waits = stretch.into_iter().map(async |(id, fault)| {
        let Some(on) = &fault.on else {
            return;
        };
        tokio::time::sleep_until(clock.instant(begin + fault.after)).await;
        match &on.event {
            // That it never comes is known of the trials with a fault.
            OnEvent::Acknowledgement(_) | OnEvent::Sent(_) => drop(await_load(trial, id).await),
            OnEvent::Log(_) => tokio::time::sleep_until(deadline(trial, on)).await,
            // A recovery is no part of such a trial.
            OnEvent::Start(into) => tokio::time::sleep((*into).into()).await,
        }
    });
    join_all(waits).await;
}
