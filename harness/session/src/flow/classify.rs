//! The meaning of a reply for an operation and its session.

use comeback_model::operation::{ErrorClass, Outcome, Step};
use comeback_model::plan::Writes;
use comeback_model::status::{is_redirect, is_success};
use url::Url;

use super::known::PageOf;
use super::place::{Extracted, Looked, Place};
use super::step::{self, Redirect};
use super::template::{Text, Values};
use super::{Flow, Next, ReplyMeaning, Session, SessionRules, Turn, User};
use crate::wire::Reply;

/// In so many numbers of a name that of a user is looked for: a page may be taken for one.
const MOST_NUMBERS: usize = 4;

/// A reply that is not as it should be: what that means, and which rule it broke.
pub(super) struct Refusal {
    outcome: Outcome,
    class: ErrorClass,
    why: Why,
}

/// Which rule a reply broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its status is not the one that is expected.
    Status,
    /// The body or a header is not as `expect` says.
    Expectation,
    /// It is empty, and hardly any was before.
    Empty,
    /// The value number n of `capture` is not where it should be.
    Capture(usize),
    /// It is the page for logged-out users, or a status that says so.
    LoggedOut,
    /// The user's name is not where `identity` says.
    NameMissing,
    /// There it says that nobody is logged in.
    NamesNobody,
    /// There stands somebody else's name.
    NamesAnother,
    /// It begins a session anew, by its cookie.
    NewCookie,
    /// The state is not where `value` says.
    ValueMissing,
    /// The state there is not the session's.
    WrongValue,
    /// A template of the flow could not be filled in.
    Template,
}

/// A change that may have happened.
const fn unknown(class: ErrorClass, why: Why) -> Refusal {
    Refusal {
        outcome: Outcome::Indeterminate,
        class,
        why,
    }
}

/// A change that did not happen.
const fn rejected(class: ErrorClass, why: Why) -> Refusal {
    Refusal {
        outcome: Outcome::Rejected,
        class,
        why,
    }
}

/// Whom a reply names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// The user it should.
    Own,
    /// Another user of the run.
    Another,
    /// Somebody else, who is no user of the run, such as a guest.
    Unknown,
    /// The reply names nobody: null, or no text.
    Nobody,
    /// Nothing is where the name should be.
    Unsaid,
}

impl Flow {
    /// Says what a reply means for the turn, and updates the client's knowledge of its session.
    pub fn classify(
        &self,
        turn: &mut Turn,
        user: User,
        session: &mut Session,
        reply: &Reply<'_>,
    ) -> Next {
        let looked = Looked::new(reply);
        let own = turn.is_at_its_own();
        let place = turn.left.last().copied();
        match self.absorb(turn, user, session, &looked) {
            Ok(None) => Next::Again,
            Ok(Some(meaning)) => {
                if meaning.error.is_some() {
                    turn.broke = place.map(|place| (place, Why::WrongValue));
                }
                Next::Done(meaning)
            }
            Err(refusal) => {
                turn.broke = place.map(|place| (place, refusal.why));
                let outcome = match (own, refusal.outcome) {
                    // A request before the step's own one changes nothing, even if it failed.
                    (false, _) => Outcome::Rejected,
                    // The page behind its redirect was refused; the step's own request may have been carried out before.
                    (true, Outcome::Rejected) if turn.redirect.is_some() => Outcome::Indeterminate,
                    (true, outcome) => outcome,
                };
                Next::Done(ReplyMeaning::failed(outcome, refusal.class))
            }
        }
    }

