//! What is known of one trial.

use comeback_model::event::{Evidence, Exit};
use comeback_model::ids::{FaultId, TrialId};
use comeback_model::operation::ErrorClass;
use comeback_model::units::Elapsed;

use super::cause::Cause;
use super::counts::{SessionCounts, Windowed, WriteCounts};
use super::journeys::Journeys;
use super::latency::LatencyTally;
use super::nodes::NodesAnalysis;
use super::tallies::{
    Attribution, Availability, CacheTally, Continuity, ErrorTally, LoadTally, Retries,
    TimelineWindow,
};
use super::time::Time;

/// Why a trial does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    /// As a sentence.
    pub reason: String,
    /// What it takes away.
    pub spoils: Spoils,
    /// Whose doing it is.
    pub doing: Doing,
    /// Another trial has taken its place: it keeps nothing from being judged.
    pub replaced: bool,
}

/// Whose doing it is that a trial does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// The harness's or the machine's, and nothing in the trial speaks against the server. Another may take its place.
    Ours,
    /// The server's, or nobody can tell whose. It is evidence, and nothing takes its place: a server whose bad trials
    /// were replaced would pass.
    Servers,
}

/// What the reason that voids a trial takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoils {
    /// Times and rates: the load was not what was planned. What was certainly acknowledged and is certainly gone
    /// after a fault that landed is a counterexample all the same.
    Times,
    /// Everything: the fault did not land, the server did not work, the harness failed…
    Everything,
}

impl Void {
    /// A reason that spoils this, by whose doing.
    pub fn new(spoils: Spoils, doing: Doing, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            spoils,
            doing,
            replaced: false,
        }
    }
}

/// What a fault that ends processes met of the writes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MetWrites {
    /// Sent, and not answered.
    pub in_flight: u64,
    /// Those, and the ones acknowledged less than a millisecond before: what was stored late, or in part, would show.
    pub at_stake: u64,
    /// The chance that a server which acknowledges 100 µs before it stores would have lost a write.
    pub early_ack_seen: f64,
    /// How long after the acknowledgement that the fault waited for was read, in µs; absent where it waited for none.
    pub aimed_after_us: Option<u64>,
}

/// One trial, understood.
#[derive(Clone, Debug)]
pub struct TrialAnalysis {
    /// Which.
    pub id: TrialId,
    /// Without a fault.
    pub control: bool,
    /// Why it does not count, if so: it ended early, the fault did not land, the load missed its floor…
    pub void: Option<Void>,
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
    /// From the fault's sending to ready: how long the service was away.
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
    /// Why it went so, where its facts say.
    pub causes: Vec<Cause>,
    /// Things a reader should know, as sentences.
    pub findings: Vec<String>,
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

/// What became of a service after its first correct reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Return {
    /// The load after that reply is served to its end.
    ForGood,
    /// Too few operations were wanted after that reply to tell.
    ByProbeOnly {
        /// How many there were.
        operations: u64,
    },
    /// It did not last.
    Not(NotBack),
}

/// Why one correct reply was not a recovery.
#[derive(Clone, Debug, PartialEq)]
pub enum NotBack {
    /// The new process ended by itself.
    Ended,
    /// The load was not served after one fault, and before the next came.
    BetweenFaults {
        /// What that calm lacks.
        shortfall: Shortfall,
        /// When the next was sent.
        next: Elapsed,
    },
    /// Another process ended by itself, and the load is not served.
    Unserved(Shortfall),
    /// Every process is up, and the load is not served.
    Metastable(Shortfall),
}

/// What the end of a trial's load lacks to be as usual.
#[derive(Clone, Debug, PartialEq)]
pub enum Shortfall {
    /// Too many operations failed.
    Failing {
        /// How many.
        failed: u64,
        /// Out of how many.
        scheduled: u64,
        /// What most of them met.
        class: ErrorClass,
        /// For how long until the load's end.
        over_ms: f64,
    },
    /// Correct replies took too long.
    Slow {
        /// What three quarters of them took at least.
        least_ms: f64,
        /// The median latency without a fault.
        usual_ms: f64,
        /// For how long until the load's end.
        over_ms: f64,
    },
}

/// Sessions that had begun when the fault was sent, or the first drain begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultedSessions {
    /// Of how many it is known what became of them.
    pub known: u64,
    /// Those of them that were rejected or re-created.
    pub lost: u64,
}

/// One of several faults of a trial.
#[derive(Clone, Debug, Default)]
pub struct FaultAnalysis {
    /// Which.
    pub id: FaultId,
    /// What people call it.
    pub name: String,
    /// Whether its effect was confirmed.
    pub landed: bool,
    /// When it was sent, in ms after the first fault was.
    pub sent_ms: Option<f64>,
    /// What happened to the processes that it hit, relative to its own T0. Where another fault overtook it, it is only known
    /// that it had not been recovered from by then.
    pub chain: Chain,
    /// From its sending to ready.
    pub outage: Option<Time>,
    /// The fault that hit the same node before it was back.
    pub overtaken_by: Option<FaultId>,
    /// Whether it hit nothing but nodes that were not back from another fault.
    pub hit_what_was_down: bool,
    /// First operation that failed in it − its T0, in ms.
    pub time_to_detect: Option<f64>,
    /// Operations that were in flight when it was sent, or wanted until all that it hit was back.
    pub errors: ErrorTally,
    /// What became of the operations that were in flight when it was sent.
    pub in_flight: ErrorTally,
    /// What became of the operations under way while it told nodes to stop.
    pub draining: ErrorTally,
    /// What it met of the writes; absent where there are none, or nothing was to end.
    pub met: Option<MetWrites>,
}

/// What was lost by these faults: by one, or by several of which nobody can tell which one took it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaidLoss {
    /// The faults, in the plan's order.
    pub faults: Vec<FaultId>,
    /// Sessions that were rejected, re-created or broken.
    pub sessions: u64,
    /// Acknowledged writes.
    pub writes: u64,
}

/// What happened to the processes around a fault; every time in ms relative to T0, the confirmed exit.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The signal was sent, or the first replica's drain begun (negative or zero).
    pub killed: Option<f64>,
    /// From the first to the last of those that were faulted; absent where one was.
    pub spread: Option<f64>,
    /// How the old process ended; absent after a pause.
    pub exit: Option<Exit>,
    /// The launcher was executed that passes the held listening socket on; absent where there is none.
    pub launched: Option<Time>,
    /// The new process was executed, the error is how long the start call took, or the launcher; or the paused one may
    /// go on.
    pub executed: Option<Time>,
    /// The first connection was accepted; absent where the listening socket is held, which accepts at all times.
    pub listening: Option<Time>,
    /// The first correct reply of the new process; beyond the load's end when that was not for good.
    pub ready: Option<Time>,
    /// How that reply is known to come from it.
    pub evidence: Option<Evidence>,
}

/// How long clients failed while the health check said ready.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlindTime {
    /// For certain, in ms: between two answers that said so, and nothing else in between.
    pub ms: f64,
    /// How much more it may have been, since the check was only asked now and then.
    pub error_ms: f64,
}

/// What went wrong before any fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeforeTheFault {
    /// Sessions that were rejected or re-created; in a control trial they are counted as lost instead.
    pub lost_sessions: u64,
    /// Replies whose counter or collection of writes cannot be.
    pub refuted: u64,
    /// The first of them, as a sentence.
    pub example: Option<String>,
}
