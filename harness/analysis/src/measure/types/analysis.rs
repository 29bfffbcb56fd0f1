//! One trial, understood, with its figures for gates.

use comeback_model::gate;
use comeback_model::ids::TrialId;

use super::{
    Attribution, Availability, BeforeTheFault, BlindTime, CacheTally, Cause, Chain, Continuity,
    Dot, ErrorTally, FaultAnalysis, FaultedSessions, IdleKill, Journeys, LaidLoss, LatencyTally,
    LoadTally, MetWrites, NodesAnalysis, NotBack, Retries, Return, SessionCounts, Spoils, Time,
    TimelineWindow, Void, Windowed, WriteCounts, WritesBeside,
};

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
    /// How many sessions had just begun when a fault was to end their node; absent where there are none, or nothing was to end.
    pub logins_at_stake: Option<u64>,
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
    /// How many of the sessions began in this trial; in a storm the others are of the trial before.
    pub begun_sessions: u64,
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
    pub(in crate::measure) fn is_spoiled_for_times(&self) -> bool {
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
