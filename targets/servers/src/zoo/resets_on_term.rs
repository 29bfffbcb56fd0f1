//! `resets-on-term`: a journal server that takes 20 ms for each request, and ends at once on SIGTERM; `finishes-on-term`: its twin
//! without the bug, which answers what it has accepted first.
//!
//! Must be exposed by a stop as requests that were in flight and failed. Whatever it acknowledged it has stored, so it loses
//! nothing.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};

use crate::contract::App;
use crate::error::ServeError;
use crate::journal::Journal;
use crate::launch::Launch;

const SERVICE_TIME: Duration = Duration::from_millis(20);

pub(crate) fn start_resetting(launch: Launch) -> Result<(), ServeError> {
    start_finishing(launch.without_drain())
}

pub(crate) fn start_finishing(launch: Launch) -> Result<(), ServeError> {
    let slow = from_fn(async |request: Request, next: Next| {
        tokio::time::sleep(SERVICE_TIME).await;
        next.run(request).await
    });
    let journal = Journal::open(launch.data())?;
    launch.serve(App::over(journal).map(|router| router.layer(slow)))
}
