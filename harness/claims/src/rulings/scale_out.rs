//! 6: a stateful service cannot scale out.

use super::evidence::{Evidence, arms, bar_of_found, faulted, lost, of_run, the_only};
use super::thresholds::KEEPS_UP;
use super::{Chart, Open, Ruled, Ruling, RulingResult, percent_of};

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let (replica_killed, store_killed) = (of_run(evidence, 0), of_run(evidence, 1));
    let memory = arms(&replica_killed, "round-robin")?;
    let sticky = arms(&replica_killed, "sticky")?;
    let shared = arms(&replica_killed, "redis")?;
    for arm in memory.iter().chain(&sticky).chain(&shared) {
        faulted(arm)?;
    }
    let storeless = the_only(&store_killed, "redis")?;
    let most = |all: &[&Evidence]| all.last().map_or(0, |arm| arm.replicas);
    if most(&memory) < 2 || most(&sticky) < 2 || most(&shared) < 2 {
        let what = "with one replica there is no server 2";
        return Err(Open(what.to_owned()));
    }
    let breaks = memory
        .iter()
        .filter(|arm| arm.replicas > 1)
        .all(|arm| arm.has_one_in_n());
    let remedies: Vec<&str> = [("sticky", &sticky), ("a shared store", &shared)]
        .into_iter()
        .filter(|(_, arms)| scales(arms))
        .map(|(name, _)| name)
        .collect();
    let replica = match sticky.last().is_some_and(|arm| !arm.loses_no_session()) {
        true => "takes its sessions with it",
        false => "takes none with it",
    };
    let store = match (storeless.loses_no_session(), storeless.loses_all_sessions()) {
        (true, _) => "takes none with it",
        (false, false) => "takes some with it",
        (false, true) => "takes those of all replicas",
    };
    let (ruling, because) = match (breaks, remedies.as_slice()) {
        (false, _) => (
            Ruling::Refuted,
            "logins on one server were known on the others".to_owned(),
        ),
        (true, []) => (
            Ruling::Holds,
            "neither a sticky balancer nor a shared store kept sessions and goodput".to_owned(),
        ),
        (true, remedies) => (
            Ruling::HoldsInPart,
            format!(
                "true of sessions in memory behind a balancer that goes round; {} keeps sessions and goodput with any \
                 number of replicas; a sticky replica that is killed {replica}, a killed store {store}",
                remedies.join(" or ")
            ),
        ),
    };
    let (Some(memory), Some(sticky), Some(shared)) = (memory.last(), sticky.last(), shared.last())
    else {
        return Err(Open("there is nothing to compare".to_owned()));
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "requests that found their session with {} replicas: memory {}, sticky {}, shared store {}; one replica \
             killed: sticky lost {} sessions, the shared store {}; the store killed: {} sessions lost, and {} of {} \
             operations failed",
            memory.replicas,
            percent_of(memory.requests.1, memory.requests.0),
            percent_of(sticky.requests.1, sticky.requests.0),
            percent_of(shared.requests.1, shared.requests.0),
            lost(sticky),
            lost(shared),
            lost(storeless),
            storeless.since.1,
            storeless.since.0,
        ),
        chart: Chart::percent(
            &format!(
                "requests that found their session with {} replicas, %",
                memory.replicas
            ),
            vec![
                bar_of_found("memory", memory),
                bar_of_found("sticky", sticky),
                bar_of_found("shared store", shared),
            ],
        ),
        because,
        otherwise: "a store that keeps its sessions through its own crash, or that has a standby"
            .to_owned(),
    })
}

/// Whether sessions are found and goodput is kept with any number of replicas.
fn scales(arms: &[&Evidence]) -> bool {
    let goodput = |arm: Option<&&Evidence>| arm.and_then(|arm| arm.goodput).unwrap_or(0.0);
    arms.iter().all(|arm| arm.has_all_requests())
        && goodput(arms.last()) >= KEEPS_UP * goodput(arms.first())
}
