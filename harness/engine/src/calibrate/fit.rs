//! What beside the rate follows from a calibration: the number of sessions, the time-out, the horizon and the windows, where the
//! experiment leaves them open and the default does not suit the server. Pure.

use comeback_model::plan::{Borne, Fitted, Open, Plan, Windows};
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

/// A window has so many operations on average.
const IN_A_WINDOW: f64 = 5.0;
/// And so many have the time before the fault, and the time for which a service must be steady: as many as are judged together.
const IN_A_STRETCH: f64 = 20.0;
/// The load before the fault has at least so many windows, and so has the time for which a service must be steady.
const WINDOWS: f64 = 2.0;
/// No load after a recovery lasts longer, be it ever so slow: each trial waits for all of it.
const LONGEST_SETTLE_MS: f64 = 30_000.0;

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
    let timeout = (open.timeout && timeout > plan.load.timeout).then_some(timeout);
    let ready_ms = most(|arm| arm.ready_ms);
    let horizon = seconds(ready_ms * RECOVERY).min(LONGEST_HORIZON);
    // What gathers in an outage is worked off in as long as it took to gather, and no client keeps anything longer than its time-out.
    let worked_off_ms = ready_ms.min(timeout.unwrap_or(plan.load.timeout).as_ms());
    Fitted {
        sessions: (open.sessions && sessions < plan.load.clients).then_some(sessions),
        timeout,
        horizon: (open.horizon && horizon > plan.windows.horizon).then_some(horizon),
        ..windows(plan.windows, open, (rate, worked_off_ms))
    }
}

/// The windows, which hold each other: a baseline has two windows, and a service is steady for no less than one, and for no longer than
/// the load after the recovery lasts. What is given bounds what is not. Nothing becomes shorter.
fn windows(given: Windows, open: Open, (rate, worked_off_ms): (f64, f64)) -> Fitted {
    let holds_ms = |operations: f64| operations / rate * 1_000.0;
    let longer =
        |is_open: bool, given: Span, wanted: Span| (is_open && wanted > given).then_some(wanted);
    let at_most = |is_open: bool, given: Span, parts: f64| match is_open {
        true => f64::INFINITY,
        false => given.as_ms() / parts,
    };
    let most_ms = at_most(open.baseline, given.baseline, WINDOWS)
        .min(at_most(open.steady_for, given.steady_for, 1.0))
        .min(at_most(open.settle, given.settle, 1.0));
    let window = Span::from_ms((holds_ms(IN_A_WINDOW) / 100.0).ceil() as u64 * 100);
    let window = window.min(Span::from_us(
        (most_ms * 1_000.0).min(u64::MAX as f64) as u64
    ));
    let window = longer(open.window, given.window, window);
    let stretch_ms = holds_ms(IN_A_STRETCH).max(window.unwrap_or(given.window).as_ms() * WINDOWS);
    let baseline = longer(open.baseline, given.baseline, seconds(stretch_ms));
    let steady_for = match open.settle {
        true => seconds(stretch_ms),
        false => seconds(stretch_ms).min(given.settle),
    };
    let steady_for = longer(open.steady_for, given.steady_for, steady_for);
    // Its second half is judged: what has gathered is worked off in the first.
    let steady_ms = steady_for.unwrap_or(given.steady_for).as_ms();
    let settle_ms = (steady_ms * 2.0).max(steady_ms + worked_off_ms * 2.0);
    let settle = seconds(settle_ms.min(LONGEST_SETTLE_MS.max(steady_ms)));
    Fitted {
        baseline,
        settle: longer(open.settle, given.settle, settle),
        steady_for,
        window,
        ..Fitted::default()
    }
}

/// How long an operation of a calibration may take before anything is known of the server: as long as the run may let it.
pub(super) fn longest_timeout_ms(given: Span, open: Open) -> f64 {
    match open.timeout {
        true => given.as_ms().max(LONGEST_TIMEOUT_MS),
        false => given.as_ms(),
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
        baseline: true,
        settle: true,
        steady_for: true,
        window: true,
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

    /// 50 sessions, 2 s and 30 s, and windows, as by default.
    fn plan() -> Plan {
        let mut plan = comeback_model::plan::test_plan();
        plan.load.clients = 50;
        plan.load.workers = 1;
        plan.load.timeout = Span::from_secs(2);
        plan.windows = Windows::default();
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

    /// The windows at this rate of a server that takes so long to start, in ms: the baseline, w, y, and the load after the recovery.
    fn windows_at(rate: f64, ready_ms: f64, open: Open, given: Windows) -> [Option<f64>; 4] {
        let mut plan = plan();
        plan.windows = given;
        let fitted = fit(&plan, open, (rate, &[arm(20.0, ready_ms, 400.0)]));
        let lengths = [
            fitted.baseline,
            fitted.window,
            fitted.steady_for,
            fitted.settle,
        ];
        let mut settled = given;
        settled.baseline = fitted.baseline.unwrap_or(given.baseline);
        settled.window = fitted.window.unwrap_or(given.window);
        settled.steady_for = fitted.steady_for.unwrap_or(given.steady_for);
        settled.settle = fitted.settle.unwrap_or(given.settle);
        plan.windows = settled;
        let told = plan.validate().map_err(|error| error.to_string());
        assert_eq!(told, Ok(()), "{settled:?}");
        lengths.map(|length| length.map(Span::as_ms))
    }

    #[test]
    fn windows_hold_enough_operations_and_the_load_lasts_until_an_outage_is_worked_off() {
        let usual = plan().windows;
        let fitted = |rate, ready_ms| windows_at(rate, ready_ms, ALL, usual);
        assert_eq!(fitted(200.0, 300.0), [None; 4]);
        assert_eq!(fitted(50.0, 300.0), [None; 4]);
        assert_eq!(fitted(20.0, 300.0), [None, Some(300.0), None, None]);
        let least = [4_000.0, 1_000.0, 4_000.0, 8_000.0];
        assert_eq!(fitted(5.0, 300.0), least.map(Some));
        // Clients keep an operation for 2 s.
        assert_eq!(fitted(50.0, 900.0), [None, None, None, Some(3_000.0)]);
        assert_eq!(fitted(50.0, 9_000.0), [None, None, None, Some(5_000.0)]);
    }

    #[test]
    fn windows_that_are_given_stay_and_bound_the_others() {
        let usual = plan().windows;
        assert_eq!(windows_at(5.0, 300.0, Open::default(), usual), [None; 4]);
        for given in 0..16_u32 {
            let open = Open {
                baseline: given & 1 == 0,
                settle: given & 2 == 0,
                steady_for: given & 4 == 0,
                window: given & 8 == 0,
                ..Open::default()
            };
            let fitted = windows_at(5.0, 5_000.0, open, usual);
            let is_open = [open.baseline, open.window, open.steady_for, open.settle];
            for (fitted, is_open) in fitted.iter().zip(is_open) {
                assert!(is_open || fitted.is_none(), "{given}: {fitted:?}");
            }
        }
        // A baseline of a second has no room for longer windows than half of it.
        let open = Open {
            baseline: false,
            ..ALL
        };
        let fitted = windows_at(5.0, 300.0, open, usual);
        assert_eq!((fitted[0], fitted[1]), (None, Some(500.0)));
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
