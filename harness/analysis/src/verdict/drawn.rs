//! Faults of the plan that came in no trial that counts, mostly choices that were never drawn: nobody knows what they would have
//! done, so nothing holds of them (METHOD §10, *Drawn faults*).

use comeback_model::gate::{Gate, Metric, Part};

use super::figure::Missing;
use super::tally::holds_whatever_follows;
use crate::measure::{ArmAnalysis, Choice};

/// In one of so many runs a choice may be lacking still.
const LACKING: f64 = 0.05;
/// Beyond so many trials nobody waits for a choice.
const MOST_TRIALS: u32 = 10_000;

/// What a gate lacks that would hold only by what came.
pub(super) fn lacking(gate: &Gate, arm: &ArmAnalysis) -> Option<Missing> {
    if is_before_any_fault(gate.metric()) || holds_whatever_follows(gate, arm) {
        return None;
    }
    never_drawn(arm)
}

/// That faults came in no trial that counts, with the number of trials in which they would have come.
pub(super) fn never_drawn(arm: &ArmAnalysis) -> Option<Missing> {
    let had = |choice: &Choice| {
        let mut faults = arm.faulted().flat_map(|trial| &trial.faults);
        faults.any(|fault| fault.choice.0 == choice.id && fault.landed)
    };
    let never: Vec<&Choice> = arm.choices.iter().filter(|choice| !had(choice)).collect();
    let names: Vec<String> = never
        .iter()
        .map(|choice| format!("'{}'", choice.name))
        .collect();
    let first = *never.first()?;
    if first.drawn.is_none() {
        let names = names.join(", ");
        return Some(Missing::for_good(format!(
            "the {} {names} came in no trial that counts: what comes before it must be recovered from",
            plural("fault", never.len())
        )));
    }
    let came = format!(
        "the {} {} came in no trial that counts",
        plural("choice", never.len()),
        names.join(", ")
    );
    let trials = arm.faulted().count() as u32;
    let more = trials_for(never);
    let wanted = trials_for(&arm.choices).zip(more);
    Some(match wanted {
        Some((all, more)) => Missing {
            why: format!(
                "{came}: raise trials to {} (all come then in 95 of 100 runs), its weight, or faults of [chaos]",
                all.max(trials.saturating_add(more))
            ),
            more_trials: Some(more),
        },
        None => Missing::for_good(format!("{came}: raise its weight, or faults of [chaos]")),
    })
}

fn plural(noun: &str, count: usize) -> String {
    format!("{noun}{}", if count == 1 { "" } else { "s" })
}

/// In how many trials all of these come, but for one of twenty runs.
fn trials_for<'a>(choices: impl IntoIterator<Item = &'a Choice>) -> Option<u32> {
    let absent: Vec<f64> = choices
        .into_iter()
        .map(|choice| 1.0 - choice.drawn.unwrap_or(1.0))
        .collect();
    let lacking = |trials: u32| -> f64 {
        let trials = f64::from(trials);
        absent.iter().map(|absent| absent.powf(trials)).sum()
    };
    (1..=MOST_TRIALS).find(|trials| lacking(*trials) <= LACKING)
}

/// Whether it asks how the service did without a fault.
const fn is_before_any_fault(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::ErrorRate(Part::Before | Part::Control)
            | Metric::Latency(Part::Before | Part::Control, _)
    )
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::FaultId;

    use super::*;

    fn choices(drawn: &[f64]) -> Vec<Choice> {
        let choice = |(id, drawn): (u32, &f64)| Choice {
            id: FaultId(id),
            name: id.to_string(),
            drawn: Some(*drawn),
        };
        (0..).zip(drawn).map(choice).collect()
    }

    #[test]
    fn as_many_trials_are_asked_for_as_all_choices_come_in_nearly_always() {
        // 0.5^5 = 0.031, 0.5^4 = 0.063.
        assert_eq!(trials_for(&choices(&[0.5])), Some(5));
        // 5 * 0.8^21 = 0.046, 5 * 0.8^20 = 0.058.
        assert_eq!(trials_for(&choices(&[0.2; 5])), Some(21));
        assert_eq!(trials_for(&choices(&[1.0])), Some(1));
        // More than anybody waits for.
        assert_eq!(trials_for(&choices(&[1e-6])), None);
    }
}
