//! Why a reply is not as it should be, and what may mend the description, in words. Called where a flow is tried out.
//!
//! Nothing is decided here: [`Flow::classify`] noted which rule the reply broke. No value of a reply is quoted, since it may
//! be a secret; names of fields, headers and cookies are.

use std::fmt::Write as _;

use comeback_model::operation::Step;
use comeback_model::status::is_redirect;
use serde_json::Value;

use super::classify::Why;
use super::place::{Looked, Place};
use super::step::Expected;
use super::template::{Text, Values};
use super::{Flow, Session, SessionRules, Turn, User};
use crate::wire::Reply;

/// How many places of a JSON body are looked at for the one that was meant.
const PLACES_MAX: usize = 500;
/// How many names are listed at most.
const NAMES_MAX: usize = 8;

impl Flow {
    /// Whether the turn's last reply has another form than the flow describes. A wrong value in the right place is no such
    /// thing, and neither is a session that the server does not know: a broken server may be described rightly.
    pub fn has_another_form(&self, turn: &Turn) -> bool {
        match turn.broke {
            None => false,
            Some((_, why)) => match why {
                Why::Status
                | Why::Expectation
                | Why::Empty
                | Why::Capture(_)
                | Why::NameMissing
                | Why::ValueMissing => true,
                Why::LoggedOut
                | Why::NamesNobody
                | Why::NamesAnother
                | Why::NewCookie
                | Why::WrongValue
                | Why::Template => false,
            },
        }
    }

    /// Which expectation the turn's last reply missed, and what to do about it. `None` where it missed none.
    pub fn explain(
        &self,
        turn: &Turn,
        user: User,
        session: &Session,
        reply: &Reply<'_>,
    ) -> Option<String> {
        let (place, why) = turn.broke?;
        let request = &self.requests[place];
        let looked = Looked::new(reply);
        let values = Values {
            user,
            session,
            write: turn.write,
        };
        let rules = self.session.as_ref();
        let value = request
            .value
            .as_ref()
            .or(rules.and_then(|rules| rules.value.as_ref()));
        let identity = rules.and_then(|rules| rules.identity.as_ref());
        Some(match why {
            Why::Status => wrong_status(turn.step, &request.expect, reply),
            Why::Expectation => self.unmet(&request.expect, &looked, &values),
            Why::Empty => "the reply is empty, and before the fault hardly any was; where that is right, say so: expect = { status = 200 }"
                .to_owned(),
            Why::Capture(number) => {
                let (name, place) = request.capture.get(number)?;
                format!("capture.{name}: {}", nothing_at(place, &looked))
            }
            Why::LoggedOut => logged_out(rules, reply),
            Why::NameMissing => format!("identity: {}", nothing_at(&identity?.0, &looked)),
            Why::NamesNobody => format!(
                "identity: at {} the reply says that nobody is logged in",
                words(&identity?.0)
            ),
            Why::NamesAnother => {
                let (at, name) = identity?;
                let own = self.filled_in(name, &values);
                format!(
                    "identity: the name at {} is not '{own}': is it written like that there?",
                    words(at)
                )
            }
            Why::NewCookie => {
                "the reply sets a new session cookie, so the server began another session"
                    .to_owned()
            }
            Why::ValueMissing => match value {
                Some(place) => no_value(place, &looked),
                None => {
                    "the flow does not say where replies show the state: say value = …".to_owned()
                }
            },
            Why::WrongValue => format!(
                "value: {} does not show what this session wrote before: is it the session's own state, and does each act \
                 change it as `writes` says?",
                value.map_or_else(|| "the reply".to_owned(), words)
            ),
            Why::Template => "a template of the flow could not be filled in".to_owned(),
        })
    }

    fn filled_in(&self, text: &Text, values: &Values<'_>) -> String {
        let mut bytes = Vec::new();
        match self.templates.write(text, values, &mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => "…".to_owned(),
        }
    }

    /// The first part of `expect` that the reply does not meet.
    fn unmet(&self, expect: &Expected, looked: &Looked<'_>, values: &Values<'_>) -> String {
        if let Some(wanted) = expect.wanted_body() {
            let text = self.filled_in(wanted, values);
            if !looked.text().contains(&text) {
                return format!("expect.body: the body does not contain {}", quoted(wanted));
            }
        }
        for (name, wanted) in expect.wanted_headers() {
            let text = self.filled_in(wanted, values);
            let name = name.to_ascii_lowercase();
            let mut sent = looked.reply.headers.iter();
            let mut sent = sent.by_ref().filter(|(known, _)| *known == name).peekable();
            if sent.peek().is_none() {
                return format!("expect.headers.{name}: the reply has no such header");
            }
            if !sent.any(|(_, value)| value.contains(&text)) {
                let wanted = quoted(wanted);
                return format!("expect.headers.{name}: it does not contain {wanted}");
            }
        }
        "expect: the reply is not as described".to_owned()
    }
}

/// A text that is expected. What a template gives may hold a captured value, and is not quoted.
fn quoted(wanted: &Text) -> String {
    match wanted {
        Text::Fixed(text) => format!("'{text}'"),
        Text::Numbered(parts) => format!("'{}'", parts.join("{{ session }}")),
        Text::Rendered(_) => "what the template gives".to_owned(),
    }
}

