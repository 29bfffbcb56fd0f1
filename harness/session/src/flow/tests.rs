//! Requests of flows, and the meaning of replies.

use std::collections::BTreeMap;

use comeback_model::operation::{ErrorClass, Outcome, Step};
use comeback_model::plan::{
    Body, Call, Command, Dialect, Expect, Extract, Identity, Request, SessionFlow, StatusRange,
    Workload, Writes,
};

use super::{Flow, FlowError, Known, Next, Of, ReplyMeaning, Session, Turn, User, Users};
use crate::wire::Reply;

const PORT: u16 = 4242;
const USER: User = User {
    number: 7,
    login: 0,
    seed: 1,
};

/// A reply by its parts.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    status: u16,
    body: &'a str,
    cookies: &'a [&'a str],
    location: Option<&'a str>,
}

fn said(status: u16, body: &str) -> Said<'_> {
    Said {
        status,
        body,
        ..Said::default()
    }
}

/// A user in the middle of a session.
struct Visit {
    flow: Flow,
    session: Session,
}

impl Visit {
    fn new(flow: SessionFlow) -> Self {
        let flow = Flow::new(&Workload::Sessions(Box::new(flow)), PORT);
        Self {
            flow: flow.expect("a flow"),
            session: Session::default(),
        }
    }

    fn begin(&mut self, step: Step) -> Turn {
        self.flow.begin(step, &mut self.session)
    }

    fn sends(&mut self, turn: &mut Turn) -> String {
        let mut out = Vec::new();
        let written = self
            .flow
            .write_request(turn, USER, &mut self.session, &mut out);
        written.expect("a request");
        String::from_utf8(out).expect("ascii")
    }

    fn hears(&mut self, turn: &mut Turn, said: Said<'_>) -> Next {
        let cookies: Vec<String> = said.cookies.iter().map(|c| (*c).to_owned()).collect();
        let headers: Vec<(String, String)> = said
            .location
            .map(|to| ("location".to_owned(), to.to_owned()))
            .into_iter()
            .collect();
        let reply = Reply {
            status: said.status,
            boot: None,
            cookies: &cookies,
            headers: &headers,
            body: said.body.as_bytes(),
            unframed: false,
            relayed: Default::default(),
        };
        self.flow.classify(turn, USER, &mut self.session, &reply)
    }

    /// An operation of one request.
    fn does(&mut self, step: Step, reply: Said<'_>) -> ReplyMeaning {
        let mut turn = self.begin(step);
        match self.hears(&mut turn, reply) {
            Next::Done(meaning) => {
                if step == Step::Act {
                    let write = self.flow.write_of(&turn);
                    self.session.note_change(write, meaning.outcome);
                }
                meaning
            }
            Next::Again => panic!("{step:?} goes on"),
        }
    }

    fn result(&mut self, step: Step, reply: Said<'_>) -> (Outcome, Option<ErrorClass>) {
        let meaning = self.does(step, reply);
        (meaning.outcome, meaning.error)
    }
}

/// What a reply to this step is told to lack.
fn told(flow: SessionFlow, step: Step, reply: Said<'_>) -> String {
    let mut visit = Visit::new(flow);
    if step != Step::Login {
        visit.does(Step::Login, said(200, &own(0)));
    }
    let mut turn = visit.begin(step);
    let headers: Vec<(String, String)> = reply
        .location
        .map(|to| ("location".to_owned(), to.to_owned()))
        .into_iter()
        .collect();
    let heard = Reply {
        status: reply.status,
        boot: None,
        cookies: &[],
        headers: &headers,
        body: reply.body.as_bytes(),
        unframed: false,
        relayed: Default::default(),
    };
    visit
        .flow
        .classify(&mut turn, USER, &mut visit.session, &heard);
    visit
        .flow
        .explain(&turn, USER, &visit.session, &heard)
        .expect("it is wrong")
}

