//! The summary document: an analysis, reduced to the figures other programs read. Nothing is rounded.

use std::collections::BTreeMap;

use comeback_model::plan::Arm;

use super::distribution::distribution;
use super::faults::{
    attribution, blind_time, cache, injection, recovery, steady_false_rate, time_errors,
};
use super::traffic::{
    availability, continuity, error_rate, errors, goodput, journeys, latency, loss_share, retries,
    sessions, sum, windowed, writes,
};
use super::{
    About, ArmSummary, ControlSummary, ReplacedTrial, SCHEMA, ShardsSummary, Status, Summary,
    TrialFinding,
};
use super::{nodes, several};
use crate::measure::words::{counted, grouped};
use crate::measure::{Analysis, ArmAnalysis, Doing, Time, TrialAnalysis, causes_of};
use crate::verdict::{Verdict, family_of};

/// The summary document of an analysis and its verdict.
pub fn summarize(analysis: &Analysis, verdict: &Verdict) -> Summary {
    let header = &analysis.header;
    Summary {
        schema: SCHEMA,
        name: header.plan.name.clone(),
        seed: header.seed.0,
        started: header.started.clone(),
        verdict: verdict.outcome,
        headline: verdict.headline.clone(),
        reasons: verdict.reasons.clone(),
        gates: verdict.checks.clone(),
        family: family_of(&verdict.checks),
        machine: header.machine.clone(),
        shards: header.shards.as_ref().map(|shards| ShardsSummary {
            count: shards.count(),
            missing: shards.missing(),
            held: shards.held().to_vec(),
        }),
        label: header.label.clone(),
        revision: header.revision.clone(),
        extensions: analysis.extensions.clone(),
        baseline: verdict.baseline.clone(),
        arms: analysis
            .arms
            .iter()
            .map(|arm| {
                let planned = header.plan.arms.get(arm.id.0 as usize);
                arm_summary(arm, planned)
            })
            .collect(),
    }
}

fn arm_summary(arm: &ArmAnalysis, planned: Option<&Arm>) -> ArmSummary {
    let several = planned.filter(|arm| arm.nodes().count() > 1);
    let trials: Vec<&TrialAnalysis> = arm.faulted().collect();
    let (status, reason) = status(arm, trials.len());
    let time =
        |of: fn(&TrialAnalysis) -> Option<f64>| distribution(trials.iter().copied().filter_map(of));
    let landed = arm.trials.iter();
    let landed = landed.filter(|trial| !trial.control && trial.landed);
    let landed = landed.count() as u32;
    ArmSummary {
        name: arm.name.clone(),
        status,
        reason,
        trials: trials.len() as u32,
        replaced: arm.replaced().map(ReplacedTrial::from).collect(),
        begun: arm.trials.len() as u32,
        faults_landed: landed,
        faults: several::faults(&trials),
        shared_losses: several::shared_losses(&trials),
        storm: arm.storm_tally().map(Into::into),
        recovery: recovery(&trials),
        sessions: sessions(&trials),
        writes: writes(&trials),
        session_loss: loss_share(
            trials
                .iter()
                .map(|trial| (trial.sessions.lost, trial.sessions.acknowledged)),
            landed.min(trials.len() as u32),
        ),
        write_loss: loss_share(
            trials
                .iter()
                .map(|trial| (trial.writes.lost, trial.writes.acknowledged)),
            landed.min(trials.len() as u32),
        ),
        journeys: journeys(&trials),
        errors: errors(&trials),
        latency_ms: windowed(&trials, |trial| &trial.latency, latency),
        availability: availability(&trials),
        attribution: several.map(|_| attribution(&trials)),
        nodes: several.map(|planned| nodes::summarize(planned, &trials)),
        cache: cache(arm, &trials),
        injection: injection(&trials),
        retries: planned.and_then(|arm| arm.retry).map(|_| retries(&trials)),
        time_to_detect_ms: time(|trial| trial.time_to_detect),
        time_to_effect_ms: time(|trial| trial.chain.killed.map(|killed| 0.0 - killed)),
        time_to_restart_ms: time(|trial| trial.chain.executed.map(Time::or_infinite)),
        time_to_listen_ms: time(|trial| trial.chain.listening.map(Time::or_infinite)),
        time_to_ready_ms: time(|trial| trial.chain.ready.map(Time::or_infinite)),
        outage_ms: time(|trial| trial.outage.map(Time::or_infinite)),
        client_outage_ms: time(|trial| trial.client_outage.map(Time::or_infinite)),
        blind_time: blind_time(&trials),
        steady_false_rate: steady_false_rate(arm),
        time_to_steady_ms: time(|trial| trial.time_to_steady.map(Time::or_infinite)),
        longest_gap_ms: time(TrialAnalysis::longest_gap),
        outage_area_s: time(TrialAnalysis::outage_area),
        outage_area_failed_s: time(TrialAnalysis::outage_area_failed),
        outage_area_slow_s: time(TrialAnalysis::outage_area_slow),
        loss_window_ms: time(|trial| trial.loss_window_ms),
        time_errors_ms: time_errors(&trials),
        send_lag_ms: latency(&sum(&trials, |trial| &trial.send_lag)),
        control: control_summary(arm),
        causes: causes_of(arm),
        findings: findings_of(arm),
    }
}

