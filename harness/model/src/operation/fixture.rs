//! An operation for tests, those of other crates too (feature `testing`).

use super::*;

/// An operation that was correct and answered after 1 ms by nobody in particular.
pub fn test_operation(trial: TrialId, client: ClientId, step: Step, at: Elapsed) -> Operation {
    Operation {
        trial,
        client,
        generation: 0,
        step,
        intended: at,
        dispatched: at,
        sent: Some(at),
        finished: Elapsed::from_us(at.as_us() + 1_000),
        outcome: Outcome::Acknowledged,
        error: None,
        status: Some(200),
        value: None,
        write: None,
        found: None,
        boot: None,
        replica: None,
        failed_replica: None,
        unframed: false,
        cache: None,
        age_s: None,
        tries: 1,
        resent: None,
    }
}
