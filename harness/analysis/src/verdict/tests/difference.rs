//! Two runs against each other.

use comeback_model::journal::Machine;
use comeback_model::plan::{Request, Workload};
use comeback_model::shard::{HeldShard, Shards};
use comeback_statistics::zero_event_upper_bound;

use super::baseline::{ready, run};
use super::replaced::{late, may_replace};
use super::*;
use crate::difference::compare;
use crate::difference::{Difference, MetricDifference, Standing};
use crate::measure::CacheTally;

fn differ(base: &Journal, new: &Journal, gates: &[&str]) -> Difference {
    let gates: Vec<Gate> = gates.iter().map(|text| gate(text)).collect();
    compare(&analyze(base), &analyze(new), &gates)
}

#[track_caller]
fn metric<'a>(difference: &'a Difference, name: &str) -> &'a MetricDifference {
    let metrics = &difference.arms[0].metrics;
    metrics.iter().find(|metric| metric.metric == name).unwrap()
}

/// Six trials around this many ms.
fn around(ms: u64) -> Vec<Told> {
    ready(&[0, 3, 5, 8, 11, 14].map(|more| ms + more))
}

#[test]
fn equal_runs_pass_and_say_what_they_could_have_missed() {
    let difference = differ(&run("then", &around(90)), &run("now", &around(91)), &[]);
    assert_eq!(
        difference.verdict,
        Outcome::Pass,
        "{:?}",
        difference.reasons
    );
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!(ready.standing, Standing::WithinAllowed);
    assert_eq!(
        (ready.base.value, ready.new.value),
        (Some(96.5), Some(97.5))
    );
    let shift = ready.shift.unwrap();
    assert_eq!(shift.estimate, Some(1.0));
    // Half of the interval's width, for a power of 80 %.
    let half = (shift.high.unwrap() - shift.low.unwrap()) / 2.0;
    assert!((ready.detectable.unwrap() / half - 1.4294).abs() < 1e-3);
    // Two medians of these trials lie up to the width of the median's interval apart.
    assert_eq!(ready.allowed, Some(19.3));
    let lost = metric(&difference, "lost_sessions");
    assert_eq!(lost.possible_share_of_crashes, zero_event_upper_bound(6));
    assert_eq!(lost.detectable, None, "a point is no proof");
    for shown in ["error_rate.during", "availability"] {
        let shown = metric(&difference, shown);
        assert_eq!((shown.standing, shown.allowed), (Standing::NotAsked, None));
    }
}

#[test]
fn another_users_content_fails_a_part_too_for_no_further_trial_takes_it_back() {
    let mut part = run("now", &around(91));
    let held = HeldShard {
        index: 2,
        started: String::new(),
        machine: Machine::default(),
    };
    part.header.shards = Shards::new(4, vec![held]).ok();
    let base = run("then", &around(90));
    assert_eq!(differ(&base, &part, &[]).verdict, Outcome::Inconclusive);
    let mut new = analyze(&part);
    new.arms[0].trials[0].cache = Some(CacheTally {
        another_users: 1,
        ..CacheTally::default()
    });
    let difference = compare(&analyze(&base), &new, &[]);
    assert_eq!(difference.verdict, Outcome::Fail);
    let first = &difference.reasons[0];
    assert!(first.contains("another user's content"), "{first}");
}

#[test]
fn what_became_worse_fails_with_its_size() {
    let mut slower = around(600);
    for trial in &mut slower[..4] {
        trial.fates[0] = Fate::Lost;
    }
    let difference = differ(&run("then", &around(90)), &run("now", &slower), &[]);
    assert_eq!(difference.verdict, Outcome::Fail);
    let outage = metric(&difference, "outage.median");
    assert_eq!(outage.standing, Standing::Worse, "what users are without");
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!(
        (ready.standing, ready.cliffs_delta),
        (Standing::Worse, Some(1.0))
    );
    // 2 of the 924 ways to choose six of twelve.
    assert!((ready.p_value.unwrap() - 2.0 / 924.0).abs() < 1e-12);
    assert!(ready.p_holm.unwrap() > ready.p_value.unwrap());
    assert_eq!(
        metric(&difference, "lost_sessions").standing,
        Standing::Worse
    );
    assert!(
        difference.reasons[0].starts_with("first: lost_sessions is worse: 4 of 18"),
        "{:?}",
        difference.reasons
    );
}

