//! Claims about stateless and stateful servers that people repeat, and how each is measured and ruled on.
//!
//! A line belongs here if it is about one claim. `table` holds the claims. `rulings` says of each what a measurement says of it:
//! pure functions. `procedures` does what no comparison does: it starts servers, asks them and stops them, and leaves a
//! journal of facts. Called by the program.

mod table;

/// What a measurement says of each claim.
mod rulings {
    mod chart;
    pub(crate) mod comparisons;
    mod evidence;
    mod facts;
    mod ruled;
    mod thresholds;

    pub(crate) mod any_server;
    pub(crate) mod bound;
    pub(crate) mod cacheable;
    pub(crate) mod carries;
    pub(crate) mod complete;
    pub(crate) mod internet;
    pub(crate) mod order;
    pub(crate) mod protocols;
    pub(crate) mod quicker;
    pub(crate) mod restart;
    pub(crate) mod scale_out;
    pub(crate) mod simple;
    pub(crate) mod storage;
    pub(crate) mod swap;
    #[cfg(test)]
    mod tests;

    pub use comeback_model::claims::{Bar, Chart, Ruling};
    pub use evidence::Evidence;
    pub use facts::{Amount, Fact, FactsError, Findings, Heading, Observation, VERSION, What};
    pub use ruled::Ruled;
    pub(crate) use ruled::{Open, RulingResult};
    use ruled::{percent_of, share};
}

/// What is done with servers that no comparison does: they are started, asked, and stopped, and what is found goes to a
/// journal of its own, `facts.jsonl`, as it is found. Procedures decide nothing: `rulings` does.
mod procedures {
    mod clients;
    mod context;
    mod line;
    mod packaged;
    mod run;
    mod user;

    pub(crate) mod grow;
    pub(crate) mod idle;
    pub(crate) mod interrupt;
    pub(crate) mod race;
    pub(crate) mod reorder;
    pub(crate) mod replay;
    pub(crate) mod replica_replacement;

    pub use idle::PROXY;
    pub use packaged::{Packaged, find as packaged};
    pub use run::{FACTS, Procedure, ReadError, Task, read, run};
}

pub use comeback_model::claims::{ClaimRow, Claims, SCHEMA};
pub use procedures::{FACTS, PROXY, Packaged, Procedure, ReadError, Task, packaged, read, run};
pub use rulings::{
    Amount, Bar, Chart, Evidence, Fact, FactsError, Findings, Heading, Observation, Ruled, Ruling,
    VERSION, What,
};
pub use table::{CLAIMS, Claim, Comparisons, Experiment, Inquiry, Source, row};
