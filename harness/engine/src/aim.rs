//! The moment of a fault: inside a write, or right after its acknowledgement was read, rather than between two requests.
//!
//! A server that answers in a tenth of a millisecond is idle most of the time. A kill at any moment finds nothing under
//! way, and says nothing of what is lost in mid-request.

use std::io;

use comeback_model::event::{EventKind, Mark};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Workload;
use comeback_model::plan::fault::{Effect, Ending, Within};
use comeback_model::units::{Elapsed, Span};
use tokio::sync::oneshot;

use super::EngineError;
use super::came::Came;
use super::context::{Faulted, Trial};
use super::newcomers;
use super::on;
use super::seams::{SeenEnd, Shot};
use crate::load::{Inject, Moment, OnCounted, Passed, Wanted};
use crate::supervise::shot::Sent;
use comeback_faults::FaultError;

/// The load is waited for twice as long as this at least…
const LEAST_PATIENCE: Span = Span::from_ms(50);
/// …and twice for so many writes at their mean rate, one of which comes in all but 2 of 100 cases, the first time…
const GAPS: f64 = 4.0;
/// …and no longer than twice this.
const MOST_PATIENCE: Span = Span::from_secs(1);

/// All shots of a fault, to be fired in one go.
pub(super) struct Volley {
    pub(super) shots: Vec<(Node, Shot)>,
    /// When one of the nodes ends before an event of the load, nothing is fired.
    pub(super) ends: Vec<(Node, SeenEnd)>,
}

/// What came of each.
type Shots = Vec<(Node, io::Result<Sent>)>;

/// A volley that was fired.
pub(super) struct Fired {
    fault: FaultId,
    shots: Shots,
    aimed: Option<Aimed>,
}

/// What is told of a volley's moment, where it had one.
enum Aimed {
    /// When a write was begun to be waited for, and which mark was passed.
    Within(Elapsed, Option<(Mark, Passed)>),
    /// The event that the plan names.
    At(Came),
}

fn fire_all(shots: Vec<(Node, Shot)>) -> Shots {
    let shots = shots.into_iter();
    shots.map(|(node, shot)| (node, shot())).collect()
}

/// Sends the fault at its moment, or says why that never came.
pub(super) async fn fire<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    volley: Volley,
) -> Result<Result<Fired, FaultError>, EngineError> {
    // What replaces nodes, and sends one after the other a signal, has waited for its event before the first.
    let is_sent_at_event = trial.fault(fault)?.effect.ends() && !has_hit(trial, fault);
    match on::of_load(trial, fault) {
        Some((Wanted { mark, .. }, _)) if is_sent_at_event => {
            fire_at_event(trial, (fault, mark), volley).await
        }
        _ => fire_within(trial, fault, volley).await.map(Ok),
    }
}

/// The client that comes to the event of the load sends it.
async fn fire_at_event<S>(
    trial: &Trial<'_, S>,
    (fault, mark): (FaultId, Mark),
    Volley { shots, ends }: Volley,
) -> Result<Result<Fired, FaultError>, EngineError> {
    let begun = trial.site.clock.now();
    let (tell, told) = oneshot::channel();
    let happens: OnCounted = Box::new(move |passed, met| {
        drop(tell.send((fire_all(shots), (passed, met))));
    });
    let came = on::count(trial, fault, (happens, ends), told).await?;
    Ok(came.map(|(shots, came)| Fired {
        fault,
        shots,
        aimed: Some(Aimed::At(Came::of_load(begun, mark, came))),
    }))
}

