//! `h2c`: a memory server that speaks HTTP/2 without TLS, to clients that know it beforehand, and nothing else.
//!
//! Nothing is wrong with that. It exposes a client that speaks HTTP/1.1 whatever it was told.

use axum::extract::Request;
use axum::http::{StatusCode, Version};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let app = App::over(Memory::default());
    launch.serve(app.map(|router| router.layer(from_fn(only_http2))))
}

async fn only_http2(request: Request, next: Next) -> Response {
    if request.version() == Version::HTTP_2 {
        next.run(request).await
    } else {
        StatusCode::HTTP_VERSION_NOT_SUPPORTED.into_response()
    }
}
