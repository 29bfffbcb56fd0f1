//! The summary document: an analysis, reduced to the figures other programs read. Nothing is rounded.

use std::collections::BTreeMap;

use comeback_model::plan::Arm;
use comeback_statistics as statistics;

use super::distribution::distribution;
use super::nodes;
use crate::measure::words::{counted, grouped};
use crate::measure::{
    Analysis, ArmAnalysis, Attribution, Availability, CacheTally, Continuity, ErrorTally,
    JourneyOperations, Journeys, LatencyTally, MetWrites, NotBack, Retries, Return, Time,
    TrialAnalysis, causes_of,
};
use crate::summary::TrialFinding;
use crate::summary::{
    ArmSummary, AttributionSummary, AvailabilityRate, BlindSummary, CacheSummary, ContinuityRate,
    ControlSummary, ErrorRate, FalseRate, JourneyRate, JourneySummary, Latency, RecoverySummary,
    ReplacedTrial, RetrySummary, SCHEMA, SessionCounts, Status, StrikeSummary, StruckTrial,
    StruckWrites, Summary, TimeError, WhileDownSummary, Windowed, WriteCounts,
};
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
    ArmSummary {
        name: arm.name.clone(),
        status,
        reason,
        trials: trials.len() as u32,
        replaced: arm.replaced().map(ReplacedTrial::from).collect(),
        begun: arm.trials.len() as u32,
        faults_landed: arm
            .trials
            .iter()
            .filter(|trial| !trial.control && trial.landed)
            .count() as u32,
        recovery: recovery(&trials),
        sessions: sessions(&trials),
        writes: writes(&trials),
        journeys: journeys(&trials),
        errors: windowed(&trials, |trial| &trial.errors, error_rate),
        latency_ms: windowed(&trials, |trial| &trial.latency, latency),
        availability: availability(&trials),
        attribution: several.map(|_| attribution(&trials)),
        nodes: several.map(|planned| nodes::summarize(planned, &trials)),
        cache: cache(arm, &trials),
        strike: strike(&trials),
        retries: planned.and_then(|arm| arm.retry).map(|_| retries(&trials)),
        time_to_detect_ms: time(|trial| trial.time_to_detect),
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

/// What there is to say about trials, why they do not count first; the same sentence about several is said once.
pub fn findings_of(arm: &ArmAnalysis) -> Vec<TrialFinding> {
    let void = arm.trials.iter().filter_map(|trial| {
        let void = trial.void.as_ref()?;
        Some((void.reason.as_str(), true, trial))
    });
    let found = arm.trials.iter().flat_map(|trial| {
        let sentences = trial.findings.iter();
        sentences.map(move |text| (text.as_str(), false, trial))
    });
    let mut places: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut findings: Vec<TrialFinding> = Vec::new();
    for (text, void, trial) in void.chain(found) {
        let place = *places.entry((text, void)).or_insert_with(|| {
            findings.push(TrialFinding {
                text: text.to_owned(),
                trials: Vec::new(),
                void,
            });
            findings.len() - 1
        });
        if let Some(finding) = findings.get_mut(place) {
            finding.trials.push(trial.id.0);
        }
    }
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

fn recovery(trials: &[&TrialAnalysis]) -> RecoverySummary {
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

/// How exactly each time was measured.
fn time_errors(trials: &[&TrialAnalysis]) -> BTreeMap<String, TimeError> {
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

fn blind_time(trials: &[&TrialAnalysis]) -> Option<BlindSummary> {
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

fn steady_false_rate(arm: &ArmAnalysis) -> FalseRate {
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

fn strike(trials: &[&TrialAnalysis]) -> StrikeSummary {
    let in_flight = sum(trials, |trial| &trial.in_flight);
    let mut since = sum(trials, |trial| &trial.errors.during);
    since.merge(&sum(trials, |trial| &trial.errors.after));
    let spreads = trials.iter().filter_map(|trial| trial.chain.spread);
    let draining = sum(trials, |trial| &trial.draining);
    StrikeSummary {
        in_flight: in_flight.scheduled,
        in_flight_failed: by_class(&in_flight),
        since: since.scheduled,
        since_failed: by_class(&since),
        sessions: trials.iter().map(|trial| trial.struck.known).sum(),
        sessions_lost: trials.iter().map(|trial| trial.struck.lost).sum(),
        spread_ms: spreads.max_by(f64::total_cmp),
        draining: draining.scheduled,
        draining_failed: by_class(&draining),
        writes: struck_writes(trials),
    }
}

fn struck_writes(trials: &[&TrialAnalysis]) -> Option<StruckWrites> {
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
    Some(StruckWrites {
        in_flight: met.iter().map(|(_, met)| met.in_flight).sum(),
        at_stake: met.iter().map(|(_, met)| met.at_stake).sum(),
        early_ack_found: 1.0 - unseen,
        aimed_after_us: aimed.get(aimed.len() / 2).map(|us| *us as f64),
        trials: met
            .iter()
            .map(|(trial, met)| StruckTrial {
                trial: trial.id.0,
                in_flight: trial.in_flight.scheduled,
                in_flight_writes: met.in_flight,
                at_stake: met.at_stake,
            })
            .collect(),
    })
}

fn retries(trials: &[&TrialAnalysis]) -> RetrySummary {
    let pooled = sum(trials, |trial| &trial.retries);
    RetrySummary {
        operations: pooled.operations,
        tries: pooled.tries,
        amplification: pooled.amplification(),
        repeated: pooled.repeated,
        saved: pooled.saved,
    }
}

fn by_class(tally: &ErrorTally) -> BTreeMap<String, u64> {
    let failed = tally.failed.iter().filter(|(_, count)| **count > 0);
    failed
        .map(|(class, count)| (class.name().to_owned(), *count))
        .collect()
}

fn attribution(trials: &[&TrialAnalysis]) -> AttributionSummary {
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

fn cache(arm: &ArmAnalysis, trials: &[&TrialAnalysis]) -> Option<CacheSummary> {
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

/// Whether an arm has figures, and why not, or what to know about them.
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

/// What was lost for certain in trials that count for nothing else.
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
        errors: error_rate(&sum(&trials, |trial| &trial.errors.before)),
        availability: availability(&trials),
        continuity: continuity(&trials),
        goodput_per_s: goodput(&trials),
    }
}

fn journeys(trials: &[&TrialAnalysis]) -> Option<JourneySummary> {
    let each: Vec<&Journeys> = trials
        .iter()
        .filter_map(|trial| trial.journeys.as_ref())
        .collect();
    each.first()?;
    let mut all = Journeys::default();
    each.iter().for_each(|journeys| all.merge(journeys));
    let rate = |operations: &JourneyOperations| JourneyRate {
        scheduled: operations.scheduled,
        torn: operations.torn,
        undecided: operations.undecided,
        goodput: operations.goodput(),
    };
    let parts: Vec<statistics::Part> = each
        .iter()
        .map(|journeys| journeys.total())
        .filter(|operations| operations.known() > 0)
        .map(|operations| statistics::Part {
            part: operations.whole() as f64,
            whole: operations.known() as f64,
        })
        .collect();
    let interval = statistics::rate_interval(&parts);
    Some(JourneySummary {
        journeys: all.all,
        torn: all.torn,
        undecided: all.undecided,
        goodput: all.total().goodput(),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        operations: Windowed {
            before: rate(&all.operations.before),
            during: rate(&all.operations.during),
            after: rate(&all.operations.after),
        },
    })
}

fn continuity(trials: &[&TrialAnalysis]) -> ContinuityRate {
    let pooled = sum(trials, |trial| &trial.continuity);
    ContinuityRate {
        sent: pooled.sent,
        kept: pooled.kept,
        rate: pooled.rate(),
    }
}

/// The mean over the trials that have one.
fn goodput(trials: &[&TrialAnalysis]) -> Option<f64> {
    let figures: Vec<f64> = trials.iter().filter_map(|trial| trial.goodput()).collect();
    let sum: f64 = figures.iter().sum();
    (!figures.is_empty()).then(|| sum / figures.len() as f64)
}

/// Something that can be added up over trials.
trait Tally: Default {
    fn add(&mut self, other: &Self);
}

impl Tally for ErrorTally {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for LatencyTally {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Availability {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Retries {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Continuity {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

fn sum<T: Tally>(trials: &[&TrialAnalysis], of: impl Fn(&TrialAnalysis) -> &T) -> T {
    trials.iter().fold(T::default(), |mut sum, trial| {
        sum.add(of(trial));
        sum
    })
}

fn windowed<T: Tally, F>(
    trials: &[&TrialAnalysis],
    of: impl Fn(&TrialAnalysis) -> &Windowed<T>,
    figure: impl Fn(&T) -> F,
) -> Windowed<F> {
    Windowed {
        before: figure(&sum(trials, |trial| &of(trial).before)),
        during: figure(&sum(trials, |trial| &of(trial).during)),
        after: figure(&sum(trials, |trial| &of(trial).after)),
    }
}

fn error_rate(tally: &ErrorTally) -> ErrorRate {
    let by_class = tally
        .failed
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| {
            let share = *count as f64 / tally.scheduled as f64;
            (class.name().to_owned(), share)
        })
        .collect();
    ErrorRate {
        scheduled: tally.scheduled,
        rate: tally.rate(),
        by_class,
    }
}

fn availability(trials: &[&TrialAnalysis]) -> AvailabilityRate {
    let pooled = sum(trials, |trial| &trial.availability);
    AvailabilityRate {
        scheduled: pooled.scheduled,
        met: pooled.met,
        rate: pooled.rate(),
    }
}

fn latency(tally: &LatencyTally) -> Latency {
    let finite = |q| tally.quantile_ms(q).filter(|figure| figure.is_finite());
    Latency {
        p50: finite(0.5),
        p99: finite(0.99),
    }
}

fn sessions(trials: &[&TrialAnalysis]) -> SessionCounts {
    let add = |of: fn(&SessionCounts) -> u64| {
        trials
            .iter()
            .fold(0_u64, |sum, trial| sum.saturating_add(of(&trial.sessions)))
    };
    SessionCounts {
        acknowledged: add(|counts| counts.acknowledged),
        survived: add(|counts| counts.survived),
        lost: add(|counts| counts.lost),
        rejected: add(|counts| counts.rejected),
        recreated: add(|counts| counts.recreated),
        broken: add(|counts| counts.broken),
        known_later: add(|counts| counts.known_later),
        reset: add(|counts| counts.reset),
        wrong_identity: add(|counts| counts.wrong_identity),
        zombie: add(|counts| counts.zombie),
        zombie_later: add(|counts| counts.zombie_later),
        undecided: add(|counts| counts.undecided),
        ambiguous: add(|counts| counts.ambiguous),
        logged_out: add(|counts| counts.logged_out),
    }
}

fn writes(trials: &[&TrialAnalysis]) -> WriteCounts {
    let add = |of: fn(&WriteCounts) -> u64| {
        trials
            .iter()
            .fold(0_u64, |sum, trial| sum.saturating_add(of(&trial.writes)))
    };
    WriteCounts {
        acknowledged: add(|counts| counts.acknowledged),
        kept: add(|counts| counts.kept),
        lost: add(|counts| counts.lost),
        duplicated: add(|counts| counts.duplicated),
        phantom: add(|counts| counts.phantom),
        indeterminate: add(|counts| counts.indeterminate),
        holes: add(|counts| counts.holes),
        stale_reads: add(|counts| counts.stale_reads),
        unverifiable: add(|counts| counts.unverifiable),
    }
}
