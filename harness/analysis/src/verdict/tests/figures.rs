//! Gates on times and rates.

use Outcome::{Fail, Inconclusive, Measured, Pass};

use super::*;
use crate::verdict::sees_with;

/// Trials that are ready after these times, in ms.
fn ready_after(times: impl IntoIterator<Item = u64>) -> Vec<Told> {
    let told = |ms| faulted().ready(Some(ms));
    times.into_iter().map(told).collect()
}

/// An interval on both sides of the bound, where this many trials may do.
fn about(trials: u32) -> String {
    format!("lies on both sides of the bound; about {trials} trials would tell, by an estimate")
}

/// The same where the figure is at the bound or an end is beyond the horizon.
const NOBODY_KNOWS: &str =
    "lies on both sides of the bound; more trials may tell, how many cannot be estimated";

/// Trials that fail so many of 100 operations after recovery.
fn failing(failed: impl IntoIterator<Item = u64>) -> Vec<Told> {
    let told = |failed| faulted().fails_after(failed, 100);
    failed.into_iter().map(told).collect()
}

/// The figure is exactly this in all of 59 trials, so that no other figure and no other unit would do.
#[test]
fn every_metric_asks_for_its_own_figure() {
    let told = Told {
        unsent: (2, 100),
        ..faulted().fails_after(10, 100)
    };
    let trials = analyze(&with_control(&vec![told.clone(); 59]));
    for (metric, figure, said) in [
        ("time_to_detect", "2ms", "2.0 ms"),
        ("time_to_restart", "8ms", "8.0 ms"),
        ("time_to_listen", "88ms", "88.0 ms"),
        ("time_to_ready", "98ms", "98.0 ms"),
        ("time_to_steady", "298ms", "298.0 ms"),
        ("outage", "100ms", "100.0 ms"),
        ("longest_gap", "201500us", "201.5 ms"),
        ("outage_area", "200ms", "0.20 s"),
    ] {
        for stat in ["median", "p95", "max"] {
            for relation in ["==", "<=", ">="] {
                check_gate_on(
                    &trials,
                    &format!("{metric}.{stat} {relation} {figure}"),
                    Pass,
                    "",
                );
            }
            for relation in ["<", ">"] {
                check_gate_on(
                    &trials,
                    &format!("{metric}.{stat} {relation} {figure}"),
                    Fail,
                    said,
                );
            }
        }
    }
    let trials = analyze(&with_control(&vec![told; 6]));
    for (part, share, said) in [
        ("before", "2%", "2.000 %"),
        ("during", "1", "100.000 %"),
        ("after", "0.1", "10.000 %"),
    ] {
        for relation in ["==", "<=", ">="] {
            check_gate_on(
                &trials,
                &format!("error_rate.{part} {relation} {share}"),
                Pass,
                "",
            );
        }
        check_gate_on(&trials, &format!("error_rate.{part} < {share}"), Fail, said);
    }
}

#[test]
fn a_median_holds_with_its_whole_interval_and_is_broken_without_any_of_it() {
    let trials = ready_after([100, 110, 120, 130, 140, 150]);
    for (demand, outcome) in [
        ("< 151ms", Pass),
        ("<= 150ms", Pass),
        ("< 150ms", Inconclusive),
        ("<= 125ms", Inconclusive),
        ("<= 100ms", Inconclusive),
        ("< 100ms", Fail),
        ("<= 99ms", Fail),
        ("> 99ms", Pass),
        (">= 100ms", Pass),
        ("> 100ms", Inconclusive),
        (">= 150ms", Inconclusive),
        ("> 150ms", Fail),
        (">= 151ms", Fail),
        ("== 99ms", Fail),
        ("== 125ms", Inconclusive),
        ("== 150ms", Inconclusive),
        ("== 151ms", Fail),
    ] {
        let shown = "125.0 ms [100.0 ms, 150.0 ms]";
        let said = match outcome {
            Inconclusive if demand.ends_with("125ms") => format!("{shown} {NOBODY_KNOWS}"),
            Inconclusive => format!("{shown} {}", about(7)),
            Pass | Fail | Measured => shown.to_owned(),
        };
        check_gate(
            &trials,
            &format!("time_to_ready.median {demand}"),
            outcome,
            &said,
        );
    }
}

#[test]
fn a_median_of_fewer_than_six_trials_says_how_many_it_needs() {
    let said = "a median's interval needs 6 trials, there are 5";
    for demand in ["< 1h", "< 1ms", ">= 0s"] {
        let gate = format!("time_to_ready.median {demand}");
        check_gate(&ready_after([100; 5]), &gate, Inconclusive, said);
    }
}

