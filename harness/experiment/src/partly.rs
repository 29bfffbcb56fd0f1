//! As much of a file as can be read, so that everything wrong with it is told at once.
//!
//! A key that is unknown, or has a value of the wrong type, is dropped, and reading goes on with the rest. What follows from a drop alone
//! (the table lacks the key now) is no mistake of the file, and is not told.

use std::collections::BTreeSet;
use std::ops::Range;

use comeback_model::plan::fault::Catalogue;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::keys::{Misfits, Unknown, misfits};
use super::spans::Spans;
use super::{Document, Key, Problem, json_schema};

/// How many values of the wrong type are looked for.
const VALUES_MAX: usize = 20;

/// What could be read of a file, and what could not.
pub(super) struct Partly {
    /// Its content without what was dropped. Absent if nothing is left that makes sense.
    pub(super) document: Option<Document>,
    /// The keys that it has and may not have.
    pub(super) unknown: Vec<Unknown>,
    /// The keys of tables that have a date in their place.
    pub(super) dates: Vec<Range<usize>>,
    /// Values that cannot be read.
    pub(super) errors: Vec<Error>,
    /// What was left out.
    pub(super) dropped: Dropped,
}

/// The keys of a file that were left out, by their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Dropped {
    paths: Vec<Vec<Key>>,
    /// The words that a message about one of them has.
    names: BTreeSet<String>,
}

/// Reads what can be read.
///
/// # Errors
/// If the text is not TOML.
pub(super) fn read_partly(text: &str, catalogue: &dyn Catalogue) -> Result<Partly, Error> {
    let spans = Spans::parse(text)?;
    let Misfits { unknown, dates } = misfits(spans.root(), &json_schema(catalogue));
    let mut dropped = Dropped::default();
    let mut root = spans.into_inner();
    let starts = unknown.iter().map(|key| &key.span).chain(&dates);
    let starts: BTreeSet<usize> = starts.map(|span| span.start).collect();
    if !starts.is_empty() {
        drop_keys(root.get_mut(), &starts, &mut Vec::new(), &mut dropped);
    }
    let meant = unknown.iter().filter_map(Unknown::nearest);
    dropped.names.extend(meant.map(str::to_owned));
    let mut errors = Vec::new();
    let document = loop {
        let error = match Document::deserialize(Deserializer::from(root.clone())) {
            Ok(document) => break Some(document),
            Err(error) => error,
        };
        let place = error
            .span()
            .and_then(|span| place_of(root.get_ref(), &span));
        let follows = match (&place, error.span()) {
            (Some(place), Some(span)) => {
                let tables = tables_at(root.get_ref(), place, &span);
                dropped.is_below(place) || tables.iter().any(|table| dropped.is_below(table))
            }
            _ => !dropped.paths.is_empty(),
        };
        if !follows {
            errors.push(error);
        }
        match place {
            Some(place) if errors.len() < VALUES_MAX => {
                remove(root.get_mut(), &place);
                dropped.add(place);
            }
            _ => break None,
        }
    };
    Ok(Partly {
        document,
        unknown,
        dates,
        errors,
        dropped,
    })
}

impl Dropped {
    fn add(&mut self, path: Vec<Key>) {
        if let Some(Key::Name(name)) = path.last() {
            self.names.insert(name.clone());
        }
        self.paths.push(path);
    }

    /// Whether something was left out of the table at this place.
    fn is_below(&self, place: &[Key]) -> bool {
        self.paths.iter().any(|path| path.starts_with(place))
    }

    /// Whether this may be no problem of the file, but of what was left out of it: it is about that, or about a table without it.
    pub(super) fn may_cause(&self, problem: &Problem, spans: &Spans<'_>) -> bool {
        // What may be written instead stands behind it.
        let what = problem.what.split(';').next().unwrap_or_default();
        let says = |name: &String| names(what, name) || names(&problem.name, name);
        self.names.iter().any(says)
            || problem.places.iter().any(|place| {
                let there = spans.depth(place);
                let table = &place[..there];
                self.paths.iter().any(|path| {
                    let is_its_own = path.len() == there + 1 && path.starts_with(table);
                    place.starts_with(path)
                        || path.starts_with(place)
                        || there < place.len() && is_its_own
                })
            })
    }
}

