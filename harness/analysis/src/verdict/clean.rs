//! Whether an arm is clean without any fault (METHOD.md §5): what goes wrong in a control trial, or before the fault,
//! cannot be blamed on one. It keeps the gates that it bears on from being judged, and no others.

use comeback_model::gate::{Bearing, Gate};
use comeback_statistics::surely_above;

use crate::measure::words::{counted, grouped, percent};
use crate::measure::{ArmAnalysis, ErrorTally, SessionCounts, TrialAnalysis};

/// The share of failed operations up to which a control is clean. One refused connection in 10,000 operations is the
/// machine's doing, and the gates of error rates that people write are not below this.
const CLEAN: f64 = 0.001;

/// What keeps this gate from being judged for an arm: what went wrong there without any fault, as a sentence.
pub(crate) fn without_a_fault(gate: &Gate, arm: &ArmAnalysis) -> Option<String> {
    let troubles: Vec<String> = gate
        .borne_on_by()
        .iter()
        .filter_map(|bearing| trouble(*bearing, arm))
        .collect();
    (!troubles.is_empty()).then(|| troubles.join(" and "))
}

/// So many logged-out sessions of the control that are not honoured show that a logout ends a session.
const LEAST_LOGGED_OUT: u64 = 5;

fn looked_at_in_control(arm: &ArmAnalysis) -> u64 {
    let controls = arm.controls_of_losses();
    controls.map(|trial| trial.sessions.logged_out).sum()
}

/// That the control looked at too few logged-out sessions to lay those to a fault that are honoured after it.
pub(crate) fn too_few_logouts(gate: &Gate, arm: &ArmAnalysis) -> Option<String> {
    let looked_at = looked_at_in_control(arm);
    (gate.needs_clean_control() && looked_at < LEAST_LOGGED_OUT).then(|| {
        format!(
            "the control looked at {} alone, which is too few to tell that a logout ends a session: give logout a larger share of the \
             mix, raise the rate, or add control trials",
            counted(looked_at, "logged-out session")
        )
    })
}

/// Whether a gate is asked of an arm at all. One that needs a control without what it counts is asked only where the control looked at
/// logged-out sessions and honoured none, and where somebody logged out before a fault, too. Few of them in the control tell something
/// only where some are honoured after the fault.
pub(crate) fn is_asked_of(gate: &Gate, arm: &ArmAnalysis) -> bool {
    if !gate.needs_clean_control() {
        return true;
    }
    let mut controls = arm.controls_of_losses().map(|trial| trial.sessions);
    let is_clean = controls
        .all(|sessions| sessions.zombie - sessions.zombie_recent + sessions.zombie_doubted == 0);
    let faulted = || arm.faulted().chain(arm.faulted_aside());
    let some = |of: fn(&SessionCounts) -> u64| faulted().any(|trial| of(&trial.sessions) > 0);
    let is_found = some(|sessions| sessions.zombie + sessions.zombie_doubted);
    is_clean
        && match looked_at_in_control(arm) {
            0 => false,
            LEAST_LOGGED_OUT.. => is_found || some(|sessions| sessions.logged_out),
            _ => is_found,
        }
}

/// The arm without what became of logouts after a fault. That they are honoured is no doing of the fault: a logout may take its time.
pub(crate) fn without_later_logouts(arm: &ArmAnalysis) -> ArmAnalysis {
    let mut arm = arm.clone();
    for trial in &mut arm.trials {
        trial.sessions.zombie_later = 0;
        if let Some(best) = &mut trial.at_best {
            best.sessions.zombie_later = 0;
        }
    }
    arm
}

fn trouble(bearing: Bearing, arm: &ArmAnalysis) -> Option<String> {
    match bearing {
        Bearing::Errors => errors(arm),
        Bearing::LostSessions => lost_sessions(arm),
        Bearing::Identity => in_control(arm, "session", "showed another user's content", |trial| {
            (trial.sessions.name_another(), trial.sessions.acknowledged)
        }),
        Bearing::Zombies => in_control(arm, "session", "were honoured after the logout", |trial| {
            (trial.sessions.zombie, trial.sessions.logged_out)
        }),
        Bearing::Writes => writes(arm),
    }
}