async fn fire_within<S>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    Volley { shots, .. }: Volley,
) -> Result<Fired, EngineError> {
    let begun = trial.site.clock.now();
    let aimed_at = aim(trial, fault);
    // One after the other: what the load sets off is one thing at a time.
    let _turn = match &aimed_at {
        Some(_) => Some(trial.aiming.lock().await),
        None => None,
    };
    let (Some((moment, patience)), Some(trigger)) = (aimed_at, trial.trigger.get()) else {
        let (shots, aimed) = (fire_all(shots), None);
        return Ok(Fired {
            fault,
            shots,
            aimed,
        });
    };
    // A write has to be waited for, and for its moment or its reply.
    let patience = patience + trigger.usual_service().unwrap_or(Span::ZERO);
    let (tell, mut told) = oneshot::channel();
    let inject: Inject = Box::new(move |passed| drop(tell.send((passed, fire_all(shots)))));
    let armed = trigger.arm(moment, inject);
    let told = match tokio::time::timeout(patience.into(), &mut told).await {
        Ok(told) => told,
        Err(_late) => {
            if let Some(inject) = armed.disarm() {
                inject(None);
            }
            told.await
        }
    };
    let ended = "a load worker ended at the moment of the fault";
    let (passed, fired) = told.map_err(|_| EngineError::Process(io::Error::other(ended)))?;
    let met = passed.map(|passed| (moment.mark(), passed));
    Ok(Fired {
        fault,
        shots: fired,
        aimed: Some(Aimed::Within(begun, met)),
    })
}

/// Whether a fault has taken effect on any node.
fn has_hit<S>(trial: &Trial<'_, S>, fault: FaultId) -> bool {
    let has_hit =
        |((by, _), faulted): (&(FaultId, Node), &Faulted)| *by == fault && faulted.at.is_some();
    trial.progress.borrow().faulted.iter().any(has_hit)
}

/// The moment, and how long the load is waited for; nothing where the fault comes at any moment.
fn aim<S>(trial: &Trial<'_, S>, id: FaultId) -> Option<(Moment, Span)> {
    let plan = trial.plan;
    let fault = plan.fault(id)?;
    let (Effect::Ends(ending), Within::Request) = (fault.effect, fault.within) else {
        return None;
    };
    let Workload::Sessions(flow) = &plan.load.workload else {
        return None;
    };
    // While a node is started again and again nothing is written.
    if has_hit(trial, id) {
        return None;
    }
    let share = flow.share_of_acts()?;
    let gap_s = 1.0 / (plan.load.rate * share);
    let patience = Span::from_us((gap_s * GAPS * 1e6) as u64);
    let patience = patience.clamp(LEAST_PATIENCE, MOST_PATIENCE);
    let (mark, share) = trial.planned.aim(id);
    let moment = match (ending, mark) {
        // A stop is about operations under way.
        (Ending::AsAsked, _) | (_, Mark::Request) => Moment::Within(share),
        (_, Mark::Reply) => Moment::Acknowledged(trial.site.clock.now() + patience),
    };
    Some((moment, patience + patience))
}

impl Aimed {
    /// What is put on record of a volley whose first shot was fired then.
    fn record(self, fault: FaultId, first: Elapsed) -> EventKind {
        let since = |earlier: Elapsed| first.as_us().saturating_sub(earlier.as_us());
        match self {
            Self::At(came) => came.aimed(fault, first),
            Self::Within(begun, met) => EventKind::FaultAimed {
                fault,
                mark: met.map(|(mark, _)| mark),
                waited_us: since(begun),
                after_us: met.map(|(_, passed)| since(passed.at)),
                quiet_us: met.and_then(|(_, passed)| passed.quiet).map(since),
                met: None,
            },
        }
    }
}

/// Records K of each node that was sent the signal, and how the first was aimed; the nodes that were not, as they ended by themselves.
pub(super) fn record<S>(trial: &Trial<'_, S>, fired: Fired) -> Result<Vec<Node>, EngineError> {
    let Fired {
        fault,
        shots,
        aimed,
    } = fired;
    let (mut sent, mut missed) = (Vec::new(), Vec::new());
    for (node, shot) in shots {
        match shot.map_err(EngineError::Process)? {
            Sent::At(at) => sent.push((node, at)),
            Sent::Not => missed.push(node),
        }
    }
    if let Some((_, first)) = sent.first() {
        on::record(trial, fault, *first);
        if let Some(aimed) = aimed {
            trial.record_at(*first, aimed.record(fault, *first));
        }
    }
    for (node, at) in sent {
        let begun = trial.begun_by(fault);
        trial.record_at(at, EventKind::FaultRequested { fault, node, begun });
        trial.progress.borrow_mut().begin(fault, node, at);
        newcomers::note_begun(trial, fault);
    }
    Ok(missed)
}
