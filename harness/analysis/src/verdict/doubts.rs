//! Replies that no rule of the user judges, and that only what came before the fault calls wrong: a page that is empty now, a name that
//! two users are shown. A server may be right to do so. They break no gate, and where they may hide a fault none holds by them
//! (METHOD §6, *In doubt*).

use comeback_model::event::Doubts;
use comeback_model::gate::{Count, Metric};

use super::figure::Missing;
use super::samples::{Base, GateState};
use crate::measure::{ArmAnalysis, TrialAnalysis};

/// The gate's state with what is in doubt. `judge` judges by the figures of an arm, and of a baseline if there is one. What it says
/// must be the same whether the pages in doubt are wrong or correct.
pub(super) fn regard(
    metric: Metric,
    arm: &ArmAnalysis,
    base: Option<Base<'_>>,
    judge: impl Fn(&ArmAnalysis, Option<Base<'_>>) -> GateState,
) -> GateState {
    let judged = judge(arm, base);
    let own = || {
        let told = pages(arm)?;
        Some((judge(&at_best(arm), base), told))
    };
    let of_base = || {
        let base = base?;
        let told = pages(base.arm)?;
        let best = at_best(base.arm);
        let base = Base { arm: &best, ..base };
        let told = format!("the baseline is in doubt: {told}");
        Some((judge(arm, Some(base)), told))
    };
    for (other, told) in [own(), of_base()].into_iter().flatten() {
        let why = match (&judged, other) {
            (GateState::Holds, GateState::Holds)
            | (GateState::Broken(_), GateState::Broken(_))
            | (GateState::Unknown(_), GateState::Unknown(_)) => continue,
            (GateState::Broken(found), _) => format!("{found}; but {told}"),
            (GateState::Holds, _) => format!("it holds by replies in doubt: {told}"),
            (GateState::Unknown(missing), _) => format!("{}; {told}", missing.why),
        };
        return GateState::Unknown(Missing::for_good(why));
    }
    match (&judged, names(arm)) {
        (GateState::Holds, Some(why)) if metric == Metric::Count(Count::WrongIdentity) => {
            GateState::Unknown(Missing::for_good(why))
        }
        _ => judged,
    }
}

/// The arm as it would be if each page in doubt were correct.
fn at_best(arm: &ArmAnalysis) -> ArmAnalysis {
    let mut arm = arm.clone();
    for trial in &mut arm.trials {
        if let Some(best) = trial.at_best.take() {
            *trial = TrialAnalysis {
                shard: trial.shard,
                void: trial.void.take(),
                ..*best
            };
        }
    }
    arm
}

fn pages(arm: &ArmAnalysis) -> Option<String> {
    let pages = examples(arm.trials.iter().map(|trial| &trial.doubts.pages))?;
    Some(format!(
        "pages were empty that hardly ever were before the fault ({pages}), and the experiment does not say what they show: \
         give their request an `expect`; where they may be empty, expect = {{ status = 200 }}"
    ))
}

fn names(arm: &ArmAnalysis) -> Option<String> {
    // What a control trial shows is no doing of a fault.
    let faulted = arm.trials.iter().filter(|trial| !trial.control);
    let names = examples(faulted.map(|trial| &trial.doubts.names))?;
    Some(format!(
        "the server showed one name to two users ({names}): they are in one account, or the server gives names twice. Choose an \
         `identity` that no two users share, such as the name that a user logs in with"
    ))
}

/// A few of them, if there are any.
fn examples<'a>(all: impl Iterator<Item = &'a Vec<String>>) -> Option<String> {
    let mut few = Vec::new();
    for one in all.flatten() {
        Doubts::keep(&mut few, one);
    }
    (!few.is_empty()).then(|| few.join(", "))
}
