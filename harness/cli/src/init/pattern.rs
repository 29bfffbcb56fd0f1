//! Places in replies: JSON pointers, cookies, headers, and patterns in text. Each is found by a value that is known to stand
//! there. Pure.

use serde_json::Value;

use super::recorded::Exchange;

/// How long the text around a value may be that a pattern quotes.
const AROUND_MAX: usize = 120;

/// A pattern: a text, a value, and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    before: String,
    class: Class,
    after: String,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Digits,
    /// Letters, digits and underscores.
    Word,
    /// Anything up to this.
    Until(char),
}

impl Class {
    pub(super) fn holds(self, letter: char) -> bool {
        match self {
            Self::Digits => letter.is_ascii_digit(),
            Self::Word => letter.is_ascii_alphanumeric() || letter == '_',
            Self::Until(end) => letter != end,
        }
    }

    fn source(self) -> String {
        match self {
            Self::Digits => "([0-9]+)".to_owned(),
            Self::Word => "([0-9A-Za-z_]+)".to_owned(),
            Self::Until(end) => format!("([^{end}]+)"),
        }
    }
}

impl Pattern {
    /// Whether it quotes this text.
    pub(super) fn quotes(&self, text: &str) -> bool {
        self.before.contains(text) || self.after.contains(text)
    }

    /// The first value in a text, as the regular expression finds it.
    pub(super) fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut starts = text.match_indices(&self.before);
        starts.find_map(|(at, before)| {
            let rest = &text[at + before.len()..];
            let end = rest
                .find(|letter| !self.class.holds(letter))
                .unwrap_or(rest.len());
            let found = end > 0 && rest[end..].starts_with(&self.after);
            found.then(|| &rest[..end])
        })
    }

    /// As an experiment file writes it.
    pub(super) fn place(&self) -> String {
        format!(
            "regex:{}{}{}",
            escaped(&self.before),
            self.class.source(),
            escaped(&self.after)
        )
    }
}

/// A text as a regular expression finds it.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// Patterns for the value at `start..end`, the shortest first. Each quotes whole words on the same line, and no number: that
/// may be another one next time. One that quotes few letters comes last.
pub(super) fn patterns(text: &str, (start, end): (usize, usize), class: Class) -> Vec<Pattern> {
    const FEW: usize = 4;
    let letters = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count();
    let is_edge = |letter: char| letter.is_ascii_digit() || letter == '\n' || letter == '\r';
    let floor = text[..start].rfind(is_edge).map_or(0, |at| at + 1);
    let (mut found, mut short) = (Vec::new(), Vec::new());
    for (at, letter) in text[floor..start].char_indices().rev() {
        let at = floor + at;
        if start - at > AROUND_MAX {
            break;
        }
        let before = &text[at..start];
        let left = text[floor..at].chars().next_back();
        let begins = letter.is_alphanumeric() && left.is_none_or(|left| !left.is_alphanumeric());
        let list = match letters(before) {
            2..FEW if begins => &mut short,
            FEW.. if begins => &mut found,
            _ => continue,
        };
        list.push(Pattern {
            before: before.to_owned(),
            class,
            after: String::new(),
        });
    }
    let behind = &text[end..];
    let is_end = |letter| is_edge(letter) || letter == '<';
    let stop = behind.find(is_end).unwrap_or(behind.len());
    let after: String = behind[..stop].chars().take(24).collect();
    if letters(&after) >= 2 && class == Class::Digits {
        found.push(Pattern {
            before: String::new(),
            class,
            after,
        });
    }
    found.append(&mut short);
    found
}

/// Where a reply shows this text. `label` is the name under which a later request sends it.
pub(super) fn place_of(value: &str, label: &str, shown_by: &Exchange) -> Option<String> {
    let by_cookie = shown_by.sets.iter().find(|(_, set)| set == value);
    if let Some((name, _)) = by_cookie {
        return Some(format!("cookie:{name}"));
    }
    let reply = shown_by.reply.as_ref()?;
    let mut headers = reply.headers.iter();
    let by_header = headers.find(|(name, sent)| name != "set-cookie" && sent == value);
    if let Some((name, _)) = by_header {
        return Some(format!("header:{name}"));
    }
    if let Some(json) = shown_by.json() {
        let mut leaves = Vec::new();
        scalars(json, &mut String::new(), &mut leaves);
        let mut leaves = leaves.into_iter();
        let (pointer, _) = leaves.find(|(_, leaf)| leaf.as_str() == Some(value))?;
        return Some(pointer);
    }
    let page = reply.body.as_deref()?;
    let mut places = page.match_indices(value);
    places.find_map(|(at, _)| in_attribute(page, (at, at + value.len()), label))
}

/// A pattern for the value of an attribute, such as the one of a hidden field or of a meta tag.
fn in_attribute(page: &str, (start, end): (usize, usize), label: &str) -> Option<String> {
    let value = &page[start..end];
    let quote = page[..start]
        .chars()
        .next_back()
        .filter(|letter| matches!(letter, '"' | '\''))?;
    let tag = page[..start].rfind('<')? + 1;
    let tag_end = page[end..].find('>').map_or(page.len(), |at| end + at);
    let whole = &page[tag..start];
    let named = whole.find(&format!("name={quote}{label}{quote}"));
    let begin = tag + named.or_else(|| whole.find("name=")).unwrap_or(0);
    let pattern = |before: usize, after: &str| Pattern {
        before: page[before..start].to_owned(),
        class: Class::Until(quote),
        after: after.to_owned(),
    };
    let behind = page[end..tag_end].trim_end_matches([' ', '/']);
    let candidates = [pattern(begin, ""), pattern(tag, ""), pattern(tag, behind)];
    // The name may stand behind the value: then the value alone says too little.
    let needs_behind = !page[tag..start].contains("name=") && behind.contains("name=");
    let mut fitting = candidates
        .into_iter()
        .skip(if needs_behind { 2 } else { 0 });
    let fits = |pattern: &Pattern| {
        pattern.before.len() <= 4 * AROUND_MAX && pattern.find(page) == Some(value)
    };
    fitting.find(fits).map(|pattern| pattern.place())
}

