//! Servers that misbehave and flags that make no sense: each is told what is wrong, nothing hangs, panics or is
//! left behind, and no run passes that should not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "bad_input/against.rs"]
mod against;
#[path = "bad_input/bench.rs"]
mod bench;
#[path = "bad_input/external.rs"]
mod external;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/flags.rs"]
mod flags;
#[path = "bad_input/messages.rs"]
mod messages;
#[path = "support/repository.rs"]
mod repository;
#[path = "bad_input/sentences.rs"]
mod sentences;
#[path = "bad_input/servers.rs"]
mod servers;
#[path = "bad_input/stranger.rs"]
mod stranger;
mod support;
#[path = "bad_input/surroundings.rs"]
mod surroundings;
