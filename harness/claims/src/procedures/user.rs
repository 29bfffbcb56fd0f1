//! Users of the servers' contract. Their requests, and what a reply means, are those of the session flow.

use std::io;
use std::ops::Range;
use std::rc::Rc;

use comeback_architectures::contract;
use comeback_engine::EngineError;
use comeback_model::operation::{ErrorClass, Step};
use comeback_model::plan::{Request, Workload};
use comeback_session::flow::{self, Flow, Next, Session, Turn, Unwritable};
use comeback_session::wire::Reply;
use comeback_session::wire::relayed::Relayed;

use super::clients::Told;
use super::line::{Answer, Line};

/// A session's steps, in order.
pub(super) const SESSION: [Step; 6] = [
    Step::Login,
    Step::Act,
    Step::Check,
    Step::Act,
    Step::Check,
    Step::Logout,
];

/// The users of a server.
#[derive(Clone, Debug)]
pub(super) struct Users {
    flow: Rc<Flow>,
    port: u16,
}

/// A user, and its knowledge of its session.
#[derive(Clone, Debug)]
pub(super) struct User {
    flow: Rc<Flow>,
    who: flow::User,
    session: Session,
    /// The operation whose reply is awaited.
    turn: Option<Turn>,
}

impl Users {
    /// Users who log in.
    ///
    /// # Errors
    /// If the contract is no flow.
    pub(super) fn of(port: u16) -> Result<Self, EngineError> {
        let workload = contract().map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            unusable(problems.join("; "))
        })?;
        Self::with(&workload, port)
    }

    /// Users of a server that knows no users: any good reply is right.
    ///
    /// # Errors
    /// As above.
    pub(super) fn without_sessions(port: u16) -> Result<Self, EngineError> {
        let request = Box::new(Request::new("POST", "/visit"));
        Self::with(&Workload::Stateless(request), port)
    }

    fn with(workload: &Workload, port: u16) -> Result<Self, EngineError> {
        let flow = Flow::new(workload, port).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            flow: Rc::new(flow),
            port,
        })
    }

    /// The user of this number, not logged in.
    pub(super) fn user(&self, number: u32) -> User {
        User {
            flow: Rc::clone(&self.flow),
            who: flow::User {
                number,
                login: 0,
                seed: 0,
            },
            session: Session::default(),
            turn: None,
        }
    }

    /// Users of these numbers, each on a connection of its own and logged in; and how many logins came out right.
    pub(super) async fn log_in(&self, numbers: Range<u32>) -> io::Result<(Vec<(User, Line)>, u64)> {
        let (mut users, mut right) = (Vec::new(), 0);
        for number in numbers {
            let (mut user, mut line) = (self.user(number), Line::open(self.port).await?);
            right += u64::from(user.take(Step::Login, &mut line).await?);
            users.push((user, line));
        }
        Ok((users, right))
    }
}

fn unusable(problem: String) -> EngineError {
    EngineError::Setup(io::Error::other(problem))
}

impl User {
    /// Begins a step; its request, as it goes over the wire. A step that was begun before and not answered is forgotten.
    pub(super) fn request(&mut self, step: Step) -> Result<Vec<u8>, Unwritable> {
        if step == Step::Login {
            self.session = Session::default();
        }
        let mut turn = self.flow.begin(step, &mut self.session);
        let mut request = Vec::with_capacity(256);
        self.flow
            .write_request(&mut turn, self.who, &mut self.session, &mut request)?;
        self.turn = Some(turn);
        Ok(request)
    }

    /// Whether the reply to the last request is the one that this user must get, or what is wrong with it. A counter that was
    /// refuted is not gone on from: each later reply that follows from it is wrong, too.
    pub(super) fn classify(&mut self, answer: &Answer) -> Told {
        // Nothing was asked: a mistake of ours.
        let mut turn = self.turn.take().ok_or(ErrorClass::HarnessError)?;
        let reply = Reply {
            status: answer.status,
            boot: None,
            relayed: Relayed::NOBODY,
            cookies: &answer.cookies,
            headers: &[],
            body: &answer.body,
            unframed: false,
        };
        let next = self
            .flow
            .classify(&mut turn, self.who, &mut self.session, &reply);
        self.session.forget_refuted_counter();
        match next {
            Next::Done(meaning) => meaning.error.map_or(Ok(()), Err),
            // Each step of the contract is one request.
            Next::Again => Err(ErrorClass::HarnessError),
        }
    }

    /// Does a step; whether it came out right.
    pub(super) async fn take(&mut self, step: Step, line: &mut Line) -> io::Result<bool> {
        let request = self.request(step).map_err(io::Error::other)?;
        let answer = line.ask(&request).await?;
        Ok(self.classify(&answer).is_ok())
    }

