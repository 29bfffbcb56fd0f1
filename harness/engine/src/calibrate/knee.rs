//! The choice of a rate from measured loads: which load to measure next, where the knee is, what to offer, and whether that was borne.
//! Pure.

use comeback_model::plan::LoadStep;

/// The highest rate that is chosen: the default of a rate that is given. So a server that bears more gets the same number each time.
pub(super) const MOST_OFFERED: f64 = 200.0;
/// The lowest. Fewer operations would leave a baseline of a second almost empty.
pub(super) const LEAST_OFFERED: f64 = 5.0;
/// The share of what a server bears that it is offered: it must also serve while its users' operations cluster, and work off what has
/// gathered in an outage beside the load that goes on. At a half that takes as long as it gathered.
const SHARE: f64 = 0.5;
/// The highest share, where half would be less than the lowest rate.
const MOST_SHARE: f64 = 2.0 / 3.0;
/// Goodput that falls below this share of the best has collapsed.
const COLLAPSED: f64 = 0.5;
/// Goodput that grows by less than this, twice in a row, has stopped to grow.
const GROWTH: f64 = 1.1;
/// The knee is the first load with this share of the highest goodput.
const NEAR: f64 = 0.9;
/// More users at a time are not tried.
const MOST_AT_ONCE: u32 = 64;
/// Latency beyond these shares of the time-out is too much: of 95 operations in a hundred, and of 99. The latter is higher, since an
/// operation that no client waits for in vain is borne, and since one pause of the machine is in it.
const NEAR_TIMEOUT: f64 = 0.5;
const NEAR_TIMEOUT_P99: f64 = 0.75;
/// An operation may take this many times as long as an operation without load, and the times below in any case: 95 in a hundred of them,
/// and 99. A busy machine stands still for some hundred ms at times.
const SLOWER: f64 = 10.0;
const ALWAYS_GOOD_MS: f64 = 100.0;
const ALWAYS_GOOD_P99_MS: f64 = 500.0;
/// The share of operations that must be correct, but for those that fail without load, too.
const MOST_FAILED: f64 = 0.05;
/// The rate that is tried after one that was too much.
const LESS: f64 = 0.7;

/// The limits of the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Its users.
    pub(super) clients: u32,
    /// How long an operation may take.
    pub(super) timeout_ms: f64,
}

/// The knee of a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Knee {
    /// Correct operations per second.
    pub(super) per_second: f64,
    /// Whether raising the load ended before the goodput stopped to grow.
    pub(super) at_least: bool,
}

/// How many operations at a time to measure next. `None` when the knee is known, or a higher load would tell nothing.
pub(super) fn next_load(steps: &[LoadStep], limits: Limits) -> Option<u32> {
    let Some(last) = steps.last() else {
        return Some(1);
    };
    let is_enough = last.per_second * SHARE >= MOST_OFFERED;
    let most = limits.clients.min(MOST_AT_ONCE);
    if is_enough || is_slow(last, steps, limits) || has_knee(steps) || last.at_once >= most {
        return None;
    }
    Some((last.at_once * 2).min(most))
}

/// Whether operations take too long at a load, be it ever so many that get done.
fn is_slow(step: &LoadStep, steps: &[LoadStep], limits: Limits) -> bool {
    let unloaded = steps.first().map_or(0.0, |first| first.took_ms_p99);
    step.took_ms_p95 > limits.timeout_ms * NEAR_TIMEOUT
        || step.took_ms_p99 > most_p99(unloaded, limits)
}

/// How long all but one operation in a hundred may take, by how long they take without load.
fn most_p99(unloaded_ms: f64, limits: Limits) -> f64 {
    let slow = (unloaded_ms * SLOWER).max(ALWAYS_GOOD_P99_MS);
    slow.min(limits.timeout_ms * NEAR_TIMEOUT_P99)
}

