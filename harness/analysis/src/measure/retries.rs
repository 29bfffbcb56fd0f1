//! What trying again came to.

use super::Retries;
use super::load::Load;

/// Counts the tries of the measured load.
pub(super) fn tally(load: &Load<'_>) -> Retries {
    let mut retries = Retries::default();
    for operation in &load.operations {
        retries.operations += u64::from(operation.tries > 0);
        retries.tries += u64::from(operation.tries);
        if operation.tries > 1 {
            retries.repeated += 1;
            retries.saved += u64::from(operation.is_correct());
        }
    }
    retries
}
