//! When each trial began and ended.

use std::collections::BTreeMap;

use crate::event::{Event, EventKind};
use crate::ids::TrialId;
use crate::units::Elapsed;

/// Of each trial that began, when it lasted.
pub(super) type Intervals = BTreeMap<TrialId, Interval>;

/// When a trial began and, if it did, ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) began: Elapsed,
    pub(super) ended: Option<Elapsed>,
}

impl Interval {
    /// Notes what an event says of when trials began and ended.
    pub(super) fn note(intervals: &mut Intervals, event: &Event) {
        let Some(trial) = event.trial else {
            return;
        };
        match event.kind {
            EventKind::TrialStarted { .. } => {
                intervals.entry(trial).or_insert(Self {
                    began: event.at,
                    ended: None,
                });
            }
            EventKind::TrialEnded => {
                if let Some(interval) = intervals.get_mut(&trial) {
                    interval.ended.get_or_insert(event.at);
                }
            }
            _ => {}
        }
    }
}
