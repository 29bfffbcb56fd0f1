//! Events that faults had waited for, until they are on record.

use std::collections::BTreeMap;

use comeback_model::event::{EventKind, Mark, Met, MetWrite};
use comeback_model::ids::FaultId;
use comeback_model::units::Elapsed;

use crate::load::Passed;

/// An event that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    /// When it was begun to be waited for.
    begun: Elapsed,
    /// When it came; of a start, when the fault is due after it.
    at: Elapsed,
    mark: Option<Mark>,
    /// When a reply had surely not come yet, where that is known.
    quiet: Option<Elapsed>,
    met: Met,
}

/// By the faults that wait for them, until they are on record.
pub(super) type Events = BTreeMap<FaultId, Came>;

impl Came {
    pub(super) const fn of_load(
        begun: Elapsed,
        mark: Mark,
        (passed, met): (Passed, MetWrite),
    ) -> Self {
        Self {
            begun,
            at: passed.at,
            mark: Some(mark),
            quiet: passed.quiet,
            met: Met::Write(met),
        }
    }

    pub(super) const fn of_node(begun: Elapsed, at: Elapsed, met: Met) -> Self {
        Self {
            begun,
            at,
            mark: None,
            quiet: None,
            met,
        }
    }

    /// What is put on record of a fault that was begun then.
    pub(super) fn aimed(self, fault: FaultId, first: Elapsed) -> EventKind {
        let since = |earlier: Elapsed| first.as_us().saturating_sub(earlier.as_us());
        EventKind::FaultAimed {
            fault,
            mark: self.mark,
            waited_us: since(self.begun),
            after_us: Some(since(self.at)),
            quiet_us: self.quiet.map(since),
            met: Some(self.met),
        }
    }
}
