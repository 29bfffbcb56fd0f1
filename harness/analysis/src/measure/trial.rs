//! A trial is understood: its operations and facts are brought together.

use comeback_model::ids::ClientId;
use comeback_model::operation::Operation;
use comeback_model::plan::{Arm, Listener, Plan};
use comeback_model::units::Elapsed;

use super::attribution::Rules;
use super::balancing::balancing;
use super::dots::dots;
use super::downtime::{downtime, outages};
use super::facts::Facts;
use super::load::Load;
use super::served::Usual;
use super::steady::{false_time_to_steady, outage_area, time_to_steady};
use super::windows::{Grid, timeline};
use super::words::grouped;
use super::{IdleKill, NodesAnalysis, SessionCounts, TimelineWindow, TrialAnalysis};
use super::{
    blind, busy, caching, causes, cut, faults, findings, journeys, ledger, oracle, recovery, served,
};
use super::{injection, void};

/// Understands a trial.
/// `usual` is how the arm does without a fault, as far as its control trials say.
pub(super) fn analyze(
    plan: &Plan,
    facts: &Facts,
    mut operations: Vec<Operation>,
    usual: Usual,
) -> TrialAnalysis {
    sort_by_client(&mut operations);
    let whole = cut::doubt(plan, facts, &mut operations);
    let operations: Vec<&Operation> = operations.iter().collect();
    let mut load = Load::new(plan, facts, &operations);
    let mut ledger = ledger::keep(plan, facts, &operations);
    if let Some(whole) = whole {
        ledger.doubt(&whole);
    }
    load.whole_at_last = std::mem::take(&mut ledger.whole);
    let idle_kill = facts.idle_kill();
    if let Some(kill) = idle_kill.filter(IdleKill::took_something) {
        // The trial came to nothing else for certain.
        ledger.sessions = SessionCounts {
            lost_doubted: ledger.sessions.lost_doubted,
            reset_doubted: ledger.sessions.reset_doubted,
            zombie_doubted: ledger.sessions.zombie_doubted,
            ..kill.sessions
        };
        ledger.counterexample = Some(kill.told());
    }
    let (errors, latency) = load.tallies();
    let send_lag = load.send_lag();
    let arm = plan.arms.get(facts.arm.0 as usize);
    let listener = arm.map_or(Listener::Own, |arm| arm.target.listener);
    let returned = served::returned(plan, facts, &load, usual);
    let chain = recovery::chain(facts, listener, returned.as_ref());
    let cache = caching::tally(arm, facts, &load, &operations);
    let mut findings = findings::findings(plan, facts, &ledger.oddities);
    findings.extend(findings::doubted(&ledger.sessions, &ledger.writes));
    findings.extend(served::finding(returned.as_ref()));
    findings.extend(faults::findings(plan, facts));
    findings.extend(findings::about_cache(cache.as_ref()));
    let blind_time = blind::blind_time(facts, &load);
    findings.extend(blind_time.and_then(findings::blind));
    let rules = Rules::new(arm, facts, &load);
    let mut about_harness: Vec<String> = findings::late_sending(plan, &send_lag)
        .into_iter()
        .collect();
    let busy = busy::busy(plan, facts, &load);
    about_harness.extend(busy.iter().cloned());
    let timeline = timeline_of(plan, facts, &load, &rules, &mut about_harness);
    let before = oracle::before_the_fault(plan, facts, &operations, ledger.oddities.lost_before);
    let area = outage_area(plan, facts, &load);
    let shown = void::Shown {
        returned: returned.as_ref(),
        sessions: &ledger.sessions,
        writes: &ledger.writes,
        before: &before,
    };
    let void = void::reason(plan, facts, (&load, &operations), &shown);
    TrialAnalysis {
        id: facts.id,
        control: facts.control,
        shard: None,
        void,
        shortened: busy::shortened(plan, facts),
        busy,
        causes: causes::causes(facts, &operations, &before, &ledger),
        before,
        landed: faults::all_landed(plan, facts),
        faults: faults::each(plan, facts, &load, listener, usual),
        laid: ledger.laid.losses(),
        journeys: journeys::tally(plan, facts, &load, &ledger.ends),
        sessions: ledger.sessions,
        faulted: ledger.faulted,
        writes: ledger.writes,
        writes_beside: ledger.beside,
        errors,
        latency,
        availability: load.availability(plan.load.objective),
        in_flight: injection::in_flight(plan, facts, &load),
        draining: injection::draining(plan, facts, &load),
        met: injection::met(plan, facts, &load),
        acknowledged_before: injection::acknowledged_before(plan, facts, &operations),
        logins_at_stake: injection::logins_at_stake(plan, facts, &operations),
        attribution: rules.attribute(),
        cache,
        retries: load.retries(),
        continuity: load.continuity(),
        nodes: nodes(arm, facts, &load),
        time_to_detect: load.longest_time_to_detect(),
        time_to_steady: time_to_steady(plan, facts, &load, &chain, returned.as_ref()),
        longest_gap_ms: load.longest_gap_ms(),
        outage_area_s: area.map(|area| area.failed_s + area.slow_s),
        outage_area_slow_s: area.map(|area| area.slow_s),
        outage: recovery::outage(facts, &load, &chain, returned.as_ref()),
        client_outage: load.client_outage(returned.as_ref()),
        blind_time,
        false_time_to_steady: false_time_to_steady(plan, facts, &load),
        timeline,
        dots: dots(&load, facts.origin()),
        chain,
        returned,
        failed_starts: facts.nodes().map(|node| facts.failed_starts(node)).sum(),
        loss_window_ms: ledger.loss_window_ms,
        send_lag,
        took_ms: facts
            .begun
            .zip(facts.over)
            .map(|(from, to)| to.ms_after(from)),
        counterexample: ledger.counterexample.filter(|_| plan.storm.is_some()),
        story: match plan.storm {
            Some(_) => Vec::new(),
            None => ledger.story,
        },
        idle_kill,
        begun_sessions: ledger.begun,
        load: facts.stopped.map(|(_, tally)| tally).unwrap_or_default(),
        findings,
        about_harness,
    }
}

