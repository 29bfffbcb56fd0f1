//! The fault of an experiment file, and how it becomes part of a plan.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use comeback_model::ids::FaultId;
use comeback_model::plan::fault::{
    Catalogue, Fault, Invalid, Nth, On, OnEvent, Parameters, Reach, Said, Within,
};
use comeback_model::plan::{Signal, needs_own_start};
use comeback_model::units::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::{AimPart, Text, Words};
use super::table::{Part, Unwritable};

/// A fault: the keys that every fault has, and the parameters of its kind.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
pub struct FaultPart {
    /// The kind of fault. Default: `kill`, or `signal` if a signal is named.
    pub kind: Option<String>,
    /// The faulted node: `replica:any` (one of them, drawn for each trial), `replica:0`, `replicas:all`, `balancer`,
    /// `cache` or `store`. Default: `replica:any`; `replicas:all` for a `rolling_restart` or `deploy`.
    #[schemars(with = "Option<String>")]
    pub target: Option<AimPart>,
    /// Which processes of the node: only the one that was started (`process`), its process group (`group`), or all its
    /// descendants, even if they left the group (`tree`). Default: `group`; `tree` for a `pause`.
    pub to: Option<Reach>,
    /// Whether the fault waits for a write of the load (`request`) or is injected at its planned moment in any case (`any`).
    /// Default: `request` for a fault that ends processes, else `any`. During the recovery from another fault there may be no
    /// write to wait for: use `any` there.
    pub within: Option<Within>,
    /// The event that the fault waits for from its planned moment on: the `nth` acknowledged write of the load (`acknowledgement`), the
    /// `nth` write that was sent and is not answered yet (`sent`), a line of a faulted node's output (`log`), or the next start of a
    /// faulted node (`start`). It takes the place of `within`.
    #[schemars(schema_with = "one_of_the_events", default)]
    pub on: Option<String>,
    /// Which event, counted from 1 at the planned moment, with `on = "acknowledgement"` or `"sent"`. From a range such as `"1..200"`
    /// the seed draws one for each trial, the ends included. Default: 1.
    pub nth: Option<Nth>,
    /// The text that the line must contain, with `on = "log"`. The first such line after the planned moment counts, those of a node
    /// that is started again included.
    #[schemars(with = "Option<String>")]
    pub matches: Option<Text>,
    /// How long after the start the fault comes, with `on = "start"`. Default: 0s.
    pub into: Option<Span>,
    /// How long the event may take to come, from the planned moment on. Later, the fault did not land. Default: 10s.
    pub comes_within: Option<Span>,
    /// How long the load runs undisturbed before the first fault. This baseline is compared with everything after. Only the first
    /// fault has it. Default: 1s.
    pub at: Option<Span>,
    /// When a further fault is injected, counted from the moment of the first one; the first may still be going on. The first fault
    /// has none. Default: 0s.
    pub after: Option<Span>,
    /// In place of `after`: how long after the recovery from all faults before it the fault comes. If the service does not recover from one of
    /// them, the fault does not come. Every later fault must have `quiet`, too. The first fault has none.
    pub quiet: Option<Span>,
    /// How often `[chaos]` draws this choice, as a share of the sum of all weights. A fault of a list has none. Default: 1.
    pub weight: Option<u32>,
    /// The moment of the fault is drawn uniformly from this span after `at`, `after` or `quiet`. Default: 250ms for the first fault, 0s
    /// for the others.
    pub spread: Option<Span>,
    /// How long its effect may take to be confirmed. Later, the fault did not land. Default: 5s.
    pub lands_within: Option<Span>,
    /// The parameters of its kind.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: Parameters,
}

/// A fault that holds for the whole of every trial, control trials included: it is applied before the warm-up, and to each later
/// start. Beside these keys it has the parameters of its kind.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
pub struct SurroundingPart {
    /// The kind of surrounding.
    pub kind: String,
    /// Which nodes it is for, as of a fault. Default: `replicas:all`.
    #[schemars(with = "Option<String>")]
    pub target: Option<AimPart>,
    /// Which processes of the node, as of a fault. Default: `tree`.
    pub to: Option<Reach>,
    /// The parameters of its kind.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: Parameters,
}

