//! Facts about a run beside its figures: its extension, its replaced trials, its baseline, and the sharpness of its gates.

use comeback_analysis::summary::{ArmSummary, Extension, RunLabel, Summary};
use comeback_analysis::verdict::{Check, Family, Outcome};

use crate::format::{counted, percent};

/// Sentences without a full stop; none for a run of its declared trials that was compared with nothing.
///
/// Foreign text in them is not escaped.
pub fn course(summary: &Summary) -> Vec<String> {
    let added = summary.extensions.iter();
    let extensions = added.filter(|more| more.replaces.is_empty()).map(extended);
    let replaced = summary.arms.iter().filter_map(replaced);
    let baseline = summary.baseline.iter().map(compared);
    let family = summary.family.iter().map(together);
    let sharp = summary.gates.iter().filter_map(shows_from);
    extensions
        .chain(replaced)
        .chain(baseline)
        .chain(family)
        .chain(sharp)
        .collect()
}

fn together(family: &Family) -> String {
    let gates = counted(u64::from(family.gates), "gate");
    let most = percent(family.controlled);
    match family.unadjusted > family.controlled {
        true => format!(
            "{gates} on times and rates: chance alone breaks one of them in about {most} of runs, by Holm's method ({} \
             if each were judged by itself)",
            percent(family.unadjusted)
        ),
        false => {
            format!(
                "{gates} on times and rates: chance alone breaks one of them in about {most} of runs"
            )
        }
    }
}

/// The smallest effect that a gate which holds could have seen.
fn shows_from(check: &Check) -> Option<String> {
    let from = check.sharpness.as_ref()?.shows_from.as_ref()?;
    (check.outcome == Outcome::Pass).then(|| {
        format!(
            "{}: {} holds. A server at {from} would break it in four of five runs like this one; one nearer to the bound would break it \
             less often",
            check.arm, check.gate
        )
    })
}

/// Which trials of an arm were void and replaced, and why; the same reason is said once.
fn replaced(arm: &ArmSummary) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for replaced in &arm.replaced {
        let role = if replaced.control {
            "control trial"
        } else {
            "trial"
        };
        let which = format!("{role} {}", replaced.trial);
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == replaced.reason)
        {
            Some((_, trials)) => trials.push(which),
            None => reasons.push((&replaced.reason, vec![which])),
        }
    }
    let were = if arm.replaced.len() == 1 {
        "was"
    } else {
        "were"
    };
    let said = reasons
        .iter()
        .map(|(reason, trials)| format!("{}: {reason}", trials.join(", ")));
    (!reasons.is_empty()).then(|| {
        format!(
            "{} of {} of {} {were} void and replaced: {}",
            arm.replaced.len(),
            counted(u64::from(arm.begun), "trial"),
            arm.name,
            said.collect::<Vec<_>>().join("; ")
        )
    })
}

fn extended(extension: &Extension) -> String {
    format!(
        "extended by {}, because without them {}",
        counted(u64::from(extension.trials), "trial"),
        match extension.reasons.as_slice() {
            [] => "the result would be unknown".to_owned(),
            reasons => reasons.join("; "),
        }
    )
}

fn compared(baseline: &RunLabel) -> String {
    format!("compared with {}", label(baseline))
}

/// A run by its name, time and seed.
pub(crate) fn label(run: &RunLabel) -> String {
    // RFC 3339 in UTC, but for what is finer than a second.
    let started = match run.started.split_once('T') {
        Some((day, time)) => format!(
            "{day} {} UTC",
            time.split(['.', 'Z']).next().unwrap_or(time)
        ),
        None => run.started.clone(),
    };
    format!("'{}' of {started}, seed {}", run.name, run.seed)
}

#[cfg(test)]
mod tests {
    use comeback_analysis::summary::ReplacedTrial;

    use super::*;
    use crate::fake;

    #[test]
    fn an_extension_says_why_and_a_baseline_which() {
        let mut summary = fake::single().summary;
        assert!(course(&summary).is_empty());
        summary.extensions = vec![Extension {
            trials: 3,
            replaces: Vec::new(),
            reasons: vec!["shop: x < 2s cannot be judged: too few".to_owned()],
        }];
        summary.baseline = Some(RunLabel {
            name: "shop".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            seed: 7,
        });
        assert_eq!(
            course(&summary),
            [
                "extended by 3 trials, because without them shop: x < 2s cannot be judged: too few",
                "compared with 'shop' of 2026-01-01 00:00:00 UTC, seed 7",
            ]
        );
    }

    #[test]
    fn what_gates_could_have_seen_and_how_often_chance_breaks_one_is_said() {
        let mut summary = fake::single().summary;
        summary.family = Some(Family {
            gates: 4,
            unadjusted: 0.1,
            controlled: 0.05,
        });
        summary.gates = vec![Check {
            arm: "shop".to_owned(),
            gate: "outage.median < 2s".to_owned(),
            outcome: Outcome::Pass,
            detail: None,
            more_trials: None,
            sharpness: Some(comeback_analysis::verdict::Sharpness {
                shows_from: Some("2104.0 ms".to_owned()),
            }),
        }];
        assert_eq!(
            course(&summary),
            [
                "4 gates on times and rates: chance alone breaks one of them in about 5 % of runs, by Holm's method \
                 (10 % if each were judged by itself)",
                "shop: outage.median < 2s holds. A server at 2104.0 ms would break it in four of five runs like this one; one nearer \
                 to the bound would break it less often",
            ]
        );
    }

    #[test]
    fn replaced_trials_are_told_by_number_and_reason() {
        let mut summary = fake::single().summary;
        summary.extensions = vec![Extension {
            trials: 2,
            replaces: vec![3, 5],
            reasons: vec!["told with the arm".to_owned()],
        }];
        let replaced = |trial, control| ReplacedTrial {
            trial,
            control,
            reason: "the load missed its floor".to_owned(),
        };
        let arm = &mut summary.arms[0];
        arm.name = "shop".to_owned();
        (arm.begun, arm.replaced) = (22, vec![replaced(3, false), replaced(5, true)]);
        assert_eq!(
            course(&summary),
            [
                "2 of 22 trials of shop were void and replaced: trial 3, control trial 5: the load missed its floor"
            ]
        );
    }
}
