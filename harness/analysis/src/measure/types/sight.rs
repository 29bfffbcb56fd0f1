//! One trial from close by: its phases, some of its sessions over time, and the operations that the fault met.

use comeback_model::event::Phase;
use comeback_model::ids::SessionId;
use comeback_model::operation::{ErrorClass, Step};

use super::dots::Ending;

/// A trial from close by. Times are in ms after the first fault was sent; in a control trial, after where that would have been.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// When each phase was entered, in order.
    pub phases: Vec<(Phase, f64)>,
    /// When the trial was over; absent where it was not.
    pub over_ms: Option<f64>,
    /// Some of its sessions: those that lost something come first.
    pub sessions: Vec<SessionLine>,
    /// How many sessions began.
    pub sessions_in_all: u64,
    /// Some of the operations that were in flight at the fault, in the order they were sent.
    pub met: Vec<MetOperation>,
    /// How many there were.
    pub met_in_all: u64,
}

/// A session over time.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionLine {
    /// Whose.
    pub id: SessionId,
    /// What became of it.
    pub fate: SessionFate,
    /// What its user did, in order; of what was done at nearly the same time and ended alike only the first.
    pub marks: Vec<SessionMark>,
}

/// Something that the user of a session did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionMark {
    /// When its fate was known.
    pub at_ms: f32,
    /// What it was.
    pub step: Step,
    /// How it ended.
    pub ending: Ending,
}

/// What became of a session, as the ledger has it. The gravest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionFate {
    /// It shows another user.
    AnotherUsers,
    /// The server does not know it any more.
    Lost,
    /// It is known, and older than acknowledged.
    Reset,
    /// It is honoured after its logout.
    Zombie,
    /// It was refused before any fault.
    RefusedBefore,
    /// It was begun after the fault, and is gone, or lacks something.
    LostLater,
    /// Nobody can tell.
    Undecided,
    /// It is there, with all of its state.
    Kept,
    /// It was begun after the fault, and is there.
    KeptLater,
    /// Its user logged out, and it is gone.
    LoggedOut,
}

/// An operation that was in flight at the fault.
#[derive(Clone, Debug, PartialEq)]
pub struct MetOperation {
    /// Whose.
    pub session: SessionId,
    /// What it was.
    pub step: Step,
    /// When it was sent.
    pub sent_ms: f64,
    /// When its fate was known.
    pub finished_ms: f64,
    /// How it failed; absent where it was answered correctly.
    pub error: Option<ErrorClass>,
    /// What became of its session; absent where it has none.
    pub fate: Option<SessionFate>,
}
