//! Commands that end a server in place of a signal, while they are under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What such a command ended last may be seen to have ended so long after the command.
const SEEN_WITHIN: Duration = Duration::from_millis(50);

/// The commands of a server's faults. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Commanded(Arc<Mutex<Commands>>);

#[derive(Debug, Default)]
struct Commands {
    running: u32,
    last_end: Option<Instant>,
}

impl Commanded {
    pub(super) fn begin(&self) {
        self.change(|commands| commands.running += 1);
    }

    pub(super) fn end(&self) {
        self.change(|commands| {
            commands.running = commands.running.saturating_sub(1);
            commands.last_end = Some(Instant::now());
        });
    }

    /// Whether one of them has not ended.
    pub(super) fn is_under_way(&self) -> bool {
        self.change(|commands| commands.running > 0)
    }

    /// Whether one of them may have ended what was seen to end then.
    pub(super) fn may_have_ended(&self, at: Instant) -> bool {
        self.change(|commands| {
            let is_just_over = |end: Instant| at <= end + SEEN_WITHIN;
            commands.running > 0 || commands.last_end.is_some_and(is_just_over)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Commands) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_while_a_command_is_under_way_or_right_after_it_may_be_its_doing() {
        let (under_way, begun) = (Commanded::default(), Instant::now());
        assert!(!under_way.may_have_ended(begun));
        under_way.begin();
        let late = begun + Duration::from_secs(9);
        assert!(under_way.may_have_ended(late));
        under_way.end();
        assert!(under_way.may_have_ended(begun));
        assert!(!under_way.may_have_ended(late));
    }
}