/// Whether the goodput has stopped to grow: twice in a row, since once may be chance. One that halves tells it at once.
fn has_knee(steps: &[LoadStep]) -> bool {
    let grows = |place: usize| {
        let before = best(&steps[..place]);
        steps[place].per_second >= before * GROWTH
    };
    let fell = steps
        .last()
        .is_some_and(|last| last.per_second < best(steps) * COLLAPSED);
    let flat = (1..steps.len()).rev().take_while(|place| !grows(*place));
    fell || flat.count() >= 2
}

fn best(steps: &[LoadStep]) -> f64 {
    let goodput = steps.iter().map(|step| step.per_second);
    goodput.fold(0.0, f64::max)
}

/// The knee: the goodput of the lowest load that gets nearly as much done as any at which operations do not take too long. `None` if
/// nothing was served.
pub(super) fn knee(steps: &[LoadStep], limits: Limits) -> Option<Knee> {
    let slow = |step: &LoadStep| is_slow(step, steps, limits);
    let quick = steps.iter().copied().filter(|step| !slow(step));
    let quick: Vec<LoadStep> = quick.filter(|step| step.per_second > 0.0).collect();
    // Where even one user at a time waits too long, no load is quick.
    let told = if quick.is_empty() { steps } else { &quick };
    let best = best(told);
    let first = told.iter().find(|step| step.per_second >= best * NEAR)?;
    (best > 0.0).then_some(Knee {
        per_second: first.per_second,
        at_least: !has_knee(steps) && !steps.last().is_some_and(slow),
    })
}

/// The rate to offer. `None` if the server does not bear even the lowest.
pub(super) fn rate_of(knee: Knee) -> Option<f64> {
    if knee.per_second * MOST_SHARE < LEAST_OFFERED {
        return None;
    }
    Some(rounded(knee.per_second * SHARE))
}

/// A rate below one that was not borne. `None` if that was the lowest.
pub(super) fn less_than(rate: f64) -> Option<f64> {
    (rate > LEAST_OFFERED).then(|| rounded(rate * LESS))
}

/// A number to write down, within the bounds: whole, and from 100 in tens.
fn rounded(rate: f64) -> f64 {
    let unit = if rate < 100.0 { 1.0 } else { 10.0 };
    ((rate / unit).floor() * unit).clamp(LEAST_OFFERED, MOST_OFFERED)
}

/// An open loop at a rate, over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Offered {
    /// Operations that were wanted.
    pub(super) scheduled: u64,
    /// Those of them that left before the window's end.
    pub(super) sent: u64,
    /// Those that were answered correctly.
    pub(super) correct: u64,
    /// The 95th percentile of the time from the wanted moment to the correct reply.
    pub(super) took_ms_p95: f64,
    /// The 99th.
    pub(super) took_ms_p99: f64,
}

