//! Trying again: what clients do about an operation that failed.

use serde::{Deserialize, Serialize};

use super::error::{Broken, Field, invalid};
use super::{Arm, Load, Workload};
use crate::operation::{ErrorClass, Step};
use crate::units::Span;

/// The most repetitions of one operation.
const MOST: u32 = 10;

/// How clients try an operation again that failed.
///
/// All tries are one operation, with one intended start, one time-out and one outcome: acknowledged if a try was; else
/// indeterminate if a try may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often at most, after the first try.
    pub times: u32,
    /// The wait before the first repetition; it doubles with each.
    pub backoff: Span,
    /// How long one try may take. Default: as long as the whole operation.
    pub try_timeout: Option<Span>,
    /// Whether an act carries an `Idempotency-Key`, the same in all its tries.
    pub idempotency_key: bool,
}

impl Retry {
    /// How long to wait before the repetition that follows `tries` tries; nothing when that were too many.
    pub fn pause_after(&self, tries: u32) -> Option<Span> {
        let doublings = tries.checked_sub(1)?;
        (tries <= self.times).then(|| Span::from_us(self.backoff.as_us() << doublings.min(MOST)))
    }

    /// Whether what a client saw is a reason to try again: the server could not be reached, did not answer in time, or
    /// said that it could not. A logout is not repeated: where its reply was lost, that the session is gone says
    /// neither that it worked nor that it did not.
    pub const fn is_wanted(step: Step, class: ErrorClass) -> bool {
        match step {
            Step::Logout | Step::ReadBack => return false,
            Step::Login | Step::Act | Step::Check | Step::Get => {}
        }
        match class {
            ErrorClass::Refused
            | ErrorClass::Reset
            | ErrorClass::ConnectTimeout
            | ErrorClass::ResponseTimeout
            | ErrorClass::ServerError => true,
            ErrorClass::ClientError
            | ErrorClass::SessionRejected
            | ErrorClass::SessionRecreated
            | ErrorClass::WrongIdentity
            | ErrorClass::WrongAnswer
            | ErrorClass::Malformed
            | ErrorClass::Unsent
            | ErrorClass::HarnessError => false,
        }
    }
}

/// Checks an arm's retries.
pub(super) fn validate(arm: &Arm, load: &Load, broken: &mut Broken) {
    let Some(retry) = arm.retry else {
        return;
    };
    let mut refuse = |key, problem: String| broken.add(invalid(Field::Retry(key), problem));
    if !(1..=MOST).contains(&retry.times) {
        refuse(
            "times",
            format!("must be from 1 to {MOST} times, or left out"),
        );
    }
    // A time-out of nothing is told by itself.
    if load.timeout > Span::ZERO && retry.backoff >= load.timeout {
        refuse(
            "backoff",
            format!(
                "its backoff ({}) must be shorter than the time-out ({}), within which an operation is tried again",
                retry.backoff, load.timeout
            ),
        );
    }
    if let Some(limit) = retry.try_timeout
        && (limit == Span::ZERO || load.timeout > Span::ZERO && limit >= load.timeout)
    {
        refuse(
            "try_timeout",
            format!(
                "its try_timeout ({limit}) must be longer than 0s and shorter than the time-out ({}), which all tries share",
                load.timeout
            ),
        );
    }
    if retry.idempotency_key {
        if let Some(dialect) = arm.target.protocol.dialect() {
            refuse(
                "idempotency_key",
                format!(
                    "idempotency_key needs headers, which {}'s protocol has none of: leave it out",
                    dialect.spec().name
                ),
            );
        }
        if matches!(load.workload, Workload::Stateless(_)) {
            refuse(
                "idempotency_key",
                "idempotency_key is carried by the act of a session, and there is no [session]: leave it out"
                    .to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, test_plan};
    use super::*;

    fn retry() -> Retry {
        Retry {
            times: 3,
            backoff: Span::from_ms(10),
            try_timeout: None,
            idempotency_key: false,
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before_until_the_last_repetition() {
        let waits: Vec<Option<Span>> = (1..=4).map(|tries| retry().pause_after(tries)).collect();
        let ms = |ms| Some(Span::from_ms(ms));
        assert_eq!(waits, [ms(10), ms(20), ms(40), None]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        type Spoil = fn(&mut Retry);
        let cases: [(&str, &str, Spoil); 5] = [
            ("times", "from 1 to 10", |retry| retry.times = 0),
            ("times", "from 1 to 10", |retry| retry.times = 11),
            ("backoff", "backoff", |retry| {
                retry.backoff = Span::from_secs(60)
            }),
            ("try_timeout", "try_timeout", |retry| {
                retry.try_timeout = Some(Span::ZERO)
            }),
            ("try_timeout", "try_timeout", |retry| {
                retry.try_timeout = Some(Span::from_secs(60));
            }),
        ];
        for (key, said, spoil) in cases {
            let mut plan = test_plan();
            let mut retry = retry();
            spoil(&mut retry);
            plan.arms[0].retry = Some(retry);
            let error = plan.validate().expect_err(said);
            assert_eq!(error.field, Field::Retry(key));
            assert!(error.problem.contains(said), "{error}");
        }
    }

    #[test]
    fn a_key_needs_a_change_that_carries_it() {
        let mut plan = test_plan();
        plan.arms[0].retry = Some(Retry {
            idempotency_key: true,
            ..retry()
        });
        assert_eq!(plan.validate(), Ok(()));
        let mut stateless = plan.clone();
        stateless.load.workload = Workload::Stateless(Box::new(Request::new("GET", "/")));
        assert!(stateless.validate().is_err());
        plan.arms[0].target.protocol = crate::plan::Protocol::Redis;
        assert!(plan.validate().is_err());
    }
}
