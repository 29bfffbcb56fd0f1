//! What is known of the bodies of replies of a server without sessions, where nothing is said of what its pages must show: that none
//! was empty before the fault. All clients of a trial share it with the recovery probe, so that both call the same reply wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// So many replies must have had a body for one without to be wrong.
const LEAST: u32 = 10;

/// What is known of the bodies of replies. A clone knows, and learns, the same.
#[derive(Clone, Debug, Default)]
pub struct KnownBodies(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many were there, as far as they are counted.
    there: AtomicU32,
    /// One was empty.
    was_one_empty: AtomicBool,
    /// Nothing more is learned: what comes is judged by it.
    is_learned: AtomicBool,
}

impl KnownBodies {
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
}
