//! What all clients of a trial and its probes know together, so that they call the same reply wrong: how often pages of which nothing is
//! said were empty before the fault, and whose names logins showed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::user::User;

/// So many replies must have had a body for the first one without to be wrong, and so many users a name of their own for a login that
/// shows one of these to be.
const LEAST: u32 = 10;
/// Empty pages in a row are wrong where chance would show so many with this probability or less.
const BY_CHANCE: f64 = 1e-9;

/// What is known of bodies and names. A clone knows, and learns, the same.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// Nothing more is learned of pages: what comes is judged by it.
    is_learned: AtomicBool,
    /// By the places of their requests in the flow.
    pages: Mutex<HashMap<usize, Page>>,
    names: Mutex<Names>,
}

/// How often a page was there and how often it was empty.
#[derive(Debug, Default)]
struct Page {
    full: u32,
    empty: u32,
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
    /// A session from before the fault shows it still to the one who had it.
    lives: bool,
}

#[derive(Debug, Default)]
struct Names {
    /// By what they hash to.
    owners: HashMap<u64, Owners>,
    /// So many names one user alone had before the fault.
    single: u32,
    /// Two users had the same one before the fault.
    is_one_shared: bool,
}

impl Page {
    /// With an empty page: whether it is wrong. The share of empty ones is taken for larger than it was (Laplace's rule of succession).
    fn is_wrong_empty(&mut self) -> bool {
        let Self { full, empty, .. } = *self;
        self.in_a_row = self.in_a_row.saturating_add(1);
        let share = f64::from(empty + 1) / f64::from(full + empty + 2);
        let was_never = empty == 0 && full >= LEAST;
        full > 0 && (was_never || share.powi(self.in_a_row) <= BY_CHANCE)
    }
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

    pub(super) fn is_learned(&self) -> bool {
        self.0.is_learned.load(Ordering::Acquire)
    }

    /// Takes up the page of the request at this place; whether it is wrong, since it is empty. Until pages are expected to be as before,
    /// none is.
    pub fn note_page(&self, place: usize, is_empty: bool) -> bool {
        let mut pages = lock(&self.0.pages);
        let page = pages.entry(place).or_default();
        match (self.is_learned(), is_empty) {
            (false, true) => page.empty = page.empty.saturating_add(1),
            (false, false) => page.full = page.full.saturating_add(1),
            (true, true) => return page.is_wrong_empty(),
            (true, false) => page.in_a_row = 0,
        }
        false
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
        names.is_one_shared |= has == Had::Several;
    }

    /// Notes that a session from before the fault shows this name still, to its user.
    pub(super) fn note_living(&self, name: &str, user: User) {
        if let Some(owners) = lock(&self.0.names).owners.get_mut(&hash_of(name)) {
            owners.lives |= owners.before == Had::One(user.number);
        }
    }

    /// Whether others alone had this name: one before the fault, one since, or both. One that several had at a time says nothing.
    pub(super) fn is_name_of_another(&self, name: &str, user: User) -> bool {
        let names = lock(&self.0.names);
        let owners = names.owners.get(&hash_of(name));
        let Owners { before, since, .. } = owners.copied().unwrap_or_default();
        let is_anothers = |had| matches!(had, Had::One(one) if one != user.number);
        let fits = |had| had == Had::Nobody || is_anothers(had);
        fits(before) && fits(since) && (before, since) != (Had::Nobody, Had::Nobody)
    }

    /// Whether this name, which a login gave the user, is that of another one whose session goes on. Where users shared names before the
    /// fault, or few had one, that says nothing.
    pub(super) fn is_taken_from_another(&self, name: &str, user: User) -> bool {
        let names = lock(&self.0.names);
        let owners = names.owners.get(&hash_of(name));
        let is_anothers = |owners: &Owners| owners.lives && owners.before != Had::One(user.number);
        !names.is_one_shared && names.single >= LEAST && owners.is_some_and(is_anothers)
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