/// Whether a text has this name as a word.
fn names(text: &str, name: &str) -> bool {
    let is_of_a_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.split(|letter| !is_of_a_word(letter))
        .any(|word| word == name)
}

/// Leaves out the keys that stand at these places.
fn drop_keys(
    table: &mut DeTable<'_>,
    starts: &BTreeSet<usize>,
    path: &mut Vec<Key>,
    dropped: &mut Dropped,
) {
    let mut left_out = Vec::new();
    for (key, value) in table.iter_mut() {
        let name: &str = key.get_ref();
        path.push(name.into());
        if starts.contains(&key.span().start) {
            dropped.add(path.clone());
            left_out.push(name.to_owned());
        } else {
            drop_in(value.get_mut(), starts, path, dropped);
        }
        path.pop();
    }
    for name in left_out {
        table.remove(name.as_str());
    }
}

fn drop_in(
    value: &mut DeValue<'_>,
    starts: &BTreeSet<usize>,
    path: &mut Vec<Key>,
    dropped: &mut Dropped,
) {
    match value {
        DeValue::Table(table) => drop_keys(table, starts, path, dropped),
        DeValue::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(index.into());
                drop_in(item.get_mut(), starts, path, dropped);
                path.pop();
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// The innermost key whose value stands there. One of a list is the whole list: what follows in it keeps its number.
fn place_of(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<Key>> {
    let covers = |place: Range<usize>| {
        !place.is_empty() && place.start <= span.start && span.end <= place.end
    };
    table.iter().find_map(|(key, value)| {
        let name: &str = key.get_ref();
        let further = match value.get_ref() {
            DeValue::Table(inner) => place_of(inner, span),
            DeValue::Array(items) => (0..).zip(items.iter()).find_map(|(index, item)| {
                let DeValue::Table(inner) = item.get_ref() else {
                    return None;
                };
                let further = place_of(inner, span)?;
                Some([vec![Key::Index(index)], further].concat())
            }),
            _ => None,
        };
        let is_item = |items: &[Spanned<DeValue<'_>>]| items.iter().any(|item| covers(item.span()));
        let is_here = covers(value.span())
            || key.span() == *span
            || matches!(value.get_ref(), DeValue::Array(items) if is_item(items));
        match further {
            Some(further) => Some([vec![name.into()], further].concat()),
            None => is_here.then(|| vec![name.into()]),
        }
    })
}

/// The tables on the way to a place that have this span, too: `[session.act]` may be all that there is of `[session]`.
fn tables_at<'p>(table: &DeTable<'_>, place: &'p [Key], span: &Range<usize>) -> Vec<&'p [Key]> {
    let (mut found, mut table) = (Vec::new(), table);
    for (depth, key) in place.iter().enumerate() {
        let Key::Name(name) = key else { break };
        let Some(value) = table.get(name.as_str()) else {
            break;
        };
        if value.span() == *span {
            found.push(&place[..=depth]);
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

/// Leaves out one key.
fn remove(table: &mut DeTable<'_>, place: &[Key]) {
    let Some((Key::Name(name), rest)) = place.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.remove(name.as_str());
        return;
    }
    let Some(value) = table.get_mut(name.as_str()) else {
        return;
    };
    match (value.get_mut(), rest) {
        (DeValue::Table(inner), _) => remove(inner, rest),
        (DeValue::Array(items), [Key::Index(index), rest @ ..]) => {
            let item = items.get_mut(*index).map(Spanned::get_mut);
            if let Some(DeValue::Table(inner)) = item {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}
