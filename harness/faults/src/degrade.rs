//! Worse conditions for every node: for a while as a fault, or for the whole of a trial as a surrounding.

use comeback_model::plan::fault::Effect;
use comeback_model::units::Span;

use crate::act::Act;
use crate::injection::{FaultError, Injection};

/// The effect of a kind that may be either.
pub(crate) fn effect(lasts: Option<Span>) -> Effect {
    lasts.map_or(Effect::Surrounds, Effect::Degrades)
}

/// Checks the parameter.
pub(crate) fn check(lasts: Option<Span>) -> Result<(), (&'static str, &'static str)> {
    match lasts {
        Some(Span::ZERO) => Err(("lasts", "a fault needs a length, such as 1s")),
        Some(_) | None => Ok(()),
    }
}

/// How long, for people.
pub(crate) fn for_how_long(lasts: Option<Span>) -> String {
    lasts.map_or_else(String::new, |lasts| format!(" for {lasts}"))
}

/// Does this to every node. A fault undoes it when its time is over; a surrounding is released at the end of the trial.
///
/// # Errors
/// When it has no effect on one of them: those that have it are as before then.
pub(crate) async fn degrade<A: Act + 'static>(
    on: &Injection,
    lasts: Option<Span>,
    act: impl Fn() -> A,
) -> Result<(), FaultError> {
    let done = on.each(on.nodes(), |node| on.act(node, act())).await;
    let Some(lasts) = lasts else {
        return done.map(drop);
    };
    let begun = match done {
        Ok(begun) => begun,
        Err(missed) => {
            // It is missed for the first reason.
            let _ = release(on).await;
            return Err(missed);
        }
    };
    tokio::time::sleep_until(on.clock().instant(begun + lasts)).await;
    release(on).await
}

/// Undoes it on every node.
///
/// # Errors
/// When it did not have its effect until now.
pub(crate) async fn release(on: &Injection) -> Result<(), FaultError> {
    on.each(on.nodes(), |node| on.undo(node)).await.map(drop)
}
