//! What a run means, from its journal alone.
//!
//! [`measure`] computes the figures of a journal, [`verdict`] judges them by the plan's gates. [`summary`] is the document
//! that other programs read, [`mod@difference`] that of two runs compared, and [`history`] that of many runs side by side. They import in this order only.
//!
//! A line belongs here if it computes a figure of a run, or decides by one. `harness/docs/METHOD.md` says what each
//! figure is. The same input gives the same output.

pub mod difference;
pub mod history;
pub mod measure;
pub mod summary;
pub mod verdict;
