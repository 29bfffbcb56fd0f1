//! How a shared cache came to a reply, as its field `Cache-Status` says (RFC 9211).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a shared cache came to a reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cached {
    /// From its store, without asking.
    Hit,
    /// From its store, although it was stale.
    Stale,
    /// From its store. The server said that it is still valid.
    Revalidated,
    /// From the server; it was stored for others.
    Miss,
    /// From the server; it was not stored.
    Pass,
    /// By itself: the server did not reply.
    Failed,
}

impl Cached {
    /// Whether the content came from the cache's store.
    pub const fn is_stored(self) -> bool {
        match self {
            Self::Hit | Self::Stale | Self::Revalidated => true,
            Self::Miss | Self::Pass | Self::Failed => false,
        }
    }

    /// Whether the server was not asked, or did not answer.
    pub const fn is_hit(self) -> bool {
        match self {
            Self::Hit | Self::Stale => true,
            Self::Revalidated | Self::Miss | Self::Pass | Self::Failed => false,
        }
    }

    /// Reads the field's value, of a reply with this status; nothing when it says nothing. Of several caches the last
    /// one counts, which is the one next to the client.
    pub fn from_field(value: &str, status: u16) -> Option<Self> {
        let own = members(value).pop()?;
        let mut parts = split_outside_quotes(own, ';').into_iter().map(str::trim);
        // The first is the cache's name.
        parts.next().filter(|name| !name.is_empty())?;
        let parts: Vec<(&str, &str)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let find = |wanted: &str| {
            let found = parts.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        };
        let replied = find("fwd-status");
        if find("hit").is_some() {
            let is_over = find("ttl").is_some_and(|ttl| ttl.starts_with('-'));
            let says_so = find("detail").is_some_and(|detail| {
                detail.eq_ignore_ascii_case("stale") || detail == "origin-error"
            });
            return Some(match is_over || says_so {
                true => Self::Stale,
                false => Self::Hit,
            });
        }
        Some(match replied {
            Some("304") if status != 304 => Self::Revalidated,
            None if status >= 500 => Self::Failed,
            _ if find("stored").is_some() => Self::Miss,
            _ => Self::Pass,
        })
    }
}

/// The members of a list.
fn members(value: &str) -> Vec<&str> {
    split_outside_quotes(value, ',')
}

fn split_outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (place, sign) in text.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if sign == at && !quoted => {
                parts.push(&text[begin..place]);
                begin = place + sign.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, status: u16, expected: Option<Cached>) {
        assert_eq!(Cached::from_field(value, status), expected, "{value}");
    }

    #[test]
    fn each_way_to_a_reply_is_told_by_its_field() {
        for (value, status, expected) in [
            ("comeback; hit; ttl=4", 200, Cached::Hit),
            (
                "comeback; hit; ttl=-3; detail=origin-error",
                200,
                Cached::Stale,
            ),
            ("nginx; hit; detail=stale", 200, Cached::Stale),
            ("nginx;hit", 200, Cached::Hit),
            (
                "comeback; fwd=stale; fwd-status=304",
                200,
                Cached::Revalidated,
            ),
            ("comeback; fwd=uri-miss; fwd-status=304", 304, Cached::Pass),
            (
                "comeback; fwd=uri-miss; fwd-status=200; stored",
                200,
                Cached::Miss,
            ),
            ("comeback; fwd=uri-miss; fwd-status=200", 200, Cached::Pass),
            ("comeback; fwd=method; fwd-status=503", 503, Cached::Pass),
            (
                "comeback; fwd=uri-miss; detail=refused",
                502,
                Cached::Failed,
            ),
            ("nginx; detail=error", 502, Cached::Failed),
            // Other caches do not say what the server answered.
            ("Varnish; fwd=miss; stored", 200, Cached::Miss),
        ] {
            check(value, status, Some(expected));
        }
    }

    #[test]
    fn of_several_caches_the_one_next_to_the_client_counts() {
        check(
            "far; hit, comeback; fwd=method; fwd-status=200",
            200,
            Some(Cached::Pass),
        );
        check(
            "far; fwd=miss; detail=\"a, b; hit\\\"\", near; hit",
            200,
            Some(Cached::Hit),
        );
        check(
            "near; fwd=miss; detail=\"x, y; hit\"",
            200,
            Some(Cached::Pass),
        );
    }

    #[test]
    fn what_names_no_cache_says_nothing() {
        check("", 200, None);
        check("far; hit,", 200, None);
    }

    proptest! {
        #[test]
        fn no_value_makes_the_reader_panic(value in "\\PC{0,40}|[a-z;=, \"\\\\-]{0,40}", status: u16) {
            let _ = Cached::from_field(&value, status);
        }
    }
}
