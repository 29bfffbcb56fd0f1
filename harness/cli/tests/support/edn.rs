//! A reader of EDN, as far as a history needs it.

use std::collections::BTreeMap;

/// A value of EDN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edn {
    Nil,
    Number(i128),
    Text(String),
    Keyword(String),
    Vector(Vec<Edn>),
    Set(Vec<Edn>),
    Map(BTreeMap<Edn, Edn>),
}

impl Edn {
    /// Reads all of a text.
    pub(crate) fn read(text: &str) -> Self {
        let mut reader = Reader(text);
        let value = reader.value();
        reader.skip();
        assert_eq!(reader.0, "", "something stands behind the value");
        value
    }

    /// What a map has under a keyword.
    #[track_caller]
    pub(crate) fn get(&self, key: &str) -> &Self {
        self.find(key)
            .unwrap_or_else(|| panic!("{self:?} has no :{key}"))
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(&Self::Keyword(key.to_owned())),
            _ => panic!("{self:?} is no map"),
        }
    }

    #[track_caller]
    pub(crate) fn keyword(&self) -> &str {
        match self {
            Self::Keyword(name) => name,
            _ => panic!("{self:?} is no keyword"),
        }
    }

    #[track_caller]
    pub(crate) fn number(&self) -> i128 {
        match self {
            Self::Number(number) => *number,
            _ => panic!("{self:?} is no number"),
        }
    }

    #[track_caller]
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Vector(items) | Self::Set(items) => items,
            _ => panic!("{self:?} has no items"),
        }
    }
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// Commas are blanks.
    fn skip(&mut self) {
        self.0 = self
            .0
            .trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }

    fn take(&mut self, start: &str) -> bool {
        let rest = self.0.strip_prefix(start);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn until(&mut self, end: &str) -> Vec<Edn> {
        let mut items = Vec::new();
        loop {
            self.skip();
            if self.take(end) {
                return items;
            }
            items.push(self.value());
        }
    }

    fn value(&mut self) -> Edn {
        self.skip();
        if self.take("#{") {
            let items = self.until("}");
            let mut sorted = items.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), items.len(), "a set has something twice");
            return Edn::Set(items);
        }
        if self.take("{") {
            let items = self.until("}");
            let pairs = items
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()));
            let map: BTreeMap<Edn, Edn> = pairs.collect();
            assert_eq!(2 * map.len(), items.len(), "a map has a key twice");
            return Edn::Map(map);
        }
        if self.take("[") {
            return Edn::Vector(self.until("]"));
        }
        if self.take("\"") {
            return self.text();
        }
        let end = self
            .0
            .find(|c: char| c.is_whitespace() || ",]})".contains(c))
            .unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        match word.strip_prefix(':') {
            Some(name) => Edn::Keyword(name.to_owned()),
            None if word == "nil" => Edn::Nil,
            None => Edn::Number(word.parse().unwrap_or_else(|_| panic!("what is '{word}'?"))),
        }
    }

    fn text(&mut self) -> Edn {
        let mut text = String::new();
        let mut letters = self.0.char_indices();
        while let Some((at, c)) = letters.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Edn::Text(text);
                }
                '\\' => text.extend(letters.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        panic!("a text does not end")
    }
}
