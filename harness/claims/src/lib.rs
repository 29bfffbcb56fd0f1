//! Claims about stateless and stateful servers that people repeat, and how each is measured and ruled on.
//!
//! A line belongs here if it is about one claim. `rulings` holds the table of claims, and for each what a
//! measurement says of it: pure functions. `procedures` does what no comparison does: it starts servers, asks them
//! and stops them, and leaves a journal of facts. Called by the program.

mod procedures;
mod rulings;

pub use procedures::{FACTS, PROXY, Packaged, ReadError, Task, packaged, read, run};
pub use rulings::*;
