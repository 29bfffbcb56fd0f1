//! Signals that end their nodes: `kill`, `terminate`, `abort`, `segfault`, and any other.

use comeback_model::plan::Signal;
use comeback_model::plan::fault::{Effect, Ending, FaultWords, Reach, Within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ending::{self, end_all};
use crate::injection::{FaultError, Injection};
use crate::kind::Kind;

/// What proves that a signal ended a process.
const EVIDENCE: &str =
    "Each process was reaped; of a kill only by signal 9, which its wait status says.";

/// A kind that sends one signal, always the same.
macro_rules! signal_kind {
    ($(#[$about:meta])* $kind:ident, $name:literal, $line:literal, $signal:expr) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $kind {}

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $line;
            const EVIDENCE: &'static str = EVIDENCE;
            const WITHIN: Within = Within::Request;
    const IS_FOR_EXTERNAL: bool = true;

            fn effect(&self) -> Effect {
                effect_of($signal)
            }

            fn words(&self, reach: Reach) -> FaultWords {
                words_of($signal, reach)
            }

            async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
                send($signal, on).await
            }
        }
    };
}

signal_kind!(
    /// SIGKILL.
    Kill, "kill", "SIGKILL.", Signal::Kill
);
signal_kind!(
    /// A service manager's stop.
    Terminate,
    "terminate",
    "A service manager's stop: SIGTERM to all of them, then SIGKILL to those still there after the grace of `stop`.",
    Signal::Term
);
signal_kind!(
    /// SIGABRT.
    Abort, "abort", "SIGABRT, as from `abort()`.", Signal::Abrt
);
signal_kind!(
    /// SIGSEGV.
    Segfault, "segfault", "SIGSEGV, as from a wild pointer.", Signal::Segv
);

/// Any signal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnySignal {
    /// Which signal is sent.
    signal: Signal,
}

impl Kind for AnySignal {
    const NAME: &'static str = "signal";
    const ABOUT: &'static str = "Any other signal, named by `signal`.";
    const EVIDENCE: &'static str = EVIDENCE;
    const WITHIN: Within = Within::Request;
    const IS_FOR_EXTERNAL: bool = true;

    fn same_as(&self) -> Option<&'static str> {
        match self.signal {
            Signal::Kill => Some(Kill::NAME),
            Signal::Term => Some(Terminate::NAME),
            Signal::Abrt => Some(Abort::NAME),
            Signal::Segv => Some(Segfault::NAME),
            _ => None,
        }
    }

    fn effect(&self) -> Effect {
        effect_of(self.signal)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        words_of(self.signal, reach)
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        send(self.signal, on).await
    }
}

const fn effect_of(signal: Signal) -> Effect {
    Effect::Ends(match signal {
        Signal::Kill => Ending::AtOnce,
        Signal::Term => Ending::AsAsked,
        _ => Ending::BySignal,
    })
}

fn words_of(signal: Signal, reach: Reach) -> FaultWords {
    let then = match signal {
        Signal::Term => ", and SIGKILL to those that are there after the grace",
        _ => "",
    };
    FaultWords {
        short: "crash".to_owned(),
        noun: signal.to_string(),
        done: format!("{signal} to {reach}"),
        begun: format!("{signal} sent"),
        explained: format!("{signal} to {reach} of the faulted nodes{then}"),
    }
}

/// Every faulted node is sent the signal in one go. SIGTERM is a service manager's stop: what has not ended after the
/// node's time of grace is killed.
async fn send(signal: Signal, on: &Injection) -> Result<(), FaultError> {
    let mut nodes = Vec::with_capacity(on.nodes().len());
    for node in on.nodes() {
        let grace = match signal {
            Signal::Term => Some(on.how_to_stop(*node).await?.grace),
            _ => None,
        };
        nodes.push((*node, ending::Ending { signal, grace }));
    }
    end_all(on, &nodes, signal).await
}
