//! A client's knowledge of its session, and the oracle: the states that a reply may show.

use std::collections::{BTreeMap, HashSet};

use comeback_model::operation::{Outcome, ShownWrites, Step};
use cookie::Cookie;

use super::user::{User, write_token};

/// A client's knowledge of its session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Cookies by name.
    cookies: Vec<(String, String)>,
    /// Values seen before, by the names templates use.
    captured: BTreeMap<String, String>,
    /// Requests written so far.
    requests: u32,
    /// The counter that it began with.
    first: u64,
    /// Acknowledged changes without a number of their own.
    acknowledged: u64,
    /// The counter after the last acknowledged reply.
    base: u64,
    /// A counter a refuted reply gave: the next one may continue from here.
    other_base: Option<u64>,
    /// Changes that may have been applied without an acknowledgement.
    slack: u64,
    /// Its user ended it, or the server refused it.
    is_over: bool,
    /// The server may have re-created it, and its replies would not show that.
    in_doubt: bool,
    /// What became of each write, where writes carry values of their own.
    writes: Vec<Write>,
    /// How often the last look before this trial showed a write, by its number.
    shown: BTreeMap<u32, usize>,
}

/// A client's knowledge of one of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// It must be there.
    Acknowledged,
    /// It may be there.
    Possible,
    /// It must not be there.
    Rejected,
    /// It was missing once. That is reported once.
    Missed,
}

/// The value of somebody who never logged in for a cookie or a captured name.
const NOBODYS: &str = "nobodys";

impl Session {
    /// What somebody would send who saw the requests of this session, and was given nothing of it.
    pub fn anonymous(&self) -> Self {
        let nobodys = |name: &String| (name.clone(), NOBODYS.to_owned());
        Self {
            cookies: self.cookies.iter().map(|(name, _)| nobodys(name)).collect(),
            captured: self.captured.keys().map(nobodys).collect(),
            ..Self::default()
        }
    }

    /// This session, which sends the cookies of another one.
    #[must_use]
    pub fn with_cookies_of(&self, other: &Self) -> Self {
        Self {
            cookies: other.cookies.clone(),
            ..self.clone()
        }
    }

    /// Whether such a session was given no cookie since: a new one would tell that the server does not know it.
    pub fn is_anonymous(&self) -> bool {
        self.cookies.iter().all(|(_, value)| value == NOBODYS)
    }

    pub(super) fn cookies(&self) -> &[(String, String)] {
        &self.cookies
    }

    pub(super) const fn captured(&self) -> &BTreeMap<String, String> {
        &self.captured
    }

    pub(super) const fn requests(&self) -> u32 {
        self.requests
    }

    pub(super) const fn count_request(&mut self) {
        self.requests = self.requests.wrapping_add(1);
    }

    pub(super) fn capture(&mut self, name: &str, value: String) {
        self.captured.insert(name.to_owned(), value);
    }

    pub(super) const fn doubt(&mut self) {
        self.in_doubt = true;
    }

