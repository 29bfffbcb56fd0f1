//! 4: a stateless server answers from the request alone.

use super::chart::share_bar;
use super::thresholds::ALL;
use super::{Chart, Findings, Ruled, Ruling, RulingResult, What, percent_of, share};

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let reordered = |arm: &str| {
        found.controlled(arm)?;
        found.share(arm, What::Reordered)
    };
    let (token, counter) = (reordered("token")?, reordered("token-counter")?);
    let (memory, shared) = (reordered("memory")?, reordered("redis")?);
    let all = |(right, tried)| share(right, tried) >= ALL;
    let (ruling, because) = match (all(token), all(memory) || all(shared), all(counter)) {
        (false, _, _) => (
            Ruling::Refuted,
            "requests that carry their session were answered otherwise when their order changed",
        ),
        (true, true, _) => (
            Ruling::Refuted,
            "a stateful server gave the same answers in any order, too",
        ),
        (true, false, true) => (
            Ruling::Holds,
            "order and repetition change no answer where the request carries all of it, and do where the server keeps it",
        ),
        (true, false, false) => (
            Ruling::HoldsInPart,
            "true of a server whose clients carry all data; one that takes the login from a token and counts by itself \
             depends on the order as any other",
        ),
    };
    let told = |(right, tried)| percent_of(right, tried);
    Ok(Ruled {
        ruling,
        figure: format!(
            "requests that were answered as before when shuffled and repeated: token {}, token with the data at the \
             server {}, memory {}, shared store {}",
            told(token),
            told(counter),
            told(memory),
            told(shared)
        ),
        chart: Chart::percent(
            "same answer when shuffled and repeated, %",
            vec![
                share_bar("token", token),
                share_bar("token, data at the server", counter),
                share_bar("memory", memory),
                share_bar("shared store", shared),
            ],
        ),
        because: because.to_owned(),
        otherwise:
            "requests that only read, or that name what they write: they can be repeated anywhere"
                .to_owned(),
    })
}
