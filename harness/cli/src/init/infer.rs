//! From recorded requests to the flow of a session. Pure.

mod capture;
mod tell;
mod template;

use std::collections::BTreeMap;

use comeback_model::status::{is_redirect, is_success};

use self::capture::is_token_name;
use self::template::{Known, content, filled_path, headers, literal};
use super::flow::{DraftRequest, Flow};
use super::recorded::{Body, Exchange, Said, Unusable};
use super::roles::{Roles, is_logout, is_password, is_sign_up, user_of};
use super::state::{self, Look, State};

/// How many kinds of requests are looked at as the act, and as the check.
const KINDS_MAX: usize = 12;

/// How a session's user is called.
pub(super) const USER: &str = "u{{ session }}";

/// Infers the flow. `keeps_user` says whether all sessions log in as the recorded user. By default they do if there is a
/// password: then the server probably knows no other users.
///
/// # Errors
/// If no request begins a session.
pub(super) fn infer(
    exchanges: &[Exchange],
    keeps_user: Option<bool>,
    said: &Said,
) -> Result<Flow, Unusable> {
    let roles = match &said.login {
        Some((login, because)) => Some(Roles::around(exchanges, *login, because.clone())),
        None => Roles::find(exchanges),
    };
    let Some(roles) = roles else {
        let requests = exchanges.iter().map(Exchange::line).take(5);
        return Err(Unusable::new(format!(
            "none of its requests looks like a login: {}: record from before the login on. A login is a POST with a password or \
             to a path such as /login, or the first request whose reply sets a cookie that is sent later",
            requests.collect::<Vec<_>>().join(", ")
        )));
    };
    let mut fields = exchanges[roles.login].fields().into_iter();
    let has_password = fields.any(|(name, _)| is_password(&name));
    let keeps_user = keeps_user.or(said.keeps_user).unwrap_or(has_password);
    let mut inference = Inference::new(exchanges, roles, (keeps_user, said));
    inference.find_state();
    inference.find_captures();
    Ok(inference.into_flow())
}

struct Inference<'e> {
    exchanges: &'e [Exchange],
    said: &'e Said,
    roles: Roles,
    act: Option<usize>,
    check: Option<usize>,
    state: Option<State>,
    /// The user's recorded name, and what is sent in its place.
    user: Option<(String, String)>,
    known: Vec<Known>,
    /// Captures by the request whose reply shows the value: name and place.
    captures: BTreeMap<usize, Vec<(String, String)>>,
    /// Further requests by the one that needs them.
    before: BTreeMap<usize, Vec<usize>>,
    /// Requests whose redirect is not followed, since the redirect itself is needed.
    stays: Vec<usize>,
    flow: Flow,
}

