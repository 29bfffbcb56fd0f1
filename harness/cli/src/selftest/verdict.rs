//! What a run says of a planted bug, and what all runs of a bug and its twin come to. Pure.

use comeback_analysis::measure::Analysis;
use comeback_analysis::verdict::{Outcome, Verdict, judge};
use comeback_model::ids::TrialId;

use super::table::Bug;

/// What a run of a server with a planted bug came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sighting {
    /// The bug broke its gate.
    Detected {
        /// The faults until it showed.
        faults: u32,
        /// Time from the start of the first trial to the end of the one in which it showed.
        seconds: f64,
    },
    /// The run ended, and did not show the bug.
    Missed,
    /// The run could not decide.
    Inconclusive,
}

/// All runs of a bug and its twin.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Of the server with the bug.
    pub(super) sightings: Vec<Sighting>,
    /// The verdicts of the runs that must be clean: those of the twin, and of the server under the fault that it survives.
    pub(super) clean: Vec<Outcome>,
}

/// The trial in which the bug showed, and how many faults it took. None if the run does not show the bug.
pub(super) fn first_sight(bug: &Bug, analysis: &Analysis) -> Option<(TrialId, u32)> {
    if !shows(bug, analysis) {
        return None;
    }
    let trials = analysis.arms.iter().flat_map(|arm| &arm.trials);
    let faulted: Vec<TrialId> = trials
        .filter(|trial| !trial.control)
        .map(|trial| trial.id)
        .collect();
    let mut taken = (1..=faulted.len()).map(|count| faulted.split_at(count));
    taken.find_map(|(before, later)| {
        let mut part = analysis.clone();
        for arm in &mut part.arms {
            arm.trials.retain(|trial| !later.contains(&trial.id));
        }
        let last = before.last().filter(|_| shows(bug, &part))?;
        Some((*last, before.len() as u32))
    })
}

/// Whether a run that does not show the bug could not decide.
pub(super) fn is_open(bug: &Bug, verdict: &Verdict) -> bool {
    let mut checks = verdict.checks.iter();
    verdict.outcome == Outcome::Inconclusive
        || checks.any(|check| check.gate == bug.gate && check.outcome == Outcome::Inconclusive)
}

/// Whether the gate of the bug is broken, and for its reason.
fn shows(bug: &Bug, analysis: &Analysis) -> bool {
    let verdict = judge(analysis, &analysis.header.plan.gates, None);
    let mut checks = verdict.checks.iter();
    let is_broken = checks.any(|check| check.gate == bug.gate && check.outcome == Outcome::Fail);
    let trials = analysis.arms.iter().flat_map(|arm| &arm.trials);
    let mut causes = trials.flat_map(|trial| &trial.causes);
    is_broken
        && bug
            .cause
            .as_ref()
            .is_none_or(|wanted| causes.any(|cause| cause == wanted))
}

/// How many of `runs` must find the bug: 19 of 20, and all of fewer than 20.
const fn needed(runs: usize) -> usize {
    (19 * runs).div_ceil(20)
}

impl Tally {
    /// The runs that found the bug.
    pub(super) fn detected(&self) -> usize {
        self.faults().len()
    }

    /// The runs that could not decide.
    pub(super) fn inconclusive(&self) -> usize {
        let open = |one: &&Sighting| **one == Sighting::Inconclusive;
        self.sightings.iter().filter(open).count()
    }

    /// The faults until it showed, in each run that found it.
    pub(super) fn faults(&self) -> Vec<f64> {
        self.found(|faults, _| f64::from(faults))
    }

    /// The seconds until it showed, in each run that found it.
    pub(super) fn seconds(&self) -> Vec<f64> {
        self.found(|_, seconds| seconds)
    }

    fn found(&self, figure: impl Fn(u32, f64) -> f64) -> Vec<f64> {
        let figures = self.sightings.iter().filter_map(|sighting| match sighting {
            Sighting::Detected { faults, seconds } => Some(figure(*faults, *seconds)),
            Sighting::Missed | Sighting::Inconclusive => None,
        });
        figures.collect()
    }

    /// Runs that must be clean with this verdict.
    pub(super) fn ended_clean(&self, outcome: Outcome) -> usize {
        self.clean.iter().filter(|one| **one == outcome).count()
    }

