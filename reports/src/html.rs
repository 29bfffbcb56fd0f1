//! The report as one self-contained page, without external scripts, fonts or pictures.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

use crate::RenderError;
use crate::document::Document;
use crate::glossary::Marker;
use crate::page::{self, Charts};

static TEMPLATE: &str = include_str!("../templates/report.html");

/// A chart on the page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PageChart {
    /// Its file's name.
    pub(crate) name: &'static str,
    /// SVG for wide screens and paper.
    pub(crate) wide: String,
    /// SVG for narrow screens.
    pub(crate) narrow: String,
    /// How to read it.
    pub(crate) caption: String,
    /// Its figures as JSON, where the page's script draws it anew.
    pub(crate) live: Option<String>,
}

/// The page.
///
/// # Errors
/// If the template cannot be filled in.
pub(crate) fn render(document: &Document, figures: &[PageChart]) -> Result<String, RenderError> {
    let mut environment = environment()?;
    let marker = Marker::new(&document.definitions);
    environment.add_filter("terms", move |text: &str| {
        Value::from_safe_string(marker.mark(text))
    });
    let charts = match figures.iter().any(|figure| figure.live.is_some()) {
        true => Charts::Live,
        false => Charts::Drawn,
    };
    let (style, script) = (page::style("", charts), page::script(charts));
    // The name's ending turns on escaping.
    environment.add_template("report.html", TEMPLATE)?;
    let page = environment.get_template("report.html")?.render(context! {
        document => Serde(document),
        close_ids => document.close.iter().map(|trial| trial.id).collect::<Vec<u32>>(),
        figures => Serde(figures),
        policy => page::policy(&style, Some(&script)),
        style => style,
        script => script,
    })?;
    Ok(page)
}

/// The values that fill in a page.
///
/// # Errors
/// If the library fails.
pub(crate) fn environment() -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.add_filter("together", together);
    environment.add_filter("first_up", first_up);
    Ok(environment)
}

/// The text with its numbers and their units, and signs and their numbers, on one line.
fn together(text: &str) -> String {
    const NO_BREAK: char = '\u{a0}';
    let mut joined = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let belongs = c == ' ' && {
            let before = text[..at].chars().next_back();
            let word = text[at + 1..]
                .split([' ', ',', ';', '.', ')', ']', ':'])
                .next();
            before.is_some_and(|before| "≤<>".contains(before))
                || before.is_some_and(|before| before.is_ascii_digit())
                    && word.is_some_and(|word| ["ms", "s", "%", "MiB", "/"].contains(&word))
                || before == Some('/')
        };
        joined.push(if belongs { NO_BREAK } else { c });
    }
    joined
}

/// The text as a sentence begins.
pub(crate) fn first_up(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_with_their_units() {
        assert_eq!(
            together("ready after 42 ms; 3 times > 30 s (≤ 31 % of crashes) 0 / 12"),
            "ready after 42\u{a0}ms; 3 times >\u{a0}30\u{a0}s (≤\u{a0}31\u{a0}% of crashes) 0\u{a0}/\u{a0}12"
        );
    }
}
