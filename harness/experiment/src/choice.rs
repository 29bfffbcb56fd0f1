//! Values that are chosen by their names, at the command line too. Names and descriptions are those of the value's JSON
//! Schema, so that they stand once: at the enum.

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One value, as it is shown to who chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its name, in small letters, with dashes.
    pub name: String,
    /// A description in one line.
    pub about: String,
}

/// All values of an enum without fields, in their order.
pub fn all<T: JsonSchema>() -> Vec<Choice> {
    let schema = schema_for!(T).to_value();
    let values = schema["oneOf"].as_array().into_iter().flatten();
    values
        .filter_map(|value| {
            let about = value["description"].as_str().unwrap_or_default();
            Some(Choice {
                name: dashed(value["const"].as_str()?),
                about: about.trim_end_matches('.').replace('\n', " "),
            })
        })
        .collect()
}

/// The value of this name.
pub fn find<T: DeserializeOwned>(name: &str) -> Option<T> {
    // Documents write some with dashes, others with underscores.
    let read = |name: String| serde_json::from_value(Value::String(name)).ok();
    read(name.to_owned()).or_else(|| read(name.replace('-', "_")))
}

/// Reads a value by its name from a command line. Clap keeps the names as long as the program runs. Each command line is
/// built once.
#[cfg(feature = "flags")]
pub fn parser<T>() -> impl clap::builder::TypedValueParser<Value = T>
where
    T: JsonSchema + DeserializeOwned + Clone + Send + Sync + 'static,
{
    use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
    let values = all::<T>().into_iter().map(|Choice { name, about }| {
        let (name, about): (&'static str, &'static str) = (name.leak(), about.leak());
        PossibleValue::new(name).help(about)
    });
    PossibleValuesParser::new(values).try_map(|name| find(&name).ok_or("it cannot be read"))
}

/// Reads a whole number from a command line.
///
/// # Errors
/// If it is none, or too large.
#[cfg(feature = "flags")]
pub fn whole(text: &str) -> Result<u32, String> {
    let most = u32::MAX;
    let read = text.parse();
    read.map_err(|_| {
        format!("'{text}' is not a whole number from 0 to {most}: write one such as 6")
    })
}

/// The name of a value.
pub fn name_of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => dashed(&name),
        Ok(_) | Err(_) => String::new(),
    }
}

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::{Arrivals, Listener, Protocol, Reach, Writes};

    use super::*;
    use crate::document::{BalancerKind, CacheKind, Policy, StoreKind};

    /// Each name leads to its value and back, and has a description.
    fn names<T: JsonSchema + DeserializeOwned + Serialize>() -> Vec<String> {
        let all = all::<T>();
        for choice in &all {
            let value: T = find(&choice.name).expect("a value of this name");
            assert_eq!(name_of(&value), choice.name);
            assert!(!choice.about.is_empty(), "{}", choice.name);
        }
        all.into_iter().map(|choice| choice.name).collect()
    }

    #[test]
    fn the_names_of_a_value_are_those_of_its_schema() {
        assert_eq!(names::<Listener>(), ["own", "held"]);
        assert_eq!(names::<Arrivals>(), ["poisson", "constant"]);
        assert_eq!(names::<Reach>(), ["process", "group", "tree"]);
        assert_eq!(names::<Writes>(), ["counter", "set", "list"]);
        assert_eq!(
            names::<Protocol>(),
            Protocol::ALL.map(|protocol| protocol.spec().name)
        );
        assert_eq!(names::<BalancerKind>(), ["builtin", "haproxy", "nginx"]);
        assert_eq!(names::<CacheKind>(), ["builtin", "nginx"]);
        assert_eq!(names::<Policy>().len(), 5);
        assert_eq!(names::<StoreKind>().len(), 4);
    }
}
