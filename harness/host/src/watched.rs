//! A kernel descriptor that the runtime's poll watches: timers and processes.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor that this process owns.
///
/// # Errors
/// If the runtime's poll does not take it.
#[expect(
    deprecated,
    reason = "its successor is unsafe because a type may give away the descriptor it holds; an OwnedFd does not"
)]
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}