    pub(super) const fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Notes that its user ended it, or the server by refusing it.
    pub const fn note_over(&mut self) {
        self.is_over = true;
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether a change of it was acknowledged.
    pub(super) fn has_changed(&self) -> bool {
        self.acknowledged > 0 || self.writes.contains(&Write::Acknowledged)
    }

    /// The counter that the session begins with.
    pub(super) fn begin_at(&mut self, value: u64) {
        self.first = value;
        self.base = value;
    }

    /// The number of the next write, from 1.
    pub(super) fn next_write(&mut self) -> u32 {
        self.writes.push(Write::Rejected);
        self.writes.len() as u32
    }

    /// Notes what became of a change.
    pub fn note_change(&mut self, write: Option<u32>, outcome: Outcome) {
        match write {
            Some(number) => {
                if let Some(write) = self.writes.get_mut(number as usize - 1) {
                    *write = match outcome {
                        Outcome::Acknowledged => Write::Acknowledged,
                        Outcome::Indeterminate => Write::Possible,
                        Outcome::Rejected => Write::Rejected,
                    };
                }
            }
            None => match outcome {
                Outcome::Acknowledged => self.acknowledged += 1,
                Outcome::Indeterminate => self.slack += 1,
                Outcome::Rejected => {}
            },
        }
    }

    /// Whether a reply that shows this lacks no acknowledged change. One that shows nothing lacks nothing.
    pub fn is_complete_in(&self, counter: Option<u64>, found: Option<&ShownWrites>) -> bool {
        if let Some(found) = found {
            let shown: HashSet<u32> = found.writes.iter().copied().collect();
            let mut writes = (1..).zip(&self.writes);
            return writes.all(|(number, write)| match write {
                Write::Acknowledged | Write::Missed => shown.contains(&number),
                Write::Possible | Write::Rejected => true,
            });
        }
        counter.is_none_or(|counter| counter >= self.first.saturating_add(self.acknowledged))
    }

    /// The session is gone on with in a new trial: what the last look showed must be there from now on, also what was never
    /// answered. Else such a change could stand in for one that is lost later.
    pub fn go_on_from(&mut self, counter: Option<u64>, found: Option<&ShownWrites>) {
        self.expect_as_shown(counter, found);
        if counter.is_some() {
            self.slack = 0;
        }
    }

    /// What the last look showed must be there at the next one, and nothing else but changes that were never answered and that it did
    /// not show.
    pub fn expect_as_shown(&mut self, counter: Option<u64>, found: Option<&ShownWrites>) {
        if let Some(counter) = counter {
            // What the look showed beyond the last reply was one of those.
            let shown = counter.saturating_sub(self.base);
            self.slack = self.slack.saturating_sub(shown);
            self.begin_at(counter);
            (self.acknowledged, self.other_base) = (0, None);
        }
        if let Some(found) = found {
            self.shown = times(found);
        }
        for number in found.map_or(&[][..], |found| &found.writes) {
            let place = (*number as usize).checked_sub(1);
            if let Some(write) = place.and_then(|place| self.writes.get_mut(place)) {
                *write = Write::Acknowledged;
            }
        }
    }

    /// Whether a look shows no more than can be: what was acknowledged, and what was never answered. Each once, or as often as the
    /// look before showed it: a write that was tried again may have been stored twice.
    pub fn may_show(&self, counter: Option<u64>, found: Option<&ShownWrites>) -> bool {
        let Some(found) = found else {
            return counter.is_none_or(|counter| counter <= self.base.saturating_add(self.slack));
        };
        let may_be = |(number, times): (&u32, &usize)| {
            let place = (*number as usize).checked_sub(1);
            let write = place.and_then(|place| self.writes.get(place));
            let is_possible = write.is_some_and(|write| *write != Write::Rejected);
            is_possible && *times <= most(&self.shown, *number)
        };
        times(found).iter().all(may_be)
    }

    /// A change whose reply shows no counter adds one all the same.
    pub(super) fn count_blindly(&mut self) {
        self.base = self.base.saturating_add(1);
        self.other_base = self.other_base.map(|base| base.saturating_add(1));
    }

    /// The oracle: whether the counter can be `value` after `step`. A refuted counter may be the truth
    /// from now on (the state was lost once): the next reply may continue from either.
    pub(super) fn accepts(&mut self, step: Step, value: u64) -> bool {
        let added = u64::from(step == Step::Act);
        let mut fitting = [Some(self.base), self.other_base]
            .into_iter()
            .flatten()
            .map(|base: u64| base.saturating_add(added))
            .filter(|least| (*least..=least.saturating_add(self.slack)).contains(&value));
        if let Some(least) = fitting.next() {
            self.slack -= value - least;
            self.base = value;
            self.other_base = None;
            return true;
        }
        self.base = self.base.saturating_add(added);
        self.other_base = Some(value);
        false
    }

    /// Forgets the counter of a refuted reply: only what was acknowledged is gone on from.
    pub const fn forget_refuted_counter(&mut self) {
        self.other_base = None;
    }

    /// Whether the counter is older than acknowledged.
    pub(super) fn is_older(&self, value: u64) -> bool {
        value < self.base
    }

    /// Whether the counter is as at the login, though the session went on: a user without a session may be shown the same.
    pub(super) const fn is_as_begun(&self, value: u64) -> bool {
        value <= self.first && value < self.base
    }

    /// The writes of this session among the values a reply shows. What carries the mark of no write at all is
    /// none of ours, and neither is what an earlier session of the same user wrote.
    pub(super) fn recognize(&self, user: User, values: &[String]) -> ShownWrites {
        let mut found = ShownWrites::default();
        for value in values {
            match parse_token(value) {
                Some((number, login, write)) if (number, login) == (user.number, user.login) => {
                    found.writes.push(write);
                }
                Some((number, _, _)) if number == user.number => {}
                Some(_) => found.foreign += 1,
                None => {}
            }
        }
        found
    }

    /// The oracle for writes with values of their own: whether a reply may show these.
    pub(super) fn accepts_shown(&mut self, found: &ShownWrites) -> bool {
        let mut shown = vec![0; self.writes.len()];
        let mut fits = found.foreign == 0;
        for write in &found.writes {
            match (*write as usize)
                .checked_sub(1)
                .and_then(|at| shown.get_mut(at))
            {
                Some(times) => *times += 1,
                None => fits = false,
            }
        }
        for ((number, write), times) in (1..).zip(&mut self.writes).zip(shown) {
            match (*write, times) {
                (Write::Acknowledged, 0) => {
                    *write = Write::Missed;
                    fits = false;
                }
                (Write::Rejected, 1..) => {
                    *write = Write::Possible;
                    fits = false;
                }
                (Write::Acknowledged | Write::Possible | Write::Missed, _)
                | (Write::Rejected, 0) => fits &= times <= most(&self.shown, number),
            }
        }
        fits
    }

    pub(super) fn take_cookies(&mut self, headers: &[String]) {
        for header in headers {
            let Ok(cookie) = Cookie::parse(header.as_str()) else {
                continue;
            };
            self.cookies.retain(|(name, _)| name != cookie.name());
            if !is_ended(&cookie) {
                self.cookies
                    .push((cookie.name().to_owned(), cookie.value().to_owned()));
            }
        }
    }

    /// Whether the reply replaces this session by another one, or by none.
    pub(super) fn is_replaced_by(&self, headers: &[String]) -> bool {
        self.is_replaced_where(headers, |_| true)
    }

    /// Whether the reply begins another session instead of this one. Removing the cookie is not enough.
    pub(super) fn is_begun_anew_by(&self, headers: &[String]) -> bool {
        self.is_replaced_where(headers, |new| !is_ended(new))
    }

    fn is_replaced_where(&self, headers: &[String], counts: impl Fn(&Cookie<'_>) -> bool) -> bool {
        headers.iter().any(|header| {
            Cookie::parse(header.as_str()).is_ok_and(|new| {
                let known =
                    |(name, value): &(String, String)| name == new.name() && value != new.value();
                counts(&new) && self.cookies.iter().any(known)
            })
        })
    }
}

/// How often a reply shows each write, by its number.
fn times(found: &ShownWrites) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for number in &found.writes {
        *times.entry(*number).or_default() += 1;
    }
    times
}

/// How often a write may be shown, after a look that showed so many.
fn most(shown: &BTreeMap<u32, usize>, number: u32) -> usize {
    shown.get(&number).map_or(1, |times| (*times).max(1))
}

/// Whether a reply's cookie deletes the cookie.
fn is_ended(cookie: &Cookie<'_>) -> bool {
    let age = cookie.max_age();
    cookie.value().is_empty() || age.is_some_and(|age| age.is_zero() || age.is_negative())
}

/// The write whose token stands somewhere in a value: user, login and number.
fn parse_token(value: &str) -> Option<(u32, u32, u32)> {
    value.match_indices('w').find_map(|(at, _)| {
        let mut numbers = value[at + 1..].splitn(3, '-');
        let user = numbers.next()?.parse().ok()?;
        let login = numbers.next()?.parse().ok()?;
        let last = numbers.next()?;
        let digits = last.len() - last.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = last[..digits].parse().ok()?;
        // "+1" would parse as a number, and be no token.
        let token = User {
            number: user,
            login,
            seed: 0,
        };
        value[at..]
            .starts_with(&write_token(token, number))
            .then_some((user, login, number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: User = User {
        number: 7,
        login: 1,
        seed: 0,
    };

    fn session(base: u64) -> Session {
        Session {
            base,
            ..Session::default()
        }
    }

    #[test]
    fn an_unacknowledged_change_may_or_may_not_show_later() {
        for (value, fits) in [(3, false), (4, true), (5, true), (6, false)] {
            let mut session = session(3);
            session.note_change(None, Outcome::Indeterminate);
            assert_eq!(session.accepts(Step::Act, value), fits, "{value}");
        }
    }

    #[test]
    fn a_counter_that_fell_back_is_refuted_once_and_then_continued_from() {
        let mut session = session(10);
        let seen = [8, 9, 10].map(|value| session.accepts(Step::Act, value));
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn a_refuted_counter_that_is_forgotten_is_not_continued_from() {
        let mut session = session(10);
        let seen = [8, 9, 13].map(|value| {
            let fits = session.accepts(Step::Act, value);
            session.forget_refuted_counter();
            fits
        });
        assert_eq!(seen, [false, false, true]);
    }

    #[test]
    fn a_counter_that_leapt_and_came_back_is_refuted_once() {
        let mut session = session(10);
        let seen = [1011, 12, 13].map(|value| session.accepts(Step::Act, value));
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn writes_are_recognized_by_their_tokens_wherever_they_stand() {
        let shown = [
            "w7-1-1",
            "item w7-1-12, blue",
            "w7-0-3",
            "w8-1-2",
            "welcome",
            "w7-1",
        ];
        let found = session(0).recognize(USER, &shown.map(str::to_owned));
        assert_eq!(
            found,
            ShownWrites {
                writes: vec![1, 12],
                foreign: 1
            }
        );
    }

    /// Whether a client with an acknowledged, a possible and a rejected write accepts a list of them.
    fn accepts(writes: &[u32]) -> bool {
        let mut session = Session::default();
        for outcome in [
            Outcome::Acknowledged,
            Outcome::Indeterminate,
            Outcome::Rejected,
        ] {
            let write = session.next_write();
            session.note_change(Some(write), outcome);
        }
        session.accepts_shown(&ShownWrites {
            writes: writes.to_vec(),
            foreign: 0,
        })
    }

    #[test]
    fn lost_phantom_and_duplicated_writes_are_refuted() {
        for (writes, fits) in [
            (&[1][..], true),
            (&[1, 2], true),
            (&[2, 1], true),
            (&[2], false),
            (&[1, 3], false),
            (&[1, 4], false),
            (&[1, 1], false),
            (&[], false),
        ] {
            assert_eq!(accepts(writes), fits, "{writes:?}");
        }
    }

    #[test]
    fn what_lacks_no_acknowledged_change_is_complete() {
        let mut counted = Session::default();
        counted.begin_at(10);
        for outcome in [
            Outcome::Acknowledged,
            Outcome::Indeterminate,
            Outcome::Acknowledged,
        ] {
            counted.note_change(None, outcome);
        }
        let complete =
            [None, Some(11), Some(12), Some(13)].map(|value| counted.is_complete_in(value, None));
        assert_eq!(complete, [true, false, true, true]);

        let mut own = Session::default();
        for outcome in [Outcome::Acknowledged, Outcome::Rejected] {
            let write = own.next_write();
            own.note_change(Some(write), outcome);
        }
        let shown = |writes: &[u32]| ShownWrites {
            writes: writes.to_vec(),
            foreign: 0,
        };
        assert!(own.is_complete_in(None, Some(&shown(&[1]))));
        // Also when it was missed before.
        assert!(!own.accepts_shown(&shown(&[])));
        assert!(!own.is_complete_in(None, Some(&shown(&[2]))));
    }

    #[test]
    fn a_change_that_was_never_answered_hides_no_loss_of_a_session_that_is_gone_on_with() {
        let mut counted = Session::default();
        for outcome in [Outcome::Acknowledged, Outcome::Indeterminate] {
            counted.note_change(None, outcome);
        }
        assert!(counted.is_complete_in(Some(1), None));
        // What the last look showed, and beside it at most what was never answered.
        let mut next = counted.clone();
        assert!(next.accepts(Step::Act, 1));
        next.note_change(None, Outcome::Indeterminate);
        next.expect_as_shown(Some(2), None);
        let may_be = |next: &Session| [2, 3, 4].map(|value| next.may_show(Some(value), None));
        assert_eq!(may_be(&next), [true, true, false]);
        next.go_on_from(Some(2), None);
        assert_eq!(may_be(&next), [true, false, false]);
        counted.go_on_from(Some(2), None);
        assert!(!counted.is_complete_in(Some(1), None));
        counted.note_change(None, Outcome::Acknowledged);
        let complete = [2, 3].map(|value| counted.is_complete_in(Some(value), None));
        assert_eq!(complete, [false, true]);
        assert!(!counted.accepts(Step::Check, 4), "it was told of none");

        let mut own = Session::default();
        let write = own.next_write();
        own.note_change(Some(write), Outcome::Indeterminate);
        let (none, one) = (
            ShownWrites::default(),
            ShownWrites {
                writes: vec![1],
                foreign: 0,
            },
        );
        assert!(own.is_complete_in(None, Some(&none)));
        own.go_on_from(None, Some(&none));
        assert!(own.is_complete_in(None, Some(&none)), "it was not there");
        own.go_on_from(None, Some(&one));
        assert!(!own.is_complete_in(None, Some(&none)));
    }

    #[test]
    fn a_write_that_was_stored_twice_is_shown_as_often_later_and_no_oftener() {
        let mut own = Session::default();
        for _ in 0..2 {
            let write = own.next_write();
            own.note_change(Some(write), Outcome::Acknowledged);
        }
        let shown = |writes: &[u32]| ShownWrites {
            writes: writes.to_vec(),
            foreign: 0,
        };
        assert!(!own.accepts_shown(&shown(&[1, 2, 2])), "it is told once");
        own.expect_as_shown(None, Some(&shown(&[1, 2, 2])));
        let cases: [(&[u32], bool); 5] = [
            (&[1, 2, 2], true),
            (&[1, 2], true),
            (&[1, 1, 2, 2], false),
            (&[1, 2, 2, 2], false),
            (&[1, 2, 2, 3], false),
        ];
        for (writes, fits) in cases {
            let found = shown(writes);
            assert_eq!(own.may_show(None, Some(&found)), fits, "{writes:?}");
            let mut next = own.clone();
            next.go_on_from(None, Some(&shown(&[1, 2, 2])));
            assert_eq!(next.accepts_shown(&found), fits, "{writes:?}");
        }
    }

    #[test]
    fn a_missing_write_is_told_once() {
        let mut session = Session::default();
        let write = session.next_write();
        session.note_change(Some(write), Outcome::Acknowledged);
        let seen = [(); 2].map(|()| session.accepts_shown(&ShownWrites::default()));
        assert_eq!(seen, [false, true]);
    }
}
