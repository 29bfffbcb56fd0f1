//! A session from outside: what to send for each step, and what a reply means.
//!
//! Pure: bytes in, judgement out. The oracle lives here: it knows what the session's counter must be.

use comeback_core::operation::{ErrorClass, Outcome, Step};
use comeback_core::plan::{Extract, Identity, Request, Workload};
use serde_json::Value;

use self::session::Named;
pub use self::session::Session;
use self::template::Template;
use super::wire::Reply;

mod session;
mod template;

/// A workload, made ready for a port.
#[derive(Debug)]
pub struct Flow {
    login: Option<Template>,
    act: Option<Template>,
    check: Template,
    logout: Option<Template>,
    session: Option<SessionRules>,
}

/// How replies within a session are read.
#[derive(Debug)]
struct SessionRules {
    value: String,
    identity: Option<Identity>,
}

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the operation took effect.
    pub outcome: Outcome,
    /// What was wrong with it.
    pub error: Option<ErrorClass>,
    /// The counter it gave.
    pub value: Option<u64>,
}

impl Flow {
    /// Makes a workload's requests ready to be sent to `port`.
    pub fn new(workload: &Workload, port: u16) -> Self {
        let template = |request: &Request| Template::new(request, port);
        match workload {
            Workload::Stateless(request) => Self {
                login: None,
                act: None,
                check: template(request),
                logout: None,
                session: None,
            },
            Workload::Sessions(flow) => Self {
                login: Some(template(&flow.login)),
                act: Some(template(&flow.act)),
                check: template(&flow.check),
                logout: flow.logout.as_ref().map(template),
                session: Some(SessionRules {
                    value: match &flow.value {
                        Some(Extract::Pointer(pointer)) => pointer.clone(),
                        _ => String::new(),
                    },
                    identity: flow.identity.clone(),
                }),
            },
        }
    }

    /// Whether clients log in.
    pub const fn has_sessions(&self) -> bool {
        self.session.is_some()
    }

    /// Writes a step's request behind what `out` holds.
    pub fn write_request(&self, step: Step, client: u32, session: &Session, out: &mut Vec<u8>) {
        let template = match step {
            Step::Login => self.login.as_ref(),
            Step::Act => self.act.as_ref(),
            Step::Logout => self.logout.as_ref(),
            Step::Check | Step::Get | Step::ReadBack => Some(&self.check),
        };
        // A step the workload does not have is never scheduled; were it, looking is harmless.
        template
            .unwrap_or(&self.check)
            .write(client, &session.cookies, out);
    }

    /// What a reply to `step` means; updates what the client knows of its session.
    pub fn judge(
        &self,
        step: Step,
        client: u32,
        session: &mut Session,
        reply: &Reply,
    ) -> Judgement {
        match reply.status {
            200..300 => {}
            500.. => return failed(Outcome::Indeterminate, ErrorClass::ServerError),
            401 | 403 if step != Step::Login && self.has_sessions() => {
                return failed(Outcome::Rejected, ErrorClass::SessionRejected);
            }
            _ => return failed(Outcome::Rejected, ErrorClass::ClientError),
        }
        let Some(rules) = &self.session else {
            return Judgement {
                outcome: Outcome::Acknowledged,
                error: None,
                value: None,
            };
        };
        let Ok(body) = serde_json::from_slice::<Value>(reply.body) else {
            if step == Step::Logout {
                // A goodbye need not say anything.
                return Judgement {
                    outcome: Outcome::Acknowledged,
                    error: None,
                    value: None,
                };
            }
            return failed(Outcome::Indeterminate, ErrorClass::WrongAnswer);
        };
        let value = body.pointer(&rules.value).and_then(Value::as_u64);
        let named = match &rules.identity {
            None => Named::Own,
            Some(identity) => Named::of(identity, &body, client),
        };
        if step == Step::Login {
            return session.begin(named, value, reply.cookies);
        }
        match named {
            Named::Own => {}
            _ if session.is_replaced_by(reply.cookies) => {
                return failed(Outcome::Rejected, ErrorClass::SessionRecreated);
            }
            Named::Nobody => return failed(Outcome::Rejected, ErrorClass::SessionRejected),
            Named::Other => return failed(Outcome::Rejected, ErrorClass::WrongIdentity),
            Named::Unsaid => return failed(Outcome::Indeterminate, ErrorClass::WrongAnswer),
        }
        if step != Step::Logout {
            // A logout takes the cookie away; the read-back must still show it, as a thief would.
            session.take_cookies(reply.cookies);
        }
        match (step, value) {
            // The end of a session and the final look are judged by the ledger, not here.
            (Step::Logout | Step::ReadBack, value) => Judgement {
                outcome: Outcome::Acknowledged,
                error: None,
                value,
            },
            (_, None) => failed(Outcome::Indeterminate, ErrorClass::WrongAnswer),
            (_, Some(value)) => Judgement {
                outcome: Outcome::Acknowledged,
                error: (!session.accepts(step, value)).then_some(ErrorClass::WrongAnswer),
                value: Some(value),
            },
        }
    }
}

