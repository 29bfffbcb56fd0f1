//! What every server keeps: sessions, each with an id, a user and a counter.

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
        .map_err(StoreError::because("no random numbers to be had"))?;
    if filled == N {
        Ok(bytes)
    } else {
        Err(StoreError::new("too few random numbers to be had"))
    }
}

/// A user's name that can stand in a cookie, a log record and a JSON string as it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
}
