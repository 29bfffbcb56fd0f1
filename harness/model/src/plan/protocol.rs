//! The protocols of targets: one table of the properties of each, apart from its bytes.
//!
//! No other code tells protocols apart. Whoever connects goes by the [`Wire`]. A protocol without paths and headers is a
//! [`Dialect`] of commands: its words are here, its bytes are one file in `session/src/wire/commands`.

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
    /// Commands and their replies, one after the other.
    Commands(Dialect),
}

/// A protocol of commands, without paths and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// RESP2.
    Redis,
}

/// The words of a protocol of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialectSpec {
    /// Whose commands they are.
    pub name: &'static str,
    /// The command that asks whether a server is up: one word.
    pub ping: &'static str,
    /// The first line of the answer of a server that is up.
    pub pong: &'static str,
    /// The session in a first experiment file.
    pub example: &'static str,
    /// The byte that a reply begins with if it is an array of values.
    pub array: Option<u8>,
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
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http, Self::Https, Self::Http2, Self::H2c, Self::Redis];

    /// Its properties.
    pub const fn spec(self) -> ProtocolSpec {
        let (name, label, wire, is_encrypted) = match self {
            Self::Http => ("http", "HTTP", Wire::Http1, false),
            Self::Https => ("https", "HTTPS", Wire::Http1, true),
            Self::Http2 => ("http2", "HTTP/2", Wire::Http2, true),
            Self::H2c => ("h2c", "HTTP/2", Wire::Http2, false),
            Self::Redis => (
                "redis",
                "the Redis protocol",
                Wire::Commands(Dialect::Redis),
                false,
            ),
        };
        ProtocolSpec {
            name,
            label,
            wire,
            is_encrypted,
        }
    }

    /// Whether a cache can ask in it and a recorder can pass it on: HTTP/1.1 without TLS.
    pub const fn is_plain_http(self) -> bool {
        let spec = self.spec();
        matches!(spec.wire, Wire::Http1) && !spec.is_encrypted
    }

    /// Its dialect, if its requests are commands without paths and headers.
    pub const fn dialect(self) -> Option<Dialect> {
        match self.spec().wire {
            Wire::Http1 | Wire::Http2 => None,
            Wire::Commands(dialect) => Some(dialect),
        }
    }
}

impl Dialect {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Protocol::ALL.into_iter().filter_map(Protocol::dialect)
    }

    /// Its words.
    pub const fn spec(self) -> DialectSpec {
        match self {
            Self::Redis => DialectSpec {
                name: "Redis",
                ping: "PING",
                // A server that first wants a password, or still loads its data, answers something else.
                pong: "+PONG",
                example: REDIS,
                array: Some(b'*'),
            },
        }
    }
}

impl Wire {
    /// Whether a server whose protocol is not known is asked in it.
    pub const fn is_guessed(self) -> bool {
        matches!(self, Self::Http1)
    }

    /// Whether it tells when the last byte of a request was sent.
    pub const fn tells_when_sent(self) -> bool {
        !matches!(self, Self::Http2)
    }

    /// The cargo feature that it needs.
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::Http2 => Some("http2"),
            Self::Http1 | Self::Commands(_) => None,
        }
    }

    /// Its name in a TLS handshake (ALPN); a wire that has none there is named as HTTP/1.1.
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 | Self::Commands(_) => b"http/1.1",
        }
    }
}

/// Users with a name and a counter.
const REDIS: &str = r#"[session]
value = "/1"                                          # the second value of the reply to check
identity = { at = "/0", name = "u{{ session }}" }     # the first names the user
[session.login]
request = "MSET u:{{ session }} u{{ session }} n:{{ session }} 0"
[session.act]
request = "INCR n:{{ session }}"
[session.check]
request = "MGET u:{{ session }} n:{{ session }}"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_protocol_is_the_one_in_documents() {
        for protocol in Protocol::ALL {
            let written = serde_json::to_value(protocol).expect("a name");
            assert_eq!(written, protocol.spec().name);
        }
        let schema = schemars::schema_for!(Protocol).to_value();
        let known = schema["oneOf"].as_array().map(Vec::len);
        assert_eq!(known, Some(Protocol::ALL.len()));
    }
}
