//! The zoo: servers on the same contract, each with one behaviour broken on purpose.
//!
//! Each file says what is broken and what must expose it. A harness that does not notice is the broken one.

pub(crate) mod chatty;
pub(crate) mod chunked;
pub(crate) mod dies;
pub(crate) mod dies_again;
pub(crate) mod double_apply;
pub(crate) mod double_fault;
pub(crate) mod early_ack;
pub(crate) mod early_health;
pub(crate) mod h2c;
pub(crate) mod ignores_keys;
pub(crate) mod ignores_term;
pub(crate) mod in_place;
pub(crate) mod late_listener;
pub(crate) mod line_log;
pub(crate) mod lost_replies;
pub(crate) mod never_back;
pub(crate) mod no_reuseaddr;
pub(crate) mod orphan;
mod persisted;
pub(crate) mod pid_file;
pub(crate) mod public_me;
pub(crate) mod re_creates;
pub(crate) mod renames;
pub(crate) mod resets_on_term;
pub(crate) mod sequential_ids;
pub(crate) mod stale_pool;
pub(crate) mod stalls;
pub(crate) mod tls;
pub(crate) mod trivial;
pub(crate) mod unix;
pub(crate) mod whole_file;
pub(crate) mod wrong_answer;
pub(crate) mod zombie;

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::ServeError;

/// Whether this is the first start on the data folder; leaves a marker for the next one.
fn is_first_start(data: &Path) -> Result<bool, ServeError> {
    let marker = data.join("started-before");
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&marker)
    {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(ServeError::file("create", &marker)(error)),
    }
}

/// Picks every n-th event of this process, from any thread.
struct EveryNth {
    n: u64,
    seen: AtomicU64,
}

impl EveryNth {
    const fn new(n: u64) -> Self {
        Self {
            n,
            seen: AtomicU64::new(0),
        }
    }

    /// Counts one event; true for the n-th, 2n-th, 3n-th.
    fn is_due(&self) -> bool {
        (self.seen.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.n)
    }
}
