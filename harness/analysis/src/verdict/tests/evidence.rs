//! What keeps a run from passing, whatever is demanded of it.

use Outcome::{Fail, Inconclusive, Measured, Pass};
use comeback_model::event::EventKind;
use comeback_model::ids::TrialId;
use comeback_model::operation::{Cached, ErrorClass, Outcome as Acknowledgement, Step};
use comeback_model::plan::Workload;

use super::*;

#[test]
fn a_run_without_gates_is_measured_and_never_a_pass() {
    let second = |told: Told| Told { arm: 1, ..told };
    let trials = [faulted(), second(faulted().with(&[Fate::Lost])), control()];
    check(&verdict_on(&journal(&trials), &[]), Measured, &[]);
    // What was lost is a measurement, and nothing to compare it with is needed.
    check(&verdict_on(&journal(&trials[..2]), &[]), Measured, &[]);
    check(
        &verdict_on(&journal(&[faulted(), second(control())]), &[]),
        Inconclusive,
        &["second: no trial with a fault counts"],
    );
}

#[test]
fn a_run_with_gates_passes_when_they_hold() {
    let gates = ["lost_sessions == 0", "lost_writes == 0", "unrecovered == 0"];
    check(&verdict(&[faulted()], &gates), Pass, &[]);
}

#[test]
fn a_skipped_arm_is_inconclusive_and_its_gates_are_not_asked() {
    let mut journal = journal(&[
        faulted(),
        control(),
        Told {
            arm: 1,
            ..control()
        },
    ]);
    journal.header.plan.arms[1].skip = Some("there is no compiler".to_owned());
    for gates in [&[][..], &["unrecovered == 0"]] {
        check(
            &verdict_on(&journal, gates),
            Inconclusive,
            &["second: skipped: there is no compiler"],
        );
    }
}

#[test]
fn a_trial_that_does_not_count_makes_the_run_inconclusive() {
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let slow = Told {
        unsent: (11, 100),
        ..faulted()
    };
    let idle = Told {
        unsent: (0, 0),
        ..faulted()
    };
    for (void, reason) in [
        (missed, "the fault did not land: it ran on"),
        (
            slow,
            "only 89.0 % of the 100 operations the baseline scheduled were sent; the floor is 90 % (the server managed 44 \
             operations/s: try --rate 35 or --rate auto)",
        ),
        (
            idle,
            "no operation in the baseline: zero samples. Raise the rate, or lengthen the baseline",
        ),
    ] {
        let about = format!("first: trial 1 does not count: {reason}");
        for gates in [&[][..], &["lost_sessions == 0"]] {
            let verdict = verdict(&[faulted(), void.clone()], gates);
            check(&verdict, Inconclusive, &[&about]);
        }
        // Without a fault everything is baseline, and no rate follows from it.
        let reason = reason.split(" (").next().unwrap_or_default();
        let about = format!("first: control trial 1 does not count: {reason}");
        let void = Told {
            control: true,
            failed: (0, 0),
            ..void
        };
        if void.landed {
            check(&verdict(&[faulted(), void], &[]), Inconclusive, &[&about]);
        }
    }
}

#[test]
fn a_load_just_at_its_floor_passes() {
    let slow = Told {
        unsent: (10, 100),
        ..faulted()
    };
    check(&verdict(&[slow], &["lost_sessions == 0"]), Pass, &[]);
}

/// What is told of a session that a control trial lost.
const CAUSE: &str = "first: cause: 1 session was lost without any fault, as when they are evicted or expire (trial 1)";

/// A trial whose load missed its floor.
fn below_its_floor() -> Told {
    Told {
        unsent: (50, 100),
        ..faulted()
    }
}

const BELOW: &str = "does not count: only 50.0 % of the 100 operations the baseline scheduled were sent; the floor \
                     is 90 % (the server managed 25 operations/s: try --rate 20 or --rate auto)";