/// Whether a rate was borne: nearly all operations left in time and were correct, and none of them waited long.
pub(super) fn is_borne(offered: Offered, unloaded: LoadStep, floor: f64, limits: Limits) -> bool {
    let Offered {
        scheduled,
        sent,
        correct,
        took_ms_p95,
        took_ms_p99,
    } = offered;
    let share = |part: u64| part as f64 / scheduled.max(1) as f64;
    let all = unloaded.failed + unloaded.correct;
    let fails_anyway = unloaded.failed as f64 / all.max(1) as f64;
    let slow = (unloaded.took_ms_p95 * SLOWER).max(ALWAYS_GOOD_MS);
    scheduled > 0
        && share(sent) >= floor
        && share(correct) >= 1.0 - MOST_FAILED - fails_anyway
        && took_ms_p95 <= slow.min(limits.timeout_ms * NEAR_TIMEOUT)
        && took_ms_p99 <= most_p99(unloaded.took_ms_p99, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        clients: 50,
        timeout_ms: 2_000.0,
    };

    fn step(at_once: u32, per_second: f64, took_ms_p95: f64) -> LoadStep {
        LoadStep {
            at_once,
            per_second,
            correct: 50,
            failed: 0,
            took_ms_p95,
            took_ms_p99: took_ms_p95,
        }
    }

    /// Goodput at 1, 2, 4, … operations at a time, of a server that answers in good time.
    fn steps(goodput: &[f64]) -> Vec<LoadStep> {
        let each = goodput.iter().enumerate();
        each.map(|(power, per_second)| step(1 << power, *per_second, 20.0))
            .collect()
    }

    #[test]
    fn the_load_is_raised_until_the_goodput_stops_to_grow() {
        let cases: [(&str, &[f64], Option<u32>); 12] = [
            ("nothing yet", &[], Some(1)),
            ("one worker: once may be chance", &[25.0, 25.0], Some(4)),
            ("one worker: twice is not", &[25.0, 25.0, 24.8], None),
            ("a worker for each core", &[40.0, 79.0], Some(4)),
            ("two cores, all busy", &[40.0, 79.0, 81.0, 80.0], None),
            ("a dip, then growth", &[40.0, 38.0, 79.0], Some(8)),
            ("two dips are the knee", &[40.0, 38.0, 43.0], None),
            ("it collapses at once", &[40.0, 12.0], None),
            ("it bears more than is ever offered", &[900.0], None),
            ("just too little for that", &[399.0], Some(2)),
            ("it fails while it warms up", &[0.0, 30.0], Some(4)),
            (
                "all that users can ask",
                &[3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 150.0],
                None,
            ),
        ];
        for (case, goodput, next) in cases {
            assert_eq!(next_load(&steps(goodput), LIMITS), next, "{case}");
        }
    }

    #[test]
    fn no_more_users_ask_than_there_are_and_none_for_longer_than_half_the_time_out() {
        let few = Limits {
            clients: 3,
            ..LIMITS
        };
        assert_eq!(next_load(&steps(&[10.0, 20.0]), few), Some(3));
        let at_most = [step(2, 20.0, 20.0), step(3, 30.0, 20.0)];
        assert_eq!(next_load(&at_most, few), None);
        let slow = [step(1, 1.0, 1_001.0)];
        assert_eq!(next_load(&slow, LIMITS), None);
        let just = [step(1, 1.0, 999.0)];
        assert_eq!(next_load(&just, LIMITS), Some(2));
    }

    #[test]
    fn the_knee_is_the_lowest_load_that_gets_nearly_as_much_done_as_any() {
        type Case = (&'static str, &'static [f64], Option<(f64, bool)>);
        let cases: [Case; 8] = [
            ("nothing", &[], None),
            ("nothing correct", &[0.0, 0.0], None),
            ("one worker", &[25.0, 25.0, 24.8], Some((25.0, false))),
            ("noise is no knee", &[24.0, 25.5, 25.0], Some((24.0, false))),
            ("two cores", &[40.0, 79.0, 81.0, 80.0], Some((79.0, false))),
            (
                "a lucky step",
                &[40.0, 79.0, 99.0, 80.0, 81.0],
                Some((99.0, false)),
            ),
            ("it collapses", &[60.0, 80.0, 20.0], Some((80.0, false))),
            ("still growing", &[100.0, 199.0, 420.0], Some((420.0, true))),
        ];
        for (case, goodput, wanted) in cases {
            let found = knee(&steps(goodput), LIMITS);
            let found = found.map(|knee| (knee.per_second, knee.at_least));
            assert_eq!(found, wanted, "{case}");
        }
    }

    #[test]
    fn a_load_at_which_one_operation_in_a_hundred_takes_too_long_is_beyond_the_knee() {
        let tail = |at_once, per_second, took_ms_p99| LoadStep {
            took_ms_p99,
            ..step(at_once, per_second, 20.0)
        };
        let steps = |last: f64| {
            [
                step(1, 40.0, 20.0),
                step(2, 80.0, 20.0),
                tail(4, 150.0, last),
            ]
        };
        let of = |steps: &[LoadStep]| {
            let found = knee(steps, LIMITS).map(|knee| (knee.per_second, knee.at_least));
            (found, next_load(steps, LIMITS))
        };
        assert_eq!(of(&steps(500.0)), (Some((150.0, true)), Some(8)));
        assert_eq!(of(&steps(501.0)), (Some((80.0, false)), None));
        // A server that is slow by itself may be ten times as slow, as long as nobody gives up.
        let slow = |last| [step(1, 4.0, 200.0), tail(2, 8.0, last)];
        assert_eq!(of(&slow(1_500.0)), (Some((8.0, true)), Some(4)));
        assert_eq!(of(&slow(1_501.0)), (Some((4.0, false)), None));
        // Where even one user waits too long, that is what there is.
        assert_eq!(of(&[tail(1, 9.0, 1_900.0)]), (Some((9.0, false)), None));
    }

    #[test]
    fn half_of_the_knee_is_offered_within_bounds_as_a_number_to_write_down() {
        let cases = [
            (74.9, Some(37.0)),
            (25.0, Some(12.0)),
            (199.0, Some(99.0)),
            (219.0, Some(100.0)),
            (239.0, Some(110.0)),
            (399.0, Some(190.0)),
            (400.0, Some(200.0)),
            (90_000.0, Some(200.0)),
            (9.0, Some(5.0)),
            (7.5, Some(5.0)),
            (7.4, None),
            (0.0, None),
        ];
        for (per_second, rate) in cases {
            let knee = Knee {
                per_second,
                at_least: false,
            };
            assert_eq!(rate_of(knee), rate, "{per_second}");
        }
    }

    #[test]
    fn a_rate_that_is_not_borne_is_lowered_to_the_least_and_no_further() {
        let mut rates = vec![200.0];
        while let Some(less) = less_than(rates[rates.len() - 1]) {
            rates.push(less);
        }
        let wanted = [
            200.0, 140.0, 98.0, 68.0, 47.0, 32.0, 22.0, 15.0, 10.0, 7.0, 5.0,
        ];
        assert_eq!(rates, wanted);
    }

    #[test]
    fn a_rate_is_borne_if_nearly_all_left_in_time_were_correct_and_quick() {
        let good = Offered {
            scheduled: 100,
            sent: 100,
            correct: 100,
            took_ms_p95: 30.0,
            took_ms_p99: 40.0,
        };
        let unloaded = step(1, 25.0, 20.0);
        let flaky = LoadStep {
            correct: 40,
            failed: 10,
            ..unloaded
        };
        let slow = step(1, 2.0, 400.0);
        let cases = [
            ("all is well", good, unloaded, true),
            (
                "just at the floor",
                Offered { sent: 90, ..good },
                unloaded,
                true,
            ),
            (
                "below the floor",
                Offered { sent: 89, ..good },
                unloaded,
                false,
            ),
            (
                "some fail",
                Offered {
                    correct: 94,
                    ..good
                },
                unloaded,
                false,
            ),
            (
                "few fail",
                Offered {
                    correct: 95,
                    ..good
                },
                unloaded,
                true,
            ),
            (
                "as many as always",
                Offered {
                    correct: 76,
                    ..good
                },
                flaky,
                true,
            ),
            (
                "more than always",
                Offered {
                    correct: 74,
                    ..good
                },
                flaky,
                false,
            ),
            (
                "ten times as slow",
                Offered {
                    took_ms_p95: 200.0,
                    ..good
                },
                unloaded,
                true,
            ),
            (
                "slower than that",
                Offered {
                    took_ms_p95: 201.0,
                    ..good
                },
                unloaded,
                false,
            ),
            (
                "one in a hundred much slower",
                Offered {
                    took_ms_p99: 501.0,
                    ..good
                },
                unloaded,
                false,
            ),
            (
                "one in a hundred as after a pause of the machine",
                Offered {
                    took_ms_p99: 500.0,
                    ..good
                },
                unloaded,
                true,
            ),
            (
                "near the time-out",
                Offered {
                    took_ms_p95: 1_001.0,
                    ..good
                },
                slow,
                false,
            ),
            (
                "nothing was wanted",
                Offered {
                    scheduled: 0,
                    sent: 0,
                    correct: 0,
                    ..good
                },
                unloaded,
                false,
            ),
        ];
        for (case, offered, unloaded, wanted) in cases {
            assert_eq!(is_borne(offered, unloaded, 0.9, LIMITS), wanted, "{case}");
        }
    }
}
