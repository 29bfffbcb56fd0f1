//! Content of a session's correct replies. The new process must show everything that the old one showed.

use std::collections::BTreeSet;

use comeback_model::operation::Step;
use comeback_model::plan::Writes;

use super::place::{Extracted, Looked};
use super::{Flow, Session, Turn};
use crate::wire::Reply;

/// The content of a step's last reply, and the values of the session after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    names_user: bool,
    counts: bool,
    cookies: BTreeSet<String>,
}

impl Shown {
    /// What both showed.
    pub fn common(&self, other: &Self) -> Self {
        Self {
            names_user: self.names_user && other.names_user,
            counts: self.counts && other.counts,
            cookies: self.cookies.intersection(&other.cookies).cloned().collect(),
        }
    }

    /// The content that is missing in the other one, in words.
    pub fn missing_in(&self, other: &Self) -> Option<String> {
        if self.names_user && !other.names_user {
            return Some("the reply does not name the user, as it did before the fault".to_owned());
        }
        if self.counts && !other.counts {
            return Some("the reply shows no counter, as it did before the fault".to_owned());
        }
        let gone = self.cookies.difference(&other.cookies).next()?;
        Some(format!(
            "there is no cookie '{gone}', which was set before the fault"
        ))
    }
}

impl Flow {
    /// The steps of a whole session, or the request if there are no sessions.
    pub fn work(&self) -> Vec<Step> {
        if !self.has_sessions() {
            return vec![Step::Get];
        }
        let act = (self.acts && self.steps.act.is_some()).then_some(Step::Act);
        let steps = [Some(Step::Login), act, Some(Step::Check)];
        steps.into_iter().flatten().collect()
    }

    /// The content of a turn's last reply. Cookies count only at the login, because a server may or may not renew them later.
    pub fn shown(&self, turn: &Turn, reply: &Reply<'_>, session: &Session) -> Shown {
        let Some(rules) = &self.session else {
            return Shown::default();
        };
        let looked = Looked::new(reply);
        let request = self.request_of(turn);
        let identity = rules.identity.as_ref();
        let place = request.value.as_ref().or(rules.value.as_ref());
        let names = identity.is_some_and(|(at, _)| matches!(at.find(&looked), Extracted::Text(_)));
        let counts = rules.writes == Writes::Counter
            && place.is_some_and(|place| place.count(&looked).is_some());
        let at_login = session
            .cookies()
            .iter()
            .filter(|_| turn.step == Step::Login);
        Shown {
            names_user: names,
            counts,
            cookies: at_login.map(|(name, _)| name.clone()).collect(),
        }
    }
}
