//! The requests of the probe: a whole session, each step on its own connection, and their results.

use std::cell::Cell;
use std::time::Duration;

use comeback_model::ids::BootId;
use comeback_model::operation::{ErrorClass, Step};
use comeback_model::units::Elapsed;

use super::{Exchange, Probe, Replied};
use crate::connection::{Broken, Connection};
use crate::waits::Waits;
use comeback_session::flow::{Flow, Next, Session, Shown, User};
use comeback_session::wire::Reply;

/// The steps that must be answered correctly, and the required content of each reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work(Vec<(Step, Shown)>);

/// A work that was answered correctly to its end.
#[derive(Debug)]
pub(super) struct Done {
    /// When its last reply was complete.
    pub(super) at: Elapsed,
    /// The boot id of each reply.
    pub(super) boots: Vec<Option<BootId>>,
    /// The same work, with the content of the replies.
    pub(super) shown: Work,
    /// What its user knows of the session at its end.
    pub(super) session: Session,
}

/// Why a work was not answered correctly.
#[derive(Debug)]
pub(super) enum Failure {
    /// The target's doing.
    Target {
        step: Step,
        /// The reply has another form than the flow describes, and the server did not fail.
        has_another_form: bool,
        problem: String,
        /// A connection had been accepted.
        connected: bool,
        /// The reply was for another user, or for somebody who never logged in: the session is not known there.
        unknown: bool,
        /// There was a whole reply, and it was no error of the server's own: asking again at once tells nothing more.
        answered: bool,
    },
    /// Ours.
    Harness,
}

/// What is told of a reply.
struct Classified {
    status: u16,
    /// Which expectation it missed.
    why: Option<String>,
    has_another_form: bool,
}

/// The reply that ended a step.
pub(super) struct Answered {
    shown: Shown,
    boot: Option<BootId>,
}

impl Work {
    /// The whole work, as far as the flow defines correct replies.
    pub(super) fn whole(flow: &Flow) -> Self {
        Self(flow.work().into_iter().map(nothing_more).collect())
    }

    /// Its login alone.
    pub(super) fn login() -> Self {
        Self(vec![nothing_more(Step::Login)])
    }

    /// The same steps, with what both showed.
    pub(super) fn common(&self, other: &Self) -> Self {
        let both = self.0.iter().zip(&other.0);
        Self(
            both.map(|((step, shown), (_, others))| (*step, shown.common(others)))
                .collect(),
        )
    }
}

fn nothing_more(step: Step) -> (Step, Shown) {
    (step, Shown::default())
}

impl Failure {
    fn target(step: Step, problem: String) -> Self {
        Self::Target {
            step,
            has_another_form: false,
            problem,
            connected: true,
            unknown: false,
            answered: true,
        }
    }

    fn broken(step: Step, class: ErrorClass, connected: bool) -> Self {
        if class == ErrorClass::HarnessError {
            return Self::Harness;
        }
        let problem = match step {
            // There is no user to log out.
            Step::Login if !connected => class.label(),
            step => tell(step, &class.label()),
        };
        Self::Target {
            step,
            has_another_form: false,
            problem,
            connected,
            unknown: false,
            answered: false,
        }
    }

    fn classified(step: Step, class: ErrorClass, classified: Classified) -> Self {
        let Classified {
            status,
            why,
            has_another_form,
        } = classified;
        if class == ErrorClass::HarnessError {
            return Self::Harness;
        }
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let is_of_another = matches!(
            class,
            ErrorClass::SessionRejected | ErrorClass::SessionRecreated | ErrorClass::WrongIdentity
        );
        // Before its login a session cannot be known.
        let unknown = is_of_another && step != Step::Login;
        Self::Target {
            step,
            has_another_form: has_another_form && class != ErrorClass::ServerError,
            problem: tell(step, &format!("{} (HTTP {status}){why}", class.label())),
            connected: true,
            unknown,
            answered: class != ErrorClass::ServerError,
        }
    }
}

/// The probe's user of this number.
pub(super) const fn user(number: u32) -> User {
    User {
        number,
        login: 0,
        seed: 0,
    }
}

/// `check: session rejected`; a request without sessions needs no name.
fn tell(step: Step, what: &str) -> String {
    match step {
        Step::Login => format!("login: {what}"),
        Step::Act => format!("act: {what}"),
        Step::Check => format!("check: {what}"),
        Step::Logout | Step::Get | Step::ReadBack => what.to_owned(),
    }
}

