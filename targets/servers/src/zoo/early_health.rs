//! `early-health`: a token server that listens at once and calls itself healthy, but answers 503 to all other requests
//! for the first 200 ms.
//!
//! Must be exposed by the gap between the first good health check and the first good work, with 5xx in between.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use crate::contract::Problem;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::token;

const NOT_READY_FOR: Duration = Duration::from_millis(200);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = token::load_key(launch.data())?;
    // The bind follows within a fraction of a millisecond.
    let ready_at = Instant::now() + NOT_READY_FOR;
    let gate = from_fn(move |request, next| admit(ready_at, request, next));
    launch.serve(token::app(key).map(|router| router.layer(gate)))
}

async fn admit(ready_at: Instant, request: Request, next: Next) -> Response {
    if request.uri().path() == "/health" || Instant::now() >= ready_at {
        return next.run(request).await;
    }
    let problem = Problem {
        error: "still loading".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
}
