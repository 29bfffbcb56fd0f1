//! What became of a session, as one word.

use comeback_model::operation::ErrorClass;

use super::writes::Balance;

/// A definite answer against a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Rejected,
    Recreated,
    WrongIdentity,
}

/// What became of a session that was acknowledged before the fault and alive at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Known, with the state it has; without one where it had nothing to show.
    Known {
        balance: Balance,
        /// A final look before was refused, or showed less.
        later: bool,
    },
    /// Not known any more, or another user's.
    Refused(Refusal),
    /// The server fails at every final look at it, and answers others.
    Broken,
    /// Known at one final look, and at a later one not, or with less.
    Flapping,
    /// No definite answer.
    Undecided,
}

/// Which definite answer against a session an error is, if it is one.
pub(super) const fn refusal(class: ErrorClass) -> Option<Refusal> {
    match class {
        ErrorClass::SessionRejected => Some(Refusal::Rejected),
        ErrorClass::SessionRecreated => Some(Refusal::Recreated),
        ErrorClass::WrongIdentity => Some(Refusal::WrongIdentity),
        ErrorClass::Refused
        | ErrorClass::Reset
        | ErrorClass::ConnectTimeout
        | ErrorClass::ResponseTimeout
        | ErrorClass::ServerError
        | ErrorClass::ClientError
        | ErrorClass::WrongAnswer
        | ErrorClass::Malformed
        | ErrorClass::Unsent
        | ErrorClass::HarnessError => None,
    }
}