#[test]
fn a_gate_sets_what_is_allowed_of_its_metric_or_adds_one() {
    let (base, new) = (run("then", &around(90)), run("now", &around(600)));
    let wide = [
        "outage.median <= baseline + 1s",
        "time_to_ready.median <= baseline + 1s",
        "time_to_steady.median <= baseline + 1s",
        "longest_gap.median <= baseline + 1s",
        "outage_area.median <= baseline + 1s",
        "availability >= baseline - 100%",
        "zombie_sessions <= baseline",
    ];
    let difference = differ(&base, &new, &wide);
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!(
        (ready.standing, ready.allowed),
        (Standing::WithinAllowed, Some(1_000.0))
    );
    // Nobody logged out: whether logouts are honoured is not known.
    assert_eq!(
        metric(&difference, "zombie_sessions").standing,
        Standing::Unknown
    );
    assert_eq!(difference.verdict, Outcome::Inconclusive);
    let difference = differ(&base, &new, &wide[..6]);
    assert_eq!(
        difference.verdict,
        Outcome::Pass,
        "{:?}",
        difference.reasons
    );
}

#[test]
fn times_of_another_machine_are_not_compared_but_losses_are() {
    let mut base = run("then", &around(90));
    base.header.machine.cores = 64;
    let difference = differ(&base, &run("now", &around(600)), &[]);
    assert_eq!(difference.verdict, Outcome::Inconclusive);
    let said = &difference.reasons[0];
    assert!(
        said.contains("64 cores then, 4 now") && said.contains("--remeasure"),
        "{said}"
    );
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!((ready.standing, ready.shift), (Standing::NotCompared, None));
    assert!(ready.base.value.is_some() && ready.new.value.is_some());
    assert_eq!(
        metric(&difference, "lost_sessions").standing,
        Standing::WithinAllowed
    );
    let mut lossy = around(90);
    for trial in &mut lossy {
        trial.fates[0] = Fate::Lost;
    }
    let difference = differ(&base, &run("now", &lossy), &[]);
    assert_eq!(
        difference.verdict,
        Outcome::Fail,
        "a loss is a loss anywhere"
    );
}

#[test]
fn runs_of_different_plans_or_incomplete_ones_are_not_compared() {
    type Spoil = fn(&mut Journal, &mut Journal);
    let cases: [(Spoil, &str); 4] = [
        (
            |base, _| base.header.plan.load.rate = 7.0,
            "its load differs",
        ),
        (
            |base, _| drop(base.events.pop()),
            "the journal ends before the run does",
        ),
        (
            |_, new| drop(new.events.pop()),
            "the journal ends before the run does",
        ),
        (
            |base, new| base.header = new.header.clone(),
            "both are the same run",
        ),
    ];
    for (spoil, said) in cases {
        let (mut base, mut new) = (run("then", &around(90)), run("now", &around(90)));
        spoil(&mut base, &mut new);
        let difference = differ(&base, &new, &[]);
        assert_eq!(difference.verdict, Outcome::Inconclusive, "{said}");
        let reasons = difference.reasons.join("\n");
        assert!(reasons.contains(said), "{reasons}");
    }
}

#[test]
fn too_few_trials_are_inconclusive_and_say_how_many_it_takes() {
    let (base, new) = (run("then", &around(90)), run("now", &ready(&[90, 91])));
    let difference = differ(&base, &new, &[]);
    assert_eq!(difference.verdict, Outcome::Inconclusive);
    let reasons = difference.reasons.join("\n");
    assert!(
        reasons.contains("time_to_ready.median cannot be judged"),
        "{reasons}"
    );
    assert!(reasons.contains("it needs 3 here"), "{reasons}");
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!((ready.shift, ready.standing), (None, Standing::Unknown));
}

