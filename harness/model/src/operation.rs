//! What one client did once: the rows from which sessions, writes, errors and latency are counted.

mod cached;
#[cfg(any(test, feature = "testing"))]
mod fixture;
mod shown_writes;

use serde::{Deserialize, Serialize};

pub use cached::Cached;
#[cfg(any(test, feature = "testing"))]
pub use fixture::test_operation;
pub use shown_writes::ShownWritesError;

use crate::ids::{BootId, ClientId, SessionId, TrialId};
use crate::status;
use crate::units::Elapsed;

/// One operation of one client, as the client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The trial it belongs to.
    pub trial: TrialId,
    /// The client.
    pub client: ClientId,
    /// Which session of this client: for a login the one it tries to begin.
    pub generation: u32,
    /// The operation's kind.
    pub step: Step,
    /// When the schedule wanted it.
    #[serde(rename = "intended_us")]
    pub intended: Elapsed,
    /// When the pacer handed it out; later than intended by the generator's own lateness.
    #[serde(rename = "dispatched_us")]
    pub dispatched: Elapsed,
    /// When the first byte of its own request was about to be written or, if it never was, that of the first of the requests
    /// before it, such as a form; absent when that never happened.
    #[serde(rename = "sent_us")]
    pub sent: Option<Elapsed>,
    /// When its fate was known.
    #[serde(rename = "finished_us")]
    pub finished: Elapsed,
    /// Whether it took effect.
    pub outcome: Outcome,
    /// Its error, as seen by the client. Absent if it was correct.
    pub error: Option<ErrorClass>,
    /// The HTTP status, if a reply came.
    pub status: Option<u16>,
    /// The session's counter as the reply gave it.
    pub value: Option<u64>,
    /// Which write this change carries, from 1 in each session; where writes carry values of their own.
    pub write: Option<u32>,
    /// The writes that the reply shows, in the same way.
    pub found: Option<Box<ShownWrites>>,
    /// The answering process, if the reply names it. Absent for stored replies of a cache.
    pub boot: Option<BootId>,
    /// Which replica the balancer says gave the reply, from 0; where it says so.
    pub replica: Option<u32>,
    /// Which replica the balancer says it sent the request to in vain, so that it answered itself.
    pub failed_replica: Option<u32>,
    /// The reply's body had no length and ended with the connection, as it does when the server is killed.
    pub unframed: bool,
    /// How a shared cache in front came to the reply, if it says so.
    pub cache: Option<Cached>,
    /// How old the reply was when the cache served it, in seconds, if it says so.
    pub age_s: Option<u32>,
    /// How often it was tried; more than once only where clients try again what failed.
    pub tries: u32,
    /// When the first byte of its last try's own request was about to be written, where that was not the first to leave.
    #[serde(rename = "resent_us")]
    pub resent: Option<Elapsed>,
}

impl Operation {
    /// The session it belongs to.
    pub const fn session(&self) -> SessionId {
        SessionId {
            client: self.client,
            generation: self.generation,
        }
    }

    /// When the request left that was the last to be answered, or was not.
    pub fn asked(&self) -> Option<Elapsed> {
        self.resent.or(self.sent)
    }

    /// Whether the judgement of a reply goes by its body, as far as is known: what it shows, lacks or names.
    pub fn goes_by_body(&self) -> bool {
        let is_no_refusal = !self.status.is_some_and(status::is_error);
        match self.error {
            None | Some(ErrorClass::WrongIdentity | ErrorClass::WrongAnswer) => true,
            Some(ErrorClass::SessionRejected | ErrorClass::SessionRecreated) => is_no_refusal,
            Some(_) => false,
        }
    }

    /// Whether the reply was correct.
    pub const fn is_correct(&self) -> bool {
        self.error.is_none()
    }
}

/// The writes a reply shows, where each write carries its own value. Written as one word: `1-17,19,19,?2`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ShownWrites {
    /// Numbers of this session's writes, in the order they are shown; one twice is there twice.
    pub writes: Vec<u32>,
    /// Values that are not writes of this session.
    pub foreign: u32,
}

/// The operations of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Begins a session.
    Login,
    /// Changes its state by one acknowledged write.
    Act,
    /// Looks at it.
    Check,
    /// Ends it.
    Logout,
    /// A request of a workload without sessions, or one beside a session that is nobody's in particular.
    Get,
    /// The final look at a session after recovery; not part of the load.
    ReadBack,
}

/// Whether an operation took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did: the server said so.
    Acknowledged,
    /// It did not.
    Rejected,
    /// It may have.
    Indeterminate,
}

/// The error classes, as seen by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The connection was refused before a byte was sent.
    Refused,
    /// The connection ended (RST, EOF, EPIPE) after the request, or part of it, had left.
    Reset,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The reply was not complete in time.
    ResponseTimeout,
    /// A 5xx.
    ServerError,
    /// A 4xx that does not speak of the session.
    ClientError,
    /// The server does not know the session any more, and says so (401, 403).
    SessionRejected,
    /// The server answered as if the user were not logged in, with a new session.
    SessionRecreated,
    /// The session names another user.
    WrongIdentity,
    /// A 2xx whose content the oracle refutes.
    WrongAnswer,
    /// The reply is not HTTP, or not within its bounds.
    Malformed,
    /// It could not start within its time-out after its intended time.
    Unsent,
    /// The harness itself failed (no descriptor, no local port): the trial is void.
    HarnessError,
}

impl ErrorClass {
    /// Every class, in the order they are shown.
    pub const ALL: [Self; 13] = [
        Self::Refused,
        Self::Reset,
        Self::ConnectTimeout,
        Self::ResponseTimeout,
        Self::ServerError,
        Self::ClientError,
        Self::SessionRejected,
        Self::SessionRecreated,
        Self::WrongIdentity,
        Self::WrongAnswer,
        Self::Malformed,
        Self::Unsent,
        Self::HarnessError,
    ];

    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::ConnectTimeout => "connect_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::ServerError => "server_error",
            Self::ClientError => "client_error",
            Self::SessionRejected => "session_rejected",
            Self::SessionRecreated => "session_recreated",
            Self::WrongIdentity => "wrong_identity",
            Self::WrongAnswer => "wrong_answer",
            Self::Malformed => "malformed",
            Self::Unsent => "unsent",
            Self::HarnessError => "harness_error",
        }
    }

    /// The name for people.
    pub fn label(self) -> String {
        self.name().replace('_', " ")
    }
}
