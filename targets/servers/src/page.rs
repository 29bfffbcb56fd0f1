//! Pages that are the same for everybody, so that a shared cache in front has something to keep.
//!
//! `GET /page/N` says how long it may be kept: for 5 seconds, or as the query says (`?max-age=1&stale-if-error=60`),
//! so that an experiment can choose. It has both validators, and answers with 304 to whom it has it already. Everything
//! else that a server says is its user's alone, unless it says otherwise.

use axum::extract::{Path, RawQuery, Request};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get};

const MAX_AGE: u32 = 5;
/// The pages never change.
const CHANGED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
/// About as much as a small page has.
const LINES: usize = 16;

/// The route of the pages.
pub(crate) fn pages() -> Router {
    Router::new().route("/page/{number}", get(page))
}

async fn page(
    Path(number): Path<u32>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, (StatusCode, String)> {
    let control = control(query.as_deref().unwrap_or_default())
        .map_err(|problem| (StatusCode::BAD_REQUEST, problem))?;
    let tag = format!("\"page-{number}\"");
    let described = [
        (CACHE_CONTROL, control),
        (ETAG, tag.clone()),
        (LAST_MODIFIED, CHANGED.to_owned()),
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
    ];
    if has_it(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, described).into_response());
    }
    let line = format!("<p>This is line after line of page {number}.</p>\n");
    let body = format!(
        "<!doctype html>\n<title>Page {number}</title>\n{}",
        line.repeat(LINES)
    );
    Ok((described, body).into_response())
}

/// How long a page may be kept, in the words of its header.
fn control(query: &str) -> Result<String, String> {
    let mut max_age = MAX_AGE;
    let mut stale_if_error = None;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let seconds = value
            .parse()
            .map_err(|_| format!("{part} is not a number of seconds\n"))?;
        match name {
            "max-age" => max_age = seconds,
            "stale-if-error" => stale_if_error = Some(seconds),
            _ => {
                return Err(format!(
                    "{name} is unknown: say max-age or stale-if-error\n"
                ));
            }
        }
    }
    let grace = stale_if_error.map(|seconds: u32| format!(", stale-if-error={seconds}"));
    Ok(format!(
        "public, max-age={max_age}{}",
        grace.unwrap_or_default()
    ))
}

fn has_it(request: &HeaderMap, tag: &str) -> bool {
    let text = |value: Option<&HeaderValue>| {
        let value = value.and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    match text(request.get(IF_NONE_MATCH)) {
        Some(list) => list.split(',').any(|own| {
            let own = own.trim();
            own == "*" || own.trim_start_matches("W/") == tag
        }),
        None => text(request.get(IF_MODIFIED_SINCE)).as_deref() == Some(CHANGED),
    }
}

/// Marks every reply without a `Cache-Control` as private: a shared cache may store a reply that has none.
pub(crate) fn private_unless_said(router: Router) -> Router {
    router.layer(from_fn(async |request: Request, next: Next| {
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("private, no-store"));
        response
    }))
}
