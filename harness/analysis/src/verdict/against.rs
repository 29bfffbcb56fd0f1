//! Whether an arm is no worse than its baseline, as METHOD.md §5 says: of times and latencies the interval
//! of the Hodges–Lehmann shift is asked, of rates and counts that of the difference between pooled shares. Of
//! what the baseline never had it is asked how likely chance alone would put it into trials of this arm only.

use comeback_model::gate::{Allowance, Count, Metric, Unit};
use comeback_statistics::{self as statistics, RATE_DIFFERENCE_NEEDS as NEEDS};

use super::contrast::{self, Sizes, allowance_over, found, unmet};
use super::figure::{Estimate, Missing, pooled, shrinkage, undecided, whole_trials};
use super::samples::{
    Base, GateState, REMEASURE, Samples, filled, no_samples, nothing_counted, shards_of, shares,
    show, strata, undecided_journeys, without_answers,
};
use super::values::{Share, undecided_of};
use crate::measure::{ArmAnalysis, Tally};

/// Beyond so many trials of an arm nobody looks for a shift's interval, or for a rare loss.
const MOST_FOR_A_SHIFT: usize = 100;

/// At most so often is an arm called worse for what its baseline happened not to have.
const ALARM: f64 = 1.0 - statistics::CONFIDENCE;

pub(crate) fn judge_against(
    metric: Metric,
    allowance: Allowance,
    arm: &ArmAnalysis,
    base: Base<'_>,
) -> GateState {
    let compared = Compared {
        unit: metric.unit(),
        allowance,
        stored: base.stored,
        mirrored: metric.is_better_when_more(),
    };
    match metric {
        Metric::ErrorRate(_)
        | Metric::Served(_)
        | Metric::Count(Count::InFlightFailed | Count::DrainFailed)
            if !base.stored && shards_of(arm).union(&shards_of(base.arm)).count() > 1 =>
        {
            GateState::Unknown(Missing::for_good(
                "rates of arms are compared on one machine alone, and this run was split over several: run it without --shard",
            ))
        }
        Metric::Count(count) => compared.judge_count(count, arm, base.arm),
        Metric::ErrorRate(_) => {
            compared.judge_shares(&shares(metric, arm), &shares(metric, base.arm))
        }
        // Less is worse: what is missing is compared.
        Metric::Served(served) => {
            match undecided_of(served, arm) + undecided_of(served, base.arm) {
                0 => compared.judge_shares(
                    &unmet(&shares(metric, arm)),
                    &unmet(&shares(metric, base.arm)),
                ),
                undecided => GateState::Unknown(undecided_journeys(undecided)),
            }
        }
        Metric::Latency(_, _) | Metric::Time(_, _) => {
            compared.judge_shift(&strata(metric, arm, base))
        }
    }
}

/// How an arm is compared with its baseline.
#[derive(Clone, Copy)]
struct Compared {
    unit: Unit,
    allowance: Allowance,
    /// Further trials are none of the baseline's.
    stored: bool,
    /// What is compared is what lacks to a whole; people are shown what there is.
    mirrored: bool,
}

impl Compared {
    /// The samples of each stratum compare with each other alone.
    fn judge_shift(self, strata: &[[Samples; 2]]) -> GateState {
        let [new, base] = [0, 1].map(|side| {
            let all = strata.iter().flat_map(|stratum| &stratum[side]);
            all.copied().collect::<Samples>()
        });
        let (new, base) = (new.as_slice(), base.as_slice());
        let empty = |samples: &[Option<f64>]| samples.iter().all(Option::is_none);
        if empty(new) {
            return no_samples(self.unit);
        }
        if empty(base) {
            return not_there();
        }
        let sizes = Sizes {
            new: new.len(),
            base: base.len(),
        };
        let Some(figure) = contrast::of_strata(strata) else {
            return GateState::Unknown(match strata.len() {
                1 => self.too_few_for_a_shift(sizes),
                shards => Missing::for_good(format!(
                    "a shift's interval cannot be had from {} trials against {}, compared within {shards} shards: raise --trials",
                    sizes.new, sizes.base
                )),
            });
        };
        let medians = [new, base].map(|samples| {
            let median = statistics::median(&filled(samples, f64::INFINITY));
            median.map_or_else(String::new, |median| self.unit.show(median))
        });
        let allowed = allowance_over(self.allowance, strata);
        self.judge_difference(figure, allowed, &medians, sizes)
    }

