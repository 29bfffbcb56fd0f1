//! `deploy`: a rolling restart, after which each replica is the arm's next version.

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Needs, Reach};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::injection::{FaultError, Injection};
use crate::kind::Kind;
use crate::rolling_restart::{DrainSchema, DrainTime, replace_each, words};

/// A deploy.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Deploy {
    /// How long the balancer may take to have no request with a replica before that is stopped; `false` to stop it without
    /// telling the balancer. Default: 10s.
    #[schemars(with = "DrainSchema")]
    drain: DrainTime,
}

impl Kind for Deploy {
    const NAME: &'static str = "deploy";
    const ABOUT: &'static str = "A rolling restart that starts another version in place of each replica, named by `[deploy]` or `--deploy`.";
    const EVIDENCE: &'static str = "As of a rolling restart: each process was reaped; the balancer itself says that a replica is drained.";
    const AIM: Aim = Aim::AllReplicas;

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        self.drain.check()
    }

    fn effect(&self) -> Effect {
        Effect::Replaces
    }

    fn needs(&self) -> Needs {
        Needs {
            drain: self.drain.0,
            next: true,
            ..Needs::default()
        }
    }

    fn words(&self, _: Reach) -> FaultWords {
        words("deploy", self.drain, "its replacement is started")
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        replace_each(on, self.drain).await
    }
}
