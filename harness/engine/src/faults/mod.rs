//! The faults: one file for each kind, which acts through an [`Injection`] and knows nothing of the engine.

mod ending;
mod injection;
mod pause;
mod rolling_restart;
mod signal;
#[cfg(test)]
mod tests;

use comeback_model::plan::Action;

pub(super) use injection::{Answer, Call, Ended, FaultError, Injection, NodeCall, SignalTo};
use pause::Pause;
use rolling_restart::RollingRestart;
use signal::SendSignal;

/// Does what the plan wants done; returns when the fault is over. This is the one place that tells the kinds apart.
pub(super) async fn inject(action: Action, on: &Injection) -> Result<(), FaultError> {
    match action {
        Action::Signal(signal) => SendSignal { signal }.inject(on).await,
        Action::Pause(lasts) => Pause { lasts }.inject(on).await,
        Action::Roll { drain, .. } => RollingRestart { drain }.inject(on).await,
    }
}