impl Probe<'_> {
    /// Does the work as a new user, so that the state of one try cannot affect the next one.
    ///
    /// `connected` is set when a connection was accepted.
    pub(super) async fn perform(
        &self,
        work: &Work,
        connected: &Cell<bool>,
    ) -> Result<Done, Failure> {
        let user = user(self.next_user());
        let mut session = Session::default();
        let mut boots = Vec::with_capacity(work.0.len());
        let mut shown = Vec::with_capacity(work.0.len());
        for (step, wanted) in &work.0 {
            let answered = self.ask(*step, user, &mut session, connected).await?;
            if let Some(missing) = wanted.missing_in(&answered.shown) {
                return Err(Failure::target(*step, tell(*step, &missing)));
            }
            boots.push(answered.boot);
            shown.push((*step, answered.shown));
        }
        Ok(Done {
            at: self.setup.clock.now(),
            boots,
            shown: Work(shown),
            session,
        })
    }

    /// Whether a check is answered as within a known session though its sender never logged in: a user of a new number,
    /// with cookies and captured values that nobody was given. Then no check tells who is known.
    pub(super) async fn is_anonymous_known(&self, known: &Session) -> Result<bool, Failure> {
        let user = user(self.next_user());
        let mut session = known.anonymous();
        let connected = Cell::new(false);
        let asked = self.ask(Step::Check, user, &mut session, &connected);
        match asked.await {
            Ok(_) => Ok(session.is_anonymous()),
            Err(Failure::Target { .. }) => Ok(false),
            Err(Failure::Harness) => Err(Failure::Harness),
        }
    }

    /// One step: a fresh connection, its requests, its last reply.
    pub(super) async fn ask(
        &self,
        step: Step,
        user: User,
        session: &mut Session,
        connected: &Cell<bool>,
    ) -> Result<Answered, Failure> {
        let limit: Duration = self.setup.load.timeout.into();
        let waits = Waits::default();
        let flow = &self.flow;
        let mut connection = self.connect(step, limit, connected).await?;
        let mut turn = flow.begin(step, session);
        let write = flow.write_of(&turn);
        let mut request = Vec::new();
        loop {
            request.clear();
            flow.write_request(&mut turn, user, session, &mut request)
                .map_err(|_| Failure::Harness)?;
            let begun = self.setup.clock.now();
            let exchange = connection.exchange(&request, &self.scratch, &waits, |reply| {
                let next = flow.classify(&mut turn, user, session, reply);
                self.note_exchange(step, begun, &request, Some(reply));
                let classified = Classified {
                    status: reply.status,
                    why: flow.explain(&turn, user, session, reply),
                    has_another_form: flow.has_another_form(&turn),
                };
                let shown = flow.shown(&turn, reply, session);
                let boot = reply.boot;
                (classified, next, Answered { shown, boot })
            });
            let exchanged = tokio::time::timeout(limit, exchange).await;
            let ((classified, next, answered), reusable) = match exchanged {
                Ok(Ok(exchanged)) => {
                    let took = self.setup.clock.now().since(begun);
                    self.slowest.set(self.slowest.get().max(took));
                    exchanged
                }
                Ok(Err(Broken { class, .. })) => {
                    self.note_exchange(step, begun, &request, None);
                    return Err(Failure::broken(step, class, true));
                }
                Err(_) => {
                    self.note_exchange(step, begun, &request, None);
                    return Err(Failure::broken(step, ErrorClass::ResponseTimeout, true));
                }
            };
            match next {
                Next::Done(judgement) => {
                    if step == Step::Act {
                        session.note_change(write, judgement.outcome);
                    }
                    if let Some(class) = judgement.error {
                        return Err(Failure::classified(step, class, classified));
                    }
                    return Ok(answered);
                }
                Next::Again if reusable => {}
                Next::Again => connection = self.connect(step, limit, connected).await?,
            }
        }
    }

    /// Keeps a request and its reply, where a transcript is wanted.
    fn note_exchange(&self, step: Step, begun: Elapsed, request: &[u8], reply: Option<&Reply<'_>>) {
        if !self.keeps_transcript {
            return;
        }
        let cookies = |reply: &Reply<'_>| {
            let cookies = reply.cookies.iter();
            let named = cookies.map(|cookie| ("set-cookie".to_owned(), cookie.clone()));
            named.collect::<Vec<_>>()
        };
        self.transcript.borrow_mut().push(Exchange {
            step,
            request: request.to_vec(),
            reply: reply.map(|reply| Replied {
                status: reply.status,
                headers: [reply.headers, &cookies(reply)].concat(),
                body: reply.body.to_vec(),
            }),
            took: self.setup.clock.now().since(begun),
        });
    }

    pub(super) async fn connect(
        &self,
        step: Step,
        limit: Duration,
        connected: &Cell<bool>,
    ) -> Result<Connection, Failure> {
        let waits = Waits::default();
        let opening = self.dialer.open(&waits, || {
            connected.set(true);
            self.note_accepted(self.setup.clock.now());
        });
        let class = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(broken)) => broken.class,
            Err(_) => ErrorClass::ConnectTimeout,
        };
        Err(Failure::broken(step, class, connected.get()))
    }
}
