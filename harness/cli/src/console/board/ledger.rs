//! What the users have so far: logins, writes, and the sessions that the final looks did not find. It is what a person may watch; the
//! verdict counts anew, from the whole journal.

use std::collections::HashMap;

use comeback_model::ids::SessionId;
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::units::Elapsed;

/// The ledger so far.
#[derive(Clone, Debug, Default)]
pub(in crate::console) struct Ledger {
    /// Acknowledged logins.
    pub(in crate::console) logins: u64,
    /// Acknowledged writes.
    pub(in crate::console) writes: u64,
    /// Correct replies of the load.
    pub(in crate::console) answers: u64,
    /// The sessions of the present trial that began before its first fault.
    sessions: HashMap<SessionId, Standing>,
}

/// A session of the present trial.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Whether the last look that was told found nothing of it.
    is_gone: Option<bool>,
    /// Its user logged out after the fault: a later look tells nothing.
    is_over: bool,
}

/// Sessions that were looked at after a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Found {
    /// So many.
    pub(in crate::console) looked_at: u64,
    /// Of those: not known any more, or another user's.
    pub(in crate::console) gone: u64,
}

impl Ledger {
    /// Notes an operation of a trial whose first fault was begun at `fault`, if it was.
    pub(in crate::console) fn note(&mut self, operation: &Operation, fault: Option<Elapsed>) {
        let is_before = fault.is_none_or(|fault| operation.finished < fault);
        let is_acknowledged = operation.outcome == Outcome::Acknowledged;
        self.answers += u64::from(operation.step != Step::ReadBack && operation.is_correct());
        let id = operation.session();
        match operation.step {
            Step::Login if is_acknowledged && operation.is_correct() => {
                self.logins += 1;
                if is_before {
                    self.sessions.insert(id, Standing::default());
                }
            }
            Step::Act if is_acknowledged => self.writes += 1,
            Step::Logout if operation.outcome != Outcome::Rejected => {
                if is_before {
                    self.sessions.remove(&id);
                } else if let Some(standing) = self.sessions.get_mut(&id) {
                    standing.is_over = true;
                }
            }
            Step::ReadBack => {
                let standing = self.sessions.get_mut(&id);
                if let Some(standing) = standing.filter(|standing| !standing.is_over) {
                    standing.is_gone = is_gone(operation.error).or(standing.is_gone);
                }
            }
            Step::Login | Step::Act | Step::Logout | Step::Check | Step::Get => {}
        }
        // Refused before the fault: that is no loss by it.
        if is_before && operation.step != Step::ReadBack && is_gone(operation.error) == Some(true) {
            self.sessions.remove(&id);
        }
    }

    /// The trial ended: what was found of its sessions.
    pub(in crate::console) fn end_trial(&mut self) -> Found {
        let sessions = std::mem::take(&mut self.sessions);
        let told = sessions
            .into_values()
            .filter_map(|standing| standing.is_gone);
        told.fold(Found::default(), |sum, is_gone| Found {
            looked_at: sum.looked_at + 1,
            gone: sum.gone + u64::from(is_gone),
        })
    }
}

/// What a reply says of its session. `None` where nothing was learned.
fn is_gone(error: Option<ErrorClass>) -> Option<bool> {
    match error {
        None | Some(ErrorClass::WrongAnswer) => Some(false),
        Some(
            ErrorClass::SessionRejected | ErrorClass::SessionRecreated | ErrorClass::WrongIdentity,
        ) => Some(true),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::{ClientId, TrialId};
    use comeback_model::operation::test_operation;

    use super::*;

    const FAULT: Option<Elapsed> = Some(Elapsed::from_us(50_000));

    fn operation(client: u32, step: Step, ms: u64) -> Operation {
        let at = Elapsed::from_us(ms * 1_000);
        test_operation(TrialId(1), ClientId(client), step, at)
    }

    fn failed(client: u32, step: Step, ms: u64, error: ErrorClass) -> Operation {
        Operation {
            outcome: Outcome::Rejected,
            error: Some(error),
            ..operation(client, step, ms)
        }
    }

    fn found(operations: &[Operation]) -> Found {
        let mut ledger = Ledger::default();
        for operation in operations {
            ledger.note(operation, FAULT);
        }
        ledger.end_trial()
    }

    #[test]
    fn the_last_look_that_was_told_decides() {
        use ErrorClass::{Refused, SessionRejected};
        let logins = (0..3).map(|client| operation(client, Step::Login, 10));
        let mut operations: Vec<Operation> = logins.collect();
        operations.extend([
            failed(0, Step::ReadBack, 100, SessionRejected),
            failed(1, Step::ReadBack, 100, SessionRejected),
            // It was found again in the next round, and nothing was learned after that.
            operation(1, Step::ReadBack, 200),
            failed(1, Step::ReadBack, 300, Refused),
            failed(2, Step::ReadBack, 100, Refused),
        ]);
        let expected = Found {
            looked_at: 2,
            gone: 1,
        };
        assert_eq!(
            found(&operations),
            expected,
            "of the third nothing is known"
        );
    }

    #[test]
    fn sessions_count_that_began_before_the_fault_and_were_alive_at_it() {
        use ErrorClass::SessionRejected;
        let operations = [
            operation(0, Step::Login, 60),
            operation(1, Step::Login, 10),
            operation(1, Step::Logout, 20),
            operation(2, Step::Login, 10),
            failed(2, Step::Check, 20, SessionRejected),
            failed(0, Step::ReadBack, 100, SessionRejected),
            failed(1, Step::ReadBack, 100, SessionRejected),
            failed(2, Step::ReadBack, 100, SessionRejected),
        ];
        assert_eq!(found(&operations), Found::default());
    }

    #[test]
    fn a_session_whose_user_logs_out_after_the_fault_is_as_it_was_found_before() {
        let operations = [
            operation(0, Step::Login, 10),
            operation(0, Step::ReadBack, 70),
            operation(0, Step::Logout, 80),
            failed(0, Step::ReadBack, 100, ErrorClass::SessionRejected),
        ];
        let expected = Found {
            looked_at: 1,
            gone: 0,
        };
        assert_eq!(found(&operations), expected);
    }
}