    fn absorb(
        &self,
        turn: &mut Turn,
        user: User,
        session: &mut Session,
        looked: &Looked<'_>,
    ) -> Result<Option<ReplyMeaning>, Refusal> {
        let request = self.request_of(turn);
        let values = Values {
            user,
            session,
            write: turn.write,
        };
        self.refuse(turn.step, request, looked, &values)?;
        let status = looked.reply.status;
        if turn.redirects > 0
            && turn.step != Step::Logout
            && let Some(redirect) = redirect_of(looked.reply, turn.asked.as_deref())
        {
            session.take_cookies(looked.reply.cookies);
            turn.redirects -= 1;
            turn.redirect = Some(redirect);
            return Ok(None);
        }
        let fits = match request.expect.names_any_status() {
            true => request.expect.names_status(status),
            // A goodbye often ends with a redirect to the front page.
            false => is_success(status) || (turn.step == Step::Logout && is_redirect(status)),
        };
        match status {
            _ if fits => {}
            400..500 => return Err(rejected(ErrorClass::ClientError, Why::Status)),
            _ => return Err(unknown(ErrorClass::WrongAnswer, Why::Status)),
        }
        match request.expect.fits(looked, &self.templates, &values) {
            Ok(true) => {}
            Ok(false) => return Err(unknown(ErrorClass::WrongAnswer, Why::Expectation)),
            Err(_) => return Err(unknown(ErrorClass::HarnessError, Why::Template)),
        }
        for (number, (name, place)) in request.capture.iter().enumerate() {
            match place.find(looked) {
                Extracted::Text(text) => session.capture(name, text),
                Extracted::Absent | Extracted::Nothing => {
                    return Err(unknown(ErrorClass::WrongAnswer, Why::Capture(number)));
                }
            }
        }
        let place = turn.left.pop().unwrap_or_default();
        if !turn.left.is_empty() {
            session.take_cookies(looked.reply.cookies);
            turn.redirect = None;
            turn.redirects = self.request_of(turn).follow;
            return Ok(None);
        }
        if self.lacks_its_body(turn.step, session, (place, request), looked.reply) {
            let values = Values {
                user,
                session,
                write: turn.write,
            };
            self.known
                .doubt_page(&request.written(&self.templates, &values));
            return Err(unknown(ErrorClass::WrongAnswer, Why::Empty));
        }
        match &self.session {
            None => Ok(Some(ReplyMeaning::acknowledged(None))),
            // A common page names nobody. Its cookies are stored, as by a browser.
            Some(_) if turn.step == Step::Get => {
                session.take_cookies(looked.reply.cookies);
                Ok(Some(ReplyMeaning::acknowledged(None)))
            }
            Some(rules) => self
                .conclude(turn, rules, request, user, session, looked)
                .map(Some),
        }
    }

    /// Whether a page is empty that hardly was before the fault, where nothing is said of what it must show.
    fn lacks_its_body(
        &self,
        step: Step,
        session: &Session,
        (place, request): (usize, &step::CompiledRequest),
        reply: &Reply<'_>,
    ) -> bool {
        // These have none (RFC 9110, sections 15.3.5 and 15.3.6).
        let may_be_empty = matches!(reply.status, 204 | 205) || !is_success(reply.status);
        let shows = |rules: &SessionRules| {
            let value = request.value.as_ref().or(rules.value.as_ref());
            value.is_some() || rules.identity.is_some()
        };
        let is_page = match (&self.session, step) {
            (None, _) | (Some(_), Step::Get) => true,
            // The page of a user who has logged out may be empty.
            (Some(rules), Step::Check | Step::ReadBack) => !shows(rules) && !session.is_over(),
            (Some(_), Step::Login | Step::Act | Step::Logout) => false,
        };
        if may_be_empty || !is_page || !request.is_get() || !request.expect.is_empty() {
            return false;
        }
        let place = PageOf {
            request: place,
            has_changed: step != Step::Get && session.has_changed(),
        };
        self.known.note_page(place, reply.body.is_empty())
    }

    /// Errors that any request of an operation may meet, its expectations aside.
    fn refuse(
        &self,
        step: Step,
        request: &step::CompiledRequest,
        looked: &Looked<'_>,
        values: &Values<'_>,
    ) -> Result<(), Refusal> {
        let status = looked.reply.status;
        if request.expect.names_status(status) && status >= 400 {
            return Ok(());
        }
        if status >= 500 {
            return Err(unknown(ErrorClass::ServerError, Why::Status));
        }
        let within = !matches!(step, Step::Login | Step::Get);
        let Some(rules) = self.session.as_ref().filter(|_| within) else {
            return Ok(());
        };
        let at_goodbye = step == Step::Logout;
        let is_logged_out = match &rules.logged_out_page {
            // After a logout the page for logged-out users is correct.
            Some(page) if !at_goodbye => {
                let status_fits = !page.names_any_status() || page.names_status(status);
                let fits = page.fits(looked, &self.templates, values);
                status_fits && fits.map_err(|_| unknown(ErrorClass::HarnessError, Why::Template))?
            }
            Some(_) | None => false,
        };
        if is_logged_out || matches!(status, 401 | 403) || (looked.is_null() && !at_goodbye) {
            let anew = values.session.is_begun_anew_by(looked.reply.cookies);
            let class = match is_logged_out && anew {
                true => ErrorClass::SessionRecreated,
                false => ErrorClass::SessionRejected,
            };
            return Err(rejected(class, Why::LoggedOut));
        }
        Ok(())
    }

