//! `double-apply`: a token server that counts every 20th visit twice, but answers as if it had counted it once.
//!
//! The symptom of a retry that is applied twice. Must be exposed as duplicates: a counter above the acknowledged and
//! the undecided writes together.

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token::{Count, app_counting, load_key};

use super::EveryNth;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = load_key(launch.data())?;
    let doubled = EveryNth::new(20);
    launch.serve(app_counting(key, move |visits| {
        let applied = if doubled.is_due() { 2 } else { 1 };
        Count {
            stored: visits + applied,
            answered: visits + 1,
        }
    }))
}
