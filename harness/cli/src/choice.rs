//! Values that are chosen by name: what clap needs to know of them, taken from the enum itself.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use comeback_experiment::choice;

/// Reads a value of an enum without fields by its name.
pub(super) fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: JsonSchema + DeserializeOwned + Clone + Send + Sync + 'static,
{
    let values = choice::all::<T>()
        .into_iter()
        .map(|choice| possible(&choice.name, &choice.about));
    PossibleValuesParser::new(values).try_map(|name| choice::find(&name).ok_or("it cannot be read"))
}

/// Reads a value of a table by its name.
pub(super) fn of_table<T>(
    table: &'static [(T, &'static str, &'static str)],
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let values = table
        .iter()
        .map(|(_, name, about)| PossibleValue::new(*name).help(*about));
    PossibleValuesParser::new(values).try_map(move |chosen| {
        let row = table.iter().find(|(_, name, _)| *name == chosen);
        row.map(|(value, _, _)| value.clone())
            .ok_or("there is none of this name")
    })
}

/// A value by its name, with dashes. Clap keeps names as long as the program runs; each command line is built once.
pub(super) fn possible(name: &str, about: &str) -> PossibleValue {
    let name: &'static str = name.replace('_', "-").leak();
    let about: &'static str = about.trim_end_matches('.').to_owned().leak();
    PossibleValue::new(name).help(about)
}
