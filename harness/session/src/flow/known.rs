//! What all clients of a trial and its probes know together, so that they call the same reply wrong: of a server without sessions,
//! where nothing is said of what its pages must show, that none was empty before the fault; and whose names logins showed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::user::User;

/// So many replies must have had a body for one without to be wrong.
const LEAST: u32 = 10;

/// What is known of bodies and names. A clone knows, and learns, the same.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// How many were there, as far as they are counted.
    there: AtomicU32,
    /// One was empty.
    was_one_empty: AtomicBool,
    /// Nothing more is learned: what comes is judged by it.
    is_learned: AtomicBool,
    /// Whose names logins showed, by what the names hash to. A name that several users had says nothing.
    names: Mutex<HashMap<u64, Option<u32>>>,
}

impl Known {
    /// From now on an empty page is wrong, if none was before.
    pub fn expect_as_before(&self) {
        self.0.is_learned.store(true, Ordering::Release);
    }

    /// Takes up a page; whether it is wrong, since it is empty. Until pages are expected to be as before, none is.
    pub fn note_page(&self, is_empty: bool) -> bool {
        let known = &self.0;
        let there = known.there.load(Ordering::Acquire);
        match (known.is_learned.load(Ordering::Acquire), is_empty) {
            (false, true) => known.was_one_empty.store(true, Ordering::Release),
            (false, false) if there < LEAST => {
                known.there.fetch_add(1, Ordering::AcqRel);
            }
            (false, false) => {}
            (true, is_empty) => {
                let was_always_there = !known.was_one_empty.load(Ordering::Acquire);
                return is_empty && was_always_there && there >= LEAST;
            }
        }
        false
    }
    pub(super) fn learn_name(&self, name: &str, user: User) {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let has = names.entry(hash_of(name)).or_insert(Some(user.number));
        if *has != Some(user.number) {
            *has = None;
        }
    }

    /// Whether one other user alone had this name.
    pub(super) fn is_name_of_another(&self, name: &str, user: User) -> bool {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let has = names.get(&hash_of(name)).copied().flatten();
        has.is_some_and(|number| number != user.number)
    }
}

fn hash_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
