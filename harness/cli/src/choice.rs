//! Values that are chosen by name, on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

pub(super) use comeback_experiment::choice::parser as choice;

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
