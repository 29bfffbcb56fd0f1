//! A session from outside: the requests of a user, and the meaning of the replies.
//!
//! A line belongs here if it makes the bytes of a request or interprets the bytes of a reply: the [`flow`] with its oracle and its
//! templates, the [`wire`] parsers of HTTP/1.1 and of protocols of commands, and replies while they arrive ([`reading`]). Only this
//! crate defines a correct reply. Pure and fuzzed: no socket, no clock. Called by `load`, and by `experiment` to check
//! templates.

pub mod flow;
pub mod reading;
pub mod wire;
