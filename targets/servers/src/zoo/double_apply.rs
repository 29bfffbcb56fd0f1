//! `double-apply`: a token server that counts every 20th visit twice, but answers as if it had counted it once.
//!
//! The symptom of a retry that is applied twice. Must be exposed as duplicates: a counter above the acknowledged and
//! the undecided writes together.

use std::sync::Arc;

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token::{Count, Issuer, load_key};

use super::EveryNth;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = load_key(launch.data())?;
    let doubled = EveryNth::new(20);
    let issuer = Issuer {
        count: Arc::new(move |visits| {
            let applied = if doubled.is_due() { 2 } else { 1 };
            Count {
                stored: visits + applied,
                answered: visits + 1,
            }
        }),
        ..Issuer::new(key)
    };
    launch.serve(issuer.into_app())
}
