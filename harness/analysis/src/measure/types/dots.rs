//! The operations of a trial as dots of a picture.

use comeback_model::operation::ErrorClass;

/// How an operation ended, as coarsely as a picture can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It was correct.
    Correct,
    /// A reply came, and it was an error or wrong.
    Failed,
    /// The connection was refused or broken.
    Cut,
    /// No connection or no reply in time.
    TimedOut,
    /// The load generator could not send it, or not in time.
    Unsent,
}

impl Ending {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Correct,
        Self::Failed,
        Self::Cut,
        Self::TimedOut,
        Self::Unsent,
    ];

    pub(in crate::measure) const fn of(error: Option<ErrorClass>) -> Self {
        match error {
            None => Self::Correct,
            Some(ErrorClass::Refused | ErrorClass::Reset) => Self::Cut,
            Some(ErrorClass::ConnectTimeout | ErrorClass::ResponseTimeout) => Self::TimedOut,
            Some(ErrorClass::Unsent | ErrorClass::HarnessError) => Self::Unsent,
            Some(
                ErrorClass::ServerError
                | ErrorClass::ClientError
                | ErrorClass::SessionRejected
                | ErrorClass::SessionRecreated
                | ErrorClass::WrongIdentity
                | ErrorClass::WrongAnswer
                | ErrorClass::Malformed,
            ) => Self::Failed,
        }
    }
}

/// The slowest of the operations that ended alike at nearly the same time after nearly the same wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// When it was wanted, in ms after the first fault was sent (in a control trial: after where that would have been).
    pub at_ms: f32,
    /// From then until its fate was known, in ms.
    pub took_ms: f32,
    /// How it ended.
    pub ending: Ending,
}