#[test]
fn a_wrong_reply_is_explained_by_the_expectation_that_failed_and_its_mend() {
    let flow = || SessionFlow {
        identity: None,
        ..SessionFlow::reference()
    };
    let at = |place: &str| SessionFlow {
        value: Some(Extract::Pointer(place.to_owned())),
        ..flow()
    };
    let moved = |status| Said {
        location: Some("/login?next=/"),
        ..said(status, "")
    };
    let notes = r#"{"notes":{"count":1}}"#;
    let cases = [
        (
            told(at("/note/count"), Step::Check, said(200, notes)),
            "value: nothing at /note/count: did you mean /notes/count?",
        ),
        (
            told(at("/visits"), Step::Check, said(200, "<p>hello</p>")),
            "value: nothing at /visits: the body is not JSON",
        ),
        (
            told(
                at("/visits"),
                Step::Check,
                said(200, r#"{"visits":"many"}"#),
            ),
            "value: at /visits stands no counter: if acts add entries of their own, say writes = \"set\" or \"list\"",
        ),
        (
            told(flow(), Step::Check, moved(302)),
            "status 302 to /login instead of a 2xx: this looks like the way to the login page: say \
             logged_out_page = { headers = { location = \"/login\" } }",
        ),
        (
            told(flow(), Step::Login, moved(302)),
            "status 302 to /login instead of a 2xx: if that is how a login succeeds, say expect = { status = 302 }, \
             or follow = 1 to go there",
        ),
        (
            told(flow(), Step::Login, said(404, "")),
            "status 404 instead of a 2xx: is the path right?",
        ),
        (
            told(
                SessionFlow::reference(),
                Step::Login,
                said(200, r#"{"user":"somebody","visits":0}"#),
            ),
            "identity: the name at /user is not 'u7': is it written like that there?",
        ),
        (
            told(SessionFlow::reference(), Step::Login, said(401, "")),
            "status 401 instead of a 2xx: the login was refused: are the user and the password right? A form may want a \
             CSRF token: fetch it by a request in before, and capture it",
        ),
        (
            told(flow(), Step::Check, said(200, r#"{"visits":7}"#)),
            "value: /visits does not show what this session wrote before: is it the session's own state, and does each act \
             change it as `writes` says?",
        ),
    ];
    for (told, wanted) in cases {
        assert_eq!(told, wanted);
    }
}

fn own(visits: u64) -> String {
    format!(r#"{{"user":"u7","visits":{visits}}}"#)
}

/// A user of a reference server whose counter is 3.
fn reference() -> Visit {
    let mut visit = Visit::new(SessionFlow::reference());
    let login = Said {
        cookies: &["session=mine"],
        ..said(200, r#"{"user":"u7","visits":0}"#)
    };
    assert_eq!(
        visit.result(Step::Login, login),
        (Outcome::Acknowledged, None)
    );
    for visits in 1..=3 {
        let body = own(visits);
        assert_eq!(
            visit.result(Step::Act, said(200, &body)),
            (Outcome::Acknowledged, None)
        );
    }
    visit
}

#[test]
fn each_kind_of_wrong_reply_is_told_apart() {
    use ErrorClass as E;
    use Outcome::{Acknowledged, Indeterminate, Rejected};
    let stranger = r#"{"user":"guest","visits":0}"#;
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
        (
            Step::Check,
            200,
            "<html>".into(),
            None,
            (Indeterminate, Some(E::WrongAnswer)),
        ),
        (
            Step::Check,
            302,
            String::new(),
            None,
            (Indeterminate, Some(E::WrongAnswer)),
        ),
        (Step::Logout, 204, String::new(), None, (Acknowledged, None)),
        (Step::Logout, 302, String::new(), None, (Acknowledged, None)),
        (
            Step::Check,
            401,
            String::new(),
            None,
            (Rejected, Some(E::SessionRejected)),
        ),
        (
            Step::Check,
            200,
            "null".into(),
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
            stranger.into(),
            Some("session=other"),
            (Rejected, Some(E::SessionRecreated)),
        ),
        (
            Step::Check,
            200,
            r#"{"user":"u8","visits":3}"#.into(),
            Some("session=other"),
            (Rejected, Some(E::WrongIdentity)),
        ),
        (
            Step::Act,
            200,
            r#"{"user":"u8","visits":3}"#.into(),
            Some("session=; Max-Age=0"),
            (Rejected, Some(E::WrongIdentity)),
        ),
    ] {
        let cookies: Vec<&str> = cookie.into_iter().collect();
        let reply = Said {
            cookies: &cookies,
            ..said(status, &body)
        };
        assert_eq!(
            reference().result(step, reply),
            expected,
            "{step:?} {status} {body}"
        );
    }
}

#[test]
fn who_has_logged_out_is_told_that_he_is_a_guest_or_shown_another_user() {
    for (body, class) in [
        (
            r#"{"user":"guest","visits":0}"#,
            ErrorClass::SessionRejected,
        ),
        (r#"{"user":"u8","visits":0}"#, ErrorClass::WrongIdentity),
    ] {
        let mut visit = reference();
        visit.result(Step::Logout, said(204, ""));
        assert_eq!(
            visit.result(Step::ReadBack, said(200, body)),
            (Outcome::Rejected, Some(class)),
            "{body}"
        );
    }
}

#[test]
fn whose_session_is_answered_in_a_guests_name_has_lost_it_logged_out_or_not() {
    let guests = r#"{"user":"guest","visits":0}"#;
    let cookies = &["session=another"];
    let anew = Said {
        cookies,
        ..said(200, guests)
    };
    for step in [Step::Act, Step::Check, Step::ReadBack] {
        for (reply, class) in [
            (said(200, guests), ErrorClass::SessionRejected),
            (anew, ErrorClass::SessionRecreated),
        ] {
            let lost = (Outcome::Rejected, Some(class));
            assert_eq!(reference().result(step, reply), lost, "{step:?}");
            let mut visit = reference();
            visit.result(Step::Logout, said(404, ""));
            assert_eq!(visit.result(step, reply), lost, "{step:?}");
        }
    }
}

#[test]
fn a_login_that_is_answered_in_a_guests_name_failed_and_showed_no_other_user() {
    let mut visit = Visit::new(SessionFlow::reference());
    assert_eq!(
        visit.result(Step::Login, said(200, r#"{"user":"guest","visits":0}"#)),
        (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer))
    );
}

/// What a reply means to this user that shows this name, and maybe sets a cookie.
fn named(
    visit: &mut Visit,
    (number, step): (u32, Step),
    name: &str,
    cookies: &[String],
) -> Option<ErrorClass> {
    let user = User { number, ..USER };
    let body = format!(r#"{{"account":"{name}"}}"#);
    let mut turn = visit.begin(step);
    let reply = Reply {
        status: 200,
        boot: None,
        cookies,
        headers: &[],
        body: body.as_bytes(),
        unframed: false,
        relayed: Default::default(),
    };
    let flow = &visit.flow;
    match flow.classify(&mut turn, user, &mut visit.session, &reply) {
        Next::Done(meaning) => meaning.error,
        Next::Again => panic!("it goes on"),
    }
}

/// Visits of a server that gives its users their names. All know together what logins showed.
fn visits_of_named() -> impl FnMut() -> Visit {
    let account = Extract::Pointer("/account".to_owned());
    let reference = SessionFlow::reference();
    let workload = Workload::Sessions(Box::new(SessionFlow {
        login: Request {
            capture: BTreeMap::from([("account".to_owned(), account.clone())]),
            ..reference.login.clone()
        },
        identity: Some(Identity {
            at: account,
            name: "{{ account }}".to_owned(),
        }),
        value: None,
        ..reference
    }));
    let known = Known::default();
    move || Visit {
        flow: Flow::new(&workload, PORT)
            .expect("a flow")
            .knowing(known.clone()),
        session: Session::default(),
    }
}

/// Names that the server gives, as logins show them, whoever drives these: another worker, or a probe.
#[test]
fn a_name_that_another_users_login_showed_ends_the_session_and_is_in_doubt() {
    let mut begin = visits_of_named();
    let (mut another, mut visit) = (begin(), begin());
    for (number, name) in [(8, "zoe"), (9, "all"), (10, "all")] {
        another.session = Session::default();
        let login = (number, Step::Login);
        assert_eq!(named(&mut another, login, name, &[]), None);
    }
    assert_eq!(named(&mut visit, (7, Step::Login), "amy", &[]), None);
    let rejected = Some(ErrorClass::SessionRejected);
    for (name, error, is_in_doubt) in [
        ("amy", None, false),
        ("zoe", rejected, true),
        ("guest", rejected, false),
        // Several users had it.
        ("all", rejected, false),
    ] {
        let look = (7, Step::ReadBack);
        assert_eq!(named(&mut visit, look, name, &[]), error, "{name}");
        let names = visit.flow.known.take_doubts().names;
        assert_eq!(!names.is_empty(), is_in_doubt, "{name}");
    }
}

/// A server that hands its names out anew after a crash shows each at a login first, and one that draws them may draw one again: a user
/// who had another name has lost his session, and whose content he sees is in doubt.
#[test]
fn a_name_of_the_servers_choice_that_was_another_users_is_in_doubt() {
    let mut begin = visits_of_named();
    let mut old: Vec<Visit> = (0..12).map(|_| begin()).collect();
    let cookie = |text: &str| [format!("sid={text}; Path=/")];
    for (number, visit) in (0..).zip(&mut old) {
        let name = format!("member-{number}");
        let login = (number, Step::Login);
        assert_eq!(named(visit, login, &name, &cookie("old")), None);
    }
    begin().flow.known.expect_as_before();
    // User 20 is called as user 3 was, and as a new one is.
    for (number, name) in [(20, "member-3"), (20, "late")] {
        let login = (number, Step::Login);
        assert_eq!(named(&mut begin(), login, name, &[]), None);
    }
    let look = (5, Step::ReadBack);
    let rejected = Some(ErrorClass::SessionRejected);
    let known = begin().flow.known.clone();
    let in_doubt = || known.take_doubts().names;
    assert_eq!(in_doubt(), [""; 0]);
    for name in ["member-3", "late"] {
        assert_eq!(named(&mut old[5], look, name, &[]), rejected);
        assert_eq!(in_doubt(), [name]);
    }
    // Where the reply begins a session anew, the name is one that is free again.
    let anew = Some(ErrorClass::SessionRecreated);
    assert_eq!(named(&mut old[5], look, "member-3", &cookie("new")), anew);
    // Whose own name it was may see it, and a name that several were given says nothing.
    assert_eq!(
        named(&mut old[3], (3, Step::ReadBack), "member-3", &[]),
        None
    );
    for number in [21, 22] {
        assert_eq!(
            named(&mut begin(), (number, Step::Login), "guest", &[]),
            None
        );
    }
    assert_eq!(named(&mut old[5], look, "guest", &[]), rejected);
    assert_eq!(in_doubt(), [""; 0]);
}

/// A counter of accounts that begins anew beside stored sessions gives a new user the account of an old one, who has it still. A server
/// that draws names may give both the same one, too.
#[test]
fn two_users_who_are_shown_one_name_at_the_final_looks_are_in_doubt() {
    for (users, sharing, is_over, is_in_doubt) in [
        (12, 0, false, true),
        // The old user has left, and his account may be free.
        (12, 0, true, false),
        // One name that two share does not excuse the others. Where many names are shared, or few are known, none is an account for sure.
        (14, 2, false, true),
        (14, 4, false, false),
        (9, 0, false, false),
    ] {
        let case = (users, sharing, is_over);
        let mut begin = visits_of_named();
        let mut old: Vec<Visit> = (0..users).map(|_| begin()).collect();
        for (number, visit) in (0..).zip(&mut old) {
            // Two by two.
            let own = if number < users - sharing {
                number
            } else {
                number - number % 2
            };
            let name = format!("member-{own}");
            assert_eq!(named(visit, (number, Step::Login), &name, &[]), None);
        }
        let known = begin().flow.known.clone();
        known.expect_as_before();
        let mut new = begin();
        let ask = |visit: &mut Visit, number: u32, step: Step| {
            named(visit, (number, step), "member-3", &[])
        };
        assert_eq!(ask(&mut new, 20, Step::Login), None, "{case:?}");
        // Before the final looks nobody knows whose session goes on.
        for step in [Step::Check, Step::ReadBack] {
            assert_eq!(ask(&mut old[3], 3, step), None, "{case:?}");
            assert_eq!(ask(&mut new, 20, step), None, "{case:?}");
        }
        known.begin_looks();
        if is_over {
            old[3].session.note_over();
        }
        let in_doubt = || !known.take_doubts().names.is_empty();
        for _round in 0..2 {
            assert_eq!(ask(&mut old[3], 3, Step::ReadBack), None, "{case:?}");
            assert!(!in_doubt(), "{case:?}");
            assert_eq!(ask(&mut new, 20, Step::ReadBack), None, "{case:?}");
            assert_eq!(in_doubt(), is_in_doubt, "{case:?}");
        }
        known.end_looks();
        assert_eq!(ask(&mut new, 20, Step::ReadBack), None, "{case:?}");
        assert!(!in_doubt(), "{case:?}");
    }
}

#[test]
fn a_change_that_was_redirected_may_have_happened_though_the_page_behind_is_refused() {
    for (status, class) in [
        (404, ErrorClass::ClientError),
        (401, ErrorClass::SessionRejected),
    ] {
        let flow = SessionFlow::reference();
        let mut visit = Visit::new(SessionFlow {
            act: Request {
                follow: 1,
                ..flow.act.clone()
            },
            ..flow
        });
        visit.does(Step::Login, said(200, &own(0)));
        let refused = |visit: &mut Visit, turn: &mut Turn| match visit.hears(turn, said(status, ""))
        {
            Next::Done(meaning) => (meaning.outcome, meaning.error),
            Next::Again => panic!("it goes on"),
        };
        let mut turn = visit.begin(Step::Act);
        visit.sends(&mut turn);
        let redirect = Said {
            location: Some("/done"),
            ..said(303, "")
        };
        assert_eq!(visit.hears(&mut turn, redirect), Next::Again);
        visit.sends(&mut turn);
        assert_eq!(
            refused(&mut visit, &mut turn),
            (Outcome::Indeterminate, Some(class))
        );
        // What was refused itself did not happen.
        let mut turn = visit.begin(Step::Act);
        visit.sends(&mut turn);
        assert_eq!(
            refused(&mut visit, &mut turn),
            (Outcome::Rejected, Some(class))
        );
    }
}

#[test]
fn a_goodbye_may_speak_to_a_logged_out_user() {
    for named in [r#""guest""#, "null", r#""""#] {
        let body = format!(r#"{{"user":{named},"visits":0}}"#);
        for cookies in [&[][..], &["session=; Max-Age=0"], &["session=guests"]] {
            let reply = Said {
                cookies,
                ..said(200, &body)
            };
            let meaning = reference().does(Step::Logout, reply);
            assert_eq!(meaning, ReplyMeaning::acknowledged(None), "{body}");
            // Not where its goodbyes name the user of the session: it is not known then.
            let mut visit = reference();
            visit.does(Step::Logout, said(200, &own(3)));
            let (outcome, error) = visit.result(Step::Logout, reply);
            assert_eq!(outcome, Outcome::Rejected, "{body}");
            assert!(error.is_some(), "{body}");
        }
    }
    let another = said(200, r#"{"user":"u8","visits":3}"#);
    let refused = (Outcome::Rejected, Some(ErrorClass::WrongIdentity));
    assert_eq!(reference().result(Step::Logout, another), refused);
}

#[test]
fn a_goodbye_that_names_nobody_shows_no_state_as_of_a_new_session() {
    for (body, value) in [
        (own(3), Some(3)),
        // It says whose: the session was set back.
        (own(0), Some(0)),
        (r#"{"visits":3}"#.to_owned(), Some(3)),
        (r#"{"visits":1}"#.to_owned(), Some(1)),
        (r#"{"visits":0}"#.to_owned(), None),
    ] {
        let meaning = reference().does(Step::Logout, said(200, &body));
        assert_eq!(meaning, ReplyMeaning::acknowledged(value), "{body}");
    }
}

#[test]
fn whose_number_no_user_of_the_run_has_is_a_stranger() {
    for (name, class) in [
        ("user8", ErrorClass::WrongIdentity),
        ("user49", ErrorClass::WrongIdentity),
        // A probe's user.
        ("user4294967295", ErrorClass::WrongIdentity),
        ("user50", ErrorClass::SessionRecreated),
        // A guest account with a number of its own.
        ("user51873", ErrorClass::SessionRecreated),
    ] {
        let mut visit = Visit::new(SessionFlow {
            identity: Some(Identity {
                at: Extract::Body,
                name: "user{{ session }}".to_owned(),
            }),
            value: None,
            ..SessionFlow::reference()
        });
        visit.flow = visit.flow.among(Users {
            first: 0,
            clients: 50,
            probes: 9,
        });
        let login = Said {
            cookies: &["session=a"],
            ..said(200, "user7")
        };
        visit.does(Step::Login, login);
        let anew = Said {
            cookies: &["session=b"],
            ..said(200, name)
        };
        let refused = (Outcome::Rejected, Some(class));
        assert_eq!(visit.result(Step::Check, anew), refused, "{name}");
    }
}

#[test]
fn another_user_is_known_by_a_name_that_the_template_gives() {
    for (name, body, class) in [
        ("{{ session }}", "8", ErrorClass::WrongIdentity),
        ("{{ session }}", "0", ErrorClass::SessionRejected),
        ("{{ session }}", "-8", ErrorClass::SessionRejected),
        (
            "user{{ session + 100 }}",
            "user108",
            ErrorClass::WrongIdentity,
        ),
        (
            "user{{ session + 100 }}",
            "user",
            ErrorClass::SessionRejected,
        ),
        (
            "u{{ session }}-{{ login }}",
            "u8-3",
            ErrorClass::WrongIdentity,
        ),
        (
            "u{{ session }}-{{ login }}",
            "u7-3",
            ErrorClass::SessionRejected,
        ),
        ("everybody", "u8", ErrorClass::SessionRejected),
    ] {
        let mut visit = Visit::new(SessionFlow {
            identity: Some(Identity {
                at: Extract::Body,
                name: name.to_owned(),
            }),
            value: None,
            ..SessionFlow::reference()
        });
        visit.result(Step::Logout, said(204, ""));
        assert_eq!(
            visit.result(Step::ReadBack, said(200, body)),
            (Outcome::Rejected, Some(class)),
            "{name} {body}"
        );
    }
}

#[test]
fn without_an_expectation_a_page_is_not_empty_that_never_was_before_the_fault() {
    let asked = |method: &str, expect: Expect| {
        let request = Request {
            expect,
            ..Request::new(method, "/")
        };
        let flow = Flow::new(&Workload::Stateless(Box::new(request)), PORT);
        Visit {
            flow: flow.expect("a flow"),
            session: Session::default(),
        }
    };
    let right = (Outcome::Acknowledged, None);
    let wrong = (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer));
    let after = |mut visit: Visit, before: &[&str], reply: Said<'_>| {
        for body in before {
            assert_eq!(visit.result(Step::Check, said(200, body)), right);
        }
        visit.flow.known.expect_as_before();
        visit.result(Step::Check, reply)
    };
    let get = || asked("GET", Expect::default());
    let always = ["welcome"; 10];
    assert_eq!(after(get(), &always, said(200, "")), wrong);
    assert_eq!(after(get(), &always, said(200, "later")), right);
    assert_eq!(after(get(), &always, said(204, "")), right);
    // Too few are known for one empty page to be wrong, or one was empty before: many in a row are.
    let sometimes = [&always[..], &[""]].concat();
    let often = ["welcome", ""].repeat(10);
    for (before, from) in [(&always[1..], 9), (&sometimes, 12), (&often, 30)] {
        let mut visit = get();
        for body in before {
            assert_eq!(visit.result(Step::Check, said(200, body)), right);
        }
        visit.flow.known.expect_as_before();
        for number in 1..=from {
            let wanted = if number >= from { wrong } else { right };
            let told = visit.result(Step::Check, said(200, ""));
            assert_eq!(told, wanted, "{before:?}: {number}");
        }
    }
    // One that is there begins the row anew, but of one in 200 before not every second one is empty now.
    let mut visit = get();
    for number in 0..200 {
        let body = if number == 7 { "" } else { "welcome" };
        assert_eq!(visit.result(Step::Check, said(200, body)), right);
    }
    visit.flow.known.expect_as_before();
    let mut wrong_ones = 0;
    for _ in 0..30 {
        assert_eq!(visit.result(Step::Check, said(200, "later")), right);
        wrong_ones += u32::from(visit.result(Step::Check, said(200, "")) == wrong);
    }
    assert!((5..28).contains(&wrong_ones), "{wrong_ones}");
    // A page that is empty every other time may be so for ever.
    let mut visit = get();
    for body in ["welcome", ""].repeat(10) {
        assert_eq!(visit.result(Step::Check, said(200, body)), right);
    }
    visit.flow.known.expect_as_before();
    for body in ["welcome", "", ""].repeat(300) {
        assert_eq!(visit.result(Step::Check, said(200, body)), right);
    }
    // Of a page that never was there nothing is known.
    let never = [""; 20];
    let mut visit = get();
    for body in never {
        assert_eq!(visit.result(Step::Check, said(200, body)), right);
    }
    visit.flow.known.expect_as_before();
    for _ in 0..100 {
        assert_eq!(visit.result(Step::Check, said(200, "")), right);
    }
    assert_eq!(
        after(asked("POST", Expect::default()), &always, said(200, "")),
        right
    );
    let any_page = Expect {
        status: vec![StatusRange {
            first: 200,
            last: 200,
        }],
        ..Expect::default()
    };
    assert_eq!(after(asked("GET", any_page), &always, said(200, "")), right);
}

#[test]
fn with_sessions_pages_of_which_nothing_is_said_are_as_before_the_fault_too() {
    let reference = SessionFlow::reference();
    let bare = SessionFlow {
        value: None,
        identity: None,
        browse: Some(Request::new("GET", "/offers")),
        ..reference.clone()
    };
    let browses = SessionFlow {
        browse: bare.browse.clone(),
        ..reference
    };
    let right = (Outcome::Acknowledged, None);
    let wrong = (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer));
    for (flow, step, after) in [
        (&bare, Step::Check, wrong),
        (&bare, Step::Get, wrong),
        (&browses, Step::Get, wrong),
        (&bare, Step::ReadBack, wrong),
        (&bare, Step::Act, right),
    ] {
        let mut visit = Visit::new(flow.clone());
        visit.session.note_change(None, Outcome::Acknowledged);
        for _ in 0..10 {
            assert_eq!(visit.result(step, said(200, "welcome")), right, "{step:?}");
        }
        visit.flow.known.expect_as_before();
        let in_doubt = |visit: &Visit| visit.flow.known.take_doubts().pages;
        // Of the pages of users who have done nothing yet nothing is known, and that of a user who has logged out may be empty.
        let has_changed = std::mem::take(&mut visit.session);
        if step != Step::Get {
            assert_eq!(visit.result(step, said(200, "")), right, "{step:?}");
        }
        visit.session.note_over();
        if step == Step::ReadBack {
            assert_eq!(visit.result(step, said(200, "")), right);
        }
        assert_eq!(in_doubt(&visit), [""; 0], "{step:?}");
        visit.session = has_changed;
        assert_eq!(visit.result(step, said(200, "")), after, "{step:?}");
        assert_eq!(
            in_doubt(&visit).len(),
            usize::from(after == wrong),
            "{step:?}"
        );
        // Other pages have other bodies.
        if step == Step::Check {
            assert_eq!(visit.result(Step::Get, said(200, "")), right);
        }
    }
}

#[test]
fn what_one_has_learned_of_pages_another_judges_by() {
    let request = Request::new("GET", "/");
    let workload = Workload::Stateless(Box::new(request));
    let known = Known::default();
    let visit = || {
        let flow = Flow::new(&workload, PORT).expect("a flow");
        Visit {
            flow: flow.knowing(known.clone()),
            session: Session::default(),
        }
    };
    let right = (Outcome::Acknowledged, None);
    let wrong = (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer));
    for _ in 0..10 {
        assert_eq!(visit().result(Step::Check, said(200, "welcome")), right);
    }
    known.expect_as_before();
    assert_eq!(visit().result(Step::Check, said(200, "")), wrong);
    assert_eq!(visit().result(Step::Check, said(200, "later")), right);
}

#[test]
fn requests_carry_the_client_and_its_cookies() {
    let mut visit = Visit::new(SessionFlow::reference());
    let mut turn = visit.begin(Step::Login);
    assert_eq!(
        visit.sends(&mut turn),
        "POST /login HTTP/1.1\r\nhost: 127.0.0.1:4242\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"user\":\"u7\"}"
    );
    visit
        .session
        .take_cookies(&["a=1; Path=/".to_owned(), "b=2".to_owned(), "a=3".to_owned()]);
    visit.session.take_cookies(&["b=; Max-Age=0".to_owned()]);
    let mut turn = visit.begin(Step::Check);
    assert_eq!(
        visit.sends(&mut turn),
        "GET /me HTTP/1.1\r\nhost: 127.0.0.1:4242\r\ncookie: a=3\r\n\r\n"
    );
}

/// A site with a form that carries a CSRF token, and a redirect after the login.
fn site() -> SessionFlow {
    let form = BTreeMap::from([
        ("user".to_owned(), "u{{ session }}".to_owned()),
        ("csrf".to_owned(), "{{ csrf }}".to_owned()),
    ]);
    let login = Call::Http {
        method: "POST".to_owned(),
        path: "/login".to_owned(),
        headers: BTreeMap::new(),
        body: Some(Body::Form(form)),
    };
    let act = Call::Http {
        method: "POST".to_owned(),
        path: "/visit".to_owned(),
        headers: BTreeMap::from([("authorization".to_owned(), "Bearer {{ token }}".to_owned())]),
        body: None,
    };
    let capture = |name: &str, place: &str| {
        BTreeMap::from([(name.to_owned(), place.parse().expect("a place"))])
    };
    SessionFlow {
        login: Request {
            before: vec!["form".to_owned()],
            follow: 1,
            expect: Expect {
                body: Some("Welcome, u{{ session }}".to_owned()),
                ..Expect::default()
            },
            capture: capture("token", "regex:token=(\\w+)"),
            ..Request::of(login)
        },
        act: Request::of(act),
        more: BTreeMap::from([(
            "form".to_owned(),
            Request {
                capture: capture("csrf", "regex:value='([^']*)'"),
                ..Request::new("GET", "/login")
            },
        )]),
        value: Some(Extract::Regex("(\\d+) visits".to_owned())),
        identity: None,
        logged_out_page: Some(Expect {
            body: Some("Please log in".to_owned()),
            ..Expect::default()
        }),
        ..SessionFlow::reference()
    }
}

#[test]
fn a_login_may_take_a_form_a_token_and_a_redirect() {
    let mut visit = Visit::new(site());
    let mut turn = visit.begin(Step::Login);
    assert!(
        visit
            .sends(&mut turn)
            .starts_with("GET /login HTTP/1.1\r\n")
    );
    assert_eq!(turn.outcome_if_broken(true), Outcome::Rejected);
    let form = Said {
        cookies: &["csrf=abc"],
        ..said(200, "<input name='csrf' value='a&b'>")
    };
    assert_eq!(visit.hears(&mut turn, form), Next::Again);
    let posted = visit.sends(&mut turn);
    assert!(posted.starts_with("POST /login HTTP/1.1\r\n"), "{posted}");
    assert!(posted.contains("cookie: csrf=abc\r\n"), "{posted}");
    assert!(
        posted.contains("content-type: application/x-www-form-urlencoded\r\n"),
        "{posted}"
    );
    assert!(posted.ends_with("\r\n\r\ncsrf=a%26b&user=u7"), "{posted}");
    assert_eq!(turn.outcome_if_broken(true), Outcome::Indeterminate);
    let redirect = Said {
        status: 302,
        cookies: &["sid=1"],
        location: Some("http://127.0.0.1:4242/home?x=1#top"),
        ..Said::default()
    };
    assert_eq!(visit.hears(&mut turn, redirect), Next::Again);
    let followed = visit.sends(&mut turn);
    assert!(
        followed.starts_with("GET /home?x=1 HTTP/1.1\r\n"),
        "{followed}"
    );
    assert!(
        followed.contains("cookie: csrf=abc; sid=1\r\n"),
        "{followed}"
    );
    assert_eq!(turn.outcome_if_broken(false), Outcome::Indeterminate);
    let page = said(200, "Welcome, u7; token=t0k; 0 visits");
    assert_eq!(
        visit.hears(&mut turn, page),
        Next::Done(ReplyMeaning::acknowledged(Some(0)))
    );
    let mut act = visit.begin(Step::Act);
    assert!(
        visit
            .sends(&mut act)
            .contains("authorization: Bearer t0k\r\n")
    );
}

#[test]
fn a_redirect_may_be_told_relative_to_what_was_asked_for() {
    for (location, path) in [
        ("/home", "/home"),
        ("home?x=1#top", "/shop/home?x=1"),
        ("../start", "/start"),
        ("?page=2", "/shop/login?page=2"),
        ("//127.0.0.1/a", "/a"),
        ("https://localhost:8443", "/"),
        ("a b", "/shop/a%20b"),
    ] {
        let mut flow = SessionFlow::reference();
        flow.login = Request {
            follow: 1,
            ..Request::new("POST", "/shop/login?next=1")
        };
        let mut visit = Visit::new(flow);
        let mut turn = visit.begin(Step::Login);
        visit.sends(&mut turn);
        let redirect = Said {
            status: 303,
            location: Some(location),
            ..Said::default()
        };
        assert_eq!(visit.hears(&mut turn, redirect), Next::Again, "{location}");
        let followed = visit.sends(&mut turn);
        let line = format!("GET {path} HTTP/1.1\r\n");
        assert!(followed.starts_with(&line), "{location}: {followed}");
    }
}

#[test]
fn a_page_for_strangers_is_a_rejected_session() {
    let mut visit = Visit::new(site());
    visit.session.take_cookies(&["sid=1".to_owned()]);
    assert_eq!(
        visit.result(Step::Check, said(200, "Please log in")),
        (Outcome::Rejected, Some(ErrorClass::SessionRejected))
    );
    for (cookie, class) in [
        ("sid=2", ErrorClass::SessionRecreated),
        // The cookie of the lost session is taken away; none is begun.
        ("sid=\"\"; Max-Age=0", ErrorClass::SessionRejected),
    ] {
        let page = Said {
            cookies: &[cookie],
            ..said(200, "Please log in")
        };
        assert_eq!(
            visit.result(Step::Check, page),
            (Outcome::Rejected, Some(class)),
            "{cookie}"
        );
    }
}

#[test]
fn a_login_that_is_answered_in_another_users_name_is_no_login() {
    let mut visit = Visit::new(SessionFlow::reference());
    let anothers = said(200, r#"{"user":"u8","visits":0}"#);
    assert_eq!(
        visit.result(Step::Login, anothers),
        (Outcome::Indeterminate, Some(ErrorClass::WrongIdentity))
    );
}

#[test]
fn an_unmet_expectation_is_a_wrong_answer() {
    let mut visit = Visit::new(SessionFlow {
        check: Request {
            expect: Expect {
                status: vec![StatusRange {
                    first: 200,
                    last: 200,
                }],
                body: Some("u{{ session }}".to_owned()),
                ..Expect::default()
            },
            ..Request::new("GET", "/me")
        },
        identity: None,
        value: None,
        ..SessionFlow::reference()
    });
    for (status, body, expected) in [
        (200, "I am u7", (Outcome::Acknowledged, None)),
        (
            200,
            "I am u8",
            (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer)),
        ),
        (
            204,
            "I am u7",
            (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer)),
        ),
    ] {
        assert_eq!(
            visit.result(Step::Check, said(status, body)),
            expected,
            "{status} {body}"
        );
    }
}

/// A user of a server whose replies do not name the user.
fn nameless() -> Visit {
    let mut visit = Visit::new(SessionFlow {
        identity: None,
        ..SessionFlow::reference()
    });
    let login = Said {
        cookies: &["sid=1"],
        ..said(200, r#"{"visits":0}"#)
    };
    assert_eq!(
        visit.result(Step::Login, login),
        (Outcome::Acknowledged, None)
    );
    visit
}

#[test]
fn a_session_begun_anew_under_a_new_cookie_is_lost_though_nobody_is_named() {
    let mut visit = nameless();
    for visits in ["1", "2"] {
        let body = format!(r#"{{"visits":{visits}}}"#);
        assert_eq!(
            visit.result(Step::Act, said(200, &body)),
            (Outcome::Acknowledged, None)
        );
    }
    let anew = Said {
        cookies: &["sid=2"],
        ..said(200, r#"{"visits":0}"#)
    };
    assert_eq!(
        visit.result(Step::ReadBack, anew),
        (Outcome::Rejected, Some(ErrorClass::SessionRecreated))
    );
}

#[test]
fn a_server_that_renews_its_cookies_loses_no_session_by_it() {
    let mut visit = nameless();
    for visits in 1..5 {
        let (body, cookie) = (
            format!(r#"{{"visits":{visits}}}"#),
            format!("sid=v{visits}"),
        );
        let reply = Said {
            cookies: &[&cookie],
            ..said(200, &body)
        };
        let step = Step::Act;
        assert_eq!(
            visit.result(step, reply),
            (Outcome::Acknowledged, None),
            "{visits}"
        );
    }
    let mut fresh = nameless();
    fresh.flow = visit.flow;
    let first = Said {
        cookies: &["sid=v1"],
        ..said(200, r#"{"visits":1}"#)
    };
    assert_eq!(
        fresh.result(Step::Act, first),
        (Outcome::Acknowledged, None)
    );
}

#[test]
fn a_session_without_changes_that_gets_a_new_cookie_from_a_server_that_renews_none_is_lost() {
    let mut visit = nameless();
    for (step, visits) in [(Step::Act, 1), (Step::Check, 1)] {
        let body = format!(r#"{{"visits":{visits}}}"#);
        assert_eq!(
            visit.result(step, said(200, &body)),
            (Outcome::Acknowledged, None)
        );
    }
    let mut fresh = nameless();
    fresh.flow = visit.flow;
    let anew = Said {
        cookies: &["sid=2"],
        ..said(200, r#"{"visits":0}"#)
    };
    assert_eq!(
        fresh.result(Step::ReadBack, anew),
        (Outcome::Rejected, Some(ErrorClass::SessionRecreated))
    );
}

#[test]
fn a_final_look_without_the_counter_is_no_better_than_such_a_check() {
    for step in [Step::Check, Step::ReadBack] {
        let mut visit = nameless();
        assert_eq!(
            visit.result(step, said(200, r#"{"hello":"you"}"#)),
            (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer))
        );
    }
}

#[test]
fn a_look_that_shows_nothing_and_brings_a_new_cookie_proves_no_session() {
    let plain = said(200, "hello");
    let anew = Said {
        cookies: &["sid=2"],
        ..said(200, "hello")
    };
    let mut visit = Visit::new(SessionFlow {
        value: None,
        identity: None,
        ..SessionFlow::reference()
    });
    visit.session.take_cookies(&["sid=1".to_owned()]);
    let known = (Outcome::Acknowledged, None);
    assert_eq!(visit.result(Step::Check, plain), known);
    assert_eq!(visit.result(Step::ReadBack, plain), known);
    let doubtful = (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer));
    assert_eq!(visit.result(Step::ReadBack, anew), doubtful);
    // The load has met it before.
    assert_eq!(visit.result(Step::ReadBack, plain), doubtful);
    // A server that renews its cookies at each look says nothing by it.
    let mut renewed = Visit::new(SessionFlow {
        value: None,
        identity: None,
        ..SessionFlow::reference()
    });
    renewed.session.take_cookies(&["sid=1".to_owned()]);
    assert_eq!(renewed.result(Step::Check, anew), known);
    let again = Said {
        cookies: &["sid=3"],
        ..said(200, "hello")
    };
    assert_eq!(renewed.result(Step::ReadBack, again), known);
}

#[test]
fn writes_of_their_own_are_sent_and_found_again() {
    let mut visit = Visit::new(SessionFlow {
        act: Request::new("POST", "/items").with_json(r#"{"item":"{{ write }}"}"#),
        writes: Writes::List,
        value: Some(Extract::JsonPath("$.items[*].name".to_owned())),
        identity: None,
        ..SessionFlow::reference()
    });
    let mut act = visit.begin(Step::Act);
    assert!(visit.sends(&mut act).ends_with(r#"{"item":"w7-0-1"}"#));
    assert_eq!(visit.flow.write_of(&act), Some(1));
    visit.session.note_change(Some(1), Outcome::Acknowledged);
    let shown = r#"{"items":[{"name":"w7-0-1"},{"name":"gift"}]}"#;
    let meaning = visit.does(Step::Check, said(200, shown));
    assert_eq!(meaning.error, None);
    assert_eq!(meaning.found.expect("found").writes, [1]);
    let empty = said(200, r#"{"items":[]}"#);
    let meaning = visit.does(Step::Check, empty);
    assert_eq!(meaning.error, Some(ErrorClass::WrongAnswer));
    assert_eq!(meaning.outcome, Outcome::Acknowledged);
}

#[test]
fn a_list_too_long_to_be_read_whole_is_no_list() {
    let mut visit = Visit::new(SessionFlow {
        writes: Writes::List,
        value: Some(Extract::Regex("w[0-9-]+".to_owned())),
        identity: None,
        ..SessionFlow::reference()
    });
    let body = "w7-0-1 ".repeat(10_000);
    let cut_off = &body[..crate::wire::KEPT_BODY];
    assert_eq!(
        visit.result(Step::ReadBack, said(200, cut_off)),
        (Outcome::Indeterminate, Some(ErrorClass::WrongAnswer))
    );
}

#[test]
fn what_a_server_says_cannot_break_out_of_its_place() {
    let mut flow = site();
    flow.act = Request::new("POST", "/visit").with_json(r#"{"token":"{{ token }}"}"#);
    flow.check = Request::of(Call::Http {
        method: "GET".to_owned(),
        path: "/me?t={{ token }}".to_owned(),
        headers: BTreeMap::from([("x-token".to_owned(), "{{ token }}".to_owned())]),
        body: None,
    });
    let mut visit = Visit::new(flow);
    visit.session.capture("token", "a\"b\r\nx: y z".to_owned());
    let mut act = visit.begin(Step::Act);
    assert!(
        visit
            .sends(&mut act)
            .ends_with(r#"{"token":"a\"b\r\nx: y z"}"#)
    );
    let mut check = visit.begin(Step::Check);
    assert_eq!(
        visit.sends(&mut check),
        "GET /me?t=a\"bx:yz HTTP/1.1\r\nhost: 127.0.0.1:4242\r\nx-token: a\"bx: y z\r\n\r\n"
    );
}

#[test]
fn redis_commands_are_written_in_their_protocol() {
    let command = |words: &[&str]| {
        Request::of(Call::Command(Command {
            dialect: Dialect::Redis,
            words: words.iter().map(|w| (*w).to_owned()).collect(),
        }))
    };
    let mut visit = Visit::new(SessionFlow {
        login: command(&["SET", "user:{{ session }}", "u{{ session }}"]),
        act: command(&["INCR", "visits:{{ session }}"]),
        check: command(&["MGET", "user:{{ session }}", "visits:{{ session }}"]),
        logout: None,
        value: Some(Extract::Pointer("/1".to_owned())),
        identity: Some(Identity {
            at: Extract::Pointer("/0".to_owned()),
            name: "u{{ session }}".to_owned(),
        }),
        ..SessionFlow::reference()
    });
    let mut act = visit.begin(Step::Act);
    assert_eq!(
        visit.sends(&mut act),
        "*2\r\n$4\r\nINCR\r\n$8\r\nvisits:7\r\n"
    );
    assert_eq!(
        visit.result(Step::Login, said(200, "OK")),
        (Outcome::Acknowledged, None)
    );
    assert_eq!(
        visit.result(Step::Check, said(200, r#"["u7","0"]"#)),
        (Outcome::Acknowledged, None)
    );
    assert_eq!(
        visit.result(Step::Check, said(200, "[null,null]")),
        (Outcome::Rejected, Some(ErrorClass::SessionRejected))
    );
}

#[test]
fn random_numbers_follow_from_the_seed_and_differ() {
    let flow = || SessionFlow {
        check: Request::new("GET", "/me?r={{ random }}"),
        ..SessionFlow::reference()
    };
    let draw = |visit: &mut Visit| {
        let mut turn = visit.begin(Step::Check);
        visit.sends(&mut turn)
    };
    let (mut one, mut other) = (Visit::new(flow()), Visit::new(flow()));
    let first = draw(&mut one);
    assert_eq!(first, draw(&mut other));
    assert_ne!(first, draw(&mut one));
}

#[test]
fn a_flow_that_cannot_be_is_refused_by_the_name_of_its_part() {
    type Spoil = fn(&mut SessionFlow);
    let cases: [(Of, &str, Spoil); 10] = [
        (Of::Session, "value", |flow| {
            flow.value = Some(nested(9));
        }),
        (Of::Act, "request", |flow| {
            flow.act = Request::new("POST", &summed(4_096));
        }),
        (Of::Act, "request", |flow| {
            flow.act = Request::new("POST", "/a/{{ token }}")
        }),
        (Of::Act, "request", |flow| {
            flow.act = Request::new("POST", "/a/{{ session")
        }),
        (Of::Act, "request", |flow| {
            flow.act = Request::new("POST", "visit")
        }),
        (Of::Act, "request", |flow| {
            flow.act = Request::new("post", "/visit")
        }),
        (Of::Check, "before", |flow| {
            flow.check.before.push("nowhere".to_owned())
        }),
        (Of::Session, "value", |flow| {
            flow.value = Some(Extract::Regex("(".to_owned()));
        }),
        (Of::Session, "value", |flow| {
            flow.value = Some(Extract::JsonPath("$[".to_owned()));
        }),
        (Of::Login, "json", |flow| {
            flow.login = Request::new("POST", "/login").with_json("{{ visits }}");
        }),
    ];
    for (of, part, spoil) in cases {
        let mut flow = SessionFlow::reference();
        spoil(&mut flow);
        let FlowError {
            of: its,
            part: key,
            problem,
        } = Flow::new(&Workload::Sessions(Box::new(flow)), PORT).expect_err(part);
        assert_eq!((its, key), (of, vec![part.to_owned()]), "{problem}");
    }
}

#[test]
fn what_parsers_would_take_too_long_for_or_fall_over_is_bounded() {
    let flow = |value, path: &str| SessionFlow {
        value: Some(value),
        act: Request::new("POST", path),
        ..SessionFlow::reference()
    };
    let refused = |value, path: &str| {
        let flow = Workload::Sessions(Box::new(flow(value, path)));
        Flow::new(&flow, PORT).is_err()
    };
    assert!(!refused(nested(8), &summed(2_000)));
    assert!(refused(nested(100_000), "/act"));
    assert!(refused(nested(1), &summed(1_000_000)));
    // An end within quotes is none.
    let quoted = format!("/{{{{ \"}}}}\"{} }}}}", " ~ 1".repeat(1_024));
    assert!(refused(nested(1), &quoted));
}

/// A JSONPath of filters within filters.
fn nested(depth: usize) -> Extract {
    Extract::JsonPath(format!("${}{}", "[?@".repeat(depth), "]".repeat(depth)))
}

/// A path whose template has so many operators.
fn summed(operators: usize) -> String {
    format!("/{{{{ 1{} }}}}", "+1".repeat(operators))
}

#[test]
fn a_look_beside_the_session_says_nothing_of_it_and_is_sent_with_its_cookies() {
    let mut page = Request::new("GET", "/page/{{ random % 5 }}");
    page.expect.body = Some("page {{ random % 5 }}.".to_owned());
    let mut visit = Visit::new(SessionFlow {
        browse: Some(page),
        ..SessionFlow::reference()
    });
    let login = Said {
        cookies: &["session=mine"],
        ..said(200, r#"{"user":"u7","visits":0}"#)
    };
    visit.does(Step::Login, login);
    let mut turn = visit.begin(Step::Get);
    let request = visit.sends(&mut turn);
    assert!(request.contains("cookie: session=mine"), "{request}");
    let number = &request["GET /page/".len()..][..1];
    let right = format!("page {number}.");
    let judged = visit.hears(&mut turn, said(200, &right));
    assert_eq!(judged, Next::Done(ReplyMeaning::acknowledged(None)));
    // Another page, one that nobody may see, one that names somebody: none is about the session.
    for (status, body, expected) in [
        (200, "page 9.", ErrorClass::WrongAnswer),
        (401, "", ErrorClass::ClientError),
        (200, r#"{"user":"u8","visits":1}"#, ErrorClass::WrongAnswer),
        (503, "", ErrorClass::ServerError),
    ] {
        let mut turn = visit.begin(Step::Get);
        let Next::Done(judged) = visit.hears(&mut turn, said(status, body)) else {
            panic!("{body} goes on");
        };
        assert_eq!(judged.error, Some(expected), "{status} {body}");
    }
    let own = r#"{"user":"u7","visits":1}"#;
    assert_eq!(
        visit.result(Step::Act, said(200, own)),
        (Outcome::Acknowledged, None)
    );
}

#[test]
fn an_act_keeps_its_idempotency_key_and_nothing_else_has_one() {
    let mut visit = Visit::new(SessionFlow::reference());
    visit.flow = visit.flow.with_idempotency_keys(true);
    let key_in = |request: &str| {
        let line = request
            .lines()
            .find(|line| line.starts_with("idempotency-key: "));
        line.map(str::to_owned)
    };
    let mut login = visit.begin(Step::Login);
    assert_eq!(key_in(&visit.sends(&mut login)), None);
    let act = visit.begin(Step::Act);
    let first = key_in(&visit.sends(&mut act.clone()));
    assert!(first.is_some());
    assert_eq!(key_in(&visit.sends(&mut act.clone())), first);
    let mut next = visit.begin(Step::Act);
    let second = key_in(&visit.sends(&mut next));
    assert!(second.is_some() && second != first);
    let mut check = visit.begin(Step::Check);
    assert_eq!(key_in(&visit.sends(&mut check)), None);
}
