//! The final looks at a session, in rounds, and what became of it by them (METHOD.md §3): one stale answer is no loss, and a
//! session for which the server fails in every round, while it answers others, is lost to its user. Called by the sessions.

use comeback_model::operation::{ErrorClass, Operation};
use comeback_model::plan::{Load, Writes};
use comeback_model::units::Elapsed;

use super::caching::{is_anothers_from_cache, is_from_cache};
use super::fate::{Fate, Refusal, refusal};
use super::writes::{Balance, Shown};

/// The final looks at a session, in their order.
#[derive(Debug, Default)]
pub(super) struct Looks<'a>(Vec<&'a Operation>);

/// What the looks at a session tell of it, in their order.
#[derive(Debug)]
pub(super) struct Answers(Vec<Answer>);

/// Of each round of final looks, whether the server answered a look at a live session in it.
#[derive(Debug, Default)]
pub(super) struct Answered(Vec<bool>);

/// What a look tells of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is known, with this state; without one where that cannot be compared.
    Knows(Option<Balance>),
    /// It is not, or it is another user's.
    Refuses(Refusal),
    /// The server failed.
    Fails,
    /// Nothing for certain.
    Open,
}

impl Answered {
    /// Learns of the looks at a session.
    pub(super) fn learn(&mut self, looks: &Looks<'_>) {
        for (round, look) in looks.told().enumerate() {
            if round == self.0.len() {
                self.0.push(false);
            }
            self.0[round] |= look.is_correct();
        }
    }

    /// In how many of the first rounds it answered.
    fn of_first(&self, rounds: usize) -> usize {
        let first = self.0.iter().take(rounds);
        first.filter(|answered| **answered).count()
    }
}

impl<'a> Looks<'a> {
    pub(super) fn push(&mut self, look: &'a Operation) {
        self.0.push(look);
    }

    /// Those that the server answered, or did not. Where a cache answered first, the server was asked after it.
    fn told(&self) -> impl DoubleEndedIterator<Item = &'a Operation> {
        let by_server = self.0.iter().any(|look| !is_from_cache(look));
        let looks = self.0.iter().copied();
        looks.filter(move |look| !by_server || !is_from_cache(look))
    }

    /// The first of those that tell which is so.
    pub(super) fn find(&self, is_so: impl Fn(&Operation) -> bool) -> Option<&'a Operation> {
        self.told().find(|look| is_so(look))
    }

    /// When the first was answered, or failed.
    pub(super) fn first(&self) -> Option<Elapsed> {
        self.0.iter().map(|look| look.finished).min()
    }

    /// The last that knew the session.
    pub(super) fn last_known(&self, kind: Writes) -> Option<&'a Operation> {
        self.told().rfind(|look| is_known(kind, look))
    }

    /// Whether one found it known.
    pub(super) fn know_it(&self, kind: Writes) -> bool {
        self.last_known(kind).is_some()
    }

    /// Whether one told for certain whether it is known.
    pub(super) fn are_definite(&self, kind: Writes) -> bool {
        let refuses = |look: &Operation| look.error.and_then(refusal).is_some();
        self.told()
            .any(|look| is_known(kind, look) || refuses(look))
    }

    /// Whether one named another user.
    pub(super) fn name_another(&self) -> bool {
        let mut looks = self.0.iter();
        looks.any(|look| look.error == Some(ErrorClass::WrongIdentity))
    }

    /// Whether only a cache named another user.
    pub(super) fn are_anothers_by_cache(&self) -> bool {
        let mut anothers = self
            .0
            .iter()
            .filter(|look| look.error == Some(ErrorClass::WrongIdentity))
            .peekable();
        anothers.peek().is_some() && anothers.all(|look| is_anothers_from_cache(look))
    }

    /// What each tells; `balance_at` says what a look that knew the session showed of its state.
    pub(super) fn answers(
        &self,
        kind: Writes,
        balance_at: impl Fn(&'a Operation) -> Option<Balance>,
    ) -> Answers {
        let answer = |look: &'a Operation| match is_known(kind, look) {
            true => Answer::Knows(balance_at(look)),
            false => Answer::without_it(look),
        };
        Answers(self.told().map(answer).collect())
    }
}

