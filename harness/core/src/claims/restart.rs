//! 12: a stateless server that failed is easily restarted.

use super::chart::Chart;
use super::evidence::{Evidence, bar_of_lost, lost, the_only};
use super::thresholds::AS_FAST;
use super::{Judged, Judgement, Open, Ruling};

pub(super) fn judge(evidence: &[Evidence]) -> Judged {
    let only = |name: &str| the_only(evidence, name);
    let (token, new_key) = (only("token")?, only("token-newkey")?);
    let (memory, journal) = (only("memory")?, only("journal")?);
    let (Some(fast), Some(durable)) = (token.ready_ms, journal.ready_ms) else {
        let what = "a server was not ready again in most of its trials";
        return Err(Open(what.to_owned()));
    };
    let keeps_as_well = journal.loses_no_session() && durable <= AS_FAST * fast;
    let mut nuances = Vec::new();
    if new_key.loses_all_sessions() {
        nuances.push("a stateless server that makes a new key at each start loses every session");
    }
    if keeps_as_well {
        nuances.push("a stateful one that syncs each change loses none, and is ready as fast");
    }
    let (ruling, because) = match (
        token.loses_no_session(),
        memory.loses_all_sessions(),
        nuances.as_slice(),
    ) {
        (false, _, _) => (
            Ruling::Refuted,
            "the stateless server lost sessions".to_owned(),
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "sessions in memory outlived the crash".to_owned(),
        ),
        (true, true, []) => (
            Ruling::Holds,
            "without state nothing is lost, with state it is lost or slow to come back".to_owned(),
        ),
        (true, true, nuances) => (Ruling::HoldsInPart, nuances.join("; ")),
    };
    Ok(Judgement {
        ruling,
        figure: format!(
            "sessions lost: token {}, token with a new key {}, memory {}, journal {}; ready again after {fast:.1} ms \
             (token), {durable:.1} ms (journal)",
            lost(token),
            lost(new_key),
            lost(memory),
            lost(journal)
        ),
        chart: Chart::percent(
            "sessions lost in a crash, %",
            vec![
                bar_of_lost("token", token),
                bar_of_lost("token, new key", new_key),
                bar_of_lost("memory", memory),
                bar_of_lost("journal", journal),
            ],
        ),
        because,
        otherwise: "a journal so long that reading it takes longer than the start itself"
            .to_owned(),
    })
}
