//! What may be stored, for how long, and for whom: RFC 9111 by the library that knows it, RFC 5861 by hand.
//!
//! The library compares directives as they are written, though they may be written in any case, and keeps one of
//! several headers of a name: it is shown a copy whose directives are in lower case, and its headers are not used.

use std::time::{Duration, SystemTime};

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, EXPIRES, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, PRAGMA, SET_COOKIE,
};
use http::{Method, StatusCode, request, response};
use http_cache_semantics::{AfterResponse, CacheOptions, CachePolicy};

use super::entry::{Entry, Terms};

/// How this cache departs from the default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// See [`super::Options::stale_if_error`].
    pub(super) stale_if_error: Option<StaleIfError>,
    /// See [`super::Options::ignore_private`].
    pub(super) ignore_private: Option<Duration>,
}

/// How long a stale reply is served while the server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleIfError {
    /// So long after it went stale.
    For(Duration),
    /// As long as it is stored.
    Always,
}

/// A request as the library must see it.
pub(super) fn asked(parts: &request::Parts) -> request::Parts {
    let mut asked = parts.clone();
    lower_directives(&mut asked.headers);
    asked
}

fn lower_directives(headers: &mut HeaderMap) {
    for name in [CACHE_CONTROL, PRAGMA] {
        let http::header::Entry::Occupied(mut values) = headers.entry(name) else {
            continue;
        };
        for value in values.iter_mut() {
            let lower = value.as_bytes().to_ascii_lowercase();
            // A value stays valid in lower case.
            if let Ok(lower) = HeaderValue::from_bytes(&lower) {
                *value = lower;
            }
        }
    }
}

impl Rules {
    /// A reply as the library must see it.
    fn seen(&self, head: &response::Parts) -> response::Parts {
        let mut seen = head.clone();
        match self.ignore_private {
            None => lower_directives(&mut seen.headers),
            Some(time) => {
                for name in [CACHE_CONTROL, PRAGMA, EXPIRES, SET_COOKIE] {
                    seen.headers.remove(name);
                }
                let said = match seen.status {
                    StatusCode::OK => format!("public, max-age={}", time.as_secs()),
                    _ => "no-store".to_owned(),
                };
                if let Ok(said) = HeaderValue::from_str(&said) {
                    seen.headers.insert(CACHE_CONTROL, said);
                }
            }
        }
        seen
    }

    /// How a reply to this request may be stored; nothing if it must not be, or would be of no use.
    pub(super) fn terms(
        &self,
        asked: &request::Parts,
        head: &response::Parts,
        now: SystemTime,
    ) -> Option<Terms> {
        let seen = self.seen(head);
        let policy = CachePolicy::new_options(asked, &seen, now, CacheOptions::default());
        let said = Directives::of(&seen.headers);
        // A cookie is somebody's, whatever else is everybody's: a balancer may have put it there. The RFC would allow
        // to store it with `public`, as no cache in use does by default.
        let hands_out_cookie = seen.headers.contains_key(SET_COOKIE);
        let can_be_asked_for = [ETAG, LAST_MODIFIED]
            .iter()
            .any(|name| seen.headers.contains_key(name));
        let left = policy.time_to_live(now);
        let lives = left > Duration::ZERO;
        if !policy.is_storable() || hands_out_cookie || !(lives || can_be_asked_for) {
            return None;
        }
        Some(Terms {
            lifetime: left + policy.age(now),
            stale_if_error: self.grace(&said),
            policy,
        })
    }

    /// How long a reply may be served stale (RFC 5861, section 4), unless it forbids that (RFC 9111, section 4.2.4).
    fn grace(&self, said: &Directives) -> Option<Duration> {
        let forbids = [
            "must-revalidate",
            "proxy-revalidate",
            "no-cache",
            "s-maxage",
        ];
        if forbids.iter().any(|name| said.has(name)) {
            return None;
        }
        let own = self.stale_if_error.map(|time| match time {
            StaleIfError::For(time) => time,
            StaleIfError::Always => Duration::MAX,
        });
        said.seconds("stale-if-error").or(own)
    }

    /// The entry that a 304 renews; nothing when the 304 is about something else.
    pub(super) fn renewed(
        &self,
        entry: &Entry,
        asked: &request::Parts,
        answer: &response::Parts,
        now: SystemTime,
    ) -> Option<Entry> {
        let told = entry.terms.policy.after_response(asked, answer, now);
        if !matches!(told, AfterResponse::NotModified(..)) {
            return None;
        }
        let mut head = entry.head.clone();
        for name in answer.headers.keys() {
            if is_of_the_body(name) {
                continue;
            }
            head.headers.remove(name);
            for value in answer.headers.get_all(name) {
                head.headers.append(name, value.clone());
            }
        }
        let terms = self.terms(asked, &head, now)?;
        Some(Entry {
            head,
            body: entry.body.clone(),
            terms,
        })
    }
}

/// Headers of a 304 that describe its missing body (RFC 9111, section 3.2).
fn is_of_the_body(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == CONTENT_ENCODING || *name == CONTENT_RANGE
}

/// Whether a request's success makes what is stored of its address worthless (RFC 9111, section 4.4).
pub(super) fn invalidates(method: &Method, status: StatusCode) -> bool {
    !method.is_safe() && (status.is_success() || status.is_redirection())
}

/// Whether a reply says that the server failed (RFC 5861, section 4).
pub(super) const fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// The directives of `Cache-Control`, in lower case.
pub(super) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CACHE_CONTROL).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let read = |part: &str| {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value.trim().trim_matches('"').to_owned())),
                None => (part, None),
            };
            (name.trim().to_ascii_lowercase(), value)
        };
        Self(
            texts
                .flat_map(|text| text.split(','))
                .map(read)
                .filter(|(name, _)| !name.is_empty())
                .collect(),
        )
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        let seconds = value.as_ref()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}