const fn failed(outcome: Outcome, class: ErrorClass) -> Judgement {
    Judgement {
        outcome,
        error: Some(class),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_core::plan::SessionFlow;

    const PORT: u16 = 4242;
    const CLIENT: u32 = 7;

    fn flow() -> Flow {
        Flow::new(
            &Workload::Sessions(Box::new(SessionFlow::reference())),
            PORT,
        )
    }

    /// What a reply to `step` means to a client whose session holds the counter 3.
    fn check(
        step: Step,
        status: u16,
        body: &str,
        cookie: Option<&str>,
    ) -> (Outcome, Option<ErrorClass>) {
        let mut session = Session {
            cookies: vec![("session".to_owned(), "mine".to_owned())],
            base: 3,
            ..Session::default()
        };
        let cookies: Vec<String> = cookie.into_iter().map(str::to_owned).collect();
        let reply = Reply {
            status,
            boot: None,
            cookies: &cookies,
            headers: &[],
            body: body.as_bytes(),
            unframed: false,
        };
        let judgement = flow().judge(step, CLIENT, &mut session, &reply);
        (judgement.outcome, judgement.error)
    }

    #[test]
    fn each_kind_of_wrong_reply_is_told_apart() {
        use ErrorClass as E;
        use Outcome::{Acknowledged, Indeterminate, Rejected};
        let own = |visits: u64| format!(r#"{{"user":"u7","visits":{visits}}}"#);
        for (step, status, body, cookie, expected) in [
            (Step::Act, 200, own(4), None, (Acknowledged, None)),
            (
                Step::Act,
                200,
                own(4),
                Some("session=newer"),
                (Acknowledged, None),
            ),
            (
                Step::Act,
                200,
                own(3),
                None,
                (Acknowledged, Some(E::WrongAnswer)),
            ),
            (
                Step::Act,
                200,
                own(1003),
                None,
                (Acknowledged, Some(E::WrongAnswer)),
            ),
            (
                Step::Act,
                200,
                r#"{"user":"u7"}"#.into(),
                None,
                (Indeterminate, Some(E::WrongAnswer)),
            ),
            (
                Step::Act,
                200,
                "<html>".into(),
                None,
                (Indeterminate, Some(E::WrongAnswer)),
            ),
            (Step::Check, 200, own(3), None, (Acknowledged, None)),
            (
                Step::Check,
                200,
                own(2),
                None,
                (Acknowledged, Some(E::WrongAnswer)),
            ),
            (Step::Logout, 204, String::new(), None, (Acknowledged, None)),
            (
                Step::Check,
                401,
                String::new(),
                None,
                (Rejected, Some(E::SessionRejected)),
            ),
            (
                Step::Login,
                401,
                String::new(),
                None,
                (Rejected, Some(E::ClientError)),
            ),
            (
                Step::Check,
                404,
                String::new(),
                None,
                (Rejected, Some(E::ClientError)),
            ),
            (
                Step::Act,
                503,
                String::new(),
                None,
                (Indeterminate, Some(E::ServerError)),
            ),
            (
                Step::Check,
                200,
                r#"{"user":"u8","visits":3}"#.into(),
                None,
                (Rejected, Some(E::WrongIdentity)),
            ),
            (
                Step::Check,
                200,
                r#"{"user":null,"visits":0}"#.into(),
                None,
                (Rejected, Some(E::SessionRejected)),
            ),
            (
                Step::Check,
                200,
                r#"{"error":"busy"}"#.into(),
                None,
                (Indeterminate, Some(E::WrongAnswer)),
            ),
            (
                Step::Check,
                200,
                r#"{"user":"guest","visits":0}"#.into(),
                Some("session=other"),
                (Rejected, Some(E::SessionRecreated)),
            ),
        ] {
            assert_eq!(
                check(step, status, &body, cookie),
                expected,
                "{step:?} {status} {body}"
            );
        }
    }

    #[test]
    fn an_unacknowledged_change_may_or_may_not_show_later() {
        for (value, fits) in [(3, false), (4, true), (5, true), (6, false)] {
            let mut session = Session {
                base: 3,
                ..Session::default()
            };
            session.note_indeterminate();
            assert_eq!(session.accepts(Step::Act, value), fits, "{value}");
        }
    }

    #[test]
    fn a_counter_that_fell_back_is_refuted_once_and_then_continued_from() {
        let mut session = Session {
            base: 10,
            ..Session::default()
        };
        let seen: Vec<bool> = [8, 9, 10]
            .map(|value| session.accepts(Step::Act, value))
            .into();
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn a_counter_that_leapt_and_came_back_is_refuted_once() {
        let mut session = Session {
            base: 10,
            ..Session::default()
        };
        let seen: Vec<bool> = [1011, 12, 13]
            .map(|value| session.accepts(Step::Act, value))
            .into();
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn requests_carry_the_client_and_its_cookies() {
        let mut session = Session::default();
        let text = |step, session: &Session| {
            let mut out = Vec::new();
            flow().write_request(step, CLIENT, session, &mut out);
            String::from_utf8(out).expect("ascii")
        };
        assert_eq!(
            text(Step::Login, &session),
            "POST /login HTTP/1.1\r\nhost: 127.0.0.1:4242\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"user\":\"u7\"}"
        );
        session.take_cookies(&["a=1; Path=/".to_owned(), "b=2".to_owned(), "a=3".to_owned()]);
        session.take_cookies(&["b=; Max-Age=0".to_owned()]);
        assert_eq!(
            text(Step::Check, &session),
            "GET /me HTTP/1.1\r\nhost: 127.0.0.1:4242\r\ncookie: a=3\r\n\r\n"
        );
    }
}
