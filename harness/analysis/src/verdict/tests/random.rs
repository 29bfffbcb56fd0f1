//! Whatever the trials were: no pass against the evidence, and none without it.

use Fate::{Anothers, Finds, LoggedOut, Lost, Phantom, Undecided, Zombie};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let odd = select(vec![
        Lost,
        Finds(0),
        Anothers,
        Undecided,
        Zombie,
        LoggedOut,
        Finds(2),
        Phantom,
    ]);
    vec(prop_oneof![12 => Just(Finds(1)), 1 => odd], 0..5)
}

prop_compose! {
    fn trial()(
        fates in fates(),
        control in prop::bool::weighted(0.2),
        ready in option::weighted(0.97, 20..2_000_u64),
        landed in prop::bool::weighted(0.97),
        failed in prop_oneof![8 => Just(0), 1 => 0..20_u64],
    ) -> Told {
        Told {
            control,
            landed,
            // A trial without a fault never went down.
            ready: ready.or(control.then_some(98)),
            ..faulted().with(&fates).fails_after(failed, 20)
        }
    }
}

/// Whether a session is counted.
type Counts = fn(Fate) -> bool;

/// Every count by its name, with what a session of a trial that recovered adds to it.
const COUNTS: [(&str, Counts); 7] = [
    ("lost_sessions", |fate| fate == Lost),
    ("reset_sessions", |fate| fate == Finds(0)),
    ("wrong_identity", |fate| fate == Anothers),
    ("zombie_sessions", |fate| fate == Zombie),
    ("lost_writes", |fate| {
        matches!(fate, Lost | Finds(0) | Anothers)
    }),
    ("duplicated_writes", |fate| fate == Finds(2)),
    ("phantom_writes", |fate| fate == Phantom),
];

fn found(trial: &Told, counts: Counts) -> usize {
    match trial.ready {
        Some(_) => trial.fates.iter().filter(|fate| counts(**fate)).count(),
        None => 0,
    }
}

proptest! {
    #[test]
    fn no_run_passes_in_which_a_counted_trial_breaks_a_count(
        trials in vec(trial(), 1..6),
        (name, counts) in select(COUNTS.to_vec()),
        bound in 0..3_usize,
    ) {
        let verdict = verdict(&trials, &[&format!("{name} <= {bound}")]);
        let counted = || trials.iter().filter(|trial| !trial.control && trial.landed);
        let (mut all, mut sessions, mut undecided, mut logged_out) = (0, 0, 0, 0);
        for trial in counted() {
            let found = found(trial, counts);
            prop_assert!(found <= bound || verdict.outcome != Outcome::Pass, "{:?}", verdict);
            all += found;
            let has_ended = |fate: &&Fate| matches!(fate, Zombie | LoggedOut);
            let ended = trial.fates.iter().filter(has_ended).count();
            let alive = trial.fates.len() - ended;
            logged_out += if trial.ready.is_some() { ended } else { 0 };
            let unanswered = trial.fates.iter().filter(|fate| **fate == Undecided).count();
            sessions += alive;
            undecided += if trial.ready.is_some() { unanswered } else { alive };
        }
        let bears = |fate: &Fate| match name {
            "lost_sessions" => *fate == Lost,
            "wrong_identity" => *fate == Anothers,
            "zombie_sessions" => *fate == Zombie,
            _ => matches!(fate, Lost | Finds(0 | 2) | Anothers | Phantom),
        };
        let unclean = trials.iter().any(|trial| trial.control && trial.fates.iter().any(bears));
        let never_excused = matches!(name, "wrong_identity" | "zombie_sessions");
        if all > bound && (!unclean || never_excused) {
            prop_assert_eq!(verdict.outcome, Outcome::Fail, "{:?}", verdict);
        }
        if verdict.outcome == Outcome::Pass {
            prop_assert!(all <= bound && !unclean);
            let samples = if name == "zombie_sessions" { logged_out } else { sessions };
            prop_assert!(samples + all > 0, "zero samples: {verdict:?}");
            let open = if name.ends_with("sessions") || name == "wrong_identity" { undecided } else { 0 };
            prop_assert!(all + open <= bound && (undecided == 0 || undecided < sessions));
            prop_assert!(trials.iter().all(|trial| trial.control || trial.landed));
        }
    }

    #[test]
    fn reasons_are_given_exactly_when_a_run_does_not_pass(
        trials in vec(trial(), 0..8),
        gates in vec(select(vec![
            "lost_sessions == 0",
            "unrecovered == 0",
            "time_to_ready.median < 1s",
            "time_to_ready.max <= 1500ms",
            "time_to_steady.max < 2s",
            "outage_area.p95 < 1s",
            "error_rate.before == 0",
        ]), 0..4),
    ) {
        let verdict = verdict(&trials, &gates);
        let passes = if gates.is_empty() { Outcome::Measured } else { Outcome::Pass };
        prop_assert_eq!(verdict.reasons.is_empty(), verdict.outcome == passes);
        let kept = verdict.headline.contains("lost none");
        let unknown = |trial: &Told| !trial.control && trial.landed && (trial.ready.is_none()
            || trial.fates.contains(&Undecided));
        prop_assert!(!kept || !trials.iter().any(unknown), "{:?}", verdict);
        let broken = |reason: &String| reason.contains(" is broken: ");
        let failed = verdict.reasons.iter().filter(|reason| broken(reason)).count();
        prop_assert_eq!(failed > 0, verdict.outcome == Outcome::Fail);
        prop_assert!(verdict.reasons[..failed].iter().all(broken), "{:?}", verdict);
    }

    #[test]
    fn no_text_makes_the_reading_of_a_gate_panic(text in "\\PC{0,40}", bound in "\\PC{0,12}") {
        let _ = Gate::try_from(text);
        let _ = Gate::try_from(format!("error_rate.after <= {bound}"));
        let _ = Gate::try_from(format!("time_to_ready.max < {bound}"));
    }
}
