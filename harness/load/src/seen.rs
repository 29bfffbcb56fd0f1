//! The recorded facts of a reply, beside its meaning.

use comeback_model::ids::BootId;
use comeback_model::operation::Cached;

use comeback_session::wire::Reply;
use comeback_session::wire::relayed::Relayed;

/// Where a cache says how it came to a reply (RFC 9211).
pub(super) const CACHE_STATUS: &str = "cache-status";
/// Where it says how old that is.
pub(super) const AGE: &str = "age";

/// The recorded facts of a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) boot: Option<BootId>,
    pub(super) relayed: Relayed,
    pub(super) unframed: bool,
    pub(super) cache: Option<Cached>,
    pub(super) age_s: Option<u32>,
}

impl Seen {
    /// Whether it is a stored reply of a cache.
    pub(super) fn is_stored(&self) -> bool {
        self.cache.is_some_and(Cached::is_stored)
    }

    /// Reads a reply; where it came through the plan's cache, with what that says of it.
    pub(super) fn of(reply: &Reply<'_>, through_cache: bool) -> Self {
        // Of several lines the last is the one next to the client.
        let last = |wanted: &str| {
            let found = reply.headers.iter().rfind(|(name, _)| name == wanted);
            found
                .map(|(_, value)| value.as_str())
                .filter(|_| through_cache)
        };
        let cache = last(CACHE_STATUS).and_then(|value| Cached::from_field(value, reply.status));
        // The boot id of a stored reply is that of the time when it was stored.
        let is_fresh = !cache.is_some_and(Cached::is_stored);
        Self {
            status: reply.status,
            boot: reply.boot.filter(|_| is_fresh),
            relayed: if is_fresh {
                reply.relayed
            } else {
                Relayed::default()
            },
            unframed: reply.unframed,
            cache,
            age_s: cache.and(last(AGE)).and_then(|age| age.trim().parse().ok()),
        }
    }
}
