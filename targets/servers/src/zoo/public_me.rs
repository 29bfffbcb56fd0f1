//! `public-me`: a memory server that says of a user's own page, `GET /me`, that anybody may keep it for a minute.
//!
//! Its users are shown each other's page as soon as a shared cache stands in front of it, and not before. Must be
//! exposed as another user's content, served by the cache. Its twin without the bug is `memory`.

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let say = async |uri: Uri, request: Request, next: Next| {
        let mut response = next.run(request).await;
        if uri.path() == "/me" && response.status() == StatusCode::OK {
            let everybody = HeaderValue::from_static("public, max-age=60");
            response.headers_mut().insert(CACHE_CONTROL, everybody);
        }
        response
    };
    launch.serve(App::over(Memory::default()).map(|router| router.layer(from_fn(say))))
}
