//! 1: a stateless request is complete in itself.

use super::chart::share_bar;
use super::thresholds::{ALL, NONE};
use super::{Chart, Findings, Ruled, Ruling, RulingResult, What, percent_of, share};

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let alone = |arm: &str| {
        found.controlled(arm)?;
        // The first request of a session is its login, which needs none.
        found.share_where(arm, What::Replayed, |place| place > 0)
    };
    let token = alone("token")?;
    let (new_key, memory, shared) = (alone("token-newkey")?, alone("memory")?, alone("redis")?);
    let all = |(right, tried)| share(right, tried) >= ALL;
    let none = |(right, tried)| share(right, tried) <= NONE;
    let mut nuances = Vec::new();
    if all(shared) {
        nuances.push(
            "a fresh server with a shared store, which is stateful as a service, answers as well",
        );
    }
    if !all(new_key) {
        nuances.push("one with another signing key does not: the key is state that all must share");
    }
    let (ruling, because) = match (all(token), none(memory), all(shared)) {
        (false, _, _) => (
            Ruling::Refuted,
            "fresh servers did not answer requests that carry their session: something else was needed"
                .to_owned(),
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "fresh servers answered requests of sessions in another's memory".to_owned(),
        ),
        (true, true, false) => (
            Ruling::Holds,
            "what carries its session is answered by any server, and nothing else is".to_owned(),
        ),
        (true, true, true) => (Ruling::HoldsInPart, nuances.join("; ")),
    };
    let told = |(right, tried)| percent_of(right, tried);
    Ok(Ruled {
        ruling,
        figure: format!(
            "requests after the login that a fresh server answered: token {}, token with another key {}, memory {}, \
             shared store {}",
            told(token),
            told(new_key),
            told(memory),
            told(shared)
        ),
        chart: Chart::percent(
            "requests that a fresh server answered, %",
            vec![
                share_bar("token", token),
                share_bar("token, new key", new_key),
                share_bar("memory", memory),
                share_bar("shared store", shared),
            ],
        ),
        because,
        otherwise: "a store that a fresh server cannot reach, or a token that refers to something only its issuer knows"
            .to_owned(),
    })
}