    /// The end of an operation that went well so far: whom its reply names, and which state it shows.
    fn conclude(
        &self,
        turn: &Turn,
        rules: &SessionRules,
        request: &step::CompiledRequest,
        user: User,
        session: &mut Session,
        looked: &Looked<'_>,
    ) -> Result<ReplyMeaning, Refusal> {
        let cookies = looked.reply.cookies;
        let named = self.named(turn, rules, user, session, looked);
        let place = request.value.as_ref().or(rules.value.as_ref());
        let counter = match rules.writes {
            Writes::Counter => place.and_then(|place| place.count(looked)),
            Writes::Set | Writes::List => None,
        };
        match (turn.step, named) {
            (Step::Login, Named::Own | Named::Unsaid) => {
                session.begin_at(counter.unwrap_or(0));
                if named == Named::Own {
                    self.learn_name(rules, user, looked);
                }
                session.take_cookies(cookies);
                return Ok(ReplyMeaning::acknowledged(counter));
            }
            (Step::Login, Named::Another) => {
                return Err(unknown(ErrorClass::WrongIdentity, Why::NamesAnother));
            }
            // Who is told that he is a guest has not logged in. Another user's content he was not shown.
            (Step::Login, Named::Unknown) => {
                return Err(unknown(ErrorClass::WrongAnswer, Why::NamesAnother));
            }
            (Step::Login, Named::Nobody) => {
                return Err(unknown(ErrorClass::WrongAnswer, Why::NamesNobody));
            }
            (Step::Logout, Named::Own) => rules.goodbye_names.set(rules.identity.is_some()),
            (_, Named::Own) | (Step::Act | Step::Logout, Named::Unsaid) => {}
            // Many a goodbye speaks to a logged-out user, of whatever session. One that used to name its user does not.
            (Step::Logout, Named::Nobody | Named::Unknown) if !rules.goodbye_names.get() => {
                return Ok(ReplyMeaning::acknowledged(None));
            }
            // With whatever cookie: another user's content is not shown to one who has not logged in.
            (_, Named::Another) => {
                return Err(rejected(ErrorClass::WrongIdentity, Why::NamesAnother));
            }
            _ if session.is_replaced_by(cookies) => {
                return Err(rejected(ErrorClass::SessionRecreated, Why::NewCookie));
            }
            (_, Named::Nobody) => {
                return Err(rejected(ErrorClass::SessionRejected, Why::NamesNobody));
            }
            // Who is told that he is a guest has no session any more, and was not shown another user's.
            (_, Named::Unknown) => {
                return Err(rejected(ErrorClass::SessionRejected, Why::NamesAnother));
            }
            (_, Named::Unsaid) => {
                return Err(unknown(ErrorClass::WrongAnswer, Why::NameMissing));
            }
        }
        if turn.step == Step::Logout {
            // A logout takes the cookie away; the read-back must still show it, as a thief would.
            let is_its_own = rules.identity.is_some() && named == Named::Own;
            let shown = counter.filter(|counter| is_its_own || !session.is_as_begun(*counter));
            return Ok(ReplyMeaning::acknowledged(shown));
        }
        if rules.identity.is_some() {
            session.take_cookies(cookies);
        } else {
            match (place, turn.step) {
                (None, Step::Check | Step::ReadBack) => {
                    notice_anew(rules, turn.step, session, cookies)?;
                }
                _ => self.notice_replacement(rules, turn.step, session, counter, cookies)?,
            }
        }
        match rules.writes {
            Writes::Counter => {
                let strict = request.value.is_some() || rules.act_shows.get();
                classify_counter(turn.step, place, strict, rules, session, counter)
            }
            Writes::Set | Writes::List => classify_writes(turn.step, place, user, session, looked),
        }
    }

