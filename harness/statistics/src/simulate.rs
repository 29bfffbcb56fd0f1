//! How often the intervals and gates here are right, by simulation: the tables of METHOD.md §4.
//!
//! Everything follows from one seed. Called by `cargo xtask statistics` and by the tests, never by a run.

use std::fmt::Write;

use super::change::{above, drawn, farthest, p_value};
use super::random::Uniform;
use super::{
    CHANGE_NEEDS, Interval, Part, fisher_excess, hodges_lehmann, median, median_interval,
    rate_difference, rate_interval,
};

/// What everything is drawn from.
const SEED: u64 = 14;

/// How many runs each figure is the share of: its standard error is at most 0.5 points.
pub const RUNS: u32 = 10_000;

/// A standard error of 1.1 points, for tests that are not optimized.
pub const FEW_RUNS: u32 = 2_000;

/// The numbers of trials that are shown; the default is 6.
const SIZES: [usize; 9] = [3, 4, 5, 6, 8, 10, 12, 20, 30];

/// Operations of a trial, at least, and at most as many more.
const WHOLE: u64 = 300;

/// At what chance of a wrong excess an arm with a loss is broken against one without (METHOD.md §5).
const LEVEL: f64 = 0.05;

/// How the rate of failures differs from trial to trial.
#[derive(Clone, Copy, Debug)]
pub enum Rates {
    /// By a beta distribution.
    Beta(f64, f64),
    /// One of two values, the first in this share of trials.
    Either(f64, [f64; 2]),
    /// None in this share of trials, in all others by a beta distribution.
    NoneOr(f64, [f64; 2]),
    /// By a lognormal distribution with this median and deviation of its logarithm.
    Lognormal(f64, f64),
}

/// The rates that intervals are tried with, from tame to wild.
pub const RATES: [Rates; 8] = [
    Rates::Beta(4.0, 36.0),
    Rates::Beta(1.0, 9.0),
    Rates::Beta(0.5, 4.5),
    Rates::Beta(0.3, 0.7),
    Rates::Lognormal(0.03, 0.8),
    Rates::NoneOr(0.3, [1.0, 9.0]),
    Rates::NoneOr(0.6, [2.0, 18.0]),
    Rates::Either(0.5, [0.01, 0.2]),
];

/// A mode in three of ten crashes: six trials miss it altogether in 12 % of runs.
pub const HIDDEN: Rates = Rates::Either(0.7, [0.01, 0.3]);

impl Rates {
    fn name(self) -> String {
        match self {
            Self::Beta(a, b) => format!("beta({a}, {b}), mean {:.0} %", 100.0 * self.mean()),
            Self::Either(share, [low, high]) => format!(
                "{} % in {:.0} % of trials, {} % in the others",
                100.0 * low,
                100.0 * share,
                100.0 * high
            ),
            Self::NoneOr(share, [a, b]) => {
                format!(
                    "none in {:.0} % of trials, else beta({a}, {b})",
                    100.0 * share
                )
            }
            Self::Lognormal(median, sigma) => {
                format!("lognormal, median {:.0} %, σ {sigma}", 100.0 * median)
            }
        }
    }

    fn mean(self) -> f64 {
        match self {
            Self::Beta(a, b) => a / (a + b),
            Self::Either(share, [low, high]) => share * low + (1.0 - share) * high,
            Self::NoneOr(share, [a, b]) => (1.0 - share) * a / (a + b),
            Self::Lognormal(median, sigma) => median * (sigma * sigma / 2.0).exp(),
        }
    }

    fn draw(self, random: &mut Uniform) -> f64 {
        match self {
            Self::Beta(a, b) => beta(random, a, b),
            Self::Either(share, [low, high]) => {
                if random.open_unit() < share {
                    low
                } else {
                    high
                }
            }
            Self::NoneOr(share, [a, b]) => {
                if random.open_unit() < share {
                    0.0
                } else {
                    beta(random, a, b)
                }
            }
            Self::Lognormal(median, sigma) => (median * (sigma * normal(random)).exp()).min(1.0),
        }
    }

    /// The trials of a run.
    fn trials(self, n: usize, random: &mut Uniform) -> Vec<Part> {
        (0..n)
            .map(|_| {
                let rate = self.draw(random);
                let whole = (WHOLE + random.below(WHOLE)) as f64;
                Part {
                    part: binomial(random, whole, rate),
                    whole,
                }
            })
            .collect()
    }
}

