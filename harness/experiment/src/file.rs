//! An experiment file: reads its text, and shows problems at their places.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use comeback_model::gate::Gate;
use comeback_model::plan::fault::Catalogue;

use super::document::Demands;
use super::keys::Unknown;
use super::partly::{Dropped, Partly, read_partly};
use super::spans::Spans;
use super::{Document, Key, Origin, Problem, Resolved, resolve};

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
    problems: Vec<FileProblem>,
    /// What could be read of it.
    partly: Option<Box<Document>>,
    dropped: Box<Dropped>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
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
/// A quoted line of a file that is longer is shown around its problem.
const COLUMNS: usize = 80;
const A_DATE: &str = "a date cannot be the value here: write it as a text, in quotes";
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
    /// If it is not TOML, has unknown keys, or has values of the wrong type: with all of these.
    pub fn parse(path: &Path, text: String, catalogue: &dyn Catalogue) -> Result<Self, Unreadable> {
        let tell = |error: &toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            place(&text, span, error.message(), None)
        };
        let partly = match read_partly(&text, catalogue) {
            Ok(partly) => partly,
            Err(error) => {
                let wrong = vec![tell(&error)];
                return Err(Unreadable::new(path, text, wrong));
            }
        };
        let Partly {
            document,
            unknown,
            dates,
            errors,
            dropped,
        } = partly;
        let mut wrong = tell_all_unknown(&text, &unknown);
        let dates = dates.into_iter();
        wrong.extend(dates.map(|span| place(&text, span, A_DATE, None)));
        wrong.extend(errors.iter().map(tell));
        match document {
            Some(document) if wrong.is_empty() => Ok(Self {
                path: path.to_owned(),
                text,
                document,
            }),
            document => Err(Unreadable {
                partly: document.map(Box::new),
                dropped: Box::new(dropped),
                ..Unreadable::new(path, text, wrong)
            }),
        }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its name and folder are good for.
    pub fn origin(&self) -> Origin {
        origin_of(&self.path)
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
        let shown = problems.iter();
        let shown = shown.map(|problem| tell_problem(&self.text, spans.as_ref(), problem));
        Unreadable::new(&self.path, self.text.clone(), shown.collect())
    }
}

fn origin_of(path: &Path) -> Origin {
    let name = path.file_stem().unwrap_or_default();
    Origin {
        name: name.to_string_lossy().into_owned(),
        here: std::path::absolute(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned)),
    }
}

/// From the top, and each once: a rule may be broken for several arms by a key that they share.
fn in_order(problems: &mut Vec<FileProblem>) {
    problems.sort_by_key(|problem| problem.span.start);
    let mut told: Vec<(Range<usize>, String)> = Vec::new();
    problems.retain(|problem| {
        let own = (problem.span.clone(), problem.message.clone());
        let is_new = !told.contains(&own);
        told.push(own);
        is_new
    });
}

fn tell_problem(text: &str, spans: Option<&Spans<'_>>, problem: &Problem) -> FileProblem {
    let span = spans.map(|spans| spans.locate(&problem.places));
    place(text, span.unwrap_or(0..0), &problem.what, None)
}

/// The first of the unknown keys, and how many more there are.
fn tell_all_unknown(text: &str, unknown: &[Unknown]) -> Vec<FileProblem> {
    let wrong = unknown.iter().take(TOLD_MAX);
    let mut wrong: Vec<FileProblem> = wrong.map(|key| tell_unknown(text, key)).collect();
    let untold = unknown.len() - wrong.len();
    if let Some(last) = wrong.last_mut().filter(|_| untold > 0) {
        last.message.push_str(&format!(", and {untold} more"));
    }
    wrong
}

fn tell_unknown(text: &str, key: &Unknown) -> FileProblem {
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

fn place(text: &str, span: Range<usize>, message: &str, help: Option<String>) -> FileProblem {
    let start = (0..=span.start.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let end = (span.end.max(start)..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    FileProblem {
        span: start..end,
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        message: message.to_owned(),
        help,
    }
}

impl FileProblem {
    /// The problem, followed by its correction.
    pub fn told(&self) -> String {
        match &self.help {
            Some(help) => format!("{} ({help})", self.message),
            None => self.message.clone(),
        }
    }
}

impl Unreadable {
    fn new(path: &Path, text: String, mut problems: Vec<FileProblem>) -> Self {
        in_order(&mut problems);
        Self {
            path: path.to_owned(),
            text,
            problems,
            partly: None,
            dropped: Box::default(),
        }
    }

    /// With what is wrong by the rules of a plan, too, as far as it could be read: for a file that is used as it is. What may follow from a
    /// mistake that is told already is left out.
    #[must_use]
    pub fn with_rules(mut self, catalogue: &dyn Catalogue) -> Self {
        let Some(document) = self.partly.take() else {
            return self;
        };
        let problems = resolve(&document, &origin_of(&self.path), catalogue).err();
        let spans = Spans::parse(&self.text).ok();
        let is_its_own = |problem: &Problem| {
            let spans = spans.as_ref();
            spans.is_some_and(|spans| !self.dropped.may_cause(problem, spans))
        };
        let problems = problems.iter().flatten().filter(|one| is_its_own(one));
        let problems = problems.take(TOLD_MAX);
        let told = problems.map(|problem| tell_problem(&self.text, spans.as_ref(), problem));
        let told: Vec<FileProblem> = told.collect();
        self.problems.extend(told);
        in_order(&mut self.problems);
        self
    }

    /// Everything that is wrong, from the top.
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
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
        }
        .term_width(COLUMNS);
        let path = tame(&self.path.display().to_string(), char::is_control);
        let shown = self.problems.iter().map(|problem| {
            let annotation = AnnotationKind::Primary.span(problem.span.clone());
            let snippet = Snippet::source(self.text.as_str())
                .path(path.as_str())
                .annotation(annotation);
            let mut group = Level::ERROR
                .primary_title(problem.message.as_str())
                .element(snippet);
            if let Some(help) = &problem.help {
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
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let path = self.path.display();
            write!(
                f,
                "{path}:{}:{}: {}",
                problem.line,
                problem.column,
                problem.told()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreadable {}