#[test]
fn an_arm_without_a_counterpart_is_inconclusive() {
    let several = |started| {
        let mut trials = around(90);
        trials.extend(around(90).into_iter().map(|trial| Told { arm: 1, ..trial }));
        trials.push(Told {
            arm: 1,
            ..control()
        });
        run(started, &trials)
    };
    let (base, mut new) = (several("then"), run("now", &around(90)));
    let difference = differ(&base, &new, &[]);
    assert_eq!(
        difference.verdict,
        Outcome::Pass,
        "{:?}",
        difference.reasons
    );
    assert_eq!(difference.notes, ["second is in the earlier run only"]);
    new.header.plan.arms[0].name = "third".to_owned();
    let difference = differ(&base, &new, &[]);
    assert_eq!(difference.verdict, Outcome::Inconclusive);
    assert_eq!(
        difference.reasons.last().unwrap(),
        "no arm could be compared"
    );
}

#[test]
fn what_never_came_back_is_worse_than_anything_measured() {
    let gone = vec![faulted().ready(None); 6];
    let difference = differ(&run("then", &around(90)), &run("now", &gone), &[]);
    assert_eq!(
        difference.verdict,
        Outcome::Fail,
        "{:?}",
        difference.reasons
    );
    let ready = metric(&difference, "time_to_ready.median");
    assert_eq!(
        (ready.new.value, ready.new.beyond),
        (Some(f64::INFINITY), 6)
    );
    let document = serde_json::to_value(&difference).unwrap();
    let metrics = document["arms"][0]["metrics"].as_array().unwrap();
    let ready = metrics
        .iter()
        .find(|metric| metric["metric"] == "time_to_ready.median");
    assert!(ready.unwrap()["new"]["value"].is_null());
}

/// Eight trials around 90 ms, the last of them as told.
fn eight(last: Told) -> Vec<Told> {
    let mut trials = ready(&[90, 93, 95, 98, 101, 104, 106]);
    trials.push(last);
    trials
}

/// Without sessions and steps of their own.
fn stateless(mut run: Journal) -> Journal {
    run.header.plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", "/")));
    run
}

fn reasons(difference: &Difference) -> String {
    difference.reasons.join("\n")
}

#[test]
fn one_fault_from_which_the_service_did_not_come_back_is_worse_whatever_the_medians() {
    let run = |started, last| stateless(run(started, &eight(last)));
    let (back, gone) = (faulted().ready(Some(97)), faulted().ready(None));
    let base = run("then", back.clone());
    let difference = differ(&base, &run("now", back.clone()), &[]);
    assert_eq!(
        difference.verdict,
        Outcome::Pass,
        "{}",
        reasons(&difference)
    );

    let new = run("now", gone.clone());
    let difference = differ(&base, &new, &[]);
    assert_eq!(difference.verdict, Outcome::Fail);
    let said = "first: unrecovered == 0, which is asked of every run, is broken: 1 of 8";
    assert!(
        difference.reasons[0].starts_with(said),
        "{}",
        reasons(&difference)
    );

    // It was so before: not worse, and no pass.
    let difference = differ(&run("then", gone), &new, &[]);
    assert_eq!(difference.verdict, Outcome::Inconclusive);
    assert!(
        reasons(&difference).contains("is broken: 1 of 8; in the earlier run, too: 1 of 8"),
        "{}",
        reasons(&difference)
    );
    // Who allows it says so.
    let difference = differ(&base, &new, &["unrecovered <= baseline + 50%"]);
    assert!(
        !reasons(&difference).contains("which is asked"),
        "{}",
        reasons(&difference)
    );
}

