//! 10: a stateless server can be exchanged while clients talk to it.

use super::chart::Chart;
use super::evidence::{Evidence, bar_of_lost, lost, the_only};
use super::thresholds::{ALL, MOST};
use super::{Judged, Judgement, Ruling, share};

pub(super) fn judge(evidence: &[Evidence]) -> Judged {
    let only = |name: &str| the_only(evidence, name);
    let (token, memory, shared) = (only("token")?, only("sticky")?, only("redis")?);
    let goes_on = |arm: &Evidence| {
        arm.loses_no_session() && share(arm.since.0 - arm.since.1, arm.since.0) >= ALL
    };
    let memory_loss = share(memory.sessions.1, memory.sessions.0);
    let (ruling, because) = match (goes_on(token), goes_on(shared)) {
        (false, _) => (
            Ruling::Refuted,
            "clients with their session in a token noticed that the servers were exchanged",
        ),
        (true, _) if memory_loss <= 1.0 - MOST => (
            Ruling::Refuted,
            "sessions in the memory of exchanged servers outlived it",
        ),
        (true, _) if memory_loss < MOST => (
            Ruling::HoldsInPart,
            "a part of the sessions in the memory of exchanged servers outlived it",
        ),
        (true, false) => (
            Ruling::Holds,
            "with state in the servers, or in their store, clients notice the exchange",
        ),
        (true, true) => (
            Ruling::HoldsInPart,
            "true of state in the servers' memory; servers with a shared store are exchanged as unnoticed as those \
             without state",
        ),
    };
    let told = |arm: &Evidence| {
        format!(
            "{} sessions lost, {} of {} operations failed",
            lost(arm),
            arm.since.1,
            arm.since.0
        )
    };
    Ok(Judgement {
        ruling,
        figure: format!(
            "all replicas exchanged in turn: token {}; shared store {}; memory {}",
            told(token),
            told(shared),
            told(memory)
        ),
        chart: Chart::percent(
            "sessions lost when all servers were exchanged, %",
            vec![
                bar_of_lost("token", token),
                bar_of_lost("memory", memory),
                bar_of_lost("shared store", shared),
            ],
        ),
        because: because.to_owned(),
        otherwise: "a version with another key or format of the token: it refuses the old one's"
            .to_owned(),
    })
}
