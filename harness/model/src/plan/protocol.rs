//! The protocols of targets: one table of the properties of each, apart from its bytes.
//!
//! Nobody else tells protocols apart. Whoever connects goes by the [`Wire`]: how the bytes of a protocol are read and
//! written is one module for each wire, in `session` and `load`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The protocol of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS. The certificate is not verified, because it is the target's own.
    Https,
    /// HTTP/2 over TLS. The certificate is not verified either.
    Http2,
    /// HTTP/2 without TLS, with prior knowledge.
    H2c,
    /// The Redis protocol (RESP2).
    Redis,
}

/// How requests and replies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// RESP2.
    Resp,
}

/// The properties of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolSpec {
    /// Its name in documents.
    pub name: &'static str,
    /// What people are told.
    pub label: &'static str,
    /// How requests and replies are written.
    pub wire: Wire,
    /// Whether TLS comes first.
    pub is_encrypted: bool,
}

impl Protocol {
    /// Its properties.
    pub const fn spec(self) -> ProtocolSpec {
        let (name, label, wire, is_encrypted) = match self {
            Self::Http => ("http", "HTTP", Wire::Http1, false),
            Self::Https => ("https", "HTTPS", Wire::Http1, true),
            Self::Http2 => ("http2", "HTTP/2", Wire::Http2, true),
            Self::H2c => ("h2c", "HTTP/2", Wire::Http2, false),
            Self::Redis => ("redis", "the Redis protocol", Wire::Resp, false),
        };
        ProtocolSpec {
            name,
            label,
            wire,
            is_encrypted,
        }
    }

    /// Whether requests have paths and headers.
    pub const fn is_http(self) -> bool {
        self.spec().wire.is_http()
    }
}

impl Wire {
    /// Whether requests have paths and headers.
    pub const fn is_http(self) -> bool {
        match self {
            Self::Http1 | Self::Http2 => true,
            Self::Resp => false,
        }
    }

    /// Its name in a TLS handshake (ALPN); a wire that has none there is named as HTTP/1.1.
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 | Self::Resp => b"http/1.1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_protocol_is_the_one_in_documents() {
        for protocol in [
            Protocol::Http,
            Protocol::Https,
            Protocol::Http2,
            Protocol::H2c,
            Protocol::Redis,
        ] {
            let written = serde_json::to_value(protocol).expect("a name");
            assert_eq!(written, protocol.spec().name);
        }
    }
}