fn normal(random: &mut Uniform) -> f64 {
    let angle = std::f64::consts::TAU * random.open_unit();
    (-2.0 * random.open_unit().ln()).sqrt() * angle.cos()
}

/// G. Marsaglia & W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM Transactions on
/// Mathematical Software 26 (2000) 363–372.
fn gamma(random: &mut Uniform, shape: f64) -> f64 {
    if shape < 1.0 {
        return gamma(random, shape + 1.0) * random.open_unit().powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.open_unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

fn beta(random: &mut Uniform, a: f64, b: f64) -> f64 {
    let (x, y) = (gamma(random, a), gamma(random, b));
    if x + y > 0.0 { x / (x + y) } else { 0.5 }
}

/// How many of `whole` operations fail. Where many do, by the normal distribution, which is as good there.
fn binomial(random: &mut Uniform, whole: f64, rate: f64) -> f64 {
    let mean = whole * rate;
    if rate <= 0.0 {
        return 0.0;
    }
    if mean > 20.0 && whole - mean > 20.0 {
        let drawn = mean + (mean * (1.0 - rate)).sqrt() * normal(random);
        return drawn.round().clamp(0.0, whole);
    }
    (0..whole as u64)
        .filter(|_| random.open_unit() < rate)
        .count() as f64
}

/// Of how many of the runs something is true.
fn share(runs: u32, mut is_so: impl FnMut() -> bool) -> f64 {
    let hits = (0..runs).filter(|_| is_so()).count();
    hits as f64 / f64::from(runs)
}

/// How often the interval of a rate holds the true rate; `None` where so few trials have no interval.
pub fn rate_coverage(rates: Rates, n: usize, runs: u32) -> Option<f64> {
    let mut random = Uniform::new(SEED);
    let mean = rates.mean();
    rate_interval(&rates.trials(n, &mut random))?;
    Some(share(runs, || {
        rate_interval(&rates.trials(n, &mut random)).is_some_and(|found| found.contains(mean))
    }))
}

/// What a gate on the rate says whose bound is so many times the true rate: how often it holds, how often it
/// is broken.
pub fn rate_gate(rates: Rates, n: usize, bound: f64, runs: u32) -> Option<[f64; 2]> {
    let mean = rates.mean() * bound;
    let share_that = |asked: fn(Interval, f64) -> bool| {
        let mut random = Uniform::new(SEED);
        rate_interval(&rates.trials(n, &mut random))?;
        Some(share(runs, || {
            rate_interval(&rates.trials(n, &mut random)).is_some_and(|found| asked(found, mean))
        }))
    };
    Some([
        share_that(|found, bound| found.high <= bound)?,
        share_that(|found, bound| found.low > bound)?,
    ])
}

/// How often two arms with the same rates have an interval of their difference that holds zero.
pub fn difference_coverage(rates: Rates, n: usize, runs: u32) -> Option<f64> {
    let mut random = Uniform::new(SEED);
    let mut draw = || {
        let arms = [(); 2].map(|()| rates.trials(n, &mut random));
        rate_difference(&arms[0], &arms[1])
    };
    draw()?;
    Some(share(runs, || {
        draw().is_some_and(|found| found.contains(0.0))
    }))
}

/// A time that is seldom long: the lognormal distribution, whose median is 1.
fn time(random: &mut Uniform) -> f64 {
    (0.5 * normal(random)).exp()
}

/// How often the interval of a time's median holds it.
pub fn median_coverage(n: usize, runs: u32) -> Option<f64> {
    let mut random = Uniform::new(SEED);
    let mut draw = || {
        let times: Vec<f64> = (0..n).map(|_| time(&mut random)).collect();
        median_interval(&times)
    };
    draw()?;
    Some(share(runs, || {
        draw().is_some_and(|found| found.contains(1.0))
    }))
}

/// How often the interval of a shift holds it, which is none: the same server twice.
pub fn shift_coverage(n: usize, runs: u32) -> Option<f64> {
    let mut random = Uniform::new(SEED);
    let mut draw = || {
        let arms = [(); 2].map(|()| (0..n).map(|_| time(&mut random)).collect::<Vec<_>>());
        hodges_lehmann(&arms[0], &arms[1])
    };
    draw()?;
    Some(share(runs, || {
        draw().is_some_and(|shift| shift.low <= 0.0 && 0.0 <= shift.high)
    }))
}

/// The trials of a run, in what is simulated of many runs: the default.
const TRIALS: usize = 6;

/// Of so many runs whose medians rise by this in the middle: how often a change is told, and how often its interval then holds the rise.
/// `None` where so few runs tell none; the second also where no change was told.
pub fn change_told(n: usize, rise: f64, runs: u32) -> Option<[Option<f64>; 2]> {
    if n < CHANGE_NEEDS {
        return None;
    }
    let mut random = Uniform::new(SEED);
    let mut draw = || -> Vec<f64> {
        let run = |place: usize| {
            let times: Vec<f64> = (0..TRIALS).map(|_| time(&mut random)).collect();
            median(&times).unwrap_or_default() + f64::from(u8::from(place >= n / 2)) * rise
        };
        (0..n).map(run).collect()
    };
    // No two medians are the same, so that the orders of all rows are those of one.
    let orders = drawn(above(&draw()));
    let (mut told, mut held) = (0_u32, 0_u32);
    for _ in 0..runs {
        let medians = draw();
        let (at, seen) = farthest(&above(&medians));
        if p_value(seen, &orders) > LEVEL {
            continue;
        }
        told += 1;
        let (before, after) = medians.split_at(at);
        let shift = hodges_lehmann(after, before);
        held += u32::from(shift.is_some_and(|shift| shift.low <= rise && rise <= shift.high));
    }
    let share = |part: u32, all: u32| (all > 0).then(|| f64::from(part) / f64::from(all));
    Some([share(told, runs), share(held, told)])
}

/// How often an arm is called worse than one without a loss, though a crash of both loses sessions as seldom as
/// this: by the exact test, and if one counterexample were enough.
pub fn rare_loss_alarms(chance: f64, n: usize, runs: u32) -> [f64; 2] {
    let with_a_loss =
        |random: &mut Uniform| (0..n).filter(|_| random.open_unit() < chance).count() as u64;
    let of = n as u64;
    let alarms = |asked: fn(u64, u64) -> bool| {
        let mut random = Uniform::new(SEED);
        share(runs, || {
            let (new, base) = (with_a_loss(&mut random), with_a_loss(&mut random));
            new > 0 && base == 0 && asked(new, of)
        })
    };
    [
        alarms(|new, of| fisher_excess((new, of), (0, of)) <= LEVEL),
        alarms(|_, _| true),
    ]
}

/// All tables as Markdown.
pub fn tables(runs: u32) -> String {
    let mut out = String::new();
    let percent = |share: Option<f64>| match share {
        None => "–".to_owned(),
        Some(share) => format!("{:.1}", 100.0 * share),
    };
    // Writing to a string cannot fail.
    let mut table = |title: &str, rows: Vec<(String, Vec<Option<f64>>)>, sizes: &[usize]| {
        let heads: Vec<String> = sizes.iter().map(|n| format!("n = {n}")).collect();
        let _ = writeln!(out, "| {title} | {} |", heads.join(" | "));
        let _ = writeln!(out, "|---{}|", "|--:".repeat(sizes.len()));
        for (name, cells) in rows {
            let cells: Vec<String> = cells.into_iter().map(percent).collect();
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
        out.push('\n');
    };
    let over = |f: &dyn Fn(usize) -> Option<f64>| SIZES.iter().map(|n| f(*n)).collect::<Vec<_>>();
    let all = || RATES.into_iter().chain([HIDDEN]);
    let rates = all().map(|rates| (rates.name(), over(&|n| rate_coverage(rates, n, runs))));
    table(
        "a rate's interval holds the truth, %",
        rates.collect(),
        &SIZES,
    );
    let differences =
        all().map(|rates| (rates.name(), over(&|n| difference_coverage(rates, n, runs))));
    table(
        "a difference of rates holds the truth, %",
        differences.collect(),
        &SIZES,
    );
    table(
        "a time's interval holds the truth, %",
        vec![
            ("median".to_owned(), over(&|n| median_coverage(n, runs))),
            (
                "shift, the same server twice".to_owned(),
                over(&|n| shift_coverage(n, runs)),
            ),
        ],
        &SIZES,
    );
    let asked = Rates::Beta(1.0, 9.0);
    let gate =
        |bound, what: usize| over(&|n| rate_gate(asked, n, bound, runs).map(|shares| shares[what]));
    table(
        "a gate on a rate of beta(1, 9), %",
        vec![
            ("the rate is its bound: broken".to_owned(), gate(1.0, 1)),
            ("the rate is its bound: holds".to_owned(), gate(1.0, 0)),
            (
                "the rate is twice its bound: holds".to_owned(),
                gate(0.5, 0),
            ),
            ("the rate is half its bound: holds".to_owned(), gate(2.0, 0)),
            (
                "the rate is half its bound: broken".to_owned(),
                gate(2.0, 1),
            ),
        ],
        &SIZES,
    );
    let alarms = [0.02, 0.05, 0.1, 0.2, 0.5].map(|chance| {
        let name = format!("{:.0} % of crashes lose sessions", 100.0 * chance);
        (name, over(&|n| Some(rare_loss_alarms(chance, n, runs)[0])))
    });
    table(
        "the same server twice, none lost in the first: called worse, %",
        alarms.into(),
        &SIZES,
    );
    let change = |rise: f64, what: usize| over(&|n| change_told(n, rise, runs)?[what]);
    table(
        "a change over n runs of six trials each, %",
        vec![
            ("no change: one is told".to_owned(), change(0.0, 0)),
            (
                "a rise by half in the middle: told".to_owned(),
                change(0.5, 0),
            ),
            (
                "a rise by half, where it is told: its interval holds it".to_owned(),
                change(0.5, 1),
            ),
            (
                "twice as much in the middle: told".to_owned(),
                change(1.0, 0),
            ),
            (
                "twice as much, where it is told: its interval holds it".to_owned(),
                change(1.0, 1),
            ),
        ],
        &SIZES,
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CONFIDENCE, RATE_DIFFERENCE_NEEDS, RATE_NEEDS, Shift, holm, median_excess};

    /// Three standard errors of 2,000 runs at 93 %.
    const NOISE: f64 = 0.017;

    #[test]
    fn a_rates_interval_holds_what_it_says_from_the_default_number_of_trials_on() {
        for rates in RATES {
            for n in [RATE_NEEDS, 10, 20] {
                let coverage = rate_coverage(rates, n, FEW_RUNS).unwrap();
                assert!(coverage > 0.93 - NOISE, "{rates:?}, {n}: {coverage}");
            }
        }
        assert_eq!(rate_coverage(RATES[0], RATE_NEEDS - 1, FEW_RUNS), None);
    }

    #[test]
    fn a_difference_of_rates_holds_what_it_says_from_the_fewest_trials_on() {
        for rates in RATES.into_iter().chain([HIDDEN]) {
            for n in [RATE_DIFFERENCE_NEEDS, 6, 10, 20] {
                let coverage = difference_coverage(rates, n, FEW_RUNS).unwrap();
                assert!(coverage > 0.93 - NOISE, "{rates:?}, {n}: {coverage}");
            }
        }
    }

    #[test]
    fn a_rate_beyond_its_bound_passes_and_one_within_it_fails_as_seldom_as_it_says() {
        let rates = Rates::Beta(1.0, 9.0);
        let [passes, fails] = rate_gate(rates, RATE_NEEDS, 1.0, FEW_RUNS).unwrap();
        assert!(passes < 0.07 && fails < 0.025 + NOISE, "{passes}, {fails}");
        let [passes, _] = rate_gate(rates, RATE_NEEDS, 0.5, FEW_RUNS).unwrap();
        assert!(passes < 0.01, "{passes}");
    }

    #[test]
    fn a_rare_loss_is_no_alarm_against_the_same_server() {
        for chance in [0.02, 0.05, 0.1, 0.2, 0.5] {
            for n in [3, 6, 10, 20] {
                let [exact, _] = rare_loss_alarms(chance, n, FEW_RUNS);
                assert!(exact <= 0.05, "{chance}, {n}: {exact}");
            }
        }
        // What one counterexample against a baseline without any would come to.
        let [_, one] = rare_loss_alarms(0.1, 6, FEW_RUNS);
        assert!(one > 0.2, "{one}");
    }

    #[test]
    fn a_family_of_gates_raises_a_false_alarm_in_at_most_one_of_twenty_runs() {
        for (name, times) in &TIMES[..3] {
            for gates in [2, 6, 20] {
                for n in [6, 10] {
                    let [alone, together] = family_alarms(*times, gates, n, FEW_RUNS).unwrap();
                    assert!(together <= 0.05 + NOISE, "{name}, {gates}, {n}: {together}");
                    assert!(together <= alone);
                }
            }
        }
    }

    #[test]
    fn the_smallest_change_that_is_told_is_seen_in_about_four_of_five_runs() {
        for n in [6, 10, 20] {
            for share in shown(n, FEW_RUNS) {
                let share = share.unwrap();
                assert!((0.7..0.95).contains(&share), "{n}: {share}");
            }
        }
    }

    /// Draws a time of a trial.
    type Draw = fn(&mut Uniform) -> f64;

    /// How times lie around their median, 0, from trial to trial.
    const TIMES: [(&str, Draw); 4] = [
        ("lognormal, σ 0.5", |random| time(random) - 1.0),
        ("exponential", |random| {
            -random.open_unit().ln() - std::f64::consts::LN_2
        }),
        ("uniform", |random| random.open_unit() - 0.5),
        ("two modes (arcsine)", |random| {
            (std::f64::consts::PI * (random.open_unit() - 0.5)).sin()
        }),
    ];

    /// How often any of several gates breaks if all medians lie just at their bounds: each gate judged alone, and all together
    /// by Holm's method.
    fn family_alarms(times: Draw, gates: usize, n: usize, runs: u32) -> Option<[f64; 2]> {
        median_interval(&vec![0.0; n])?;
        let mut random = Uniform::new(SEED);
        let mut alone = 0;
        let together = share(runs, || {
            let chances: Vec<f64> = (0..gates)
                .map(|_| {
                    let trials: Vec<f64> = (0..n).map(|_| times(&mut random)).collect();
                    let is_broken = median_interval(&trials).is_some_and(|found| found.low > 0.0);
                    match is_broken {
                        true => median_excess(&trials, 0.0).min(LEVEL / 2.0),
                        false => 1.0,
                    }
                })
                .collect();
            alone += u32::from(chances.iter().any(|chance| *chance < 1.0));
            holm(&chances).iter().any(|chance| *chance <= LEVEL)
        });
        Some([f64::from(alone) / f64::from(runs), together])
    }

    /// How often a run shows a shift, and a median beyond a bound, that is just as large as another run of the same server
    /// says that it would have shown.
    fn shown(n: usize, runs: u32) -> [Option<f64>; 2] {
        let times = |random: &mut Uniform| (0..n).map(|_| time(random)).collect::<Vec<f64>>();
        let detectable = |low: f64, high: f64| {
            Shift {
                estimate: None,
                low,
                high,
                confidence: CONFIDENCE,
            }
            .detectable()
        };
        let moved = |times: Vec<f64>, by: f64| times.into_iter().map(|time| time + by).collect();
        let mut random = Uniform::new(SEED);
        let mut of_shift = || {
            let said = hodges_lehmann(&times(&mut random), &times(&mut random))?;
            let by = detectable(said.low, said.high)?;
            let new: Vec<f64> = moved(times(&mut random), by);
            Some(hodges_lehmann(&new, &times(&mut random))?.low > 0.0)
        };
        let shift = of_shift().map(|_| share(runs, || of_shift() == Some(true)));
        let mut random = Uniform::new(SEED);
        let mut of_median = || {
            let said = median_interval(&times(&mut random))?;
            let new: Vec<f64> = moved(times(&mut random), detectable(said.low, said.high)?);
            Some(median_interval(&new)?.low > 1.0)
        };
        let median = of_median().map(|_| share(runs, || of_median() == Some(true)));
        [shift, median]
    }

    #[test]
    fn without_a_change_one_is_told_as_seldom_as_it_says() {
        for n in [8, 12, 20] {
            let [told, _] = change_told(n, 0.0, FEW_RUNS).unwrap();
            assert!(
                told.is_some_and(|told| told <= LEVEL + NOISE),
                "{n}: {told:?}"
            );
        }
        let [told, held] = change_told(12, 1.0, FEW_RUNS).unwrap();
        assert!(told.is_some_and(|told| told > 0.9), "{told:?}");
        assert!(held.is_some_and(|held| held > 0.85), "{held:?}");
    }

    /// Takes a minute unless optimized. So this package always is (`Cargo.toml`).
    #[test]
    fn the_page_shows_what_is_simulated() {
        let page = include_str!("../../docs/METHOD.md");
        for line in tables(RUNS).lines() {
            assert!(
                page.contains(line),
                "run `cargo xtask statistics --write`: {line}"
            );
        }
    }
}