impl Answers {
    /// What became of the session by them. What the last one says for certain counts, unless an earlier one says better:
    /// then nobody knows what its user will meet. A session is not alive when its user ended it, or may have.
    pub(super) fn fate(&self, is_alive: bool, answered: &Answered) -> Fate {
        let is_definite = |answer: &Answer| matches!(answer, Answer::Knows(_) | Answer::Refuses(_));
        let Some(last) = self.0.iter().rposition(is_definite) else {
            return self.fate_of_failed(is_alive, answered);
        };
        let (earlier, since) = (&self.0[..last], &self.0[last + 1..]);
        match self.0[last] {
            // A logout that was never answered explains why the session is gone.
            Answer::Refuses(_) if !is_alive => Fate::Undecided,
            Answer::Refuses(refusal) => {
                let knows = |answer: &Answer| matches!(answer, Answer::Knows(_));
                match earlier.iter().any(knows) {
                    true => Fate::Flapping,
                    false => Fate::Refused(refusal),
                }
            }
            // It was known, and fails since.
            Answer::Knows(_) if since.len() > 1 => Fate::Flapping,
            Answer::Knows(Some(balance)) => by_the_last(balance, earlier),
            Answer::Knows(None) | Answer::Fails | Answer::Open => Fate::Undecided,
        }
    }

    fn fate_of_failed(&self, is_alive: bool, answered: &Answered) -> Fate {
        let fails = |answer: &Answer| *answer == Answer::Fails;
        let rounds = answered.of_first(self.0.len());
        let beside_others = rounds >= Load::LOOKS_WITHOUT_ANSWER as usize;
        match self.0.iter().all(fails) && beside_others && is_alive {
            true => Fate::Broken,
            false => Fate::Undecided,
        }
    }
}

impl Answer {
    /// That of a look that did not know its session.
    fn without_it(look: &Operation) -> Self {
        match look.error {
            Some(error) => match refusal(error) {
                Some(refusal) => Self::Refuses(refusal),
                None if is_failure(error) => Self::Fails,
                None => Self::Open,
            },
            None => Self::Open,
        }
    }
}

/// The fate of a session that the last look knew, in this state.
fn by_the_last(balance: Balance, earlier: &[Answer]) -> Fate {
    let missing = |balance: &Balance| {
        let absent = balance.lost.saturating_add(balance.lost_later);
        (absent, balance.is_older)
    };
    let mut later = false;
    for answer in earlier {
        match answer {
            Answer::Knows(Some(then)) if missing(then) < missing(&balance) => {
                return Fate::Flapping;
            }
            Answer::Knows(Some(then)) => later |= missing(then) > missing(&balance),
            Answer::Refuses(_) => later = true,
            Answer::Knows(None) | Answer::Fails | Answer::Open => {}
        }
    }
    Fate::Known { balance, later }
}

/// Whether a look knew its session: it was answered correctly, or showed a state, be that refuted.
pub(super) fn is_known(kind: Writes, look: &Operation) -> bool {
    look.is_correct() || Shown::by_look(kind, look).is_some()
}

/// Whether a reply was begun or waited for, and the server failed to give it.
const fn is_failure(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Reset
        | ErrorClass::ResponseTimeout
        | ErrorClass::ServerError
        | ErrorClass::Malformed => true,
        ErrorClass::Refused
        | ErrorClass::ConnectTimeout
        | ErrorClass::ClientError
        | ErrorClass::SessionRejected
        | ErrorClass::SessionRecreated
        | ErrorClass::WrongIdentity
        | ErrorClass::WrongAnswer
        | ErrorClass::Unsent
        | ErrorClass::HarnessError => false,
    }
}