/// One table, or a list of them.
#[derive(JsonSchema)]
#[schemars(inline)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum OneOrMore<T> {
    More(Vec<T>),
    One(T),
}

/// Reads one table as the list of one.
pub(super) fn read_one_or_more<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct OneOrMore<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table, or a list of tables")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut parts = Vec::new();
            while let Some(part) = items.next_element()? {
                parts.push(part);
            }
            Ok(parts)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|part| vec![part])
        }
    }
    from.deserialize_any(OneOrMore(PhantomData))
}

/// How long an event may take to come where that is not said.
const COMES_WITHIN: Span = Span::from_secs(10);

/// The schema of an event's name.
fn one_of_the_events(_generator: &mut SchemaGenerator) -> Schema {
    let names = OnEvent::NAMES.map(Some).into_iter().chain([None]);
    json_schema!({ "type": ["string", "null"], "enum": names.collect::<Vec<_>>() })
}

/// The way back from a plan: the event that a fault waits for.
pub(super) fn put_event(part: &mut Part, on: &On) -> Result<(), Unwritable> {
    part.put("on", on.event.name())?;
    match &on.event {
        OnEvent::Acknowledgement(nth) | OnEvent::Sent(nth) => part.put("nth", nth)?,
        OnEvent::Log(text) => part.put("matches", text)?,
        OnEvent::Start(into) => part.put("into", into)?,
    }
    part.put("comes_within", on.comes_within)
}

/// The parameter by which a signal is named without a kind.
const SIGNAL: &str = "signal";

/// The new version that a deploy starts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployPart {
    /// Program and arguments, as in the target. Default: those of the target.
    pub command: Option<Words>,
    /// Environment variables, added to the target's.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
}

/// How a balancer is told to drain a replica. Both commands end with exit code 0 when it is done. `{replica}` (from 0),
/// `{replicas}`, `{port}`, `{data}` (the balancer's) and `{comeback}` are filled in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainPart {
    /// Drains the replica. It ends when the replica gets no more requests and has none in flight.
    pub begin: Words,
    /// Uses the replica again. It ends when the replica gets requests.
    pub end: Words,
}

impl FaultPart {
    /// The fault that sends a signal, in place of the kind and parameters that were said.
    pub fn send(&mut self, signal: Signal) {
        self.kind = None;
        self.parameters = Parameters::from_iter([(SIGNAL.to_owned(), signal.name().into())]);
    }

    /// The planned fault.
    ///
    /// # Errors
    /// With the problem and the path of the key.
    pub(super) fn to_fault(
        &self,
        catalogue: &dyn Catalogue,
        id: FaultId,
        is_external: bool,
    ) -> Result<Fault, Invalid> {
        if self.at.is_some() && id != FaultId::FIRST {
            return Err(Invalid {
                field: Some("at".to_owned()),
                problem: "only the first fault has it: use after, which counts from the moment of the first fault".to_owned(),
            });
        }
        let kinds = catalogue.kinds();
        let names_signal = self.parameters.contains_key(SIGNAL);
        let kind = match &self.kind {
            Some(kind) if names_signal && kind != SIGNAL => {
                return Err(Invalid {
                    field: Some(SIGNAL.to_owned()),
                    problem: "use kind or signal, not both".to_owned(),
                });
            }
            Some(kind) => kind.as_str(),
            None if names_signal => SIGNAL,
            None => kinds.first().map_or("", |kind| kind.name),
        };
        let said = Said {
            aim: self.target.map(|target| target.0),
            reach: self.to,
            within: self.within,
            jitter: match id {
                FaultId::FIRST => self.spread,
                _ => Some(self.spread.unwrap_or(Span::ZERO)),
            },
            lands_within: self.lands_within,
        };
        let mut planned = catalogue.plan(kind, &self.parameters, said)?;
        if is_external {
            let mut known = kinds.iter().filter(|info| info.name == planned.kind);
            if known.any(|info| !info.is_for_external) {
                let instead = kinds.iter().filter(|info| info.is_for_external);
                let instead: Vec<&str> = instead.map(|info| info.name).collect();
                return Err(Invalid {
                    field: Some("kind".to_owned()),
                    problem: needs_own_start(kind, &instead),
                });
            }
            // Its group may hold its supervisor.
            if said.reach.is_none() && planned.reach == Reach::Group {
                let reach = Some(Reach::Process);
                planned = catalogue.plan(kind, &self.parameters, Said { reach, ..said })?;
            }
        }
        let planned = match self.on()? {
            Some(on) => planned.waiting_for(on),
            None => planned,
        };
        Ok(Fault {
            after: self.after.unwrap_or(Span::ZERO),
            quiet: self.quiet,
            ..planned
        })
    }