#[test]
fn a_95th_percentile_is_judged_by_its_bounds_from_both_sides() {
    let trials = analyze(&with_control(&ready_after(101..=159)));
    let shown = "157.0 ms [153.0 ms, 159.0 ms]";
    for (demand, outcome) in [
        ("<= 159ms", Pass),
        ("< 159ms", Inconclusive),
        ("<= 156ms", Inconclusive),
        ("<= 153ms", Inconclusive),
        ("< 153ms", Fail),
        (">= 153ms", Pass),
        ("> 153ms", Inconclusive),
        ("> 156ms", Inconclusive),
        ("> 159ms", Fail),
    ] {
        let said = match outcome {
            Inconclusive => format!(
                "{shown} {}",
                about(if demand.ends_with("156ms") { 944 } else { 60 })
            ),
            Pass | Fail | Measured => shown.to_owned(),
        };
        check_gate_on(
            &trials,
            &format!("time_to_ready.p95 {demand}"),
            outcome,
            &said,
        );
    }
}

#[test]
fn a_95th_percentile_of_too_few_trials_says_how_many_it_needs() {
    let said = "a 95th percentile needs 59 trials, there are 58";
    for demand in ["< 1h", "< 1ms"] {
        let gate = format!("time_to_ready.p95 {demand}");
        check_gate(&ready_after(101..=158), &gate, Inconclusive, said);
    }
}

#[test]
fn the_largest_is_judged_by_itself() {
    let trials = ready_after([100, 300, 200]);
    for (demand, outcome) in [
        ("<= 300ms", Pass),
        ("< 300ms", Fail),
        ("== 300ms", Pass),
        ("== 200ms", Fail),
        (">= 300ms", Pass),
        ("> 300ms", Fail),
    ] {
        check_gate(
            &trials,
            &format!("time_to_ready.max {demand}"),
            outcome,
            "300.0 ms",
        );
    }
}

#[test]
fn what_lies_beyond_the_horizon_is_larger_than_any_bound() {
    let mut trials = ready_after([100; 5]);
    trials.push(faulted().ready(None));
    for metric in [
        "time_to_ready",
        "time_to_listen",
        "time_to_steady",
        "longest_gap",
        "outage_area",
    ] {
        check_gate(
            &trials,
            &format!("{metric}.max < 1h"),
            Fail,
            "beyond the horizon",
        );
        check_gate(&trials, &format!("{metric}.max > 1h"), Pass, "");
        check_gate(
            &trials,
            &format!("{metric}.max == 1h"),
            Fail,
            "beyond the horizon",
        );
    }
    let open = format!("100.0 ms [100.0 ms, beyond the horizon] {NOBODY_KNOWS}");
    check_gate(&trials, "time_to_ready.median < 1h", Inconclusive, &open);
    for (gate, trials) in [
        ("time_to_ready.median < 1h", 6),
        ("time_to_ready.p95 < 1h", 59),
    ] {
        let never = vec![faulted().ready(None); trials];
        let verdict = verdict(&never, &[gate, "unrecovered <= 59"]);
        let broken = format!("first: {gate} is broken: beyond the horizon");
        assert_eq!((verdict.outcome, &verdict.reasons[0]), (Fail, &broken));
    }
}

#[test]
fn a_trial_without_the_figure_may_have_had_any() {
    let unknown = Told {
        restarted: false,
        ..faulted().ready(None)
    };
    let mut trials = vec![faulted(); 5];
    trials.push(unknown.clone());
    let lacks = "1 of 6 trials lack the figure";
    let max = format!(
        "beyond the horizon [8.0 ms, beyond the horizon] lies on both sides of the bound; {lacks}"
    );
    check_gate(&trials, "time_to_restart.max < 1s", Inconclusive, &max);
    check_gate(
        &trials,
        "time_to_restart.max < 8ms",
        Fail,
        "beyond the horizon [8.0 ms, beyond the horizon]",
    );
    check_gate(&trials, "time_to_restart.max >= 8ms", Pass, "");
    let median = format!("8.0 ms [0.0 ms, beyond the horizon] {NOBODY_KNOWS}; {lacks}");
    check_gate(
        &trials,
        "time_to_restart.median < 1s",
        Inconclusive,
        &median,
    );
    check_gate(&vec![faulted(); 6], "time_to_restart.median < 1s", Pass, "");
    let none = "no trial has this figure: zero samples";
    let unknown = Told {
        restarted: false,
        ..faulted()
    };
    for stat in ["median", "p95", "max"] {
        let gate = format!("time_to_restart.{stat} < 1s");
        check_gate(&vec![unknown.clone(); 59], &gate, Inconclusive, none);
    }
}

