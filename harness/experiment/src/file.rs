//! An experiment file: reads its text, and shows problems at their places.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use comeback_model::gate::Gate;
use comeback_model::plan::fault::Catalogue;
use serde::Deserialize;
use toml::de::Deserializer;

use super::document::Demands;
use super::keys::{Unknown, unknown_keys};
use super::spans::Spans;
use super::{Document, Key, Origin, Problem, Resolved, json_schema, resolve};

/// An experiment file that could be read.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    /// Its content.
    pub document: Document,
}

/// An experiment file that cannot be used: everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct Unreadable {
    path: PathBuf,
    text: String,
    wrong: Vec<Wrong>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The problem.
    pub message: String,
    /// How to correct it, if known.
    pub help: Option<String>,
}

/// The most an experiment file may have, in bytes; a long one has a few thousand.
const FILE_MAX: u64 = 1024 * 1024;
/// How many problems of a file are told.
const TOLD_MAX: usize = 20;

/// Reads an experiment file's text, and no more than a file of this kind can have: a device has no end.
///
/// # Errors
/// If it cannot be read, is too long, or no text.
pub fn read_text(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        let what = "it is larger than 1 MiB, the limit of experiment files: is it the right file?";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let what = format!("line {line} is not UTF-8 text");
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

impl File {
    /// Reads the text of a file. Errors name the path. Its folder is `{here}`.
    ///
    /// # Errors
    /// If it is not TOML, has unknown keys, or has values of the wrong type.
    pub fn parse(path: &Path, text: String, catalogue: &dyn Catalogue) -> Result<Self, Unreadable> {
        match read(&text, catalogue) {
            Ok(document) => Ok(Self {
                path: path.to_owned(),
                text,
                document,
            }),
            Err(wrong) => Err(Unreadable::new(path, text, wrong)),
        }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its name and folder are good for.
    pub fn origin(&self) -> Origin {
        let name = self.path.file_stem().unwrap_or_default();
        Origin {
            name: name.to_string_lossy().into_owned(),
            here: std::path::absolute(&self.path)
                .ok()
                .and_then(|path| path.parent().map(Path::to_owned)),
        }
    }

    /// Where its gates stand, by their text: line and column, from 1.
    pub fn gate_places(&self) -> BTreeMap<String, (usize, usize)> {
        // It was read before, so there are places.
        let Ok(spans) = Spans::parse(&self.text) else {
            return BTreeMap::new();
        };
        let mut places = BTreeMap::new();
        for (metric, Demands(demands)) in &self.document.gate {
            for (index, demand) in demands.iter().enumerate() {
                let Ok(gate) = Gate::from_entry(metric, demand) else {
                    continue;
                };
                let whole: Vec<Key> = vec!["gate".into(), metric.as_str().into()];
                let item = whole.iter().cloned().chain([index.into()]).collect();
                let span = spans.locate(&[item, whole]);
                let place = place(&self.text, span, "", None);
                places
                    .entry(gate.to_string())
                    .or_insert((place.line, place.column));
            }
        }
        places
    }

    /// The plan that follows from it.
    ///
    /// # Errors
    /// With everything about it that cannot be carried out.
    pub fn resolve(&self, catalogue: &dyn Catalogue) -> Result<Resolved, Unreadable> {
        resolve(&self.document, &self.origin(), catalogue)
            .map_err(|problems| self.refuse(&problems))
    }

    fn refuse(&self, problems: &[Problem]) -> Unreadable {
        // It was read before, so there are places.
        let spans = Spans::parse(&self.text).ok();
        let wrong = problems.iter().map(|problem| {
            let span = spans.as_ref().map(|spans| spans.locate(&problem.places));
            place(&self.text, span.unwrap_or(0..0), &problem.what, None)
        });
        Unreadable::new(&self.path, self.text.clone(), wrong.collect())
    }
}

fn read(text: &str, catalogue: &dyn Catalogue) -> Result<Document, Vec<Wrong>> {
    let refuse = |error: toml::de::Error| {
        vec![place(
            text,
            error.span().unwrap_or(0..0),
            error.message(),
            None,
        )]
    };
    let spans = Spans::parse(text).map_err(refuse)?;
    let unknown = unknown_keys(spans.root(), &json_schema(catalogue));
    if !unknown.is_empty() {
        let wrong = unknown.iter().take(TOLD_MAX);
        let mut wrong: Vec<Wrong> = wrong.map(|key| tell_unknown(text, key)).collect();
        let untold = unknown.len() - wrong.len();
        if let Some(last) = wrong.last_mut().filter(|_| untold > 0) {
            last.message.push_str(&format!(", and {untold} more"));
        }
        return Err(wrong);
    }
    Document::deserialize(Deserializer::from(spans.into_inner())).map_err(refuse)
}

fn tell_unknown(text: &str, key: &Unknown) -> Wrong {
    let within = match key.table.as_str() {
        "" => String::new(),
        table => format!(" in [{table}]"),
    };
    let message = format!("unknown key '{}'{within}", key.name);
    let help = match key.nearest() {
        Some(nearest) => format!("did you mean '{nearest}'?"),
        None => format!("there are {}", key.known.join(", ")),
    };
    place(text, key.span.clone(), &message, Some(help))
}

fn place(text: &str, span: Range<usize>, message: &str, help: Option<String>) -> Wrong {
    let start = (0..=span.start.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let end = (span.end.max(start)..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Wrong {
        span: start..end,
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        message: message.to_owned(),
        help,
    }
}

impl Wrong {
    /// The problem, followed by its correction.
    pub fn told(&self) -> String {
        match &self.help {
            Some(help) => format!("{} ({help})", self.message),
            None => self.message.clone(),
        }
    }
}

impl Unreadable {
    fn new(path: &Path, text: String, mut wrong: Vec<Wrong>) -> Self {
        wrong.sort_by_key(|wrong| wrong.span.start);
        Self {
            path: path.to_owned(),
            text,
            wrong,
        }
    }

    /// Everything that is wrong, from the top.
    pub fn wrong(&self) -> &[Wrong] {
        &self.wrong
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For people: each problem under the line it is in.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let path = tame(&self.path.display().to_string(), char::is_control);
        let shown = self.wrong.iter().map(|wrong| {
            let annotation = AnnotationKind::Primary.span(wrong.span.clone());
            let snippet = Snippet::source(self.text.as_str())
                .path(path.as_str())
                .annotation(annotation);
            let mut group = Level::ERROR
                .primary_title(wrong.message.as_str())
                .element(snippet);
            if let Some(help) = &wrong.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            // The renderer knows control characters of seven bits only; its own are the colors.
            tame(&renderer.render(&[group]), |letter| {
                letter.is_control() && !letter.is_ascii()
            })
        });
        shown.collect::<Vec<_>>().join("\n\n")
    }
}

/// The text without control characters that a terminal would obey.
fn tame(text: &str, steers: impl Fn(char) -> bool) -> String {
    let letters = text.chars();
    letters
        .map(|letter| match steers(letter) {
            true => char::REPLACEMENT_CHARACTER,
            false => letter,
        })
        .collect()
}

/// A line for each problem: `path:line:column: problem (correction)`.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, wrong) in self.wrong.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let path = self.path.display();
            write!(
                f,
                "{path}:{}:{}: {}",
                wrong.line,
                wrong.column,
                wrong.told()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreadable {}
