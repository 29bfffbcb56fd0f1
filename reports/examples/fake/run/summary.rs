//! The summary of invented trials, in the simplest way that will do here.

use comeback_analysis::measure::{ArmAnalysis, ErrorTally, Journeys, Time, TrialAnalysis};
use comeback_analysis::summary::{
    ArmSummary, AvailabilityRate, BlindSummary, ControlSummary, Distribution, FalseRate,
    InjectionSummary, JourneySummary, Latency, RecoverySummary, SessionCounts, Status, TimeError,
    Windowed, WriteCounts, distribution, error_rate, loss_share,
};

use super::Spec;
use super::trial::tally;

pub(super) fn summary(arm: &ArmAnalysis, spec: &Spec) -> ArmSummary {
    let trials: Vec<&TrialAnalysis> = arm.faulted().collect();
    let times = |of: fn(&TrialAnalysis) -> Option<f64>| {
        distribution(trials.iter().filter_map(|trial| of(trial)))
    };
    let none = Distribution::default();
    let errors = |part: fn(&Windowed<ErrorTally>) -> &ErrorTally| {
        error_rate(trials.iter().map(|trial| part(&trial.errors)))
    };
    let mut sessions = SessionCounts::default();
    let mut writes = WriteCounts::default();
    for trial in &trials {
        sessions.acknowledged += trial.sessions.acknowledged;
        sessions.survived += trial.sessions.survived;
        sessions.lost += trial.sessions.lost;
        sessions.rejected += trial.sessions.rejected;
        sessions.ambiguous += trial.sessions.ambiguous;
        writes.acknowledged += trial.writes.acknowledged;
        writes.kept += trial.writes.kept;
        writes.lost += trial.writes.lost;
        writes.indeterminate += trial.writes.indeterminate;
    }
    if spec.never > 0 {
        sessions.undecided = 11;
    }
    ArmSummary {
        name: arm.name.clone(),
        status: if trials.is_empty() {
            Status::Skipped
        } else {
            Status::Measured
        },
        reason: spec.skipped.or(spec.remark).map(str::to_owned),
        trials: trials.len() as u32,
        replaced: Vec::new(),
        begun: arm.trials.len() as u32,
        faults_landed: trials.len() as u32,
        faults: Vec::new(),
        shared_losses: Vec::new(),
        storm: None,
        session_loss: loss_share(
            trials
                .iter()
                .map(|trial| (trial.sessions.lost, trial.sessions.acknowledged)),
            trials.len() as u32,
        ),
        write_loss: loss_share(
            trials
                .iter()
                .map(|trial| (trial.writes.lost, trial.writes.acknowledged)),
            trials.len() as u32,
        ),
        sessions,
        writes,
        journeys: journeys(&trials),
        errors: Windowed {
            before: errors(|errors| &errors.before),
            during: errors(|errors| &errors.during),
            after: errors(|errors| &errors.after),
        },
        latency_ms: Windowed::default(),
        availability: AvailabilityRate::default(),
        attribution: None,
        cache: None,
        recovery: RecoverySummary {
            for_good: trials
                .iter()
                .filter(|trial| trial.returned.is_some())
                .count() as u32,
            never: trials
                .iter()
                .filter(|trial| trial.returned.is_none())
                .count() as u32,
            ..RecoverySummary::default()
        },
        injection: InjectionSummary::default(),
        retries: None,
        nodes: None,
        time_to_detect_ms: none,
        time_to_effect_ms: times(|trial| trial.chain.killed.map(|killed| 0.0 - killed)),
        time_to_restart_ms: times(|trial| trial.chain.executed.map(Time::or_infinite)),
        time_to_listen_ms: times(|trial| trial.chain.listening.map(Time::or_infinite)),
        time_to_ready_ms: times(|trial| trial.chain.ready.map(Time::or_infinite)),
        outage_ms: times(|trial| trial.outage.map(Time::or_infinite)),
        blind_time: blind(&trials),
        client_outage_ms: times(|trial| trial.client_outage.map(Time::or_infinite)),
        steady_false_rate: FalseRate {
            controls: 1,
            rate: Some(0.0),
            ..FalseRate::default()
        },
        time_to_steady_ms: times(|trial| trial.time_to_steady.map(Time::or_infinite)),
        longest_gap_ms: times(|trial| trial.longest_gap_ms.or(Some(f64::INFINITY))),
        outage_area_s: times(|trial| trial.outage_area_s),
        outage_area_failed_s: times(TrialAnalysis::outage_area_failed),
        outage_area_slow_s: times(|trial| trial.outage_area_slow_s),
        loss_window_ms: none,
        time_errors_ms: std::collections::BTreeMap::new(),
        send_lag_ms: Latency::default(),
        causes: Vec::new(),
        findings: comeback_analysis::summary::findings_of(arm),
        control: ControlSummary {
            trials: arm.controls().count() as u32,
            errors: error_rate(std::iter::once(&tally(2_400, u64::from(spec.never)))),
            ..ControlSummary::default()
        },
    }
}

fn blind(trials: &[&TrialAnalysis]) -> Option<BlindSummary> {
    let times = trials.iter().filter_map(|trial| trial.blind_time);
    let error = times.clone().next()?.error_ms;
    Some(BlindSummary {
        ms: distribution(times.map(|time| time.ms)),
        error_ms: TimeError {
            median: error,
            max: error,
        },
    })
}

fn journeys(trials: &[&TrialAnalysis]) -> Option<JourneySummary> {
    let mut all = Journeys::default();
    let own = trials.iter().filter_map(|trial| trial.journeys.as_ref());
    own.for_each(|journeys| all.merge(journeys));
    let goodput = all.total().goodput()?;
    Some(JourneySummary {
        journeys: all.all,
        torn: all.torn,
        undecided: 0,
        operations: Windowed::default(),
        goodput: Some(goodput),
        low: Some((goodput - 0.04).max(0.0)),
        high: Some((goodput + 0.03).min(1.0)),
    })
}
