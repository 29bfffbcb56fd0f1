//! What cannot be put together.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::read::ReadError;

/// Folders that are not the shards of one run, or cannot be read or written.
#[derive(Debug)]
pub enum MergeError {
    /// There is no folder.
    Nothing,
    /// One cannot be read.
    Read(ReadError),
    /// A whole run.
    NoShard(PathBuf),
    /// It was written by another version of the journal.
    OtherVersion(PathBuf),
    /// They are of different runs.
    Differ {
        /// In what.
        what: String,
        /// One of them, and what it says.
        one: (PathBuf, String),
        /// The other.
        other: (PathBuf, String),
    },
    /// A shard is in two of them.
    Twice {
        /// Which.
        shard: u32,
        /// Where.
        folders: Box<[PathBuf; 2]>,
        /// Which of them came to its own end.
        ended: [bool; 2],
    },
    /// What the header holds is no list of shards.
    Shards(String),
    /// A schedule that does not follow from the plan and the seed.
    OtherSchedule(PathBuf),
    /// A trial that is none of the shard's, or began twice.
    StrangeTrial {
        /// Where.
        folder: PathBuf,
        /// Which.
        trial: u32,
        /// It began twice.
        twice: bool,
    },
    /// A trial's events do not stand where the schedule says.
    Disorder {
        /// Where.
        folder: PathBuf,
        /// The trial that should follow.
        trial: u32,
    },
    /// Something cannot be written.
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl MergeError {
    /// Whether the folders are to blame, and not the disk that the whole is written to.
    pub const fn is_about_the_folders(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}

impl From<ReadError> for MergeError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// What to do with a shard that was cut, and was run again.
fn only_if_it_found_nothing(
    f: &mut fmt::Formatter<'_>,
    cut: &dyn fmt::Display,
    again: &dyn fmt::Display,
) -> fmt::Result {
    write!(
        f,
        "{cut} did not come to its end. See what it found (comeback report {cut}): a loss counts. Name {again} alone only if it found none"
    )
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("name the folders of the shards"),
            Self::Read(error) => write!(f, "{error}"),
            Self::NoShard(folder) => write!(
                f,
                "{} is a whole run, not a shard: name folders of runs with --shard",
                folder.display()
            ),
            Self::OtherVersion(folder) => write!(
                f,
                "{} was written by another version: merge it with the version that wrote it",
                folder.display()
            ),
            Self::Differ {
                what,
                one: (one, of_one),
                other: (other, of_other),
            } => write!(
                f,
                "{} and {} are not of one run: their {what} differs, {of_one} and {of_other}. Run all shards with the \
                 same program, file, flags, paths and seed",
                one.display(),
                other.display()
            ),
            Self::Twice {
                shard,
                folders,
                ended,
            } => {
                let [one, other] = folders.as_ref().each_ref().map(|folder| folder.display());
                if folders[0] == folders[1] {
                    return write!(f, "{one} is named twice: name it once");
                }
                write!(f, "shard {shard} is in {one} and in {other}: ")?;
                match ended {
                    [true, true] => f.write_str(
                        "both came to their end, and what the first one found must not be left out: name the one that was run first",
                    ),
                    [true, false] => only_if_it_found_nothing(f, &other, &one),
                    [false, true] => only_if_it_found_nothing(f, &one, &other),
                    [false, false] => f.write_str(
                        "neither came to its end. See what each found (comeback report): a loss counts. If none found any, run the shard again, and name that alone",
                    ),
                }
            }
            Self::Shards(problem) => f.write_str(problem),
            Self::OtherSchedule(folder) => write!(
                f,
                "{} holds another schedule than its plan and seed give: its journal was changed; run this shard again",
                folder.display()
            ),
            Self::StrangeTrial {
                folder,
                trial,
                twice,
            } => write!(
                f,
                "{}: trial {trial} {}: its journal was changed; run this shard again",
                folder.display(),
                if *twice {
                    "began twice"
                } else {
                    "is none of this shard"
                }
            ),
            Self::Disorder { folder, trial } => write!(
                f,
                "{}: trial {trial} does not stand where its schedule says: its journal was changed; run this shard again",
                folder.display()
            ),
            Self::Write { path, .. } => write!(f, "failed to write {}", path.display()),
        }
    }
}

impl std::error::Error for MergeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Write { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