#[test]
fn a_fault_that_nobody_noticed_has_no_time_to_detect() {
    let unnoticed = Told {
        noticed: false,
        ..faulted()
    };
    let trials = [unnoticed];
    let none = "no trial has this figure: zero samples";
    check_gate(&trials, "time_to_detect.max < 1s", Inconclusive, none);
    let nothing = "no operation was scheduled there: zero samples";
    check_gate(&trials, "error_rate.during <= 100%", Inconclusive, nothing);
    let [unnoticed] = trials;
    let some = [faulted(), unnoticed];
    check_gate(&some, "time_to_detect.max <= 2ms", Pass, "");
}

#[test]
fn a_rate_is_judged_by_how_it_differs_from_trial_to_trial() {
    check_gate(&failing([0; 10]), "error_rate.after <= 0.1%", Pass, "");
    let few = failing([0, 1, 2, 3, 0, 1, 2, 3, 1, 2]);
    check_gate(&few, "error_rate.after <= 3%", Pass, "");
    check_gate(&few, "error_rate.after >= 0.5%", Pass, "");
    for (demand, outcome) in [
        ("<= 1.5%", Inconclusive),
        ("< 0.5%", Fail),
        ("> 3%", Fail),
        ("== 1.5%", Inconclusive),
        ("== 3%", Fail),
    ] {
        let shown = "1.500 % [0.611 %, 2.586 %]";
        let said = match outcome {
            Inconclusive => format!("{shown} {NOBODY_KNOWS}"),
            Pass | Fail | Measured => shown.to_owned(),
        };
        check_gate(&few, &format!("error_rate.after {demand}"), outcome, &said);
    }
    // One bad crash of ten says little, though its thousand operations would.
    let one_bad = failing([0, 0, 0, 0, 0, 0, 0, 0, 0, 50]);
    let verdict = verdict(&one_bad, &["error_rate.after <= 6%"]);
    assert_eq!(verdict.outcome, Inconclusive, "{:?}", verdict.reasons);
}

#[test]
fn a_rate_of_fewer_than_six_trials_may_be_any() {
    let said = "a rate's interval needs 6 trials, there are 5";
    for demand in ["<= 1%", "< 100%", "== 0", "> 0"] {
        let gate = format!("error_rate.after {demand}");
        check_gate(&failing([0; 5]), &gate, Inconclusive, said);
    }
    check_gate(&failing([0; 6]), "error_rate.after == 0", Pass, "");
}

#[test]
fn one_failure_refutes_a_rate_of_zero() {
    for failed in [&[1][..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]] {
        for demand in ["<= 0", "== 0%"] {
            let verdict = verdict(
                &failing(failed.iter().copied()),
                &[&format!("error_rate.after {demand}")],
            );
            assert_eq!(verdict.outcome, Fail, "{:?}", verdict.reasons);
        }
        check_gate(
            &failing(failed.iter().copied()),
            "error_rate.after > 0",
            Pass,
            "",
        );
    }
}

#[test]
fn trials_without_an_operation_there_have_no_rate() {
    let mut trials = failing([10; 5]);
    trials.extend(vec![faulted().fails_after(0, 0); 8]);
    let said = "a rate's interval needs 6 trials, there are 5";
    check_gate(&trials, "error_rate.after < 20%", Inconclusive, said);
    trials.push(faulted().fails_after(10, 100));
    check_gate(&trials, "error_rate.after < 20%", Pass, "");
    check_gate(&trials, "error_rate.after < 10%", Fail, "10.000 %");
}

#[test]
fn a_stored_run_is_always_judged_alike() {
    let trials = failing([0, 7, 2, 30, 1, 0, 4]);
    let judged = || verdict(&trials, &["error_rate.after <= 4%"]);
    assert_eq!(judged(), judged());
}

/// Of 201 journeys of one operation each the outage tears one and the failures after it ten; two failed before.
#[test]
fn journeys_that_the_fault_tore_are_judged_as_a_rate() {
    let told = Told {
        unsent: (2, 100),
        ..faulted().fails_after(10, 100)
    };
    let trials = vec![told; 6];
    check_gate(&trials, "journey_goodput >= 94%", Pass, "");
    check_gate(&trials, "journey_goodput >= 95%", Fail, "94.527 %");
}

#[test]
fn journeys_of_which_nobody_knows_must_not_decide_a_gate() {
    let mut trials = vec![faulted(); 6];
    trials.push(control());
    let mut analysis = analyze(&journal(&trials));
    for trial in &mut analysis.arms[0].trials {
        let journeys = trial.journeys.as_mut().unwrap();
        journeys.undecided = 20;
        journeys.operations.after.undecided = 20;
    }
    for (demand, outcome) in [
        (">= 80%", Pass),
        (">= 95%", Inconclusive),
        ("< 90%", Inconclusive),
        (">= 99.9%", Fail),
        (">= baseline", Inconclusive),
    ] {
        let gates = [gate(&format!("journey_goodput {demand}"))];
        let verdict = judge(&analysis, &gates, Some(&analysis));
        assert_eq!(verdict.outcome, outcome, "{demand}: {:?}", verdict.reasons);
    }
}

