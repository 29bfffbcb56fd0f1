//! Why an experiment came to no verdict.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use comeback_experiment::Unreadable;

/// Why an experiment has no verdict.
///
/// Both `{}` and `{:?}` are readable, so a test may end with `?` or `unwrap()`.
#[non_exhaustive]
pub enum Error {
    /// The experiment is invalid. Nothing was measured.
    Usage(Vec<String>),
    /// The harness or its surroundings failed. That says nothing about the server.
    #[non_exhaustive]
    Harness {
        /// What failed.
        cause: Box<dyn StdError + Send + Sync>,
        /// The folder with everything recorded until then, if there is one.
        folder: Option<PathBuf>,
    },
}

impl Error {
    pub(super) fn harness(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Harness {
            cause: cause.into(),
            folder: None,
        }
    }

    pub(super) fn usage(problem: impl fmt::Display) -> Self {
        Self::Usage(vec![problem.to_string()])
    }

    /// The problems of a file, each with its place.
    pub(super) fn refused(unreadable: Unreadable) -> Self {
        let lines = unreadable.to_string();
        Self::Usage(lines.lines().map(str::to_owned).collect())
    }

    /// Adds the folder of the run.
    pub(super) fn recorded_in(self, place: PathBuf) -> Self {
        match self {
            Self::Harness { cause, .. } => Self::Harness {
                cause,
                folder: Some(place),
            },
            Self::Usage(_) => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problems) => match problems.as_slice() {
                [problem] => write!(f, "the experiment cannot be run: {problem}"),
                problems => {
                    f.write_str("the experiment cannot be run:")?;
                    problems
                        .iter()
                        .try_for_each(|problem| write!(f, "\n  {problem}"))
                }
            },
            Self::Harness { cause, folder } => {
                write!(f, "the experiment ended without a verdict: {cause}")?;
                let mut next = cause.source();
                while let Some(error) = next {
                    write!(f, ": {error}")?;
                    next = error.source();
                }
                match folder {
                    Some(folder) => write!(f, "; the records so far are in {}", folder.display()),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// It has no source. Its text contains the whole chain.
impl StdError for Error {}