/// In a control trial everything is baseline, and no rate follows from it.
const BELOW_CONTROL: &str = "does not count: only 50.0 % of the 100 operations the baseline scheduled were sent; the floor is 90 %";

#[test]
fn a_certain_loss_counts_also_in_a_trial_whose_times_do_not() {
    let void = below_its_floor().with(&[Fate::Lost, Fate::Finds(1)]);
    let beside = "in trials whose times do not count";
    check(
        &verdict(
            &[faulted(), void.clone()],
            &["lost_sessions == 0", "lost_writes == 0"],
        ),
        Fail,
        &[
            &format!("first: lost_sessions == 0 is broken: 0 of 3, and 1 of 2 {beside}"),
            &format!("first: lost_writes == 0 is broken: 0 of 3, and 1 of 2 {beside}"),
            &format!("first: trial 1 {BELOW}"),
        ],
    );
    // It is one also where no trial counts.
    check(
        &verdict(
            std::slice::from_ref(&void),
            &["lost_sessions == 0", "time_to_ready.max < 1s"],
        ),
        Fail,
        &[
            &format!("first: lost_sessions == 0 is broken: 1 of 2 {beside}"),
            &format!("first: trial 0 {BELOW}"),
            "first: no trial with a fault counts",
        ],
    );
    // Beyond a bound it adds to what was counted, and it never helps one to be reached.
    let two = [faulted().with(&[Fate::Lost]), void.clone()];
    for (gate, outcome) in [
        ("lost_sessions <= 1", Fail),
        ("lost_sessions <= 2", Inconclusive),
        ("lost_sessions >= 2", Fail),
    ] {
        assert_eq!(verdict(&two, &[gate]).outcome, outcome, "{gate}");
    }
}

#[test]
fn a_trial_whose_times_do_not_count_gives_no_evidence_for_a_pass() {
    for void in [below_its_floor(), below_its_floor().ready(None)] {
        let gates = [
            "lost_sessions == 0",
            "unrecovered == 0",
            "time_to_ready.max < 1s",
        ];
        let verdict = verdict(&[faulted(), void], &gates);
        check(
            &verdict,
            Inconclusive,
            &[&format!("first: trial 1 {BELOW}")],
        );
    }
}

#[test]
fn a_loss_is_no_counterexample_where_the_fault_did_not_land() {
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let verdict = verdict(
        &[faulted(), missed.with(&[Fate::Lost])],
        &["lost_sessions == 0"],
    );
    check(
        &verdict,
        Inconclusive,
        &["first: trial 1 does not count: the fault did not land: it ran on"],
    );
}

#[test]
fn what_a_control_loses_refutes_also_where_its_times_do_not_count() {
    let control = Told {
        control: true,
        failed: (0, 0),
        ..below_its_floor().with(&[Fate::Lost])
    };
    let trials = [faulted().with(&[Fate::Lost]), control];
    check(
        &verdict_on(&journal(&trials), &["lost_sessions == 0"]),
        Inconclusive,
        &[
            &format!("first: control trial 1 {BELOW_CONTROL}"),
            "first: there is no control trial to compare with",
            "first: lost_sessions == 0 cannot be judged: 1 of 1, but not by the fault alone: 1 of 1 session was lost \
             without any fault",
            CAUSE,
        ],
    );
}

#[test]
fn a_run_without_a_trial_or_an_arm_is_inconclusive() {
    let none = "first: no trial with a fault counts";
    check(&verdict(&[], &[]), Inconclusive, &[none]);
    check(
        &verdict(&[], &["lost_sessions == 0"]),
        Inconclusive,
        &[none],
    );
    let mut nothing = journal(&[]);
    nothing.header.plan.arms.clear();
    check(
        &verdict_on(&nothing, &[]),
        Inconclusive,
        &["there is no arm"],
    );
}

