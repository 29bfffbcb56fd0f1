//! What all clients of a trial and its probes know together, so that they call the same reply wrong: how often pages of which nothing is
//! said were empty before the fault, whose names logins showed, and to whom final looks show them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::event::Doubts;

use super::user::User;

/// So many replies must have had a body for the first one without to be wrong, and so many users a name of their own for one that two of
/// them are shown to be.
const LEAST: u32 = 10;
/// Empty pages are wrong where chance would show so many with this probability or less.
const BY_CHANCE: f64 = 1e-9;
/// So many standard deviations may the share of empty pages have been larger before the fault than it was seen to be.
const DEVIATIONS: f64 = 6.0;

/// What is known of bodies and names. A clone knows, and learns, the same.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// Nothing more is learned of pages: what comes is judged by it.
    is_learned: AtomicBool,
    pages: Mutex<HashMap<PageOf, Page>>,
    names: Mutex<Names>,
    doubts: Mutex<Doubts>,
}

/// Which page it is: the place of its request in the flow, and whether its user has changed anything. The pages of users who have not
/// may look different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageOf {
    /// The place of the request.
    pub request: usize,
    /// The user has changed something.
    pub has_changed: bool,
}

/// How often a page was there and how often it was empty.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    full: u32,
    empty: u32,
}

#[derive(Debug, Default)]
struct Page {
    before: Counted,
    since: Counted,
    /// So many were empty one after the other since the fault.
    in_a_row: i32,
}

/// Who had a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Had {
    #[default]
    Nobody,
    One(u32),
    Several,
}

/// Whose name it was by the logins before the fault and by those since.
#[derive(Clone, Copy, Debug, Default)]
struct Owners {
    before: Had,
    since: Had,
}

#[derive(Debug, Default)]
struct Names {
    /// By what they hash to.
    owners: HashMap<u64, Owners>,
    /// So many names one user alone had before the fault.
    single: u32,
    /// So many names several users had before the fault.
    shared: u32,
    /// To whom final looks show names, while these are made: nobody logs in or out then.
    shown: Option<HashMap<u64, u32>>,
}

impl Counted {
    fn count(&mut self, is_empty: bool) {
        let counted = if is_empty {
            &mut self.empty
        } else {
            &mut self.full
        };
        *counted = counted.saturating_add(1);
    }

    fn all(self) -> f64 {
        f64::from(self.full) + f64::from(self.empty)
    }
}

impl Page {
    /// With an empty page: whether it is wrong.
    fn is_wrong_empty(&mut self) -> bool {
        let Self { before, since, .. } = *self;
        self.in_a_row = self.in_a_row.saturating_add(1);
        // By Laplace's rule of succession.
        let share = f64::from(before.empty + 1) / (before.all() + 2.0);
        let was_never = before.empty == 0 && before.full >= LEAST;
        let is_row = share.powi(self.in_a_row) <= BY_CHANCE;
        let deviation = (share * (1.0 - share) / (before.all() + 2.0)).sqrt();
        let most = share + DEVIATIONS * deviation;
        before.full > 0 && (was_never || is_row || are_too_many(since, most))
    }
}

/// Whether chance shows so many empty pages at this share of empty ones hardly ever, by Chernoff's bound of the binomial tail.
fn are_too_many(since: Counted, share: f64) -> bool {
    let all = since.all();
    let (is, full) = (f64::from(since.empty) / all, f64::from(since.full) / all);
    if is <= share || share >= 1.0 {
        return false;
    }
    let part = |is: f64, of: f64| if is > 0.0 { is * (is / of).ln() } else { 0.0 };
    let distance = part(is, share) + part(full, 1.0 - share);
    (-all * distance).exp() <= BY_CHANCE
}

impl Had {
    const fn and(self, user: u32) -> Self {
        match self {
            Self::Nobody => Self::One(user),
            Self::One(one) if one == user => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

impl Known {
    /// From now on an empty page is wrong, if it hardly was before.
    pub fn expect_as_before(&self) {
        self.0.is_learned.store(true, Ordering::Release);
    }

    fn is_learned(&self) -> bool {
        self.0.is_learned.load(Ordering::Acquire)
    }

    /// Takes up a page; whether it is wrong, since it is empty. Until pages are expected to be as before,
    /// none is.
    pub fn note_page(&self, place: PageOf, is_empty: bool) -> bool {
        let mut pages = lock(&self.0.pages);
        let page = pages.entry(place).or_default();
        if !self.is_learned() {
            page.before.count(is_empty);
            return false;
        }
        page.since.count(is_empty);
        if !is_empty {
            page.in_a_row = 0;
        }
        is_empty && page.is_wrong_empty()
    }

    /// Notes that a page was taken for wrong, since hardly any was empty before.
    pub(super) fn doubt_page(&self, request: &str) {
        Doubts::keep(&mut lock(&self.0.doubts).pages, request);
    }

    /// Notes that a name which the server gave to one user was shown to another one.
    pub(super) fn doubt_name(&self, name: &str) {
        Doubts::keep(&mut lock(&self.0.doubts).names, name);
    }

    /// What was in doubt since this was asked last.
    pub fn take_doubts(&self) -> Doubts {
        mem::take(&mut *lock(&self.0.doubts))
    }

    /// Notes whose name a login showed.
    pub(super) fn learn_name(&self, name: &str, user: User) {
        let is_since = self.is_learned();
        let mut names = lock(&self.0.names);
        let owners = names.owners.entry(hash_of(name)).or_default();
        if is_since {
            owners.since = owners.since.and(user.number);
            return;
        }
        let had = owners.before;
        let has = had.and(user.number);
        owners.before = has;
        names.single += u32::from(had == Had::Nobody);
        if had != Had::Several && has == Had::Several {
            names.single -= 1;
            names.shared += 1;
        }
    }

    /// Whether others alone had this name: one before the fault, one since, or both. One that several had at a time says nothing.
    pub(super) fn is_name_of_another(&self, name: &str, user: User) -> bool {
        let names = lock(&self.0.names);
        let owners = names.owners.get(&hash_of(name));
        let Owners { before, since } = owners.copied().unwrap_or_default();
        let is_anothers = |had| matches!(had, Had::One(one) if one != user.number);
        let fits = |had| had == Had::Nobody || is_anothers(had);
        fits(before) && fits(since) && (before, since) != (Had::Nobody, Had::Nobody)
    }

    /// The final looks begin: nobody logs in or out any more, and no fault comes.
    pub fn begin_looks(&self) {
        lock(&self.0.names).shown.get_or_insert_default();
    }

    /// The final looks are over: another trial begins on the same data.
    pub fn end_looks(&self) {
        lock(&self.0.names).shown = None;
    }

    /// With the own name of a user, as a final look at a session shows it that has not ended: whether another user was shown it, too. Two
    /// users may be in one account then. A name that several had before the fault says nothing, and none does where such names were many,
    /// or few users had a name.
    pub(super) fn is_shown_to_another(&self, name: &str, user: User) -> bool {
        let mut names = lock(&self.0.names);
        let owners = names.owners.get(&hash_of(name));
        let was_shared = owners.is_some_and(|owners| owners.before == Had::Several);
        let are_own = names.single >= LEAST && names.single >= names.shared.saturating_mul(LEAST);
        let Some(shown) = names.shown.as_mut().filter(|_| are_own && !was_shared) else {
            return false;
        };
        *shown.entry(hash_of(name)).or_insert(user.number) != user.number
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
