//! The smallest plan that still fails: delta debugging over a plan. Pure: [`Runs`] says what a run of a candidate shows.
//!
//! Greedy: parts are removed one after the other, and whatever the failure does not need stays removed. No part is ever made
//! larger. The horizon stays as it is: with a shorter one, a slow recovery would count as none.

use comeback_model::gate::Gate;
use comeback_model::ids::Seed;
use comeback_model::plan::{Calibration, Plan, Workload};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::Span;
use serde::Serialize;

/// What one run of a candidate shows of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is broken.
    Fails,
    /// It holds.
    Holds,
    /// The run cannot say.
    Unknown,
}

/// Runs candidates.
pub(super) trait Runs {
    /// Why no further run is possible.
    type Error;

    /// Runs a plan once.
    fn run(&mut self, plan: &Plan, seed: Seed) -> Result<Shown, Self::Error>;

    /// Whether a valid plan can be run and handed on.
    fn accepts(&self, plan: &Plan) -> bool;

    /// Whether another run may begin.
    fn has_time(&self) -> bool;

    /// Gets each try when it is decided.
    fn note(&mut self, one: &Try) -> Result<(), Self::Error>;
}

/// The failure to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'a> {
    /// The arm that breaks the gate.
    pub(super) arm: &'a str,
    /// The gate.
    pub(super) gate: &'a Gate,
    /// Where the faults of each trial were drawn: the trials whose faults may be what it needs, the likeliest first.
    pub(super) drawn: &'a [PlannedTrial],
}

/// How much evidence a candidate needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How many runs in a row must fail.
    pub(super) confirm: u32,
    /// With how many seeds that is tried before the candidate is rejected.
    pub(super) tries: u32,
}

/// A candidate, and what its runs showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Try {
    /// From 1.
    pub(super) number: u32,
    /// How it differs from the smallest plan before it.
    pub(super) change: String,
    /// Whether it replaces that plan.
    pub(super) still_fails: bool,
    /// Its runs.
    pub(super) runs: u32,
    /// Those that broke the gate.
    pub(super) failed: u32,
    /// Those that could not say.
    pub(super) inconclusive: u32,
    /// Whether the time was up before it was decided.
    pub(super) out_of_time: bool,
}

impl Try {
    /// As a line of progress: `try 4: without fault 2 ('pause'): still fails`.
    pub(super) fn told(&self) -> String {
        let Self {
            number,
            change,
            runs,
            failed,
            inconclusive,
            ..
        } = self;
        let result = if self.still_fails {
            "still fails".to_owned()
        } else if self.out_of_time {
            "not decided, the time is up".to_owned()
        } else if *failed > 0 {
            format!("fails in only {failed} of {runs} runs")
        } else if inconclusive == runs {
            "inconclusive".to_owned()
        } else {
            "does not fail".to_owned()
        };
        format!("try {number}: {change}: {result}")
    }
}

/// What became of a plan.
#[derive(Clone, Debug)]
pub(super) struct Reduced {
    /// The smallest plan that failed in every confirming run.
    pub(super) plan: Plan,
    /// The seed of those runs.
    pub(super) seed: Seed,
    /// Whether the failure came again at all.
    pub(super) came_again: bool,
    /// Whether every removal was tried.
    pub(super) is_complete: bool,
    /// The candidates, in their order.
    pub(super) tries: Vec<Try>,
}

/// Removes from a plan that failed with a seed whatever the failure does not need. The error is that of the runs; what was
/// found before it stands.
pub(super) fn reduce<R: Runs>(
    (plan, seed): (Plan, Seed),
    failure: Failure<'_>,
    effort: Effort,
    runs: &mut R,
) -> (Reduced, Result<(), R::Error>) {
    let mut reduction = Reduction {
        found: Reduced {
            plan,
            seed,
            came_again: false,
            is_complete: true,
            tries: Vec::new(),
        },
        effort,
        runs,
    };
    let ended = reduction.reduce(failure);
    let mut found = reduction.found;
    found.is_complete &= ended.is_ok();
    (found, ended)
}

struct Reduction<'a, R> {
    found: Reduced,
    effort: Effort,
    runs: &'a mut R,
}