/// The value of the field of this name in a page.
pub(super) fn field_in<'p>(page: &'p str, label: &str) -> Option<&'p str> {
    let mut tags = page
        .split('<')
        .skip(1)
        .filter_map(|tag| tag.split('>').next());
    let named = tags.find(|tag| {
        ['"', '\'']
            .iter()
            .any(|quote| tag.contains(&format!("name={quote}{label}{quote}")))
    })?;
    let (_, value) = named.split_once(" value=")?;
    let quote = value
        .chars()
        .next()
        .filter(|letter| matches!(letter, '"' | '\''))?;
    value[1..]
        .split(quote)
        .next()
        .filter(|value| !value.is_empty())
}

/// The place of the hidden field of this name in a page that was not recorded, as most frameworks write it.
pub(super) fn hidden_field(label: &str) -> String {
    let pattern = Pattern {
        before: format!("name=\"{label}\" value=\""),
        class: Class::Until('"'),
        after: String::new(),
    };
    pattern.place()
}

/// The scalars of a JSON value outside lists, each with its pointer.
pub(super) fn scalars(value: &Value, at: &mut String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let length = at.len();
                at.push('/');
                at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                scalars(inner, at, found);
                at.truncate(length);
            }
        }
        Value::Array(_) | Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.push((at.clone(), value.clone()))
        }
    }
}

/// The JSONPath to a text within a list, with the whole list selected.
pub(super) fn in_list(value: &Value, text: &str, at: &str, is_in: bool) -> Option<String> {
    match value {
        Value::String(found) if is_in && found == text => Some(at.to_owned()),
        Value::Array(items) => {
            let at = format!("{at}[*]");
            items
                .iter()
                .find_map(|inner| in_list(inner, text, &at, true))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, inner)| {
            let is_plain = name
                .chars()
                .all(|letter| letter.is_ascii_alphabetic() || letter == '_');
            let at = match is_plain && !name.is_empty() {
                true => format!("{at}.{name}"),
                false => format!("{at}[{}]", Value::from(name.as_str())),
            };
            in_list(inner, text, &at, is_in)
        }),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::recorded::Reply;
    use super::*;

    fn shown(body: &str) -> Exchange {
        Exchange {
            reply: Some(Reply::new(200, Vec::new(), Some(body.to_owned()))),
            ..Exchange::default()
        }
    }

    #[test]
    fn a_token_is_found_where_pages_hide_it() {
        for (page, place) in [
            (
                r#"<input type="text" name="q" value=""><input type="hidden" name="csrf" value="T0K3N">"#,
                r#"regex:name="csrf" value="([^"]+)"#,
            ),
            (
                "<input name='csrf' value='T0K3N'/>",
                "regex:name='csrf' value='([^']+)",
            ),
            (
                r#"<input value="x" name="a"><input value="T0K3N" name="csrf"/>"#,
                r#"regex:input value="([^"]+)" name="csrf""#,
            ),
            (
                r#"<meta name="csrf-token" content="T0K3N" />"#,
                r#"regex:name="csrf\-token" content="([^"]+)"#,
            ),
            (
                r#"{"a": [1], "auth": {"to/ken": "T0K3N"}}"#,
                "/auth/to~1ken",
            ),
        ] {
            assert_eq!(
                place_of("T0K3N", "csrf", &shown(page)).as_deref(),
                Some(place),
                "{page}"
            );
        }
        assert_eq!(place_of("T0K3N", "csrf", &shown("<p>T0K3N</p>")), None);
        let cookie = Exchange {
            sets: vec![("csrftoken".to_owned(), "T0K3N".to_owned())],
            ..Exchange::default()
        };
        assert_eq!(
            place_of("T0K3N", "x-csrftoken", &cookie).as_deref(),
            Some("cookie:csrftoken")
        );
    }

    #[test]
    fn the_value_of_a_field_is_found_by_its_name() {
        let page = r#"<p>x<input value="a" name="b"><input name='csrf' type="hidden" value='T0'/>"#;
        assert_eq!(field_in(page, "b"), Some("a"));
        assert_eq!(field_in(page, "csrf"), Some("T0"));
        assert_eq!(field_in(page, "c"), None);
    }

    #[test]
    fn a_number_in_a_text_is_found_by_the_words_beside_it() {
        let page = "Room 12, you are al, visits: 3<br>";
        let at = page.find('3').unwrap();
        let found = patterns(page, (at, at + 1), Class::Digits);
        assert_eq!(found[0].place(), "regex:visits: ([0-9]+)");
        assert_eq!(found[0].find("no visits, visits: 17"), Some("17"));
        let page = "<b>3 visits</b>";
        let found = patterns(page, (3, 4), Class::Digits);
        assert_eq!(found[0].place(), "regex:([0-9]+) visits");
    }
}