    /// Pass if the bug was found often enough and no run failed that must be clean. Inconclusive if that could only be so had the
    /// inconclusive runs been decided, or if less than half of the clean ones were: a twin that nobody judged raises no alarm.
    pub(super) fn outcome(&self) -> Outcome {
        let needed = needed(self.sightings.len());
        let (detected, open) = (self.detected(), self.inconclusive());
        if self.ended_clean(Outcome::Fail) > 0 || detected + open < needed {
            return Outcome::Fail;
        }
        let is_twin_judged = 2 * self.ended_clean(Outcome::Pass) >= self.clean.len();
        match detected >= needed && is_twin_judged {
            true => Outcome::Pass,
            false => Outcome::Inconclusive,
        }
    }
}

/// What all rows come to: the worst.
pub(super) fn overall(rows: impl Iterator<Item = Outcome>) -> Outcome {
    rows.fold(Outcome::Pass, |worst, row| match (worst, row) {
        (Outcome::Fail, _) | (_, Outcome::Fail) => Outcome::Fail,
        (Outcome::Inconclusive, _) | (_, Outcome::Inconclusive) => Outcome::Inconclusive,
        (_, _) => Outcome::Pass,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use comeback_analysis::measure::{
        ArmAnalysis, Cause, Chain, Doing, MetWrites, Return, SessionCounts, Spoils, Time,
        TrialAnalysis, Void,
    };
    use comeback_engine::campaign::header;
    use comeback_model::ids::{ArmId, Seed};

    use super::*;

    /// A trial after whose fault the server is back, with these sessions lost.
    fn faulted(id: u32, lost: u64) -> TrialAnalysis {
        TrialAnalysis {
            id: TrialId(id),
            landed: true,
            chain: Chain {
                ready: Some(Time::At {
                    ms: 30.0,
                    error_ms: 1.0,
                }),
                ..Chain::default()
            },
            returned: Some(Return::ForGood),
            sessions: SessionCounts {
                acknowledged: 50,
                lost,
                rejected: lost,
                survived: 50 - lost,
                ..SessionCounts::default()
            },
            met: Some(MetWrites {
                in_flight: 1,
                tested: 1,
                ..MetWrites::default()
            }),
            acknowledged_before: Some(100),
            ..TrialAnalysis::default()
        }
    }

    /// A trial after whose fault the server never answered.
    fn down(id: u32, causes: &[Cause]) -> TrialAnalysis {
        TrialAnalysis {
            chain: Chain {
                ready: Some(Time::Beyond { ms: 1_500.0 }),
                ..Chain::default()
            },
            returned: None,
            causes: causes.to_vec(),
            ..faulted(id, 0)
        }
    }

    /// A run of the server with the bug of this number: a control trial, then these.
    fn run(number: u32, trials: Vec<TrialAnalysis>) -> (Bug, Analysis) {
        let bug = Bug::find(number).unwrap().clone();
        let plan = bug.plan(bug.server).unwrap();
        let control = TrialAnalysis {
            control: true,
            ..TrialAnalysis::default()
        };
        let arm = ArmAnalysis {
            id: ArmId(0),
            name: bug.server.to_owned(),
            about: String::new(),
            skipped: None,
            trials: [vec![control], trials].concat(),
            storm: None,
            choices: Vec::new(),
        };
        let analysis = Analysis {
            header: header(plan, Seed(1), String::new(), Path::new(".")),
            arms: vec![arm],
            incomplete: None,
            extensions: Vec::new(),
        };
        (bug, analysis)
    }

    fn is_open_in(bug: &Bug, analysis: &Analysis) -> bool {
        is_open(bug, &judge(analysis, &analysis.header.plan.gates, None))
    }

    #[test]
    fn a_bug_is_seen_in_the_first_trial_that_shows_it() {
        for (lost, seen) in [([50, 50], Some(1)), ([0, 3], Some(2)), ([0, 0], None)] {
            let trials = vec![faulted(1, lost[0]), faulted(2, lost[1])];
            let (bug, analysis) = run(7, trials);
            let expected = seen.map(|faults| (TrialId(faults), faults));
            assert_eq!(first_sight(&bug, &analysis), expected, "{lost:?}");
            assert!(!is_open_in(&bug, &analysis), "{lost:?}");
        }
    }

    #[test]
    fn a_run_that_fails_for_another_reason_has_missed_the_bug() {
        let (bug, analysis) = run(21, vec![down(1, &[]), down(2, &[])]);
        assert_eq!(first_sight(&bug, &analysis), None);
        assert!(!is_open_in(&bug, &analysis));
        let orphans = vec![down(1, &[]), down(2, &[Cause::OldProcess])];
        let (bug, analysis) = run(21, orphans);
        assert_eq!(first_sight(&bug, &analysis), Some((TrialId(2), 2)));
    }

    #[test]
    fn a_run_whose_trials_do_not_count_is_inconclusive_and_finds_nothing() {
        let void = |id| TrialAnalysis {
            void: Some(Void::new(Spoils::Everything, Doing::Ours, "it was late")),
            ..faulted(id, 50)
        };
        let (bug, analysis) = run(7, vec![void(1), void(2)]);
        assert_eq!(first_sight(&bug, &analysis), None);
        assert!(is_open_in(&bug, &analysis));
    }

    const FOUND: Sighting = Sighting::Detected {
        faults: 1,
        seconds: 1.5,
    };

    /// The outcome of so many runs of each kind.
    fn outcome_of(sightings: &[(Sighting, usize)], twin: &[(Outcome, usize)]) -> Outcome {
        fn repeat<T: Copy>(counted: &[(T, usize)]) -> Vec<T> {
            let each = counted.iter();
            each.flat_map(|(one, count)| vec![*one; *count]).collect()
        }
        let tally = Tally {
            sightings: repeat(sightings),
            clean: repeat(twin),
        };
        assert_eq!(tally.sightings.len(), tally.clean.len());
        tally.outcome()
    }

    #[test]
    fn a_bug_must_be_found_in_19_of_20_runs_and_in_all_of_fewer() {
        use Outcome::{Fail, Inconclusive, Pass};
        use Sighting::{Inconclusive as Open, Missed};
        for (found, missed, open, expected) in [
            (1, 0, 0, Pass),
            (2, 1, 0, Fail),
            (0, 3, 0, Fail),
            (18, 1, 0, Fail),
            (19, 1, 0, Pass),
            (18, 2, 0, Fail),
            (38, 2, 0, Pass),
            (37, 3, 0, Fail),
            // What could not be decided did not find it, and might have.
            (2, 0, 1, Inconclusive),
            (19, 0, 1, Pass),
            (18, 1, 1, Inconclusive),
            (17, 2, 1, Fail),
            (0, 0, 1, Inconclusive),
        ] {
            let sightings = [(FOUND, found), (Missed, missed), (Open, open)];
            let all = found + missed + open;
            let outcome = outcome_of(&sightings, &[(Pass, all)]);
            assert_eq!(outcome, expected, "{found} {missed} {open}");
        }
    }

    #[test]
    fn one_alarm_of_the_twin_fails_and_an_inconclusive_one_is_no_alarm() {
        use Outcome::{Fail, Inconclusive, Pass};
        let of_20 = |twin: &[(Outcome, usize)]| outcome_of(&[(FOUND, 20)], twin);
        assert_eq!(of_20(&[(Pass, 19), (Fail, 1)]), Fail);
        assert_eq!(of_20(&[(Inconclusive, 19), (Fail, 1)]), Fail);
        assert_eq!(of_20(&[(Pass, 10), (Inconclusive, 10)]), Pass);
        assert_eq!(of_20(&[(Pass, 9), (Inconclusive, 11)]), Inconclusive);
        assert_eq!(of_20(&[(Inconclusive, 20)]), Inconclusive);
    }

    #[test]
    fn the_worst_row_decides() {
        use Outcome::{Fail, Inconclusive, Pass};
        for (rows, worst) in [
            (&[Pass, Pass][..], Pass),
            (&[Pass, Inconclusive], Inconclusive),
            (&[Inconclusive, Fail, Pass], Fail),
        ] {
            assert_eq!(overall(rows.iter().copied()), worst, "{rows:?}");
        }
    }
}
