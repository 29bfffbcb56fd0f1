//! A trial is understood: its operations and facts are brought together. What is known of it then, with its figures for gates.

use comeback_model::event::Doubts;
use comeback_model::gate;
use comeback_model::ids::{ClientId, TrialId};
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
use super::{
    Attribution, Availability, BeforeTheFault, BlindTime, CacheTally, Cause, Chain, Continuity,
    Dot, ErrorTally, FaultAnalysis, FaultedSessions, IdleKill, Journeys, LaidLoss, LatencyTally,
    LoadTally, LoginsAtStake, MetWrites, NodesAnalysis, NotBack, Retries, Return, SessionCounts,
    Sight, Spoils, Tally, Time, TimelineWindow, Void, Windowed, WriteCounts, WritesBeside,
};
use super::{
    blind, busy, caching, causes, cut, faults, findings, journeys, ledger, oracle, recovery,
    served, sight,
};
use super::{injection, void};

/// One trial, understood.
#[derive(Clone, Debug, Default)]
pub struct TrialAnalysis {
    /// Which.
    pub id: TrialId,
    /// Without a fault.
    pub control: bool,
    /// The shard that it is of, where the run was split: its times compare with those of the same shard alone.
    pub shard: Option<u32>,
    /// Why it does not count, if so: it ended early, the fault did not land, the load missed its floor…
    pub void: Option<Void>,
    /// Why its times say nothing certain, if so: the machine was too busy. They are then the most that a quiet machine would have
    /// shown.
    pub busy: Option<String>,
    /// But for these: a busy machine may make them shorter, so that nothing is known of them.
    pub shortened: Vec<gate::Time>,
    /// Whether the effect of every fault was confirmed.
    pub landed: bool,
    /// Each fault by itself, where the plan has several; the trial's own figures are of all of them together.
    pub faults: Vec<FaultAnalysis>,
    /// Which faults losses are laid to, where the plan has several.
    pub laid: Vec<LaidLoss>,
    /// What went wrong before the fault; in a control trial, in all of it.
    pub before: BeforeTheFault,
    /// What happened to the processes, in order, relative to T0.
    pub chain: Chain,
    /// Whether the service came back for good; absent where it did not answer correctly at all, or had no reason to.
    pub returned: Option<Return>,
    /// Starts of what was faulted that ended before it served again.
    pub failed_starts: u32,
    /// What became of the sessions.
    pub sessions: SessionCounts,
    /// What became of those of them that had begun when the fault was sent, or the first drain begun.
    pub faulted: FaultedSessions,
    /// What became of the acknowledged writes.
    pub writes: WriteCounts,
    /// What is wrong with the writes that no fault has taken.
    pub writes_beside: WritesBeside,
    /// Replies that only what came before the fault calls wrong.
    pub doubts: Doubts,
    /// The same trial with the pages among them taken for correct; absent where there are none.
    pub at_best: Option<Box<Self>>,
    /// What became of the users' journeys; absent where there are no sessions.
    pub journeys: Option<Journeys>,
    /// What the clients saw. In a control trial everything after warm-up is `before`.
    pub errors: Windowed<ErrorTally>,
    /// Latency of correct operations from their intended start, in µs, with the failed ones beside it.
    pub latency: Windowed<LatencyTally>,
    /// The load that was served well enough, from the end of the warm-up to the end of the load.
    pub availability: Availability,
    /// What became of the operations that were in flight when the fault was sent, or a drain begun.
    pub in_flight: ErrorTally,
    /// What became of the operations whose request had left when what was told to stop ended, and that were not answered
    /// before it was told; none where nothing was told to stop.
    pub draining: ErrorTally,
    /// What the fault met of the writes; absent where there are none, or nothing was to end.
    pub met: Option<MetWrites>,
    /// How many writes were acknowledged before the first fault; absent where there are none, or no fault was sent.
    pub acknowledged_before: Option<u64>,
    /// The sessions that had just begun when a fault was to end their node; absent where there are none, or nothing was to end.
    pub logins_at_stake: Option<LoginsAtStake>,
    /// Who failed the operations that failed, and who served the others.
    pub attribution: Attribution,
    /// What the shared cache in front did, where there is one.
    pub cache: Option<CacheTally>,
    /// What trying again came to.
    pub retries: Retries,
    /// How much of the sessions' requests before the fault, if there was one, found their session.
    pub continuity: Continuity,
    /// What was seen of several nodes as such; empty where the server is all there is.
    pub nodes: NodesAnalysis,
    /// Goodput and errors over time, in windows of the plan's length, relative to the fault's sending.
    pub timeline: Vec<TimelineWindow>,
    /// Its operations as dots, for a chart.
    pub dots: Vec<Dot>,
    /// The trial from close by.
    pub sight: Sight,
    /// First failed operation − T0, in ms; negative when a client saw it first.
    pub time_to_detect: Option<f64>,
    /// Earliest moment from which the service stays within the baseline's band, − T0; beyond the load's end
    /// when it did not come back for good.
    pub time_to_steady: Option<Time>,
    /// Longest time between two correct replies, or from the last one to the load's end, in ms; only a lower
    /// bound when the service did not come back for good: see [`Self::longest_gap`].
    pub longest_gap_ms: Option<f64>,
    /// Equivalent seconds of full outage until the load's end; absent in a control trial. Only a lower bound
    /// when the service did not come back for good: see [`Self::outage_area`].
    pub outage_area_s: Option<f64>,
    /// The part of it in which replies were correct and had to be waited for.
    pub outage_area_slow_s: Option<f64>,
    /// From the fault's sending, or from when a command took users out, to ready: how long the service was away.
    pub outage: Option<Time>,
    /// The longest time without a correct reply that clients saw from the fault on until the service was back.
    pub client_outage: Option<Time>,
    /// How long clients failed from the fault on while the health check said ready; absent where none was asked.
    pub blind_time: Option<BlindTime>,
    /// In a control trial the time to steady that the rule finds though nothing happened; 0 when it does not err.
    pub false_time_to_steady: Option<Time>,
    /// T0 − acknowledgement of the oldest lost write, in ms.
    pub loss_window_ms: Option<f64>,
    /// The pacer's lateness in the baseline, in µs.
    pub send_lag: LatencyTally,
    /// Operations the schedule wanted, and those whose first byte was written, over the whole load.
    pub load: LoadTally,
    /// How long it took, from its begin to its end, in ms.
    pub took_ms: Option<f64>,
    /// The first session that lost something by the fault, in words: what was acknowledged, and what was read back. Kept for a
    /// storm.
    pub counterexample: Option<String>,
    /// What the user of the first session met that lost something by the fault, a sentence each: who it is, what was acknowledged,
    /// when the fault came, and what was seen afterwards. Empty in a storm, which has the counterexample.
    pub story: Vec<String>,
    /// What the kill of the idle server came to that the trial before ended with; in a storm alone.
    pub idle_kill: Option<IdleKill>,
    /// Why it went so, where its facts say.
    pub causes: Vec<Cause>,
    /// Things a reader should know of the server and the fault, as sentences.
    pub findings: Vec<String>,
    /// Things a reader should know of the harness and its machine, likewise.
    pub about_harness: Vec<String>,
}