#[test]
fn what_is_found_beside_losses_is_compared_as_they_are() {
    let base = run("then", &eight(faulted()));
    for (fate, name) in [
        (Fate::Anothers, "wrong_identity"),
        (Fate::Phantom, "phantom_writes"),
        (Fate::Zombie, "zombie_sessions"),
        (Fate::Finds(2), "duplicated_writes"),
    ] {
        let one = run("now", &eight(faulted().with(&[fate, Fate::Finds(1)])));
        let difference = differ(&base, &one, &[]);
        assert_eq!(difference.verdict, Outcome::Inconclusive, "{name}");
        assert_eq!(metric(&difference, name).standing, Standing::Unknown);
        let difference = differ(&one, &base, &[]);
        assert_eq!(difference.verdict, Outcome::Pass, "{name}: it is mended");
        let has_row = |row: &MetricDifference| row.metric == name;
        assert!(!difference.arms[0].metrics.iter().any(has_row), "{name}");
    }
    let all = vec![faulted().with(&[Fate::Anothers, Fate::Finds(1)]); 8];
    let difference = differ(&base, &run("now", &all), &[]);
    assert_eq!(
        metric(&difference, "wrong_identity").standing,
        Standing::Worse
    );
}

#[test]
fn what_both_runs_show_without_any_fault_did_not_change() {
    let honours = |trial: Told| trial.with(&[Fate::Zombie, Fate::Finds(1)]);
    let honouring = |name, control: Told| {
        let mut trials = vec![honours(faulted()); 8];
        trials.push(control);
        differ(&run(name, &trials), &run("now", &trials), &[])
    };
    let has_row = |difference: &Difference| {
        let mut rows = difference.arms[0].metrics.iter();
        rows.any(|row| row.metric == "zombie_sessions")
    };
    assert!(!has_row(&honouring("then", honours(control()))));
    assert!(has_row(&honouring("then", control())));
}

#[test]
fn what_both_runs_show_without_any_fault_is_asked_where_it_grew() {
    let with = |anothers: usize| {
        let fates = [
            vec![Fate::Anothers; anothers],
            vec![Fate::Finds(1); 20 - anothers],
        ];
        fates.concat()
    };
    let run_of = |name, after_faults: usize| {
        let mut trials = vec![faulted().with(&with(after_faults)); 8];
        trials.push(control().with(&with(1)));
        run(name, &trials)
    };
    let verdict = |base: usize, new: usize| {
        let difference = differ(&run_of("then", base), &run_of("now", new), &[]);
        let rows = &difference.arms[0].metrics;
        let is_asked = rows.iter().any(|row| row.metric == "wrong_identity");
        (difference.verdict, is_asked)
    };
    assert_eq!(verdict(0, 20), (Outcome::Inconclusive, true));
    assert_eq!(verdict(1, 20), (Outcome::Inconclusive, true));
    assert!(!verdict(1, 1).1, "it did not grow");
    assert!(!verdict(2, 1).1, "it shrank");
}

#[test]
fn what_replaced_trials_show_is_not_known_to_be_within_what_is_allowed() {
    let base = run("then", &around(90));
    let standing = |replaced_ready: u64| {
        let bad = || faulted().ready(Some(replaced_ready));
        let declared = [bad(), bad(), bad(), control()];
        let spares = [vec![bad(); 9], around(90)[..3].to_vec()].concat();
        let new = run("now", &[&declared[..], &spares].concat());
        let voids: Vec<u32> = (0..13).filter(|trial| *trial != 3).collect();
        let new = late(may_replace(new, 12), &voids);
        let difference = differ(&base, &new, &[]);
        let ready = metric(&difference, "time_to_ready.median");
        (ready.standing, ready.detail.clone())
    };
    assert_eq!(standing(95), (Standing::WithinAllowed, None));
    let (standing, detail) = standing(1_500);
    assert_eq!(standing, Standing::Unknown);
    let detail = detail.unwrap();
    let said = "it holds only if the void trials that were replaced are left out";
    assert!(detail.starts_with(said), "{detail}");
}
