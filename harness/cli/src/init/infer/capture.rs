//! Values that a reply gave and a later request sends, such as tokens: where each is captured. Pure.

use super::super::pattern::{field_in, hidden_field, place_of, scalars};
use super::super::recorded::{Body, Exchange};
use super::super::roles::is_password;
use super::Inference;
use super::template::{Known, kept_headers};

impl Inference<'_> {
    /// Finds where each value that a reply gave comes from, for every request of the session.
    pub(super) fn find_captures(&mut self) {
        let users = [
            Some(self.roles.login),
            self.act,
            self.check,
            self.roles.logout,
        ];
        for at in users.into_iter().flatten() {
            for (label, value) in sent(&self.exchanges[at]) {
                let known = self.known.iter().find(|known| known.value == value);
                if let Some(known) = known {
                    if let Some(source) = known.source.filter(|source| *source > self.roles.login) {
                        self.send_before(at, source);
                    }
                } else if may_be_given(&label, &value) {
                    self.find_capture(at, &label, &value);
                }
            }
        }
    }

    fn send_before(&mut self, at: usize, page: usize) {
        let pages = self.before.entry(at).or_default();
        if !pages.contains(&page) {
            pages.push(page);
        }
    }

    fn find_capture(&mut self, at: usize, label: &str, value: &str) {
        let login = self.roles.login;
        let chain = self.end_of_chain(login);
        let earlier = (0..at).rev();
        // The login's own reply first: it needs no further request. What came before it follows, the last first.
        let (before, within): (Vec<usize>, Vec<usize>) = earlier.partition(|one| *one < login);
        let of_login = [chain, login].into_iter().filter(|one| *one < at);
        let places = of_login
            .chain(before)
            .chain(within)
            .find_map(|one| Some((one, place_of(value, label, &self.exchanges[one])?)));
        let found = places.or_else(|| self.guess(at, label));
        match found.filter(|(source, _)| self.can_capture_at(*source)) {
            Some((source, place)) => self.capture(at, source, label, value, place),
            None if is_token_name(label) => self.flow.open.push(format!(
                "{}: {label} looks like a value that the server gives. No recorded reply shows it where a step can take it: \
                 capture it from the reply that does, and write its name in {{{{ }}}} in its place",
                self.exchanges[at].line()
            )),
            None => {}
        }
    }

    /// Whether a step can take a value from this reply. What changes something in the session is sent once, and a login either
    /// follows its redirect or does not.
    fn can_capture_at(&self, source: usize) -> bool {
        let login = self.roles.login;
        let is_redirect = source == login && self.end_of_chain(login) != login;
        let is_followed = self.captures.contains_key(&login) && !self.stays.contains(&login);
        match is_redirect {
            true => !is_followed,
            false => source <= login || self.exchanges[source].is_get(),
        }
    }

    fn capture(&mut self, at: usize, source: usize, label: &str, value: &str, place: String) {
        let login = self.roles.login;
        let mut source = source;
        if source == self.end_of_chain(login) && !self.stays.contains(&login) {
            source = login;
        } else if source == login && self.end_of_chain(login) != login {
            self.stays.push(login);
        }
        let captures = self.captures.entry(source).or_default();
        let base = name_for(label);
        let mut name = base.clone();
        let mut number = 2;
        while captures
            .iter()
            .any(|(known, other)| *known == name && *other != place)
        {
            name = format!("{base}{number}");
            number += 1;
        }
        if !captures.iter().any(|(known, _)| *known == name) {
            captures.push((name.clone(), place.clone()));
        }
        if source != login {
            self.send_before(if source < login { login } else { at }, source);
        }
        self.flow.told.push((
            "capture".to_owned(),
            format!(
                "{label} of {}: from {place}, {}",
                self.exchanges[at].line(),
                self.exchanges[source].line()
            ),
        ));
        self.known.push(Known {
            value: value.to_owned(),
            template: format!("{{{{ {name} }}}}"),
            is_whole: false,
            source: Some(source),
        });
    }

    /// Where a value probably comes from, if no recorded reply shows it.
    fn guess(&mut self, at: usize, label: &str) -> Option<(usize, String)> {
        let login = self.roles.login;
        if let Some((header, place)) = &self.said.token
            && header == label
            && at > login
        {
            // A reply knows better than a document.
            let shown = token_in(&self.exchanges[login]);
            return Some((login, shown.unwrap_or_else(|| place.clone())));
        }
        if label == "authorization" && at > login {
            let place = token_in(&self.exchanges[login]).unwrap_or_else(|| "/token".to_owned());
            if self.exchanges[login].page().is_none() {
                self.flow.open.push(format!(
                    "where the login's reply shows the token: {place} is a guess, since no reply was recorded"
                ));
            }
            return Some((login, place));
        }
        if is_csrf(label) && self.exchanges[at].body_has(label) {
            // Each page may show it in another form.
            let chain = self.end_of_chain(login);
            let earlier = Some(chain).filter(|chain| *chain < at).into_iter();
            let found = earlier.chain((0..at).rev()).find_map(|one| {
                let shown_by = &self.exchanges[one];
                let value = field_in(shown_by.page()?, label)?;
                Some((one, place_of(value, label, shown_by)?))
            });
            if found.is_some() {
                return found;
            }
            let page = (0..at).rev().find(|one| {
                self.exchanges[*one].is_get() && self.exchanges[*one].page().is_none()
            })?;
            self.flow.open.push(format!(
                "where {} shows {label}: as a hidden field is a guess, since no reply was recorded",
                self.exchanges[page].line()
            ));
            return Some((page, hidden_field(label)));
        }
        None
    }
}

