//! 12: a stateless server that failed is easily restarted.

use super::evidence::{Evidence, bar_of_lost, lost, of_run, the_only};
use super::thresholds::AS_FAST;
use super::{Chart, Open, Ruled, Ruling, RulingResult};

/// A server whose crash was survived, and how soon it was ready again, in ms.
struct Restarted<'a> {
    arm: &'a Evidence,
    ready_ms: f64,
}

impl<'a> Restarted<'a> {
    fn of(evidence: &'a [Evidence], name: &str) -> Result<Self, Open> {
        let arm = the_only(evidence, name)?;
        let ready_ms = arm
            .ready_ms
            .ok_or_else(|| Open(format!("{name} was not ready again in most of its trials")))?;
        Ok(Self { arm, ready_ms })
    }

    /// Whether this one, which has state, was restarted as easily as one without.
    fn is_as_easy_as(&self, stateless: &Self) -> bool {
        self.arm.loses_no_session() && self.ready_ms <= AS_FAST * stateless.ready_ms
    }

    /// `5.4 ms / 50 ms / 0.006 s`: until ready, until steady, and the outage area.
    fn told(&self) -> String {
        let steady = match self.arm.steady_ms {
            Some(ms) => format!("{ms:.0} ms"),
            None => "not seen".to_owned(),
        };
        let area = match self.arm.area_s {
            Some(seconds) => format!("{seconds:.3} s"),
            None => "not known".to_owned(),
        };
        format!("{:.1} ms / {steady} / {area}", self.ready_ms)
    }
}

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let server_killed = of_run(evidence, 0);
    let (replica_killed, store_killed) = (of_run(evidence, 1), of_run(evidence, 2));
    let restarted = |name: &str| Restarted::of(&server_killed, name);
    let (token, memory) = (restarted("token")?, restarted("memory")?);
    let (journal, shared) = (restarted("journal")?, restarted("redis")?);
    let new_key = the_only(&server_killed, "token-newkey")?;
    let sticky = the_only(&replica_killed, "sticky")?;
    let storeless = the_only(&store_killed, "redis")?;
    let mut nuances = Vec::new();
    if new_key.loses_all_sessions() {
        nuances.push("a stateless server that makes a new key at each start loses every session");
    }
    if journal.is_as_easy_as(&token) {
        nuances.push("a stateful one that syncs each change loses none, and is ready as fast");
    }
    if shared.is_as_easy_as(&token) {
        nuances.push(match storeless.loses_no_session() {
            true => {
                "one whose sessions are in a shared store loses none, not even when the store is killed"
            }
            false => {
                "one whose sessions are in a shared store loses none, and is ready as fast, until the store itself is \
                 killed"
            }
        });
    }
    let (ruling, because) = match (
        token.arm.loses_no_session(),
        memory.arm.loses_all_sessions(),
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
    Ok(Ruled {
        ruling,
        figure: format!(
            "sessions lost when the server was killed: token {}, token with a new key {}, memory {}, journal {}, shared store {}; \
             when one of {} was: sticky {}; when the store was: {}; until ready / steady again / outage area: token {}, memory {}, \
             journal {}, shared store {}",
            lost(token.arm),
            lost(new_key),
            lost(memory.arm),
            lost(journal.arm),
            lost(shared.arm),
            sticky.replicas,
            lost(sticky),
            lost(storeless),
            token.told(),
            memory.told(),
            journal.told(),
            shared.told(),
        ),
        chart: Chart::percent(
            "sessions lost in a crash, %",
            vec![
                bar_of_lost("token", token.arm),
                bar_of_lost("token, new key", new_key),
                bar_of_lost("memory", memory.arm),
                bar_of_lost(&format!("sticky, 1 of {}", sticky.replicas), sticky),
                bar_of_lost("journal", journal.arm),
                bar_of_lost("shared store", shared.arm),
                bar_of_lost("the store itself", storeless),
            ],
        ),
        because,
        otherwise: "signing keys that are always kept, and state that takes longer to load than the start itself: of these \
                    it holds"
            .to_owned(),
    })
}
