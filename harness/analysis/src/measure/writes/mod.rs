//! The writes of one session: what its client knows of them, and how that compares with what a reply
//! shows (METHOD.md §3). A [`counted`] write is known by its number in a sum, one of its [`own`] value by
//! itself. Called by the sessions, whose state this is; counts nothing over sessions.

mod counted;
mod own;

use comeback_model::operation::{ErrorClass, Operation, Outcome, ShownWrites};
use comeback_model::plan::Writes;
use comeback_model::units::Elapsed;
use counted::Counted;
use own::Own;

/// What a client knows of its session's writes.
#[derive(Debug)]
pub(super) enum Written {
    /// They add up in a counter.
    Counted(Counted),
    /// Each carries a value of its own.
    Own(Own),
}

/// What a reply shows of a session's writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// How many there are.
    Counter(u64),
    /// Which.
    Own(&'a ShownWrites),
}

/// A look at a session, and what it is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) shown: Shown<'a>,
    /// What the login showed, before any write.
    pub(super) at_login: Option<Shown<'a>>,
    /// It cannot show what was acknowledged later than this.
    pub(super) until: Option<Elapsed>,
}

/// How a session's writes compare with what a look at it showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    /// What is shown is older than what was acknowledged.
    pub(super) is_older: bool,
    /// It is older than what was acknowledged before the fault.
    pub(super) is_older_than_before: bool,
    /// Acknowledged before the fault, and absent.
    pub(super) lost: u64,
    /// When the oldest of them was acknowledged.
    pub(super) oldest_lost: Option<Elapsed>,
    /// Those of them that are older than a write which was acknowledged before the fault, too, and kept.
    pub(super) holes: u64,
    /// Acknowledged after the fault, and absent.
    pub(super) lost_later: u64,
    /// Shown more often than can be.
    pub(super) duplicated: u64,
    /// Shown though rejected or never sent.
    pub(super) phantom: u64,
    /// Of values of their own: those of both that no second try explains.
    pub(super) unexplained: u64,
    /// Of values of their own: the phantoms. A server that carries a write out twice keeps it all the same.
    pub(super) made_up: u64,
}

impl Balance {
    /// Whether no look at the session may be refuted by what the fault took, or by a write that was tried again.
    pub(super) const fn may_refute_nothing(&self) -> bool {
        let shows_too_much = self.duplicated > 0 || self.phantom > 0;
        !self.is_older && (!shows_too_much || self.unexplained > 0)
    }
}

impl<'a> Shown<'a> {
    /// What the reply of this operation shows.
    pub(super) fn by(writes: Writes, operation: &'a Operation) -> Option<Self> {
        match writes {
            Writes::Counter => operation.value.map(Self::Counter),
            Writes::Set | Writes::List => operation.found.as_deref().map(Self::Own),
        }
    }

    /// What a look shows that was answered, be the answer refuted.
    pub(super) fn by_look(writes: Writes, look: &'a Operation) -> Option<Self> {
        match look.error {
            None | Some(ErrorClass::WrongAnswer) => Self::by(writes, look),
            Some(_) => None,
        }
    }
}

impl Written {
    pub(super) fn new(writes: Writes) -> Self {
        match writes {
            Writes::Counter => Self::Counted(Counted::default()),
            Writes::Set | Writes::List => Self::Own(Own::default()),
        }
    }

    /// Learns of a change; `before` when what its client learned of it was so before the fault.
    pub(super) fn learn(&mut self, act: &Operation, before: bool) {
        match self {
            Self::Counted(counted) => counted.learn(act, before),
            Self::Own(own) => own.learn(act, before),
        }
    }

    /// The session is one of the trial before: what this look shows was acknowledged then. A counter goes on from there.
    pub(super) fn carry_on(&mut self, look: &Operation) {
        match (self, look.found.as_deref()) {
            (Self::Own(own), Some(found)) => own.carry_on(found, look.finished),
            (Self::Own(_) | Self::Counted(_), _) => {}
        }
    }

    /// How many were acknowledged before the fault.
    pub(super) fn acknowledged_before(&self) -> u64 {
        match self {
            Self::Counted(counted) => counted.acknowledged_before(),
            Self::Own(own) => own.acknowledged_before(),
        }
    }

    /// How many of those were in this trial, and not in one before of a storm.
    pub(super) fn acknowledged_in_it(&self) -> u64 {
        match self {
            Self::Counted(counted) => counted.acknowledged_before(),
            Self::Own(own) => own.acknowledged_in_it(),
        }
    }

