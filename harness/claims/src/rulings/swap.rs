//! 10: a stateless server can be exchanged while clients talk to it.

use super::evidence::{Evidence, bar_of_lost, lost, of_run, the_only};
use super::thresholds::{ALL, NONE};
use super::{Chart, Ruled, Ruling, RulingResult, share};

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let (restarted, replaced) = (of_run(evidence, 0), of_run(evidence, 1));
    let only = |name: &str| the_only(&restarted, name);
    let (token, memory, shared) = (only("token")?, only("sticky")?, only("redis")?);
    // Each replica comes back as a later version, whose tokens have another format.
    let reformatted = the_only(&replaced, "token")?;
    let goes_on = |arm: &Evidence| {
        arm.loses_no_session() && share(arm.since.0 - arm.since.1, arm.since.0) >= ALL
    };
    let mut nuances = Vec::new();
    if !memory.loses_all_sessions() {
        nuances.push("a part of the sessions in the memory of exchanged servers outlived it");
    }
    if goes_on(shared) {
        nuances
            .push("servers with a shared store are exchanged as unnoticed as those without state");
    }
    if !reformatted.loses_no_session() {
        nuances.push(
            "a version that gives its tokens another format makes clients log in anew: that format is what they are \
             coupled by",
        );
    }
    let (ruling, because) = match (goes_on(token), nuances.as_slice()) {
        (false, _) => (
            Ruling::Refuted,
            "clients with their session in a token noticed that the servers were exchanged"
                .to_owned(),
        ),
        (true, _) if share(memory.sessions.1, memory.sessions.0) <= NONE => (
            Ruling::Refuted,
            "sessions in the memory of exchanged servers outlived it".to_owned(),
        ),
        (true, []) => (
            Ruling::Holds,
            "with state in the servers, or in their store, clients notice the exchange".to_owned(),
        ),
        (true, nuances) => (Ruling::HoldsInPart, nuances.join("; ")),
    };
    let told = |arm: &Evidence| {
        format!(
            "{} sessions lost, {} of {} operations failed",
            lost(arm),
            arm.since.1,
            arm.since.0
        )
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "all replicas exchanged in turn: token {}; shared store {}; memory {}; for a version with another format of the \
             token {}",
            told(token),
            told(shared),
            told(memory),
            told(reformatted)
        ),
        chart: Chart::percent(
            "sessions lost when all servers were exchanged, %",
            vec![
                bar_of_lost("token", token),
                bar_of_lost("memory", memory),
                bar_of_lost("shared store", shared),
                bar_of_lost("token, other format", reformatted),
            ],
        ),
        because,
        otherwise: "versions that take each other's tokens, and stateful servers that keep nothing outside of their memory: \
                    of these it holds"
            .to_owned(),
    })
}