    fn named(
        &self,
        turn: &Turn,
        rules: &SessionRules,
        user: User,
        session: &Session,
        looked: &Looked<'_>,
    ) -> Named {
        let Some((at, name)) = &rules.identity else {
            return Named::Own;
        };
        let found = match at.find(looked) {
            Extracted::Absent => return Named::Unsaid,
            Extracted::Nothing => return Named::Nobody,
            Extracted::Text(text) => text,
        };
        let values = Values {
            user,
            session,
            write: turn.write,
        };
        let mut own = Vec::new();
        let written = self.templates.write(name, &values, &mut own);
        let is_own = written.is_ok() && found.as_bytes() == own;
        if !is_own && self.is_another_users(name, &found, &values) {
            return Named::Another;
        }
        // A name that the server chose may be chosen twice, also by a server that is right.
        let is_in_doubt = match is_own {
            true => self.is_shared_now(turn.step, name, &found, (user, session)),
            // A session that begins anew may get a name that somebody had before the fault.
            false => {
                !session.is_replaced_by(looked.reply.cookies)
                    && self.known.is_name_of_another(&found, user)
            }
        };
        if is_in_doubt {
            self.known.doubt_name(&found);
        }
        match is_own {
            true => Named::Own,
            false => Named::Unknown,
        }
    }

    /// Whether a final look shows this name of the user's own to another user, too: the server gave it to both.
    fn is_shared_now(
        &self,
        step: Step,
        name: &Text,
        found: &str,
        (user, session): (User, &Session),
    ) -> bool {
        let is_given = matches!(name, Text::Rendered(_));
        let is_look = step == Step::ReadBack && !session.is_over();
        is_given && is_look && self.known.is_shown_to_another(found, user)
    }

    /// Notes whose name it is that a login shows, where a template gives it: that of another user may hold what only the server knows.
    fn learn_name(&self, rules: &SessionRules, user: User, looked: &Looked<'_>) {
        if let Some((at, Text::Rendered(_))) = &rules.identity
            && let Extracted::Text(name) = at.find(looked)
        {
            self.known.learn_name(&name, user);
        }
    }

    /// Whether this is the name of another user of the run. Its number stands in it, perhaps as far from the user's own as another
    /// number in that user's name. A bare 0 is many a server's guest.
    fn is_another_users(&self, name: &Text, found: &str, values: &Values<'_>) -> bool {
        if found == "0" {
            return false;
        }
        let write = |user: User| {
            let mut name_of = Vec::new();
            let values = Values { user, ..*values };
            let written = self.templates.write(name, &values, &mut name_of);
            written.ok().map(|()| name_of)
        };
        let user = values.user;
        let own = write(user).unwrap_or_default();
        let own = numbers_in(&String::from_utf8_lossy(&own));
        let shown = numbers_in(found);
        let shifted = shown.iter().zip(&own).map(|(shown, own)| {
            let shift = own.wrapping_sub(user.number);
            shown.wrapping_sub(shift)
        });
        let logins: Vec<u32> = shown.iter().copied().chain([user.login]).collect();
        let mut numbers = shown.iter().copied().chain(shifted);
        numbers.any(|number| {
            number != user.number
                && self.users.is_none_or(|users| users.have(number))
                && logins.iter().any(|login| {
                    let other = User {
                        number,
                        login: *login,
                        ..user
                    };
                    write(other).is_some_and(|name_of| name_of == found.as_bytes())
                })
        })
    }

    /// Where replies name nobody, a session that the server began anew is known by its cookie: a new one under
    /// an older state, or, from a server that does not renew the cookies of sessions it knows, a new one at all.
    fn notice_replacement(
        &self,
        rules: &SessionRules,
        step: Step,
        session: &mut Session,
        counter: Option<u64>,
        cookies: &[String],
    ) -> Result<(), Refusal> {
        let least = u64::from(step == Step::Act);
        let replaced = session.is_replaced_by(cookies);
        let renews = match step {
            Step::Act => &rules.renews_at_act,
            Step::Check | Step::ReadBack | Step::Login | Step::Logout | Step::Get => {
                &rules.renews_at_check
            }
        };
        let recreated = match counter {
            Some(counter) if session.is_older(counter.saturating_sub(least)) => replaced,
            // The state went on, so this is how the server treats the cookie of a known session.
            Some(counter) if counter > least => {
                let renewed = renews.get().unwrap_or(false) || replaced;
                renews.set(Some(renewed));
                false
            }
            // A state as of a new session: the cookie alone tells.
            Some(_) => replaced && renews.get() == Some(false),
            None => false,
        };
        if recreated {
            return Err(rejected(ErrorClass::SessionRecreated, Why::NewCookie));
        }
        let undecided = replaced && counter == Some(least) && renews.get().is_none();
        if !(undecided && step == Step::Check) {
            session.take_cookies(cookies);
        }
        Ok(())
    }
}

