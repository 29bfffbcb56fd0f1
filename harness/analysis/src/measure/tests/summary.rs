//! The summary document.

use super::*;
use comeback_model::units::Span;

use crate::measure::{Availability, LoginsAtStake, NotBack, Return, Time};
use crate::summary::summarize;
use crate::summary::{ArmSummary, AvailabilityRate, Distribution, Status, Summary, TrialFinding};
use crate::verdict::{self, Verdict};

fn verdict() -> Verdict {
    Verdict {
        outcome: verdict::Outcome::Pass,
        headline: String::new(),
        reasons: vec!["because".to_owned()],
        checks: Vec::new(),
        baseline: None,
    }
}

fn summary(analysis: &Analysis) -> Summary {
    summarize(analysis, &verdict())
}

fn sound() -> Story {
    Story::faulted()
        .serves(1_000, 3_000, 10)
        .does(steadily(3_000, RECOVERED, 10).map(|op| op.unsent(ErrorClass::Refused)))
        .serves(RECOVERED, SETTLED, 10)
        .does([login(0, 500), act(0, 1_005), finds(0, 0)])
}

#[test]
fn that_no_login_was_at_stake_in_any_trial_is_told_of_all_that_count() {
    let of = |count, age_ms| LoginsAtStake {
        count,
        youngest: Some(Span::from_ms(age_ms)),
    };
    let told = |logins: &[Option<LoginsAtStake>]| {
        let mut analysis = sound().analysis();
        let trial = analysis.arms[0].trials[0].clone();
        let trials = logins.iter().zip(1..).map(|(logins, id)| TrialAnalysis {
            id: TrialId(id),
            logins_at_stake: *logins,
            ..trial.clone()
        });
        let void = TrialAnalysis {
            id: TrialId(9),
            void: Some(Void::new(Spoils::Times, Doing::Ours, "it is odd")),
            logins_at_stake: Some(of(7, 1)),
            ..trial.clone()
        };
        analysis.arms[0].trials = trials.chain([void]).collect();
        let findings = summary(&analysis).arms.remove(0).findings;
        let is_it = |finding: &&TrialFinding| finding.text.starts_with("no login was at stake");
        let told = findings.iter().find(is_it);
        told.map(|finding| {
            let youngest = finding.text.contains("the youngest was 250 ms old");
            (finding.trials.clone(), finding.void, youngest)
        })
    };
    let none = [Some(of(0, 900)), Some(of(0, 250))];
    assert_eq!(told(&none), Some((vec![1, 2], false, true)));
    assert_eq!(told(&[Some(of(0, 900)), Some(of(1, 40))]), None);
    // Nothing was to end.
    assert_eq!(told(&[None, None]), None);
}

/// The first arm, of trials that are all alike but for their time to ready.
fn arm_of(ready: &[Time]) -> ArmSummary {
    let mut analysis = sound().analysis();
    let trial = analysis.arms[0].trials[0].clone();
    analysis.arms[0].trials = ready
        .iter()
        .map(|ready| {
            let mut trial = trial.clone();
            trial.chain.ready = Some(*ready);
            trial
        })
        .collect();
    summary(&analysis).arms.remove(0)
}

fn seen(ms: f64) -> Time {
    Time::At { ms, error_ms: 0.0 }
}

const NOT_SEEN: Time = Time::Beyond { ms: 30_000.0 };

#[test]
fn the_document_says_what_run_it_is_of() {
    let summary = summary(&sound().analysis());
    assert_eq!(
        (summary.name.as_str(), summary.seed, summary.schema),
        ("test", 1, 1)
    );
    assert_eq!(summary.reasons, ["because"]);
    assert_eq!(summary.arms.len(), 2);
}

#[test]
fn one_trial_has_a_median_and_no_interval() {
    let arm = arm_of(&[seen(98.0)]);
    assert_eq!((arm.status, arm.reason), (Status::Measured, None));
    assert_eq!((arm.trials, arm.faults_landed), (1, 1));
    let expected = Distribution {
        n: 1,
        median: Some(98.0),
        max: Some(98.0),
        ..Distribution::default()
    };
    assert_eq!(arm.time_to_ready_ms, expected);
    assert_eq!((arm.sessions.reset, arm.writes.lost), (1, 1));
    assert_eq!(arm.loss_window_ms.n, 1);
    assert_eq!(arm.errors.during.by_class["refused"], 1.0);
    assert_eq!(
        (arm.errors.before.scheduled, arm.errors.before.rate),
        (201, Some(0.0))
    );
    assert_eq!(
        (arm.latency_ms.before.p50, arm.latency_ms.during.p50),
        (Some(1.0), None)
    );
}

#[test]
fn six_trials_have_an_interval_and_fifty_nine_a_95th_percentile() {
    let times: Vec<Time> = (1..=59).map(|ms| seen(f64::from(ms))).collect();
    let six = arm_of(&times[..6]).time_to_ready_ms;
    assert_eq!(
        (six.low, six.median, six.high, six.p95),
        (Some(1.0), Some(3.5), Some(6.0), None)
    );
    assert_eq!(arm_of(&times).time_to_ready_ms.p95, Some(57.0));
}

