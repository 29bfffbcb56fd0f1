//! The stored replies, by address and by what of a request they depend on. Bounded: the ones that were not asked for
//! the longest go first.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Uri, header, request};
use http_cache_semantics::BeforeRequest;
use lru::LruCache;

use super::entry::Entry;

/// Variants of one address; more would have to be gone through at each look-up.
const VARIANTS: usize = 64;

/// The address of a request: the host and the path with its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: Vec<u8>,
    uri: Uri,
}

/// The stored reply of an address, as a request sees it.
#[derive(Debug)]
pub(super) enum Lookup {
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

impl Store {
    pub(super) fn new(most: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            most,
        }
    }

    /// The largest body that is worth keeping: one reply must not push out all others.
    pub(super) const fn largest(&self) -> u64 {
        self.most / 8
    }

    /// The stored reply for a request.
    pub(super) fn find(&mut self, key: &Key, asked: &request::Parts, now: SystemTime) -> Lookup {
        let Some(variants) = self.entries.get(key) else {
            return Lookup::Nothing;
        };
        for entry in variants {
            match entry.terms.policy.before_request(asked, now) {
                BeforeRequest::Fresh(_) => return Lookup::Fresh(Arc::clone(entry)),
                BeforeRequest::Stale {
                    request,
                    matches: true,
                } => return Lookup::Stale(Arc::clone(entry), Box::new(request)),
                BeforeRequest::Stale { matches: false, .. } => {}
            }
        }
        Lookup::Others
    }

    /// Stores a reply. It replaces the one for the same requests.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};

    use super::super::rules::{Rules, asked};
    use super::*;

    fn request(uri: &str, language: &str) -> request::Parts {
        let request = Request::get(uri)
            .header("host", "a")
            .header("accept-language", language);
        asked(&request.body(()).unwrap().into_parts().0)
    }

    fn put(store: &mut Store, asked: &request::Parts, body: usize, vary: Option<&str>) {
        let mut head = Response::builder().header("cache-control", "max-age=60");
        if let Some(vary) = vary {
            head = head.header("vary", vary);
        }
        let head = head.body(()).unwrap().into_parts().0;
        let now = SystemTime::now();
        let terms = Rules::default().terms(asked, &head, now).unwrap();
        let body = Bytes::from(vec![0; body]);
        store.put(Key::of(asked), asked, Entry { head, body, terms }, now);
    }

    fn finds(store: &mut Store, asked: &request::Parts) -> Option<usize> {
        match store.find(&Key::of(asked), asked, SystemTime::now()) {
            Lookup::Fresh(entry) => Some(entry.body.len()),
            Lookup::Stale(..) | Lookup::Others | Lookup::Nothing => None,
        }
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let mut store = Store::new(20_000);
        for number in 0..50 {
            put(
                &mut store,
                &request(&format!("/{}", number % 12), "de"),
                1_000,
                None,
            );
            let there: u64 = store.entries.iter().map(|(_, all)| sizes(all)).sum();
            assert_eq!(store.bytes, there);
            assert!(store.bytes <= store.most);
        }
        assert_eq!(finds(&mut store, &request("/1", "de")), Some(1_000));
        store.forget(&Key::of(&request("/1", "de")));
        assert_eq!(finds(&mut store, &request("/1", "de")), None);
        // A reply that is too large evicts nothing, and removes its older version.
        let before = store.entries.len();
        put(&mut store, &request("/0", "de"), 30_000, None);
        assert_eq!(finds(&mut store, &request("/0", "de")), None);
        assert_eq!(store.entries.len(), before - 1);
    }

    #[test]
    fn a_variant_takes_the_place_of_its_own_kind_only_and_there_are_not_too_many() {
        let mut store = Store::new(1 << 20);
        let language = |number: usize| request("/", &format!("l{number}"));
        for number in 0..VARIANTS {
            put(
                &mut store,
                &language(number),
                number,
                Some("Accept-Language"),
            );
        }
        put(&mut store, &language(3), 333, Some("Accept-Language"));
        assert_eq!(finds(&mut store, &language(3)), Some(333));
        assert_eq!(finds(&mut store, &language(0)), Some(0));
        put(&mut store, &language(VARIANTS), 7, Some("Accept-Language"));
        assert_eq!(
            finds(&mut store, &language(0)),
            None,
            "the oldest made room"
        );
        assert_eq!(finds(&mut store, &language(VARIANTS)), Some(7));
        let Some((_, variants)) = store.entries.iter().next() else {
            panic!("it is empty");
        };
        assert_eq!(variants.len(), VARIANTS);
    }

    #[test]
    fn freshness_ends_with_its_time() {
        let asked = request("/", "de");
        let head = Response::builder()
            .header("cache-control", "max-age=60")
            .header("age", "10")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let now = SystemTime::now();
        let terms = Rules::default().terms(&asked, &head, now).unwrap();
        let after = |seconds| terms.ttl(now + Duration::from_secs(seconds));
        assert_eq!([0, 49, 50, 51, 60].map(after), [50, 1, -1, -2, -11]);
    }
}
