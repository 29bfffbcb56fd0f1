//! Replies that no rule of the user judges, and that only what came before the fault calls wrong: a page that is empty now, a name that
//! two users are shown. A server may be right to do so. They break no gate, and where they may hide a fault none holds by them
//! (METHOD §6, *In doubt*).

use comeback_model::event::Doubts;
use comeback_model::gate::{Count, Metric};

use super::figure::Missing;
use super::samples::GateState;
use crate::measure::{ArmAnalysis, Tally, TrialAnalysis};

/// The gate's state with what is in doubt; `base` is the arm that it is compared with.
pub(super) fn regard(
    judged: GateState,
    metric: Metric,
    arm: &ArmAnalysis,
    base: Option<&ArmAnalysis>,
) -> GateState {
    let why = match &judged {
        GateState::Broken(found) if counts_replies(metric) => pages(arm)
            .filter(|_| !is_broken_without_them(metric, arm))
            .map(|pages| format!("{found}; but {pages}")),
        GateState::Holds if metric == Metric::Count(Count::WrongIdentity) => names(arm),
        GateState::Holds if counts_replies(metric) => base
            .and_then(pages)
            .map(|pages| format!("it holds against a baseline in doubt: {pages}")),
        GateState::Holds | GateState::Broken(_) | GateState::Unknown(_) => None,
    };
    why.map_or(judged, |why| GateState::Unknown(Missing::for_good(why)))
}

/// Whether an empty page that counts as a wrong answer makes it worse.
const fn counts_replies(metric: Metric) -> bool {
    match metric {
        Metric::ErrorRate(_) | Metric::Served(_) | Metric::Time(_, _) => true,
        Metric::Count(count) => matches!(count, Count::Unrecovered),
        Metric::Latency(_, _) => false,
    }
}

/// Whether a service was not back in a trial without empty pages, whatever they mean in the others.
fn is_broken_without_them(metric: Metric, arm: &ArmAnalysis) -> bool {
    metric.count().is_some_and(|count| {
        let mut others = arm.clone();
        others.trials.retain(|trial| trial.doubts.pages.is_empty());
        Tally::of(count, &others).found_anywhere() > 0
    })
}

fn pages(arm: &ArmAnalysis) -> Option<String> {
    let pages = examples(arm, |trial| &trial.doubts.pages)?;
    Some(format!(
        "pages were empty that hardly ever were before the fault ({pages}), and the experiment does not say what they show: \
         give their request an `expect`; where they may be empty, expect = {{ status = 200 }}"
    ))
}

fn names(arm: &ArmAnalysis) -> Option<String> {
    let names = examples(arm, |trial| &trial.doubts.names)?;
    Some(format!(
        "the server showed one name to two users ({names}): they are in one account, or the server gives names twice. Choose an \
         `identity` that no two users share, such as the name that a user logs in with"
    ))
}

/// A few of them, if there are any.
fn examples(arm: &ArmAnalysis, of: impl Fn(&TrialAnalysis) -> &Vec<String>) -> Option<String> {
    let mut few = Vec::new();
    for one in arm.trials.iter().flat_map(of) {
        Doubts::keep(&mut few, one);
    }
    (!few.is_empty()).then(|| few.join(", "))
}