    /// Does the steps; how many came out right.
    pub(super) async fn take_all(&mut self, steps: &[Step], line: &mut Line) -> io::Result<u64> {
        let mut right = 0;
        for step in steps {
            right += u64::from(self.take(*step, line).await?);
        }
        Ok(right)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            cookies: Vec::new(),
            body: body.as_bytes().to_vec(),
            bytes: 0,
        }
    }

    fn told(user: &mut User, step: Step, status: u16, body: &str) -> Told {
        user.request(step).unwrap();
        user.classify(&answer(status, body))
    }

    /// User 7, logged in.
    fn logged_in() -> User {
        let mut user = Users::of(80).unwrap().user(7);
        user.request(Step::Login).unwrap();
        let mut login = answer(200, r#"{"user":"u7","visits":0}"#);
        login.cookies = vec!["session=a1; Path=/; HttpOnly".to_owned()];
        assert_eq!(user.classify(&login), Ok(()));
        user
    }

    #[test]
    fn a_user_asks_as_the_contract_says_and_sends_its_cookie_back() {
        let mut user = Users::of(80).unwrap().user(7);
        let text = |request| String::from_utf8(request).unwrap();
        let login = text(user.request(Step::Login).unwrap());
        assert!(login.starts_with("POST /login HTTP/1.1\r\n"), "{login}");
        assert!(login.ends_with("\r\n\r\n{\"user\":\"u7\"}"), "{login}");
        let mut user = logged_in();
        let visit = text(user.request(Step::Act).unwrap());
        assert!(visit.starts_with("POST /visit HTTP/1.1\r\n"), "{visit}");
        assert!(visit.contains("\r\ncookie: session=a1\r\n"), "{visit}");
    }

    #[test]
    fn replies_of_the_contract_are_right() {
        let mut user = logged_in();
        for (step, visits) in [
            (Step::Act, 1),
            (Step::Check, 1),
            (Step::Act, 2),
            (Step::Logout, 2),
        ] {
            let body = format!(r#"{{"user":"u7","visits":{visits}}}"#);
            assert_eq!(told(&mut user, step, 200, &body), Ok(()), "{step:?}");
        }
    }

    #[test]
    fn a_reply_that_is_not_this_users_is_wrong_and_says_how() {
        for (status, body, class) in [
            (
                200,
                r#"{"user":"u8","visits":1}"#,
                ErrorClass::WrongIdentity,
            ),
            (200, r#"{"user":"u7","visits":2}"#, ErrorClass::WrongAnswer),
            (200, r#"{"user":"u7"}"#, ErrorClass::WrongAnswer),
            (200, "ok", ErrorClass::WrongAnswer),
            (401, r#"{"error":"no"}"#, ErrorClass::SessionRejected),
            (403, r#"{"error":"no"}"#, ErrorClass::SessionRejected),
            (404, "", ErrorClass::ClientError),
            (503, "", ErrorClass::ServerError),
        ] {
            let told = told(&mut logged_in(), Step::Act, status, body);
            assert_eq!(told, Err(class), "{status} {body}");
        }
    }

    #[test]
    fn who_was_shown_a_wrong_counter_does_not_go_on_from_it() {
        let mut user = logged_in();
        let mut visit = |visits: u64| {
            let body = format!(r#"{{"user":"u7","visits":{visits}}}"#);
            told(&mut user, Step::Act, 200, &body)
        };
        assert_eq!(visit(1), Ok(()));
        // One visit is gone, and stays so.
        assert_eq!(visit(1), Err(ErrorClass::WrongAnswer));
        assert_eq!(visit(2), Err(ErrorClass::WrongAnswer));
        assert_eq!(visit(4), Ok(()));
    }

    #[test]
    fn a_visit_that_was_interrupted_and_sent_again_counts_once() {
        let mut user = logged_in();
        user.request(Step::Act).unwrap();
        let twice = r#"{"user":"u7","visits":2}"#;
        assert_eq!(
            told(&mut user, Step::Act, 200, twice),
            Err(ErrorClass::WrongAnswer)
        );
        let mut user = logged_in();
        user.request(Step::Act).unwrap();
        let once = r#"{"user":"u7","visits":1}"#;
        assert_eq!(told(&mut user, Step::Act, 200, once), Ok(()));
    }

    #[test]
    fn where_nobody_logs_in_any_good_reply_is_right() {
        let mut user = Users::without_sessions(80).unwrap().user(0);
        assert_eq!(
            told(&mut user, Step::Act, 200, r#"{"status":"ok"}"#),
            Ok(())
        );
        assert_eq!(
            told(&mut user, Step::Check, 500, ""),
            Err(ErrorClass::ServerError)
        );
        assert_eq!(
            user.classify(&answer(200, "")),
            Err(ErrorClass::HarnessError),
            "nothing was asked"
        );
    }
}
