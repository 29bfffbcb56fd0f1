//! What happened to the processes around a fault, as times after T0.

use comeback_model::ids::FaultId;
use comeback_model::plan::Listener;
use comeback_model::units::Elapsed;

use super::facts::{Facts, FaultSpan};
use super::load::Load;
use super::{Chain, Return, Time};

/// The chain of a trial; empty in a control trial. Of several faults each of its times is the longest of any of them.
///
/// With a held listener the kernel accepts whoever is dead: that no connection was accepted is never known.
pub(super) fn chain(facts: &Facts, listener: Listener, returned: Option<&Return>) -> Chain {
    let landed = facts
        .faults()
        .filter(|(_, own)| own.effect_confirmed().is_some());
    let chains: Vec<Chain> = landed
        .map(|(fault, _)| chain_of(facts, fault, listener, returned))
        .collect();
    match chains.as_slice() {
        _ if facts.control => Chain::default(),
        [] => Chain::default(),
        [only] => only.clone(),
        several => longest(facts, several),
    }
}

/// The chain of one fault of a trial.
pub(super) fn chain_of(
    facts: &Facts,
    fault: FaultId,
    listener: Listener,
    returned: Option<&Return>,
) -> Chain {
    let own = facts.of_fault(fault).filter(|_| !facts.control);
    let Some((own, (from, unsure))) = own.and_then(|own| Some((own, own.counted_from()?))) else {
        return Chain::default();
    };
    let confirmed = from + unsure;
    // A time after T0, which may have been true since `not_yet`, or since T0 when nothing denies it.
    let seen = |at: Elapsed, not_yet: Option<Elapsed>| Time::At {
        ms: at.ms_after(from),
        error_ms: (at.since(not_yet.unwrap_or(confirmed)) + unsure).as_ms(),
    };
    let beyond = || {
        let (given_up, _) = own.given_up.as_ref()?;
        Some(Time::Beyond {
            ms: given_up.since(confirmed).as_ms(),
        })
    };
    let restart = facts.restarted(fault);
    let launched =
        restart.and_then(|restart| Some(seen(restart.launched?, Some(restart.requested))));
    // That it was executed, and that its launcher was, is noticed later than it was so.
    // From outside a start is only seen to accept connections, and the probe may see that first.
    let accepts = own.accepted.filter(|_| own.is_seen_outside());
    let executed = restart.map(|restart| {
        let at = accepts.map_or(restart.executed, |(at, _)| at.min(restart.executed));
        seen(at.max(restart.requested), Some(restart.requested))
    });
    let accepted = own
        .accepted
        .map(|(at, last_failed)| seen(at, last_failed.max(own.resumed)));
    let correct = facts.correct_of(fault);
    let ready = correct.map(|correct| match returned {
        // A program that nobody had asked for yet, or that stood still, cannot have answered, whether a probe failed
        // before or not.
        Some(Return::ForGood | Return::ByProbeOnly { .. }) | None => {
            let requested = restart.map(|restart| restart.requested.min(correct.at));
            seen(correct.at, correct.last_failed.max(requested))
        }
        // Not back for good is not back, not until the load's end.
        Some(Return::Not(_)) => {
            let stopped = facts.stopped.map_or(correct.at, |(at, _)| at);
            Time::Beyond {
                ms: stopped.max(correct.at).since(confirmed).as_ms(),
            }
        }
    });
    Chain {
        // While conditions are worse the service is not out.
        killed: own
            .sent()
            .filter(|_| !own.degrades)
            .map(|sent| sent.ms_after(from)),
        spread: own.spread_ms(),
        exit: own.injected().and_then(|(_, exit)| exit),
        launched,
        executed,
        listening: match listener {
            Listener::Own => accepted.or_else(beyond),
            Listener::Held => accepted,
        },
        ready: ready.or_else(beyond),
        evidence: correct.map(|correct| correct.evidence),
    }
}

/// The longest of each time, so that a gate on one asks every fault.
fn longest(facts: &Facts, chains: &[Chain]) -> Chain {
    let time = |of: fn(&Chain) -> Option<Time>| chains.iter().filter_map(of).reduce(Time::longer);
    // Where of one fault nothing is known, nothing is known of the trial; that one never was back is known.
    let ready = time(|chain| chain.ready).filter(|longest| {
        let is_known = chains.iter().all(|chain| chain.ready.is_some());
        is_known || matches!(longest, Time::Beyond { .. })
    });
    let figures = |of: fn(&Chain) -> Option<f64>| chains.iter().filter_map(of);
    let last = facts
        .faults()
        .filter_map(|(fault, _)| facts.correct_of(fault));
    Chain {
        killed: figures(|chain| chain.killed).min_by(f64::total_cmp),
        spread: figures(|chain| chain.spread).max_by(f64::total_cmp),
        exit: facts.injected().and_then(|(_, exit)| exit),
        launched: time(|chain| chain.launched),
        executed: time(|chain| chain.executed),
        listening: time(|chain| chain.listening),
        ready,
        evidence: last.max_by_key(|last| last.at).map(|last| last.evidence),
    }
}

/// From when the first fault took users out until the last was recovered from; `chain` is the trial's.
pub(super) fn outage(
    facts: &Facts,
    load: &Load<'_>,
    chain: &Chain,
    returned: Option<&Return>,
) -> Option<Time> {
    let landed = facts
        .faults()
        .filter(|(_, own)| own.effect_confirmed().is_some());
    let landed: Vec<FaultId> = landed.map(|(fault, _)| fault).collect();
    if let [only] = landed.as_slice() {
        return outage_of(chain, load.span(*only)?);
    }
    let spans = facts.faults().filter_map(|(fault, _)| load.span(fault));
    let first = spans.map(|span| span.out).min()?;
    let ends = facts.faults().filter_map(|(fault, _)| {
        let own_chain = chain_of(facts, fault, Listener::Own, returned);
        let span = load.span(fault)?;
        let later = span.out.ms_after(first);
        Some(outage_of(&own_chain, span)?.plus(later))
    });
    ends.reduce(Time::longer).filter(|longest| {
        let is_known = chain.ready.is_some();
        is_known || matches!(longest, Time::Beyond { .. })
    })
}

/// From when the fault of a chain took users out to ready: from its sending, but for a command.
pub(super) fn outage_of(chain: &Chain, span: FaultSpan) -> Option<Time> {
    let outage = chain.ready?.plus(-chain.killed?);
    let outage = outage.plus(-span.out.ms_after(span.sent));
    Some(outage.less_sure(span.surely_out.ms_after(span.out)))
}
