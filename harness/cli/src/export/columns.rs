//! Rows as columns of one type each, for the forms that have types: which operations and events have.

use std::io;

use comeback_model::event::{Event, EventKind};
use comeback_model::operation::Operation;
use comeback_runs::read::Recorded;
use serde::Serialize;
use serde_json::Value;

/// A column of rows of this type.
#[derive(Debug)]
pub(super) struct Column<T> {
    /// Its name; the same as in the run's own files.
    pub(super) name: &'static str,
    pub(super) cells: Cells<T>,
}

/// The type of a column, and a row's value in it.
#[derive(Debug)]
pub(super) enum Cells<T> {
    Whole(fn(&T) -> Option<i64>),
    Flag(fn(&T) -> Option<bool>),
    Text(fn(&T) -> Option<String>),
}

const fn whole<T>(name: &'static str, of: fn(&T) -> Option<i64>) -> Column<T> {
    let cells = Cells::Whole(of);
    Column { name, cells }
}

const fn text<T>(name: &'static str, of: fn(&T) -> Option<String>) -> Column<T> {
    let cells = Cells::Text(of);
    Column { name, cells }
}

/// As the run's files have it.
fn written(value: impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Some(text),
        Ok(Value::Null) | Err(_) => None,
        Ok(other) => Some(other.to_string()),
    }
}

/// A number of the run. None of them is so large that it has no room, but those that a server showed.
fn number(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

/// The columns of operations, as in `operations.csv`.
pub(super) static OF_OPERATIONS: [Column<Operation>; 22] = [
    whole("trial", |one| Some(one.trial.0.into())),
    whole("client", |one| Some(one.client.0.into())),
    whole("generation", |one| Some(one.generation.into())),
    text("step", |one| written(one.step)),
    whole("intended_us", |one| number(one.intended.as_us())),
    whole("dispatched_us", |one| number(one.dispatched.as_us())),
    whole("sent_us", |one| number(one.sent?.as_us())),
    whole("finished_us", |one| number(one.finished.as_us())),
    text("outcome", |one| written(one.outcome)),
    text("error", |one| written(one.error)),
    whole("status", |one| one.status.map(i64::from)),
    whole("value", |one| number(one.value?)),
    whole("write", |one| one.write.map(i64::from)),
    text("found", |one| written(&one.found)),
    text("boot", |one| written(one.boot)),
    whole("replica", |one| one.replica.map(i64::from)),
    whole("failed_replica", |one| one.failed_replica.map(i64::from)),
    Column {
        name: "unframed",
        cells: Cells::Flag(|one| Some(one.unframed)),
    },
    text("cache", |one| written(one.cache)),
    whole("age_s", |one| one.age_s.map(i64::from)),
    whole("tries", |one| Some(one.tries.into())),
    whole("resent_us", |one| number(one.resent?.as_us())),
];

/// An event with the name of its trial's arm.
#[derive(Debug)]
pub(super) struct OfArm {
    event: Event,
    arm: Option<String>,
}

/// The columns of events.
pub(super) static OF_EVENTS: [Column<OfArm>; 5] = [
    whole("at_us", |one| number(one.event.at.as_us())),
    whole("trial", |one| Some(one.event.trial?.0.into())),
    text("arm", |one| one.arm.clone()),
    text("type", |one| match serde_json::to_value(&one.event.kind) {
        Ok(kind) => written(&kind["type"]),
        Err(_) => None,
    }),
    text("detail", |one| {
        match serde_json::to_value(&one.event.kind) {
            Ok(Value::Object(mut kind)) => {
                kind.remove("type");
                written(Value::Object(kind))
            }
            _ => None,
        }
    }),
];

/// The operations of a run, one after another.
///
/// # Errors
/// If the file cannot be opened; each operation if it cannot be read.
pub(super) fn operations(
    run: &Recorded,
) -> io::Result<impl Iterator<Item = io::Result<Operation>>> {
    let operations = run.operations()?;
    Ok(operations.map(|operation| Ok(operation?)))
}

/// The events of a run, one after another.
///
/// # Errors
/// If the file cannot be opened; each event if it cannot be read.
pub(super) fn events(run: &Recorded) -> io::Result<impl Iterator<Item = io::Result<OfArm>>> {
    let events = run.events()?;
    let arms = &run.header().plan.arms;
    let mut present = None;
    Ok(events.map(move |event| {
        let event = event?;
        if let EventKind::TrialStarted { arm, .. } = &event.kind {
            present = arms.get(arm.0 as usize).map(|arm| arm.name.clone());
        }
        let arm = event.trial.and_then(|_| present.clone());
        Ok(OfArm { event, arm })
    }))
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::{ClientId, TrialId};
    use comeback_model::operation::{Step, test_operation};
    use comeback_model::units::Elapsed;

    use super::*;

    #[test]
    fn the_columns_of_operations_are_those_of_the_runs_own_file() {
        let operation = test_operation(TrialId(1), ClientId(2), Step::Check, Elapsed::from_us(3));
        let mut file = Vec::new();
        comeback_model::journal::write_operations(&mut file, &[operation], true)
            .expect("it is memory");
        let file = String::from_utf8(file).expect("it is text");
        let names: Vec<&str> = OF_OPERATIONS.iter().map(|column| column.name).collect();
        assert_eq!(file.lines().next(), Some(names.join(",").as_str()));
    }
}