    /// How many were acknowledged, after the fault too.
    pub(super) fn acknowledged(&self) -> u64 {
        match self {
            Self::Counted(counted) => counted.acknowledged(),
            Self::Own(own) => own.acknowledged().count() as u64,
        }
    }

    /// How many may have been applied.
    pub(super) fn indeterminate(&self) -> u64 {
        match self {
            Self::Counted(counted) => counted.indeterminate(),
            Self::Own(own) => own.indeterminate(),
        }
    }

    /// The numbers of those that must be there and are not among these.
    pub(super) fn missing_in(&self, found: &ShownWrites) -> Vec<u32> {
        match self {
            Self::Counted(_) => Vec::new(),
            Self::Own(own) => own.missing_in(found),
        }
    }

    /// Whether none was acknowledged, so that there is nothing a look would have to show.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Counted(counted) => counted.is_empty(),
            Self::Own(own) => own.is_empty(),
        }
    }

    /// Whether they add up in a counter, in which one that is there too often hides another that is lost.
    pub(super) const fn is_counted(&self) -> bool {
        match self {
            Self::Counted(_) => true,
            Self::Own(_) => false,
        }
    }

    /// Changes that were sent and do not say which write they carry, where they must.
    pub(super) const fn unnumbered(&self) -> u64 {
        match self {
            Self::Counted(_) => 0,
            Self::Own(own) => own.unnumbered(),
        }
    }

    /// When the last one acknowledged before the fault was.
    pub(super) fn last_before(&self) -> Option<Elapsed> {
        match self {
            Self::Counted(counted) => counted.last_before(),
            Self::Own(own) => own.last_before(),
        }
    }

    /// The balance of a session that is gone, and its writes with it.
    pub(super) fn all_lost(&self) -> Balance {
        let oldest_lost = match self {
            Self::Counted(counted) => counted.first_before(),
            Self::Own(own) => own.first_before(),
        };
        Balance {
            lost: self.acknowledged_before(),
            oldest_lost,
            ..Balance::default()
        }
    }

    /// When each of the lost writes was acknowledged, so many of them by the last look; without a look all of them are lost.
    pub(super) fn lost_at(&self, lost: u64, last: Option<Look<'_>>) -> Vec<Elapsed> {
        match self {
            Self::Counted(counted) => counted.lost_at(lost),
            Self::Own(own) => own.lost_at(last.and_then(|last| match last.shown {
                Shown::Own(found) => Some(found),
                Shown::Counter(_) => None,
            })),
        }
    }

    /// The balance with what a look shows; absent where that cannot be compared.
    pub(super) fn balance(&self, look: Look<'_>) -> Option<Balance> {
        match (self, look.shown) {
            (Self::Counted(counted), Shown::Counter(counter)) => {
                Some(counted.balance(counter, base(look.at_login)))
            }
            (Self::Own(own), Shown::Own(found)) => {
                own.balance(found, foreign(look.at_login), look.until)
            }
            (Self::Counted(_), Shown::Own(_)) | (Self::Own(_), Shown::Counter(_)) => None,
        }
    }

    /// Whether a look that was sent at this time did not show a write that had been acknowledged by then,
    /// though it was there all the while: the last look shows it.
    pub(super) fn is_stale(&self, shown: Shown<'_>, sent: Elapsed, last: Look<'_>) -> bool {
        match (self, shown, last.shown) {
            (Self::Counted(counted), Shown::Counter(then), Shown::Counter(now)) => {
                counted.is_stale(then, sent, now, base(last.at_login))
            }
            (Self::Own(own), Shown::Own(then), Shown::Own(now)) => own.is_stale(then, sent, now),
            (Self::Counted(_) | Self::Own(_), Shown::Counter(_) | Shown::Own(_), _) => false,
        }
    }
}

/// The counter a session began with.
const fn base(at_login: Option<Shown<'_>>) -> u64 {
    match at_login {
        Some(Shown::Counter(counter)) => counter,
        Some(Shown::Own(_)) | None => 0,
    }
}

/// How many values a session began with.
const fn foreign(at_login: Option<Shown<'_>>) -> u32 {
    match at_login {
        Some(Shown::Own(found)) => found.foreign,
        Some(Shown::Counter(_)) | None => 0,
    }
}

/// What became of a change, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Acknowledged,
    Indeterminate,
    /// It was sent, and rejected.
    Rejected,
    NeverSent,
}

impl Known {
    const fn of(act: &Operation) -> Self {
        match act.outcome {
            Outcome::Acknowledged => Self::Acknowledged,
            Outcome::Indeterminate => Self::Indeterminate,
            Outcome::Rejected if act.sent.is_some() => Self::Rejected,
            Outcome::Rejected => Self::NeverSent,
        }
    }
}