    /// The event that it waits for, if it does.
    fn on(&self) -> Result<Option<On>, Invalid> {
        let invalid = |field: &str, problem: String| {
            let field = Some(field.to_owned());
            Err(Invalid { field, problem })
        };
        let name = self.on.as_deref();
        let needs = [
            ("nth", self.nth.is_some(), &["acknowledgement", "sent"][..]),
            ("matches", self.matches.is_some(), &["log"]),
            ("into", self.into.is_some(), &["start"]),
            ("comes_within", self.comes_within.is_some(), &OnEvent::NAMES),
        ];
        for (key, is_said, events) in needs {
            if is_said && !name.is_some_and(|name| events.contains(&name)) {
                let events = events.iter().map(|event| format!("on = \"{event}\""));
                let events = events.collect::<Vec<_>>().join(" or ");
                return invalid(
                    key,
                    format!("it belongs to an event: set {events}, or remove it"),
                );
            }
        }
        let nth = self.nth.unwrap_or(Nth::FIRST);
        let event = match name {
            None => return Ok(None),
            Some("acknowledgement") => OnEvent::Acknowledgement(nth),
            Some("sent") => OnEvent::Sent(nth),
            Some("log") => match &self.matches {
                Some(text) if text.is_secret => {
                    let problem = "the text is stored with the results, and cannot be a secret: leave secret out";
                    return invalid("matches", problem.to_owned());
                }
                Some(text) if !text.text.is_empty() => OnEvent::Log(text.text.clone()),
                Some(_) | None => {
                    let problem = "on = \"log\" needs the text of a line: add matches = \"TEXT\"";
                    return invalid("on", problem.to_owned());
                }
            },
            Some("start") => OnEvent::Start(self.into.unwrap_or(Span::ZERO)),
            Some(other) => {
                let names = OnEvent::NAMES.join(", ");
                return invalid(
                    "on",
                    format!("there is no event '{other}': use one of {names}"),
                );
            }
        };
        if self.within.is_some() {
            let problem = "an event says when the fault comes: use on or within, not both";
            return invalid("within", problem.to_owned());
        }
        let comes_within = self.comes_within.unwrap_or(COMES_WITHIN);
        if comes_within == Span::ZERO {
            let problem = "an event needs time to come: write a length such as 10s";
            return invalid("comes_within", problem.to_owned());
        }
        Ok(Some(On {
            event,
            comes_within,
        }))
    }
}

/// As at the command line: `pause:lasts=2s,target=replica:0`. A kind may be written with dashes.
impl FromStr for FaultPart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut keys = Parameters::new();
        keys.insert("kind".to_owned(), kind.replace('-', "_").into());
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(format!("'{pair}' has no value: write {pair}=VALUE"));
            };
            // A number or a truth value stands for itself, anything else is a text.
            let value = match serde_json::from_str::<serde_json::Value>(value) {
                Ok(value) if value.is_boolean() || value.is_u64() => value,
                Ok(_) | Err(_) => value.into(),
            };
            if keys.insert(key.replace('-', "_"), value).is_some() {
                return Err(format!("'{key}' has two values: leave one out"));
            }
        }
        serde_json::from_value(keys.into()).map_err(|error| error.to_string())
    }
}

impl SurroundingPart {
    /// The surrounding, complete.
    ///
    /// # Errors
    /// With the problem and the path of the key.
    pub(super) fn to_fault(&self, catalogue: &dyn Catalogue) -> Result<Fault, Invalid> {
        let said = Said {
            aim: self.target.map(|target| target.0),
            reach: self.to,
            ..Said::default()
        };
        catalogue.plan(&self.kind, &self.parameters, said)
    }
}
