//! Who answers: the owner of a node's listening socket, before the fault and after it.

use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::Listener;

use super::context::Trial;
use super::seams::Processes;
use crate::load::probe::Owner;
use crate::supervise::ownership;

/// Why a held listening socket tells nothing.
const HELD: &str = "the harness itself holds the listening socket";

/// A start of a node.
pub(super) type Start = (Node, Incarnation);

/// Whether the kernel takes connections for this node, be it dead or alive.
pub(super) fn is_held<S>(trial: &Trial<'_, S>, node: Node) -> bool {
    trial.arm.target_of(node).listener == Listener::Held
}

/// Who holds these nodes' listening sockets: the start of the last one, when each is held by its start.
pub(super) fn owners_of(trial: &Trial<'_, impl Processes>, starts: &[Start]) -> Owner {
    let mut last = Owner::Unknown("nothing was started again".to_owned());
    let (mut unknown, mut unseen) = (None, None);
    for start in starts {
        match owner_of(trial, *start) {
            Owner::New(pid) => last = Owner::New(pid),
            Owner::Old(problem) => return Owner::Old(problem),
            Owner::Unseen(why) => unseen = Some(why),
            Owner::Unknown(why) => unknown = Some(why),
        }
    }
    let unknown = unknown.map_or(last, Owner::Unknown);
    unseen.map_or(unknown, Owner::Unseen)
}

/// Who holds a node's listening socket, at this start of it. Of a server that somebody else starts nothing is new but the process
/// that was found; and nothing is old while it cannot be seen whose process that is.
pub(super) fn owner_of(trial: &Trial<'_, impl Processes>, start: Start) -> Owner {
    let (node, incarnation) = start;
    if trial.arm.target_of(node).external.is_none() {
        return holder_of(trial, start).1;
    }
    match holder_of(trial, start) {
        (_, Owner::Unknown(problem)) | (Whose::Nobodys, Owner::Old(problem)) => {
            let place = (trial.planned.id, node, incarnation);
            let unseen = trial.seams.unseen(place).map(Owner::Unseen);
            unseen.unwrap_or(Owner::Old(problem))
        }
        (_, owner) => owner,
    }
}

/// Whether a holder that is not the new start is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It is of an earlier start.
    Known,
    /// Nothing is known of it but its age; or there is none.
    Nobodys,
}

fn holder_of(trial: &Trial<'_, impl Processes>, (node, incarnation): Start) -> (Whose, Owner) {
    let unknown = |why| (Whose::Nobodys, Owner::Unknown(why));
    if is_held(trial, node) {
        return unknown(HELD.to_owned());
    }
    let endpoint = trial.placement.endpoint(node);
    let owners = match trial.seams.owners(endpoint) {
        Ok(owners) => owners,
        Err(error) => {
            return unknown(format!("the owner of {endpoint} is unknown: {error}"));
        }
    };
    let place = |incarnation| (trial.planned.id, node, incarnation);
    // One that ended before it served may have been started again meanwhile.
    let latest = incarnation.max(trial.placement.start(node));
    let is_own = |owner: &&ownership::Owner| owner.place == Some(place(latest));
    let mut others = owners.iter().filter(|owner| !is_own(owner));
    let Some(other) = others.next() else {
        return match owners.first() {
            Some(owner) => (Whose::Known, Owner::New(owner.pid)),
            None => unknown(format!("nobody holds {endpoint}")),
        };
    };
    let held = format!("{endpoint} is held by process {}, not a new one", other.pid);
    // Where a process belongs that is not known by its environment, its age tells: one that is younger than this start
    // is none of an earlier one, and one that was there before the first is no part of the server.
    let begun = |incarnation| trial.seams.start_time_of(place(incarnation));
    let is_older = begun(latest).is_none_or(|begun| other.start_time < begun);
    let is_since = begun(Incarnation(0)).is_none_or(|begun| other.start_time >= begun);
    match other.place {
        None if !(is_older && is_since) => unknown(held),
        None => (Whose::Nobodys, Owner::Old(held)),
        Some(_) => (Whose::Known, Owner::Old(held)),
    }
}