#[test]
fn a_blind_time_that_is_not_known_exactly_must_be_so_for_sure() {
    let mut trials = vec![faulted(); 6];
    trials.push(control());
    let mut analysis = analyze(&journal(&trials));
    let judged = |analysis: &Analysis, demand: &str| {
        let gates = [gate(&format!("blind_time.max {demand}"))];
        judge(analysis, &gates, None).outcome
    };
    assert_eq!(
        judged(&analysis, "< 1s"),
        Inconclusive,
        "it was not measured"
    );
    for trial in &mut analysis.arms[0].trials {
        trial.blind_time = Some(crate::measure::BlindTime {
            ms: 190.0,
            error_ms: 20.0,
        });
    }
    for (demand, outcome) in [
        ("<= 210ms", Pass),
        ("<= 200ms", Inconclusive),
        ("< 190ms", Fail),
    ] {
        assert_eq!(judged(&analysis, demand), outcome, "{demand}");
    }
}

/// Six trials of medians a little beyond their bounds: by the sign test each is so by chance in 1.6 % of runs.
#[test]
fn gates_that_break_by_themselves_and_not_together_are_inconclusive_and_never_hold() {
    let near = ready_after([101, 130, 160, 190, 250, 400]);
    let ready = "time_to_ready.median <= 100ms";
    let broken = |trials: &[Told], gates: &[&str]| {
        let verdict = verdict(trials, gates);
        let of = |check: &crate::verdict::Check| (check.gate.clone(), check.outcome);
        let found = verdict.checks.iter().map(of).collect::<Vec<_>>();
        let (_, outcome) = found.into_iter().find(|(gate, _)| gate == ready).unwrap();
        (verdict, outcome)
    };
    let others = [
        "time_to_steady.median < 9s",
        "longest_gap.median < 9s",
        "outage_area.median < 9s",
        "time_to_restart.median < 9s",
    ];
    assert_eq!(broken(&near, &[ready]).1, Fail);
    assert_eq!(broken(&near, &[ready, others[0]]).1, Fail);
    let five: Vec<&str> = [ready].into_iter().chain(others).collect();
    let (told, outcome) = broken(&near, &five);
    assert_eq!((outcome, told.outcome), (Inconclusive, Inconclusive));
    assert!(
        told.reasons[0].contains("5 gates on times and rates are judged"),
        "{:?}",
        told.reasons
    );
    assert_eq!(told.more_trials(), Some(1));
    // What is far beyond its bound is broken among as many.
    let far = ready_after([5_001, 5_030, 5_060, 5_090, 5_150, 5_300]);
    assert_eq!(broken(&far, &five).1, Fail);
    // Exact ones are no part of it.
    let exact = [ready, "time_to_ready.max < 9s", "lost_sessions == 0"];
    let exact = exact
        .into_iter()
        .chain(["time_to_steady.max < 9s", "unrecovered == 0"]);
    assert_eq!(broken(&near, &exact.collect::<Vec<_>>()).1, Fail);
}

#[test]
fn a_gate_that_holds_says_what_it_could_have_seen() {
    let trials = ready_after([100, 110, 120, 130, 140, 150]);
    let said = |gate: &str| {
        let check = verdict(&trials, &[gate]).checks.remove(0);
        check.sharpness.map(|sharpness| sharpness.shows_from)
    };
    // 1.43 times half of 50 ms beyond the bound.
    let median = said("time_to_ready.median <= 200ms");
    assert_eq!(median, Some(Some("235.7 ms".to_owned())));
    assert_eq!(said("time_to_ready.max <= 200ms"), None);
    assert_eq!(said("lost_sessions == 0"), None);
    assert_eq!(said("error_rate.after <= 1%"), Some(None), "a point");
    for (text, n, sees) in [
        ("lost_sessions == 0", 6, "exact"),
        ("outage.median < 2s", 6, "1.8 standard deviations"),
        ("outage.median < 2s", 5, "needs 6 trials"),
        ("outage.p95 < 2s", 6, "needs 59 trials"),
        ("error_rate.after <= 1%", 6, "1.5 standard deviations"),
        ("outage.median <= baseline", 6, "1.7 standard deviations"),
    ] {
        let said = sees_with(&gate(text), n);
        assert!(said.contains(sees), "{text}: {said}");
    }
}
