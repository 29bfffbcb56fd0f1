//! What a client knows of its session, and the oracle: which counter a reply may hold.

use comeback_core::operation::{ErrorClass, Outcome, Step};
use comeback_core::plan::Identity;
use serde_json::Value;

use super::template::SESSION;
use super::{Judgement, failed};

/// What a client knows of its session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Cookies by name.
    pub(super) cookies: Vec<(String, String)>,
    /// The counter the last acknowledged reply stands for.
    pub(super) base: u64,
    /// A counter a refuted reply gave: the next one may continue from here.
    pub(super) other_base: Option<u64>,
    /// Changes that may have been applied without an acknowledgement.
    pub(super) slack: u64,
}

impl Session {
    /// Begins anew with the reply to a login.
    pub(super) fn begin(
        &mut self,
        named: Named,
        value: Option<u64>,
        cookies: &[String],
    ) -> Judgement {
        if named != Named::Own {
            return failed(Outcome::Indeterminate, ErrorClass::WrongAnswer);
        }
        *self = Self {
            base: value.unwrap_or(0),
            ..Self::default()
        };
        self.take_cookies(cookies);
        Judgement {
            outcome: Outcome::Acknowledged,
            error: None,
            value,
        }
    }

    /// Notes that a change may or may not have been applied.
    pub fn note_indeterminate(&mut self) {
        self.slack += 1;
    }

    /// The oracle: whether the counter can be `value` after `step`. A refuted counter may be the truth
    /// from now on (the state was lost once): the next reply may continue from either.
    pub(super) fn accepts(&mut self, step: Step, value: u64) -> bool {
        let added = u64::from(step == Step::Act);
        let mut fitting = [Some(self.base), self.other_base]
            .into_iter()
            .flatten()
            .map(|base: u64| base.saturating_add(added))
            .filter(|least| (*least..=least.saturating_add(self.slack)).contains(&value));
        if let Some(least) = fitting.next() {
            self.slack -= value - least;
            self.base = value;
            self.other_base = None;
            return true;
        }
        self.base = self.base.saturating_add(added);
        self.other_base = Some(value);
        false
    }

    pub(super) fn take_cookies(&mut self, headers: &[String]) {
        for header in headers {
            let Ok(cookie) = cookie::Cookie::parse(header.as_str()) else {
                continue;
            };
            self.cookies.retain(|(name, _)| name != cookie.name());
            let ended = cookie.value().is_empty()
                || cookie
                    .max_age()
                    .is_some_and(|age| age.is_zero() || age.is_negative());
            if !ended {
                self.cookies
                    .push((cookie.name().to_owned(), cookie.value().to_owned()));
            }
        }
    }

    /// Whether the reply puts another session in the place of this one.
    pub(super) fn is_replaced_by(&self, headers: &[String]) -> bool {
        headers.iter().any(|header| {
            cookie::Cookie::parse(header.as_str()).is_ok_and(|new| {
                self.cookies
                    .iter()
                    .any(|(name, value)| name == new.name() && value != new.value())
            })
        })
    }
}

/// Whom a reply names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The user it should.
    Own,
    /// Somebody else.
    Other,
    /// Nobody, and it says so: null, or no text.
    Nobody,
    /// Nothing is where the name should be.
    Unsaid,
}

impl Named {
    pub(super) fn of(identity: &Identity, body: &Value, client: u32) -> Self {
        let name = match body.pointer(&identity.at.to_string()) {
            None => return Self::Unsaid,
            Some(Value::Null) => return Self::Nobody,
            Some(Value::String(name)) if name.is_empty() => return Self::Nobody,
            Some(Value::String(name)) => name,
            Some(_) => return Self::Other,
        };
        let own = match identity.name.split_once(SESSION) {
            None => *name == identity.name,
            Some((before, after)) => name
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|number| number.parse() == Ok(client)),
        };
        if own { Self::Own } else { Self::Other }
    }
}
