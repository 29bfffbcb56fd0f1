//! The state of every server: sessions, each with an id, a user and a counter, and the keys of the visits it counted.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// 128 bits that name a session and prove the right to use it; as text 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SessionId(pub(crate) u128);

impl SessionId {
    const DIGITS: usize = 32;

    /// A fresh id from the operating system's random source.
    pub(crate) fn random() -> Result<Self, StoreError> {
        random_bytes().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }

    /// Reads what `Display` wrote, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != Self::DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Bytes from the operating system's random source.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(StoreError::because("no random numbers available"))?;
    if filled == N {
        Ok(bytes)
    } else {
        Err(StoreError::new("too few random numbers available"))
    }
}

/// A user's name that can stand in a cookie, a log record and a JSON string as it is.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct User(String);

impl User {
    /// Longer names would not fit the one length byte of a log record; no honest one comes near.
    pub(crate) const LENGTH_MAX: usize = 64;

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+@".contains(&byte);
        let is_valid = (1..=Self::LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_allowed);
        is_valid.then(|| Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for User {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name).ok_or("a user is 1 to 64 letters, digits or any of - _ . + @")
    }
}

/// A session's state, and the body of most answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Session {
    pub(crate) user: User,
    pub(crate) visits: u64,
}

impl Session {
    pub(crate) fn new(user: User) -> Self {
        Self { user, visits: 0 }
    }
}

/// A client's name for a visit, so that it is counted once however often it arrives: the `Idempotency-Key` of
/// draft-ietf-httpapi-idempotency-key-header.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Key(String);

impl Key {
    /// Enough for a UUID and more; a longer one would not be kept in one length byte of a log record.
    pub(crate) const LENGTH_MAX: usize = 64;

    /// Reads a header: a key, or a key in double quotes, as the draft has it. Both are the same key.
    pub(crate) fn parse_header(value: &[u8]) -> Option<Self> {
        let quoted = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        Self::parse(quoted.unwrap_or(value))
    }

    /// Reads a key as it is kept. What quotes need, an escape or a quote, is in none: it has one spelling.
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let is_allowed = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
        let is_valid = (1..=Self::LENGTH_MAX).contains(&key.len()) && key.iter().all(is_allowed);
        let text = std::str::from_utf8(key).ok()?;
        is_valid.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        Self::parse(key.as_bytes())
            .ok_or("a key is 1 to 64 visible ASCII characters without quotes and backslashes")
    }
}

/// A session with the keys of all visits it counted: a visit that was delayed may arrive again after later ones.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) session: Session,
    /// None in what was kept before there were keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) keys: BTreeSet<Key>,
}

impl Kept {
    /// A session that counted no visit with a key.
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            keys: BTreeSet::new(),
        }
    }

    /// Counts a visit, unless it has a key that was counted before.
    pub(crate) fn visit(&mut self, key: Option<Key>) {
        if key.is_none_or(|key| self.keys.insert(key)) {
            self.session.visits += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_the_way_through_a_cookie() {
        let id = SessionId::random().unwrap();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn only_the_exact_spelling_of_a_session_id_is_read() {
        let long = "0".repeat(33);
        for text in [
            "",
            "1",
            "+0000000000000000000000000000001",
            "0000000000000000000000000000000A",
            &long,
        ] {
            assert_eq!(SessionId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_user_name_cannot_smuggle_cookie_syntax() {
        assert!(User::parse("u17").is_some());
        let long = "u".repeat(65);
        for name in ["", "a;b", "a b", "a=b", "ü", "a\r\n", &long] {
            assert!(User::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_key_is_the_same_with_and_without_its_quotes() {
        let key = Key::parse_header(b"0b5c-17").unwrap();
        assert_eq!(key.as_str(), "0b5c-17");
        assert_eq!(Key::parse_header(b"\"0b5c-17\""), Some(key));
        let longest = format!("\"{}\"", "k".repeat(64));
        assert!(Key::parse_header(longest.as_bytes()).is_some());
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let long = "k".repeat(65);
        let odd = [
            "",
            "\"\"",
            "\"",
            "\"a",
            "a\"",
            "a\"b",
            "\"\"\"",
            "\"a\\b\"",
            "\"a\";b=1",
            "a b",
            "a\t",
            "a\u{7f}",
            "ü",
            &long,
        ];
        for value in odd {
            assert_eq!(Key::parse_header(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(Key::parse_header(b"\xff"), None);
    }

    #[test]
    fn a_visit_is_counted_once_for_each_key() {
        let key = |name: &str| Key::parse(name.as_bytes());
        let mut kept = Kept::new(Session::new(User::parse("u17").unwrap()));
        let counts = [key("a"), key("b"), key("a"), None, None].map(|key| {
            kept.visit(key);
            kept.session.visits
        });
        assert_eq!(counts, [1, 2, 2, 3, 4]);
    }
}
