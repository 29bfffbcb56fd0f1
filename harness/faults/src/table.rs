//! The table of all kinds.

use comeback_model::plan::Plan;
use comeback_model::plan::fault::{Catalogue, Fault, Invalid, KindInfo, Parameters, Said};
use schemars::{Schema, SchemaGenerator};

use crate::connections::Connections;
use crate::corrupt_file::CorruptFile;
use crate::cpu_quota::CpuQuota;
use crate::crash_loop::CrashLoop;
use crate::deploy::Deploy;
use crate::descriptor_limit::DescriptorLimit;
use crate::kind::{Injectable, Row, Unavailable, row};
use crate::memory_limit::MemoryLimit;
use crate::network::Network;
use crate::pause::Pause;
use crate::power_loss::PowerLoss;
use crate::process_limit::ProcessLimit;
use crate::rolling_restart::RollingRestart;
use crate::signal::{Abort, AnySignal, Kill, Segfault, Terminate};
use crate::stop::Stop;

/// All kinds, the default first.
static TABLE: &[Row] = &[
    row::<Kill>(),
    row::<Terminate>(),
    row::<Abort>(),
    row::<Segfault>(),
    row::<AnySignal>(),
    row::<CrashLoop>(),
    row::<Stop>(),
    row::<Pause>(),
    row::<RollingRestart>(),
    row::<Deploy>(),
    row::<CorruptFile>(),
    row::<PowerLoss>(),
    row::<DescriptorLimit>(),
    row::<CpuQuota>(),
    row::<MemoryLimit>(),
    row::<ProcessLimit>(),
    row::<Network>(),
    row::<Connections>(),
];

/// The kinds of faults that there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults;

impl Catalogue for Faults {
    fn kinds(&self) -> Vec<KindInfo> {
        TABLE.iter().map(|row| row.info).collect()
    }

    fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
        let rows = TABLE.iter();
        rows.map(|row| (row.info.name, (row.schema)(generator)))
            .collect()
    }

    fn plan(&self, kind: &str, parameters: &Parameters, said: Said) -> Result<Fault, Invalid> {
        let row = find(kind)?;
        let same = (row.same_as)(parameters).map_err(|invalid| whose(invalid, kind))?;
        match same {
            Some(same) => (find(same)?.plan)(&Parameters::new(), said),
            None => (row.plan)(parameters, said),
        }
    }
}

/// A kind of fault, and whether it can work on this machine.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name, and what it does.
    pub info: KindInfo,
    /// Its parameters: each by its name, with what it means.
    pub parameters: Vec<(String, String)>,
    /// What proves its effect.
    pub evidence: &'static str,
    /// Whether it can work here.
    pub works: Result<(), Unavailable>,
}

/// All kinds, the default first; each is probed.
pub fn list() -> Vec<Listed> {
    let mut generator = SchemaGenerator::default();
    let list = TABLE.iter().map(|row| {
        let schema = (row.schema)(&mut generator).to_value();
        let properties = schema["properties"].as_object();
        let parameter = |(name, schema): (&String, &serde_json::Value)| {
            let about = schema["description"].as_str().unwrap_or_default();
            (name.clone(), about.replace('\n', " "))
        };
        Listed {
            info: row.info,
            parameters: properties.into_iter().flatten().map(parameter).collect(),
            evidence: row.evidence,
            works: (row.probe)(),
        }
    });
    list.collect()
}

/// The kinds that have no parameters and that any server may have, the default first.
pub fn plain() -> Vec<&'static str> {
    let mut generator = SchemaGenerator::default();
    let plain = TABLE.iter().filter(|row| {
        let schema = (row.schema)(&mut generator).to_value();
        let has_none = schema["properties"]
            .as_object()
            .is_none_or(|all| all.is_empty());
        has_none && row.info.is_for_external
    });
    plain.map(|row| row.info.name).collect()
}

/// The first fault or surrounding of a plan that cannot work on this machine, and why.
///
/// # Errors
/// With its kind and the reason.
pub fn probe(plan: &Plan) -> Result<(), (String, Unavailable)> {
    for fault in plan.faults.iter().chain(&plan.surroundings) {
        // What this program does not know is told when it is loaded.
        if let Ok(row) = find(&fault.kind) {
            (row.probe)().map_err(|unavailable| (fault.kind.clone(), unavailable))?;
        }
    }
    Ok(())
}

/// The fault of a plan, ready to be injected.
///
/// # Errors
/// When this program has no such kind, or the kind no such parameters: the plan is another version's.
pub fn load(fault: &Fault) -> Result<Box<dyn Injectable>, Invalid> {
    (find(&fault.kind)?.load)(&fault.parameters)
}

fn find(kind: &str) -> Result<&'static Row, Invalid> {
    let row = TABLE.iter().find(|row| row.info.name == kind);
    row.ok_or_else(|| {
        let near = TABLE
            .iter()
            .map(|row| row.info.name)
            .min_by_key(|name| strsim::damerau_levenshtein(name, kind))
            .filter(|name| strsim::damerau_levenshtein(name, kind) <= 1 + kind.len() / 4);
        let names: Vec<&str> = TABLE.iter().map(|row| row.info.name).collect();
        let meant = near.map_or_else(String::new, |near| format!(" (did you mean '{near}'?)"));
        Invalid {
            field: Some("kind".to_owned()),
            problem: format!(
                "there is no fault '{kind}'{meant}: the kinds are {}",
                names.join(", ")
            ),
        }
    })
}

/// Says which kinds have the parameter that this one does not have.
fn whose(invalid: Invalid, kind: &str) -> Invalid {
    let Some(field) = &invalid.field else {
        return invalid;
    };
    let mut generator = SchemaGenerator::default();
    let mut has = |row: &&Row| {
        let schema = (row.schema)(&mut generator).to_value();
        schema["properties"].get(field).is_some()
    };
    if TABLE
        .iter()
        .filter(|row| row.info.name == kind)
        .any(|row| has(&row))
    {
        return invalid;
    }
    let owners: Vec<&str> = TABLE.iter().filter(has).map(|row| row.info.name).collect();
    match owners.as_slice() {
        [] => invalid,
        owners => Invalid {
            problem: format!(
                "only these kinds of faults have this key: {}",
                owners.join(", ")
            ),
            ..invalid
        },
    }
}
