//! The git revision of the folder in which a run was started.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many digits of a commit are shown: enough for large repositories.
const SHOWN: usize = 10;

/// A git revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// The commit, all digits.
    pub commit: String,
    /// Whether files that git tracks differed from it.
    pub dirty: bool,
}

impl fmt::Display for Revision {
    /// The first digits: `3f2a91c4d5`, or `3f2a91c4d5 (dirty)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.commit.char_indices().nth(SHOWN);
        let end = shown.map_or(self.commit.len(), |(at, _)| at);
        f.write_str(&self.commit[..end])?;
        f.write_str(if self.dirty { " (dirty)" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_shown_by_its_first_digits() {
        let revision = |commit: &str, dirty| Revision {
            commit: commit.to_owned(),
            dirty,
        };
        let commit = "3f2a91c4d5e6f708192a3b4c5d6e7f8091a2b3c4";
        assert_eq!(revision(commit, false).to_string(), "3f2a91c4d5");
        assert_eq!(revision(commit, true).to_string(), "3f2a91c4d5 (dirty)");
        assert_eq!(revision("äöü", false).to_string(), "äöü");
    }
}