/// Remarks about trials, those about the harness and its machine last, and reasons why trials do not count before others. A
/// sentence about several trials, or about all that count, is listed once.
pub fn findings_of(arm: &ArmAnalysis) -> Vec<TrialFinding> {
    let void = arm.trials.iter().filter_map(|trial| {
        let void = trial.void.as_ref()?;
        let about = match void.doing {
            Doing::Servers => About::Server,
            Doing::Ours => About::Harness,
        };
        Some((about, true, void.reason.as_str(), trial))
    });
    let found = arm.trials.iter().flat_map(|trial| {
        let of_server = trial.findings.iter().map(|text| (About::Server, text));
        let of_harness = trial
            .about_harness
            .iter()
            .map(|text| (About::Harness, text));
        let each = of_server.chain(of_harness);
        each.map(move |(about, text)| (about, false, text.as_str(), trial))
    });
    let no_login = arm.without_login_at_stake();
    let of_arm = no_login.as_deref().into_iter().flat_map(|text| {
        let trials = arm.faulted();
        trials.map(move |trial| (About::Harness, false, text, trial))
    });
    let mut places: BTreeMap<(About, bool, &str), usize> = BTreeMap::new();
    let mut findings: Vec<TrialFinding> = Vec::new();
    for (about, void, text, trial) in void.chain(found).chain(of_arm) {
        let place = *places.entry((about, void, text)).or_insert_with(|| {
            findings.push(TrialFinding {
                text: text.to_owned(),
                trials: Vec::new(),
                void,
                about,
            });
            findings.len() - 1
        });
        if let Some(finding) = findings.get_mut(place) {
            finding.trials.push(trial.id.0);
            finding.trials.dedup();
        }
    }
    findings.sort_by_key(|finding| (finding.about, !finding.void));
    findings
}

impl From<&TrialAnalysis> for ReplacedTrial {
    fn from(trial: &TrialAnalysis) -> Self {
        let reason = trial.void.as_ref().map(|void| void.reason.clone());
        Self {
            trial: trial.id.0,
            control: trial.control,
            reason: reason.unwrap_or_default(),
        }
    }
}

/// Whether an arm has figures, with the reason why not, or a remark about them.
fn status(arm: &ArmAnalysis, counting: usize) -> (Status, Option<String>) {
    if let Some(reason) = &arm.skipped {
        return (Status::Skipped, Some(reason.clone()));
    }
    let of_role = |control: bool| {
        let role = arm
            .trials
            .iter()
            .filter(move |trial| trial.control == control);
        let voids: Vec<&String> = role
            .clone()
            .filter_map(|trial| trial.void.as_ref())
            .filter(|void| !void.replaced)
            .map(|void| &void.reason)
            .collect();
        (voids, role.count() as u64)
    };
    let (faulted, controls) = (of_role(false), of_role(true));
    let mut missing: Vec<String> = [(faulted, "trial"), (controls, "control trial")]
        .into_iter()
        .filter_map(|((voids, all), noun)| {
            let first = voids.first()?;
            let do_not = if voids.len() == 1 { "does" } else { "do" };
            Some(format!(
                "{} of {} {do_not} not count: {first}",
                voids.len(),
                counted(all, noun)
            ))
        })
        .collect();
    missing.extend(lost_aside(arm));
    let reason = (!missing.is_empty()).then(|| missing.join("; "));
    if counting > 0 {
        return (Status::Measured, reason);
    }
    let none = "no trial with a fault was run".to_owned();
    let has_faulted = arm.trials.iter().any(|trial| !trial.control);
    (
        Status::Skipped,
        reason.filter(|_| has_faulted).or(Some(none)),
    )
}

/// Certain losses in trials that count for nothing else.
fn lost_aside(arm: &ArmAnalysis) -> Option<String> {
    let trials: Vec<&TrialAnalysis> = arm.faulted_aside().collect();
    let (sessions, writes) = (sessions(&trials), writes(&trials));
    let lost = [
        ("session", sessions.lost, sessions.acknowledged),
        ("write", writes.lost, writes.acknowledged),
    ];
    let said: Vec<String> = lost
        .into_iter()
        .filter(|(_, lost, _)| *lost > 0)
        .map(|(noun, lost, all)| format!("{} of {}", grouped(lost), counted(all, noun)))
        .collect();
    let said = (!said.is_empty()).then(|| said.join(" and "))?;
    Some(format!(
        "lost for certain in trials whose times do not count: {said}"
    ))
}

fn control_summary(arm: &ArmAnalysis) -> ControlSummary {
    let trials: Vec<&TrialAnalysis> = arm.controls().collect();
    ControlSummary {
        trials: trials.len() as u32,
        sessions: sessions(&trials),
        writes: writes(&trials),
        journeys: journeys(&trials),
        errors: error_rate(trials.iter().map(|trial| &trial.errors.before)),
        availability: availability(&trials),
        continuity: continuity(&trials),
        goodput_per_s: goodput(&trials),
    }
}