fn wrong_status(step: Step, expect: &Expected, reply: &Reply<'_>) -> String {
    let status = reply.status;
    let wanted = expect.wanted_status();
    let location = location(reply);
    let to = location.map_or_else(String::new, |place| format!(" to {place}"));
    let mut text = format!("status {status}{to} instead of {wanted}");
    let mend = match (status, step) {
        (_, Step::Login) if is_redirect(status) => format!(
            ": if that is how a login succeeds, say expect = {{ status = {status} }}, or follow = 1 to go there"
        ),
        (_, Step::Act) if is_redirect(status) => format!(
            ": if that is how it succeeds, say expect = {{ status = {status} }}, or follow = 1 to go there; if it is \
             the way to the login page, say {}",
            logged_out_hint(status, location)
        ),
        _ if is_redirect(status) => format!(
            ": this looks like the way to the login page: say {}",
            logged_out_hint(status, location)
        ),
        (401 | 403, Step::Login) => {
            ": the login was refused: are the user and the password right? A form may want a CSRF token: fetch it by a \
             request in before, and capture it"
                .to_owned()
        }
        (404, _) => ": is the path right?".to_owned(),
        (405, _) => ": is the method right?".to_owned(),
        (400 | 415 | 422, _) => {
            ": is the body as the server wants it? json = {…}, form = {…} and text = \"…\" set their own content type"
                .to_owned()
        }
        (429, _) => ": the server limits the rate of requests: turn that off for the test".to_owned(),
        (500.., _) => ": the server failed; its output may say why".to_owned(),
        _ => String::new(),
    };
    text.push_str(&mend);
    text
}

fn logged_out(rules: Option<&SessionRules>, reply: &Reply<'_>) -> String {
    let status = reply.status;
    if matches!(status, 401 | 403) {
        return format!("status {status}: the server does not know the session");
    }
    match rules.and_then(|rules| rules.logged_out_page.as_ref()) {
        Some(_) => "the reply is the logged-out page, as logged_out_page describes it".to_owned(),
        None => "the reply is null: the server knows nothing under this name".to_owned(),
    }
}

fn logged_out_hint(status: u16, location: Option<&str>) -> String {
    match location {
        Some(place) => {
            format!("logged_out_page = {{ headers = {{ location = \"{place}\" }} }}")
        }
        None => format!("logged_out_page = {{ status = {status} }}"),
    }
}

fn location<'a>(reply: &'a Reply<'_>) -> Option<&'a str> {
    let mut headers = reply.headers.iter();
    let (_, value) = headers.find(|(name, _)| name == "location")?;
    // What stands behind the path may prove who somebody is.
    value.split(['?', '#']).next()
}

fn no_value(place: &Place, looked: &Looked<'_>) -> String {
    match place.is_there(looked) {
        true => format!(
            "value: at {} stands no counter: if acts add entries of their own, say writes = \"set\" or \"list\"",
            words(place)
        ),
        false => format!("value: {}", nothing_at(place, looked)),
    }
}

/// That a place is empty, and which one was probably meant.
fn nothing_at(place: &Place, looked: &Looked<'_>) -> String {
    let mut text = format!("nothing at {}", words(place));
    match place {
        Place::Pointer(pointer) => match looked.json() {
            None => text.push_str(": the body is not JSON"),
            Some(json) => {
                let mut places = Vec::new();
                collect(json, &mut String::new(), &mut places);
                match nearest(pointer, &places) {
                    Some(near) => {
                        let _ = write!(text, ": did you mean {near}?");
                    }
                    None => {
                        text.push_str(&among("the body has", places.iter().map(String::as_str)))
                    }
                }
            }
        },
        Place::JsonPath(_) if looked.json().is_none() => text.push_str(": the body is not JSON"),
        Place::Cookie(_) => {
            let set = looked.reply.cookies.iter();
            let names = set.filter_map(|header| Some(header.split_once('=')?.0.trim()));
            text.push_str(&among("the reply sets", names));
        }
        Place::JsonPath(_) | Place::Header(_) | Place::Regex(_) | Place::Body => {}
    }
    text
}

fn among<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.take(NAMES_MAX).collect();
    match names.as_slice() {
        [] => format!(": {what} none"),
        names => format!(": {what} {}", names.join(", ")),
    }
}

/// The place of a scalar in the body that is most like this one: the same last name, else the fewest edits.
fn nearest<'p>(pointer: &str, places: &'p [String]) -> Option<&'p str> {
    let last = |pointer: &str| pointer.rsplit('/').next().unwrap_or_default().to_owned();
    let wanted = last(pointer);
    let scored = places.iter().map(|place| {
        let edits = strsim::damerau_levenshtein(pointer, place);
        (last(place) != wanted, edits, place.as_str())
    });
    let (is_other, edits, place) = scored.min()?;
    (!is_other || edits <= 1 + pointer.len() / 3).then_some(place)
}

fn collect(value: &Value, at: &mut String, places: &mut Vec<String>) {
    if places.len() >= PLACES_MAX {
        return;
    }
    let mut enter = |name: &str, inner: &Value| {
        let length = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        collect(inner, at, places);
        at.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| enter(name, inner)),
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                enter(&index.to_string(), inner);
            }
        }
        _ => places.push(at.clone()),
    }
}

fn words(place: &Place) -> String {
    match place {
        Place::Pointer(pointer) => pointer.clone(),
        Place::JsonPath(path) => path.to_string(),
        Place::Header(name) => format!("header:{name}"),
        Place::Cookie(name) => format!("cookie:{name}"),
        Place::Regex(regex) => format!("regex:{regex}"),
        Place::Body => "body".to_owned(),
    }
}