#[test]
fn what_lies_beyond_the_horizon_is_counted_and_null() {
    let times = [
        seen(1.0),
        seen(2.0),
        seen(3.0),
        seen(4.0),
        seen(5.0),
        NOT_SEEN,
    ];
    let ready = arm_of(&times).time_to_ready_ms;
    assert_eq!((ready.n, ready.censored), (6, 1));
    assert_eq!(
        (ready.low, ready.median, ready.high, ready.max),
        (Some(1.0), Some(3.5), None, None)
    );
    let none = arm_of(&[NOT_SEEN, NOT_SEEN]);
    assert_eq!(
        (none.time_to_ready_ms.median, none.time_to_ready_ms.censored),
        (None, 2)
    );
    assert_eq!(
        (none.outage_area_s.censored, none.longest_gap_ms.median),
        (2, None)
    );
}

#[test]
fn an_arm_without_a_trial_that_counts_is_skipped_with_the_reason() {
    let mut analysis = sound()
        .without(|kind| *kind == EventKind::TrialEnded)
        .analysis();
    let arms = summary(&analysis).arms;
    let reason = |arm: &ArmSummary| arm.reason.clone().unwrap();
    assert_eq!(
        (arms[0].status, arms[1].status),
        (Status::Skipped, Status::Skipped)
    );
    assert_eq!(
        reason(&arms[0]),
        "1 of 1 trial does not count: it was interrupted before its end"
    );
    assert_eq!(reason(&arms[1]), "no trial with a fault was run");
    assert_eq!(
        (
            arms[0].faults_landed,
            arms[0].trials,
            arms[0].sessions.acknowledged
        ),
        (1, 0, 0)
    );
    analysis.arms[0].skipped = Some("no compiler here".to_owned());
    assert_eq!(reason(&summary(&analysis).arms[0]), "no compiler here");
}

#[test]
fn a_skipped_arm_says_why_whether_the_plan_knew_or_the_run_found_out() {
    let planned = sound().planned(|plan| plan.arms[1].skip = Some("not here".to_owned()));
    assert_eq!(
        summary(&planned.analysis()).arms[1].reason.as_deref(),
        Some("not here")
    );
    let reason = "no such program".to_owned();
    let found = sound().event(
        0,
        EventKind::ArmSkipped {
            arm: ArmId(1),
            reason,
        },
    );
    assert_eq!(
        summary(&found.analysis()).arms[1].reason.as_deref(),
        Some("no such program")
    );
}

#[test]
fn trials_that_do_not_count_are_named_and_left_out_of_every_figure() {
    let mut analysis = sound().analysis();
    let trials = &mut analysis.arms[0].trials;
    let mut void = trials[0].clone();
    void.void = Some(Void::new(
        Spoils::Everything,
        Doing::Servers,
        "the fault did not land",
    ));
    let control = Story::control().serves(1_000, 5_000, 10).trial();
    trials.extend([void, control]);
    let arm = summary(&analysis).arms.remove(0);
    assert_eq!(
        (arm.trials, arm.faults_landed, arm.control.trials),
        (1, 2, 1)
    );
    assert_eq!(
        arm.reason.as_deref(),
        Some("1 of 2 trials does not count: the fault did not land")
    );
    assert_eq!(
        (arm.sessions.acknowledged, arm.control.errors.scheduled),
        (1, 400)
    );
}

#[test]
fn a_certain_loss_in_a_trial_whose_times_do_not_count_is_told_beside_the_figures() {
    let mut analysis = sound().analysis();
    let trials = &mut analysis.arms[0].trials;
    for spoils in [Spoils::Times, Spoils::Everything] {
        let mut void = trials[0].clone();
        void.void = Some(Void::new(
            spoils,
            Doing::Servers,
            "the load missed its floor",
        ));
        (void.sessions.acknowledged, void.sessions.lost) = (1_294, 294);
        (void.writes.acknowledged, void.writes.lost) = (1, 1);
        trials.push(void);
    }
    let arm = summary(&analysis).arms.remove(0);
    assert_eq!((arm.trials, arm.sessions.lost), (1, 0));
    assert_eq!(
        arm.reason.as_deref(),
        Some(
            "2 of 3 trials do not count: the load missed its floor; lost for certain in trials whose times do not \
             count: 294 of 1,294 sessions and 1 of 1 write"
        )
    );
}

#[test]
fn availability_is_pooled_over_whole_trials_and_apart_for_controls() {
    let mut analysis = sound().analysis();
    let mut trials = vec![analysis.arms[0].trials[0].clone(); 3];
    let tallies = [(1, 2), (90, 100), (7, 8)];
    for (trial, (met, scheduled)) in trials.iter_mut().zip(tallies) {
        trial.availability = Availability {
            met,
            correct: met,
            scheduled,
        };
    }
    trials[2].control = true;
    analysis.arms[0].trials = trials;
    let arm = summary(&analysis).arms.remove(0);
    let expected = AvailabilityRate {
        scheduled: 102,
        met: 91,
        rate: Some(91.0 / 102.0),
    };
    assert_eq!(arm.availability, expected);
    assert_eq!(
        (
            arm.control.availability.met,
            arm.control.availability.scheduled
        ),
        (7, 8)
    );
}

#[test]
fn a_trial_that_died_again_is_censored() {
    let mut analysis = sound().analysis();
    analysis.arms[0].trials[0].returned = Some(Return::Not(NotBack::Ended));
    let arm = summary(&analysis).arms.remove(0);
    assert_eq!((arm.longest_gap_ms.n, arm.longest_gap_ms.censored), (1, 1));
    assert_eq!((arm.outage_area_s.n, arm.outage_area_s.censored), (1, 1));
}
