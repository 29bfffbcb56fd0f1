//! The stored replies, by address and by what of a request they depend on. Bounded: the ones that were not asked for
//! the longest go first.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Uri, header, request, response};
use http_cache_semantics::BeforeRequest;
use lru::LruCache;

use super::rules::Terms;

/// Variants of one address; more would have to be gone through at each look-up.
const VARIANTS: usize = 64;
/// What an entry takes beside its body and headers.
const OVERHEAD: u64 = 1024;

/// A stored reply.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Without what is about the connection it came on.
    pub(super) head: response::Parts,
    pub(super) body: Bytes,
    pub(super) terms: Terms,
}

/// What is asked for: the host and the path with its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: Vec<u8>,
    uri: Uri,
}

/// What is stored of an address, seen from a request.
#[derive(Debug)]
pub(super) enum Found {
    /// It may be served as it is.
    Fresh(Arc<Entry>),
    /// It is of this request, and must not be served without asking; its validators stand in the request.
    Stale(Arc<Entry>, Box<request::Parts>),
    /// Something is stored, for other requests.
    Others,
    /// Nothing is.
    Nothing,
}

/// Stored replies within their bound.
pub(super) struct Store {
    entries: LruCache<Key, Vec<Arc<Entry>>>,
    bytes: u64,
    most: u64,
}

impl Key {
    pub(super) fn of(parts: &request::Parts) -> Self {
        let host = parts.headers.get(header::HOST);
        Self {
            host: host.map_or_else(Vec::new, |host| host.as_bytes().to_ascii_lowercase()),
            uri: parts.uri.clone(),
        }
    }
}

impl Entry {
    fn size(&self) -> u64 {
        let headers = self.head.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        // The library keeps the headers of the reply and of the request, too.
        OVERHEAD + 3 * headers as u64 + self.body.len() as u64
    }
}

impl Store {
    pub(super) fn new(most: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            most,
        }
    }

    /// The largest body that is worth keeping: one reply shall not push out all others.
    pub(super) const fn largest(&self) -> u64 {
        self.most / 8
    }

    /// What is stored for a request.
    pub(super) fn find(&mut self, key: &Key, asked: &request::Parts, now: SystemTime) -> Found {
        let Some(variants) = self.entries.get(key) else {
            return Found::Nothing;
        };
        for entry in variants {
            match entry.terms.policy.before_request(asked, now) {
                BeforeRequest::Fresh(_) => return Found::Fresh(Arc::clone(entry)),
                BeforeRequest::Stale {
                    request,
                    matches: true,
                } => return Found::Stale(Arc::clone(entry), Box::new(request)),
                BeforeRequest::Stale { matches: false, .. } => {}
            }
        }
        Found::Others
    }

    /// Keeps a reply in the place of the one that stands for the same requests.
    pub(super) fn put(&mut self, key: Key, asked: &request::Parts, entry: Entry, now: SystemTime) {
        let size = entry.size();
        let mut variants = self.entries.pop(&key).unwrap_or_default();
        self.bytes -= sizes(&variants);
        variants.retain(|other| {
            let told = other.terms.policy.before_request(asked, now);
            matches!(told, BeforeRequest::Stale { matches: false, .. })
        });
        if variants.len() >= VARIANTS {
            variants.remove(0);
        }
        if size <= self.most {
            variants.push(Arc::new(entry));
        }
        if variants.is_empty() {
            return;
        }
        self.bytes += sizes(&variants);
        self.entries.put(key, variants);
        while self.bytes > self.most {
            let Some((_, oldest)) = self.entries.pop_lru() else {
                break;
            };
            self.bytes -= sizes(&oldest);
        }
    }

    /// Forgets all of an address.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(variants) = self.entries.pop(key) {
            self.bytes -= sizes(&variants);
        }
    }
}

fn sizes(entries: &[Arc<Entry>]) -> u64 {
    entries.iter().map(|entry| entry.size()).sum()
}
