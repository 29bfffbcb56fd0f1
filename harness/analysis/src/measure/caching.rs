//! What a shared cache in front did: how often it had the reply, whose content it served, and what it was good for
//! while there was no server behind it.

use comeback_model::operation::{Cached, ErrorClass, Operation};
use comeback_model::plan::Arm;

use super::facts::Facts;
use super::load::Load;
use super::{CacheTally, WhileDown};

/// What the cache of a trial did; nothing where there is none. `all` holds the opening, the warm-up and the read-back,
/// too: whose content somebody was shown matters always.
pub(super) fn tally(
    arm: Option<&Arm>,
    facts: &Facts,
    load: &Load<'_>,
    all: &[&Operation],
) -> Option<CacheTally> {
    arm?.cache.as_ref()?;
    let mut tally = CacheTally {
        another_users: all
            .iter()
            .filter(|operation| is_anothers_from_cache(operation))
            .count() as u64,
        while_down: while_down(facts, load),
        ..CacheTally::default()
    };
    for operation in &load.operations {
        let Some(cached) = operation.cache else {
            continue;
        };
        *tally.replies.entry(cached).or_default() += 1;
        if cached == Cached::Stale {
            tally.oldest_stale_s = tally.oldest_stale_s.max(operation.age_s);
        }
    }
    Some(tally)
}

/// Whether the cache showed somebody another user's content.
pub(super) fn is_anothers_from_cache(operation: &Operation) -> bool {
    operation.error == Some(ErrorClass::WrongIdentity) && is_from_cache(operation)
}

/// Whether an operation was answered with what a cache had stored.
pub(super) fn is_from_cache(operation: &Operation) -> bool {
    operation.cache.is_some_and(|cached| cached.is_stored())
}

/// From the confirmed end of the last replica to the first correct reply of a new one.
fn while_down(facts: &Facts, load: &Load<'_>) -> Option<WhileDown> {
    let fault = facts.fault_of_all_replicas().filter(|_| !facts.control)?;
    let confirmed = facts.of_fault(fault)?.effect_confirmed()?;
    let mut down = WhileDown::default();
    for operation in load.of_fault(fault) {
        if operation.intended < confirmed {
            continue;
        }
        down.scheduled += 1;
        down.correct += u64::from(operation.is_correct());
        down.from_cache += u64::from(operation.is_correct() && is_from_cache(operation));
    }
    Some(down)
}

impl CacheTally {
    /// Replies that were stored when they were asked for, and served without asking.
    pub fn hits(&self) -> u64 {
        let hits = self.replies.iter().filter(|(cached, _)| cached.is_hit());
        hits.map(|(_, count)| count).sum()
    }

    /// Replies that could have been: they were stored, or are from then on.
    pub fn look_ups(&self) -> u64 {
        let kept = self
            .replies
            .iter()
            .filter(|(cached, _)| cached.is_stored() || **cached == Cached::Miss);
        kept.map(|(_, count)| count).sum()
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        for (cached, count) in &other.replies {
            *self.replies.entry(*cached).or_default() += count;
        }
        self.another_users += other.another_users;
        self.oldest_stale_s = self.oldest_stale_s.max(other.oldest_stale_s);
        if let Some(down) = &other.while_down {
            let all = self.while_down.get_or_insert_with(WhileDown::default);
            all.scheduled += down.scheduled;
            all.correct += down.correct;
            all.from_cache += down.from_cache;
        }
    }
}