impl Exchange {
    fn body_has(&self, label: &str) -> bool {
        match &self.body {
            Some(Body::Form(fields)) => fields.iter().any(|(name, _)| name == label),
            Some(Body::Json(_) | Body::Text(_)) | None => false,
        }
    }
}

/// What a request sends that a reply may have given, each with its name.
fn sent(exchange: &Exchange) -> Vec<(String, String)> {
    let mut sent = exchange.fields();
    sent.retain(|(name, _)| !is_password(name));
    for (name, value) in kept_headers(exchange) {
        match (name.as_str(), value.split_once(' ')) {
            ("authorization", Some((scheme, _))) if scheme.eq_ignore_ascii_case("basic") => {}
            ("authorization", Some((_, token))) => sent.push((name, token.to_owned())),
            _ => sent.push((name, value)),
        }
    }
    let parts = exchange.place().split('/');
    sent.extend(parts.map(|part| (String::new(), part.to_owned())));
    sent
}

fn is_csrf(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    [
        "csrf",
        "xsrf",
        "authenticity_token",
        "requestverificationtoken",
    ]
    .iter()
    .any(|known| label.contains(known))
        || label == "_token"
}

pub(super) fn is_token_name(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    is_csrf(&label)
        || label == "authorization"
        || label.contains("token")
        || label.contains("nonce")
}

/// Whether a reply may have given this value. A short word may stand in many places by chance.
fn may_be_given(label: &str, value: &str) -> bool {
    let has_digit = value.chars().any(|letter| letter.is_ascii_digit());
    match is_token_name(label) {
        true => value.len() >= 4,
        false => value.len() >= 16 && has_digit && !value.contains(char::is_whitespace),
    }
}

/// The name of a captured value.
fn name_for(label: &str) -> String {
    if is_csrf(label) {
        return "csrf".to_owned();
    }
    match label {
        "authorization" => "token".to_owned(),
        "" => "given".to_owned(),
        label => {
            let letters = label.chars().map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '_'
                }
            });
            let name: String = letters.collect::<String>().to_ascii_lowercase();
            // It must be no name that templates have already.
            format!("given_{}", name.trim_matches('_'))
        }
    }
}

/// The most likely place of a token in the login's reply.
fn token_in(login: &Exchange) -> Option<String> {
    let mut leaves = Vec::new();
    scalars(login.json()?, &mut String::new(), &mut leaves);
    let texts = leaves.into_iter().filter(|(_, leaf)| leaf.is_string());
    let mut texts: Vec<String> = texts.map(|(pointer, _)| pointer).collect();
    let rank = |pointer: &String| {
        let name = pointer
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let known = [
            "access_token",
            "accesstoken",
            "token",
            "jwt",
            "auth_token",
            "id_token",
        ];
        let exact = known.iter().position(|one| *one == name);
        exact.unwrap_or(if name.contains("token") {
            known.len()
        } else {
            usize::MAX
        })
    };
    texts.sort_by_key(rank);
    texts
        .into_iter()
        .next()
        .filter(|pointer| rank(pointer) < usize::MAX)
}
