//! What the faults met, and who failed from then on.

use std::collections::BTreeMap;

use comeback_statistics as statistics;

use super::distribution::distribution;
use super::traffic::{by_class, sum};
use super::{
    AttributionSummary, BlindSummary, CacheSummary, FalseRate, FaultedTrial, FaultedWrites,
    InjectionSummary, RecoverySummary, TimeError, WhileDownSummary,
};
use crate::measure::{
    ArmAnalysis, Attribution, CacheTally, MetWrites, NotBack, Return, Time, TrialAnalysis,
};

pub(super) fn recovery(trials: &[&TrialAnalysis]) -> RecoverySummary {
    let mut recovery = RecoverySummary::default();
    for trial in trials {
        match (&trial.returned, trial.chain.ready) {
            (Some(Return::ForGood), _) => recovery.for_good += 1,
            (Some(Return::ByProbeOnly { .. }), _) => recovery.by_probe_only += 1,
            (Some(Return::Not(why)), _) => {
                recovery.not_for_good += 1;
                recovery.metastable += u32::from(matches!(why, NotBack::Metastable(_)));
            }
            (None, Some(Time::Beyond { .. })) => recovery.never += 1,
            (None, Some(Time::At { .. }) | None) => {}
        }
    }
    recovery
}

/// The error of each measured time.
pub(super) fn time_errors(trials: &[&TrialAnalysis]) -> BTreeMap<String, TimeError> {
    type Of = fn(&TrialAnalysis) -> Option<Time>;
    let times: [(&str, Of); 3] = [
        ("time_to_restart_ms", |trial| trial.chain.executed),
        ("time_to_listen_ms", |trial| trial.chain.listening),
        ("time_to_ready_ms", |trial| trial.chain.ready),
    ];
    let known = times.into_iter().filter_map(|(name, of)| {
        let errors: Vec<f64> = trials
            .iter()
            .filter_map(|trial| of(trial)?.error_ms())
            .collect();
        let median = statistics::median(&errors)?;
        let max = errors.into_iter().fold(0.0, f64::max);
        Some((name.to_owned(), TimeError { median, max }))
    });
    known.collect()
}

pub(super) fn blind_time(trials: &[&TrialAnalysis]) -> Option<BlindSummary> {
    let times = trials.iter().filter_map(|trial| trial.blind_time);
    let errors: Vec<f64> = times.clone().map(|time| time.error_ms).collect();
    Some(BlindSummary {
        ms: distribution(times.map(|time| time.ms)),
        error_ms: TimeError {
            median: statistics::median(&errors)?,
            max: errors.into_iter().fold(0.0, f64::max),
        },
    })
}

pub(super) fn steady_false_rate(arm: &ArmAnalysis) -> FalseRate {
    let times = arm
        .controls()
        .filter_map(|trial| trial.false_time_to_steady);
    let mut rate = FalseRate::default();
    for time in times.map(Time::or_infinite) {
        rate.controls += 1;
        rate.late += u32::from(time > 0.0);
        rate.never += u32::from(time.is_infinite());
    }
    rate.rate = (rate.controls > 0).then(|| f64::from(rate.late) / f64::from(rate.controls));
    rate
}

pub(super) fn injection(trials: &[&TrialAnalysis]) -> InjectionSummary {
    let in_flight = sum(trials, |trial| &trial.in_flight);
    let mut since = sum(trials, |trial| &trial.errors.during);
    since.merge(&sum(trials, |trial| &trial.errors.after));
    let spreads = trials.iter().filter_map(|trial| trial.chain.spread);
    let draining = sum(trials, |trial| &trial.draining);
    InjectionSummary {
        in_flight: in_flight.scheduled,
        in_flight_failed: by_class(&in_flight),
        since: since.scheduled,
        since_failed: by_class(&since),
        sessions: trials.iter().map(|trial| trial.faulted.known).sum(),
        sessions_lost: trials.iter().map(|trial| trial.faulted.lost).sum(),
        spread_ms: spreads.max_by(f64::total_cmp),
        draining: draining.scheduled,
        draining_failed: by_class(&draining),
        writes: faulted_writes(trials),
    }
}

pub(super) fn faulted_writes(trials: &[&TrialAnalysis]) -> Option<FaultedWrites> {
    let met = trials.iter();
    let met: Vec<(&TrialAnalysis, MetWrites)> =
        met.filter_map(|trial| Some((*trial, trial.met?))).collect();
    if met.is_empty() {
        return None;
    }
    let mut aimed: Vec<u64> = met
        .iter()
        .filter_map(|(_, met)| met.aimed_after_us)
        .collect();
    aimed.sort_unstable();
    let unseen: f64 = met
        .iter()
        .map(|(_, met)| 1.0 - met.early_ack_seen)
        .product();
    Some(FaultedWrites {
        in_flight: met.iter().map(|(_, met)| met.in_flight).sum(),
        at_stake: met.iter().map(|(_, met)| met.at_stake).sum(),
        early_ack_found: 1.0 - unseen,
        aimed_after_us: aimed.get(aimed.len() / 2).map(|us| *us as f64),
        trials: met
            .iter()
            .map(|(trial, met)| FaultedTrial {
                trial: trial.id.0,
                in_flight: trial.in_flight.scheduled,
                in_flight_writes: met.in_flight,
                at_stake: met.at_stake,
            })
            .collect(),
    })
}

pub(super) fn attribution(trials: &[&TrialAnalysis]) -> AttributionSummary {
    let mut all = Attribution::default();
    for trial in trials {
        all.merge(&trial.attribution);
    }
    let served = all.served.iter();
    AttributionSummary {
        served: served
            .map(|(node, count)| {
                let name = node.map_or_else(|| "unnamed".to_owned(), |node| node.to_string());
                (name, *count)
            })
            .collect(),
        failed: all.failed,
    }
}

pub(super) fn cache(arm: &ArmAnalysis, trials: &[&TrialAnalysis]) -> Option<CacheSummary> {
    let every = arm.trials.iter().filter_map(|trial| trial.cache.as_ref());
    every.clone().next()?;
    let mut all = CacheTally::default();
    for tally in trials.iter().filter_map(|trial| trial.cache.as_ref()) {
        all.merge(tally);
    }
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let (hits, look_ups) = (all.hits(), all.look_ups());
    Some(CacheSummary {
        replies: all.replies,
        look_ups,
        hits,
        hit_rate: share(hits, look_ups),
        another_users: every.map(|tally| tally.another_users).sum(),
        oldest_stale_s: all.oldest_stale_s,
        while_down: all.while_down.map(|down| WhileDownSummary {
            scheduled: down.scheduled,
            correct: down.correct,
            from_cache: down.from_cache,
            availability: share(down.correct, down.scheduled),
        }),
    })
}
