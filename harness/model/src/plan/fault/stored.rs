//! Faults as they are stored: as [`Fault`] is written today, and as journals of older versions have them: up to version 5 a
//! single one, up to version 4 as one of three actions.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use super::{
    Aim, Effect, Ending, Fault, FaultWords, HoldsBack, Needs, On, Parameters, Reach, Within,
};
use crate::plan::Signal;
use crate::units::Span;

/// A fault of any version.
#[derive(Deserialize)]
pub(super) struct StoredFault {
    #[serde(default)]
    aim: Aim,
    #[serde(default)]
    after: Span,
    #[serde(default)]
    quiet: Option<Span>,
    jitter: Span,
    lands_within: Span,
    within: Option<Within>,
    #[serde(default)]
    on: Option<On>,
    #[serde(default)]
    needs: Needs,
    #[serde(default)]
    holds_back: HoldsBack,
    // As it is written today.
    kind: Option<String>,
    parameters: Option<Parameters>,
    reach: Option<Reach>,
    effect: Option<Effect>,
    words: Option<FaultWords>,
    // Up to version 4.
    action: Option<Action>,
    to: Option<Reach>,
}

/// What a fault did, up to version 4.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Signal(Signal),
    Pause(Span),
    Roll { drain: Option<Span>, deploy: bool },
}

impl TryFrom<StoredFault> for Fault {
    type Error = &'static str;

    fn try_from(stored: StoredFault) -> Result<Self, Self::Error> {
        if let Some(action) = stored.action {
            return Ok(action.to_fault(&stored));
        }
        let missing = "a fault has kind, parameters, reach, within, effect and words";
        Ok(Self {
            kind: stored.kind.ok_or(missing)?,
            parameters: stored.parameters.ok_or(missing)?,
            aim: stored.aim,
            reach: stored.reach.ok_or(missing)?,
            within: stored.within.ok_or(missing)?,
            on: stored.on,
            after: stored.after,
            quiet: stored.quiet,
            jitter: stored.jitter,
            lands_within: stored.lands_within,
            effect: stored.effect.ok_or(missing)?,
            needs: stored.needs,
            holds_back: stored.holds_back,
            words: stored.words.ok_or(missing)?,
        })
    }
}

/// Reads the faults of a plan: a list, or a single one up to version 5.
pub(in crate::plan) fn read_faults<'de, D>(deserializer: D) -> Result<Vec<Fault>, D::Error>
where
    D: Deserializer<'de>,
{
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Fault>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of faults")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Fault>, A::Error> {
            let mut faults = Vec::new();
            while let Some(fault) = items.next_element()? {
                faults.push(fault);
            }
            match faults.is_empty() {
                true => Err(Error::custom("a plan has a fault")),
                false => Ok(faults),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Fault>, A::Error> {
            Fault::deserialize(MapAccessDeserializer::new(map)).map(|fault| vec![fault])
        }
    }
    deserializer.deserialize_any(OneOrMore)
}

/// What an event said when a fault was begun: the words today, the action up to version 4.
#[derive(Deserialize)]
#[serde(untagged)]
enum Begun {
    Words(String),
    Action(Action),
}

/// Reads what was begun in any version.
pub(crate) fn read_begun<'de, D>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Begun::deserialize(deserializer)? {
        Begun::Words(words) => words,
        Begun::Action(action) => action.begun(),
    })
}

impl Action {
    fn to_fault(self, stored: &StoredFault) -> Fault {
        let (usual_reach, usual_within) = match self {
            Self::Signal(_) => (Reach::Group, Within::Request),
            Self::Pause(_) => (Reach::Tree, Within::Any),
            Self::Roll { .. } => (Reach::Group, Within::Any),
        };
        let reach = stored.to.unwrap_or(usual_reach);
        let (kind, parameters) = self.kind();
        Fault {
            kind: kind.to_owned(),
            parameters: parameters.as_object().cloned().unwrap_or_default(),
            aim: stored.aim,
            reach,
            within: stored.within.unwrap_or(usual_within),
            on: None,
            after: Span::ZERO,
            quiet: None,
            jitter: stored.jitter,
            lands_within: stored.lands_within,
            effect: self.effect(),
            needs: match self {
                Self::Roll { drain, deploy } => Needs {
                    drain,
                    next: deploy,
                    ..Needs::default()
                },
                Self::Signal(_) | Self::Pause(_) => Needs::default(),
            },
            holds_back: HoldsBack::NOTHING,
            words: self.words(reach),
        }
    }

    fn kind(self) -> (&'static str, serde_json::Value) {
        match self {
            Self::Signal(Signal::Kill) => ("kill", json!({})),
            Self::Signal(Signal::Term) => ("terminate", json!({})),
            Self::Signal(Signal::Abrt) => ("abort", json!({})),
            Self::Signal(Signal::Segv) => ("segfault", json!({})),
            Self::Signal(signal) => ("signal", json!({ "signal": signal })),
            Self::Pause(lasts) => ("pause", json!({ "lasts": lasts })),
            Self::Roll { drain, deploy } => {
                let kind = if deploy { "deploy" } else { "rolling_restart" };
                let drain = drain.map_or(json!(false), |within| json!(within));
                (kind, json!({ "drain": drain }))
            }
        }
    }

    const fn effect(self) -> Effect {
        match self {
            Self::Signal(Signal::Kill) => Effect::Ends(Ending::AtOnce),
            Self::Signal(Signal::Term) => Effect::Ends(Ending::AsAsked),
            Self::Signal(_) => Effect::Ends(Ending::BySignal),
            Self::Pause(lasts) => Effect::StandsStill(lasts),
            Self::Roll { .. } => Effect::Replaces,
        }
    }

    fn begun(self) -> String {
        match self {
            Self::Signal(signal) => format!("{signal} sent"),
            Self::Pause(_) => "SIGSTOP sent".to_owned(),
            Self::Roll { .. } => "told to stop".to_owned(),
        }
    }

    fn words(self, reach: Reach) -> FaultWords {
        let (short, noun, done, explained) = match self {
            Self::Signal(signal) => {
                let then = match signal {
                    Signal::Term => ", and SIGKILL to those that are there after the grace",
                    _ => "",
                };
                (
                    "crash",
                    signal.to_string(),
                    format!("{signal} to {reach}"),
                    format!("{signal} to {reach} of the faulted nodes{then}"),
                )
            }
            Self::Pause(lasts) => (
                "pause",
                format!("a pause of {lasts}"),
                format!("a pause of {lasts} (SIGSTOP, then SIGCONT)"),
                format!("SIGSTOP to {reach} of the faulted nodes, and SIGCONT {lasts} later"),
            ),
            Self::Roll { drain, deploy } => {
                let what = if deploy { "deploy" } else { "rolling restart" };
                let how = if drain.is_some() { "with" } else { "without" };
                let noun = format!("a {what} {how} drain");
                let first = drain.map_or_else(String::new, |within| {
                    format!("is drained (within {within}), ")
                });
                let next = match deploy {
                    true => "its replacement is started",
                    false => "is started again",
                };
                (
                    "restart",
                    noun.clone(),
                    noun,
                    format!("each replica in turn {first}is stopped, {next} and waited for"),
                )
            }
        };
        FaultWords {
            short: short.to_owned(),
            noun,
            done,
            begun: self.begun(),
            explained,
        }
    }
}