/// If replies name nobody and show no state, there are only cookies. The first check shows how the server treats the cookie of
/// a known session. A server that does not renew it at first and sends another one later may have re-created the session. Its
/// final look proves nothing then.
fn notice_anew(
    rules: &SessionRules,
    step: Step,
    session: &mut Session,
    cookies: &[String],
) -> Result<(), Refusal> {
    let replaced = session.is_replaced_by(cookies);
    match (step, rules.renews_at_check.get()) {
        (Step::Check, None) => rules.renews_at_check.set(Some(replaced)),
        (_, Some(false)) if replaced => session.doubt(),
        _ => {}
    }
    session.take_cookies(cookies);
    match step {
        Step::ReadBack if session.is_in_doubt() => {
            Err(unknown(ErrorClass::WrongAnswer, Why::NewCookie))
        }
        _ => Ok(()),
    }
}

fn classify_counter(
    step: Step,
    place: Option<&Place>,
    strict: bool,
    rules: &SessionRules,
    session: &mut Session,
    counter: Option<u64>,
) -> Result<ReplyMeaning, Refusal> {
    match (step, place, counter) {
        // Which counter the final look may show is judged by the ledger; that it shows one, here.
        (Step::ReadBack, Some(_), Some(counter)) => Ok(ReplyMeaning::acknowledged(Some(counter))),
        // Nothing is said of a state: only whether the session is known counts.
        (_, None, _) => Ok(ReplyMeaning::acknowledged(None)),
        // Some servers never show the counter in the reply to a change; one that does must go on doing so.
        (Step::Act, Some(_), None) if !strict => {
            session.count_blindly();
            Ok(ReplyMeaning::acknowledged(None))
        }
        (_, Some(_), None) => Err(unknown(ErrorClass::WrongAnswer, Why::ValueMissing)),
        (_, Some(_), Some(value)) => {
            if step == Step::Act {
                rules.act_shows.set(true);
            }
            Ok(ReplyMeaning {
                error: (!session.accepts(step, value)).then_some(ErrorClass::WrongAnswer),
                ..ReplyMeaning::acknowledged(Some(value))
            })
        }
    }
}

fn classify_writes(
    step: Step,
    place: Option<&Place>,
    user: User,
    session: &mut Session,
    looked: &Looked<'_>,
) -> Result<ReplyMeaning, Refusal> {
    let shown = match step {
        // The reply to a change needs no value: only its acknowledgement counts.
        Step::Act => return Ok(ReplyMeaning::acknowledged(None)),
        Step::Login | Step::Check | Step::Logout | Step::Get | Step::ReadBack => {
            place.and_then(|place| place.all(looked))
        }
    };
    let Some(shown) = shown else {
        return Err(unknown(ErrorClass::WrongAnswer, Why::ValueMissing));
    };
    let found = session.recognize(user, &shown);
    let fits = step == Step::ReadBack || session.accepts_shown(&found);
    Ok(ReplyMeaning {
        error: (!fits).then_some(ErrorClass::WrongAnswer),
        found: Some(Box::new(found)),
        ..ReplyMeaning::acknowledged(None)
    })
}

/// The first numbers that stand in a text.
fn numbers_in(text: &str) -> Vec<u32> {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.filter_map(|run| run.parse().ok())
        .take(MOST_NUMBERS)
        .collect()
}

/// Where a redirect within the target leads from the path that was asked for (RFC 9110, section 10.2.2).
fn redirect_of(reply: &Reply<'_>, asked: Option<&str>) -> Option<Redirect> {
    let keeps_method = match reply.status {
        301..=303 => false,
        307 | 308 => true,
        _ => return None,
    };
    let (_, location) = reply.headers.iter().find(|(name, _)| name == "location")?;
    // Another host is not asked; the host's own name for itself may be any.
    let base = Url::parse("http://target").ok()?;
    let target = base.join(asked?).ok()?.join(location).ok()?;
    let query = target.query().map(|query| format!("?{query}"));
    Some(Redirect {
        keeps_method,
        path: format!("{}{}", target.path(), query.unwrap_or_default()),
    })
}

/// Whether two replies, each with its status, where it leads and its body, may tell two users the same: that they are not known.
pub fn may_mean_the_same(
    own: (u16, Option<&str>, &[u8]),
    other: (u16, Option<&str>, &[u8]),
) -> bool {
    let may_be_so = match own.0 {
        status if is_redirect(status) => own.1 == other.1,
        401 | 403 | 404 => true,
        status if is_success(status) => own.2 == other.2,
        _ => false,
    };
    may_be_so && own.0 == other.0
}