    fn judge_shares(self, new: &[Share], base: &[Share]) -> GateState {
        if new.is_empty() {
            return no_samples(self.unit);
        }
        if base.is_empty() {
            return not_there();
        }
        let sizes = Sizes {
            new: new.len(),
            base: base.len(),
        };
        if let Some(few) = self.too_few_for_a_rate(sizes) {
            return GateState::Unknown(few);
        }
        let figure = contrast::of_shares(new, base);
        let [of_new, of_base] =
            [new, base].map(|shares| pooled(&shares.iter().collect::<Vec<_>>()));
        let shown = [of_new, of_base]
            .map(|share| Unit::Share.show(if self.mirrored { 1.0 - share } else { share }));
        let allowed = self.allowance.absolute;
        self.judge_difference(figure, (allowed, allowed), &shown, sizes)
    }

    /// A count is compared by its share of what there was to count; what the baseline never did, by the trials
    /// in which it happened.
    fn judge_count(self, count: Count, arm: &ArmAnalysis, base: &ArmAnalysis) -> GateState {
        let (new, old) = (Tally::of(count, arm), Tally::of(count, base));
        if new.out_of == 0 && new.found_anywhere() == 0 {
            return nothing_counted(count, arm);
        }
        if old.out_of == 0 {
            return not_there();
        }
        if new.most == 0 && new.aside.0 == 0 {
            return GateState::Holds;
        }
        let counted = new.show(count);
        if new.found_anywhere() == 0 {
            return GateState::Unknown(without_answers(count, &counted, new));
        }
        if old.most == 0 && old.aside.0 == 0 && self.allowance.absolute == 0.0 {
            return self.judge_first_seen(count, arm, base, &counted);
        }
        if new.aside.0 > 0 || old.aside.0 > 0 {
            let why = format!("{counted}: no rate can be compared before all trials count");
            return GateState::Unknown(Missing::for_good(why));
        }
        if new.most == u64::MAX || old.most == u64::MAX {
            let open = if new.most == u64::MAX { new } else { old };
            return GateState::Unknown(without_answers(count, &counted, open));
        }
        self.judge_count_shares(count, arm, base)
    }

    /// One that the baseline never had is a counterexample to "never", and none to "no more often": a loss in one
    /// crash of ten is seen in one arm only in a quarter of runs of six trials.
    fn judge_first_seen(
        self,
        count: Count,
        arm: &ArmAnalysis,
        base: &ArmAnalysis,
        counted: &str,
    ) -> GateState {
        let (with, of) = Tally::crashes(count, arm);
        let (_, of_base) = Tally::crashes(count, base);
        let by_chance = statistics::fisher_excess((with, of), (0, of_base));
        let said = format!(
            "{counted}, in {with} of {of} crashes, and in none of {of_base} of the baseline"
        );
        if by_chance <= ALARM {
            return GateState::Broken(said);
        }
        GateState::Unknown(self.too_rare(&said, by_chance, (with, of), of_base))
    }

    fn judge_count_shares(self, count: Count, arm: &ArmAnalysis, base: &ArmAnalysis) -> GateState {
        let sizes = contrast::sizes_of_count(count, arm, base);
        if let Some(few) = self.too_few_for_a_rate(sizes) {
            return GateState::Unknown(few);
        }
        let figure = contrast::of_count(count, arm, base);
        let [of_new, of_base] =
            [arm, base].map(|arm| pooled(&found(count, arm).iter().collect::<Vec<_>>()));
        let shown = [of_new, of_base].map(|share| Unit::Share.show(share));
        let allowed = self.allowance.absolute;
        Self {
            unit: Unit::Share,
            ..self
        }
        .judge_difference(figure, (allowed, allowed), &shown, sizes)
    }

    /// Holds when no part of the interval exceeds what is allowed, is broken when all of it does.
    fn judge_difference(
        self,
        figure: Estimate,
        (to_hold, to_break): (f64, f64),
        [of_new, of_base]: &[String; 2],
        sizes: Sizes,
    ) -> GateState {
        let said = || self.said(figure, of_new, of_base);
        if figure.low > to_break {
            let allowed = self.show_allowed(to_break);
            return GateState::Broken(format!("{}, where {allowed} is allowed", said()));
        }
        if figure.high <= to_hold {
            return GateState::Holds;
        }
        GateState::Unknown(self.straddles(&said(), figure, to_hold, sizes))
    }

