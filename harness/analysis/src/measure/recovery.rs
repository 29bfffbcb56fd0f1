//! What happened to the processes around a fault, as times after T0.

use comeback_model::plan::Listener;
use comeback_model::units::Elapsed;

use super::facts::Facts;
use super::injection;
use super::{Chain, Return, Time};

/// The chain of a trial; empty in a control trial.
///
/// With a held listener the kernel accepts whoever is dead: that no connection was accepted is never known.
pub(super) fn chain(facts: &Facts, listener: Listener, returned: Option<&Return>) -> Chain {
    let (Some(cut), false) = (facts.cut(), facts.control) else {
        return Chain::default();
    };
    let beyond = || {
        let (given_up, _) = facts.given_up.as_ref()?;
        Some(Time::Beyond {
            ms: given_up.since(cut).as_ms(),
        })
    };
    let restart = facts.restarted();
    let launched =
        restart.and_then(|restart| Some(seen(cut, restart.launched?, Some(restart.requested))));
    // That it was executed, and that its launcher was, is noticed later than it was so.
    let executed = restart.map(|restart| seen(cut, restart.executed, Some(restart.requested)));
    let accepted = facts
        .accepted
        .map(|(at, last_failed)| seen(cut, at, last_failed.max(facts.resumed)));
    let correct = facts.correct.map(|correct| match returned {
        // A program that nobody had asked for yet, or that stood still, cannot have answered, whether a probe failed
        // before or not.
        Some(Return::ForGood | Return::ByProbeOnly { .. }) | None => {
            let requested = restart.map(|restart| restart.requested.min(correct.at));
            seen(cut, correct.at, correct.last_failed.max(requested))
        }
        // Not back for good is not back, not until the load's end.
        Some(Return::Not(_)) => {
            let stopped = facts.stopped.map_or(correct.at, |(at, _)| at);
            Time::Beyond {
                ms: stopped.max(correct.at).since(cut).as_ms(),
            }
        }
    });
    Chain {
        killed: facts.fault().map(|fault| fault.ms_after(cut)),
        spread: injection::spread_ms(facts),
        exit: facts.injected().and_then(|(_, exit)| exit),
        launched,
        executed,
        listening: match listener {
            Listener::Own => accepted.or_else(beyond),
            Listener::Held => accepted,
        },
        ready: correct.or_else(beyond),
        evidence: facts.correct.map(|correct| correct.evidence),
    }
}

/// A time after T0, which may have been true since `not_yet`, or since T0 when nothing denies it.
fn seen(cut: Elapsed, at: Elapsed, not_yet: Option<Elapsed>) -> Time {
    Time::At {
        ms: at.ms_after(cut),
        error_ms: at.since(not_yet.unwrap_or(cut)).as_ms(),
    }
}
