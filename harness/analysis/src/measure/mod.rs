//! Analysis: a journal understood. Pure and total: whatever the journal says, there is an answer, and
//! what is odd about it becomes a finding, or the reason why a trial does not count.
//!
//! A run is understood trial by trial ([`fold`]). [`facts`] gathers what the events say of each. From them and the clients' operations come the
//! chain of [`recovery`], what the clients saw of the [`load`], whether it is [`served`] again to its end, how long its health check was [`blind`] to that, the [`windows`] over
//! time and with them the return to a [`steady`] state, the [`sessions`], their [`writes`], the [`ledger`] of both and the users' [`journeys`], the effect of each fault ([`injection`]), the
//! [`findings`] and the reasons to [`void`] a trial. [`crate::summary`] reduces all that to the document other programs read.

mod arm;
mod attribution;
mod balancing;
mod blind;
mod busy;
mod caching;
mod causes;
mod cut;
mod dots;
mod doubted;
mod downtime;
mod facts;
mod fate;
mod faults;
mod findings;
mod fold;
mod held_back;
mod injection;
mod journeys;
mod laid;
mod ledger;
mod load;
mod looks;
mod oracle;
mod planned;
mod recovery;
pub(crate) mod replaced;
mod served;
mod sessions;
mod sight;
mod steady;
mod storm;
mod telling;
#[cfg(test)]
mod tests;
mod trial;
mod types;
mod void;
mod windows;
pub(crate) mod words;
mod writes;

use std::collections::BTreeSet;

pub use arm::{Analysis, ArmAnalysis, causes_of};
pub use busy::{LEAST_STOLEN, MOST_STOLEN, MOST_WAITED};
pub use cut::CutOff;
pub use fold::{Course, PendingTrial, analyze, analyze_stored};
pub use storm::StormTally;
pub use telling::worth_telling;
pub use trial::TrialAnalysis;
pub use types::{
    Attribution, Availability, Balancing, BeforeTheFault, BlindTime, CacheTally, Cause, Chain,
    Choice, Continuity, Culprit, Doing, Dot, Downtime, Ending, ErrorTally, Extension,
    FaultAnalysis, FaultedSessions, IdleKill, JourneyOperations, Journeys, LaidLoss, LastSent,
    LatencyTally, LoadTally, LoginsAtStake, MetOperation, MetWrites, NodeOutage, NodesAnalysis,
    NotBack, Retries, Return, SessionCounts, SessionFate, SessionLine, SessionMark, Shortfall,
    Sight, Spoils, Time, TimelineWindow, Unclear, Void, WhileDown, Windowed, WriteCounts,
    WritesBeside,
};
pub(crate) use types::{Tally, is_zero};

use comeback_model::ids::{ArmId, TrialId};
use comeback_model::journal::Header;
use comeback_model::shard::ranges;
use facts::RunFacts;

/// That the run ended with the first start of an arm, which failed.
fn given_up(header: &Header, run: &RunFacts, arm: ArmId) -> String {
    let name = header.plan.arms.get(arm.0 as usize);
    let name = name.map_or("an arm", |arm| arm.name.as_str());
    let failed = run
        .trials
        .iter()
        .filter(|facts| facts.arm == arm)
        .find_map(|facts| {
            let (_, problem, said) = facts.start_failed.as_ref()?;
            Some(format!(": {problem}{}", words::last_words(said.as_deref())))
        });
    let left = header.schedule.trials.len();
    let left = left.saturating_sub(run.trials.len()) as u64;
    format!(
        "the first start of '{name}' failed, so that the run ended at once, with {} not begun{}",
        words::counted(left, "trial"),
        failed.unwrap_or_default()
    )
}

/// That a storm ended before its last kill.
fn ended_early(header: &Header, run: &RunFacts) -> Option<String> {
    let storm = header.plan.storm?;
    let faulted = run.trials.iter().filter(|trial| !trial.control);
    let (begun, planned) = (faulted.count() as u64, u64::from(header.plan.trials));
    let last = run.trials.last()?;
    let why = match (last.ended_well(), storm.until_failure) {
        (true, true) => "something was lost or was not found, which --until-failure waits for",
        (true, false) if !last.unexpected.is_empty() => {
            "the server ended by itself in the last cycle, without a fault, so a further cycle would not continue its life"
        }
        (true, false) => "the journal holds no more",
        (false, _) => {
            "the last cycle did not come to its end, so a further one would not continue its life"
        }
    };
    (begun < planned).then(|| {
        let kills = words::counted(planned, "kill");
        format!("the storm ended after {begun} of {kills}: {why}")
    })
}

/// That shards lack trials that were to be theirs. A run that ended by itself has begun all of its own; of shards some may
/// have been cut, and merged with others.
fn never_begun(header: &Header, run: &RunFacts) -> Option<String> {
    header.shards.as_ref()?;
    let begun: BTreeSet<TrialId> = run.trials.iter().map(|trial| trial.id).collect();
    let planned = header.schedule.trials.iter().map(|trial| trial.id);
    let lacking: Vec<u32> = planned
        .filter(|trial| !begun.contains(trial))
        .map(|TrialId(trial)| trial)
        .collect();
    (!lacking.is_empty()).then(|| {
        format!(
            "{} never begun: {}",
            match lacking.len() {
                1 => "1 planned trial was".to_owned(),
                more => format!("{} were", words::counted(more as u64, "planned trial")),
            },
            ranges(&lacking)
        )
    })
}

/// Why the journal does not hold a whole run, if so; `operated` are the trials that have operations, in order.
fn incomplete(
    header: &Header,
    torn: bool,
    run: &RunFacts,
    mut operated: impl Iterator<Item = TrialId>,
) -> Option<String> {
    if run.interrupted {
        return Some("the run was interrupted".to_owned());
    }
    if let Some(arm) = run.given_up {
        return Some(given_up(header, run, arm));
    }
    if torn {
        return Some(
            "the journal's last line is torn: the harness ended while it wrote".to_owned(),
        );
    }
    if let Some(lacking) = never_begun(header, run) {
        return Some(lacking);
    }
    if !run.ended {
        return Some("the journal ends before the run does".to_owned());
    }
    if let Some(early) = ended_early(header, run) {
        return Some(early);
    }
    let arms = header.plan.arms.len();
    if let Some(stray) = run.trials.iter().find(|trial| trial.arm.0 as usize >= arms) {
        return Some(format!(
            "trial {} belongs to no arm of the plan",
            stray.id.0
        ));
    }
    if let Some(stray) = &run.stray {
        return Some(format!("there is {stray}"));
    }
    let started: BTreeSet<TrialId> = run.trials.iter().map(|trial| trial.id).collect();
    let stray = operated.find(|trial| !started.contains(trial))?;
    Some(format!(
        "operations.csv has operations of trial {}, which never started according to the journal",
        stray.0
    ))
}