impl TrialAnalysis {
    /// Whether it does not count, and only its times and rates are spoiled.
    pub(super) fn is_spoiled_for_times(&self) -> bool {
        let void = self.void.as_ref();
        void.is_some_and(|void| void.spoils == Spoils::Times)
    }

    /// Correct operations per second over all windows of its timeline; in a control trial what the service does
    /// undisturbed.
    pub fn goodput(&self) -> Option<f64> {
        let windows = self.timeline.iter();
        let (correct, ms) = windows.fold((0, 0.0), |(correct, ms), window| {
            (correct + window.errors.correct(), ms + window.length_ms)
        });
        (ms > 0.0).then(|| correct as f64 * 1_000.0 / ms)
    }

    /// Why the service is not back for good, though it answered correctly once.
    pub const fn not_back(&self) -> Option<&NotBack> {
        match &self.returned {
            Some(Return::Not(why)) => Some(why),
            Some(Return::ForGood | Return::ByProbeOnly { .. }) | None => None,
        }
    }

    /// Its figure of a gate's metric, in the metric's unit; infinite when it lies beyond the horizon.
    pub fn figure(&self, metric: gate::Time) -> Option<f64> {
        let infinite = |time: Option<Time>| time.map(Time::or_infinite);
        match metric {
            gate::Time::Detect => self.time_to_detect,
            gate::Time::Restart => infinite(self.chain.executed),
            gate::Time::Listen => infinite(self.chain.listening),
            gate::Time::Ready => infinite(self.chain.ready),
            gate::Time::Outage => infinite(self.outage),
            gate::Time::ClientOutage => infinite(self.client_outage),
            gate::Time::Blind => self.blind_time.map(|time| time.ms),
            gate::Time::Steady => infinite(self.time_to_steady),
            gate::Time::LongestGap => self.longest_gap(),
            gate::Time::OutageArea => self.outage_area(),
        }
        .filter(|figure| !figure.is_nan())
    }

