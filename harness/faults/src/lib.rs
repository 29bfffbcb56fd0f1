//! The faults: one file for each kind, which acts through an [`Injection`] and knows nothing of the engine.
//!
//! A line belongs here if it says what one kind of fault does to its nodes, and how its effect is confirmed. Processes are the
//! engine's: it takes the calls of an injection, and answers each when it is done.

mod ending;
mod injection;
mod pause;
mod rolling_restart;
mod signal;
#[cfg(test)]
mod tests;

use comeback_model::plan::Action;

pub use injection::{Answer, Call, Ended, FaultError, Injection, NodeCall, SignalTo};
use pause::Pause;
use rolling_restart::RollingRestart;
use signal::SendSignal;

/// Does what the plan wants done; returns when the fault is over. This is the one place that tells the kinds apart.
///
/// # Errors
/// When it missed, or its trial is over.
pub async fn inject(action: Action, on: &Injection) -> Result<(), FaultError> {
    match action {
        Action::Signal(signal) => SendSignal { signal }.inject(on).await,
        Action::Pause(lasts) => Pause { lasts }.inject(on).await,
        Action::Roll { drain, .. } => RollingRestart { drain }.inject(on).await,
    }
}
