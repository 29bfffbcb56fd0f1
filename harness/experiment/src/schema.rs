//! The shape of an experiment file, for editors and for the check of its keys.

use std::collections::BTreeMap;

use comeback_model::plan::fault::Catalogue;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::Document;

/// The published JSON Schema of an experiment file, with the kinds of faults of this catalogue and their parameters.
pub fn json_schema(catalogue: &dyn Catalogue) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut parameters: BTreeMap<String, (Vec<String>, Value)> = BTreeMap::new();
    for (kind, schema) in catalogue.schemas(&mut generator) {
        let mut schema = schema.to_value();
        let own = schema["properties"].as_object_mut().map(std::mem::take);
        for (name, schema) in own.into_iter().flatten() {
            let (kinds, _) = parameters.entry(name).or_insert((Vec::new(), schema));
            kinds.push(format!("`{kind}`"));
        }
    }
    let mut root = generator.into_root_schema_for::<Document>().to_value();
    let fault = &mut root["$defs"]["FaultPart"];
    fault["additionalProperties"] = json!(false);
    let kinds = catalogue.kinds();
    let kinds = kinds
        .iter()
        .map(|kind| json!({ "const": kind.name, "description": kind.about }));
    let kinds: Vec<Value> = kinds.collect();
    let described = fault["properties"]["kind"]["description"].take();
    fault["properties"]["kind"] = json!({ "description": described, "oneOf": kinds });
    if let Some(properties) = fault["properties"].as_object_mut() {
        let parameters = parameters.into_iter();
        properties.extend(parameters.map(|(name, parameter)| (name, of_kinds(parameter))));
    }
    root
}

/// Says of a parameter which kinds have it.
fn of_kinds((kinds, mut schema): (Vec<String>, Value)) -> Value {
    let about = schema["description"].as_str().unwrap_or_default();
    schema["description"] = json!(format!("Of a {}. {about}", kinds.join(" or ")));
    schema
}
