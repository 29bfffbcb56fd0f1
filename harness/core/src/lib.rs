//! The pure crates under one name, until each user names the one it needs; and the claims.

pub use comeback_analysis::{difference, summary};
pub use comeback_model::{endpoint, event, ids, journal, operation, plan, said, schedule, units};
pub use comeback_statistics as statistics;

pub mod claims;

/// The figures of a run.
pub mod analysis {
    pub use comeback_analysis::measure::*;
    pub use comeback_analysis::summary::{findings_of, summarize};
}

/// The verdict on a run.
pub mod verdict {
    pub use comeback_analysis::difference::compare;
    pub use comeback_analysis::verdict::*;
}
