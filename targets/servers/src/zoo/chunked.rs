//! `chunked`: a token server that sends its answers in three chunks, with `Transfer-Encoding: chunked`.
//!
//! Nothing is wrong with that. It exposes a client that waits for a `Content-Length`.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody, to_bytes};
use axum::middleware::map_response;
use axum::response::Response;

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token;

const CHUNKS: usize = 3;

/// Above every answer of the contract.
const BODY_MAX: usize = 64 * 1024;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = token::load_key(launch.data())?;
    launch.serve(token::app(key).map(|router| router.layer(map_response(split))))
}

async fn split(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    match to_bytes(body, BODY_MAX).await {
        Ok(content) if !content.is_empty() => {
            parts.headers.remove("content-length");
            Response::from_parts(parts, Pieces::of(content).into_body())
        }
        // Cannot fail: all bodies of the contract are in memory, and small.
        _ => Response::from_parts(parts, Body::empty()),
    }
}

/// The pieces still to send, never none: a pointer to the first that is not sent yet.
///
/// A pinned pointer to a stream is a stream, so this makes one stream of many.
struct Pieces {
    current: BodyDataStream,
    later: VecDeque<Bytes>,
}

impl Pieces {
    fn of(content: Bytes) -> Self {
        let later = content
            .chunks(content.len().div_ceil(CHUNKS))
            .map(|piece| content.slice_ref(piece))
            .collect();
        Self {
            current: Body::empty().into_data_stream(),
            later,
        }
    }

    fn into_body(self) -> Body {
        Body::from_stream(Pin::new(self))
    }
}

impl Deref for Pieces {
    type Target = BodyDataStream;

    fn deref(&self) -> &BodyDataStream {
        &self.current
    }
}

impl DerefMut for Pieces {
    fn deref_mut(&mut self) -> &mut BodyDataStream {
        if self.current.is_end_stream()
            && let Some(next) = self.later.pop_front()
        {
            self.current = Body::from(next).into_data_stream();
        }
        &mut self.current
    }
}
