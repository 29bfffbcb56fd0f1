//! 9: a stateful server is bound to its sessions.

use super::chart::share_bar;
use super::thresholds::{ALL, NONE};
use super::{Chart, Findings, Ruled, Ruling, RulingResult, What, percent_of, share};

/// What an added replica takes over, and what outlives the one that is removed.
struct ReplicaReplacement {
    accepted: (u64, u64),
    kept: (u64, u64),
}

impl ReplicaReplacement {
    fn is_free(&self) -> bool {
        share(self.accepted.0, self.accepted.1) >= ALL && share(self.kept.0, self.kept.1) >= ALL
    }

    fn is_bound(&self) -> bool {
        share(self.accepted.0, self.accepted.1) <= NONE && share(self.kept.0, self.kept.1) <= NONE
    }

    fn told(&self) -> String {
        let (accepted, kept) = (self.accepted, self.kept);
        format!(
            "{} / {}",
            percent_of(accepted.0, accepted.1),
            percent_of(kept.0, kept.1)
        )
    }
}

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let of = |arm: &str| {
        found.controlled(arm)?;
        Ok(ReplicaReplacement {
            accepted: found.share(arm, What::Accepted)?,
            kept: found.share(arm, What::Kept)?,
        })
    };
    let (token, new_key) = (of("token")?, of("token-newkey")?);
    let (memory, shared) = (of("memory")?, of("redis")?);
    let drain = found.median("token", What::DrainMs)?;
    let mut nuances = Vec::new();
    if shared.is_free() {
        nuances.push("servers with a shared store come and go as freely");
    }
    if !new_key.is_free() {
        nuances.push("stateless ones that do not share their key do not");
    }
    let (ruling, because) = match (token.is_free(), memory.is_bound(), nuances.as_slice()) {
        (false, _, _) => (
            Ruling::Refuted,
            "replicas without state did not take each other's clients over".to_owned(),
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "replicas with sessions in memory took each other's clients over".to_owned(),
        ),
        (true, true, []) => (
            Ruling::Holds,
            "only a replica without state can be added or removed without its clients' noticing"
                .to_owned(),
        ),
        (true, true, nuances) => (Ruling::HoldsInPart, nuances.join("; ")),
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "requests accepted by an added replica / sessions kept when the first one was removed: token {}, token with \
             keys of their own {}, memory {}, shared store {}; a replica without state is gone {} ms after it was asked",
            token.told(),
            new_key.told(),
            memory.told(),
            shared.told(),
            drain.told(1),
        ),
        chart: Chart::percent(
            "sessions kept when their server was removed, %",
            vec![
                share_bar("token", token.kept),
                share_bar("token, own keys", new_key.kept),
                share_bar("memory", memory.kept),
                share_bar("shared store", shared.kept),
            ],
        ),
        because,
        otherwise: "a drain that waits until every session in memory has ended by itself: it takes as long as the longest"
            .to_owned(),
    })
}
