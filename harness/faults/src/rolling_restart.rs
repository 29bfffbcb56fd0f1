//! `rolling_restart`: one replica after the other is drained, stopped, started again, waited for, and given requests again.

use std::fmt;

use comeback_model::plan::fault::{Aim, Effect, FaultWords, Needs, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::ending::stop_all;
use crate::injection::{FaultError, Injection};
use crate::kind::Kind;

/// A rolling restart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RollingRestart {
    /// How long the balancer may take to have no request with a replica before that is stopped; `false` to stop it without
    /// telling the balancer. Default: 10s.
    #[schemars(with = "DrainSchema")]
    drain: DrainTime,
}

impl Kind for RollingRestart {
    const NAME: &'static str = "rolling_restart";
    const ABOUT: &'static str =
        "Each replica in turn is drained, stopped as `stop` says, started again and waited for.";
    const EVIDENCE: &'static str =
        "Each replica's process was reaped; the balancer itself says that a replica is drained.";
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
            ..Needs::default()
        }
    }

    fn words(&self, _: Reach) -> FaultWords {
        words("rolling restart", self.drain, "is started again")
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        replace_each(on, self.drain).await
    }
}

/// The words for faults that replace one replica after the other.
pub(crate) fn words(what: &str, DrainTime(drain): DrainTime, next: &str) -> FaultWords {
    let how = if drain.is_some() { "with" } else { "without" };
    let noun = format!("a {what} {how} drain");
    let first = drain.map_or_else(String::new, |within| {
        format!("is drained (within {within}), ")
    });
    FaultWords {
        short: "restart".to_owned(),
        done: noun.clone(),
        noun,
        begun: "told to stop".to_owned(),
        explained: format!("each replica in turn {first}is stopped, {next} and waited for"),
    }
}

/// One replica after the other: the next when the one before answers correctly. What is started again follows from the
/// arm: with a deploy it is its next version.
pub(crate) async fn replace_each(
    on: &Injection,
    DrainTime(drain): DrainTime,
) -> Result<(), FaultError> {
    for node in on.nodes() {
        if let Some(within) = drain {
            on.drain(*node, within).await?;
        }
        stop_all(on, &[*node]).await?;
        on.start(*node).await?;
        // The first that does not come back ends it, as it would anybody's.
        if !on.returned(*node).await? {
            break;
        }
        if drain.is_some() {
            on.undrain(*node).await?;
        }
    }
    Ok(())
}

/// How long the balancer may take to drain a replica; without a time it is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainTime(pub(crate) Option<Span>);

impl DrainTime {
    pub(crate) fn check(self) -> Result<(), (&'static str, &'static str)> {
        match self.0 {
            Some(Span::ZERO) => Err((
                "drain",
                "a drain needs some time, such as 10s; or write false",
            )),
            Some(_) | None => Ok(()),
        }
    }
}

impl Default for DrainTime {
    fn default() -> Self {
        Self(Some(Span::from_secs(10)))
    }
}

// The values of `DrainTime` in a document. No comment for the schema: a parameter has its own.
#[derive(JsonSchema)]
#[schemars(inline)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum DrainSchema {
    /// A time, such as `10s`.
    Time(Span),
    /// `false`.
    Never(bool),
}

impl Serialize for DrainTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(within) => within.serialize(to),
            None => to.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for DrainTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TimeOrFalse;
        impl Visitor<'_> for TimeOrFalse {
            type Value = DrainTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"10s\", or false")
            }

            fn visit_bool<E: Error>(self, wanted: bool) -> Result<DrainTime, E> {
                match wanted {
                    false => Ok(DrainTime(None)),
                    true => Err(E::custom("say how long it may take, such as \"10s\"")),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DrainTime, E> {
                text.parse()
                    .map(|time| DrainTime(Some(time)))
                    .map_err(E::custom)
            }
        }
        from.deserialize_any(TimeOrFalse)
    }
}
