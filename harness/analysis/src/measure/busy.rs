//! Whether this machine was too busy in a trial to judge its times (METHOD, *A busy machine*). Losses, and what the service
//! answers wrong, are judged all the same: they do not become true by waiting. Whether it came back is not known where it only lost time.

use comeback_model::gate::{METRICS, Metric, Time};
use comeback_model::operation::Operation;
use comeback_model::plan::Plan;
use comeback_model::units::Span;

use super::facts::Facts;
use super::load::{Load, Part};
use super::words::percent;

/// Where the machine below this one takes this share of what somebody here wants of the cores, or more, work takes so much longer that
/// it exceeds what trials differ by. Idle cores are not asked: they would hide what the others lack.
pub const MOST_STOLEN: f64 = 0.1;
/// Less than this is nothing: the kernel counts in hundredths of a second.
pub const LEAST_STOLEN: Span = Span::from_ms(100);
/// Where some task waits for a core for this share of the time, or longer, the machine may be too busy. That alone says little, for a
/// server of many threads waits for itself: the harness, which asks for little, must have been late, too. Where the kernel does not tell
/// how long tasks waited, the lateness before the fault alone decides.
pub const MOST_WAITED: f64 = 0.5;
/// Fewer than these are chance.
const LEAST_LATE: usize = 3;
/// Where more than this share of operations is handed out later than [`LATE`], the machine is too busy to tell a slow server.
pub(super) const MOST_LATE: f64 = 0.05;
const LATE: Span = Span::from_ms(10);

/// Why nobody can tell how long things would have taken on a quiet machine, if so. A storm measures no times.
pub(super) fn busy(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<String> {
    let cores = facts.cores.filter(|_| plan.storm.is_none())?;
    if cores.stolen >= MOST_STOLEN && cores.stolen_for >= LEAST_STOLEN {
        return Some(format!(
            "this machine was too busy to judge times: {} of what was wanted of its cores was stolen by the machine below it (steal)",
            percent(rounded(cores.stolen))
        ));
    }
    match cores.waited {
        Some(waited) if waited < MOST_WAITED => None,
        Some(waited) => {
            let late = beyond_limit(share_late(load.operations.iter().copied()))?;
            Some(format!(
                "this machine was too busy to judge times: some task waited for a core for {} of the time, and the harness itself was \
                 more than 10 ms late with {} of its operations",
                percent(rounded(waited)),
                percent(rounded(late))
            ))
        }
        // Where nobody tells who waits, the wait may be of the fault's own making: what comes before a fault is not.
        None => {
            let late = beyond_limit(share_late(load.of(Part::Before)))?;
            if load.of(Part::Before).filter(|op| is_late(op)).count() < LEAST_LATE {
                return None;
            }
            let before = facts.fault().map_or("", |_| " before the fault");
            Some(format!(
                "this machine was too busy to judge times: the harness itself was more than 10 ms late with {} of its operations\
                 {before}, and this kernel does not tell how long tasks waited for a core (/proc/pressure/cpu)",
                percent(rounded(late))
            ))
        }
    }
}

fn beyond_limit(late: f64) -> Option<f64> {
    (late > MOST_LATE).then_some(late)
}

fn is_late(op: &Operation) -> bool {
    op.dispatched.since(op.intended) > LATE
}

/// The share of these that the harness itself handed out late.
pub(super) fn share_late<'a>(wanted: impl Iterator<Item = &'a Operation>) -> f64 {
    let (late, all) = wanted.fold((0_u32, 0_u32), |(late, all), op| {
        (late + u32::from(is_late(op)), all + 1)
    });
    f64::from(late) / f64::from(all.max(1))
}

/// The times that such a machine may make shorter: nothing is known of them.
///
/// When clients notice a fault depends on the slow requests that are under way at it; and what is measured by the baseline is measured by a
/// slow one. A health check that is answered late says not ready where it would have said ready. And where nothing waits for the
/// harness to see the end (T0) before the service comes back, what is counted from then on is the shorter the later that is seen.
pub(super) fn shortened(plan: &Plan, facts: &Facts) -> Vec<Time> {
    let arm = plan.arms.get(facts.arm.0 as usize);
    let external = arm.and_then(|arm| arm.target.external.as_ref());
    let is_started_by_others = external.is_some_and(|external| external.restart.is_none());
    let may_end_unseen =
        is_started_by_others || plan.faults.iter().any(|fault| fault.effect.degrades());
    let mut times: Vec<Time> = METRICS
        .into_iter()
        .filter_map(|(_, metric)| match metric {
            Metric::Time(time, _) => Some(time),
            _ => None,
        })
        .filter(|time| match time {
            Time::Detect | Time::Steady | Time::OutageArea | Time::Blind => true,
            Time::Restart | Time::Listen | Time::Ready => may_end_unseen,
            // At the latest it begins with the end that a command made.
            Time::Outage => may_end_unseen && plan.has_kill_command(),
            Time::ClientOutage | Time::LongestGap => false,
        })
        .collect();
    times.dedup();
    times
}

/// Whole percents, and never more than all.
fn rounded(share: f64) -> f64 {
    (share * 100.0).round().min(100.0) / 100.0
}
