//! Where in a file something stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Key;

/// A file's tables with their places.
pub(super) struct Spans<'a>(Spanned<DeTable<'a>>);

impl<'a> Spans<'a> {
    /// # Errors
    /// If the text is not TOML.
    pub(super) fn parse(text: &'a str) -> Result<Self, toml::de::Error> {
        DeTable::parse(text).map(Self)
    }

    pub(super) fn root(&self) -> &DeTable<'a> {
        self.0.get_ref()
    }

    pub(super) fn into_inner(self) -> Spanned<DeTable<'a>> {
        self.0
    }

    /// The place of the first of these that is there; else of as much of the first as there is.
    pub(super) fn locate(&self, places: &[Vec<Key>]) -> Range<usize> {
        let found = places.iter().map(|place| self.follow(place));
        let mut best = (0, 0..0);
        for (place, (depth, span)) in places.iter().zip(found) {
            if depth == place.len() {
                return span;
            }
            if depth > best.0 {
                best = (depth, span);
            }
        }
        best.1
    }

    /// How many keys of the path are there.
    pub(super) fn depth(&self, place: &[Key]) -> usize {
        self.follow(place).0
    }

    /// How many keys of the path are there, and the place of the last of them.
    fn follow(&self, path: &[Key]) -> (usize, Range<usize>) {
        let Some((Key::Name(first), rest)) = path.split_first() else {
            return (0, 0..0);
        };
        let Some((key, value)) = entry(self.root(), first) else {
            return (0, 0..0);
        };
        let (mut depth, mut span, mut value) = (1, of(key, value), value);
        for key in rest {
            let next = match (key, value.get_ref()) {
                (Key::Name(name), DeValue::Table(table)) => {
                    entry(table, name).map(|(key, value)| (of(key, value), value))
                }
                (Key::Index(index), DeValue::Array(items)) => {
                    items.get(*index).map(|item| (item.span(), item))
                }
                // A list of one may be written as its only table.
                (Key::Index(0), DeValue::Table(_)) => Some((span.clone(), value)),
                (Key::Name(_) | Key::Index(_), _) => None,
            };
            let Some((place, inner)) = next else {
                break;
            };
            (depth, span, value) = (depth + 1, place, inner);
        }
        (depth, span)
    }
}

fn entry<'t, 'a>(
    table: &'t DeTable<'a>,
    name: &str,
) -> Option<(
    &'t Spanned<toml::de::DeString<'a>>,
    &'t Spanned<DeValue<'a>>,
)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

/// A table is shown by its name, any other value by its text.
fn of(key: &Spanned<toml::de::DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if value.span().is_empty() => key.span(),
        DeValue::Table(_) => key.span(),
        _ => value.span(),
    }
}
