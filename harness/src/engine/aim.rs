//! The moment of a fault: inside a write, or right after its acknowledgement was read, rather than between two requests.
//!
//! A server that answers in a tenth of a millisecond is idle most of the time. A kill at any moment finds nothing under
//! way, and says nothing of what is lost in mid-request.

use std::io;
use std::time::{Duration, Instant};

use comeback_core::event::{EventKind, Mark};
use comeback_core::ids::Node;
use comeback_core::plan::{Action, Signal, Within, Workload};
use comeback_core::units::{Elapsed, Span};
use tokio::sync::oneshot;

use super::EngineError;
use super::trial::Trial;
use crate::clock::Clock;
use crate::load::{Blow, Trigger};
use crate::supervise::addressed::Shot;

/// The load is waited for as long as this at least…
const LEAST_PATIENCE: Span = Span::from_ms(50);
/// …and for so many writes at their mean rate, one of which comes in all but 3 of 10,000 cases…
const GAPS: f64 = 8.0;
/// …and no longer than this.
const MOST_PATIENCE: Span = Span::from_secs(2);
/// The runtime's timers tick at a millisecond; the last stretch is waited for more exactly.
const COARSE: Span = Span::from_ms(2);
/// A sleeping thread is woken so much late.
const LATE: Duration = Duration::from_micros(70);

/// All shots of a fault, to be fired in one go.
pub(super) struct Volley {
    pub(super) clock: Clock,
    pub(super) shots: Vec<(Node, Shot)>,
}

/// When each was fired, and whether it was.
type Fired = Vec<(Node, Elapsed, io::Result<()>)>;

impl Volley {
    fn fire(self) -> Fired {
        let shots = self.shots.into_iter();
        shots
            .map(|(node, shot)| (node, self.clock.now(), shot.fire()))
            .collect()
    }
}

/// What came of waiting for the mark.
enum Met {
    /// It was passed then, and the volley fired at once.
    Fired(Elapsed, Fired),
    /// It was passed then; the volley is to be fired a while later.
    Passed(Elapsed, Volley),
}

/// Sends the fault at its moment, and records K.
pub(super) async fn fire(
    trial: &Trial<'_>,
    trigger: &Trigger,
    volley: Volley,
) -> Result<(), EngineError> {
    let clock = volley.clock;
    let begun = clock.now();
    let Some((mark, share, patience)) = aim(trial) else {
        return record(trial, volley.fire());
    };
    let (tell, told) = oneshot::channel();
    let blow: Blow = match mark {
        Mark::Reply => Box::new(move |at| drop(tell.send(Met::Fired(at, volley.fire())))),
        Mark::Request => Box::new(move |at| drop(tell.send(Met::Passed(at, volley)))),
    };
    let armed = trigger.arm(mark, blow);
    let mut told = told;
    let in_time = tokio::time::timeout(patience.into(), &mut told).await;
    let met = match in_time {
        Ok(met) => met,
        Err(_) => {
            if let Some(blow) = armed.disarm() {
                blow(clock.now());
                let (_, fired) = finish(clock, told.await, Span::ZERO).await?;
                return tell_of(trial, (None, begun), None, fired);
            }
            told.await
        }
    };
    let service = trigger.usual_service().unwrap_or(Span::ZERO);
    let delay = Span::from_us((service.as_us() as f64 * share) as u64);
    let (at, fired) = finish(clock, met, delay).await?;
    tell_of(trial, (Some(mark), begun), Some(at), fired)
}

/// Which mark, after what share of a write's usual time, and how long the load is waited for; nothing where the fault
/// comes at any moment.
fn aim(trial: &Trial<'_>) -> Option<(Mark, f64, Span)> {
    let plan = trial.plan;
    let (Action::Signal(signal), Within::Request) = (plan.fault.action, plan.fault.waits_for())
    else {
        return None;
    };
    let Workload::Sessions(flow) = &plan.load.workload else {
        return None;
    };
    let share = flow.share_of_acts()?;
    let gap_s = 1.0 / (plan.load.rate * share);
    let patience = Span::from_us((gap_s * GAPS * 1e6) as u64);
    let arms = plan.arms.iter().filter(|arm| arm.skip.is_none()).count();
    let (mark, share) = trial.planned.aim(arms);
    // A stop is about what is under way.
    let mark = match signal {
        Signal::Term => Mark::Request,
        _ => mark,
    };
    Some((mark, share, patience.clamp(LEAST_PATIENCE, MOST_PATIENCE)))
}

async fn finish(
    clock: Clock,
    met: Result<Met, oneshot::error::RecvError>,
    delay: Span,
) -> Result<(Elapsed, Fired), EngineError> {
    match met {
        Ok(Met::Fired(at, fired)) => Ok((at, fired)),
        Ok(Met::Passed(at, volley)) => {
            wait_until(clock, at + delay).await;
            Ok((at, volley.fire()))
        }
        Err(_) => {
            let lost = io::Error::other("a load worker ended at the moment of the fault");
            Err(EngineError::Process(lost))
        }
    }
}

/// Waits to some microseconds.
async fn wait_until(clock: Clock, until: Elapsed) {
    let left = clock.until(until);
    if left > COARSE {
        let most = Span::from_us(left.as_us() - COARSE.as_us());
        tokio::time::sleep(most.into()).await;
    }
    let end: Instant = clock.instant(until);
    let left = end.saturating_duration_since(Instant::now());
    if left > LATE {
        std::thread::sleep(left - LATE);
    }
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn tell_of(
    trial: &Trial<'_>,
    (mark, begun): (Option<Mark>, Elapsed),
    passed: Option<Elapsed>,
    fired: Fired,
) -> Result<(), EngineError> {
    if let Some((_, first, _)) = fired.first() {
        let since = |earlier: Elapsed| first.as_us().saturating_sub(earlier.as_us());
        let kind = EventKind::FaultAimed {
            mark,
            waited_us: since(begun),
            after_us: passed.map(since),
        };
        trial.record_at(*first, kind);
    }
    record(trial, fired)
}

fn record(trial: &Trial<'_>, fired: Fired) -> Result<(), EngineError> {
    let action = trial.plan.fault.action;
    for (node, at, sent) in fired {
        trial.record_at(at, EventKind::FaultRequested { node, action });
        sent.map_err(EngineError::Process)?;
    }
    Ok(())
}
