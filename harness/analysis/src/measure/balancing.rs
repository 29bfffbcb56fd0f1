//! How a balancer took the end and the return of a replica, by what it said to clients: which replica it asked in
//! vain, and when the restarted one answered through it. What it does not say is not guessed.

use comeback_model::event::Evidence;
use comeback_model::ids::Node;
use comeback_model::operation::Operation;
use comeback_model::plan::Arm;

use super::facts::{Facts, Hit};
use super::load::Load;
use super::{Balancing, LastSent, Time};

/// Why there is no detect time.
const NOTHING_IN_VAIN: &str = "no reply says that the balancer asked a faulted replica in vain: it asked none, the \
                               request was sent again elsewhere, or it does not say";
/// Why there is no return time.
const NEVER_BACK: &str = "what was faulted did not come back";
const NOBODY_SAYS: &str =
    "neither the replicas' replies nor the balancer's say which replica answered";

/// What is known; nothing where there is no balancer, or no replica was faulted.
pub(super) fn balancing(arm: &Arm, facts: &Facts, load: &Load<'_>) -> Option<Balancing> {
    arm.balancer.as_ref()?;
    let hits = facts.hits().into_iter();
    let mut faulted: Vec<Hit> = hits
        .filter(|hit| matches!(hit.node, Node::Replica(_)))
        .collect();
    faulted.sort_by_key(|hit| hit.node);
    let back = faulted.iter().map(|hit| came_back(facts, load, hit));
    let last_back = back.reduce(|one, other| match (one, other) {
        (Ok(one), Ok(other)) => Ok(later(one, other)),
        (Err(why), _) | (_, Err(why)) => Err(why),
    })?;
    Some(Balancing {
        detect: last_sent(facts, load, &faulted).ok_or(NOTHING_IN_VAIN),
        back: last_back,
    })
}

fn later(one: Time, other: Time) -> Time {
    match one.or_infinite() < other.or_infinite() {
        true => other,
        false => one,
    }
}

/// The last request to a faulted replica, of those that the balancer says were in vain. After its return a failure
/// is no sign that the end was not noticed.
fn last_sent(facts: &Facts, load: &Load<'_>, faulted: &[Hit]) -> Option<LastSent> {
    let fault = facts.fault()?;
    let in_vain = load.operations.iter().filter_map(|operation| {
        let node = facts.failed_by(operation)?;
        let sent = operation.asked()?;
        let is_awaited = |hit: &&Hit| facts.back_from(hit).is_none_or(|back| sent < back.at);
        let mut hits = faulted.iter().filter(|hit| hit.node == node);
        let hit = hits.find(is_awaited)?;
        (operation.finished >= fault).then(|| LastSent {
            ms: sent.ms_after(hit.at),
            error_ms: operation.finished.since(sent).as_ms(),
        })
    });
    in_vain.max_by(|one, other| one.ms.total_cmp(&other.ms))
}

/// The first reply of the replica's new process, or of the one that stood still, through the balancer, after its own
/// first to the probe.
fn came_back(facts: &Facts, load: &Load<'_>, hit: &Hit) -> Result<Time, &'static str> {
    let (node, exit) = (hit.node, hit.at);
    let (Some(correct), Some(end)) = (facts.back_from(hit), load.end) else {
        return Err(NEVER_BACK);
    };
    let was_sent_to_it = |operation: &Operation| operation.asked().is_some_and(|at| at >= exit);
    let is_same_process =
        matches!(correct.evidence, Evidence::BootId(boot) if facts.boots.get(&node) == Some(&boot));
    let is_new = |operation: &Operation| match correct.evidence {
        Evidence::BootId(boot) => {
            operation.boot == Some(boot) && (!is_same_process || was_sent_to_it(operation))
        }
        Evidence::SocketOwner(_) | Evidence::AfterEnd => {
            operation.replica.map(Node::Replica) == Some(node) && was_sent_to_it(operation)
        }
    };
    let replies = load.operations.iter().filter(|operation| is_new(operation));
    let first = replies.min_by_key(|operation| operation.finished);
    if let Some(first) = first {
        let sent = first.asked().unwrap_or(first.finished);
        return Ok(Time::At {
            ms: first.finished.ms_after(correct.at),
            error_ms: first.finished.since(sent).as_ms(),
        });
    }
    let is_told = matches!(correct.evidence, Evidence::BootId(_))
        || load.operations.iter().any(|it| it.replica.is_some());
    match is_told {
        true => Ok(Time::Beyond {
            ms: end.since(correct.at).as_ms(),
        }),
        false => Err(NOBODY_SAYS),
    }
}
