//! The faults of a trial, each by itself (METHOD §10): whether it landed, how it was recovered from, what it met. Where a
//! plan has one fault, the trial's own figures say all that.

use comeback_model::ids::FaultId;
use comeback_model::plan::fault::Effect;
use comeback_model::plan::{Listener, Plan};

use super::facts::{Facts, FaultFacts};
use super::load::Load;
use super::planned::{are_several, choice_of, effect_of, ids, name_of};
use super::served::{self, Usual};
use super::types::{FaultAnalysis, NotBack, Return};
use super::{Time, injection, recovery};

/// Whether every fault of the plan took effect.
pub(super) fn all_landed(plan: &Plan, facts: &Facts) -> bool {
    let landed = |fault: &FaultId| facts.of_fault(*fault).is_some_and(FaultFacts::landed);
    let wanted = ids(plan, facts);
    !facts.control && !wanted.is_empty() && wanted.iter().all(landed)
}

/// Why the trial lacks a fault that it should have had. One that was never sent, since an earlier one was not recovered from for
/// good and there was nothing to hit, does not count: what is to be seen of that is the earlier one's recovery.
pub(super) fn missed(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<String> {
    if facts.control {
        return None;
    }
    let wanted = ids(plan, facts);
    if wanted.is_empty() {
        return Some("the schedule names no fault for it".to_owned());
    }
    wanted.into_iter().find_map(|fault| {
        let own = facts.of_fault(fault);
        if !own.is_some_and(FaultFacts::was_signalled) && is_held_up(facts) {
            return None;
        }
        let why = match own.and_then(|own| own.missed.as_ref()) {
            Some(reason) => reason.clone(),
            None if own.is_some_and(|own| own.degrades && !is_met(facts, own, load)) => {
                "the load sent nothing while it held".to_owned()
            }
            None if own.is_some_and(|own| own.effect_confirmed().is_some()) => return None,
            None => "no exit of the target was seen".to_owned(),
        };
        Some(match are_several(plan) {
            true => format!("the fault '{}' did not land: {why}", name_of(plan, fault)),
            false => format!("the fault did not land: {why}"),
        })
    })
}

/// Whether an operation was wanted or under way while conditions were worse, and was not another replica's.
fn is_met(facts: &Facts, own: &FaultFacts, load: &Load<'_>) -> bool {
    let (Some(sent), Some(over)) = (own.sent(), own.effect_confirmed()) else {
        return false;
    };
    let mut operations = load.operations.iter();
    operations.any(|operation| {
        let is_meanwhile = operation.finished >= sent && operation.intended <= over;
        is_meanwhile && facts.may_meet(operation, own)
    })
}

/// Which surrounding did not hold for the whole of the trial, be it one without a fault, and why.
pub(super) fn lacking(plan: &Plan, facts: &Facts) -> Option<String> {
    plan.named_surroundings().find_map(|(surrounding, fault)| {
        let why = facts.lacks_surrounding(surrounding)?;
        Some(format!(
            "the surrounding '{}' did not hold: {why}",
            fault.kind
        ))
    })
}

/// Whether a fault landed and was never recovered from, or a process ended by itself after it was.
fn is_held_up(facts: &Facts) -> bool {
    let mut faults = facts.faults();
    faults.any(|(fault, own)| {
        let never = own.given_up.is_some() && facts.recovered_from(fault).is_none();
        own.landed() && (never || !facts.ended_again(fault).is_empty())
    })
}

/// Each fault of a plan that has several; `usual` is how the arm does without any.
pub(super) fn each(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    listener: Listener,
    usual: Usual,
) -> Vec<FaultAnalysis> {
    if !are_several(plan) || facts.control {
        return Vec::new();
    }
    let analyze = |fault| {
        let returned = served::returned_from(fault, plan, facts, load, usual);
        analyze(plan, facts, load, fault, (listener, returned.as_ref()))
    };
    ids(plan, facts).into_iter().map(analyze).collect()
}

fn analyze(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    fault: FaultId,
    (listener, returned): (Listener, Option<&Return>),
) -> FaultAnalysis {
    let default = FaultFacts::default();
    let own = facts.of_fault(fault).unwrap_or(&default);
    let overtaken = facts.overtaken_by(fault);
    let overtaken = overtaken.as_ref();
    let mut chain = recovery::chain_of(facts, fault, listener, returned);
    let cut_short = match (overtaken, returned) {
        (Some(other), _) => Some(other.begun),
        (None, Some(Return::Not(NotBack::BetweenFaults { next, .. }))) => Some(*next),
        (None, Some(Return::Not(NotBack::Ended))) => {
            let ended = facts.ended_again(fault);
            ended.first().and_then(|(at, _)| facts.sent_after(*at))
        }
        (None, _) => None,
    };
    // Of what another fault cut short it is only known that it had not been recovered from by then.
    if let (Some(confirmed), Some(at)) = (own.effect_confirmed(), cut_short) {
        let ms = at.since(confirmed).as_ms();
        chain.ready = Some(Time::Beyond { ms });
    }
    if overtaken.is_some() {
        chain.evidence = None;
    }
    let asks = effect_of(plan, fault).is_some_and(Effect::asks);
    let asking: Vec<&FaultFacts> = asks.then_some(own).into_iter().collect();
    FaultAnalysis {
        id: fault,
        name: name_of(plan, fault),
        choice: choice_of(plan, fault),
        landed: own.landed(),
        sent_ms: own
            .sent()
            .zip(facts.fault())
            .map(|(sent, first)| sent.ms_after(first)),
        outage: load
            .span(fault)
            .and_then(|span| recovery::outage_of(&chain, span)),
        overtaken_by: overtaken.map(|other| other.fault),
        hit_what_was_down: facts.hits_what_is_down(fault),
        time_to_detect: load.time_to_detect(fault),
        errors: load.errors_during(fault),
        in_flight: injection::in_flight_of((plan, facts), &[(fault, own)], load),
        draining: injection::draining_of((plan, facts), &asking, load),
        met: injection::met_by(plan, facts, fault, load),
        chain,
    }
}

/// What a reader should know of how the faults were done.
pub(super) fn findings(plan: &Plan, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for (fault, own) in facts.faults() {
        let Some(effect) = effect_of(plan, fault) else {
            continue;
        };
        let own = injection::findings(plan, (fault, effect), (facts, own)).into_iter();
        let all = own.chain(overtaken(plan, facts, fault));
        found.extend(all.map(|finding| about(plan, fault, finding)));
    }
    found.extend(injection::collateral(facts));
    found
}

/// Which faults were not recovered from.
pub(super) fn not_recovered(plan: &Plan, facts: &Facts) -> Vec<String> {
    let faults = facts.faults().map(|(fault, _)| fault);
    let told = faults.filter_map(|fault| {
        let finding = unrecovered(facts, fault)?;
        Some(about(plan, fault, finding))
    });
    told.collect()
}

/// That a fault was not recovered from while that was waited for.
fn unrecovered(facts: &Facts, fault: FaultId) -> Option<String> {
    let own = facts.of_fault(fault)?;
    let (given_up, last_failure) = own.given_up.as_ref()?;
    if facts.recovered_from(fault).is_some() {
        return None;
    }
    let looked = given_up.since(own.effect_confirmed()?).as_secs();
    let seen = match last_failure.as_str() {
        "" => String::new(),
        failure => format!("; the last probe saw: {failure}"),
    };
    Some(format!(
        "no correct reply of a new process within {looked:.1} s{seen}"
    ))
}

/// A finding that names its fault, where there are several.
fn about(plan: &Plan, fault: FaultId, finding: String) -> String {
    match are_several(plan) {
        true => format!("fault '{}': {finding}", name_of(plan, fault)),
        false => finding,
    }
}

fn overtaken(plan: &Plan, facts: &Facts, fault: FaultId) -> Option<String> {
    let other = facts.overtaken_by(fault)?;
    Some(format!(
        "it had not been recovered from when '{}' hit the same node; both are over with one recovery",
        name_of(plan, other.fault)
    ))
}
