//! The progress of a storm: its kills are too many for a line each.

use std::fmt;
use std::time::{Duration, Instant};

/// How often a line is printed where there is no terminal.
const EACH: Duration = Duration::from_secs(2);

/// How far a storm is.
#[derive(Debug)]
pub(super) struct Storm {
    planned: u32,
    kills: u32,
    /// Kills after which users found that something was gone.
    with_loss: u32,
    is_control: bool,
    told: Instant,
}

impl Storm {
    pub(super) fn of(planned: u32) -> Self {
        Self {
            planned,
            kills: 0,
            with_loss: 0,
            is_control: false,
            told: Instant::now(),
        }
    }

    /// The next cycle begins.
    pub(super) const fn begin(&mut self, is_control: bool) {
        self.is_control = is_control;
        if !is_control {
            self.kills += 1;
        }
    }

    /// So many sessions lack something at the cycle's end.
    pub(super) fn note(&mut self, lacking: u32) {
        self.with_loss += u32::from(lacking > 0 && !self.is_control);
    }

    /// The line of the cycle that ended, if it is time for one, or there is something to be told, or it was the last.
    pub(super) fn tell(&mut self, is_news: bool) -> Option<String> {
        let is_last = self.kills == self.planned;
        if !is_news && !is_last && self.told.elapsed() < EACH {
            return None;
        }
        self.told = Instant::now();
        Some(self.to_string())
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_control {
            true => f.write_str("cycles without a kill"),
            false => write!(
                f,
                "kill {} of {}, {} with a loss",
                self.kills, self.planned, self.with_loss
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_tells_its_kills_and_its_losses_and_not_each_cycle() {
        let mut storm = Storm::of(3);
        storm.begin(true);
        storm.note(1);
        assert_eq!(storm.tell(false), None);
        storm.begin(false);
        storm.note(2);
        assert_eq!(
            storm.tell(true).as_deref(),
            Some("kill 1 of 3, 1 with a loss")
        );
        storm.begin(false);
        storm.note(0);
        storm.begin(false);
        assert_eq!(
            storm.tell(false).as_deref(),
            Some("kill 3 of 3, 1 with a loss")
        );
    }
}
