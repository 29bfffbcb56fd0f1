//! The cache's own field in each reply: `Cache-Status` (RFC 9211).

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field's name.
pub(super) const FIELD: HeaderName = HeaderName::from_static("cache-status");

/// How a reply came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was stored, and is fresh for so many more seconds.
    Hit { ttl: i64 },
    /// It was stored, and is stale: the server failed.
    Stale { ttl: i64 },
    /// The server was asked.
    Forwarded {
        why: Why,
        /// The status of its reply; nothing if there was none.
        status: Option<u16>,
        /// The reply is kept.
        stored: bool,
        /// The problem.
        detail: Option<&'static str>,
    },
}

/// Why the server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Nothing of this address is stored.
    UriMiss,
    /// The stored replies are for other requests.
    VaryMiss,
    /// The stored reply is stale.
    Stale,
    /// The request wants it.
    Request,
    /// Only GET is looked up.
    Method,
    /// The request has a body, or an `only-if-cached` that could not be met.
    Bypass,
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Method => "method",
            Self::Bypass => "bypass",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit { ttl } => write!(f, "comeback; hit; ttl={ttl}"),
            Self::Stale { ttl } => write!(f, "comeback; hit; ttl={ttl}; detail=origin-error"),
            Self::Forwarded {
                why,
                status,
                stored,
                detail,
            } => {
                write!(f, "comeback; fwd={}", why.name())?;
                if let Some(status) = status {
                    write!(f, "; fwd-status={status}")?;
                }
                if *stored {
                    f.write_str("; stored")?;
                }
                match detail {
                    Some(detail) => write!(f, "; detail={detail}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Status {
    /// Puts it behind what caches farther from the client have said.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        // Words and numbers always are a header's value.
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.append(FIELD, value);
        }
    }
}
