//! The fault itself: how far apart its parts were, what it met in flight, whom it must not have touched.

use super::ErrorTally;
use super::facts::{Drained, Facts};
use super::findings::processes;
use super::load::Load;
use crate::event::Exit;
use crate::ids::{Incarnation, Node};
use crate::plan::{Action, Signal};

/// The most that may lie between the blows of a fault that strikes all of them at once.
const AT_ONCE_MS: f64 = 10.0;

/// From the first to the last of those that the fault was sent to, in ms; absent unless it was sent to several.
pub(super) fn spread_ms(facts: &Facts) -> Option<f64> {
    let blows = facts.blows();
    let (first, last) = (blows.first()?, blows.last()?);
    (blows.len() > 1 && !facts.control).then(|| last.ms_after(*first))
}

/// What became of the operations that were in flight at any of the fault's blows: when a replica's drain was begun,
/// else when the signal was sent. `scheduled` is how many there were.
pub(super) fn in_flight(facts: &Facts, load: &Load<'_>) -> ErrorTally {
    let mut tally = ErrorTally::default();
    if facts.control {
        return tally;
    }
    let blows = facts.blows();
    for operation in &load.operations {
        let Some(sent) = operation.sent else {
            continue;
        };
        if blows
            .iter()
            .any(|blow| sent <= *blow && *blow < operation.finished)
        {
            tally.count(operation.error);
        }
    }
    tally
}

/// What a reader should know of how the fault was done.
pub(super) fn findings(action: Action, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(spread) = spread_ms(facts).filter(|spread| *spread > AT_ONCE_MS)
        && !action.is_rolling()
    {
        found.push(format!(
            "{spread:.1} ms lay between the first and the last of those that should be struck at once \
             (more than {AT_ONCE_MS} ms)"
        ));
    }
    found.extend(took_kill(action, facts));
    found.extend(
        facts
            .drains
            .iter()
            .filter_map(|drain| problem_of(facts, drain)),
    );
    found.extend(collateral(facts));
    found
}

/// Those that a stop had to kill. A journal that names no processes tells it of a roll by how the leader ended.
fn took_kill(action: Action, facts: &Facts) -> Vec<String> {
    let told = |node| {
        let name = name_of(facts, node);
        format!("{name} did not end in its time of grace, and was killed")
    };
    let named = facts.took_kill.iter().map(|(node, pids)| {
        let took = processes(pids);
        format!("{}: {took} took SIGKILL", told(*node))
    });
    let by_exit = facts
        .struck_as(Exit::Signal(Signal::Kill.number()))
        .filter(|node| action.is_rolling() && !facts.took_kill.contains_key(node))
        .map(told);
    named.chain(by_exit).collect()
}

fn problem_of(facts: &Facts, drain: &Drained) -> Option<String> {
    let problem = drain.problem.as_ref()?;
    let name = name_of(facts, drain.node);
    Some(match drain.is_end {
        false => format!("{name} was stopped although it was not drained: {problem}"),
        true => format!("whether {name} gets requests again is not known: {problem}"),
    })
}

/// Those that were not struck and yet are other processes than before.
fn collateral(facts: &Facts) -> impl Iterator<Item = String> {
    facts.seen.iter().filter_map(|(node, boot)| {
        let before = facts.boots.get(node)?;
        (before != boot && !facts.is_struck(*node)).then(|| {
            let name = name_of(facts, *node);
            format!(
                "collateral damage: {name} was not struck, and is another process than before \
                 (it called itself {before}, and now {boot})"
            )
        })
    })
}

fn name_of(facts: &Facts, node: Node) -> String {
    facts.name_of((node, Incarnation(0)))
}
