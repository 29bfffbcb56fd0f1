//! A session, from outside: what a user sends and what a reply means.
//!
//! A line belongs here if it makes the bytes of a request or tells what the bytes of a reply say: the [`flow`] with its
//! oracle and its templates, the [`wire`] parsers of HTTP/1.1 and of Redis's protocol, and replies on their way in
//! ([`reading`]). What a correct reply is, is said here and nowhere else. Pure, and fuzzed: no socket, no clock. Called by `load`,
//! and by `experiment` to see that templates can be compiled.

pub mod flow;
pub mod reading;
pub mod wire;