impl<'e> Inference<'e> {
    fn new(exchanges: &'e [Exchange], roles: Roles, (keeps_user, said): (bool, &'e Said)) -> Self {
        let user = user_of(&exchanges[roles.login]).map(|name| {
            let template = match name.split_once('@') {
                _ if keeps_user => literal(&name),
                Some((_, domain)) => format!("{USER}@{}", literal(domain)),
                None => USER.to_owned(),
            };
            (name, template)
        });
        let known = user.iter().map(|(value, template)| Known {
            value: value.clone(),
            template: template.clone(),
            is_whole: true,
            source: None,
        });
        Self {
            known: known.collect(),
            exchanges,
            said,
            roles,
            act: None,
            check: None,
            state: None,
            user,
            captures: BTreeMap::new(),
            before: BTreeMap::new(),
            stays: Vec::new(),
            flow: Flow::default(),
        }
    }

    /// The last request of a chain of redirects that begins with this one.
    fn end_of_chain(&self, at: usize) -> usize {
        let mut end = at;
        while let Some(next) = self.exchanges.get(end + 1)
            && next.is_get()
            && self.exchanges[end].leads_to().as_deref() == Some(next.place())
        {
            end += 1;
        }
        end
    }

    /// Requests between the login and the end of its session.
    fn within(&self) -> std::ops::Range<usize> {
        self.roles.login + 1..self.roles.end
    }

    /// The first of each kind of request that may be the act, and of each that may be the check.
    fn candidates(&self) -> (Vec<usize>, Vec<usize>) {
        let (mut acts, mut checks): (Vec<usize>, Vec<usize>) = Default::default();
        for at in self.within() {
            let one = &self.exchanges[at];
            let is_page = one.status().is_none_or(is_success);
            let list = match one.is_get() {
                true if is_page => &mut checks,
                false if one.went_well() && !is_logout(one) && !is_sign_up(one) => &mut acts,
                _ => continue,
            };
            let is_new = !list.iter().any(|known| self.exchanges[*known].is_like(one));
            if is_new && list.len() < KINDS_MAX {
                list.push(at);
            }
        }
        (acts, checks)
    }

    /// The replies to the check, and how many acts each came after.
    fn looks(&self, act: usize, check: usize) -> Vec<Look<'e>> {
        let mut acts = 0;
        let mut looks = Vec::new();
        for at in self.within() {
            let one = &self.exchanges[at];
            if one.is_like(&self.exchanges[act]) && one.went_well() {
                acts += 1;
            } else if one.is_like(&self.exchanges[check]) && one.page().is_some() {
                looks.push(Look {
                    acts,
                    shown_by: one,
                });
            }
        }
        looks
    }

    fn find_state(&mut self) {
        let (acts, checks) = self.candidates();
        let first = &self.exchanges[self.end_of_chain(self.roles.login)];
        let user = self.user.as_ref().map(|(name, _)| name.as_str());
        let mut best: Option<(u8, usize, usize, State)> = None;
        for act in &acts {
            let of_act = self.within().map(|at| &self.exchanges[at]);
            let of_act = of_act.filter(|one| one.is_like(&self.exchanges[*act]));
            let written: Vec<String> = of_act
                .flat_map(|one| {
                    one.fields()
                        .into_iter()
                        .filter(|(name, _)| !is_token_name(name))
                })
                .map(|(_, value)| value)
                .collect();
            for check in &checks {
                let looks = self.looks(*act, *check);
                let Some(found) = state::find(&looks, (first, user), &written) else {
                    continue;
                };
                if best.as_ref().is_none_or(|(rank, ..)| found.rank() > *rank) {
                    best = Some((found.rank(), *act, *check, found));
                }
            }
        }
        if let Some((_, act, check, state)) = best {
            (self.act, self.check, self.state) = (Some(act), Some(check), Some(state));
            return;
        }
        let last_act = acts
            .iter()
            .find(|at| self.exchanges[**at].method != "DELETE");
        self.act = last_act.or(acts.first()).copied();
        let names_user = |at: &&usize| {
            let named = self.user.as_ref();
            named.is_some_and(|(name, _)| state::identity(&self.exchanges[**at], name).is_some())
        };
        let after_act = checks
            .iter()
            .rev()
            .find(|check| self.act.is_none_or(|act| **check > act));
        let check = checks
            .iter()
            .find(names_user)
            .or(after_act)
            .or(checks.last());
        self.check = check.copied();
    }

    fn name_of(&self, at: usize) -> String {
        let mut pages: Vec<usize> = self.before.values().flatten().copied().collect();
        pages.sort_unstable();
        pages.dedup();
        match pages.iter().position(|page| *page == at) {
            Some(0) | None => "page".to_owned(),
            Some(number) => format!("page{}", number + 1),
        }
    }

    /// A recorded request as a step.
    fn step(&self, name: &str, at: usize) -> DraftRequest {
        let recorded = &self.exchanges[at];
        let end = self.end_of_chain(at);
        let is_form = matches!(recorded.body, Some(Body::Form(_) | Body::Text(_)));
        let may_follow = matches!(name, "login" | "act");
        let follow = match (may_follow, recorded.status()) {
            _ if self.stays.contains(&at) => 0,
            (true, Some(_)) => end - at,
            (true, None) => usize::from(is_form || recorded.follows),
            (false, _) => 0,
        };
        let written = self.state.as_ref().and_then(|state| state.written.clone());
        let written = written.filter(|_| name == "act").map(|value| Known {
            value,
            template: "{{ write }}".to_owned(),
            is_whole: true,
            source: None,
        });
        // A value that only a later reply gives is an old one here.
        let is_given = |known: &&Known| known.source.is_none_or(|source| source < at);
        let given = self.known.iter().filter(is_given).cloned();
        let known: Vec<Known> = written.into_iter().chain(given).collect();
        let wants_status = follow == 0 && name != "logout";
        DraftRequest {
            name: name.to_owned(),
            request: format!(
                "{} {}",
                recorded.method,
                filled_path(&recorded.path, &known)
            ),
            headers: headers(recorded, &known),
            content: recorded.body.as_ref().map(|body| content(body, &known)),
            status: recorded
                .status()
                .filter(|status| wants_status && is_redirect(*status)),
            capture: self.captures.get(&at).cloned().unwrap_or_default(),
            before: self
                .before
                .get(&at)
                .into_iter()
                .flatten()
                .map(|page| self.name_of(*page))
                .collect(),
            follow: follow.min(10),
        }
    }

    fn into_flow(mut self) -> Flow {
        self.tell_roles();
        self.find_identity();
        self.find_logged_out_page();
        let pages: Vec<usize> = {
            let mut pages: Vec<usize> = self.before.values().flatten().copied().collect();
            pages.sort_unstable();
            pages.dedup();
            pages
        };
        let mut flow = std::mem::take(&mut self.flow);
        let place = self.state.as_ref().map(|state| state.place.clone());
        flow.value = place.or_else(|| self.said.value.clone());
        flow.open.extend(self.said.open.iter().cloned());
        flow.adds_entries = self
            .state
            .as_ref()
            .is_some_and(|state| state.written.is_some());
        flow.pages = pages
            .iter()
            .map(|page| self.step(&self.name_of(*page), *page))
            .collect();
        flow.login = self.step("login", self.roles.login);
        flow.act = self.act.map(|act| self.step("act", act));
        flow.check = self.check.map(|check| self.step("check", check));
        flow.logout = self.roles.logout.map(|logout| self.step("logout", logout));
        let roles = [
            ("login", Some(self.roles.login)),
            ("act", self.act),
            ("check", self.check),
            ("logout", self.roles.logout),
        ];
        let roles = roles
            .into_iter()
            .filter_map(|(name, at)| Some((name.to_owned(), at?)));
        flow.roles = roles.collect();
        flow
    }
}

#[cfg(test)]
mod tests;
