//! A user's whole way through a flow, once, with everything that was sent and answered. Called where a flow is tried out,
//! before anything is measured.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use comeback_model::operation::Step;
use comeback_session::flow::{Session, may_mean_the_same};

use super::work::Failure;
use super::{Exchange, Probe, ProbeError, of_the_harness};
use crate::waits::Waits;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Which.
    pub step: Step,
    /// Whose it is.
    pub who: Who,
    /// Its requests and their replies.
    pub exchanges: Vec<Exchange>,
    /// Why the reply is not the expected one, and what to do about it.
    pub problem: Option<String>,
    /// The reply has another form than the flow describes, though the server worked and knew the session: the description
    /// is wrong.
    pub has_another_form: bool,
    /// Somebody who never logged in is answered the same, and nothing else shows that the server knows the session: it may as well not.
    pub as_anonymous: bool,
}

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user who logged in.
    User,
    /// A user whose session is of before the restart.
    UserOfBefore,
    /// Somebody who never logged in.
    Nobody,
    /// A user who has logged out.
    LoggedOut,
}

/// A whole way, and the session at its end.
#[derive(Debug)]
pub struct Walk {
    /// The steps taken, in order; it ends with the first that goes wrong.
    pub steps: Vec<Walked>,
    /// The session, where it was not logged out.
    pub session: Option<Left>,
}

/// A session that a walk left, and its user's number.
#[derive(Clone, Debug)]
pub struct Left {
    session: Session,
    user: u32,
}

