//! A stored reply, and what it is good for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::response;
use http_cache_semantics::CachePolicy;

/// The size of an entry beside its body and headers.
const OVERHEAD: u64 = 1024;

/// A stored reply.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Without what is about the connection it came on.
    pub(super) head: response::Parts,
    pub(super) body: Bytes,
    pub(super) terms: Terms,
}

/// How a stored reply may be used.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) policy: CachePolicy,
    /// The age at which it goes stale.
    pub(super) lifetime: Duration,
    /// How long it may be served after it went stale, while the server fails.
    pub(super) stale_if_error: Option<Duration>,
}

impl Terms {
    /// For how many more seconds it is fresh; below zero since when it is not.
    pub(super) fn ttl(&self, now: SystemTime) -> i64 {
        let age = self.policy.age(now);
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.lifetime.checked_sub(age) {
            Some(left) if left > Duration::ZERO => seconds(left),
            _ => -seconds(age.saturating_sub(self.lifetime)) - 1,
        }
    }
}

impl Entry {
    pub(super) fn size(&self) -> u64 {
        let headers = self.head.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        // The library keeps the headers of the reply and of the request, too.
        OVERHEAD + 3 * headers as u64 + self.body.len() as u64
    }
}
