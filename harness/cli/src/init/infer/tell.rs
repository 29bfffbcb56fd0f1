//! What is said of an inference: what was taken for what and why, and what is open. Pure.

use super::super::recorded::Exchange;
use super::super::state;
use super::{Inference, USER};

impl Inference<'_> {
    pub(super) fn tell_roles(&mut self) {
        let line = |at: usize| self.exchanges[at].line();
        let mut told = vec![(
            "login".to_owned(),
            format!("{}: {}", line(self.roles.login), self.roles.because),
        )];
        match self.act {
            Some(act) => told.push(("act".to_owned(), format!("{}: it changes something after the login", line(act)))),
            None => self.flow.open.push(
                "which request changes the state (act): no POST, PUT, PATCH or DELETE follows the login. Users only look until \
                 you name one"
                    .to_owned(),
            ),
        }
        match (self.check, &self.state) {
            (Some(check), Some(_)) => told.push(("check".to_owned(), format!("{}: it shows what the act changed", line(check)))),
            (Some(check), None) => told.push(("check".to_owned(), format!("{}: a page after the login", line(check)))),
            (None, _) => self.flow.open.push(
                "which request shows the state (check): no GET follows the login. The file asks for / until you name one".to_owned(),
            ),
        }
        if self.has_no_session() {
            self.flow.open.push(
                "how the server knows the session: the recording has no cookie and no token. Browsers leave them out unless you \
                 export the HAR file with sensitive data"
                    .to_owned(),
            );
        }
        if let Some(logout) = self.roles.logout {
            told.push(("logout".to_owned(), format!("{}: its path", line(logout))));
        }
        match &self.state {
            Some(state) => {
                let kind = if state.written.is_some() { "list" } else { "value" };
                told.push((kind.to_owned(), format!("{}: {}", state.place, state.because)));
                if state.is_weak {
                    self.flow.open.push(format!(
                        "whether {} counts the acts: one number may be chance. Look at it after a second act",
                        state.place
                    ));
                }
            }
            None => self.flow.open.push(match &self.said.value {
                Some(place) => format!("whether {place} counts the acts (value): the document says only that it is a number"),
                None => "where the check shows what the act changed (value): without it no lost write is noticed. Write a JSON pointer such \
                         as /visits, or a pattern such as regex:visits: ([0-9]+)"
                    .to_owned(),
            }),
        }
        told.append(&mut self.flow.told);
        self.flow.told = told;
    }

    /// Whether there are replies, and neither a cookie nor a token.
    fn has_no_session(&self) -> bool {
        let has_replies = self.exchanges.iter().any(|one| one.page().is_some());
        let shows_one = |one: &Exchange| {
            let has_token = one.header("authorization").is_some();
            has_token || !one.cookies.is_empty() || !one.sets.is_empty()
        };
        has_replies && !self.exchanges.iter().any(shows_one)
    }

    pub(super) fn find_identity(&mut self) {
        let Some((name, template)) = self.user.clone() else {
            self.flow
                .open
                .push("which user a session has (identity): the login sends no name".to_owned());
            return;
        };
        let at = self
            .check
            .and_then(|check| state::identity(&self.exchanges[check], &name))
            .or_else(|| self.said.identity.clone());
        match at {
            Some(at) => {
                let instead = match template.starts_with(USER) {
                    true => "; sessions are u0, u1, … in place of the recorded name".to_owned(),
                    false => "; all sessions log in as this user".to_owned(),
                };
                self.flow.told.push(("identity".to_owned(), format!("{at}: it names the user of the login{instead}")));
                self.flow.identity = Some((at, template));
            }
            None => self.flow.open.push(
                "where the check names the user (identity): without it, a new session that the server silently begins can pass for the old \
                 one"
                    .to_owned(),
            ),
        }
    }

    /// Whoever is not logged in is sent to the login page, if the recording has such a redirect.
    pub(super) fn find_logged_out_page(&mut self) {
        let outside =
            (0..self.exchanges.len()).filter(|at| !(self.roles.login..self.roles.end).contains(at));
        let mut redirects = outside
            .filter(|at| self.exchanges[*at].is_get())
            .filter_map(|at| self.exchanges[at].leads_to());
        let login_page = self.exchanges[self.roles.login].place();
        let pages: Vec<&str> = self
            .before
            .values()
            .flatten()
            .map(|page| self.exchanges[*page].place())
            .collect();
        let page = redirects.find(|path| path == login_page || pages.contains(&path.as_str()));
        // The act's own redirect must not look like it.
        let of_act = self.act.and_then(|act| self.exchanges[act].leads_to());
        self.flow.logged_out_page =
            page.filter(|page| !of_act.is_some_and(|path| path.contains(page.as_str())));
        if let Some(page) = &self.flow.logged_out_page {
            self.flow.told.push((
                "logged out".to_owned(),
                format!("a redirect to {page}: that is where others are sent"),
            ));
        }
    }
}
