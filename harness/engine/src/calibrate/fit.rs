//! What beside the rate follows from a calibration: the number of sessions, the time-out and the horizon, where the experiment leaves
//! them open and the default does not suit the server. Pure.

use comeback_model::plan::{Borne, Fitted, Open, Plan};
use comeback_model::units::Span;

/// Opening all sessions and reading them back may take so long. A trial does both, the latter up to eight times.
const FEW_SECONDS_MS: f64 = 5_000.0;
/// Fewer sessions are not chosen: a fault must meet some.
const LEAST_SESSIONS: u32 = 10;
/// And not fewer than this many times those that have an operation under way.
const SESSIONS_EACH: f64 = 2.0;
/// An operation may take so many times as long as all but one in a hundred do.
pub(super) const PATIENCE: f64 = 4.0;
/// But no longer than this.
pub(super) const LONGEST_TIMEOUT_MS: f64 = 10_000.0;
/// No longer is waited for it, whatever its start took: a trial that never recovers waits for all of it.
const LONGEST_HORIZON: Span = Span::from_secs(120);
/// After a crash a server may take so many times as long as for its first start: it has data to recover.
const RECOVERY: f64 = 4.0;

/// What suits all arms at this rate.
pub(super) fn fit(plan: &Plan, open: Open, (rate, arms): (f64, &[Borne])) -> Fitted {
    let most = |of: fn(&Borne) -> f64| arms.iter().map(of).fold(0.0, f64::max);
    // Of an arm that was offered more than the run will offer it is known how long operations take without load.
    let took_ms = arms.iter().map(|arm| match arm.steps.first() {
        Some(unloaded) if arm.offered > rate => unloaded.took_ms_p99.min(arm.took_ms_p99),
        _ => arm.took_ms_p99,
    });
    let took_ms = took_ms.fold(0.0, f64::max);
    let at_a_time = rate * took_ms / 1_000.0;
    let least = LEAST_SESSIONS.max((at_a_time * SESSIONS_EACH).ceil() as u32);
    let least = least.max(plan.load.workers);
    let opened_ms = most(|arm| arm.opened_ms);
    let suits = f64::from(plan.load.clients) * FEW_SECONDS_MS / opened_ms.max(1.0);
    let sessions = (suits.floor().min(f64::from(u32::MAX)) as u32).max(least);
    let timeout = seconds((took_ms * PATIENCE).min(LONGEST_TIMEOUT_MS));
    let horizon = seconds(most(|arm| arm.ready_ms) * RECOVERY).min(LONGEST_HORIZON);
    Fitted {
        sessions: (open.sessions && sessions < plan.load.clients).then_some(sessions),
        timeout: (open.timeout && timeout > plan.load.timeout).then_some(timeout),
        horizon: (open.horizon && horizon > plan.windows.horizon).then_some(horizon),
    }
}

/// The time-out by which a load is measured, after it was seen how long operations take without load.
pub(super) fn timeout_ms(given_ms: f64, open: Open, unloaded_ms: f64) -> f64 {
    match open.timeout {
        true => given_ms.max((unloaded_ms * PATIENCE).min(LONGEST_TIMEOUT_MS)),
        false => given_ms,
    }
}

/// A time to write down: whole seconds, no less than this.
fn seconds(ms: f64) -> Span {
    Span::from_secs((ms / 1_000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Open = Open {
        sessions: true,
        timeout: true,
        horizon: true,
    };

    /// An arm that takes so many ms for an operation, for a start, and to open its sessions.
    fn arm(took_ms_p99: f64, ready_ms: f64, opened_ms: f64) -> Borne {
        Borne {
            arm: "it".to_owned(),
            per_second: 40.0,
            at_least: false,
            offered: 20.0,
            late_ms_p95: 0.1,
            took_ms_p99,
            ready_ms,
            opened_ms,
            steps: Vec::new(),
        }
    }

    /// 50 sessions, 2 s and 30 s, as by default.
    fn plan() -> Plan {
        let mut plan = comeback_model::plan::test_plan();
        plan.load.clients = 50;
        plan.load.workers = 1;
        plan.load.timeout = Span::from_secs(2);
        plan.windows.horizon = Span::from_secs(30);
        plan
    }

    fn fitted(open: Open, arms: &[Borne]) -> (Option<u32>, Option<u64>, Option<u64>) {
        let fitted = fit(&plan(), open, (20.0, arms));
        let whole = |span: Span| span.as_us() / 1_000_000;
        (
            fitted.sessions,
            fitted.timeout.map(whole),
            fitted.horizon.map(whole),
        )
    }

    #[test]
    fn a_default_is_changed_only_where_it_does_not_suit_the_server() {
        for (case, arms, wanted) in [
            ("quick", vec![arm(20.0, 300.0, 400.0)], (None, None, None)),
            (
                "just so",
                vec![arm(500.0, 7_500.0, 5_000.0)],
                (None, None, None),
            ),
            (
                "slow to open",
                vec![arm(20.0, 300.0, 10_000.0)],
                (Some(25), None, None),
            ),
            (
                "slower than any number of sessions helps",
                vec![arm(20.0, 300.0, 100_000.0)],
                (Some(10), None, None),
            ),
            (
                "its operations need sessions",
                vec![arm(450.0, 300.0, 100_000.0)],
                (Some(18), None, None),
            ),
            (
                "slow to answer",
                vec![arm(510.0, 300.0, 400.0)],
                (None, Some(3), None),
            ),
            (
                "as slow as can be waited for",
                vec![arm(9_000.0, 300.0, 400.0)],
                (None, Some(10), None),
            ),
            (
                "slow to start",
                vec![arm(20.0, 9_100.0, 400.0)],
                (None, None, Some(37)),
            ),
            (
                "the slowest of several",
                vec![arm(20.0, 9_100.0, 400.0), arm(510.0, 300.0, 10_000.0)],
                (Some(25), Some(3), Some(37)),
            ),
        ] {
            assert_eq!(fitted(ALL, &arms), wanted, "{case}");
            assert_eq!(fitted(Open::default(), &arms), (None, None, None), "{case}");
        }
    }

    #[test]
    fn a_load_is_measured_by_the_time_out_that_the_run_may_have() {
        for (open, unloaded_ms, wanted) in [
            (ALL, 20.0, 2_000.0),
            (ALL, 700.0, 2_800.0),
            (ALL, 5_000.0, 10_000.0),
            (Open::default(), 700.0, 2_000.0),
        ] {
            assert_eq!(
                timeout_ms(2_000.0, open, unloaded_ms),
                wanted,
                "{unloaded_ms}"
            );
        }
    }
}