impl Probe<'_> {
    /// Takes a new user through the flow: login, act, check, the same check by nobody, and, where `to_the_end`, the logout
    /// and a last check. Each step has a connection of its own.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn walk(&self, to_the_end: bool) -> Result<Walk, ProbeError> {
        let mut left = Left {
            session: Session::default(),
            user: self.next_user(),
        };
        let mut steps = Vec::new();
        for step in self.flow.work() {
            let mut walked = self.take(step, Who::User, &mut left).await?;
            let is_wrong = walked.problem.is_some();
            if is_wrong && step != Step::Login {
                self.tell_from_anonymous(&mut walked, &left).await?;
            }
            steps.push(walked);
            if is_wrong {
                return Ok(Walk {
                    steps,
                    session: None,
                });
            }
        }
        if !self.flow.has_sessions() {
            return Ok(Walk {
                steps,
                session: None,
            });
        }
        steps.push(self.look_as_nobody(&left).await?);
        if !to_the_end || !self.flow.has_logout() {
            return Ok(Walk {
                steps,
                session: Some(left),
            });
        }
        // Who logs out keeps what he has, as a thief would.
        let kept = left.clone();
        let (mut goodbye, is_unknown) = self
            .take_telling(Step::Logout, Who::User, &mut left)
            .await?;
        // The server knew this user a moment ago. If it answers, and does not fail, the goodbye has another form than described: unless it
        // does not know its own sessions, which is what a run measures.
        let is_answered = goodbye.problem.is_some() && answers_without_failing(&goodbye);
        match is_answered && is_unknown && !self.is_known(&kept).await? {
            true => (goodbye.has_another_form, goodbye.as_anonymous) = (false, true),
            false => goodbye.has_another_form |= is_answered,
        }
        steps.push(goodbye);
        let mut kept = kept;
        steps.push(self.take(Step::Check, Who::LoggedOut, &mut kept).await?);
        Ok(Walk {
            steps,
            session: None,
        })
    }

    /// Looks at a session that an earlier walk left.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn look_again(&self, left: &mut Left) -> Result<Walked, ProbeError> {
        self.take(Step::Check, Who::UserOfBefore, left).await
    }

    async fn take(&self, step: Step, who: Who, left: &mut Left) -> Result<Walked, ProbeError> {
        Ok(self.take_telling(step, who, left).await?.0)
    }

    /// Beside the step: whether its reply says that the session is not known, or is another user's.
    async fn take_telling(
        &self,
        step: Step,
        who: Who,
        left: &mut Left,
    ) -> Result<(Walked, bool), ProbeError> {
        let connected = Cell::new(false);
        self.transcript.borrow_mut().clear();
        let asked = self.ask(
            step,
            super::work::user(left.user),
            &mut left.session,
            &connected,
        );
        let (problem, has_another_form, is_unknown) = match asked.await {
            Ok(_) => (None, false, false),
            Err(Failure::Target {
                problem,
                has_another_form,
                unknown,
                ..
            }) => (Some(problem), has_another_form, unknown),
            Err(Failure::Harness) => return Err(of_the_harness()),
        };
        let walked = Walked {
            step,
            who,
            exchanges: self.transcript.take(),
            problem,
            has_another_form,
            as_anonymous: false,
        };
        Ok((walked, is_unknown))
    }

    /// The check by somebody who never logged in.
    async fn look_as_nobody(&self, left: &Left) -> Result<Walked, ProbeError> {
        let mut nobody = self.anonymous_beside(left);
        let mut looked = self.take(Step::Check, Who::Nobody, &mut nobody).await?;
        if looked.problem.is_none() && !nobody.session.is_anonymous() {
            looked.problem = Some("the reply begins a new session".to_owned());
        }
        Ok(looked)
    }

    /// Notes whether the server may not know the session, where a step went wrong.
    async fn tell_from_anonymous(
        &self,
        walked: &mut Walked,
        left: &Left,
    ) -> Result<(), ProbeError> {
        if !self.answers_anonymous_so(walked, left).await? {
            return Ok(());
        }
        if walked.step == Step::Check {
            if let Some(problem) = &mut walked.problem
                && self.answers_no_page_so(&walked.exchanges).await?
            {
                problem.push_str("; the server answers the same for a path that cannot exist");
                walked.has_another_form = true;
                return Ok(());
            }
        } else if walked.has_another_form && self.is_known(left).await? {
            return Ok(());
        }
        walked.as_anonymous = true;
        Ok(())
    }

    /// Whether the check is right for this user, and for nobody else.
    async fn is_known(&self, left: &Left) -> Result<bool, ProbeError> {
        let mut user = left.clone();
        let looked = self.take(Step::Check, Who::User, &mut user).await?;
        Ok(looked.problem.is_none() && self.look_as_nobody(left).await?.problem.is_some())
    }

    /// Whether the last reply, a 404 to a GET, is the one to a path that no server has.
    async fn answers_no_page_so(&self, exchanges: &[Exchange]) -> Result<bool, ProbeError> {
        let last = exchanges.last();
        let Some((last, own)) = last.and_then(|last| Some((last, last.reply.as_ref()?))) else {
            return Ok(false);
        };
        let path = last.request.strip_prefix(b"GET ");
        let Some(end) = path.and_then(|path| path.iter().position(|byte| *byte == b' ')) else {
            return Ok(false);
        };
        if own.status != 404 {
            return Ok(false);
        }
        let (path, rest) = last.request[b"GET ".len()..].split_at(end);
        let random = RandomState::new().build_hasher().finish();
        let other = format!("/comeback-{random:016x}-no-such-page");
        let request = [b"GET ", other.as_bytes(), rest].concat();
        let answered = self.answer_to(last.step, &request).await?;
        Ok(answered.is_some_and(|(status, body)| {
            let is_same =
                body == own.body || without(&body, other.as_bytes()) == without(&own.body, path);
            status == own.status && is_same
        }))
    }

    /// The status and the body of the reply to one request on a connection of its own, where one comes.
    async fn answer_to(
        &self,
        step: Step,
        request: &[u8],
    ) -> Result<Option<(u16, Vec<u8>)>, ProbeError> {
        let limit: Duration = self.setup.load.timeout.into();
        let waits = Waits::default();
        let mut connection = match self.connect(step, limit, &Cell::new(false)).await {
            Ok(connection) => connection,
            Err(Failure::Target { .. }) => return Ok(None),
            Err(Failure::Harness) => return Err(of_the_harness()),
        };
        let exchange = connection.exchange(request, &self.scratch, &waits, |reply| {
            (reply.status, reply.body.to_vec())
        });
        let exchanged = tokio::time::timeout(limit, exchange).await;
        Ok(exchanged
            .ok()
            .and_then(Result::ok)
            .map(|(answer, _)| answer))
    }

    fn anonymous_beside(&self, left: &Left) -> Left {
        Left {
            session: left.session.anonymous(),
            user: self.next_user(),
        }
    }

    /// Whether somebody who never logged in gets the reply that ended a user's step, and one that may mean so.
    async fn answers_anonymous_so(&self, user: &Walked, left: &Left) -> Result<bool, ProbeError> {
        let mut nobody = self.anonymous_beside(left);
        let nobody = self.take(user.step, Who::Nobody, &mut nobody).await?;
        let [own, other] = [user, &nobody].map(|one| one.exchanges.last()?.reply.as_ref());
        Ok(own.zip(other).is_some_and(|(own, other)| {
            let [own, other] = [own, other].map(|one| (one.status, one.leads_to(), &*one.body));
            may_mean_the_same(own, other)
        }))
    }
}

/// Whether the last request was answered, and not with an error of the server's own.
fn answers_without_failing(walked: &Walked) -> bool {
    let last = walked.exchanges.last();
    let reply = last.and_then(|last| last.reply.as_ref());
    reply.is_some_and(|reply| reply.status < 500 && reply.status != 429)
}

/// A body that may quote the path of its request, without that.
fn without(body: &[u8], path: &[u8]) -> String {
    let [body, path] = [body, path].map(String::from_utf8_lossy);
    body.replace(&*path, "")
}