/// Failed operations of the control, where they are surely more than a trifle.
fn errors(arm: &ArmAnalysis) -> Option<String> {
    let mut errors = ErrorTally::default();
    arm.controls()
        .for_each(|trial| errors.merge(&trial.errors.before));
    if !surely_above(errors.failures(), errors.scheduled, CLEAN) {
        return None;
    }
    let share = errors.failures() as f64 / errors.scheduled as f64;
    let (class, most) = errors.failed.iter().max_by_key(|(_, failed)| **failed)?;
    let failed = counted(errors.scheduled, "operation");
    Some(format!(
        "{} of {failed} failed in the control, without any fault ({} {})",
        percent(share),
        class.label(),
        counted(*most, "time")
    ))
}

/// Sessions that were lost in the control, or before the fault.
fn lost_sessions(arm: &ArmAnalysis) -> Option<String> {
    let in_control = in_control(arm, "session", "were lost", |trial| {
        (trial.sessions.lost, trial.sessions.acknowledged)
    });
    // In a storm a loss before a kill bears on its own trial alone, which is left out.
    in_control.or_else(|| {
        if arm.storm.is_some() {
            return None;
        }
        let before: u64 = arm
            .trials
            .iter()
            .map(|trial| trial.before.lost_sessions)
            .sum();
        let was = if before == 1 { "was" } else { "were" };
        (before > 0).then(|| format!("{} {was} lost before any fault", counted(before, "session")))
    })
}

/// So many of so many in the control trials, where there are any.
fn in_control(
    arm: &ArmAnalysis,
    noun: &str,
    what: &str,
    of: impl Fn(&TrialAnalysis) -> (u64, u64),
) -> Option<String> {
    let (found, all) = arm
        .controls_of_losses()
        .map(of)
        .fold((0_u64, 0_u64), |(found, all), (more, of)| {
            (found.saturating_add(more), all.saturating_add(of))
        });
    let what = if found == 1 {
        what.replace("were", "was")
    } else {
        what.to_owned()
    };
    (found > 0).then(|| format!("{found} of {} {what} without any fault", counted(all, noun)))
}

/// A value that cannot be what was acknowledged, before the fault or in the control: it is no counter, or no store of
/// each write.
fn writes(arm: &ArmAnalysis) -> Option<String> {
    let bearing = || {
        let is_storm = arm.storm.is_some();
        let trials = arm.trials.iter();
        trials.filter(move |trial| !is_storm || trial.control)
    };
    let example = bearing().find_map(|trial| trial.before.example.as_ref());
    if let Some(example) = example {
        let refuted: u64 = bearing().map(|trial| trial.before.refuted).sum();
        return Some(format!(
            "without any fault {} showed what cannot be, so the value is no counter of acknowledged writes: {example}",
            if refuted == 1 {
                "1 reply".to_owned()
            } else {
                format!("{} replies", grouped(refuted))
            }
        ));
    }
    let lost = |trial: &TrialAnalysis| (trial.writes.lost, trial.writes.acknowledged);
    surplus(arm, "duplicated", |trial| trial.writes.duplicated)
        .or_else(|| surplus(arm, "phantom", |trial| trial.writes.phantom))
        .or_else(|| in_control(arm, "write", "were lost", lost))
        .or_else(|| {
            let stale: u64 = arm
                .controls_of_losses()
                .map(|trial| trial.writes.stale_reads)
                .sum();
            (stale > 0).then(|| {
                let checks = counted(stale, "check");
                format!("{checks} lacked an acknowledged write in the control, without any fault")
            })
        })
}

fn surplus(arm: &ArmAnalysis, what: &str, of: fn(&TrialAnalysis) -> u64) -> Option<String> {
    let (found, all) = arm
        .controls_of_losses()
        .fold((0_u64, 0_u64), |(found, all), trial| {
            (
                found.saturating_add(of(trial)),
                all.saturating_add(trial.writes.acknowledged),
            )
        });
    let writes = counted(found, &format!("{what} write"));
    (found > 0).then(|| {
        format!(
            "{writes} beside {} acknowledged in the control, without any fault",
            grouped(all)
        )
    })
}
