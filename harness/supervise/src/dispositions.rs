//! The reaction of this process to signals that it may have inherited as ignored, or that would end it silently.
//!
//! To survive a signal, it sets a handler. Started processes get the default back at `exec`. They would inherit an ignored
//! signal.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Takes over two signals for as long as this process lives. With SIGCHLD ignored the kernel would reap the servers, and
/// nobody would learn how they ended. SIGXFSZ, at a file that reaches the limit of its size, becomes the error `EFBIG`
/// of the write. For a program of ours; a library leaves its process as it is.
///
/// # Errors
/// If a handler cannot be set.
pub fn take_over() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    for kind in [
        SignalKind::child(),
        SignalKind::from_raw(Signal::SIGXFSZ as i32),
    ] {
        // The receiver is gone. The handler stays.
        drop(signal(kind)?);
    }
    Ok(())
}
