//! Whether this machine was too busy in a trial to judge its times (METHOD, *A busy machine*). Losses, and whether the service
//! came back, are judged all the same: they do not become true by waiting.

use comeback_model::plan::Plan;
use comeback_model::units::Span;

use super::facts::Facts;
use super::load::Load;
use super::served::{MOST_LATE, share_late};
use super::words::percent;

/// Where the machine below this one takes this share of what somebody here wants of the cores, or more, work takes so much longer that
/// it exceeds what trials differ by. Idle cores are not asked: they would hide what the others lack.
pub const MOST_STOLEN: f64 = 0.1;
/// Less than this is nothing: the kernel counts in hundredths of a second.
pub const LEAST_STOLEN: Span = Span::from_ms(100);
/// Where some task waits for a core for this share of the time, or longer, the machine may be too busy. That alone says little, for a
/// server of many threads waits for itself: the harness, which asks for little, must have been late, too.
pub const MOST_WAITED: f64 = 0.5;

/// Why nobody can tell how long things would have taken on a quiet machine, if so. A storm measures no times.
pub(super) fn busy(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<String> {
    let cores = facts.cores.filter(|_| plan.storm.is_none())?;
    if cores.stolen >= MOST_STOLEN && cores.stolen_for >= LEAST_STOLEN {
        return Some(format!(
            "this machine was too busy to judge times: {} of what was wanted of its cores was stolen by the machine below it (steal)",
            percent(rounded(cores.stolen))
        ));
    }
    let waited = cores.waited.filter(|waited| *waited >= MOST_WAITED)?;
    let late = share_late(load.operations.iter().copied());
    (late > MOST_LATE).then(|| {
        format!(
            "this machine was too busy to judge times: some task waited for a core for {} of the time, and the harness itself was \
             more than 10 ms late with {} of its operations",
            percent(rounded(waited)),
            percent(rounded(late))
        )
    })
}

/// Whole percents, and never more than all.
fn rounded(share: f64) -> f64 {
    (share * 100.0).round().min(100.0) / 100.0
}
