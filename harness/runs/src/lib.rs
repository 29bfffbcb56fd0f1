//! From a plan to a judged run folder.
//!
//! A line belongs here if it is about a run as a whole: its [`folder`] is made, it is carried out ([`run()`]), its journal
//! is [`read`] back with its [`logs`], it is judged and drawn ([`finish`]). Many runs are read side by side ([`mod@history`]). The shards of a run that was split become one run folder ([`merge`]). Prints nothing. Called by the library, the claims and the program.

mod extend;
pub mod finish;
pub mod folder;
pub mod history;
pub mod logs;
pub mod merge;
pub mod read;
mod run;

pub use run::{Hooks, run};
