//! An experiment: the document that a user writes, and the plan made from it.
//!
//! A file ([`File`]), the flags of `run`, comparisons and the library's builder all fill in the same [`Document`]. One
//! place (`resolve`) adds the defaults and makes the plan. Nothing is started here. Called by the program, the
//! library and `architectures`. The caller passes a catalogue of the kinds of faults.

pub mod chaos;
pub mod choice;
pub mod document;
mod external;
pub mod faults;
mod file;
mod fill;
mod json;
mod keys;
mod load;
mod marked;
mod partly;
mod problem;
pub mod request;
mod resolve;
mod scalar;
mod schema;
mod session;
mod spans;
mod step;
mod storm;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod topology;
mod windows;
mod written;

pub use document::Document;
pub use file::{File, FileProblem, Unreadable, read_text};
pub use problem::{Key, Problem};
pub use resolve::{Origin, Resolved, resolve};
pub use schema::json_schema;
pub use table::Unwritable;
pub use written::{Written, write_plan};