#[test]
fn sessions_of_which_nobody_knows_what_became_are_inconclusive() {
    let all = "first: all 4 sessions are undecided";
    let trials = [
        faulted().with(&[Fate::Undecided; 2]),
        faulted().with(&[Fate::Undecided; 2]),
    ];
    check(&verdict(&trials, &[]), Inconclusive, &[all]);
    let one_known = [faulted(), faulted().with(&[Fate::Undecided; 2])];
    check(&verdict(&one_known, &[]), Measured, &[]);
}

#[test]
fn an_interrupted_run_is_inconclusive_unless_something_was_broken_before() {
    let mut interrupted = journal(&[faulted().with(&[Fate::Lost]), control()]);
    interrupted.events.last_mut().unwrap().kind = EventKind::RunInterrupted;
    let said = "the run was interrupted";
    check(&verdict_on(&interrupted, &[]), Inconclusive, &[said]);
    check(
        &verdict_on(&interrupted, &["lost_sessions == 0"]),
        Fail,
        &["first: lost_sessions == 0 is broken: 1 of 1", said],
    );
}

#[test]
fn gates_without_a_control_trial_are_inconclusive() {
    check(
        &verdict_on(&journal(&[faulted()]), &["lost_sessions == 0"]),
        Inconclusive,
        &["first: there is no control trial to compare with"],
    );
}

#[test]
fn what_is_lost_without_a_fault_is_not_blamed_on_one() {
    let control = control().with(&[Fate::Lost, Fate::Finds(1)]);
    let judged = |told: Told, gates: &[&str]| verdict(&[told, control.clone()], gates);
    let sessions = "1 of 5 sessions was lost without any fault";
    let writes = "1 of 5 writes was lost without any fault";
    let open = format!("first: lost_sessions == 0 cannot be judged: {sessions}");
    check(
        &judged(faulted(), &["lost_sessions == 0"]),
        Inconclusive,
        &[&open, CAUSE],
    );
    check(
        &judged(
            faulted().with(&[Fate::Lost, Fate::Finds(0)]),
            &[
                "lost_sessions == 0",
                "reset_sessions == 0",
                "lost_writes == 0",
            ],
        ),
        Inconclusive,
        &[
            &format!(
                "first: lost_sessions == 0 cannot be judged: 1 of 2, but not by the fault alone: {sessions}"
            ),
            &format!(
                "first: reset_sessions == 0 cannot be judged: 1 of 2, but not by the fault alone: {writes}"
            ),
            &format!(
                "first: lost_writes == 0 cannot be judged: 2 of 2, but not by the fault alone: {sessions} and {writes}"
            ),
            CAUSE,
        ],
    );
    // What has nothing to do with the loss fails all the same; so does what no cause excuses.
    check(
        &judged(
            faulted().with(&[Fate::Anothers]),
            &["time_to_ready.max < 1ms", "wrong_identity == 0"],
        ),
        Fail,
        &[
            "first: time_to_ready.max < 1ms is broken: 98.0 ms",
            "first: wrong_identity == 0 is broken: 1 of 1",
            CAUSE,
        ],
    );
    // What it bears on alone is open.
    check(&judged(faulted(), &["time_to_ready.max < 1s"]), Pass, &[]);
    check(&judged(faulted(), &[]), Measured, &[]);
}

#[test]
fn fail_beats_inconclusive_and_what_failed_comes_first() {
    let of_second = |told: Told| Told { arm: 1, ..told };
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let trials = [
        faulted(),
        missed,
        control(),
        of_second(faulted().with(&[Fate::Lost])),
        of_second(control()),
    ];
    check(
        &verdict_on(
            &journal(&trials),
            &["lost_sessions == 0", "time_to_ready.median < 1s"],
        ),
        Fail,
        &[
            "second: lost_sessions == 0 is broken: 1 of 1",
            "first: trial 1 does not count: the fault did not land: it ran on",
            "first: time_to_ready.median < 1s cannot be judged: a median's interval needs 6 trials, there are 1",
            "second: time_to_ready.median < 1s cannot be judged: a median's interval needs 6 trials, there are 1",
        ],
    );
}

