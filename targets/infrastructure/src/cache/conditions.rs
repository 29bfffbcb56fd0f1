//! Requests that want a reply only if it is another than the one they have (RFC 9111, section 4.3.2).

use http::header::{ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// Whether a request says what its client has.
pub(super) fn is_conditional(request: &HeaderMap) -> bool {
    request.contains_key(IF_NONE_MATCH) || request.contains_key(IF_MODIFIED_SINCE)
}

/// Whether the client has the stored reply already.
pub(super) fn has_it(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let wanted: Vec<&str> = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .collect();
    if !wanted.is_empty() {
        let Some(own) = stored.get(ETAG).and_then(|tag| tag.to_str().ok()) else {
            return wanted.contains(&"*");
        };
        // The weak comparison (RFC 9110, section 8.8.3.2).
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        return wanted
            .iter()
            .any(|tag| *tag == "*" || opaque(tag) == opaque(own));
    }
    // The date that a server gave is what comes back; to compare dates would be to guess at clocks.
    let since = request.get(IF_MODIFIED_SINCE);
    since.is_some() && since == stored.get(LAST_MODIFIED)
}
