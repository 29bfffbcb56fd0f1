//! Words of the glossary in a text become buttons that show their meaning: by mouse, finger and keyboard, and without a script.

use super::Definition;

/// Finds words of the glossary in texts.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    /// The texts to look for, and the word of each; longer ones first, so that `outage area` is no `outage`.
    forms: Vec<(&'static str, String)>,
}

impl Marker {
    /// One that knows these words.
    pub(crate) fn new(definitions: &[Definition]) -> Self {
        let each = definitions.iter().flat_map(|definition| {
            let forms = definition.forms.iter().chain([&definition.term]);
            forms.map(|form| (*form, definition.id.clone()))
        });
        let mut forms: Vec<(&'static str, String)> = each.collect();
        forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        Self { forms }
    }

    /// The text as HTML. Each word is a button where it occurs for the first time.
    pub(crate) fn mark(&self, text: &str) -> String {
        let mut html = String::with_capacity(text.len() * 2);
        let mut seen: Vec<&str> = Vec::new();
        let mut at_begin = true;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let found = self.forms.iter().find(|(form, id)| {
                at_begin && !seen.contains(&id.as_str()) && begins_with(rest, form)
            });
            let length = match found {
                Some((form, id)) => {
                    seen.push(id);
                    html.push_str("<button type=\"button\" class=\"term\" popovertarget=\"");
                    html.push_str(id);
                    html.push_str("\">");
                    escape(&rest[..form.len()], &mut html);
                    html.push_str("</button>");
                    form.len()
                }
                None => {
                    escape(&rest[..next.len_utf8()], &mut html);
                    next.len_utf8()
                }
            };
            at_begin = rest[..length]
                .chars()
                .next_back()
                .is_some_and(|last| !is_of_word(last));
            rest = &rest[length..];
        }
        html
    }
}

/// Whether the text begins with this word, which may begin a sentence, and does not go on within it.
fn begins_with(text: &str, word: &str) -> bool {
    let same = text.as_bytes().get(..word.len()).is_some_and(|head| {
        head.eq_ignore_ascii_case(word.as_bytes()) && head[1..] == word.as_bytes()[1..]
    });
    same && text.is_char_boundary(word.len())
        && text[word.len()..]
            .chars()
            .next()
            .is_none_or(|next| !is_of_word(next))
}

/// Whether a word goes on with it. One with a hyphen is another word.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#x27;"),
            _ => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        let of = |term, forms| Definition {
            term,
            forms,
            id: super::super::id(term),
            meaning: String::new(),
        };
        Marker::new(&[
            of("outage", &[]),
            of("outage area", &[]),
            of("ready", &["time to ready"]),
        ])
    }

    #[test]
    fn words_are_marked_once_and_as_whole_words_only() {
        let button = |word: &str, id: &str| {
            format!(
                "<button type=\"button\" class=\"term\" popovertarget=\"word-{id}\">{word}</button>"
            )
        };
        for (text, html) in [
            ("already", "already".to_owned()),
            ("outage-like", "outage-like".to_owned()),
            (
                "Outage, outage",
                format!("{}, outage", button("Outage", "outage")),
            ),
            (
                "the outage area of an outage",
                format!(
                    "the {} of an {}",
                    button("outage area", "outage-area"),
                    button("outage", "outage")
                ),
            ),
            ("time to ready", button("time to ready", "ready")),
            ("é outage", format!("é {}", button("outage", "outage"))),
        ] {
            assert_eq!(marker().mark(text), html);
        }
    }

    #[test]
    fn foreign_text_is_escaped() {
        assert_eq!(
            marker().mark("<b a=\"x\">'&"),
            "&lt;b a=&quot;x&quot;&gt;&#x27;&amp;"
        );
    }
}
