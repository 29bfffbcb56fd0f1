//! What is known of one trial.

use comeback_model::event::{Evidence, Exit};
use comeback_model::ids::FaultId;
use comeback_model::operation::ErrorClass;
use comeback_model::units::{Elapsed, Span};

use super::counts::SessionCounts;
use super::tallies::ErrorTally;
use super::time::Time;
use crate::measure::words::counted;

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
    /// Those whose loss the fault is there to show: the ones in flight, or all at stake where the plan has it come at an
    /// acknowledgement.
    pub tested: u64,
    /// The chance that a server which acknowledges 100 µs before it stores would have lost a write.
    pub early_ack_seen: f64,
    /// A proxy held requests or replies back at the fault. What may have waited in it is in none of these counts.
    pub held_back: bool,
    /// A command ended the server, in place of a signal.
    pub by_command: bool,
    /// How long after the acknowledgement that the fault waited for was read, in µs; absent where it waited for none.
    pub aimed_after_us: Option<u64>,
}

/// Sessions that stood when a fault was to end their node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginsAtStake {
    /// How many of them had just begun, in the last 200 ms before it.
    pub count: u64,
    /// How long before it the youngest had begun; absent where none stood.
    pub youngest: Option<Span>,
}

/// What became of a service after its first correct reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Return {
    /// The load after that reply is served to its end.
    ForGood,
    /// Too few operations were wanted after that reply to tell, or nobody can tell whose doing it was that clients lost time.
    ByProbeOnly {
        /// How many there were.
        operations: u64,
        /// Why nobody can tell, where that is no lack of operations.
        unclear: Option<Unclear>,
    },
    /// It did not last.
    Not(NotBack),
}

/// Why time that clients lost after a recovery may not be the server's doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Unclear {
    /// The machine's disk kept somebody waiting for so long.
    Disk(Span),
    /// The machine was too busy, as this says.
    Busy(String),
    /// What had gathered in the outage was still being worked off.
    CatchingUp,
}

/// The kill of an idle server at the end of a storm's cycle, as the next trial shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleKill {
    /// What became of the sessions that were whole at the last look before it.
    pub sessions: SessionCounts,
    /// The server could not be started after it.
    pub not_started: bool,
}

impl IdleKill {
    /// How many of the sessions are gone for certain, or lack something.
    pub const fn lacking(&self) -> u64 {
        let sessions = &self.sessions;
        sessions.lost + sessions.reset + sessions.wrong_identity
    }

    /// Whether it is known what became of anything.
    pub const fn is_seen(&self) -> bool {
        self.sessions.acknowledged > 0 || self.not_started
    }

    /// Whether it took something, or the server with it.
    pub const fn took_something(&self) -> bool {
        self.lacking() > 0 || self.not_started
    }

    /// What it took, in words.
    pub(in crate::measure) fn told(&self) -> String {
        let what = match self.not_started {
            true => "the server could not be started".to_owned(),
            false => format!(
                "{} of {} that the last look had found whole: {} not known, {} with less than was shown, {} another user's",
                self.lacking(),
                counted(self.sessions.acknowledged, "session"),
                self.sessions.lost,
                self.sessions.reset,
                self.sessions.wrong_identity
            ),
        };
        format!("after the recovered server was killed again while it was idle: {what}")
    }
}

/// What the final looks lack or show too much, and no fault has taken: a server of which that is so may keep what it had by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WritesBeside {
    /// Acknowledged after T0, and absent.
    pub lost_later: u64,
    /// Of writes with values of their own: shown though never sent. One that is shown again is kept all the same.
    pub excess: u64,
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
    /// The load is not served.
    Unserved(Shortfall),
    /// The load is not served, though every process is up, from the begin of what is judged to its end, and the machine that shows a good
    /// control trial had time for it.
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
    /// Which fault of the plan it is, and what people call that: another one only where those of a trial are drawn.
    pub choice: (FaultId, String),
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