    /// What it adds to a count.
    pub(crate) fn tally(&self, count: gate::Count) -> Tally {
        let (sessions, writes) = (&self.sessions, &self.writes);
        let undecided = sessions.undecided;
        let of_sessions = |found: u64| Tally {
            found,
            most: found.saturating_add(undecided),
            out_of: sessions.acknowledged,
            undecided,
            ..Tally::default()
        };
        // How many writes the undecided sessions hold nobody counted.
        let uncounted = |found: u64, out_of: u64| Tally {
            found,
            most: if undecided > 0 { u64::MAX } else { found },
            out_of,
            undecided,
            ..Tally::default()
        };
        let failed = |met: &ErrorTally| Tally {
            found: met.failures(),
            most: met.failures(),
            out_of: met.scheduled,
            ..Tally::default()
        };
        // What a session shows too much is seen only where it is still there.
        let beside = match sessions.survived + sessions.reset {
            0 => 0,
            _ => writes.acknowledged,
        };
        match count {
            gate::Count::LostSessions => {
                of_sessions(sessions.lost).with_doubted(sessions.lost_doubted)
            }
            gate::Count::ResetSessions => {
                of_sessions(sessions.reset).with_doubted(sessions.reset_doubted)
            }
            // One that was begun after the fault refutes as well, but without any it is no evidence.
            gate::Count::WrongIdentity => {
                let earlier = of_sessions(sessions.wrong_identity);
                let later = sessions.wrong_identity_later;
                Tally {
                    found: earlier.found.saturating_add(later),
                    most: earlier.most.saturating_add(later),
                    out_of: earlier.out_of.saturating_add(later),
                    ..earlier
                }
            }
            // One that was logged out after the fault refutes as well, but without any it is no evidence.
            gate::Count::ZombieSessions => Tally {
                found: sessions.honoured_logouts(),
                most: sessions
                    .honoured_logouts()
                    .saturating_add(sessions.logged_out_unseen),
                out_of: sessions.logged_out.saturating_add(sessions.zombie_later),
                undecided: sessions.logged_out_unseen,
                ..Tally::default()
            }
            .with_doubted(sessions.zombie_doubted),
            gate::Count::LostWrites => {
                let lost = uncounted(writes.lost, writes.acknowledged);
                Tally {
                    most: lost.most.saturating_add(writes.unverifiable),
                    unverifiable: writes.unverifiable,
                    ..lost
                }
                .with_doubted(writes.lost_doubted)
            }
            gate::Count::DuplicatedWrites => uncounted(writes.duplicated, beside),
            gate::Count::PhantomWrites => uncounted(writes.phantom, beside),
            gate::Count::InFlightFailed => failed(&self.in_flight),
            gate::Count::DrainFailed => failed(&self.draining),
            gate::Count::Unrecovered => {
                let is_down = self.idle_kill.is_some_and(|kill| kill.not_started);
                let (found, most) = match (self.chain.ready, &self.returned) {
                    (None, _) if is_down => (1, 1),
                    // One correct reply is not a recovery.
                    (Some(Time::At { .. }), Some(Return::ByProbeOnly { .. })) => (0, 1),
                    (_, Some(Return::Not(_))) | (Some(Time::Beyond { .. }), _) => (1, 1),
                    (Some(Time::At { .. }), Some(Return::ForGood) | None) => (0, 0),
                    (None, _) => (0, 1),
                };
                Tally {
                    found,
                    most,
                    out_of: 1,
                    undecided: most - found,
                    ..Tally::default()
                }
            }
        }
    }

    /// The longest gap in ms: infinite when it lasted beyond the load's end.
    pub fn longest_gap(&self) -> Option<f64> {
        self.unless_censored(self.longest_gap_ms)
    }

    /// The outage area in s: infinite when the outage lasted beyond the load's end.
    pub fn outage_area(&self) -> Option<f64> {
        self.unless_censored(self.outage_area_s)
    }

    /// The part of the outage area in s in which replies had to be waited for: infinite when it lasted beyond the load's
    /// end.
    pub fn outage_area_slow(&self) -> Option<f64> {
        self.unless_censored(self.outage_area_slow_s)
    }

    /// The other part, in which operations failed.
    pub fn outage_area_failed(&self) -> Option<f64> {
        let failed = self.outage_area_s? - self.outage_area_slow_s?;
        self.unless_censored(Some(failed))
    }

    /// What grows until the service is back is only known to exceed what was measured when it never was, or
    /// not for good.
    fn unless_censored(&self, figure: Option<f64>) -> Option<f64> {
        let came_back = match self.chain.ready {
            Some(Time::Beyond { .. }) => false,
            Some(Time::At { .. }) | None => self.not_back().is_none(),
        };
        figure.map(|figure| if came_back { figure } else { f64::INFINITY })
    }
}

/// Understands a trial by these operations.
/// `usual` is how the arm does without a fault, as far as its control trials say.
pub(super) fn understand(
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
        doubts: facts.doubts.clone(),
        at_best: None,
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
        sight: sight::sight((plan, facts), &operations, &load, &ledger.fates),
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