impl<R: Runs> Reduction<'_, R> {
    fn reduce(&mut self, failure: Failure<'_>) -> Result<(), R::Error> {
        // Everything later takes as long as the arms and trials that are left.
        if !self.narrow(failure)? {
            return Ok(());
        }
        self.lower(
            |plan| (plan.trials > 1).then(|| with_trials(plan, plan.trials / 2)),
            |plan| format!("trials {}", plan.trials),
        )?;
        self.drop_each(|plan| plan.faults.len(), without_fault)?;
        self.drop_each(|plan| plan.surroundings.len(), without_surrounding)?;
        self.drop_operations()?;
        self.drop_sessions()?;
        self.lower(with_less_rate, |plan| format!("rate {}", plan.load.rate))?;
        self.lower(with_less_settle, |plan| {
            format!("settle {}", plan.windows.settle)
        })?;
        self.lower(with_less_baseline, |plan| {
            format!("baseline {}", plan.windows.baseline)
        })
    }

    /// Keeps the arm and the gate that failed, and one trial; else as much as fails again. Whether anything does.
    fn narrow(&mut self, failure: Failure<'_>) -> Result<bool, R::Error> {
        let whole = self.found.plan.clone();
        let mut candidates = first_candidates(&whole, failure);
        candidates.dedup();
        for candidate in candidates {
            let change = narrowed(&candidate, &whole, failure);
            if self.attempt(candidate, change)? {
                self.found.came_again = true;
                break;
            }
        }
        Ok(self.found.came_again)
    }

    /// Runs a candidate as often as it takes. If it still fails, it is the smallest plan from now on.
    fn attempt(&mut self, candidate: Plan, change: String) -> Result<bool, R::Error> {
        let is_possible = candidate.validate().is_ok() && self.runs.accepts(&candidate);
        if !self.found.is_complete || !is_possible {
            return Ok(false);
        }
        let mut one = Try {
            number: self.found.tries.len() as u32 + 1,
            change,
            still_fails: false,
            runs: 0,
            failed: 0,
            inconclusive: 0,
            out_of_time: false,
        };
        for further in 0..self.effort.tries {
            let seed = Seed(self.found.seed.0.wrapping_add(further.into()));
            if self.fails_each_time(&candidate, seed, &mut one)? {
                one.still_fails = true;
                self.found.plan = candidate;
                self.found.seed = seed;
                break;
            }
            if one.out_of_time {
                self.found.is_complete = false;
                break;
            }
        }
        self.runs.note(&one)?;
        let still_fails = one.still_fails;
        self.found.tries.push(one);
        Ok(still_fails)
    }

    /// Whether as many runs in a row fail as must.
    fn fails_each_time(
        &mut self,
        candidate: &Plan,
        seed: Seed,
        one: &mut Try,
    ) -> Result<bool, R::Error> {
        for _ in 0..self.effort.confirm {
            if !self.runs.has_time() {
                one.out_of_time = true;
                return Ok(false);
            }
            let shown = self.runs.run(candidate, seed)?;
            one.runs += 1;
            match shown {
                Shown::Fails => one.failed += 1,
                Shown::Holds => return Ok(false),
                Shown::Unknown => {
                    one.inconclusive += 1;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Drops each part of a list, until none can be dropped any more: with one gone, another may have become superfluous.
    fn drop_each(
        &mut self,
        count: impl Fn(&Plan) -> usize,
        without: impl Fn(&Plan, usize) -> Option<(Plan, String)>,
    ) -> Result<(), R::Error> {
        let (mut index, mut needed) = (0, 0);
        while needed < count(&self.found.plan) {
            index %= count(&self.found.plan);
            let is_dropped = match without(&self.found.plan, index) {
                Some((candidate, change)) => self.attempt(candidate, change)?,
                None => false,
            };
            if is_dropped {
                needed = 0;
            } else {
                needed += 1;
                index += 1;
            }
        }
        Ok(())
    }

    /// Lowers a figure as long as the failure stays.
    fn lower(
        &mut self,
        lower: impl Fn(&Plan) -> Option<Plan>,
        told: impl Fn(&Plan) -> String,
    ) -> Result<(), R::Error> {
        while let Some(candidate) = lower(&self.found.plan) {
            let change = told(&candidate);
            if !self.attempt(candidate, change)? {
                break;
            }
        }
        Ok(())
    }

    /// Operations that users may do without.
    fn drop_operations(&mut self) -> Result<(), R::Error> {
        let mut without = self.found.plan.clone();
        let mut changed = Vec::new();
        if let Workload::Sessions(flow) = &mut without.load.workload {
            changed.extend(flow.logout.take().map(|_| "logouts"));
            changed.extend(flow.browse.take().map(|_| "browsing"));
            flow.mix.logout = 0;
            flow.mix.browse = 0;
        }
        for arm in &mut without.arms {
            changed.extend(arm.retry.take().map(|_| "retries"));
        }
        changed.dedup();
        if changed.is_empty() {
            return Ok(());
        }
        self.attempt(without, format!("without {}", changed.join(" and ")))?;
        Ok(())
    }

    /// One session, if that is enough; else half as many as long as that is.
    fn drop_sessions(&mut self) -> Result<(), R::Error> {
        let told = |plan: &Plan| format!("sessions {}", plan.load.clients);
        let one = with_sessions(&self.found.plan, 1);
        if self.found.plan.load.clients > 1 && self.attempt(one.clone(), told(&one))? {
            return Ok(());
        }
        let halved = |plan: &Plan| {
            let half = plan.load.clients / 2;
            (half > 1).then(|| with_sessions(plan, half))
        };
        self.lower(halved, told)
    }
}

/// The first candidates, the smallest first; the last one is the whole plan.
pub(super) fn first_candidates(whole: &Plan, failure: Failure<'_>) -> Vec<Plan> {
    let starts: Vec<Plan> = match failure.drawn {
        [] => vec![whole.clone()],
        trials => {
            let drawn = trials.iter().map(|trial| whole.as_drawn_for(trial));
            drawn.map(without_needless).collect()
        }
    };
    let alone: Vec<Plan> = starts.iter().map(|plan| alone(plan, failure)).collect();
    let single: Vec<Plan> = alone.iter().map(|plan| with_trials(plan, 1)).collect();
    [single, alone, starts].concat()
}

/// The plan with the failing arm, the arm that its gate compares with, and the failing gate.
fn alone(plan: &Plan, failure: Failure<'_>) -> Plan {
    let mut alone = plan.clone();
    let arms = plan.arms.iter();
    let mut failing = arms.filter(|arm| arm.name == failure.arm);
    let compared = failing.next().and_then(|arm| arm.baseline.clone());
    let compared = compared.filter(|_| failure.gate.needs_baseline());
    alone
        .arms
        .retain(|arm| arm.name == failure.arm || Some(&arm.name) == compared.as_ref());
    if compared.is_none() {
        alone.arms.iter_mut().for_each(|arm| arm.baseline = None);
    }
    alone.gates = vec![failure.gate.clone()];
    // What may be added to a run until it is decided is no part of what fails.
    alone.extend_to = alone.trials;
    alone
}

/// How the first candidates differ from the whole plan.
fn narrowed(candidate: &Plan, whole: &Plan, failure: Failure<'_>) -> String {
    let mut changes = Vec::new();
    if candidate.arms.len() < whole.arms.len() {
        changes.push(format!("arm '{}' alone", failure.arm));
    }
    if candidate.gates != whole.gates {
        changes.push(format!("gate '{}' alone", failure.gate));
    }
    if candidate.chaos != whole.chaos {
        changes.push("the faults of one of its trials".to_owned());
    }
    if candidate.trials < whole.trials {
        changes.push("one trial".to_owned());
    }
    match changes.is_empty() {
        true => "the same again".to_owned(),
        false => changes.join(", "),
    }
}

/// So many trials with a fault, and a control if there is one.
fn with_trials(plan: &Plan, trials: u32) -> Plan {
    Plan {
        trials,
        extend_to: trials,
        replacements: Plan::usual_replacements(trials),
        controls: plan.controls.min(1),
        ..plan.clone()
    }
}

fn with_sessions(plan: &Plan, clients: u32) -> Plan {
    let mut fewer = plan.clone();
    fewer.load.clients = clients;
    fewer.load.workers = fewer.load.workers.min(clients);
    // That is not what was measured.
    fewer.calibration = Calibration::Given;
    fewer
}

/// Half the rate, whole operations per second.
fn with_less_rate(plan: &Plan) -> Option<Plan> {
    let mut less = plan.clone();
    less.load.rate = (plan.load.rate / 2.0).ceil();
    // That is not what was measured.
    less.calibration = Calibration::Given;
    (less.load.rate < plan.load.rate).then_some(less)
}

/// Half the time after the recovery, but as long as the service must stay steady.
fn with_less_settle(plan: &Plan) -> Option<Plan> {
    let mut less = plan.clone();
    less.windows.settle = half(plan.windows.settle).max(plan.windows.steady_for);
    (less.windows.settle < plan.windows.settle).then_some(less)
}

/// Half the time before the first fault, but two windows of it.
fn with_less_baseline(plan: &Plan) -> Option<Plan> {
    let mut less = plan.clone();
    let least = plan.windows.window + plan.windows.window;
    less.windows.baseline = half(plan.windows.baseline).max(least);
    (less.windows.baseline < plan.windows.baseline).then_some(less)
}

/// In whole milliseconds.
fn half(span: Span) -> Span {
    Span::from_ms(span.as_us() / 2_000)
}

/// The plan without a fault. The others keep their distances.
fn without_fault(plan: &Plan, index: usize) -> Option<(Plan, String)> {
    if plan.faults.len() < 2 {
        return None;
    }
    let mut fewer = plan.clone();
    let gone = fewer.faults.remove(index);
    if index == 0 {
        // The earliest of the others begins the trial now. Those that come in the calm stay behind all others.
        let others = fewer.faults.iter();
        let counting = others.take_while(|fault| fault.quiet.is_none()).count();
        let counting = &mut fewer.faults[..counting];
        counting.sort_by_key(|fault| fault.after);
        let first = counting.first().map_or(Span::ZERO, |fault| fault.after);
        for fault in counting {
            fault.after = Span::from_us(fault.after.as_us() - first.as_us());
        }
        fewer.faults[0].quiet = None;
    }
    let fewer = without_needless(fewer);
    let change = format!("without fault {} ('{}')", index + 1, gone.kind);
    Some((fewer, change))
}

/// The plan without what no fault of it needs.
fn without_needless(mut fewer: Plan) -> Plan {
    // A balancer is told how to drain only where a fault needs it.
    if fewer.faults.iter().all(|fault| fault.needs.drain.is_none()) {
        fewer.arms.iter_mut().for_each(|arm| arm.drain = None);
    }
    // So is a next version there only for a deploy.
    if fewer.faults.iter().all(|fault| !fault.needs.next) {
        fewer.arms.iter_mut().for_each(|arm| arm.next = None);
    }
    fewer
}

fn without_surrounding(plan: &Plan, index: usize) -> Option<(Plan, String)> {
    let mut fewer = plan.clone();
    let gone = fewer.surroundings.remove(index);
    let change = format!("without surrounding {} ('{}')", index + 1, gone.kind);
    Some((fewer, change))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use comeback_model::plan::{Fault, test_plan};

    use super::*;

    /// Runs that show what a function says of a plan, and of the number of the run with that plan.
    struct Said<F> {
        show: F,
        asked: Vec<(Plan, Seed)>,
        time_for: usize,
    }

    impl<F: FnMut(&Plan, Seed) -> Shown> Runs for Said<F> {
        type Error = Infallible;

        fn run(&mut self, plan: &Plan, seed: Seed) -> Result<Shown, Infallible> {
            assert_eq!(plan.validate(), Ok(()));
            self.asked.push((plan.clone(), seed));
            Ok((self.show)(plan, seed))
        }

        fn accepts(&self, _: &Plan) -> bool {
            true
        }

        fn has_time(&self) -> bool {
            self.asked.len() < self.time_for
        }

        fn note(&mut self, _: &Try) -> Result<(), Infallible> {
            Ok(())
        }
    }

    const EFFORT: Effort = Effort {
        confirm: 2,
        tries: 3,
    };

    fn fails_if(it_does: bool) -> Shown {
        match it_does {
            true => Shown::Fails,
            false => Shown::Holds,
        }
    }

    fn gate(text: &str) -> Gate {
        Gate::try_from(text.to_owned()).expect("a gate")
    }

    /// Four faults, of which each is known by its kind.
    fn several() -> Plan {
        let mut plan = test_plan();
        let first = plan.faults[0].clone();
        let named = |kind: &str, after| Fault {
            kind: kind.to_owned(),
            after: Span::from_ms(after),
            ..first.clone()
        };
        plan.faults = vec![
            named("a", 0),
            named("b", 100),
            named("c", 400),
            named("d", 700),
        ];
        plan.gates = vec![gate("lost_sessions == 0"), gate("lost_writes == 0")];
        plan
    }

    fn reduced_within(
        time_for: usize,
        plan: &Plan,
        show: impl FnMut(&Plan, Seed) -> Shown,
    ) -> (Reduced, Vec<(Plan, Seed)>) {
        let mut runs = Said {
            show,
            asked: Vec::new(),
            time_for,
        };
        let failure = Failure {
            arm: "second",
            gate: &gate("lost_sessions == 0"),
            drawn: &[],
        };
        let (found, ended) = reduce((plan.clone(), Seed(7)), failure, EFFORT, &mut runs);
        assert_eq!(ended, Ok(()));
        (found, runs.asked)
    }

    fn reduced(plan: &Plan, show: impl FnMut(&Plan, Seed) -> Shown) -> Reduced {
        reduced_within(usize::MAX, plan, show).0
    }

    fn kinds(plan: &Plan) -> Vec<&str> {
        plan.faults
            .iter()
            .map(|fault| fault.kind.as_str())
            .collect()
    }

    fn has(plan: &Plan, wanted: &[&str]) -> bool {
        wanted.iter().all(|one| kinds(plan).contains(one))
    }

    #[test]
    fn of_four_faults_exactly_the_two_that_are_needed_stay_at_their_distance() {
        for (first, second) in [("a", "b"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")] {
            let found = reduced(&several(), |plan, _| fails_if(has(plan, &[first, second])));
            assert_eq!(kinds(&found.plan), [first, second]);
            assert_eq!(found.plan.faults[0].after, Span::ZERO);
            let moment = |kind| {
                let plan = several();
                let fault = plan.faults.into_iter().find(|fault| fault.kind == kind);
                fault.expect("one of the four").after.as_us()
            };
            let apart = moment(second) - moment(first);
            assert_eq!(found.plan.faults[1].after.as_us(), apart);
            assert!(found.came_again && found.is_complete);
        }
    }

    #[test]
    fn a_fault_that_became_superfluous_with_another_is_dropped_later() {
        // Without c, a is needed; c hides that b is enough.
        let fails = |plan: &Plan, _| {
            fails_if(has(plan, &["b"]) && (has(plan, &["a"]) || !has(plan, &["c"])))
        };
        assert_eq!(kinds(&reduced(&several(), fails).plan), ["b"]);
    }

    #[test]
    fn everything_that_the_failure_does_not_need_goes() {
        let mut plan = several();
        plan.surroundings = vec![plan.faults[0].clone()];
        plan.surroundings[0].effect = comeback_model::plan::fault::Effect::Surrounds;
        let found = reduced(&plan, |_, _| Shown::Fails).plan;
        let arms: Vec<&str> = found.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(arms, ["second"]);
        assert_eq!(found.gates, [gate("lost_sessions == 0")]);
        assert_eq!((found.faults.len(), found.surroundings.len()), (1, 0));
        assert_eq!((found.trials, found.extend_to, found.controls), (1, 1, 1));
        assert_eq!((found.load.clients, found.load.workers), (1, 1));
        assert!(
            (found.load.rate - 1.0).abs() < f64::EPSILON,
            "{}",
            found.load.rate
        );
        assert_eq!(found.windows.settle, found.windows.steady_for);
        assert_eq!(
            found.windows.baseline,
            found.windows.window + found.windows.window
        );
        assert_eq!(found.windows.horizon, plan.windows.horizon);
        let Workload::Sessions(flow) = found.load.workload else {
            panic!("there are sessions");
        };
        assert_eq!((flow.logout, flow.mix.logout), (None, 0));
    }

    #[test]
    fn what_the_failure_needs_stays() {
        let needs = |plan: &Plan, _| {
            let load = &plan.load;
            fails_if(
                load.clients >= 4 && load.rate > 20.0 && plan.trials == 3 && plan.arms.len() == 2,
            )
        };
        let found = reduced(&several(), needs).plan;
        assert_eq!(
            (found.load.clients, found.trials, found.arms.len()),
            (5, 3, 2)
        );
        assert!(
            (found.load.rate - 25.0).abs() < f64::EPSILON,
            "{}",
            found.load.rate
        );
        assert_eq!(found.gates.len(), 2, "only the whole plan failed again");
    }

    #[test]
    fn an_arm_that_the_gate_compares_with_stays() {
        let mut plan = several();
        plan.arms[1].baseline = Some("first".to_owned());
        let compares = gate("outage.median <= baseline");
        let failure = Failure {
            arm: "second",
            gate: &compares,
            drawn: &[],
        };
        assert_eq!(alone(&plan, failure).arms, plan.arms);
        let bound = gate("outage.median < 2s");
        let failure = Failure {
            gate: &bound,
            ..failure
        };
        let alone = alone(&plan, failure);
        assert_eq!((alone.arms.len(), &alone.arms[0].baseline), (1, &None));
    }

    #[test]
    fn an_inconclusive_run_is_never_a_failure() {
        let (found, asked) = reduced_within(usize::MAX, &several(), |_, _| Shown::Unknown);
        assert!(!found.came_again);
        assert_eq!(found.plan, several());
        // One trial, all trials of the arm, the whole: each with three seeds.
        assert_eq!((found.tries.len(), asked.len()), (3, 9));
        assert!(found.tries[0].told().ends_with(": inconclusive"));
    }

    #[test]
    fn a_candidate_that_fails_once_and_then_holds_is_rejected() {
        let mut calls = 0;
        let mut flaky = |plan: &Plan, _| {
            calls += u32::from(plan.faults.len() == 3);
            fails_if(plan.faults.len() == 4 || calls % 2 == 1)
        };
        let found = reduced(&several(), &mut flaky);
        assert_eq!(found.plan.faults.len(), 4);
        let told: Vec<String> = found.tries.iter().map(Try::told).collect();
        let expected = "try 2: without fault 1 ('a'): fails in only 3 of 6 runs".to_owned();
        assert!(told.contains(&expected), "{told:#?}");
    }

    #[test]
    fn a_rare_failure_is_looked_for_with_other_seeds_and_confirmed_with_the_one_that_showed_it() {
        let mut seeds = Vec::new();
        let found = reduced(&several(), |plan, seed| {
            if plan.trials == 1 && seeds.len() < 4 {
                seeds.push(seed.0);
            }
            fails_if(seed.0 >= 9)
        });
        assert_eq!(seeds, [7, 8, 9, 9]);
        assert_eq!(found.seed, Seed(9));
        assert_eq!(kinds(&found.plan).len(), 1);
    }

    #[test]
    fn when_the_time_is_up_what_was_found_stands() {
        let fails = |_: &Plan, _| Shown::Fails;
        let (found, asked) = reduced_within(5, &several(), fails);
        assert_eq!(asked.len(), 5);
        assert!(found.came_again && !found.is_complete);
        assert_eq!(kinds(&found.plan), ["b", "c", "d"]);
        let last = found.tries.last().expect("a try");
        assert_eq!(
            last.told(),
            "try 3: without fault 1 ('b'): not decided, the time is up"
        );
    }

    #[test]
    fn a_balancer_is_told_to_drain_only_while_a_fault_needs_it() {
        let mut plan = several();
        plan.faults[3].needs.drain = Some(Span::from_secs(1));
        plan.arms[0].drain = Some(comeback_model::plan::Drain {
            begin: vec!["drain".to_owned()],
            end: vec!["use".to_owned()],
        });
        let drains =
            |index| without_fault(&plan, index).map(|(plan, _)| plan.arms[0].drain.is_some());
        assert_eq!((drains(0), drains(3)), (Some(true), Some(false)));
    }
}