#[test]
fn outcomes_have_the_names_of_the_document() {
    for outcome in [Pass, Fail, Inconclusive, Measured] {
        let written = serde_json::to_string(&outcome).unwrap();
        assert_eq!(written, format!("\"{}\"", outcome.name()));
    }
}

#[test]
fn another_users_content_from_a_cache_fails_the_run_whatever_is_demanded_and_wherever_it_was() {
    let missed = Told {
        landed: false,
        ..faulted()
    };
    // In a trial with a fault, in a control, and in one that does not count.
    for trials in [
        [faulted(), control()],
        [control(), faulted()],
        [missed, faulted()],
    ] {
        for (cached, has_cache, fails) in [
            (Cached::Hit, true, true),
            (Cached::Revalidated, true, true),
            (Cached::Pass, true, false),
            (Cached::Hit, false, false),
        ] {
            let mut journal = journal(&trials);
            if has_cache {
                let server = journal.header.plan.arms[0].target.clone();
                journal.header.plan.arms[0].cache = Some(server);
            }
            let first = journal.operations.iter_mut();
            let shown = first
                .filter(|operation| operation.trial == TrialId(0))
                .find(|operation| operation.step == Step::Check)
                .unwrap();
            shown.error = Some(ErrorClass::WrongIdentity);
            shown.cache = Some(cached);
            let verdict = verdict_on(&journal, &[]);
            let told = "first: the cache served another user's content, 1 time";
            let is_told = verdict.reasons.iter().any(|reason| reason == told);
            assert_eq!(
                (verdict.outcome == Fail, is_told),
                (fails, fails),
                "{verdict:?}"
            );
        }
    }
}

#[test]
fn that_nothing_is_lost_says_nothing_where_no_fault_met_a_write() {
    let gates = [
        "lost_sessions == 0",
        "lost_writes == 0",
        "wrong_identity == 0",
    ];
    let met = journal(&[control(), faulted()]);
    check(&verdict_on(&met, &gates), Pass, &[]);
    let mut unmet = met.clone();
    for operation in &mut unmet.operations {
        // The sessions' own writes come before the baseline; only the last is one that the fault meets.
        if operation.step == Step::Act && operation.client.0 >= 1_000 {
            operation.step = Step::Check;
        }
    }
    let said = |gate: &str| {
        format!(
            "first: {gate} == 0 cannot be judged: no write was in flight at the only fault: raise the rate or the number of \
             sessions, or have the fault come within a request"
        )
    };
    let (sessions, writes) = (said("lost_sessions"), said("lost_writes"));
    check(
        &verdict_on(&unmet, &gates),
        Inconclusive,
        &[&sessions, &writes],
    );
    // A proxy in which it may have waited is named.
    let mut behind_a_proxy = met.clone();
    behind_a_proxy.header.plan.faults[0].holds_back.to = None;
    let verdict = verdict_on(&behind_a_proxy, &gates);
    assert_eq!(verdict.outcome, Inconclusive);
    let named = "known to have been in the server at the only fault, and not in a proxy that held data back";
    let reasons = verdict.reasons.iter();
    assert_eq!(reasons.filter(|why| why.contains(named)).count(), 2);
    // A server that takes no write at all has none to lose, though one was in flight.
    let mut refused = met.clone();
    for operation in &mut refused.operations {
        if operation.step == Step::Act {
            operation.outcome = Acknowledgement::Rejected;
            operation.error = Some(ErrorClass::ClientError);
        }
    }
    check(
        &verdict_on(&refused, &["lost_sessions == 0", "wrong_identity == 0"]),
        Inconclusive,
        &[
            "first: lost_sessions == 0 cannot be judged: no act was ever acknowledged before a fault, so nothing could be \
           lost: is the request of `act` right?",
        ],
    );
    // Where nothing changes anything there is nothing to be met.
    if let Workload::Sessions(flow) = &mut unmet.header.plan.load.workload {
        flow.mix.act = 0;
    }
    check(&verdict_on(&unmet, &gates), Pass, &[]);
}
