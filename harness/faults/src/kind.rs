//! The trait of a kind of fault, and the wrapper that lets the table hold kinds of different types.

use std::fmt;
use std::pin::Pin;

use comeback_model::plan::fault::{
    Aim, Effect, Fault, FaultWords, HoldsBack, Invalid, KindInfo, Needs, Parameters, Reach, Said,
    Within,
};
use comeback_model::units::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::degrade;
use crate::injection::{FaultError, Injection};

/// The default span after the baseline from which the moment is drawn.
const SPREAD: Span = Span::from_ms(250);
/// The default time limit for the confirmation of an effect.
const CONFIRM_WITHIN: Span = Span::from_secs(5);

/// A kind of fault: its fields are its parameters, by the names that documents give them.
///
/// Derive `Serialize` and `Deserialize` with `deny_unknown_fields` and `default`. The first sentence of a field's comment is
/// what people read of a parameter, in the published schema.
pub trait Kind: Serialize + DeserializeOwned + JsonSchema + Sized + 'static {
    /// Its name in documents, and with dashes at the command line.
    const NAME: &'static str;
    /// A description in one line.
    const ABOUT: &'static str;
    /// Which nodes it is for, by default.
    const AIM: Aim = Aim::AnyReplica;
    /// Which of a node's processes it is for, by default.
    const REACH: Reach = Reach::Group;
    /// Whether it waits for a write, by default.
    const WITHIN: Within = Within::Any;

    /// Whether it may be a surrounding: it holds for the whole of a trial, and every act of it is undone at its end.
    const SURROUNDS: bool = false;
    /// Whether it works on a server that somebody else starts: it sends signals, and needs nothing of how the server is started.
    const IS_FOR_EXTERNAL: bool = false;

    /// What proves its effect, in a line.
    const EVIDENCE: &'static str;

    /// Whether it can work on this machine.
    ///
    /// # Errors
    /// With the reason why not, and the mend.
    fn probe() -> Result<(), Unavailable> {
        Ok(())
    }

    /// The first problem of its parameters: the parameter and the message.
    ///
    /// # Errors
    /// With the parameter and the problem.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        Ok(())
    }

    /// Another kind that is the same fault as this one with these parameters, and needs none; a plan names that one.
    fn same_as(&self) -> Option<&'static str> {
        None
    }

    /// What becomes of the faulted nodes.
    fn effect(&self) -> Effect;

    /// Its requirements of an arm.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// How long it holds back what is on its way to and from its nodes.
    fn holds_back(&self) -> HoldsBack {
        HoldsBack::NOTHING
    }

    /// The starts of its nodes that it ends again itself.
    fn cut_starts(&self) -> CutStarts {
        CutStarts::default()
    }

    /// Its words for people.
    fn words(&self, reach: Reach) -> FaultWords;

    /// Does it; returns when the fault is over.
    ///
    /// # Errors
    /// When it did not have its effect, or the trial is over.
    fn inject(&self, on: &Injection) -> impl Future<Output = Result<(), FaultError>>;
}

/// Starts of a node that a fault ends again itself, before the one that is to serve: each comes after the plan's pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutStarts {
    /// How many.
    pub count: u32,
    /// How long each lasts.
    pub each: Span,
}

/// Why a kind cannot work on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What was tried, and what came of it.
    pub reason: String,
    /// What would mend it.
    pub mend: &'static str,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.mend)
    }
}

impl std::error::Error for Unavailable {}

/// A fault ready to be injected.
pub trait Injectable {
    /// Does it; returns when the fault is over.
    fn inject<'a>(
        &'a self,
        on: &'a Injection,
    ) -> Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'a>>;

    /// Undoes a surrounding.
    fn release<'a>(
        &'a self,
        on: &'a Injection,
    ) -> Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'a>>;

    /// The starts of its nodes that it ends again itself.
    fn cut_starts(&self) -> CutStarts;
}

impl<K: Kind> Injectable for K {
    fn inject<'a>(
        &'a self,
        on: &'a Injection,
    ) -> Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'a>> {
        Box::pin(Kind::inject(self, on))
    }

    fn release<'a>(
        &'a self,
        on: &'a Injection,
    ) -> Pin<Box<dyn Future<Output = Result<(), FaultError>> + 'a>> {
        Box::pin(degrade::release(on))
    }

    fn cut_starts(&self) -> CutStarts {
        Kind::cut_starts(self)
    }
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) info: KindInfo,
    pub(crate) evidence: &'static str,
    pub(crate) probe: fn() -> Result<(), Unavailable>,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) same_as: fn(&Parameters) -> Result<Option<&'static str>, Invalid>,
    pub(crate) plan: fn(&Parameters, Said) -> Result<Fault, Invalid>,
    pub(crate) load: fn(&Parameters) -> Result<Box<dyn Injectable>, Invalid>,
}

/// The line of a kind.
pub(crate) const fn row<K: Kind>() -> Row {
    Row {
        info: KindInfo {
            name: K::NAME,
            about: K::ABOUT,
            surrounds: K::SURROUNDS,
            is_for_external: K::IS_FOR_EXTERNAL,
        },
        evidence: K::EVIDENCE,
        probe: K::probe,
        schema: |generator| K::json_schema(generator),
        same_as: |parameters| Ok(read::<K>(parameters)?.same_as()),
        plan: plan::<K>,
        load: |parameters| Ok(Box::new(read::<K>(parameters)?)),
    }
}

/// Reads the parameters of a kind.
fn read<K: Kind>(parameters: &Parameters) -> Result<K, Invalid> {
    // One at a time, so that it is known which is wrong.
    let kind: K = serde_json::from_value(Value::Object(parameters.clone())).map_err(|error| {
        let alone = |(name, value): (&String, &Value)| {
            let alone = Parameters::from_iter([(name.clone(), value.clone())]);
            let error = serde_json::from_value::<K>(Value::Object(alone)).err()?;
            Some((name.clone(), error.to_string()))
        };
        let (field, problem) = match parameters.iter().find_map(alone) {
            Some((name, problem)) => (Some(name), problem),
            None => (None, error.to_string()),
        };
        Invalid { field, problem }
    })?;
    kind.check().map_err(|(field, problem)| Invalid {
        field: Some(field.to_owned()),
        problem: problem.to_owned(),
    })?;
    Ok(kind)
}

fn plan<K: Kind>(parameters: &Parameters, said: Said) -> Result<Fault, Invalid> {
    let kind: K = read(parameters)?;
    let reach = said.reach.unwrap_or(K::REACH);
    let parameters = match serde_json::to_value(&kind) {
        Ok(Value::Object(parameters)) => parameters,
        Ok(_) | Err(_) => Parameters::new(),
    };
    Ok(Fault {
        kind: K::NAME.to_owned(),
        parameters,
        aim: said.aim.unwrap_or(K::AIM),
        reach,
        within: said.within.unwrap_or(K::WITHIN),
        on: None,
        after: Span::ZERO,
        quiet: None,
        jitter: said.jitter.unwrap_or(SPREAD),
        lands_within: said.lands_within.unwrap_or(CONFIRM_WITHIN),
        effect: kind.effect(),
        needs: kind.needs(),
        holds_back: kind.holds_back(),
        words: kind.words(reach),
    })
}