/// Puts operations into the order in which each client did them: it does one thing at a time. The operations themselves are
/// moved, not references to them: they are gone through many times, and memory is quick in its own order only.
pub(super) fn sort_by_client(operations: &mut [Operation]) {
    let mut order: Vec<(ClientId, Elapsed, Option<Elapsed>, usize)> = operations
        .iter()
        .enumerate()
        .map(|(place, one)| (one.client, one.finished, one.sent, place))
        .collect();
    // Equal ones stay as they were recorded, since their place is part of what is compared.
    order.sort_unstable();
    for start in 0..order.len() {
        // What belongs here is brought from its place, what belongs there from its own, until that is here.
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut order[at].3, at);
            if from == start || from == at {
                break;
            }
            operations.swap(at, from);
            at = from;
        }
    }
}

fn timeline_of(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    rules: &Rules<'_>,
    about_harness: &mut Vec<String>,
) -> Vec<TimelineWindow> {
    let (Some(origin), Some(from), Some(to)) = (facts.origin(), facts.baseline(), load.end) else {
        return Vec::new();
    };
    let width = plan.windows.window;
    let grid = Grid::new(origin, width, from, to);
    if grid.is_too_fine() {
        about_harness.push(format!(
            "its timeline is left out: from {} ms to {} ms lie too many windows of {width}",
            grouped(from.as_us() / 1_000),
            grouped(to.as_us() / 1_000)
        ));
    }
    let windows = grid.fill(load.operations.iter().copied());
    let attributions = grid.attribute(load.operations.iter().copied(), rules);
    timeline(&grid, windows, attributions, width)
}

/// What is to be said of several nodes as such.
fn nodes(arm: Option<&Arm>, facts: &Facts, load: &Load<'_>) -> NodesAnalysis {
    let Some(arm) = arm.filter(|arm| arm.nodes().count() > 1) else {
        return NodesAnalysis::default();
    };
    let outages = outages(facts);
    NodesAnalysis {
        balancing: balancing(arm, facts, load),
        downtime: load.end.map(|end| downtime(arm, &outages, end)),
        outages: facts.origin().map_or_else(Vec::new, |origin| {
            let outages = outages.iter();
            outages.map(|outage| outage.after(origin)).collect()
        }),
    }
}
