//! The shape of an experiment file, for editors and for the check of its keys.

use std::collections::BTreeMap;

use comeback_model::gate::METRICS;
use comeback_model::plan::fault::{Catalogue, KindInfo};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::Document;

/// The published JSON Schema of an experiment file, with the kinds of faults of this catalogue and their parameters.
pub fn json_schema(catalogue: &dyn Catalogue) -> Value {
    let mut generator = SchemaGenerator::default();
    let schemas: BTreeMap<&str, Value> = catalogue
        .schemas(&mut generator)
        .into_iter()
        .map(|(kind, schema)| (kind, schema.to_value()))
        .collect();
    let mut root = generator.into_root_schema_for::<Document>().to_value();
    let faults = catalogue.kinds();
    let surroundings = faults.iter().copied().filter(|kind| kind.surrounds);
    let surroundings: Vec<KindInfo> = surroundings.collect();
    for (part, kinds) in [("FaultPart", faults), ("SurroundingPart", surroundings)] {
        add_kinds(&mut root["$defs"][part], &kinds, &schemas);
    }
    // An editor marks a metric that is none, and offers those that are.
    let metrics: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    root["properties"]["gate"]["propertyNames"] = json!({ "enum": metrics });
    root
}

/// Adds the names and parameters of these kinds to the part of a document that may name one.
fn add_kinds(part: &mut Value, kinds: &[KindInfo], schemas: &BTreeMap<&str, Value>) {
    let mut parameters: BTreeMap<String, Vec<Meaning>> = BTreeMap::new();
    for kind in kinds {
        let own = schemas
            .get(kind.name)
            .and_then(|schema| schema["properties"].as_object());
        for (name, schema) in own.into_iter().flatten() {
            let meanings = parameters.entry(name.clone()).or_default();
            let name = format!("`{}`", kind.name);
            match meanings.iter_mut().find(|one| one.schema == *schema) {
                Some(same) => same.kinds.push(name),
                None => meanings.push(Meaning {
                    kinds: vec![name],
                    schema: schema.clone(),
                }),
            }
        }
    }
    part["additionalProperties"] = json!(false);
    let kinds = kinds.iter();
    let kinds = kinds.map(|kind| json!({ "const": kind.name, "description": kind.about }));
    let kinds: Vec<Value> = kinds.collect();
    let described = part["properties"]["kind"]["description"].take();
    part["properties"]["kind"] = json!({ "description": described, "oneOf": kinds });
    if let Some(properties) = part["properties"].as_object_mut() {
        let parameters = parameters.into_iter();
        properties.extend(parameters.map(|(name, parameter)| (name, of_kinds(parameter))));
    }
}

/// What a parameter means for some kinds: `how` of a `network` is another one than `how` of a `corrupt_file`.
struct Meaning {
    kinds: Vec<String>,
    schema: Value,
}

/// Says of a parameter which kinds have it. One with several meanings has a choice for each, with a text and a default of its own.
fn of_kinds(meanings: Vec<Meaning>) -> Value {
    let mut each: Vec<Value> = meanings.into_iter().map(of_these_kinds).collect();
    if each.len() == 1 {
        return each.remove(0);
    }
    let texts = each.iter().filter_map(|one| one["description"].as_str());
    let description = texts.collect::<Vec<_>>().join("\n");
    json!({ "anyOf": each, "description": description })
}

fn of_these_kinds(Meaning { kinds, mut schema }: Meaning) -> Value {
    let about = schema["description"].as_str().unwrap_or_default();
    schema["description"] = json!(format!("Of a {}. {about}", either(&kinds)));
    schema
}

/// `a`, `a or b`, `a, b or c`.
fn either(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