    /// Both figures and what lies between them, as far as it can be said.
    fn said(self, figure: Estimate, of_new: &str, of_base: &str) -> String {
        let both = format!("{of_new} against {of_base} in the baseline");
        if figure.value.is_finite() {
            return format!("{both}, a difference of {}", self.show_difference(figure));
        }
        match figure.low.is_finite() {
            true => format!("{both}, at least {}", self.unit.show_difference(figure.low)),
            false => both,
        }
    }

    fn show_difference(self, figure: Estimate) -> String {
        let Estimate { value, low, high } = figure;
        let figure = if self.mirrored {
            Estimate {
                value: -value,
                low: -high,
                high: -low,
            }
        } else {
            figure
        };
        show(figure, |value| self.unit.show_difference(value))
    }

    fn show_allowed(self, allowed: f64) -> String {
        self.unit
            .show_difference(if self.mirrored { -allowed } else { allowed })
    }

    fn straddles(self, said: &str, figure: Estimate, allowed: f64, sizes: Sizes) -> Missing {
        let bound = format!("the allowed {}", self.show_allowed(allowed));
        let Sizes { new, base } = sizes;
        if figure.value.is_nan() {
            return Missing::for_good(format!(
                "{said}: both lie beyond what was waited for, and how far nobody knows"
            ));
        }
        let Some(factor) = shrinkage(figure, allowed) else {
            return undecided(said, &bound, "trials", None, new);
        };
        if !self.stored {
            let estimate = whole_trials(new as f64 * factor * factor, new);
            return undecided(said, &bound, "trials of each arm", estimate, new);
        }
        // The interval narrows with √(1/m + 1/n), and n stays.
        let (of_new, of_base) = (1.0 / new as f64, 1.0 / base as f64);
        let left = (of_new + of_base) / (factor * factor) - of_base;
        if left <= 0.0 {
            return Missing::for_good(format!(
                "{said} lies on both sides of {bound}; the baseline's {base} trials are too few to tell, \
                 whatever is added here: {REMEASURE}"
            ));
        }
        undecided(said, &bound, "trials", whole_trials(1.0 / left, new), new)
    }

    fn too_few_for_a_shift(self, sizes: Sizes) -> Missing {
        let Sizes { new, base } = sizes;
        let more = (1..MOST_FOR_A_SHIFT).find(|more| {
            let base = if self.stored { base } else { base + more };
            statistics::has_shift_interval(new + more, base)
        });
        let why = format!("a shift's interval cannot be had from {new} trials against {base}");
        match more {
            Some(more) => Missing {
                why: format!("{why}; it needs {} here", new + more),
                more_trials: Some(more as u32),
            },
            None => Missing::for_good(format!("{why} of the baseline: {REMEASURE}")),
        }
    }

    /// That so few trials do not tell a new loss from one that the baseline has as seldom, and how many would if it
    /// goes on as it was.
    fn too_rare(self, said: &str, by_chance: f64, (with, of): (u64, u64), of_base: u64) -> Missing {
        let more = (1..MOST_FOR_A_SHIFT as u64).find(|more| {
            let (all, base) = (
                of + more,
                if self.stored { of_base } else { of_base + more },
            );
            statistics::fisher_excess(((with * all) / of.max(1), all), (0, base)) <= ALARM
        });
        let why = format!(
            "{said}: the same server shows that in {:.0} % of runs",
            100.0 * by_chance
        );
        Missing {
            why: match more {
                Some(more) => format!("{why}; {} crashes would tell, if it goes on so", of + more),
                None => format!("{why}; ask for == 0 where one is too many"),
            },
            more_trials: more.map(|more| more as u32),
        }
    }

    fn too_few_for_a_rate(self, sizes: Sizes) -> Option<Missing> {
        let Sizes { new, base } = sizes;
        if new.min(base) >= NEEDS {
            return None;
        }
        if self.stored && base < NEEDS {
            return Some(Missing::for_good(format!(
                "a difference of rates needs {NEEDS} trials of each, and the baseline has {base}: {REMEASURE}"
            )));
        }
        let what = "a difference of rates";
        Some(Missing::too_few(what, NEEDS, new.min(base)))
    }
}

fn not_there() -> GateState {
    GateState::Unknown(Missing::for_good(
        "the baseline has no such figure: zero samples",
    ))
}
