//! The shape of an experiment file, for editors.

use serde_json::Value;

use super::Document;

/// The published JSON Schema of an experiment file.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}
