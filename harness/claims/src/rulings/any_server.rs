//! 5: any server can process any request.

use super::evidence::{Evidence, arms, bar_of_found, controlled};
use super::{Chart, Open, Ruled, Ruling, RulingResult, percent_of};

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let token = arms(evidence, "token")?;
    let memory = arms(evidence, "round-robin")?;
    let shared = arms(evidence, "redis")?;
    for arm in token.iter().chain(&memory).chain(&shared) {
        controlled(arm)?;
    }
    let several = |all: &[&Evidence]| all.iter().any(|arm| arm.replicas > 1);
    if !(several(&token) && several(&memory) && several(&shared)) {
        let what = "with one replica every request is served by the one that knows the session";
        return Err(Open(what.to_owned()));
    }
    let token_serves = token.iter().all(|arm| arm.has_all_requests());
    let memory_serves = memory.iter().all(|arm| arm.has_all_requests());
    let shared_serves = shared.iter().all(|arm| arm.has_all_requests());
    let by_chance = memory.iter().all(|arm| arm.has_one_in_n());
    let (ruling, because) = match (token_serves, memory_serves, by_chance) {
        (false, _, _) => (
            Ruling::Refuted,
            "even with the session in the request not every server served it",
        ),
        (true, true, _) => (
            Ruling::Refuted,
            "sessions in the servers' memory were served by any of them, too",
        ),
        (true, false, true) if !shared_serves => (
            Ruling::Holds,
            "where servers keep sessions only the one that has it serves it, a shared store or not",
        ),
        (true, false, true) => (
            Ruling::HoldsInPart,
            "true of sessions in a server's memory; servers with a shared store keep state and serve each other's sessions",
        ),
        (true, false, false) => (
            Ruling::HoldsInPart,
            "sessions in memory were served more or less often than by chance: requests were not spread evenly",
        ),
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "requests that found their session: token {}, shared store {}, memory {}",
            shares(&token),
            shares(&shared),
            shares(&memory)
        ),
        chart: Chart::percent(
            "requests that found their session, %",
            token
                .iter()
                .chain(&shared)
                .chain(&memory)
                .filter(|arm| arm.replicas > 1)
                .map(|arm| bar_of_found(label(arm), arm))
                .collect(),
        ),
        because: because.to_owned(),
        otherwise: "token servers that do not share their key would serve 1 in n as well"
            .to_owned(),
    })
}

/// By the number of replicas: `100 % / 49 % (47 % to 52 %) with 1 / 2 replicas`.
fn shares(arms: &[&Evidence]) -> String {
    let shares: Vec<String> = arms
        .iter()
        .map(|arm| percent_of(arm.requests.1, arm.requests.0))
        .collect();
    let replicas: Vec<String> = arms.iter().map(|arm| arm.replicas.to_string()).collect();
    format!(
        "{} with {} replicas",
        shares.join(" / "),
        replicas.join(" / ")
    )
}

/// What its bar is called.
fn label(arm: &Evidence) -> String {
    let name = match arm.name.as_str() {
        "round-robin" => "memory",
        "redis" => "shared store",
        name => name,
    };
    format!("{name}, {} replicas", arm.replicas)
}
