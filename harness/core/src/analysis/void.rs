//! Why a trial does not count.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::load::{Load, Part};
use super::types::{Spoils, Void};
use super::words::{counted, percent};
use crate::event::Survivor;
use crate::ids::{BootId, Incarnation};
use crate::operation::{ErrorClass, Operation, Step};
use crate::plan::Plan;

/// The first reason why a trial does not count: those that spoil everything come before those that spoil
/// only times and rates.
pub(super) fn reason(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    operations: &[&Operation],
) -> Option<Void> {
    let everything = || {
        unfinished(facts)
            .or_else(|| missed(facts))
            .or_else(|| failed_by_us(operations))
            .or_else(|| renamed(facts, operations))
            .or_else(|| answered_by_the_old(facts, operations))
            .or_else(|| never_worked(load))
    };
    let times = || no_samples(load).or_else(|| below_floor(plan, facts, load));
    everything()
        .map(|reason| Void::new(Spoils::Everything, reason))
        .or_else(|| times().map(|reason| Void::new(Spoils::Times, reason)))
}

fn unfinished(facts: &Facts) -> Option<String> {
    if let Some(reason) = &facts.aborted {
        return Some(reason.clone());
    }
    if let Some(((node, incarnation), problem, said)) = &facts.start_failed {
        let again = if *incarnation > Incarnation(0) {
            " again"
        } else {
            ""
        };
        let name = facts.name_of((*node, Incarnation(0)));
        let output = last_words(said.as_deref());
        return Some(format!(
            "{name} could not be started{again}: {problem}{output}"
        ));
    }
    (!facts.ended).then(|| "it was interrupted before its end".to_owned())
}

fn missed(facts: &Facts) -> Option<String> {
    if facts.control {
        return None;
    }
    match (&facts.missed, facts.injected()) {
        (Some(reason), _) => Some(format!("the fault did not land: {reason}")),
        (None, None) => Some("the fault did not land: no exit of the target was seen".to_owned()),
        (None, Some(_)) => None,
    }
}

fn failed_by_us(operations: &[&Operation]) -> Option<String> {
    let ours = operations
        .iter()
        .filter(|operation| operation.error == Some(ErrorClass::HarnessError))
        .count() as u64;
    (ours > 0).then(|| {
        let ours = counted(ours, "operation");
        format!("the harness itself ran out of descriptors or local ports: {ours}")
    })
}

/// A boot id that changes without a restart would make the old process's replies the new one's.
fn renamed(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let origin = facts.origin()?;
    let (_, old) = facts.boots.first_key_value()?;
    let other = operations
        .iter()
        .filter(|operation| operation.finished < origin)
        .find_map(|operation| {
            let is_known = |boot: &BootId| facts.boots.values().any(|known| known == boot);
            operation.boot.filter(|boot| !is_known(boot))
        })?;
    Some(format!(
        "before the fault it called itself {old} and {other}: the boot header must stay the same until it is \
         started again"
    ))
}

/// A process that the fault should have ended, and that answers or may answer in the new one's place: what it knows says
/// nothing of the new one. A service that did not come back is none, whoever answers.
fn answered_by_the_old(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    facts.recovered()?;
    by_an_old_name(facts, operations)
        .or_else(|| {
            let problem = facts.old_owner.as_ref()?;
            Some(format!("an old process still answers: {problem}"))
        })
        .or_else(|| by_an_unknown_name(facts, operations))
        .or_else(|| {
            let mut old = facts.old_processes.iter();
            let (old, reach) = old.find_map(|old| Some((old, old.reach.as_ref()?)))?;
            let Survivor { pid, command } = &old.survivor;
            Some(format!(
                "an old process still answers or may answer: process {pid} ({command}), alive at the final look, {reach}"
            ))
        })
}

fn by_an_old_name(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let names = operations.iter().filter_map(|operation| {
        let (boot, asked) = (operation.boot?, operation.asked()?);
        (asked > facts.end_of(boot)?).then_some(boot)
    });
    let names: Vec<BootId> = names.collect();
    let replies = match names.len() {
        1 => "1 reply".to_owned(),
        count => format!("{count} replies"),
    };
    let boot = names.first()?;
    Some(format!(
        "an old process still answers: {replies} to what was sent after its end, the first as boot id {boot}"
    ))
}

/// One that outlived the fault may have taken another name.
fn by_an_unknown_name(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let known = facts.names_after()?;
    let looks = operations
        .iter()
        .filter(|operation| operation.step == Step::ReadBack);
    let boot = looks
        .filter_map(|look| look.boot)
        .find(|boot| !known.contains(boot))?;
    Some(format!(
        "an old process may answer: the final look was answered as boot id {boot}, which is not the new process's"
    ))
}

/// A server that did not work before the fault has nothing to lose by it.
fn never_worked(load: &Load<'_>) -> Option<String> {
    let mut baseline = load.of(Part::Before).peekable();
    baseline.peek()?;
    (!baseline.any(Operation::is_correct)).then(|| {
        format!(
            "no operation of the baseline was correct: it did not work before the fault{}",
            most_frequent_failure(load)
        )
    })
}

fn no_samples(load: &Load<'_>) -> Option<String> {
    let is_empty = load.of(Part::Before).next().is_none();
    is_empty.then(|| "no operation in the baseline: zero samples".to_owned())
}

/// An operation the baseline wanted counts as sent only when it left within the baseline: one that was
/// still waiting for its client at the fault was not part of the load the server bore.
fn below_floor(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<String> {
    let (mut wanted, mut sent) = (0_u64, 0_u64);
    for operation in load.baseline() {
        wanted += 1;
        let left = match (operation.sent, facts.fault()) {
            (Some(sent), Some(fault)) => sent < fault,
            (sent, _) => sent.is_some(),
        };
        sent += u64::from(left);
    }
    let (share, floor) = (sent as f64 / wanted as f64, plan.load.floor);
    (share < floor).then(|| {
        format!(
            "only {:.1} % of the {} the baseline scheduled were sent; the floor is {}",
            share * 100.0,
            counted(wanted, "operation"),
            percent(floor)
        )
    })
}

/// What the baseline's operations mostly met, as the end of a sentence.
fn most_frequent_failure(load: &Load<'_>) -> String {
    let mut met: BTreeMap<(ErrorClass, Option<u16>), u64> = BTreeMap::new();
    for operation in load.of(Part::Before) {
        if let Some(class) = operation.error {
            *met.entry((class, operation.status)).or_default() += 1;
        }
    }
    // What never left waited for what did: the cause is there.
    let weight =
        |((class, _), count): &((ErrorClass, _), u64)| (*class != ErrorClass::Unsent, *count);
    let Some(((class, status), count)) = met.into_iter().max_by_key(weight) else {
        return String::new();
    };
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    format!(
        "; {} met: {}{status}",
        counted(count, "operation"),
        class.label()
    )
}

/// What a process's output says of its end, as the end of a sentence.
pub(super) fn last_words(said: Option<&str>) -> String {
    said.map_or_else(String::new, |said| format!("; its output: {said}"))
}
