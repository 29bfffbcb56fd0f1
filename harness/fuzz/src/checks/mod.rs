//! One check for each target: total over bytes, and a panic where something does not hold.

mod experiment;
mod journal;
mod reading;
mod replies;

pub use experiment::check_experiment;
pub use journal::check_journal;
pub use replies::{check_commands, check_http};

/// What a check of bytes has to tell the fuzzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Keep them if they reach something new.
    Kept,
    /// They are not worth a place in the corpus.
    Dropped,
}

impl From<Worth> for libfuzzer_sys::Corpus {
    fn from(worth: Worth) -> Self {
        match worth {
            Worth::Kept => Self::Keep,
            Worth::Dropped => Self::Reject,
        }
    }
}
